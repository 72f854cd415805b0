"""The simulated instrument: a landscape on a date to digital numbers and classes.

Canopies by radiative transfer (``emulator``) over soil and litter, mixed with crowns,
rock, water and snow at their true shares; terrain light with diffuse sky, cloud,
shadow, cirrus and the rim of clouds; error, saturation and quantisation. Pixels are
independent of their neighbours: all that is spatial comes from functions of place.
Files and dates are not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.emulator import (
    CHUNK,
    FEATURES,
    Emulator,
    Network,
    fill_terms,
)
from qhsink.twin.ground_light import CLOUD, fill_canopies, fill_ground
from qhsink.twin.recording import (
    Instrument,
    draws_of,
    fill_errors,
    fill_smooth,
    turns_of,
    write_codes,
)
from qhsink.twin.scene_class import (
    SCL_SATURATED,
    Confusion,
    ground_class,
    sky_class,
)
from qhsink.twin.sky import CIRRUS, COVER, RIM, SHADE, SKY_ROOM, Light, fill_sky
from qhsink.twin.spectra import CENTRES_UM, CIRRUS_VEIL, BandSet, sky_share
from qhsink.twin.state import canopy_on
from qhsink.twin.world import Landscape

BLOCK = 50_000
"""Pixels handled at a time: bounds memory, changes no value. No power of two, so that
a pixel's values do not share a cache set."""


@dataclass(frozen=True, slots=True, eq=False)
class Optics:
    """How things reflect in some bands of an instrument."""

    emulator: Emulator
    """Canopies, soils and litter."""
    surfaces: NDArray[np.float32]
    """Plain surfaces, shape (4, bands), rows as ``ground_light.SURFACES``."""
    bands: BandSet
    """The set the bands are of."""
    chosen: NDArray[np.int64]
    """Which of the set's bands, shape (bands,)."""

    def under(self, light: Light) -> BandLight:
        """Return what compiled code needs of the bands under a sun."""
        centres = np.array(CENTRES_UM[self.bands])[self.chosen]
        return BandLight(
            self.emulator.network,
            self.emulator.soils,
            self.emulator.litter,
            self.surfaces,
            sky_share(centres, light.cos_zenith),
            np.array(CIRRUS_VEIL[self.bands])[self.chosen],
            turns_of(self.bands, self.chosen),
            draws_of(self.bands, self.chosen),
        )


class BandLight(NamedTuple):
    """Some bands of an instrument under a sun, as compiled code takes them."""

    net: Network
    soils: NDArray[np.float32]
    litter: NDArray[np.float32]
    surfaces: NDArray[np.float32]
    """Shape (4, bands)."""
    sky: NDArray[np.float64]
    """Diffuse share of the light."""
    veil: NDArray[np.float64]
    """What cirrus adds [reflectance]."""
    turns: NDArray[np.float64]
    """Of smooth errors: see ``recording.turns_of``."""
    draws: NDArray[np.int64]
    """Of a pixel's own errors: see ``recording.draws_of``."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the instrument recorded at n places."""

    dn: NDArray[np.uint16]
    """Digital numbers, shape (bands, n): the six of ``domain.scene.BANDS`` in that
    order, then those asked for beside them."""
    scl: NDArray[np.uint8]
    """Scene class, shape (n,); decided by those six."""


def expose(  # noqa: PLR0913 - a pixel, what lights it and what looks at it
    land: Landscape,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    pixel: NDArray[np.int64],
    light: Light,
    optics: Optics,
    instrument: Instrument,
    confusion: Confusion,
    *,
    beside: Optics | None = None,
) -> Exposure:
    """Return what one acquisition records.

    Parameters
    ----------
    land : Landscape
        The places.
    x, y : float64 arrays of shape (n,)
        Their grid coordinates [m].
    pixel : int64 array of shape (2, n)
        Absolute column and row of each pixel in its UTM zone: noise is theirs.
    light : Light
        Sun, clouds, season and swath.
    optics : Optics
        Canopies and surfaces in the six shared bands.
    instrument : Instrument
        Errors and coding.
    confusion : Confusion
        How the scene classification errs.
    beside : Optics, optional
        More bands of the same instrument; without influence on the six.
    """
    bands = [one.under(light) for one in (optics, beside) if one is not None]
    dn = np.empty((sum(b.sky.size for b in bands), x.size), dtype=np.uint16)
    scl = np.empty(x.size, dtype=np.uint8)
    for start in range(0, x.size, BLOCK):
        part = slice(start, start + BLOCK)
        here = _places(land, part)
        state = canopy_on(here, light.day, snow_line=light.snow_line)
        _fill_exposure(
            x[part],
            y[part],
            pixel[:, part],
            here.slope_x,
            here.slope_y,
            np.stack([getattr(state, f.name) for f in fields(state)]),
            light,
            tuple(bands),
            instrument,
            confusion,
            dn[:, part],
            scl[part],
        )
    return Exposure(dn, scl)


def _places(land: Landscape, part: slice) -> Landscape:
    """Return some of the places of ``land``."""
    arrays: dict[str, Any] = {
        f.name: value[..., part]
        for f in fields(land)
        if isinstance(value := getattr(land, f.name), np.ndarray)
    }
    return replace(land, **arrays)


@njit(nogil=True, cache=True, error_model="numpy")
def _light_up(
    overhead: np.ndarray,
    column: int,
    slope_light: tuple[float, float],
    bands: BandLight,
    blue_sky: float,
    instrument: Instrument,
    rho: np.ndarray,
) -> None:
    """Replace ground reflectance by what L2A shows of it under terrain and sky."""
    cloud, rim = overhead[COVER, column], overhead[RIM, column]
    shade, cirrus = overhead[SHADE, column], overhead[CIRRUS, column]
    sky, cloud_rho, (beam, dome) = bands.sky, bands.surfaces[CLOUD], slope_light
    for b in range(rho.size):
        raw = (1.0 - sky[b]) * beam + sky[b] * dome
        lit = max(1.0 + instrument.terrain * (raw - 1.0), 0.05)
        # A cloud takes most of the beam in its shadow, and leaves the skylight.
        value = rho[b] * lit * (1.0 - 0.9 * shade * (1.0 - sky[b]))
        value = value * (1.0 - 0.35 * cirrus) + cirrus * bands.veil[b]
        # Light from a cloud's side is scattered as skylight is.
        glow = instrument.adjacency * rim * rim * sky[b] / blue_sky
        value += glow * max(cloud_rho[b] - value, 0.0)
        rho[b] = value * (1.0 - cloud) + cloud * cloud_rho[b]


@njit(nogil=True, cache=True, error_model="numpy")
def _slope_light(gx: float, gy: float, light: Light) -> tuple[float, float]:
    """Return beam and sky light on a slope, over those on flat ground."""
    sin_zenith = math.sqrt(1.0 - light.cos_zenith**2)
    upright = 1.0 / math.sqrt(1.0 + gx * gx + gy * gy)
    cos_i = light.cos_zenith - sin_zenith * (gx * light.sun_x + gy * light.sun_y)
    beam = max(cos_i * upright, 0.0) / light.cos_zenith
    return beam, 0.5 * (1.0 + upright)


@njit(nogil=True, cache=True, error_model="numpy")
def _has_crowns(state: np.ndarray, first: int, count: int, leafy: int) -> bool:
    """Whether needle (0) or broadleaved (1) crowns stand on any of some pixels."""
    for k in range(first, first + count):
        if state[9, k] > 0.0 and (state[11, k] > 0.5) == (leafy == 1):
            return True
    return False


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_terms(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    state: np.ndarray,
    first: int,
    count: int,
    x: np.ndarray,
    light: Light,
    instrument: Instrument,
    net: Network,
    features: np.ndarray,
    hidden: np.ndarray,
    terms: np.ndarray,
    crowns: np.ndarray,
) -> None:
    """Fill the canopies' terms of some pixels: low vegetation, and crowns if any."""
    fill_canopies(state, first, count, 0, x, light, instrument, features)
    fill_terms(features, net, hidden[0], hidden[1], terms)
    for tree in range(2):
        # The other kind's terms are from an earlier chunk, and weigh nothing.
        if _has_crowns(state, first, count, tree):
            fill_canopies(state, first, count, tree + 1, x, light, instrument, features)
            fill_terms(features, net, hidden[0], hidden[1], crowns[tree])


@njit(nogil=True, cache=True, error_model="numpy")
def _class_of(  # noqa: PLR0913, PLR0917 - compiled code takes numbers
    x: float,
    y: float,
    v: np.ndarray,
    seed: int,
    overhead: np.ndarray,
    full: bool,
    slope_light: tuple[float, float],
    sky: float,
    instrument: Instrument,
    confusion: Confusion,
    rho: np.ndarray,
) -> int:
    """Return the scene class of a pixel that was recorded as ``rho``.

    ``v`` is its state, ``full`` whether a band saturated, ``sky`` the diffuse share of
    the light in the near infrared.
    """
    cloud, shade, cirrus = overhead[COVER], overhead[SHADE], overhead[CIRRUS]
    seen: int = sky_class(x, y, seed, cloud, shade, cirrus, confusion)
    if seen != 0:
        return seen
    if full:
        return SCL_SATURATED
    raw = (1.0 - sky) * slope_light[0] + sky * slope_light[1]
    lit = 1.0 + instrument.terrain * (raw - 1.0)
    ground: int = ground_class(x, y, seed, v[12], v[13], lit, rho, confusion)
    return ground


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_exposure(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    pixel: np.ndarray,
    slope_x: np.ndarray,
    slope_y: np.ndarray,
    state: np.ndarray,
    light: Light,
    sets: tuple[BandLight, ...],
    instrument: Instrument,
    confusion: Confusion,
    dn: np.ndarray,
    scl: np.ndarray,
) -> None:
    features = np.zeros((FEATURES, CHUNK), np.float32)
    hidden = np.empty((2, sets[0].net.first.shape[1], CHUNK), np.float32)
    sky_room, overhead = np.empty((SKY_ROOM, CHUNK)), np.empty((4, CHUNK))
    smooth = np.empty((4, CHUNK))
    for first in range(0, x.size, CHUNK):
        count = min(CHUNK, x.size - first)
        part_x, part_y = x[first : first + count], y[first : first + count]
        fill_sky(part_x, part_y, light, instrument.cloud_height, sky_room, overhead)
        fill_smooth(part_x, part_y, light.seed, sky_room, smooth)
        done = 0
        for bands in sets:
            count_bands = bands.sky.size
            terms = np.empty((3 * count_bands, CHUNK), np.float32)
            crowns = np.zeros((2, 3 * count_bands, CHUNK), np.float32)
            rho, errors = np.empty(count_bands), np.empty((2, count_bands))
            _fill_terms(
                state, first, count, x, light, instrument, bands.net, features,
                hidden, terms, crowns,
            )  # fmt: skip
            for p in range(count):
                k = first + p
                v = state[:, k]
                fill_ground(
                    v, bands.soils, bands.litter, bands.surfaces, terms, crowns, p,
                    instrument, rho,
                )  # fmt: skip
                on_slope = _slope_light(slope_x[k], slope_y[k], light)
                _light_up(overhead, p, on_slope, bands, sets[0].sky[0], instrument, rho)
                fill_errors(
                    smooth, p, pixel[0, k], pixel[1, k], light.seed, instrument,
                    bands.turns, bands.draws, errors,
                )  # fmt: skip
                full = write_codes(rho, errors, instrument, dn[done:], k)
                if done == 0:
                    scl[k] = _class_of(
                        x[k], y[k], v, light.seed, overhead[:, p], full, on_slope,
                        bands.sky[3], instrument, confusion, rho,
                    )  # fmt: skip
            done += count_bands

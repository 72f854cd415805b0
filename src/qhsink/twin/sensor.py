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
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.emulator import (
    BANDS,
    CHUNK,
    FEATURES,
    TERMS,
    Emulator,
    Network,
    fill_terms,
)
from qhsink.twin.ground_light import CLOUD, fill_canopies, fill_ground
from qhsink.twin.recording import Instrument, fill_errors, fill_smooth, write_codes
from qhsink.twin.scene_class import (
    SCL_SATURATED,
    Confusion,
    ground_class,
    sky_class,
)
from qhsink.twin.sky import CIRRUS, COVER, RIM, SHADE, SKY_ROOM, Light, fill_sky
from qhsink.twin.spectra import CENTRES_UM, sky_share
from qhsink.twin.state import canopy_on
from qhsink.twin.world import Landscape

BLOCK = 50_000
"""Pixels handled at a time: bounds memory, changes no value. No power of two, so that
a pixel's values do not share a cache set."""


@dataclass(frozen=True, slots=True)
class Optics:
    """How things reflect in an instrument's bands."""

    emulator: Emulator
    """Canopies, soils and litter."""
    surfaces: NDArray[np.float32]
    """Plain surfaces, shape (4, 6), rows as ``ground_light.SURFACES``."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the instrument recorded at n places."""

    dn: NDArray[np.uint16]
    """Digital numbers, shape (6, n), bands in the order of ``domain.scene.BANDS``."""
    scl: NDArray[np.uint8]
    """Scene class, shape (n,)."""


def expose(
    land: Landscape,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    pixel: NDArray[np.int64],
    light: Light,
    optics: Optics,
    instrument: Instrument,
    confusion: Confusion,
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
        Canopies and surfaces in the instrument's bands.
    instrument : Instrument
        Errors and coding.
    confusion : Confusion
        How the scene classification errs.
    """
    dn = np.empty((BANDS, x.size), dtype=np.uint16)
    scl = np.empty(x.size, dtype=np.uint8)
    share = sky_share(np.array(CENTRES_UM), light.cos_zenith)
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
            optics.emulator.network,
            optics.emulator.soils,
            optics.emulator.litter,
            optics.surfaces,
            share,
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
    raw: np.ndarray,
    sky: np.ndarray,
    cloud_rho: np.ndarray,
    instrument: Instrument,
    rho: np.ndarray,
) -> None:
    """Replace ground reflectance by what L2A shows of it under terrain and sky."""
    cloud, rim = overhead[COVER, column], overhead[RIM, column]
    shade, cirrus = overhead[SHADE, column], overhead[CIRRUS, column]
    for b in range(rho.size):
        lit = max(1.0 + instrument.terrain * (raw[b] - 1.0), 0.05)
        # A cloud takes most of the beam in its shadow, and leaves the skylight.
        value = rho[b] * lit * (1.0 - 0.9 * shade * (1.0 - sky[b]))
        # Cirrus brightens least where ice absorbs.
        veil = cirrus * (0.20 if b < 4 else 0.09)
        value = value * (1.0 - 0.35 * cirrus) + veil
        # Light from a cloud's side is scattered as skylight is.
        glow = instrument.adjacency * rim * rim * sky[b] / sky[0]
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
def _fill_exposure(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    pixel: np.ndarray,
    slope_x: np.ndarray,
    slope_y: np.ndarray,
    state: np.ndarray,
    light: Light,
    net: Network,
    soils: np.ndarray,
    litter: np.ndarray,
    surfaces: np.ndarray,
    sky: np.ndarray,
    instrument: Instrument,
    confusion: Confusion,
    dn: np.ndarray,
    scl: np.ndarray,
) -> None:
    shape = (net.first.shape[1], CHUNK)
    features = np.zeros((FEATURES, CHUNK), np.float32)
    one, two = np.empty(shape, np.float32), np.empty(shape, np.float32)
    terms = np.empty((TERMS, CHUNK), np.float32)
    crowns = np.zeros((2, TERMS, CHUNK), np.float32)
    rho, raw, errors = np.empty(BANDS), np.empty(BANDS), np.empty((2, BANDS))
    sky_room, overhead = np.empty((SKY_ROOM, CHUNK)), np.empty((4, CHUNK))
    smooth = np.empty((4, CHUNK))
    for first in range(0, x.size, CHUNK):
        count = min(CHUNK, x.size - first)
        part_x, part_y = x[first : first + count], y[first : first + count]
        fill_sky(part_x, part_y, light, instrument.cloud_height, sky_room, overhead)
        fill_smooth(part_x, part_y, light.seed, sky_room, smooth)
        fill_canopies(state, first, count, 0, x, light, instrument, features)
        fill_terms(features, net, one, two, terms)
        for tree in range(2):
            # The other kind's terms are from an earlier chunk, and weigh nothing.
            if _has_crowns(state, first, count, tree):
                fill_canopies(
                    state, first, count, tree + 1, x, light, instrument, features
                )
                fill_terms(features, net, one, two, crowns[tree])
        for p in range(count):
            k = first + p
            v = state[:, k]
            fill_ground(v, soils, litter, surfaces, terms, crowns, p, instrument, rho)
            beam, dome = _slope_light(slope_x[k], slope_y[k], light)
            for b in range(BANDS):
                raw[b] = (1.0 - sky[b]) * beam + sky[b] * dome
            _light_up(overhead, p, raw, sky, surfaces[CLOUD], instrument, rho)
            fill_errors(
                smooth,
                p,
                pixel[0, k],
                pixel[1, k],
                light.seed,
                instrument,
                errors,
            )
            full = write_codes(rho, errors, instrument, dn, k)
            cloud, shade = overhead[COVER, p], overhead[SHADE, p]
            cirrus = overhead[CIRRUS, p]
            seen = sky_class(x[k], y[k], light.seed, cloud, shade, cirrus, confusion)
            if seen == 0 and full:
                seen = SCL_SATURATED
            if seen == 0:
                lit = 1.0 + instrument.terrain * (raw[3] - 1.0)
                seen = ground_class(
                    x[k], y[k], light.seed, v[12], v[13], lit, rho, confusion
                )
            scl[k] = seen

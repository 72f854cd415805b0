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
    BANDS,
    CHUNK,
    FEATURES,
    TERMS,
    Emulator,
    Network,
    fill_features,
    fill_terms,
    over_ground,
)
from qhsink.twin.leaves import TREE_ANGLE, lai_of_cover, leaf_cover
from qhsink.twin.noise import gradient_noise, random_pair
from qhsink.twin.scene_class import (
    SCL_SATURATED,
    Confusion,
    ground_class,
    sky_class,
)
from qhsink.twin.sky import Light, sky_over
from qhsink.twin.spectra import CENTRES_UM, sky_share
from qhsink.twin.state import canopy_on
from qhsink.twin.world import Landscape

STONE, ICE, LAKE, CLOUD = range(4)
SURFACES = ("rock", "snow", "water", "cloud")
"""Rows of the table of plain surfaces, as ``[spectra]`` in config/twin.toml names."""

BLOCK = 50_000
"""Pixels handled at a time: bounds memory, changes no value. No power of two, so that
a pixel's values do not share a cache set."""

PATCH_COVER = 0.95
"""Nadir cover inside a patch of low vegetation: sparser ground is patches of this
cover with bare ground between, so that the pixel's gap fraction stays the true one."""

PATCH_SHADE = 0.2
"""Share of a patch in shadow between tussocks, which a flat canopy lacks: brings closed
meadow into the range of field transects (unverified)."""

NOISE_RANGE_M = 9_000.0
"""Range of the errors that atmospheric correction leaves [m]."""
_NOISE_SD = 0.4
"""Standard deviation of one octave of gradient noise."""
_ANGLES = 2.0 * np.pi * np.arange(BANDS) / BANDS
_TURN = np.stack([np.sin(_ANGLES), np.cos(_ANGLES)])
"""Where a band's own smooth error lies in the plane of two fields; of variance 1."""


class Instrument(NamedTuple):
    """Errors and coding of the product."""

    multiplicative: float
    """Standard deviation of the relative error."""
    additive: float
    """Standard deviation of the additive error [reflectance]."""
    correlation: float
    """Correlation of the errors of two bands."""
    pixel_share: float
    """Share of the error's variance that is each pixel's own; the rest is smooth."""
    terrain: float
    """Share of terrain illumination left in the product, 0..1."""
    cloud_height: float
    """Height of clouds above ground [m], for the shadow's displacement."""
    adjacency: float
    """Share of a cloud's light that its rim receives, 0..1."""
    saturation: float
    """Reflectance at which the detector saturates."""
    crown_shade: float
    """Share of needle crowns in their own shadow, 0..1."""
    leaf_shade: float
    """... of broadleaved crowns."""
    dn_step: float
    """Coarseness of the digital number [DN]."""
    scale: float
    """Reflectance per DN."""
    offset: float
    """Reflectance at DN 0."""


@dataclass(frozen=True, slots=True)
class Optics:
    """How things reflect in an instrument's bands."""

    emulator: Emulator
    """Canopies, soils and litter."""
    surfaces: NDArray[np.float32]
    """Plain surfaces, shape (4, 6), rows as ``SURFACES``."""


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
def view_of(x: float, light: Light) -> tuple[float, float]:
    """Return view zenith angle [deg] and cosine of its azimuth from the sun's.

    Tracks stand one swath apart and run south by west, as a descending orbit does at
    this latitude: the sensor is seen towards 103 or 283 degrees.
    """
    across = (x / light.swath) - math.floor(x / light.swath) - 0.5
    zenith = 2.0 * abs(across) * light.view_edge
    side = -1.0 if across > 0.0 else 1.0
    cos_azimuth = side * (0.97437 * light.sun_x - 0.22495 * light.sun_y)
    return zenith, cos_azimuth


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_canopies(
    state: np.ndarray,
    first: int,
    count: int,
    tree: int,
    x: np.ndarray,
    light: Light,
    features: np.ndarray,
) -> None:
    """Fill the network's features of low vegetation (0), needles (1) or leaves (2)."""
    for p in range(count):
        v = state[:, first + p]
        view, turned = view_of(x[first + p], light)
        sun = light.cos_zenith
        if tree == 0:
            lai = max(v[0], lai_of_cover(PATCH_COVER, v[1]))
            fill_features(
                lai, v[1], v[2], v[3], v[4], v[5], sun, view, turned, features, p
            )
        elif tree == 1:
            fill_features(
                v[10], TREE_ANGLE, 55.0, 0.018, 0.020, 0.0, sun, view, turned,
                features, p,
            )  # fmt: skip
        else:
            fill_features(
                v[10], TREE_ANGLE, 45.0, 0.007, 0.012, v[5], sun, view, turned,
                features, p,
            )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_ground(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    v: np.ndarray,
    soils: np.ndarray,
    litter: np.ndarray,
    surfaces: np.ndarray,
    terms: np.ndarray,
    crowns: np.ndarray,
    column: int,
    instrument: Instrument,
    rho: np.ndarray,
) -> None:
    """Fill reflectance of a pixel's ground at the true shares of what is on it.

    ``crowns`` holds the terms of needle and broadleaved crowns, shape (2, 18, pixels);
    below crowns lies the same low vegetation.
    """
    crown, snow, water, rock = v[9], v[12], v[13], v[14]
    open_share = max(1.0 - crown - water - rock, 0.0)
    needles, leaves = crowns[0], crowns[1]
    patches = min(leaf_cover(v[0], v[1]) / PATCH_COVER, 1.0)
    place = min(max(v[6], 0.0), 1.0) * (soils.shape[0] - 1.0001)
    row = int(place)
    part = place - row
    for b in range(rho.size):
        soil = (1.0 - part) * soils[row, b] + part * soils[row + 1, b]
        low = (1.0 - v[8]) * soil * v[7] + v[8] * litter[b]
        leafy = (1.0 - PATCH_SHADE) * over_ground(terms, b, column, low)
        low = patches * leafy + (1.0 - patches) * low
        value = open_share * low
        if crown > 0.0:
            dark = over_ground(needles, b, column, low)
            bright = over_ground(leaves, b, column, low)
            dark *= (1.0 - v[11]) * (1.0 - instrument.crown_shade)
            bright *= v[11] * (1.0 - instrument.leaf_shade)
            value += crown * (dark + bright)
        value += water * surfaces[LAKE, b] + rock * surfaces[STONE, b]
        rho[b] = value * (1.0 - snow) + snow * surfaces[ICE, b]


@njit(nogil=True, cache=True, error_model="numpy")
def _light_up(
    overhead: tuple[float, float, float, float],
    raw: np.ndarray,
    sky: np.ndarray,
    cloud_rho: np.ndarray,
    instrument: Instrument,
    rho: np.ndarray,
) -> None:
    """Replace ground reflectance by what L2A shows of it under terrain and sky."""
    cloud, rim, shade, cirrus = overhead
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
def _fill_errors(
    x: float,
    y: float,
    column: int,
    row: int,
    seed: int,
    instrument: Instrument,
    errors: np.ndarray,
) -> None:
    """Fill relative and additive error of each band, standardised, shape (2, bands).

    One part common to the bands, one that turns from band to band in a plane of two
    fields; both smooth in space, and a pixel's own part on top.
    """
    bands = errors.shape[1]
    own = math.sqrt(instrument.pixel_share)
    smooth = math.sqrt(1.0 - instrument.pixel_share) / _NOISE_SD
    alike, apart = (
        math.sqrt(instrument.correlation),
        math.sqrt(1.0 - instrument.correlation),
    )
    u, v = x / NOISE_RANGE_M, y / NOISE_RANGE_M
    one = gradient_noise(u, v, seed + 900)
    two = gradient_noise(v + 0.31, u + 0.17, seed + 901)
    sine = gradient_noise(u + 0.53, v + 0.29, seed + 902)
    cosine = gradient_noise(v + 0.71, u + 0.67, seed + 903)
    pixel_one, pixel_two = random_pair(column, row, seed + 909)
    first, second = 0.0, 0.0
    for b in range(bands):
        if b % 2 == 0:
            first, second = random_pair(column, row, seed + 910 + b)
        single = first if b % 2 == 0 else second
        s, c = _TURN[0, b], _TURN[1, b]
        errors[0, b] = smooth * (alike * one + apart * (s * sine + c * cosine))
        errors[1, b] = smooth * (alike * two + apart * (c * sine - s * cosine))
        errors[0, b] += own * (alike * pixel_one + apart * single)
        errors[1, b] += own * (alike * pixel_two - apart * single)


@njit(nogil=True, cache=True, error_model="numpy")
def _code(
    rho: np.ndarray,
    errors: np.ndarray,
    instrument: Instrument,
    dn: np.ndarray,
    column: int,
) -> bool:
    """Add errors to ``rho``, saturate, write digital numbers; whether it saturated."""
    full = False
    for b in range(rho.size):
        value = rho[b] * (1.0 + instrument.multiplicative * errors[0, b])
        value += instrument.additive * errors[1, b]
        full = full or value >= instrument.saturation
        rho[b] = min(value, instrument.saturation)
        code = (rho[b] - instrument.offset) / instrument.scale
        code = instrument.dn_step * math.floor(code / instrument.dn_step + 0.5)
        dn[b, column] = int(min(max(code, 1.0), 65535.0))
    return full


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
    crowns = np.empty((2, TERMS, CHUNK), np.float32)
    rho, raw, errors = np.empty(BANDS), np.empty(BANDS), np.empty((2, BANDS))
    for first in range(0, x.size, CHUNK):
        count = min(CHUNK, x.size - first)
        _fill_canopies(state, first, count, 0, x, light, features)
        fill_terms(features, net, one, two, terms)
        if state[9, first : first + count].max() > 0.0:
            for tree in range(2):
                _fill_canopies(state, first, count, tree + 1, x, light, features)
                fill_terms(features, net, one, two, crowns[tree])
        for p in range(count):
            k = first + p
            v = state[:, k]
            _fill_ground(v, soils, litter, surfaces, terms, crowns, p, instrument, rho)
            overhead = sky_over(x[k], y[k], light, instrument.cloud_height)
            beam, dome = _slope_light(slope_x[k], slope_y[k], light)
            for b in range(BANDS):
                raw[b] = (1.0 - sky[b]) * beam + sky[b] * dome
            _light_up(overhead, raw, sky, surfaces[CLOUD], instrument, rho)
            _fill_errors(
                x[k], y[k], pixel[0, k], pixel[1, k], light.seed, instrument, errors
            )
            full = _code(rho, errors, instrument, dn, k)
            cloud, _, shade, cirrus = overhead
            seen = sky_class(x[k], y[k], light.seed, cloud, shade, cirrus, confusion)
            if seen == 0 and full:
                seen = SCL_SATURATED
            if seen == 0:
                lit = 1.0 + instrument.terrain * (raw[3] - 1.0)
                seen = ground_class(
                    x[k], y[k], light.seed, v[12], v[13], lit, rho, confusion
                )
            scl[k] = seen

"""The simulated instrument: a landscape on a date to digital numbers and SCL.

Cover by phenology, spectra mixed linearly at the true fractions, terrain light,
snow, cirrus, clouds with displaced shadows, noise, quantisation. Pixels are
independent of their neighbours: all that is spatial comes from functions of place.
Radiative transfer replaces the linear mixture in a later version; files and dates
are not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.noise import fractal_noise, gradient_noise, random_pair, smoothstep
from qhsink.twin.world import MARSH, ROCK, SNOW, SPRUCE, WATER, Landscape

GREEN, NEEDLE, LITTER, DARK_SOIL, BRIGHT_SOIL, STONE, ICE, LAKE, CLOUD = range(9)
ENDMEMBERS = (
    "green",
    "needle",
    "litter",
    "dark_soil",
    "bright_soil",
    "rock",
    "snow",
    "water",
    "cloud",
)
"""Rows of the endmember table, as ``[spectra]`` in config/twin.toml names them."""

SCL_DARK, SCL_SHADOW, SCL_VEGETATION, SCL_BARE, SCL_WATER = 2, 3, 4, 5, 6
SCL_UNCLASSIFIED, SCL_MEDIUM, SCL_HIGH, SCL_CIRRUS, SCL_SNOW = 7, 8, 9, 10, 11


class Light(NamedTuple):
    """Sun and sky of one acquisition; the same over the whole archive."""

    day: float
    """Day of the year."""
    sun_x: float
    """Component towards the sun along +x of the grid, unit horizontal vector."""
    sun_y: float
    """... along +y."""
    cos_zenith: float
    """Cosine of the sun's zenith angle."""
    cloud_level: float
    """Noise level above which there is cloud."""
    cirrus_level: float
    """Noise level above which there is cirrus."""
    snow_line: float
    """Fresh snow lies above this height over the vegetation limit [m]."""
    seed: int
    """Seed of clouds and noise."""


class Instrument(NamedTuple):
    """Noise and coding of the product."""

    noise_common: float
    """Relative error shared by all bands, smooth over 9 km (standard deviation)."""
    noise_band: float
    """Relative noise of each band alone."""
    noise_additive: float
    """Additive noise of each band [reflectance]."""
    terrain: float
    """Share of terrain illumination left in the product, 0..1."""
    cloud_height: float
    """Height of clouds above ground [m], for the shadow's displacement."""
    cirrus_missed: float
    """Cirrus thinner than this optical share is missed by the SCL."""
    dn_step: float
    """Coarseness of the digital number [DN]."""
    scale: float
    """Reflectance per DN."""
    offset: float
    """Reflectance at DN 0."""


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
    spectra: NDArray[np.float64],
    instrument: Instrument,
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
        Sun, clouds and season.
    spectra : float64 array of shape (9, 6)
        Reflectance of ``ENDMEMBERS`` by band.
    instrument : Instrument
        Noise and coding.
    """
    dn = np.empty((spectra.shape[1], x.size), dtype=np.uint16)
    scl = np.empty(x.size, dtype=np.uint8)
    _fill_exposure(
        x,
        y,
        pixel,
        land.elevation,
        land.slope_x,
        land.slope_y,
        land.above_limit,
        land.ecosystem,
        land.fvc_peak,
        land.canopy,
        land.litter,
        land.bright,
        light,
        spectra,
        instrument,
        dn,
        scl,
    )
    return Exposure(dn, scl)


@njit(nogil=True, cache=True)
def growth(elevation: float, day: float) -> float:
    """Return green cover of herbs as a share of its peak, 0..1.

    Double logistic; green-up mid-May to mid-June and browning in late September,
    later and earlier with height (methodology B2, general knowledge).
    """
    start = 148.0 + 0.012 * (elevation - 3000.0)
    end = 278.0 - 0.007 * (elevation - 3000.0)
    up = 1.0 / (1.0 + math.exp(-0.12 * (day - start)))
    down = 1.0 / (1.0 + math.exp(0.11 * (day - end)))
    return min(1.03 * up * down, 1.0)


def cloud_field(
    x: NDArray[np.float64], y: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the noise whose level decides where clouds are, shape (n,)."""
    field = np.empty(x.size)
    _fill_clouds(x, y, seed, field)
    return field


def cirrus_field(
    x: NDArray[np.float64], y: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the noise whose level decides where cirrus is, shape (n,)."""
    field = np.empty(x.size)
    _fill_cirrus(x, y, seed, field)
    return field


CLEAR = -9.0
"""What the cloud field says where finer octaves cannot bring it to the level."""
_FINE_REACH = 0.75
"""Largest sum of the octaves after the second: three standard deviations and more."""


@njit(nogil=True, cache=True)
def _cloud(x: float, y: float, seed: int, level: float) -> float:
    """Return the cloud field, or ``CLEAR`` early where it stays below ``level``."""
    field = 0.7 * gradient_noise(x / 70000.0, y / 70000.0, seed + 700)
    field += fractal_noise(x, y, 13000.0, 2, 0.62, seed + 710)
    if field + _FINE_REACH < level:
        return CLEAR
    return field + 0.45 * fractal_noise(x, y, 3500.0, 4, 0.66, seed + 720)


@njit(nogil=True, cache=True)
def _cirrus(x: float, y: float, seed: int, level: float) -> float:
    # Streaks: stretched fourfold along a direction that turns with the date.
    turn = 0.3 + 0.7 * (seed % 5)
    c, s = math.cos(turn), math.sin(turn)
    u, v = 0.25 * (c * x + s * y), c * y - s * x
    veil = fractal_noise(u, v, 17000.0, 2, 0.5, seed + 730)
    if veil + _FINE_REACH < level:
        return CLEAR
    return veil + 0.3 * fractal_noise(u, v, 4200.0, 3, 0.5, seed + 740)


@njit(nogil=True, cache=True)
def _fill_clouds(x: np.ndarray, y: np.ndarray, seed: int, field: np.ndarray) -> None:
    for k in range(x.size):
        field[k] = _cloud(x[k], y[k], seed, CLEAR)


@njit(nogil=True, cache=True)
def _fill_cirrus(x: np.ndarray, y: np.ndarray, seed: int, field: np.ndarray) -> None:
    for k in range(x.size):
        field[k] = _cirrus(x[k], y[k], seed, CLEAR)


@njit(nogil=True, cache=True)
def _mix(
    kind: int,
    peak: float,
    green: float,
    canopy: float,
    litter: float,
    bright: float,
    snow: float,
    share: np.ndarray,
) -> None:
    """Fill the shares of the endmembers; they add to one."""
    share[:] = 0.0
    if kind == WATER:
        share[LAKE] = 1.0
        return
    if kind == SNOW:
        snow = 1.0
    bare = 1.0 - green
    straw = min(peak - green + (1.0 - peak) * litter * (kind != ROCK), bare)
    soil = bare - straw
    pool = 0.35 * soil if kind == MARSH else 0.0
    soil -= pool
    needles = min(canopy, green) if kind == SPRUCE else 0.0
    share[NEEDLE] = needles
    share[GREEN] = green - needles
    share[LITTER] = straw
    share[LAKE] = pool
    if kind == ROCK:
        share[STONE] = soil
    else:
        share[BRIGHT_SOIL] = soil * bright
        share[DARK_SOIL] = soil * (1.0 - bright)
    for e in range(share.size):
        share[e] *= 1.0 - snow
    share[ICE] = snow


@njit(nogil=True, cache=True)
def _sky_class(cloud: float, shade: float, cirrus: float, missed: float) -> int:
    """Return the class that the sky gives a pixel, or 0 where it seems clear."""
    if cloud > 0.22:
        return SCL_HIGH if cloud > 0.60 else SCL_MEDIUM
    if cirrus > missed:
        return SCL_CIRRUS
    if cloud > 0.06:
        return SCL_UNCLASSIFIED
    return SCL_SHADOW if shade > 0.30 else 0


@njit(nogil=True, cache=True)
def _ground_class(kind: int, snow: float, lit: float, red: float, nir: float) -> int:
    """Return the class that Sen2Cor would plausibly give clear ground."""
    if snow > 0.45:
        return SCL_SNOW
    if kind == WATER:
        return SCL_WATER
    if lit < 0.88 and nir < 0.18:
        return SCL_DARK
    return SCL_VEGETATION if nir - red > 0.27 * (nir + red) else SCL_BARE


@njit(nogil=True, cache=True)
def _illumination(gx: float, gy: float, light: Light, left_over: float) -> float:
    """Return the light on a slope over that on flat ground, as far as it is left."""
    sin_zenith = math.sqrt(1.0 - light.cos_zenith**2)
    cos_i = light.cos_zenith - sin_zenith * (gx * light.sun_x + gy * light.sun_y)
    cos_i /= math.sqrt(1.0 + gx * gx + gy * gy)
    lit = 1.0 + left_over * (cos_i / light.cos_zenith - 1.0)
    return min(max(lit, 0.35), 1.5)


@njit(nogil=True, cache=True)
def _sky(x: float, y: float, light: Light, height: float) -> tuple[float, float, float]:
    """Return opacity of cloud, depth of its shadow and opacity of cirrus, 0..1.

    A place is in shadow when the point of the cloud deck between it and the sun is in
    cloud: the field is read again, displaced by the height times the tangent of the
    sun's zenith angle.
    """
    level = light.cloud_level
    cloud, shade, cirrus = 0.0, 0.0, 0.0
    field = _cloud(x, y, light.seed, level)
    if field > level:
        cloud = smoothstep(level, level + 0.22, field)
    if cloud < 0.9:
        reach = height * math.sqrt(1.0 - light.cos_zenith**2) / light.cos_zenith
        field = _cloud(
            x + reach * light.sun_x, y + reach * light.sun_y, light.seed, level
        )
        if field > level:
            shade = smoothstep(level, level + 0.22, field)
    veil = _cirrus(x, y, light.seed, light.cirrus_level)
    if veil > light.cirrus_level:
        cirrus = smoothstep(light.cirrus_level, light.cirrus_level + 0.9, veil)
    return cloud, shade, cirrus


@njit(nogil=True, cache=True)
def _fill_exposure(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    pixel: np.ndarray,
    elevation: np.ndarray,
    slope_x: np.ndarray,
    slope_y: np.ndarray,
    above: np.ndarray,
    ecosystem: np.ndarray,
    peak: np.ndarray,
    canopy: np.ndarray,
    litter: np.ndarray,
    bright: np.ndarray,
    light: Light,
    spectra: np.ndarray,
    instrument: Instrument,
    dn: np.ndarray,
    scl: np.ndarray,
) -> None:
    bands = spectra.shape[1]
    share = np.empty(spectra.shape[0])
    rho = np.empty(bands)
    for k in range(x.size):
        kind = ecosystem[k]
        # State of the ground on this day.
        grown = growth(elevation[k], light.day)
        tall = canopy[k]
        green = max(peak[k] * grown, min(tall, peak[k]))
        snow = 0.0
        if above[k] > light.snow_line - 250.0:
            snow = smoothstep(light.snow_line, light.snow_line + 220.0, above[k])
        _mix(kind, peak[k], green, tall, litter[k], bright[k], snow, share)
        lit = _illumination(slope_x[k], slope_y[k], light, instrument.terrain)
        cloud, shade, cirrus = _sky(x[k], y[k], light, instrument.cloud_height)
        # What atmospheric correction leaves is smooth over kilometres.
        haze = gradient_noise(x[k] / 9000.0, y[k] / 9000.0, light.seed + 900)
        gain = 1.0 + instrument.noise_common * haze / 0.4
        for b in range(bands):
            value = 0.0
            for e in range(share.size):
                value += share[e] * spectra[e, b]
            # Skylight: shadows keep relatively more of the short wavelengths.
            value *= lit * (1.0 - shade * (0.55 + 0.05 * b))
            # Cirrus brightens least where ice absorbs.
            value = value * (1.0 - 0.35 * cirrus) + cirrus * 0.20 * (
                1.0 if b < 4 else 0.45
            )
            value = value * (1.0 - cloud) + cloud * spectra[CLOUD, b]
            own, extra = random_pair(pixel[0, k], pixel[1, k], light.seed + 910 + b)
            value *= gain + instrument.noise_band * own
            value += instrument.noise_additive * extra
            rho[b] = value
            code = (value - instrument.offset) / instrument.scale
            code = instrument.dn_step * math.floor(code / instrument.dn_step + 0.5)
            dn[b, k] = int(min(max(code, 1.0), 65535.0))
        seen = _sky_class(cloud, shade, cirrus, instrument.cirrus_missed)
        if seen == 0:
            seen = _ground_class(kind, share[ICE], lit, rho[2], rho[3])
        scl[k] = seen

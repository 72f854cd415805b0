"""Which ecosystem stands where and its potential cover: the compiled rules.

Height, slope, aspect, rain and distance to water decide; noise of a stated patch size
blurs. Events, seasons and dates are not known here.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from qhsink.twin.classes import (
    ALPINE_DESERT,
    BLACK_SOIL,
    BROADLEAF,
    CROPLAND,
    FOREST,
    GRASSLAND,
    JUNIPER,
    MARSH,
    MEADOW,
    PLAYA,
    ROCK,
    SHRUB,
    SNOW,
    SPRUCE,
    STEPPE,
    TEMPERATE_STEPPE,
    WATER,
)
from qhsink.twin.noise import smoothstep

ROCK_ABOVE, SNOW_ABOVE = 110.0, 620.0
"""Rock and ice begin so far above the limit of closed vegetation [m]."""
STEADY = (MEADOW, STEPPE)
"""Grassland that degrades in patches, without an event of its own."""


class Climate(NamedTuple):
    """Where the large-scale tables lie, and how life follows height and rain."""

    left: float
    """x of the first column [m]."""
    top: float
    """y of the first row [m]."""
    step: float
    """Distance of table nodes [m]."""
    dry_cm: float
    """Growing-season rain at moisture 0 [cm]."""
    wet_cm: float
    """... at moisture 1 [cm]."""
    limit_m: float
    """Upper limit of vegetation at ``limit_y`` [m]."""
    limit_y: float
    """y at which ``limit_m`` holds [m]."""
    limit_slope: float
    """Rise of that limit per metre to the south."""
    patch_m: float
    """Lattice edge of the noise that makes patches [m]: they grow with it."""
    patch_gain: float
    """Weight of each finer octave of it: more small patches."""
    range_m: float
    """Range of the variation within a class [m]."""
    vary: float
    """Its standard deviation, where cover is half [cover]."""
    trend: float
    """Planted change of herb cover [1/year]."""
    trend_from: float
    """Year in which the trend is zero."""


@njit(nogil=True, cache=True)
def _grass_cover(moisture: float) -> float:
    """Return green cover of grassland at the peak, by moisture: a smooth ramp."""
    return 0.06 + 0.82 * smoothstep(-0.05, 1.02, moisture)


@njit(nogil=True, cache=True)
def bare(
    shore: int,
    above: float,
    steep: float,
    aridity: float,
    base: float,
    river: float,
    wide: float,
) -> int:
    """Return water, ice, rock or salt, or 0 where something may grow."""
    if shore == 2 or (river < 15.0 + 55.0 * (1.0 - aridity) and aridity < 0.9):
        return SNOW if shore != 2 and above > SNOW_ABOVE else WATER
    if above > SNOW_ABOVE:
        return SNOW
    if above > ROCK_ABOVE or steep > 0.95:
        return ROCK
    if aridity > 0.93 and base < 3100.0 and steep < 0.10 and wide > 0.05:
        return PLAYA
    return 0


@njit(nogil=True, cache=True)
def wood(
    below: float,
    height: float,
    steep: float,
    northness: float,
    moisture: float,
    rain: float,
    river: float,
    patch: float,
) -> int:
    """Return the wood or shrub that fits a place, or 0."""
    if river < 1300.0 and height < 3250.0 and rain > 0.30 and patch > 0.22:
        return BROADLEAF
    shaded = northness > 0.10 and moisture > 0.55
    if shaded and 1450.0 < below < 2000.0 and patch > 0.15:
        return BROADLEAF
    if shaded and 750.0 < below < 1700.0 and patch > 0.10:
        return SPRUCE
    sunny = northness < -0.12 and steep > 0.20 and rain > 0.40
    if sunny and 600.0 < below < 1500.0 and patch < -0.18:
        return JUNIPER
    return SHRUB if shaded and 100.0 < below < 1300.0 and patch < 0.25 else 0


@njit(nogil=True, cache=True)
def open_land(  # noqa: PLR0913, PLR0917 - compiled code takes numbers
    shore: int,
    height: float,
    steep: float,
    moisture: float,
    rain: float,
    wet: float,
    river: float,
    patch: float,
    degraded: float,
) -> int:
    """Return the field, marsh or grassland that fits a place."""
    tilled = height < 3050.0 and steep < 0.16 and river < 6000.0
    if tilled and ((rain > 0.45 and patch > -0.15) or (river < 1500.0 and patch > 0.3)):
        return CROPLAND
    if steep < 0.07 and moisture > 0.35 and wet + 0.35 * (shore == 1) > 0.42:
        return MARSH
    if moisture > 0.56 and height > 2900.0:
        return BLACK_SOIL if degraded > 0.75 and steep < 0.45 else MEADOW
    if moisture > 0.24:
        return STEPPE if height > 3250.0 else TEMPERATE_STEPPE
    return ALPINE_DESERT


@njit(nogil=True, cache=True)
def healthy_cover(kind: int, moisture: float) -> float:  # noqa: PLR0911 - a rule a line
    """Return a mean year's green cover at the peak far below the limit, undegraded."""
    if kind in FOREST:
        return 0.62 if kind == JUNIPER else 0.86
    if kind == SHRUB:
        return 0.40 + 0.5 * _grass_cover(moisture)
    if kind == MARSH:
        return 0.55 + 0.4 * _grass_cover(moisture)
    if kind == CROPLAND:
        return 0.80
    if kind == ROCK:
        return 0.05
    if kind == PLAYA:
        return 0.01
    return 0.0 if kind in (SNOW, WATER) else _grass_cover(moisture)


@njit(nogil=True, cache=True)
def thinned(kind: int, degraded: float) -> float:
    """Return the share of cover that slow degradation leaves; black soil is its end."""
    if kind == BLACK_SOIL:
        return 0.22
    return 1.0 - 0.65 * degraded if kind in STEADY else 1.0


@njit(nogil=True, cache=True)
def vary(
    kind: int,
    cover: float,
    vigour: float,
    wet: float,
    rain_response: float,
    year: int,
    climate: Climate,
) -> float:
    """Return cover with variation within the class, the year's rain and the trend."""
    spread = 4.0 * cover * (1.0 - cover)
    cover += climate.vary * vigour * min(spread + 0.2 * cover, 1.0)
    cover += rain_response * wet * spread
    if kind in GRASSLAND and cover > 0.03:
        cover += climate.trend * (year - climate.trend_from)
    return min(max(cover, 0.0), 0.97)


@njit(nogil=True, cache=True)
def woods(
    kind: int, patch: float, vigour: float, wide: float
) -> tuple[float, float, float]:
    """Return crown cover, shrubs' share of open ground, and the stand's age in 2020."""
    age = 75.0 + 60.0 * wide + 12.0 * vigour
    if kind == SPRUCE:
        return min(max(0.55 + 0.45 * patch + 0.06 * vigour, 0.2), 0.85), 0.08, age
    if kind == BROADLEAF:
        crown = min(max(0.40 + 0.5 * patch + 0.06 * vigour, 0.2), 0.8)
        return crown, 0.10, 0.5 * age
    if kind == JUNIPER:
        crown = min(max(0.14 - 0.35 * patch + 0.04 * vigour, 0.1), 0.5)
        return crown, 0.08, 1.3 * age
    if kind == SHRUB:
        return 0.0, min(max(0.45 - 0.4 * patch + 0.08 * vigour, 0.1), 0.8), 0.0
    return 0.0, 0.0, 0.0

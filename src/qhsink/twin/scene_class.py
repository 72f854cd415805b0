"""The product's own idea of each pixel: SCL with the confusion that real ones have.

Classes from what was recorded and from the sky that was there; reflectance is made
elsewhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from qhsink.twin.noise import gradient_noise

SCL_SATURATED = 1
SCL_DARK, SCL_SHADOW, SCL_VEGETATION, SCL_BARE, SCL_WATER = 2, 3, 4, 5, 6
SCL_UNCLASSIFIED, SCL_MEDIUM, SCL_HIGH, SCL_CIRRUS, SCL_SNOW = 7, 8, 9, 10, 11

PATCH_M = 420.0
"""Size of the patches in which the classification errs [m]."""


class Confusion(NamedTuple):
    """Levels of patch noise above which the classification errs."""

    cirrus_thin: float
    """Cirrus thinner than this opacity is never flagged, 0..1."""
    cirrus_missed: float
    shadow_missed: float
    snow_as_cloud: float
    water_as_dark: float
    bright_as_cloud: float
    playa: float
    """Blue reflectance above which bare ground can be taken for cloud."""


@lru_cache(maxsize=64)
def noise_level(rate: float) -> float:
    """Return the level that patch noise exceeds over a share ``rate`` of the area."""
    if rate <= 0.0:
        return 1e9
    at = np.arange(160) * 0.37
    x, y = (mesh.ravel() for mesh in np.meshgrid(at, at))
    return float(np.quantile(_lattice(x, y), max(1.0 - rate, 0.0)))


@njit(nogil=True, cache=True)
def _lattice(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    found = np.empty(x.size)
    for k in range(x.size):
        found[k] = gradient_noise(x[k], y[k], 12_345)
    return found


@njit(nogil=True, cache=True)
def _errs(x: float, y: float, seed: int, level: float) -> bool:
    """Whether the classification errs here, in patches."""
    return level < 8.0 and gradient_noise(x / PATCH_M, y / PATCH_M, seed) > level


@njit(nogil=True, cache=True)
def sky_class(
    x: float,
    y: float,
    seed: int,
    cloud: float,
    shade: float,
    cirrus: float,
    confusion: Confusion,
) -> int:
    """Return the class that the sky gives a pixel, or 0 where it seems clear."""
    if cloud > 0.22:
        return SCL_HIGH if cloud > 0.60 else SCL_MEDIUM
    if cirrus > confusion.cirrus_thin and not _errs(
        x, y, seed + 941, confusion.cirrus_missed
    ):
        return SCL_CIRRUS
    if cloud > 0.06:
        return SCL_UNCLASSIFIED
    if shade > 0.30 and not _errs(x, y, seed + 942, confusion.shadow_missed):
        return SCL_SHADOW
    return 0


@njit(nogil=True, cache=True)
def ground_class(
    x: float,
    y: float,
    seed: int,
    snow: float,
    water: float,
    lit: float,
    rho: np.ndarray,
    confusion: Confusion,
) -> int:
    """Return the class that Sen2Cor would plausibly give ground it takes for clear."""
    blue, red, nir = rho[0], rho[2], rho[3]
    if snow > 0.45:
        mistaken = _errs(x, y, seed + 943, confusion.snow_as_cloud)
        return SCL_HIGH if mistaken else SCL_SNOW
    if water > 0.5:
        mistaken = _errs(x, y, seed + 944, confusion.water_as_dark)
        return SCL_DARK if mistaken else SCL_WATER
    if blue > confusion.playa and _errs(x, y, seed + 945, confusion.bright_as_cloud):
        return SCL_MEDIUM
    if lit < 0.88 and nir < 0.18:
        return SCL_DARK
    return SCL_VEGETATION if nir - red > 0.27 * (nir + red) else SCL_BARE

"""The simulated country: relief, ecosystems and cover as functions of place.

A place is a point of the analysis grid's CRS; its landscape depends on nothing but
its coordinates, the seed and ``config/twin.toml``, and on whether it lies in a real
lake. No sensor, date or file is known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.noise import (
    fractal_noise,
    gradient_noise,
    ridged_noise,
    smoothstep,
    table_value,
)

MEADOW, STEPPE, DESERT_STEPPE, SHRUB, SPRUCE = 1, 2, 3, 4, 5
MARSH, ROCK, SNOW, WATER = 6, 7, 8, 9

ECOSYSTEMS = {
    MEADOW: ("alpine meadow", "高寒草甸"),
    STEPPE: ("alpine steppe", "高寒草原"),
    DESERT_STEPPE: ("desert steppe and bare ground", "荒漠草原与裸地"),
    SHRUB: ("alpine shrub", "高寒灌丛"),
    SPRUCE: ("spruce forest", "云杉林"),
    MARSH: ("marsh meadow", "沼泽草甸"),
    ROCK: ("bare rock", "裸岩"),
    SNOW: ("permanent snow and ice", "冰川与永久积雪"),
    WATER: ("water", "水体"),
}
"""Code in the ecosystem map to its English and Chinese name."""

GRADIENT_STEP_M = 60.0
"""Distance over which slope is taken [m], whatever the pixel size."""


class Climate(NamedTuple):
    """Where the large-scale tables lie and how life follows height."""

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


@dataclass(frozen=True, slots=True)
class Landscape:
    """What is at each of n places, whatever the date; arrays of shape (n,)."""

    elevation: NDArray[np.float32]
    """Height [m]."""
    slope_x: NDArray[np.float32]
    """Rise per metre towards +x."""
    slope_y: NDArray[np.float32]
    """Rise per metre towards +y."""
    above_limit: NDArray[np.float32]
    """Height above the upper limit of vegetation [m], roughened."""
    ecosystem: NDArray[np.uint8]
    """One of ``ECOSYSTEMS``."""
    fvc_peak: NDArray[np.float32]
    """Fractional green cover at the peak of the season, 0..1."""
    canopy: NDArray[np.float32]
    """Tree crown cover, 0..1."""
    litter: NDArray[np.float32]
    """Share of the ground between green leaves covered by litter, 0..1."""
    bright: NDArray[np.float32]
    """Share of bright soil in the bare soil, 0..1."""


@dataclass(frozen=True, slots=True)
class World:
    """A country from a seed."""

    seed: int
    climate: Climate
    elevation: NDArray[np.float64]
    """Large-scale height [m], nodes (y, x)."""
    relief: NDArray[np.float64]
    """Standard deviation of height around a node [m], nodes (y, x)."""
    rain: NDArray[np.float64]
    """Growing-season rain [cm], nodes (y, x)."""

    def at(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        shore: NDArray[np.uint8],
    ) -> Landscape:
        """Return the landscape at places.

        Parameters
        ----------
        x, y : float64 arrays of shape (n,)
            Grid coordinates [m].
        shore : uint8 array of shape (n,)
            2 in a real lake, 1 on its shore, 0 elsewhere.
        """
        n = x.size
        floats = np.empty((8, n), dtype=np.float32)
        ecosystem = np.empty(n, dtype=np.uint8)
        _fill_landscape(
            x,
            y,
            shore,
            self.elevation,
            self.relief,
            self.rain,
            self.climate,
            self.seed,
            floats,
            ecosystem,
        )
        return Landscape(
            elevation=floats[0],
            slope_x=floats[1],
            slope_y=floats[2],
            above_limit=floats[3],
            ecosystem=ecosystem,
            fvc_peak=floats[4],
            canopy=floats[5],
            litter=floats[6],
            bright=floats[7],
        )


@njit(nogil=True, cache=True)
def _relief(
    x: float, y: float, base: float, rough: float, seed: int
) -> tuple[float, float, float, float]:
    """Return height [m], slopes to +x and +y, and place between valley and crest.

    Large-scale height and warp are taken as constant over the slope's 60 m: they
    change by less than 1 % of what the ridges do.
    """
    amplitude = min(max(250.0 + 1.7 * rough, 350.0), 1400.0) * 1.5
    wx = x + 5000.0 * gradient_noise(x / 26000.0, y / 26000.0, seed + 501)
    wy = y + 5000.0 * gradient_noise(x / 26000.0, y / 26000.0, seed + 502)
    step = GRADIENT_STEP_M
    crest = ridged_noise(wx, wy, 28000.0, 7, seed + 510)
    east = ridged_noise(wx + step, wy, 28000.0, 7, seed + 510)
    north = ridged_noise(wx, wy + step, 28000.0, 7, seed + 510)
    return (
        base + amplitude * (crest - 0.42),
        amplitude * (east - crest) / step,
        amplitude * (north - crest) / step,
        crest,
    )


@njit(nogil=True, cache=True)
def _grass_cover(moisture: float) -> float:
    """Return green cover of grassland at the peak, by moisture: a smooth ramp."""
    return 0.06 + 0.82 * smoothstep(-0.05, 1.02, moisture)


@njit(nogil=True, cache=True)
def _ecosystem(  # noqa: PLR0911, PLR0913, PLR0917 - one rule a line, first that fits
    shore: int,
    height: float,
    limit: float,
    above: float,
    steep: float,
    northness: float,
    moisture: float,
    patch: float,
    wet: float,
) -> int:
    """Return the ecosystem that fits a place (methodology A: Qinghai's belts)."""
    if shore == 2:
        return WATER
    if above > 520.0:
        return SNOW
    if above > 0.0 or steep > 0.95:
        return ROCK
    below = limit - height
    shaded = northness > 0.10 and moisture > 0.55
    if shaded and 750.0 < below < 1700.0 and patch > -0.02:
        return SPRUCE
    if shaded and 150.0 < below < 1200.0 and patch < 0.12:
        return SHRUB
    if steep < 0.07 and moisture > 0.35 and wet + 0.35 * (shore == 1) > 0.42:
        return MARSH
    if moisture > 0.56:
        return MEADOW
    return STEPPE if moisture > 0.24 else DESERT_STEPPE


@njit(nogil=True, cache=True)
def _cover(
    kind: int, moisture: float, above: float, texture: float, degraded: float
) -> float:
    """Return green cover at the peak, 0..0.97."""
    cover = _grass_cover(moisture)
    if kind == SPRUCE:
        cover = 0.86
    elif kind == SHRUB:
        cover = 0.5 * cover + 0.40
    elif kind == MARSH:
        cover = 0.4 * cover + 0.55
    elif kind == ROCK:
        cover = 0.05
    elif kind in (SNOW, WATER):
        return 0.0
    cover += 0.09 * texture * min(1.0, 4.0 * cover)
    if kind in (MEADOW, STEPPE):
        cover *= 1.0 - 0.65 * degraded
    cover *= 1.0 - 0.75 * smoothstep(-450.0, 50.0, above) * (kind != ROCK)
    return min(max(cover, 0.0), 0.97)


@njit(nogil=True, cache=True)
def _fill_landscape(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    shore: np.ndarray,
    elevation: np.ndarray,
    relief: np.ndarray,
    rain: np.ndarray,
    climate: Climate,
    seed: int,
    floats: np.ndarray,
    ecosystem: np.ndarray,
) -> None:
    for k in range(x.size):
        px, py = x[k], y[k]
        base = table_value(elevation, px, py, climate.left, climate.top, climate.step)
        rough = table_value(relief, px, py, climate.left, climate.top, climate.step)
        height, gx, gy, crest = _relief(px, py, base, rough, seed)
        steep = math.sqrt(gx * gx + gy * gy)
        northness = -gy / math.sqrt(1.0 + steep * steep)
        wide = fractal_noise(px, py, 22000.0, 4, 0.55, seed + 530)
        fine = fractal_noise(px, py, 2600.0, 4, 0.52, seed + 540)
        water_cm = table_value(rain, px, py, climate.left, climate.top, climate.step)
        moisture = (water_cm - climate.dry_cm) / (climate.wet_cm - climate.dry_cm)
        moisture = min(moisture, 1.0) * 0.74
        moisture += 0.22 * wide + 0.05 * fine
        moisture += 0.30 * (0.45 - crest) + 0.35 * northness
        limit = climate.limit_m + climate.limit_slope * (climate.limit_y - py)
        above = height - limit + 160.0 * fine
        patch = 0.6 * wide + 0.5 * fine
        wet = 0.5 * fractal_noise(px, py, 7000.0, 3, 0.5, seed + 550) + 0.9 * (
            0.45 - crest
        )
        kind = _ecosystem(
            shore[k], height, limit, above, steep, northness, moisture, patch, wet
        )
        texture = 0.7 * fine + 0.6 * fractal_noise(px, py, 900.0, 2, 0.5, seed + 560)
        bare_patch = fractal_noise(px, py, 4600.0, 4, 0.55, seed + 570)
        degraded = smoothstep(0.50, 0.85, bare_patch)
        cover = _cover(kind, moisture, above, texture, degraded)
        crown = min(max(0.58 + 0.5 * patch + 0.2 * texture, 0.2), 0.92)
        dryness = min(max(1.0 - moisture, 0.0), 1.0)
        floats[0, k] = height
        floats[1, k] = gx if kind != WATER else 0.0
        floats[2, k] = gy if kind != WATER else 0.0
        floats[3, k] = above
        floats[4, k] = cover
        floats[5, k] = crown * cover / 0.97 if kind == SPRUCE else 0.0
        floats[6, k] = min(max(0.50 - 0.25 * dryness + 0.15 * fine, 0.05), 0.8)
        floats[7, k] = min(max(0.15 + 0.65 * dryness + 0.25 * wide, 0.0), 1.0)
        ecosystem[k] = kind

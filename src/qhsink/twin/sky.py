"""Clouds, their shadows and cirrus as functions of place: what hangs over a pixel.

Opacities only; what a sensor makes of them is decided elsewhere.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.noise import fractal_noise, gradient_noise, smoothstep


class Light(NamedTuple):
    """Sun, sky and orbit of one acquisition; the same over the whole archive."""

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
    swath: float = 290_000.0
    """Width of the swath [m]."""
    view_edge: float = 11.0
    """View zenith angle at the swath's edge [deg]."""


CLEAR = -9.0
"""What the cloud field says where finer octaves cannot bring it to the level."""
_FINE_REACH = 0.75
"""Largest sum of the octaves after the second: three standard deviations and more."""
HALO = 0.16
"""Width of the bright rim beside a cloud, in units of the cloud's noise."""


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
def sky_over(
    x: float, y: float, light: Light, height: float
) -> tuple[float, float, float, float]:
    """Return opacity of cloud, rim light, depth of shadow and opacity of cirrus, 0..1.

    A place is in shadow when the point of the cloud deck between it and the sun is in
    cloud: the field is read again, displaced by the height times the tangent of the
    sun's zenith angle. The rim is where the field is a little below the cloud's level.
    """
    level = light.cloud_level
    cloud, rim, shade, cirrus = 0.0, 0.0, 0.0, 0.0
    field = _cloud(x, y, light.seed, level - HALO)
    if field > level - HALO:
        cloud = smoothstep(level, level + 0.22, field)
        rim = smoothstep(level - HALO, level, field)
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
    return cloud, rim, shade, cirrus

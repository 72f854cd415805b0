"""Clouds, their shadows and cirrus as functions of place: what hangs over a pixel.

Opacities only; what a sensor makes of them is decided elsewhere.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.noise import fill_fractal, fill_noise, smoothstep


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
COVER, RIM, SHADE, CIRRUS = range(4)
"""Rows of what ``fill_sky`` fills, 0..1 each."""
SKY_ROOM = 7
"""Rows of scratch that ``fill_sky`` needs."""


def cloud_field(
    x: NDArray[np.float64], y: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the noise whose level decides where clouds are, shape (n,)."""
    field, room = np.empty(x.size), np.empty((SKY_ROOM, x.size))
    _fill_cloud(x, y, seed, CLEAR, room, field)
    return field


def cirrus_field(
    x: NDArray[np.float64], y: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the noise whose level decides where cirrus is, shape (n,)."""
    field, room = np.empty(x.size), np.empty((SKY_ROOM, x.size))
    _fill_cirrus(x, y, seed, CLEAR, room, field)
    return field


@njit(nogil=True, cache=True)
def _fill_cloud(
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    level: float,
    room: np.ndarray,
    field: np.ndarray,
) -> None:
    """Fill the cloud field, or ``CLEAR`` where it surely stays below ``level``."""
    wide, u, v = room[3][: x.size], room[0][: x.size], room[1][: x.size]
    for p in range(x.size):
        u[p], v[p] = x[p] / 70000.0, y[p] / 70000.0
    fill_noise(u, v, seed + 700, wide)
    fill_fractal(x, y, 13000.0, 2, 0.62, seed + 710, room, field)
    for p in range(x.size):
        field[p] += 0.7 * wide[p]
    _add_fine(x, y, 3500.0, 4, 0.66, seed + 720, 0.45, level, room, field)


@njit(nogil=True, cache=True)
def _fill_cirrus(
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    level: float,
    room: np.ndarray,
    field: np.ndarray,
) -> None:
    """Fill the cirrus field, or ``CLEAR`` where it surely stays below ``level``."""
    # Streaks: stretched fourfold along a direction that turns with the date.
    turn = 0.3 + 0.7 * (seed % 5)
    c, s = math.cos(turn), math.sin(turn)
    u, v = room[4][: x.size], room[5][: x.size]
    for p in range(x.size):
        u[p], v[p] = 0.25 * (c * x[p] + s * y[p]), c * y[p] - s * x[p]
    fill_fractal(u, v, 17000.0, 2, 0.5, seed + 730, room, field)
    _add_fine(u, v, 4200.0, 3, 0.5, seed + 740, 0.3, level, room, field)


@njit(nogil=True, cache=True)
def _add_fine(  # noqa: PLR0913, PLR0917 - compiled code takes numbers
    x: np.ndarray,
    y: np.ndarray,
    cell: float,
    octaves: int,
    gain: float,
    seed: int,
    weight: float,
    level: float,
    room: np.ndarray,
    field: np.ndarray,
) -> None:
    """Add the finer octaves where they can bring the field to the level."""
    if field.max() + _FINE_REACH < level:
        field[:] = CLEAR
        return
    fine = room[3][: x.size]
    fill_fractal(x, y, cell, octaves, gain, seed, room, fine)
    for p in range(x.size):
        # Each place decides for itself: its neighbours change nothing.
        reaches = field[p] + _FINE_REACH >= level
        field[p] = field[p] + weight * fine[p] if reaches else CLEAR


@njit(nogil=True, cache=True)
def fill_sky(
    x: np.ndarray,
    y: np.ndarray,
    light: Light,
    height: float,
    room: np.ndarray,
    overhead: np.ndarray,
) -> None:
    """Fill opacity of cloud, rim light, depth of shadow and opacity of cirrus, (4, n).

    A place is in shadow when the point of the cloud deck between it and the sun is in
    cloud: the field is read again, displaced by the height times the tangent of the
    sun's zenith angle. The rim is where the field is a little below the cloud's level.
    """
    level, field = light.cloud_level, room[6][: x.size]
    _fill_cloud(x, y, light.seed, level - HALO, room, field)
    for p in range(x.size):
        overhead[COVER, p] = smoothstep(level, level + 0.22, field[p])
        overhead[RIM, p] = smoothstep(level - HALO, level, field[p])
    reach = height * math.sqrt(1.0 - light.cos_zenith**2) / light.cos_zenith
    u, v = room[4][: x.size], room[5][: x.size]
    for p in range(x.size):
        u[p], v[p] = x[p] + reach * light.sun_x, y[p] + reach * light.sun_y
    _fill_cloud(u, v, light.seed, level, room, field)
    for p in range(x.size):
        # Below the cloud itself no shadow is told apart.
        shaded = smoothstep(level, level + 0.22, field[p])
        overhead[SHADE, p] = shaded if overhead[COVER, p] < 0.9 else 0.0
    level = light.cirrus_level
    _fill_cirrus(x, y, light.seed, level, room, field)
    for p in range(x.size):
        overhead[CIRRUS, p] = smoothstep(level, level + 0.9, field[p])

"""The simulated relief: height, slope and rivers as functions of place.

Large-scale height and its spread come from a table of the real DEM; ridges, valleys
and rivers are made up. What grows where is decided elsewhere.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qhsink.twin.noise import fill_noise, fill_ridges, smoothstep

GRADIENT_STEP_M = 60.0
"""Distance over which slope is taken [m], whatever the pixel size."""

RIDGE_M = 28_000.0
"""Distance of the coarsest ridges [m]."""
RIVER_M = 34_000.0
"""Distance of river valleys [m]."""
TURN_C, TURN_S = math.cos(0.55), math.sin(0.55)
WARP_CELL_M, WARP_M = 26_000.0, 7_000.0
"""Over what distance and how far the lattice of ridges is bent [m]."""
MEAN_CREST = 0.335
"""Mean of ``crest`` over the country: keeps the mean height that of the table."""


HEIGHT, SLOPE_X, SLOPE_Y, CREST, RIVER = range(5)
"""Rows of what ``fill_relief`` fills."""
RELIEF_ROOM = 9
"""Rows of scratch that ``fill_relief`` needs."""


@njit(nogil=True, cache=True)
def _fill_valley(
    x: np.ndarray, y: np.ndarray, seed: int, room: np.ndarray, valley: np.ndarray
) -> None:
    """Fill a smooth field whose zero lines are the rivers."""
    u, v, fine = room[0][: x.size], room[1][: x.size], room[2][: x.size]
    for p in range(x.size):
        u[p], v[p] = x[p] / RIVER_M, y[p] / RIVER_M
    fill_noise(u, v, seed + 520, valley)
    for p in range(x.size):
        u[p], v[p] = 4.3 * u[p] + 0.7, 4.3 * v[p] - 0.4
    fill_noise(u, v, seed + 521, fine)
    for p in range(x.size):
        valley[p] += 0.28 * fine[p]


@njit(nogil=True, cache=True)
def _fill_ground(
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    room: np.ndarray,
    crest: np.ndarray,
    valley: np.ndarray,
) -> None:
    """Fill crest, 0 on valley floors to about 1, and the field of the rivers."""
    u, v, wx, wy = (
        room[0][: x.size],
        room[1][: x.size],
        room[4][: x.size],
        room[5][: x.size],
    )
    for p in range(x.size):
        u[p], v[p] = x[p] / WARP_CELL_M, y[p] / WARP_CELL_M
    fill_noise(u, v, seed + 501, wx)
    fill_noise(u, v, seed + 502, wy)
    for p in range(x.size):
        # Ridges pass through lattice points: a turned lattice and a warp hide the rows.
        wx[p] = TURN_C * x[p] - TURN_S * y[p] + WARP_M * wx[p]
        wy[p] = TURN_S * x[p] + TURN_C * y[p] + WARP_M * wy[p]
    _fill_valley(wx, wy, seed, room, valley)
    fill_ridges(wx, wy, RIDGE_M, 7, seed + 510, room, crest)
    for p in range(x.size):
        crest[p] *= 0.20 + 0.80 * smoothstep(0.0, 0.22, abs(valley[p]))


@njit(nogil=True, cache=True)
def _amplitude(rough: float) -> float:
    """Return the height of ridges [m] where the spread of height is ``rough`` [m]."""
    amplitude: float = min(max(250.0 + 1.7 * rough, 350.0), 1400.0) * 1.5
    return amplitude


@njit(nogil=True, cache=True)
def fill_relief(
    x: np.ndarray,
    y: np.ndarray,
    base: np.ndarray,
    rough: np.ndarray,
    seed: int,
    room: np.ndarray,
    relief: np.ndarray,
) -> None:
    """Fill height [m], slopes to +x and +y, crest (0..1), distance to a river [m].

    Large-scale height is taken as constant over the slope's 60 m: it adds less than
    0.02 to a slope. The distance is the valley field over its gradient: exact near the
    river, an order of magnitude far from it.
    """
    step = GRADIENT_STEP_M
    crest, here, beyond = relief[CREST][: x.size], room[6][: x.size], room[7][: x.size]
    moved, east, north = (
        room[8][: x.size],
        relief[SLOPE_X][: x.size],
        relief[SLOPE_Y][: x.size],
    )
    _fill_ground(x, y, seed, room, crest, here)
    moved[:] = x + step
    _fill_ground(moved, y, seed, room, east, beyond)
    for p in range(x.size):
        relief[RIVER, p] = (beyond[p] - here[p]) ** 2
    moved[:] = y + step
    _fill_ground(x, moved, seed, room, north, beyond)
    for p in range(x.size):
        amplitude = _amplitude(rough[p])
        fall = math.sqrt(relief[RIVER, p] + (beyond[p] - here[p]) ** 2) / step
        relief[HEIGHT, p] = base[p] + amplitude * (crest[p] - MEAN_CREST)
        east[p] = amplitude * (east[p] - crest[p]) / step
        north[p] = amplitude * (north[p] - crest[p]) / step
        relief[RIVER, p] = abs(here[p]) / max(fall, 1e-6)


@njit(nogil=True, cache=True)
def fill_heights(
    x: np.ndarray,
    y: np.ndarray,
    base: np.ndarray,
    rough: np.ndarray,
    seed: int,
    room: np.ndarray,
    height: np.ndarray,
) -> None:
    """Fill height [m] alone, as ``fill_relief`` does; ``room`` is of the same rows."""
    valley = room[6][: x.size]
    _fill_ground(x, y, seed, room, height, valley)
    for p in range(x.size):
        amplitude = _amplitude(rough[p])
        height[p] = base[p] + amplitude * (height[p] - MEAN_CREST)

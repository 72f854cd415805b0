"""The simulated relief: height, slope and rivers as functions of place.

Large-scale height and its spread come from a table of the real DEM; ridges, valleys
and rivers are made up. What grows where is decided elsewhere.
"""

from __future__ import annotations

import math

from numba import njit

from qhsink.twin.noise import gradient_noise, ridged_noise, smoothstep

GRADIENT_STEP_M = 60.0
"""Distance over which slope is taken [m], whatever the pixel size."""

RIDGE_M = 28_000.0
"""Distance of the coarsest ridges [m]."""
RIVER_M = 34_000.0
"""Distance of river valleys [m]."""
TURN_C, TURN_S = math.cos(0.55), math.sin(0.55)
WARP_M = 7_000.0
"""How far the lattice of ridges is bent [m]."""
MEAN_CREST = 0.335
"""Mean of ``crest`` over the country: keeps the mean height that of the table."""


@njit(nogil=True, cache=True)
def _valley(x: float, y: float, seed: int) -> float:
    """Return a smooth field whose zero lines are the rivers."""
    px, py = x / RIVER_M, y / RIVER_M
    return gradient_noise(px, py, seed + 520) + 0.28 * gradient_noise(
        4.3 * px + 0.7, 4.3 * py - 0.4, seed + 521
    )


@njit(nogil=True, cache=True)
def _ground(x: float, y: float, seed: int) -> tuple[float, float]:
    """Return crest, 0 on valley floors to about 1, and the field of the rivers."""
    # Ridges pass through lattice points: a turned lattice and a warp hide the rows.
    tx, ty = TURN_C * x - TURN_S * y, TURN_S * x + TURN_C * y
    wx = tx + WARP_M * gradient_noise(x / 26000.0, y / 26000.0, seed + 501)
    wy = ty + WARP_M * gradient_noise(x / 26000.0, y / 26000.0, seed + 502)
    valley = _valley(wx, wy, seed)
    floor = 0.20 + 0.80 * smoothstep(0.0, 0.22, abs(valley))
    return floor * ridged_noise(wx, wy, RIDGE_M, 7, seed + 510), valley


@njit(nogil=True, cache=True)
def relief(
    x: float, y: float, base: float, rough: float, seed: int
) -> tuple[float, float, float, float, float]:
    """Return height [m], slopes to +x and +y, crest (0..1) and distance to a river [m].

    Large-scale height is taken as constant over the slope's 60 m: it adds less than
    0.02 to a slope. The distance is the valley field
    over its gradient: exact near the river, an order of magnitude far from it.
    """
    amplitude = min(max(250.0 + 1.7 * rough, 350.0), 1400.0) * 1.5
    step = GRADIENT_STEP_M
    crest, here = _ground(x, y, seed)
    east, v_east = _ground(x + step, y, seed)
    north, v_north = _ground(x, y + step, seed)
    fall = math.sqrt((v_east - here) ** 2 + (v_north - here) ** 2) / step
    return (
        base + amplitude * (crest - MEAN_CREST),
        amplitude * (east - crest) / step,
        amplitude * (north - crest) / step,
        crest,
        abs(here) / max(fall, 1e-6),
    )

"""What leaves the ground of a pixel: canopies over soil, at their true shares.

Canopies by the emulator; terrain, sky and the instrument's errors come after.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qhsink.twin.emulator import fill_features, over_ground
from qhsink.twin.leaves import TREE_ANGLE, lai_of_cover, leaf_cover
from qhsink.twin.recording import Instrument
from qhsink.twin.sky import Light

STONE, ICE, LAKE, CLOUD = range(4)
SURFACES = ("rock", "snow", "water", "cloud")
"""Rows of the table of plain surfaces, as ``[spectra]`` in config/twin.toml names."""


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
def fill_canopies(
    x: np.ndarray,
    state: np.ndarray,
    first: int,
    tree: int,
    light: Light,
    instrument: Instrument,
    features: np.ndarray,
) -> None:
    """Fill the network's features of low vegetation (0), needles (1) or leaves (2)."""
    for p in range(x.size):
        v = state[:, first + p]
        view, turned = view_of(x[p], light)
        sun = light.cos_zenith
        if tree == 0:
            lai = max(v[0], lai_of_cover(instrument.patch_cover, v[1]))
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
def fill_ground(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
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

    ``crowns`` holds the terms of needle and broadleaved crowns, shape (2, terms,
    pixels); below crowns lies the same low vegetation.
    """
    crown, snow, water, rock = v[9], v[12], v[13], v[14]
    open_share = max(1.0 - crown - water - rock, 0.0)
    needles, leaves = crowns[0], crowns[1]
    patches = min(leaf_cover(v[0], v[1]) / instrument.patch_cover, 1.0)
    place = min(max(v[6], 0.0), 1.0) * (soils.shape[0] - 1.0001)
    row = int(place)
    part = place - row
    for b in range(rho.size):
        soil = (1.0 - part) * soils[row, b] + part * soils[row + 1, b]
        low = (1.0 - v[8]) * soil * v[7] + v[8] * litter[b]
        leafy = (1.0 - instrument.patch_shade) * over_ground(terms, b, column, low)
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

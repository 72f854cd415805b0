"""Leaf area and the cover it makes: the nadir gap fraction, and its inverse.

Knows nothing of classes, seasons or places.

References
----------
Campbell, G. S. (1990) Derivation of an angle density function for canopies with
ellipsoidal leaf angle distributions, Agric. For. Meteorol. 49:173-176.
Verhoef, W. et al. (2007) Unified optical-thermal four-stream radiative transfer theory
for homogeneous vegetation canopies, IEEE TGRS 45:1808-1822 (4SAIL).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

ANGLE_FIRST, ANGLE_STEP = 20.0, 5.0
NADIR_EXTINCTION = np.array(
    [
        0.897769,
        0.852781,
        0.805110,
        0.757077,
        0.709065,
        0.659734,
        0.606602,
        0.546762,
        0.477848,
        0.399374,
        0.314248,
        0.229385,
        0.153997,
    ]
)
"""4SAIL's extinction coefficient towards nadir for the ellipsoidal distribution of mean
leaf angle 20, 25 ... 80 deg: nadir gap fraction is ``exp(-value * lai)``."""

LARGEST_COVER = 0.985
"""Cover beyond which a leaf-area index can no longer be told from it."""
TREE_ANGLE = 57.0
"""Mean leaf angle of tree crowns: near spherical [deg]."""


@njit(nogil=True, cache=True)
def nadir_extinction(leaf_angle: float) -> float:
    """Return leaf area to nadir optical depth, for a mean leaf angle [deg]."""
    place = (leaf_angle - ANGLE_FIRST) / ANGLE_STEP
    place = min(max(place, 0.0), NADIR_EXTINCTION.size - 1.000001)
    low = int(place)
    part = place - low
    value: float = (1.0 - part) * NADIR_EXTINCTION[low] + part * NADIR_EXTINCTION[
        low + 1
    ]
    return value


@njit(nogil=True, cache=True)
def leaf_cover(lai: float, leaf_angle: float) -> float:
    """Return the complement of a canopy's nadir gap fraction, 0..1."""
    return 1.0 - math.exp(-nadir_extinction(leaf_angle) * lai)


@njit(nogil=True, cache=True)
def lai_of_cover(cover: float, leaf_angle: float) -> float:
    """Return the leaf area [m2 m-2] whose nadir gap fraction is ``1 - cover``."""
    return -math.log(1.0 - min(cover, LARGEST_COVER)) / nadir_extinction(leaf_angle)

"""What the instrument needs to know of the ground on a date: the canopy's state.

The one interface between the simulated country and the simulated instrument: the
world says what stands on a pixel, the sensor what it reflects. Places, spectra,
clouds and files are not known here.

Pixel composition, from above: ``snow`` hides everything; what is left is ``water``,
``rock``, tree crowns (``canopy_cover``) and the *open* rest, where low vegetation
stands over soil and litter. The four shares add to one.

References
----------
Campbell, G. S. (1990) Derivation of an angle density function for canopies with
ellipsoidal leaf angle distributions, Agric. For. Meteorol. 49:173-176.
Verhoef, W. et al. (2007) Unified optical-thermal four-stream radiative transfer theory
for homogeneous vegetation canopies, IEEE TGRS 45:1808-1822 (4SAIL).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.world import MARSH, ROCK, SNOW, SPRUCE, WATER, Landscape

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
TREE_LAI = 5.0
"""Leaf area of tree crowns where the world says none [m2 m-2]."""
TREE_ANGLE = 57.0
"""Mean leaf angle of tree crowns: near spherical [deg]."""


@dataclass(frozen=True, slots=True)
class CanopyState:
    """State of n pixels on one date; float32 arrays of shape (n,)."""

    lai: NDArray[np.float32]
    """Leaf area of low vegetation, green and dead, per open ground [m2 m-2]."""
    leaf_angle: NDArray[np.float32]
    """Its mean leaf inclination from horizontal, 20..80 [deg]."""
    chlorophyll: NDArray[np.float32]
    """Chlorophyll a+b of its green leaves, 15..80 [ug cm-2]."""
    dry_matter: NDArray[np.float32]
    """Dry matter per leaf area, 0.002..0.020 [g cm-2]."""
    leaf_water: NDArray[np.float32]
    """Equivalent water thickness of green leaves, 0.003..0.030 [cm]."""
    senescent: NDArray[np.float32]
    """Dead share of that leaf area, 0..1; dead leaves do not count as green cover."""
    soil_index: NDArray[np.float32]
    """Place along the emulator's row of soils, 0 (dark) .. 1 (bright)."""
    soil_brightness: NDArray[np.float32]
    """Factor on the soil's reflectance: 1 dry, about 0.6 wet."""
    litter: NDArray[np.float32]
    """Share of the soil below low vegetation that lies under litter, 0..1."""
    canopy_cover: NDArray[np.float32]
    """Share of the pixel under tree crowns, 0..1."""
    tree_lai: NDArray[np.float32]
    """Leaf area of the trees per crown area [m2 m-2]."""
    broadleaf: NDArray[np.float32]
    """Broadleaved share of the crowns, 0..1; the rest is needles."""
    snow: NDArray[np.float32]
    """Share of the pixel hidden by snow or ice, 0..1."""
    water: NDArray[np.float32]
    """Share of open water, without snow, 0..1."""
    rock: NDArray[np.float32]
    """Share of bare rock and scree, without snow, 0..1."""

    def __getitem__(self, part: slice) -> CanopyState:
        """Return the state of some of the pixels."""
        return CanopyState(*(getattr(self, f.name)[part] for f in fields(self)))


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


def green_cover(state: CanopyState) -> NDArray[np.float64]:
    """Return the true fractional green cover of pixels seen from nadir, 0..1.

    The complement of the nadir gap fraction times the green share of the leaves, over
    the open ground and the crowns; what snow hides does not count. It is what a
    vertical photograph without error would find.
    """
    low = np.array(
        [
            leaf_cover(lai, angle)
            for lai, angle in zip(
                state.lai.tolist(), state.leaf_angle.tolist(), strict=True
            )
        ]
    )
    high = np.array([leaf_cover(lai, TREE_ANGLE) for lai in state.tree_lai.tolist()])
    open_share = 1.0 - state.canopy_cover - state.water - state.rock
    seen = open_share * low * (1.0 - state.senescent) + state.canopy_cover * high
    found: NDArray[np.float64] = np.asarray(seen * (1.0 - state.snow), np.float64)
    return found


def canopy_on(land: Landscape, day: float, *, snow_line: float) -> CanopyState:
    """Return the state of the ground on a day.

    Parameters
    ----------
    land : Landscape
        What the world knows of n places.
    day : float
        Day of the year.
    snow_line : float
        Fresh snow lies above this height over the vegetation limit [m].

    Returns
    -------
    CanopyState
        Its ``green_cover`` at the peak of the season is ``land.fvc_peak``.

    Notes
    -----
    Leaf area is what gives the world's cover by the gap fraction. Leaf traits are
    constants of general knowledge where the world does not vary them.
    """
    rows = np.empty((len(fields(CanopyState)), land.ecosystem.size), dtype=np.float32)
    _fill_state(
        land.elevation,
        land.above_limit,
        land.ecosystem,
        land.fvc_peak,
        land.canopy,
        land.litter,
        land.bright,
        day,
        snow_line,
        rows,
    )
    return CanopyState(*rows)


@njit(nogil=True, cache=True)
def growth(elevation: float, day: float) -> tuple[float, float]:
    """Return leaf area grown so far and its dead share, as parts of the peak, 0..1.

    Two logistics; green-up mid-May to mid-June and browning in late September, later
    and earlier with height (methodology B2, general knowledge).
    """
    start = 148.0 + 0.012 * (elevation - 3000.0)
    end = 278.0 - 0.007 * (elevation - 3000.0)
    up = 1.0 / (1.0 + math.exp(-0.12 * (day - start)))
    down = 1.0 / (1.0 + math.exp(0.11 * (day - end)))
    return min(1.03 * up, 1.0), 1.0 - min(1.01 * down, 1.0)


@njit(nogil=True, cache=True)
def _smooth(low: float, high: float, value: float) -> float:
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(nogil=True, cache=True)
def _shares(kind: int, peak: float, canopy: float) -> tuple[float, float, float]:
    """Return the shares of water, rock and crowns."""
    if kind == WATER:
        return 1.0, 0.0, 0.0
    if kind == ROCK:
        return 0.0, max(1.0 - 2.0 * peak, 0.0), 0.0
    if kind == MARSH:
        return 0.35 * (1.0 - peak), 0.0, 0.0
    return 0.0, 0.0, min(canopy, 0.97) if kind == SPRUCE else 0.0


@njit(nogil=True, cache=True)
def _fill_state(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    elevation: np.ndarray,
    above: np.ndarray,
    ecosystem: np.ndarray,
    peak: np.ndarray,
    canopy: np.ndarray,
    litter: np.ndarray,
    bright: np.ndarray,
    day: float,
    snow_line: float,
    rows: np.ndarray,
) -> None:
    crown_cover = leaf_cover(TREE_LAI, TREE_ANGLE)
    for k in range(ecosystem.size):
        kind = ecosystem[k]
        grown, dead = growth(elevation[k], day)
        water, rock, crown = _shares(kind, peak[k], canopy[k])
        open_share = max(1.0 - water - rock - crown, 1e-6)
        cover = (peak[k] - crown * crown_cover) / open_share
        cover = min(max(cover, 0.0), LARGEST_COVER)
        angle = 62.0 if kind in (SPRUCE, ROCK) else 58.0
        snow = _smooth(snow_line, snow_line + 220.0, above[k])
        rows[0, k] = lai_of_cover(cover * grown, angle)
        rows[1, k] = angle
        rows[2, k] = 42.0
        rows[3, k] = 0.008
        rows[4, k] = 0.011
        rows[5, k] = dead
        rows[6, k] = bright[k]
        rows[7, k] = 0.75 if kind == MARSH else 1.0
        rows[8, k] = 0.0 if kind == ROCK else litter[k]
        rows[9, k] = crown
        rows[10, k] = TREE_LAI
        rows[11, k] = 0.0
        rows[12, k] = 1.0 if kind == SNOW else snow
        rows[13, k] = water
        rows[14, k] = rock

"""What the instrument needs to know of the ground on a date: the canopy's state.

The one interface between the simulated country and the simulated instrument: the
world says what stands on a pixel, the sensor what it reflects. Places, spectra,
clouds and files are not known here.

Pixel composition, from above: ``snow`` hides everything; what is left is ``water``,
``rock``, tree crowns (``canopy_cover``) and the *open* rest, where low vegetation
stands over soil and litter. The four shares add to one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from qhsink.twin.leaves import TREE_ANGLE, lai_of_cover, leaf_cover
from qhsink.twin.vegetation import fill_state
from qhsink.twin.world import Landscape

__all__ = ["CanopyState", "canopy_on", "green_cover", "lai_of_cover", "leaf_cover"]


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
    fill_state(
        land.rules,
        day,
        snow_line,
        land.elevation,
        land.above_limit,
        land.litter,
        land.bright,
        land.potential,
        land.event,
        land.layers,
        rows,
    )
    return CanopyState(*rows)

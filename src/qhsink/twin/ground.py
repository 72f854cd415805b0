"""What is truly at places on a date: cover, leaf area, biomass, stock.

The one door to the truth for whoever needs it at points (plots, footprints,
judging): arrays in, arrays out. Files and sensors are not known here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.twin.world import SHRUB, SPRUCE, World


@dataclass(frozen=True, slots=True)
class Ground:
    """The truth at n places on a date; arrays of shape (n,)."""

    ecosystem: NDArray[np.uint8]
    """One of ``qhsink.twin.world.ECOSYSTEMS``."""
    elevation: NDArray[np.float32]
    """Height [m]."""
    fvc: NDArray[np.float32]
    """Green cover of all layers seen from above, 0..1."""
    canopy_cover: NDArray[np.float32]
    """Tree crown cover, 0..1."""
    shrub_cover: NDArray[np.float32]
    """Shrub crown cover, 0..1."""
    lai: NDArray[np.float32]
    """Green leaf area of all layers [m2 m-2]."""
    agb_grass: NDArray[np.float32]
    """Aboveground dry matter of herbs, alive [g DM m-2]."""
    agb_forest: NDArray[np.float32]
    """Aboveground dry matter of trees [Mg DM ha-1]."""
    growing_stock: NDArray[np.float32]
    """Stem volume of arbor forest [m3 ha-1]; 0 elsewhere."""


def truth_at(
    world: World,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    year: int | None = None,
    date: dt.date | None = None,
    shore: NDArray[np.uint8] | None = None,
) -> Ground:
    """Return the truth at places: at the peak of ``year``, or on ``date``.

    Parameters
    ----------
    world : World
        The country.
    x, y : float64 arrays of shape (n,)
        Grid coordinates [m].
    year : int, optional
        Year whose peak season (1 August) is meant.
    date : datetime.date, optional
        The day instead.
    shore : uint8 array of shape (n,), optional
        2 in a real lake, 1 on its shore, 0 elsewhere; no lakes by default.
    """
    _ = year, date
    where = np.zeros(x.size, dtype=np.uint8) if shore is None else shore
    land = world.at(x, y, where)
    lai = -2.0 * np.log1p(-land.fvc_peak)
    grassy = land.fvc_peak - land.canopy
    return Ground(
        ecosystem=land.ecosystem,
        elevation=land.elevation,
        fvc=land.fvc_peak,
        canopy_cover=land.canopy,
        shrub_cover=np.where(land.ecosystem == SHRUB, 0.6 * land.fvc_peak, 0.0).astype(
            np.float32
        ),
        lai=lai.astype(np.float32),
        agb_grass=(-66.0 * np.log1p(-grassy)).astype(np.float32),
        agb_forest=(180.0 * land.canopy).astype(np.float32),
        growing_stock=np.where(
            land.ecosystem == SPRUCE, 180.0 * land.canopy / (0.342 * 1.734), 0.0
        ).astype(np.float32),
    )

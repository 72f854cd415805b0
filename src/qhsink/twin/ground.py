"""What is truly at places on a date: cover, leaf area, biomass, stock.

The one door to the truth for whoever needs it at points (plots, footprints,
judging): arrays in, arrays out. Files and sensors are not known here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.twin.vegetation import (
    AGB_FOREST,
    AGB_GRASS,
    CANOPY_COVER,
    FVC,
    GROWING_STOCK,
    LAI,
    SHRUB_COVER,
    fill_truth,
)
from qhsink.twin.world import PEAK, Landscape, World


@dataclass(frozen=True, slots=True)
class Ground:
    """The truth at n places on a date; arrays of shape (n,)."""

    ecosystem: NDArray[np.uint8]
    """One of ``qhsink.twin.classes.ECOSYSTEMS``."""
    elevation: NDArray[np.float32]
    """Height [m]."""
    fvc: NDArray[np.float32]
    """Green cover of all layers seen from above, 0..1."""
    canopy_cover: NDArray[np.float32]
    """Tree crown cover, 0..1; leafless crowns count."""
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

    Without either, at the peak of the world's own year. Snow that falls on a date is
    weather, not truth: it does not count here.

    Parameters
    ----------
    world : World
        The country.
    x, y : float64 arrays of shape (n,)
        Grid coordinates [m].
    year : int, optional
        Year whose peak season is meant: full growth, and the events until 1 August.
    date : datetime.date, optional
        The day instead.
    shore : uint8 array of shape (n,), optional
        2 in a real lake, 1 on its shore, 0 elsewhere; no lakes by default.
    """
    of_year = date.year if date is not None else year
    where = np.zeros(x.size, dtype=np.uint8) if shore is None else shore
    land = (world if of_year is None else world.in_year(of_year)).at(x, y, where)
    day = PEAK if date is None else float(date.timetuple().tm_yday)
    return ground_on(land, day)


def ground_on(land: Landscape, day: float = PEAK) -> Ground:
    """Return the truth of a landscape on a day of its year, by default at its peak."""
    kinds, rows = _truth(land, day, 7)
    return Ground(
        ecosystem=kinds,
        elevation=land.elevation,
        fvc=rows[FVC],
        canopy_cover=rows[CANOPY_COVER],
        shrub_cover=rows[SHRUB_COVER],
        lai=rows[LAI],
        agb_grass=rows[AGB_GRASS],
        agb_forest=rows[AGB_FOREST],
        growing_stock=rows[GROWING_STOCK],
    )


def _truth(
    land: Landscape, day: float, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return classes and the first rows of the truth."""
    rows = np.empty((count, land.potential.size), dtype=np.float32)
    kinds = np.empty(land.potential.size, dtype=np.uint8)
    fill_truth(
        land.rules,
        day,
        land.elevation,
        land.potential,
        land.event,
        land.layers,
        kinds,
        rows,
    )
    return kinds, rows

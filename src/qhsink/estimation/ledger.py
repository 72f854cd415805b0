"""The ledger: rows per tile, leaf region and stratum that add up.

A row holds areas and area-weighted sums, one per ensemble member, so any region is
a sum of rows and the model error of any sum or difference carries its covariance.
No row holds a mean: means do not add. Reading and writing files is not done here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LAND, WATER, UNOBSERVED = "land", "water", "unobserved"

COLUMNS = (
    "tile",
    "leaf_id",
    "stratum",
    "area_ha",
    "value_ha",
    "member_ha",
    "area_inside_ha",
)
"""Ledger columns: areas [ha]; sums of value times area [unit ha].

``area_inside_ha`` is the part of the area inside the model's area of applicability:
zero where nothing is predicted, NaN where the model does not say.
"""

_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class TileMap:
    """A tile's predictions, as the ledger needs them."""

    tile: str
    """Tile name."""
    index: NDArray[np.int64]
    """Row-major pixel numbers with a prediction, shape (n,)."""
    members: NDArray[np.float32]
    """Predictions of every member, shape (n, K)."""
    is_water: NDArray[np.bool_]
    """Pixels seen as water, shape (y, x)."""
    is_inside: NDArray[np.bool_] | None = None
    """Predictions inside the model's area of applicability, shape (n,); None when
    the model has none."""


def ledger_rows(
    tile_map: TileMap,
    coverage: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]],
    *,
    pixel_area_ha: float,
) -> pd.DataFrame:
    """Return the ledger rows of one tile.

    Parameters
    ----------
    tile_map : TileMap
        Predictions on the tile.
    coverage : mapping
        For each leaf, pixel numbers and covered fractions (``grid.coverage``).
    pixel_area_ha : float
        Area of a pixel [ha].

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``; for each leaf one row per stratum present: ``land``
        (a prediction), ``water``, and ``unobserved`` (neither). The areas of a
        leaf's rows sum to its area on the tile.
    """
    slot = np.full(tile_map.is_water.size, -1, dtype=np.int64)
    slot[tile_map.index] = np.arange(tile_map.index.size)
    water = tile_map.is_water.ravel()
    rows = []
    for leaf, (pixels, fraction) in sorted(coverage.items()):
        weight = fraction * pixel_area_ha
        place = slot[pixels]
        predicted = place >= 0
        wet = water[pixels] & ~predicted
        sums = _weighted_sums(tile_map.members, place[predicted], weight[predicted])
        nothing = np.zeros_like(sums)
        inside = _area_inside(tile_map.is_inside, place[predicted], weight[predicted])
        for stratum, chosen, total, part in (
            (LAND, predicted, sums, inside),
            (WATER, wet, nothing, 0.0),
            (UNOBSERVED, ~predicted & ~wet, nothing, 0.0),
        ):
            if chosen.any():
                area = float(weight[chosen].sum())
                value, members = float(total.mean()), total.tolist()
                rows.append((tile_map.tile, leaf, stratum, area, value, members, part))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _weighted_sums(
    members: NDArray[np.float32], place: NDArray[np.int64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return sums over pixels of weight times prediction, per member, shape (K,).

    Accumulated in double precision by blocks: a float32 sum over a million pixels
    loses the digits that two members differ in.
    """
    sums = np.zeros(members.shape[1], dtype=np.float64)
    for start in range(0, place.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        sums += weight[part] @ members[place[part]].astype(np.float64)
    return sums


def _area_inside(
    is_inside: NDArray[np.bool_] | None,
    place: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> float:
    if is_inside is None:
        return math.nan
    return float(weight[is_inside[place]].sum())


@dataclass(frozen=True, slots=True)
class RegionSums:
    """What the ledger says of one region."""

    land_ha: float
    """Area with a prediction [ha]."""
    water_ha: float
    """Area seen as water [ha]."""
    unobserved_ha: float
    """Area with neither [ha]."""
    members_ha: NDArray[np.float64]
    """Sum of value times area per member [unit ha], shape (K,)."""
    inside_ha: float = math.nan
    """Part of ``land_ha`` inside the model's area of applicability [ha]; NaN when
    a row does not say."""

    @property
    def area_ha(self) -> float:
        """All of it [ha]."""
        return self.land_ha + self.water_ha + self.unobserved_ha

    @property
    def valid_share(self) -> float:
        """Share of what is not water that has a prediction, 0..1."""
        dry = self.land_ha + self.unobserved_ha
        return self.land_ha / dry if dry > 0 else 0.0

    @property
    def outside_share(self) -> float | None:
        """Share of ``land_ha`` outside the area of applicability, 0..1, if known."""
        if math.isnan(self.inside_ha) or self.land_ha <= 0:
            return None
        return min(1.0, max(0.0, 1.0 - self.inside_ha / self.land_ha))

    @property
    def member_means(self) -> NDArray[np.float64]:
        """Mean over land per member, shape (K,)."""
        return self.members_ha / self.land_ha


def sum_region(rows: pd.DataFrame, leaf_ids: Iterable[str]) -> RegionSums:
    """Return the sums over the rows of ``leaf_ids``: a region is its leaves."""
    chosen = rows[rows["leaf_id"].isin(list(leaf_ids))]
    area = chosen.groupby("stratum")["area_ha"].sum()
    land = chosen[chosen["stratum"] == LAND]
    stacked = np.array(land["member_ha"].tolist(), dtype=np.float64)
    # A ledger of an earlier release has no such column: then the share is unknown.
    inside = land.get("area_inside_ha", pd.Series([math.nan]))
    members = stacked.sum(axis=0) if len(stacked) else np.zeros(0)
    return RegionSums(
        land_ha=float(area.get(LAND, 0.0)),
        water_ha=float(area.get(WATER, 0.0)),
        unobserved_ha=float(area.get(UNOBSERVED, 0.0)),
        members_ha=members,
        inside_ha=float(inside.sum(skipna=False)),
    )


def mean_and_model_se(sums: RegionSums) -> tuple[float, float, float]:
    """Return the mean over land, its model standard error and degrees of freedom.

    The members are refits on bootstrap samples, so the standard deviation of their
    regional means is the bootstrap standard error of the model's parameters, with
    K - 1 degrees of freedom. It holds no sampling error of the map, no residual
    error of pixels and no shift between training data and region: an estimate made
    of it alone is of mode ``model`` and flagged as not calibrated.
    """
    means = sums.member_means
    return float(means.mean()), float(means.std(ddof=1)), float(means.size - 1)

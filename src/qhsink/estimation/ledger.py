"""The ledger: rows per tile, leaf region and stratum that add up.

A row holds areas and area-weighted sums, one per ensemble member, so any region is
a sum of rows and the model error of any sum or difference carries its covariance.
No row holds a mean: means do not add. Reading and writing files is not done here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.estimation.unseen import HeightBands, fill_by_height

LAND, WATER, UNOBSERVED = "land", "water", "unobserved"
OTHER = "other"
"""Land that was seen and is of an ecosystem of which the target does not speak: its
value is zero."""

COLUMNS = (
    "tile",
    "leaf_id",
    "stratum",
    "area_ha",
    "value_ha",
    "member_ha",
    "area_inside_ha",
    "value_inside_ha",
    "filled_ha",
)
"""Ledger columns: areas [ha]; sums of value times area [unit ha].

``area_inside_ha`` and ``value_inside_ha`` are the parts of area and value inside the
model's area of applicability: zero where nothing is predicted, NaN where the model
does not say. ``filled_ha`` is the part of an ``unobserved`` area for which land of the
tile seen at the same height speaks: its value and members are what that land holds.
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
    is_other: NDArray[np.bool_] | None = None
    """Land seen to be of another ecosystem than the target's, shape (y, x); None
    where the target speaks of all land."""
    heights: HeightBands | None = None
    """Height of every pixel, by band; None where no terrain was read."""


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
        (a prediction), ``other`` (land of another ecosystem), ``water``, and
        ``unobserved`` (none of these). The areas of a leaf's rows sum to its area on
        the tile.

    Notes
    -----
    Where heights are known, unobserved land holds, member by member, what land of the
    tile seen at its height does: ``unseen``.
    """
    slot = np.full(tile_map.is_water.size, -1, dtype=np.int64)
    slot[tile_map.index] = np.arange(tile_map.index.size)
    water = tile_map.is_water.ravel()
    other = None if tile_map.is_other is None else tile_map.is_other.ravel()
    filling = None
    if tile_map.heights is not None:
        seen = slot >= 0 if other is None else (slot >= 0) | other
        filling = fill_by_height(
            tile_map.heights, tile_map.members, tile_map.index, seen
        )
    rows = []
    for leaf, (pixels, fraction) in sorted(coverage.items()):
        weight = fraction * pixel_area_ha
        place = slot[pixels]
        predicted = place >= 0
        wet = water[pixels] & ~predicted
        elsewhere = np.zeros_like(wet) if other is None else other[pixels] & ~predicted
        place, part = place[predicted], weight[predicted]
        sums = _weighted_sums(tile_map.members, place, part)
        inside = _inside(tile_map, place, part, float(sums.mean()))
        nothing = np.zeros_like(sums)
        missed = ~predicted & ~wet & ~elsewhere
        filled, filled_ha = nothing, 0.0
        if filling is not None:
            filled, filled_ha = filling.sums(pixels[missed], weight[missed])
        for stratum, chosen, total, within in (
            (LAND, predicted, sums, (*inside, 0.0)),
            (OTHER, elsewhere, nothing, (0.0, 0.0, 0.0)),
            (WATER, wet, nothing, (0.0, 0.0, 0.0)),
            (UNOBSERVED, missed, filled, (0.0, 0.0, filled_ha)),
        ):
            if chosen.any():
                area = float(weight[chosen].sum())
                value, members = float(total.mean()), total.tolist()
                rows.append(
                    (tile_map.tile, leaf, stratum, area, value, members, *within)
                )
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


def _inside(
    tile_map: TileMap,
    place: NDArray[np.int64],
    weight: NDArray[np.float64],
    total: float,
) -> tuple[float, float]:
    """Return area and sum of values inside the area of applicability.

    The sum is taken over the smaller part, inside or outside, for it takes as long
    as that of all members.
    """
    if tile_map.is_inside is None:
        return math.nan, math.nan
    inside = tile_map.is_inside[place]
    few = inside if 2 * int(inside.sum()) <= inside.size else ~inside
    part = float(_weighted_sums(tile_map.members, place[few], weight[few]).mean())
    return float(weight[inside].sum()), part if few is inside else total - part


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
    other_ha: float = 0.0
    """Land seen to be of an ecosystem of which the target does not speak [ha]."""
    value_inside_ha: float = math.nan
    """Part of the mean member's sum inside the area of applicability [unit ha]; NaN
    when a row does not say."""
    filled_ha: float = 0.0
    """Part of ``unobserved_ha`` for which land seen at its height speaks [ha]."""
    filled_members_ha: NDArray[np.float64] | float = 0.0
    """What that part is taken to hold, per member [unit ha], shape (K,)."""

    @property
    def area_ha(self) -> float:
        """All of it [ha]."""
        return self.land_ha + self.other_ha + self.water_ha + self.unobserved_ha

    @property
    def seen_ha(self) -> float:
        """Land that was seen, whatever its ecosystem [ha]."""
        return self.land_ha + self.other_ha

    @property
    def dry_ha(self) -> float:
        """All that is not water [ha]."""
        return self.seen_ha + self.unobserved_ha

    @property
    def valid_share(self) -> float:
        """Share of what is not water that was seen, 0..1."""
        return self.seen_ha / self.dry_ha if self.dry_ha > 0 else 0.0

    @property
    def outside_share(self) -> float | None:
        """Share of ``land_ha`` outside the area of applicability, 0..1, if known."""
        if math.isnan(self.inside_ha) or self.land_ha <= 0:
            return None
        return min(1.0, max(0.0, 1.0 - self.inside_ha / self.land_ha))

    @property
    def stock_outside_share(self) -> float | None:
        """Share of the value's sum outside the area of applicability, if known."""
        total = float(self.members_ha.mean()) if self.members_ha.size else 0.0
        if math.isnan(self.value_inside_ha) or total <= 0:
            return None
        return min(1.0, max(0.0, 1.0 - self.value_inside_ha / total))

    @property
    def member_means(self) -> NDArray[np.float64]:
        """Mean over land that was seen, per member, shape (K,)."""
        return self.members_ha / self.land_ha

    @property
    def dry_member_means(self) -> NDArray[np.float64]:
        """Mean over all land per member, shape (K,).

        Land that was not seen holds what land seen at its height does; where heights
        are not known, as much as the rest.
        """
        held = self.members_ha + self.filled_members_ha
        means: NDArray[np.float64] = held / (self.seen_ha + self.filled_ha)
        return means

    def times(self, ratio: float) -> RegionSums:
        """Return the sums of a map that says ``ratio`` times as much everywhere."""
        return replace(
            self,
            members_ha=ratio * self.members_ha,
            filled_members_ha=ratio * self.filled_members_ha,
        )


def sum_region(rows: pd.DataFrame, leaf_ids: Iterable[str]) -> RegionSums:
    """Return the sums over the rows of ``leaf_ids``: a region is its leaves."""
    chosen = rows[rows["leaf_id"].isin(list(leaf_ids))]
    area = chosen.groupby("stratum")["area_ha"].sum()
    land = chosen[chosen["stratum"] == LAND]
    stacked = np.array(land["member_ha"].tolist(), dtype=np.float64)
    # A ledger of an earlier release has no such column: then the share is unknown.
    unknown = pd.Series([math.nan])
    inside = land.get("area_inside_ha", unknown)
    value_inside = land.get("value_inside_ha", unknown)
    members = stacked.sum(axis=0) if len(stacked) else np.zeros(0)
    missed = chosen[chosen["stratum"] == UNOBSERVED]
    filled = np.array(missed["member_ha"].tolist(), dtype=np.float64)
    return RegionSums(
        land_ha=float(area.get(LAND, 0.0)),
        water_ha=float(area.get(WATER, 0.0)),
        unobserved_ha=float(area.get(UNOBSERVED, 0.0)),
        members_ha=members,
        inside_ha=float(inside.sum(skipna=False)),
        other_ha=float(area.get(OTHER, 0.0)),
        value_inside_ha=float(value_inside.sum(skipna=False)),
        filled_ha=float(missed.get("filled_ha", pd.Series([0.0])).sum()),
        filled_members_ha=filled.sum(axis=0) if len(filled) else np.zeros_like(members),
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


def total_and_model_se(sums: RegionSums) -> tuple[float, float, float]:
    """Return the total over all land, its model standard error, degrees of freedom.

    Land that was not seen is taken to hold what land seen at its height does, or as
    much per hectare as the rest (``RegionSums.dry_member_means``); what that adds to
    the error is not in the standard error. Nor is the error of the ecosystem map, nor
    what ``mean_and_model_se`` leaves out.

    Parameters
    ----------
    sums : RegionSums
        Of a target, in its unit times hectares.

    Returns
    -------
    (float, float, float)
        Total and standard error [unit ha]; members - 1.

    Raises
    ------
    ValueError
        When nothing was predicted: that a map shows no forest does not make zero
        certain.
    """
    if sums.land_ha <= 0:
        msg = "a region without a prediction has no total"
        raise ValueError(msg)
    totals = sums.dry_member_means * sums.dry_ha
    return float(totals.mean()), float(totals.std(ddof=1)), float(totals.size - 1)

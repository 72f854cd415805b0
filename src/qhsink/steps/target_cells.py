"""Where in a tile a target's quantity lies: its mean over square cells.

The error of a total depends on how its quantity is spread, at the scale that residual
fields are fitted on; the ledger's rows do not say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.residual_field import ResidualField, error_scale
from qhsink.estimation.spatial import relative_residual_variance
from qhsink.grid import Grid, Tile
from qhsink.regions.overlay import Leaves
from qhsink.steps.residuals import Cells

CELLS_FILE = "cells.parquet"
"""Cells of further targets, in a tile's artifact and in the folder of a run."""
CELL_M = 9000.0
"""Edge of a cell [m], about: a tile is cut into a whole number of them."""
CELL_COLUMNS = ("col", "row", "density")
"""Number of the cell, east and south of the grid's origin, and the mean of the
quantity over it, in its unit; cells of other tiles have none."""


def cells_per_tile(grid: Grid) -> int:
    """Return how many cells lie along the edge of a tile."""
    return max(1, round(grid.tile_px * grid.pixel_size / CELL_M))


def tile_cells(
    index: NDArray[np.int64], members: NDArray[np.float32], *, tile: Tile, grid: Grid
) -> pd.DataFrame:
    """Return the mean of a quantity over each cell of a tile.

    Parameters
    ----------
    index : (n,) int64
        Row-major pixel numbers where it is mapped; it is zero elsewhere.
    members : (n, K) float32
        Predictions of every member there.
    """
    per, size = cells_per_tile(grid), grid.tile_px
    row, col = np.divmod(index, size)
    cell = (row * per // size) * per + col * per // size
    value = members.mean(axis=1, dtype=np.float64)
    sums = np.bincount(cell, weights=value, minlength=per * per)
    edge = np.bincount(np.arange(size) * per // size, minlength=per)
    pixels = np.outer(edge, edge).ravel()
    down, across = np.divmod(np.arange(per * per), per)
    return pd.DataFrame(
        {
            "col": tile.col * per + across,
            "row": tile.row * per + down,
            "density": sums / pixels,
        }
    )


@dataclass(frozen=True, slots=True)
class RegionScale:
    """How the scale of a quantity's error is spread over a region."""

    weight: NDArray[np.float64]
    """(y, x) land of each cell in the region times the scale of the error there."""
    damping: float
    """Sum of these weights over that of land times mean quantity plus floor."""
    cell_m: float
    """Edge of a cell [m]."""

    def squares(self, square_m: float) -> float:
        """Return the equal squares of an edge [m] that carry as much of the scale."""
        alike = float(self.weight.sum() ** 2 / np.square(self.weight).sum())
        return alike * (self.cell_m / square_m) ** 2


@dataclass(frozen=True, slots=True)
class ResidualError:
    """Error of a total through errors of value and ecosystem."""

    variance: float
    """In the unit of the quantity times hectares, squared."""
    df: float


def region_scale(
    cells: pd.DataFrame,
    field: ResidualField,
    shape: Cells,
    *,
    corner: tuple[float, float],
    grid: Grid,
) -> RegionScale:
    """Return the scale of the error of a quantity over a region.

    Parameters
    ----------
    cells : DataFrame
        ``CELL_COLUMNS`` of the quantity, of all tiles.
    shape : Cells
        From ``residuals.region_cells``.
    corner : (float, float)
        Left and top of that shape [m].
    """
    share, edge = shape
    wide = grid.tile_px * grid.pixel_size / cells_per_tile(grid)
    rows, columns = share.shape
    x = corner[0] + (np.arange(columns) + 0.5) * edge
    y = corner[1] - (np.arange(rows) + 0.5) * edge
    known = cells.groupby(["row", "col"])["density"].sum()
    down, across = np.floor(-y / wide).astype(int), np.floor(x / wide).astype(int)
    lattice = known.unstack("col").reindex(  # noqa: PD010 - one value per cell
        index=np.unique(down), columns=np.unique(across)
    )
    density = lattice.fillna(0.0).to_numpy(float)
    at = np.ix_(
        np.searchsorted(np.unique(down), down),
        np.searchsorted(np.unique(across), across),
    )
    mean = field.ratio * density[at]
    weight = share * error_scale(mean, floor=field.floor, patch=field.patch)
    plain = share * (mean + field.floor)
    return RegionScale(weight, float(weight.sum() / plain.sum()), edge)


def region_corner(leaves: Leaves, region_id: str) -> tuple[float, float]:
    """Return left and top of a region [m], where ``region_cells`` begins."""
    chosen = leaves.frame["leaf_id"].isin(leaves.leaves_of(region_id))
    left, _, _, top = leaves.frame.geometry[chosen].total_bounds
    return float(left), float(top)


def residual_error_of_total(
    spread: RegionScale, field: ResidualField, *, total: float, land_ha: float
) -> ResidualError:
    """Return the error of a total through errors of value and ecosystem.

    Parameters
    ----------
    spread : RegionScale
        From ``region_scale``.
    total : float
        Of the quantity over ``land_ha``, the field's ratio in it; unit times hectares.

    Notes
    -----
    Variance and degrees of freedom hold what worlds left out of the fit say of regions
    of this size (``ResidualField.at``).
    """
    relative = relative_residual_variance(field, spread.weight, cell_m=spread.cell_m)
    scale = (total + field.floor * land_ha) * spread.damping
    known = field.at(spread.squares(field.square_m))
    return ResidualError((known.factor * scale) ** 2 * relative, known.df)

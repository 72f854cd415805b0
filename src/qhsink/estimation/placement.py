"""Where sample units lie: cells of an equal-area lattice, drawn at random.

A unit is a square cell whose centre lies in the polygon; every cell has a known
inclusion probability. Coordinates are those of the equal-area grid [m]; files,
regions and rasters are the command line's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import TableError

COUNT_LIMIT = 4_000_000
"""Cells in a bounding box up to which the cells of a polygon are counted one by one;
beyond it their number is the area over the cell's, right to a part in ten thousand."""

_BATCH = 4096
_MAX_BATCHES = 2000


@dataclass(frozen=True, slots=True)
class Draw:
    """Units drawn from one stratum."""

    x: NDArray[np.float64]
    """Easting of the cell centres [m], shape (n,)."""
    y: NDArray[np.float64]
    """Northing of the cell centres [m], shape (n,)."""
    probability: float
    """Inclusion probability of each unit."""
    available: float
    """Units in the stratum."""


def cells_in(polygon: BaseGeometry, cell_m: float) -> float:
    """Return the number of lattice cells whose centre lies in ``polygon``."""
    left, bottom, right, top = _bounds(polygon, cell_m)
    if (right - left) * (top - bottom) > COUNT_LIMIT:
        return float(round(polygon.area / cell_m**2))
    cols, rows = np.meshgrid(np.arange(left, right), np.arange(bottom, top))
    return float(_inside(polygon, cols.ravel(), rows.ravel(), cell_m).sum())


def _bounds(polygon: BaseGeometry, cell_m: float) -> tuple[int, int, int, int]:
    left, bottom, right, top = polygon.bounds
    return (
        math.floor(left / cell_m),
        math.floor(bottom / cell_m),
        math.ceil(right / cell_m),
        math.ceil(top / cell_m),
    )


def _inside(
    polygon: BaseGeometry,
    cols: NDArray[np.int64],
    rows: NDArray[np.int64],
    cell_m: float,
) -> NDArray[np.bool_]:
    shapely.prepare(polygon)
    return np.asarray(
        shapely.contains_xy(polygon, (cols + 0.5) * cell_m, (rows + 0.5) * cell_m)
    )


def draw_random(
    polygon: BaseGeometry, count: int, *, cell_m: float, rng: np.random.Generator
) -> Draw:
    """Return a simple random sample of ``count`` cells, without replacement.

    Cells of the bounding box are drawn and kept if their centre lies inside: each
    cell of the polygon is as likely as any other, and no list of cells is needed.

    Raises
    ------
    TableError
        When the polygon holds fewer cells than wanted.
    """
    available = cells_in(polygon, cell_m)
    if count > available:
        raise _too_few(count, available)
    left, bottom, right, top = _bounds(polygon, cell_m)
    kept: dict[tuple[int, int], None] = {}
    for _ in range(_MAX_BATCHES):
        cols = rng.integers(left, right, size=_BATCH)
        rows = rng.integers(bottom, top, size=_BATCH)
        inside = _inside(polygon, cols, rows, cell_m)
        pairs = zip(cols[inside].tolist(), rows[inside].tolist(), strict=True)
        # A dict keeps the order of drawing: the first `count` are the sample.
        kept.update(dict.fromkeys(pairs))
        if len(kept) >= count:
            break
    else:
        raise _too_few(count, len(kept))
    chosen = np.asarray(list(kept)[:count], dtype=float)
    return Draw(
        x=(chosen[:, 0] + 0.5) * cell_m,
        y=(chosen[:, 1] + 0.5) * cell_m,
        probability=count / available,
        available=available,
    )


def _too_few(count: int, available: float) -> TableError:
    return TableError(
        f"{count} units from {available:g} cells",
        expected="no more units than cells in the stratum",
        remedy="Ask for fewer units, merge strata, or use smaller cells (--unit-m).",
    )


def draw_systematic(
    polygon: BaseGeometry, count: int, *, cell_m: float, rng: np.random.Generator
) -> Draw:
    """Return a square systematic sample of about ``count`` cells.

    Every k-th cell along both axes from a random start, k the largest spacing that
    gives at least ``count`` on average; each cell is included with probability
    1 / k^2. How many fall inside is random.

    Raises
    ------
    TableError
        When there are fewer cells than units asked for.
    """
    available = cells_in(polygon, cell_m)
    if count > available:
        raise _too_few(count, available)
    step = max(math.isqrt(int(available // count)), 1)
    left, bottom, right, top = _bounds(polygon, cell_m)
    start_col, start_row = rng.integers(0, step, size=2)
    cols, rows = np.meshgrid(
        np.arange(left + start_col, right, step),
        np.arange(bottom + start_row, top, step),
    )
    inside = _inside(polygon, cols.ravel(), rows.ravel(), cell_m)
    return Draw(
        x=(cols.ravel()[inside] + 0.5) * cell_m,
        y=(rows.ravel()[inside] + 0.5) * cell_m,
        probability=1.0 / step**2,
        available=available,
    )


def draw_ranks(
    available: int, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return ``count`` of the ranks 0 .. available-1, ascending, equally likely.

    Raises
    ------
    TableError
        When there are fewer cells than units asked for.
    """
    if count > available:
        raise _too_few(count, available)
    return np.sort(rng.choice(available, size=count, replace=False)).astype(np.int64)


def ranks_to_cells(
    labels: NDArray[np.int64], value: int, ranks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the flat positions of the ``ranks``-th cells equal to ``value``.

    ``labels`` is one block of a strata raster; ``ranks`` count within the block, in
    row-major order.
    """
    return np.flatnonzero(labels == value)[ranks].astype(np.int64)

"""Columns of a reference table that look made up from others.

Published tables hold values that were filled in by regression on another column.
What is done about it is for the person who owns the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

LEAST_ROWS = 10
"""Rows that a linear relation is judged on, at least."""
LEAST_SHARE = 0.2
"""Share of rows on one line that is worth a remark (a choice of this project)."""
DRAWS = 200
"""Pairs of rows that a line is laid through."""
ON_LINE = 1e-5
"""Distance from a line that counts as on it, of the column's span: what rounding to
five or six digits leaves."""
EXACT = 1e-5
"""Share of variance left unexplained below which a relation counts as exact: a
measurement with an error of a third of a per cent of the spread already leaves more."""


@dataclass(frozen=True, slots=True)
class LinearCopy:
    """A column that is an almost exact linear function of another."""

    column: str
    """The one."""
    of: str
    """The other."""
    slope: float
    """In units of the one per unit of the other."""
    intercept: float
    """In units of the one."""
    unexplained: float
    """1 - R2."""

    def __str__(self) -> str:
        """Say it as a sentence for a card or a console."""
        return (
            f"column {self.column!r} is {self.slope:.6g} times {self.of!r} plus "
            f"{self.intercept:.6g} to within {np.sqrt(self.unexplained):.2%} of its "
            "spread: it looks computed, not measured"
        )


@dataclass(frozen=True, slots=True)
class FilledRows:
    """Rows of a column that lie exactly on a line over another, among rows that do not.

    Filling gaps by regression leaves such rows.
    """

    column: str
    """The one."""
    of: str
    """The other."""
    slope: float
    """In units of the one per unit of the other."""
    intercept: float
    """In units of the one."""
    rows: int
    """Rows on the line."""
    count: int
    """Rows compared."""

    def __str__(self) -> str:
        """Say it as a sentence for a card or a console."""
        return (
            f"{self.rows} of {self.count} values of column {self.column!r} are exactly "
            f"{self.slope:.6g} times {self.of!r} plus {self.intercept:.6g}: these look "
            "filled in, not measured"
        )


def filled_rows(
    column: str, columns: Mapping[str, Doubles], *, seed: int = 0
) -> tuple[FilledRows, ...]:
    """Return the columns over which part of ``column`` lies exactly on a line.

    Parameters
    ----------
    column : str
        The column looked at, one of ``columns``.
    columns : mapping of str to (n,) float
        As in ``linear_copies``, which finds the columns that lie on a line as a whole.
    seed : int
        Seed of the pairs of rows tried.

    Notes
    -----
    A line through ``DRAWS`` random pairs of rows each: where a fifth of the rows lie on
    one, no try hits it with a chance of 0.96^200 < 0.001 (Fischler and Bolles 1981).
    Rounded columns have many rows on any line: a line counts only where it holds
    ``LEAST_ROWS`` different values of both, and where most values of the column come
    once.
    """
    y_all = columns[column]
    found = []
    for other, x_all in columns.items():
        both = np.isfinite(y_all) & np.isfinite(x_all)
        y, x = y_all[both], x_all[both]
        if other == column or _is_rounded(y) or _is_rounded(x):
            continue
        best = _best_line(x, y, np.random.default_rng(seed))
        if best is None:
            continue
        slope, start, on = best
        if LEAST_ROWS <= int(on.sum()) < len(x) and on.mean() >= LEAST_SHARE:
            found.append(FilledRows(column, other, slope, start, int(on.sum()), len(x)))
    return tuple(found)


def _is_rounded(values: Doubles) -> bool:
    """Return whether values are too few or repeat too often to tell anything."""
    return len(values) < 2 * LEAST_ROWS or len(np.unique(values)) < 0.5 * len(values)


def _best_line(
    x: Doubles, y: Doubles, rng: np.random.Generator
) -> tuple[float, float, NDArray[np.bool_]] | None:
    near = ON_LINE * float(np.ptp(y))
    best: tuple[float, float, NDArray[np.bool_]] | None = None
    for one, two in rng.integers(0, len(x), (DRAWS, 2)).tolist():
        if x[one] == x[two] or y[one] == y[two]:
            continue
        slope = (y[one] - y[two]) / (x[one] - x[two])
        start = y[one] - slope * x[one]
        on = np.abs(y - start - slope * x) <= near
        distinct = min(len(np.unique(x[on])), len(np.unique(y[on])))
        if distinct >= LEAST_ROWS and (best is None or on.sum() > best[2].sum()):
            best = float(slope), float(start), on
    if best is None:
        return None
    # Two rounded rows give the line roughly, all that are on it give it well.
    slope, start = np.polyfit(x[best[2]], y[best[2]], 1)
    return float(slope), float(start), np.abs(y - start - slope * x) <= near


def linear_copies(columns: Mapping[str, Doubles]) -> tuple[LinearCopy, ...]:
    """Return each pair of columns where one is a linear function of the other.

    Parameters
    ----------
    columns : mapping of str to (n,) float
        Columns of a table; NaN where there is no value. Rows are compared where both
        have one; constant columns are left out.
    """
    found = []
    for one, other in combinations(columns, 2):
        both = np.isfinite(columns[one]) & np.isfinite(columns[other])
        y, x = columns[one][both], columns[other][both]
        if len(x) < LEAST_ROWS or np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        unexplained = max(0.0, 1.0 - float(np.corrcoef(x, y)[0, 1]) ** 2)
        if unexplained < EXACT:
            slope = float(np.cov(x, y)[0, 1] / x.var(ddof=1))
            start = float(y.mean() - slope * x.mean())
            found.append(LinearCopy(one, other, slope, start, unexplained))
    return tuple(found)

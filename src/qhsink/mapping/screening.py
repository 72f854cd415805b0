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

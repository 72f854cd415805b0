"""Means of plots within parts of an area: one simple random sample in each part.

For indicators that weigh parts by official areas. Joining the parts belongs to the
indicator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qhsink.domain.errors import TableError
from qhsink.estimation.schema import labels, numbers, require_columns


@dataclass(frozen=True, slots=True)
class PartMean:
    """Mean of the plots of one part."""

    keys: tuple[str, ...]
    """Labels of the part, such as county and grassland type."""
    n: int
    """Plots."""
    mean: float
    """Mean, in the unit of the value."""
    se: float
    """Standard error of the mean: s / sqrt(n), without finite correction."""


def part_means(
    frame: pd.DataFrame, keys: Sequence[str], value: str, *, table: str
) -> tuple[PartMean, ...]:
    """Return the mean of every part that has plots, sorted by its labels.

    Raises
    ------
    TableError
        When a part has one plot: its variance cannot be estimated.
    """
    require_columns(frame, (*keys, value), table=table)
    y = numbers(frame, value, table=table)
    names = list(zip(*(labels(frame, k, table=table) for k in keys), strict=True))
    groups: dict[tuple[str, ...], list[float]] = {}
    for name, number in zip(names, y.tolist(), strict=True):
        groups.setdefault(tuple(map(str, name)), []).append(number)
    alone = [" / ".join(name) for name, values in groups.items() if len(values) < 2]
    if alone:
        raise TableError(
            f"{table}: one plot in {', '.join(alone)}",
            expected="at least 2 in every part: one plot has no variance",
            remedy="Add plots, or merge parts by a rule set beforehand in both tables.",
        )
    return tuple(
        PartMean(
            name,
            len(values),
            float(np.mean(values)),
            float(np.std(values, ddof=1) / np.sqrt(len(values))),
        )
        for name, values in sorted(groups.items())
    )


def combined_df(parts: Sequence[PartMean], sizes: Sequence[float]) -> float:
    """Return the degrees of freedom of a mean of parts weighted by ``sizes``.

    Satterthwaite's, Cochran (1977) eq. 5.16: (sum g)^2 / sum(g^2 / (n - 1)) with
    g = (size se)^2; never above the plots less the parts, which it equals where the
    parts are alike. That number itself where no part varies.
    """
    terms = [(size * part.se) ** 2 for part, size in zip(parts, sizes, strict=True)]
    below = sum(g**2 / (part.n - 1) for g, part in zip(terms, parts, strict=True))
    if below == 0.0:
        return float(sum(part.n - 1 for part in parts))
    return sum(terms) ** 2 / below

"""Grades of sampled plots: degraded grassland, black-soil land, sandy land.

From what was measured on a plot to its grade; areas by grade are ``estimation``'s.
Grades of pixels use the same rules, in ``grassland``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import Refusal
from qhsink.domain.indicator import GradeScale
from qhsink.indicators.grassland import (
    degradation_grade,
    relative_reduction,
    significant_reduction,
)
from qhsink.indicators.interval import student_quantile
from qhsink.indicators.reference import reference_by_group

Floats = NDArray[np.float64]
Grades = NDArray[np.int8]

LEAST_REFERENCE = 30
"""Reference plots of a type below which a quantile is not taken."""
REFERENCE_QUANTILE = 0.9
"""Of reference plots (methodology F1)."""


def reference_of_types(
    types: Sequence[str], values: Floats, *, quantile: float = REFERENCE_QUANTILE
) -> dict[str, float]:
    """Return the undegraded reference of every grassland type.

    Parameters
    ----------
    types : sequence of str, length n
        Grassland type of each row.
    values : ndarray, shape (n,)
        Cover or yield. One row of a type is a stated reference; 30 or more are
        reference plots, of which the quantile is taken.

    Raises
    ------
    Refusal
        With 2 to 29 rows of a type: too few for a quantile.
    """
    names, group = np.unique(np.asarray(types, dtype=np.str_), return_inverse=True)
    counts = np.bincount(group)
    few = [str(names[k]) for k in np.flatnonzero((counts > 1) & (counts < 30))]
    if few:
        raise Refusal(
            f"too few reference plots of {', '.join(few)}",
            expected=f"one stated value, or at least {LEAST_REFERENCE} plots, a type",
            remedy="Add reference plots, or state the reference and its source.",
        )
    every = np.ones(len(values), dtype=bool)
    found = reference_by_group(
        values, group, every, quantile=quantile, least=LEAST_REFERENCE
    )
    for k in np.flatnonzero(counts == 1):
        found[int(k)] = float(values[group == k][0])
    return {str(names[k]): value for k, value in sorted(found.items())}


def degradation_of_plots(
    types: Sequence[str],
    measured: Mapping[str, Floats],
    reference: Mapping[str, Mapping[str, float]],
    *,
    scales: Mapping[str, GradeScale],
    cover_se: Floats | None = None,
) -> Grades:
    """Return the degradation grade of every plot; -1 where its type has no reference.

    Parameters
    ----------
    types : sequence of str, length n
        Grassland type of each plot.
    measured : mapping of str to ndarray of shape (n,)
        ``cover`` (0..1) and, where known, ``yield``.
    reference : mapping
        The same names to the reference by type, in the same units.
    scales : mapping
        Grade scales of ``config/strata.toml``.
    cover_se : ndarray, shape (n,), optional
        Standard error of a plot's cover: a reduction that does not exceed 1.645 of
        its standard errors is none (methodology F1, one-sided 95 %).
    """
    reduction = {
        name: relative_reduction(
            values, np.array([reference[name].get(kind, np.nan) for kind in types])
        )
        for name, values in measured.items()
    }
    grades = degradation_grade(
        reduction["cover"], reduction.get("yield"), scales=scales
    )
    if cover_se is None:
        return grades
    base = np.array([reference["cover"].get(kind, np.nan) for kind in types])
    shown = significant_reduction(
        reduction["cover"],
        100.0 * cover_se / base,
        z=student_quantile(0.95, float("inf")),
    )
    return np.where((grades > 0) & ~shown, 0, grades).astype(np.int8)

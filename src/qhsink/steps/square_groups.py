"""Regions made of squares of one world: their totals, true errors and foreseen ones.

What a field is scaled by (``whole_residuals``) and tried on
(``benchmarks.total_coverage``) is the same arithmetic as that of a run's regions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.residual_field import ResidualField, error_scale
from qhsink.estimation.left_out import sum_of_variances
from qhsink.estimation.spatial import relative_residual_variance
from qhsink.indicators.interval import student_quantile
from qhsink.mapping.error_squares import ErrorSquares

Doubles = NDArray[np.float64]

WHOLE = 0
"""Size of a region of all squares of a world."""
GROUPS = (1, 4, WHOLE)
"""Squares of a region: one, or one with its nearest neighbours, or all of a world."""
CELLS = 15
"""Cells along a square whose shape is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupErrors:
    """n regions of so many squares; sums over squares of means, in the unit."""

    size: int
    """Squares of a region; ``WHOLE`` for all of its world."""
    world: NDArray[np.int64]
    """(n,)."""
    mapped: Doubles
    """(n,) mean over members, times the field's ratio."""
    error: Doubles
    """(n,) truth less map."""
    members: Doubles
    """(n,) variance between members."""
    foreseen: Doubles
    """(n,) variance by the field, before its factor."""
    worth: Doubles
    """(n,) equal squares that carry as much of the scale."""


def group_errors(found: ErrorSquares, field: ResidualField, size: int) -> GroupErrors:
    """Return the errors of all regions of a size that hold any mapped quantity.

    Parameters
    ----------
    found : ErrorSquares
        Squares of one or more worlds.
    field : ResidualField
        What foresees them.
    size : int
        Squares of a region: one with its nearest neighbours, or ``WHOLE``.
    """
    found = found.times(field.ratio)
    scale = np.asarray(
        error_scale(found.mapped, floor=field.floor, patch=field.patch), float
    )
    alike = _covariance(found, field)
    rows = []
    for chosen in _groups(found, size):
        part = scale[chosen]
        rows.append(
            (
                found.world[chosen[0]],
                found.mapped[chosen].sum(),
                found.error[chosen].sum(),
                found.members[chosen].sum(axis=0).var(ddof=1),
                part @ alike[np.ix_(chosen, chosen)] @ part,
                part.sum() ** 2 / np.square(part).sum(),
            )
        )
    columns = np.array([row for row in rows if row[1] > 0.0]).reshape(-1, 6).T
    return GroupErrors(size, columns[0].astype(np.int64), *columns[1:])


def _covariance(found: ErrorSquares, field: ResidualField) -> Doubles:
    """Return the relative covariance of mean errors of squares, shape (q, q).

    Zero between worlds; a square's own is that of its shape.
    """
    apart = np.hypot(found.x[:, None] - found.x, found.y[:, None] - found.y)
    alike = field.common + np.zeros_like(apart)
    for part, range_m in field.structures:
        alike += part * np.exp(-apart / range_m)
    own = relative_residual_variance(
        field, np.ones((CELLS, CELLS)), cell_m=field.square_m / CELLS
    )
    np.fill_diagonal(alike, own)
    return np.where(found.world[:, None] == found.world, alike, 0.0)


def _groups(found: ErrorSquares, size: int) -> list[NDArray[np.intp]]:
    groups = []
    for world in np.unique(found.world):
        mine = np.flatnonzero(found.world == world)
        if size == WHOLE:
            groups.append(mine)
            continue
        x, y = found.x[mine], found.y[mine]
        near = np.argsort(np.hypot(x[:, None] - x, y[:, None] - y), axis=1)
        groups += [mine[order[:size]] for order in near]
    return groups


def half_widths(
    groups: GroupErrors, field: ResidualField, *, members: int, confidence: float
) -> Doubles:
    """Return the half-widths of intervals of regions, shape (n,).

    Parameters
    ----------
    members : int
        K members, whose spread has K - 1 degrees of freedom.
    confidence : float
        Such as 0.90.
    """
    found = []
    for spread, foreseen, worth in zip(
        groups.members.tolist(),
        groups.foreseen.tolist(),
        groups.worth.tolist(),
        strict=True,
    ):
        known = field.at(worth)
        parts = ((spread, members - 1.0), (known.factor**2 * foreseen, known.df))
        variance, df = sum_of_variances(parts)
        quantile = student_quantile(0.5 + confidence / 2.0, df)
        found.append(quantile * math.sqrt(variance))
    return np.array(found)

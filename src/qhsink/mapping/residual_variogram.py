"""Fit a variogram to residuals that have coordinates.

Residuals are those of plots that the model did not learn from: out of fold, or
independent. What the variogram is used for does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar, nnls
from scipy.spatial.distance import pdist

from qhsink.domain.errors import TableError
from qhsink.domain.variogram import Variogram, VariogramKind

Doubles = NDArray[np.float64]

LEAST_POINTS = 30
"""Residuals below which nothing is fitted."""
LEAST_PAIRS = 30
"""Pairs in a distance class, at least (Journel and Huijbregts 1978, sec. III.42)."""
LEAST_CLASSES = 4
"""Distance classes below which three parameters cannot be told apart."""
MOST_POINTS = 4000
"""Residuals used, at most: eight million pairs say as much as more would."""
GRID = 40
"""Ranges tried before the best is refined."""
ROUNDS = 5
"""Times that the weights follow the fitted curve."""


@dataclass(frozen=True, slots=True, eq=False)
class EmpiricalVariogram:
    """Matheron's estimator by distance class."""

    lag_m: Doubles
    """(c,) mean distance of the pairs of a class [m], rising."""
    gamma: Doubles
    """(c,) half the mean squared difference, in the unit of y squared."""
    pairs: NDArray[np.int64]
    """(c,) pairs in the class."""


def empirical_variogram(
    x_m: ArrayLike,
    y_m: ArrayLike,
    residual: ArrayLike,
    *,
    max_lag_m: float | None = None,
    bins: int = 15,
) -> EmpiricalVariogram:
    """Return half the mean squared difference of residuals by distance class.

    Parameters
    ----------
    x_m, y_m : array of shape (n,)
        Projected coordinates [m], n at least 30.
    residual : array of shape (n,)
        Residuals in the unit of y.
    max_lag_m : float, optional
        Greatest distance of a pair used [m]; half the greatest by default.
    bins : int
        Distance classes, at most.

    Returns
    -------
    EmpiricalVariogram

    Raises
    ------
    TableError
        When there are too few residuals or classes, a value is not finite, or the
        residuals are all alike.

    Notes
    -----
    Matheron (1962); Cressie (1993), Statistics for Spatial Data, eq. 2.4.2. Classes
    are as wide as their distance (geometric), from the distance of the thirtieth
    closest pair: plots come in groups, and equal widths over a province would put
    every pair within a group into the first class. Classes with fewer than 30
    pairs are joined with the next. Of more than 4000 residuals as many are drawn,
    always the same ones.
    """
    points, values = _checked(x_m, y_m, residual)
    apart = pdist(points)
    unlike = np.square(pdist(values[:, None])) / 2.0
    reach = max_lag_m if max_lag_m is not None else float(apart.max()) / 2.0
    near = apart <= reach
    order = np.argsort(apart[near], kind="stable")
    distances, halves = apart[near][order], unlike[near][order]
    starts = _class_starts(distances, reach, bins)
    if len(starts) < LEAST_CLASSES:
        raise TableError(
            f"{len(distances)} pairs of residuals within {reach:g} m, in "
            f"{len(starts)} distance classes",
            expected=f"at least {LEAST_CLASSES} classes of {LEAST_PAIRS} pairs",
            remedy="Add plots, some of them near each other.",
        )
    pairs = np.diff(np.append(starts, len(distances)))
    return EmpiricalVariogram(
        lag_m=np.add.reduceat(distances, starts) / pairs,
        gamma=np.add.reduceat(halves, starts) / pairs,
        pairs=pairs.astype(np.int64),
    )


def fit_variogram(
    x_m: ArrayLike,
    y_m: ArrayLike,
    residual: ArrayLike,
    *,
    max_lag_m: float | None = None,
    bins: int = 15,
) -> Variogram:
    """Return the exponential or spherical variogram that fits the residuals better.

    Parameters
    ----------
    x_m, y_m, residual, max_lag_m, bins
        As in ``empirical_variogram``.

    Returns
    -------
    Variogram
        Nugget, partial sill and range. Its range is at most the greatest distance
        used: see ``Variogram.reaches_its_sill``.

    Raises
    ------
    TableError
        As ``empirical_variogram``.

    Notes
    -----
    Weighted least squares with weights N(h) / gamma(h)^2 (Cressie 1985, eq. 5), where
    gamma is the curve of the previous round. Deviation: weights are held fixed
    within a round, because the criterion as printed rewards too high a sill.
    Variances are kept from below zero.
    """
    seen = empirical_variogram(x_m, y_m, residual, max_lag_m=max_lag_m, bins=bins)
    longest = float(seen.lag_m[-1])
    fits = [_fit(seen, kind) for kind in get_args(VariogramKind)]
    kind, range_m, nugget, partial, _ = min(fits, key=lambda fit: fit[-1])
    return Variogram(
        nugget=nugget,
        partial_sill=partial,
        range_m=range_m,
        kind=kind,
        n_pairs=int(seen.pairs.sum()),
        n=len(np.asarray(residual)),
        shortest_lag_m=float(seen.lag_m[0]),
        longest_lag_m=longest,
    )


def _checked(
    x_m: ArrayLike, y_m: ArrayLike, residual: ArrayLike
) -> tuple[Doubles, Doubles]:
    points = np.column_stack([np.asarray(x_m, float), np.asarray(y_m, float)])
    values = np.asarray(residual, dtype=float)
    if len(values) < LEAST_POINTS or len(points) != len(values):
        raise TableError(
            f"{len(values)} residuals at {len(points)} places",
            expected=f"at least {LEAST_POINTS}, each with its place",
            remedy="Add plots: fewer do not show how residuals are correlated.",
        )
    if not (np.isfinite(points).all() and np.isfinite(values).all()):
        raise TableError(
            "residuals or coordinates that are not finite",
            expected="a number for every plot",
            remedy="Leave out plots without a value or a place.",
        )
    if np.ptp(values) == 0.0:
        raise TableError(
            f"{len(values)} residuals that are all {values[0]:g}",
            expected="residuals with a spread",
            remedy="Check that map and plots are different columns.",
        )
    if len(values) > MOST_POINTS:
        kept = np.random.default_rng(0).permutation(len(values))[:MOST_POINTS]
        return points[kept], values[kept]
    return points, values


def _class_starts(distances: Doubles, reach: float, bins: int) -> NDArray[np.intp]:
    """Return where each class begins in the sorted ``distances``."""
    if len(distances) < LEAST_PAIRS or distances[LEAST_PAIRS - 1] >= reach:
        return np.zeros(min(len(distances), 1), dtype=np.intp)
    first = max(float(distances[LEAST_PAIRS - 1]), reach * 1e-6)
    edges = np.geomspace(first, reach, bins)
    starts = [0]
    for end in np.searchsorted(distances, edges, side="right")[:-1]:
        if end - starts[-1] >= LEAST_PAIRS and len(distances) - end >= LEAST_PAIRS:
            starts.append(int(end))
    return np.asarray(starts, dtype=np.intp)


def _fit(
    seen: EmpiricalVariogram, kind: VariogramKind
) -> tuple[VariogramKind, float, float, float, float]:
    """Return kind, range, nugget, partial sill and misfit."""
    curve = np.full_like(seen.gamma, np.average(seen.gamma, weights=seen.pairs))
    least, most = max(seen.lag_m[0] / 3.0, seen.lag_m[-1] * 1e-4), seen.lag_m[-1]
    grid = np.geomspace(least, most, GRID)
    shapes = [_shape(seen.lag_m, kind, value) for value in grid.tolist()]
    range_m, parts = float(grid[0]), np.zeros(2)
    for _ in range(ROUNDS):
        root = np.sqrt(seen.pairs) / curve

        def misfit(log_range: float, root: Doubles = root) -> float:
            shape = _shape(seen.lag_m, kind, float(np.exp(log_range)))
            return _parts(shape, seen.gamma, root)[1]

        best = int(np.argmin([_parts(part, seen.gamma, root)[1] for part in shapes]))
        ends = np.log(grid[[max(best - 1, 0), min(best + 1, GRID - 1)]])
        found = minimize_scalar(
            misfit, bounds=tuple(ends), method="bounded", options={"xatol": 1e-3}
        )
        range_m = float(np.exp(found.x))
        shape = _shape(seen.lag_m, kind, range_m)
        parts, _ = _parts(shape, seen.gamma, root)
        curve = np.maximum(shape @ parts, curve * 1e-3)
    misfit_end = seen.pairs @ np.square(seen.gamma / curve - 1.0)
    return kind, range_m, float(parts[0]), float(parts[1]), float(misfit_end)


def _parts(shape: Doubles, gamma: Doubles, root: Doubles) -> tuple[Doubles, float]:
    """Return nugget and partial sill for a shape, and the root of the misfit."""
    parts, rest = nnls(shape * root[:, None], gamma * root)
    return np.asarray(parts, dtype=float), float(rest)


def _shape(lag_m: Doubles, kind: VariogramKind, range_m: float) -> Doubles:
    """Return the columns 1 and 1 - rho(h), shape (c, 2)."""
    unit = Variogram(0.0, 1.0, range_m, kind, 0)
    rise = [1.0 - unit.correlation(lag) for lag in lag_m.tolist()]
    return np.stack([np.ones_like(lag_m), np.asarray(rise)], axis=1)

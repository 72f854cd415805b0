"""A straight line through points whose two coordinates both carry error.

Knows neither maps nor plots: who calibrates what is ``qhsink.mapping.calibration``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from qhsink.domain.errors import Refusal

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_STEPS = 200
"""Iterations of the slope; York's own examples need about ten."""
CONVERGED = 1e-12
"""Relative change of the slope below which it stands."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedLine:
    """Parallel lines, one per group: y = intercept of the group + slope x."""

    slope: float
    """Slope b, common to all groups."""
    intercepts: Doubles
    """Intercept a of each group, shape (g,)."""
    slope_variance: float
    """Variance of b."""
    intercept_variances: Doubles
    """Variance of each a, shape (g,)."""
    covariances: Doubles
    """Covariance of each a with b, shape (g,)."""
    scatter: float
    """Standard deviation of y around the line that the stated errors leave over; 0
    where they explain all of it."""
    misfit: float
    """Sum of squared weighted residuals with the stated errors alone; about ``df``
    where they explain all the scatter."""
    df: int
    """Points less parameters."""

    def at(self, group: int, x: float) -> tuple[float, float]:
        """Return the line's value at ``x`` and the variance that its fit leaves."""
        value = float(self.intercepts[group]) + self.slope * x
        variance = (
            float(self.intercept_variances[group])
            + x * x * self.slope_variance
            + 2.0 * x * float(self.covariances[group])
        )
        return value, max(variance, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """What a line is fitted to."""

    x: Doubles
    y: Doubles
    x_variance: Doubles
    y_variance: Doubles
    groups: Ints


def fit_line(
    x: Doubles,
    y: Doubles,
    *,
    x_se: Doubles,
    y_se: Doubles,
    groups: Ints | None = None,
    with_scatter: bool = True,
) -> FittedLine:
    """Return the line, or the parallel lines, through points with errors in both.

    Parameters
    ----------
    x, y : (n,) float
        Points.
    x_se, y_se : (n,) float
        Standard errors, independent of each other; never both zero at a point.
    groups : (n,) int, optional
        Group of each point, 0, 1, ... without gaps: each has its own intercept.
    with_scatter : bool
        Whether y may scatter around the line beyond ``y_se``.

    Raises
    ------
    Refusal
        When points are too few or all at one x, or the slope does not settle.

    Notes
    -----
    York, Evensen, Martinez and De Basabe Delgado 2004, Am. J. Phys. 72:367, equations
    (13a)-(13f) without correlation of errors: the maximum-likelihood line. Deviations:
    several groups share a slope, each centred on its own weighted mean; and what the
    stated errors leave over is taken for scatter of y ("equation error", Fuller 1987,
    Measurement Error Models, section 2.2), of the size that makes the misfit equal
    its degrees of freedom. Where errors are the same at all points, slope and scatter
    are then those of the moments: b = Sxy / (Sxx - x_se**2).
    """
    codes = np.zeros(len(x), np.int64) if groups is None else groups
    df = len(x) - int(codes.max(initial=0)) - 2
    points = _Points(x, y, np.square(x_se), np.square(y_se), codes)
    spread = np.square(x - _means(x, np.ones(len(x)), codes)[codes]).sum()
    if df < 1 or not spread > 0:
        raise Refusal(
            f"{len(x)} points for a line, {len(np.unique(x))} different values of x",
            expected="at least one point more than parameters, not all at one x",
            remedy="Bring plots that span the range of the map.",
        )
    misfit = _misfit(points, 0.0)
    scatter = 0.0
    if with_scatter and misfit > df:
        residual = y - _means(y, np.ones(len(y)), codes)[codes]
        most = 100.0 * float(np.square(residual).mean()) + 1.0
        scatter = float(brentq(lambda v: _misfit(points, v) - df, 0.0, most))
    return _described(points, scatter, misfit, df)


def _slope(points: _Points, scatter: float) -> tuple[float, Doubles, Doubles]:
    """Return slope, weights and adjusted x: York's equations (13a)-(13e)."""
    x, y, codes = points.x, points.y, points.groups
    y_variance = points.y_variance + scatter
    start_x = x - _means(x, np.ones(len(x)), codes)[codes]
    slope = float(start_x @ y / (start_x @ start_x))
    for _ in range(MOST_STEPS):
        weight = 1.0 / (y_variance + slope**2 * points.x_variance)
        middle = _means(x, weight, codes)[codes]
        u, v = x - middle, y - _means(y, weight, codes)[codes]
        beta = weight * (u * y_variance + slope * v * points.x_variance)
        last, slope = slope, float((weight * beta) @ v / ((weight * beta) @ u))
        if abs(slope - last) <= CONVERGED * max(abs(slope), 1.0):
            return slope, weight, middle + beta
    raise Refusal(
        f"a slope that moves on between {last:.4g} and {slope:.4g}",
        expected="points that say which way the line goes",
        remedy="Bring more plots, or state smaller errors if they are known.",
    )


def _misfit(points: _Points, scatter: float) -> float:
    slope, weight, _ = _slope(points, scatter)
    rest = points.y - slope * points.x
    rest = rest - _means(rest, weight, points.groups)[points.groups]
    return float(weight @ np.square(rest))


def _described(points: _Points, scatter: float, misfit: float, df: int) -> FittedLine:
    """Return the line with its covariance: York's equation (13f) and table I."""
    slope, weight, adjusted = _slope(points, scatter)
    codes = points.groups
    rest = points.y - slope * points.x
    middle = _means(adjusted, weight, codes)
    u = adjusted - middle[codes]
    slope_variance = 1.0 / float(weight @ np.square(u))
    total = np.bincount(codes, weights=weight)
    return FittedLine(
        slope=slope,
        intercepts=_means(rest, weight, codes),
        slope_variance=slope_variance,
        intercept_variances=1.0 / total + np.square(middle) * slope_variance,
        covariances=-middle * slope_variance,
        scatter=float(np.sqrt(scatter)),
        misfit=misfit,
        df=df,
    )


def _means(values: Doubles, weight: Doubles, groups: Ints) -> Doubles:
    """Return the weighted mean of each group, shape (g,)."""
    total = np.bincount(groups, weights=weight)
    return np.asarray(np.bincount(groups, weights=weight * values) / total)

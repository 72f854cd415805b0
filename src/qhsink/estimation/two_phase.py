"""Two-phase (double) sampling: many cheap observations, few costly ones.

The first phase is a simple random sample; the second a simple random subsample,
within first-phase strata or with a regression on a first-phase auxiliary.

References
----------
Saerndal et al. (1992) chapter 9; Cochran (1977) chapter 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.survey import Codes, Floats, Moments


@dataclass(frozen=True, slots=True)
class DoubleStratified:
    """Two-phase sampling for stratification, as a ``survey.Design``."""

    weight: Floats
    """N / n' times n'_h / n_h, shape (n,)."""
    stratum: Codes
    """First-phase stratum of each second-phase unit, shape (n,)."""
    first: Floats
    """First-phase units n'_h, by stratum code."""
    population: float
    """Units in the population."""
    fpc: bool
    """Whether the first phase gets the finite population correction."""

    def variance(self, linear: Floats) -> float:
        """Return the variance of the weighted total of ``linear``.

        Saerndal et al. (1992) sec. 9.4 (simple random first phase, stratified
        simple random second): with w_h = n'_h / n',
        N^2 [ (1 - f') / n' (sum w_h (1 - d_h) s_h^2
        + n' / (n' - 1) sum w_h (ybar_h - ybar)^2) + sum w_h^2 (1 / n_h - 1 / n'_h)
        s_h^2 ], d_h = (n' - n'_h) / (n_h (n' - 1)).
        """
        first = self.first
        size = float(first.sum())
        counts = np.bincount(self.stratum, minlength=len(first)).astype(float)
        means = np.bincount(self.stratum, weights=linear, minlength=len(first)) / counts
        spread = np.bincount(
            self.stratum,
            weights=(linear - means[self.stratum]) ** 2,
            minlength=len(first),
        ) / (counts - 1.0)
        share = first / size
        shrink = (size - first) / (counts * (size - 1.0))
        between = np.sum(share * (means - np.sum(share * means)) ** 2)
        within = np.sum(share * (1.0 - shrink) * spread)
        open_share = 1.0 - size / self.population if self.fpc else 1.0
        phase_one = open_share / size * (within + size / (size - 1.0) * between)
        phase_two = np.sum(share**2 * (1.0 / counts - 1.0 / first) * spread)
        return float(self.population**2 * (phase_one + phase_two))

    def df(self, inside: NDArray[np.bool_]) -> float:
        """Return second-phase units minus strata."""
        return float(np.sum(inside) - len(np.unique(self.stratum[inside])))


def double_stratified(
    stratum: Codes, first: ArrayLike, *, population: float, fpc: bool = False
) -> DoubleStratified:
    """Return the design of a second-phase sample.

    Parameters
    ----------
    stratum : integer array of shape (n,)
        First-phase stratum of each second-phase unit.
    first : array of shape (strata,)
        First-phase units by stratum.

    Raises
    ------
    TableError
        When a stratum has fewer than 2 second-phase units, or more than first-phase
        ones, or the first phase exceeds the population.
    """
    sizes = np.asarray(first, dtype=float)
    counts = np.bincount(stratum, minlength=len(sizes)).astype(float)
    if np.any(counts < 2) or np.any(counts > sizes) or sizes.sum() > population:
        raise TableError(
            f"second-phase units {counts.astype(int).tolist()} of first-phase units "
            f"{sizes.tolist()} in a population of {population:g}",
            expected="2 <= second phase <= first phase by stratum, and no more "
            "first-phase units than the population holds",
            remedy="Under two-phase, strata.csv counts first-phase units; correct it.",
        )
    weight = (population / sizes.sum() * sizes / counts)[stratum]
    return DoubleStratified(weight, stratum, sizes, population, fpc)


def double_regression(
    y: Floats,
    auxiliary: Floats,
    first_means: ArrayLike,
    *,
    first_size: float,
    population: float,
    fpc: bool = False,
) -> Moments:
    """Return the mean by two-phase regression.

    Parameters
    ----------
    y : float array of shape (n,)
        Second-phase values.
    auxiliary : float array of shape (n, p)
        Auxiliaries of the second-phase units, without intercept.
    first_means : array of shape (p,)
        Their means over the first phase.
    first_size : float
        First-phase units.

    Notes
    -----
    ybar + (xbar' - xbar) b; variance s_yx^2 / n + (s_y^2 - s_yx^2) / n' - s_y^2 / N
    with n - p - 1 degrees of freedom in s_yx^2: Cochran (1977) sec. 12.7. The last
    term only with ``fpc``.

    Raises
    ------
    TableError
        When there are too few units for the regression, or the first phase is
        smaller than the second.
    """
    count, width = auxiliary.shape
    if count < width + 3 or first_size < count:
        raise TableError(
            f"{count} second-phase units, {first_size:g} first-phase ones and "
            f"{width} auxiliaries",
            expected="a first phase at least as large, and 3 more units than "
            "auxiliaries",
            remedy="Check --first-phase and --aux.",
        )
    columns = np.column_stack([np.ones(count), auxiliary])
    fit = np.linalg.lstsq(columns, y, rcond=None)[0]
    residual = y - columns @ fit
    point = np.concatenate([[1.0], np.asarray(first_means, dtype=float)])
    left = float(residual @ residual) / (count - width - 1)
    spread = float(np.var(y, ddof=1))
    variance = left / count + max(spread - left, 0.0) / first_size
    if fpc:
        variance -= spread / population
    return Moments(float(point @ fit), max(variance, 0.0))

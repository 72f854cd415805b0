"""What predictions are worth: scores, bias by cover decile, prediction intervals.

Works on out-of-fold predictions and knows no regressor; fitting is
``qhsink.mapping.training``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)

LEAST_PER_BIN = 20
"""Residuals that a quantile of 0.9 is taken of, at least."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement of predictions with observations, in the target's unit."""

    r2: float
    """1 - SSE/SST (not the squared correlation)."""
    rmse: float
    """Root mean squared error."""
    bias: float
    """Mean of predicted minus observed."""
    slope: float
    """Slope of observed on predicted; below 1 the predictions are too spread out."""
    ccc: float
    """Lin's concordance correlation coefficient."""


@dataclass(frozen=True, slots=True)
class DecileBias:
    """Error within one tenth of the samples, ordered by some value of theirs."""

    low: float
    """Least ordering value in the tenth."""
    high: float
    """Greatest ordering value in the tenth."""
    count: int
    """Observations."""
    bias: float
    """Mean of predicted minus observed."""
    rmse: float
    """Root mean squared error."""
    coverage: float
    """Share of observations inside their prediction interval."""


@dataclass(frozen=True, slots=True)
class IntervalRule:
    """Prediction interval of a single plot around the ensemble mean.

    Half width = factor * sqrt(spread**2 + residual_sd**2), both of the bin of the
    predicted value.
    """

    edges: tuple[float, ...]
    """Upper edges of the bins of predicted value, without the last."""
    residual_sd: tuple[float, ...]
    """Residual standard deviation per bin, one more than edges."""
    factor: tuple[float, ...]
    """Conformal quantile of |residual| over the square root, per bin."""
    confidence: float
    """Nominal coverage, such as 0.90."""

    @property
    def is_usable(self) -> bool:
        """Whether every bin has a finite width of zero and more."""
        bins = len(self.edges) + 1
        parts = (*self.edges, *self.residual_sd, *self.factor, self.confidence)
        numbers = all(isinstance(part, float | int) for part in parts)
        if not numbers or not all(math.isfinite(part) for part in parts):
            return False
        ordered = all(low < high for low, high in pairwise(self.edges))
        fitting = len(self.residual_sd) == len(self.factor) == bins
        widths = all(part >= 0 for part in (*self.residual_sd, *self.factor))
        return ordered and fitting and widths and 0 < self.confidence < 1

    def half_width(self, mean: NDArray[Real], spread: NDArray[Real]) -> NDArray[Real]:
        """Return the half width of the interval, in the precision of ``mean``.

        Cheap enough for every pixel of a map: a look-up and a square root.

        Parameters
        ----------
        mean, spread : (n,) float
            Mean and standard deviation over members.
        """
        place = np.searchsorted(np.asarray(self.edges, mean.dtype), mean)
        local = np.asarray(self.residual_sd, mean.dtype)[place]
        factor = np.asarray(self.factor, mean.dtype)[place]
        return np.asarray(factor * np.sqrt(np.square(spread) + np.square(local)))


def score(observed: Doubles, predicted: Doubles) -> Scores:
    """Return the scores of (n,) ``predicted`` against (n,) ``observed``.

    References
    ----------
    Lin 1989, Biometrics 45:255, equation 2 (concordance).
    """
    error = predicted - observed
    total = float(np.square(observed - observed.mean()).sum())
    covariance = np.cov(observed, predicted, ddof=0)
    gap = float(error.mean())
    return Scores(
        r2=1.0 - float(error @ error) / total,
        rmse=float(np.sqrt(np.square(error).mean())),
        bias=gap,
        slope=float(covariance[0, 1] / covariance[1, 1]),
        ccc=float(
            2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + gap**2)
        ),
    )


def permutation_importance(
    predict: Callable[[Doubles], Doubles],
    features: Doubles,
    observed: Doubles,
    *,
    repeats: int = 5,
    seed: int,
) -> Doubles:
    """Return by how much the RMSE grows when each feature is shuffled.

    Breiman 2001, Machine Learning 45:5, section 10, on whatever rows are given.

    Parameters
    ----------
    predict : callable
        From (n, F) features to (n,) predictions.
    features : (n, F) float
        Not changed.
    observed : (n,) float
        Observations.
    repeats : int
        Shuffles per feature, averaged.
    seed : int
        Seed of the shuffles.

    Returns
    -------
    (F,) float
        In the target's unit; a useless feature may come out slightly negative.
    """
    rng = np.random.default_rng(seed)
    base = score(observed, predict(features)).rmse
    grown = np.zeros(features.shape[1])
    for column in range(features.shape[1]):
        for _ in range(repeats):
            shuffled = features.copy()
            shuffled[:, column] = rng.permutation(shuffled[:, column])
            grown[column] += score(observed, predict(shuffled)).rmse - base
    return grown / repeats


def fit_interval(
    observed: Doubles,
    mean: Doubles,
    spread: Doubles,
    *,
    confidence: float = 0.90,
    bins: int = 8,
) -> IntervalRule:
    """Return the interval rule calibrated on out-of-fold predictions.

    Parameters
    ----------
    observed, mean, spread : (n,) float
        Observations and out-of-fold predictions with their member spread.
    confidence : float
        Nominal coverage.
    bins : int
        Bins of predicted value, of equal count; fewer where predictions tie.

    References
    ----------
    Split conformal prediction with a scale estimate: Lei et al. 2018, JASA 113:1094,
    section 5.2, apart in each bin of predicted value (Vovk 2012, Mondrian); the
    quantile is the ceil((n + 1) confidence)-th score of the bin's n.
    """
    edges = _bin_edges(mean, bins)
    place = np.searchsorted(edges, mean)
    residual_sd, factor = [], []
    for number in range(len(edges) + 1):
        error = (observed - mean)[place == number]
        # A bin may hold errors that are all alike: zeros that every member knows.
        local = float(error.std(ddof=1)) or float(np.abs(error).max())
        width = np.sqrt(np.square(spread[place == number]) + local**2)
        score = np.zeros_like(width)
        np.divide(np.abs(error), width, out=score, where=width > 0.0)
        ratio = np.sort(score)
        rank = min(int(np.ceil((len(ratio) + 1) * confidence)), len(ratio)) - 1
        residual_sd.append(local)
        factor.append(float(ratio[rank]))
    return IntervalRule(tuple(edges), tuple(residual_sd), tuple(factor), confidence)


def _bin_edges(mean: Doubles, bins: int) -> list[float]:
    """Return inner edges of at most ``bins`` bins, each with enough samples.

    Predictions clipped to one value tie, and few samples fill few bins.
    """
    edges: list[float] = []
    below = 0
    for edge in np.quantile(mean, np.linspace(0, 1, bins + 1)[1:-1]):
        reached = int((mean <= edge).sum())
        if min(reached - below, len(mean) - reached) >= LEAST_PER_BIN:
            edges.append(float(edge))
            below = reached
    return edges


def cross_covered(
    observed: Doubles,
    mean: Doubles,
    spread: Doubles,
    folds: NDArray[np.int64],
    *,
    confidence: float = 0.90,
) -> NDArray[np.bool_]:
    """Return which observations their interval holds, each fold judged by the others.

    Parameters
    ----------
    observed, mean, spread : (n,) float
        Observations and out-of-fold predictions with their member spread.
    folds : (n,) int
        The fold of each observation: its interval is calibrated on other folds.
    confidence : float
        Nominal coverage.
    """
    held = np.zeros(len(observed), bool)
    for fold in np.unique(folds):
        other, here = folds != fold, folds == fold
        rule = fit_interval(
            observed[other], mean[other], spread[other], confidence=confidence
        )
        width = rule.half_width(mean[here], spread[here])
        held[here] = np.abs(observed[here] - mean[here]) <= width
    return held


def bias_by_decile(
    observed: Doubles, predicted: Doubles, held: NDArray[np.bool_], *, by: Doubles
) -> tuple[DecileBias, ...]:
    """Return bias, error and interval coverage in ten groups of equal count.

    Parameters
    ----------
    observed, predicted : (n,) float
        Observations and out-of-fold predictions.
    held : (n,) bool
        Whether the prediction interval holds the observation.
    by : (n,) float
        What the samples are ordered by. By ``observed`` any regressor shows positive
        bias at the low and negative bias at the high end (regression to the mean);
        by ``predicted`` it tells what a map reader meets.
    """
    rows = []
    for part in np.array_split(np.argsort(by, kind="stable"), 10):
        error = predicted[part] - observed[part]
        rows.append(
            DecileBias(
                low=float(by[part].min()),
                high=float(by[part].max()),
                count=len(part),
                bias=float(error.mean()),
                rmse=float(np.sqrt(np.square(error).mean())),
                coverage=float(held[part].mean()),
            )
        )
    return tuple(rows)

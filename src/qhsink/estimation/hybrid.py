"""Hybrid inference: clusters of model predictions, such as lidar tracks.

Few clusters, unlike in size and skewed: mean, error, degrees of freedom and skewness
come together here. The variance by source is ``model_based``'s.

References
----------
Patterson et al. (2019) Environ. Res. Lett. 14:065007; methodology D4.
Satterthwaite (1946) Biometrics Bull. 2:110-114.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qhsink.estimation.intervals import IntervalKind, Limits, limits
from qhsink.estimation.model_based import (
    ModelVariance,
    cluster_mean,
    hybrid_variance,
)
from qhsink.estimation.skewness import estimator_skewness, sum_third_cumulant


@dataclass(frozen=True, slots=True)
class ModelError:
    """What the model adds to the variance of a mean, common to all its predictions."""

    variance: float
    """v2 = gbar' S gbar, in the unit of the prediction squared."""
    df: float
    """Its degrees of freedom: members less one; ``inf`` where it is stated."""


@dataclass(frozen=True, slots=True)
class HybridMean:
    """A mean of model predictions over a sample of clusters."""

    value: float
    """Mean, in the unit of the prediction."""
    variance: ModelVariance
    """Its variance by source."""
    df: float
    """Degrees of freedom of the variance."""
    skewness: float
    """Of the estimator: third cumulant over variance to 3/2."""
    clusters: int
    """Clusters with footprints."""

    def interval(
        self, confidence: float, *, kind: IntervalKind = "skewed"
    ) -> Limits | None:
        """Return confidence limits; None where predictions do not vary at all.

        ``skewed`` by default: biomass along few tracks has a long upper tail, and in
        simulation the t interval of ten tracks misses a mean above it seven times as
        often as one below (docs/estimation.md).
        """
        return limits(
            self.value,
            self.variance.se,
            df=self.df,
            n=self.clusters,
            confidence=confidence,
            kind=kind,
            skewness=self.skewness,
        )


def hybrid_mean(
    member_totals: ArrayLike, sizes: ArrayLike, *, residual_variance: float = 0.0
) -> HybridMean:
    """Return the mean over clusters of model predictions.

    Parameters
    ----------
    member_totals : array of shape (K, m)
        Sum of predictions by ensemble member and cluster.
    sizes : array of shape (m,)
        Footprints by cluster; a cluster without any says nothing and is left out.
    residual_variance : float
        Variance of the mean residual, where the area is small.

    Raises
    ------
    TableError
        When there are fewer than 2 members, or than 2 clusters with footprints.

    Notes
    -----
    Degrees of freedom by Satterthwaite: m - 1 of the sampling part and K - 1 of the
    model part, weighted by the squares of the parts. The skewness is that of the
    ratio's linearised cluster totals over the whole variance.
    """
    size = np.asarray(sizes, dtype=float)
    values = np.asarray(member_totals, dtype=float)
    _, variance = hybrid_variance(
        values[:, size > 0.0], size[size > 0.0], residual_variance=residual_variance
    )
    return mean_of_clusters(
        values.mean(axis=0),
        size,
        model=ModelError(variance.parameters, len(values) - 1.0),
        residual_variance=residual_variance,
    )


def mean_of_clusters(
    totals: ArrayLike,
    sizes: ArrayLike,
    *,
    model: ModelError,
    residual_variance: float = 0.0,
) -> HybridMean:
    """Return the mean over clusters, the error of the model known from elsewhere.

    Parameters
    ----------
    totals : array of shape (m,)
        Sum of predictions, or of differences from a map, by cluster.
    sizes : array of shape (m,)
        Footprints by cluster; a cluster without any is left out.
    model : ModelError
        Variance of the mean through the model, such as that between a ledger's member
        means: gbar' S gbar with gbar over the whole region, of which the footprints'
        mean gradient is an estimate.
    residual_variance : float
        Variance of the mean residual over the region.

    Raises
    ------
    TableError
        When there are fewer than 2 clusters with footprints.

    Notes
    -----
    mu = sum T_i / sum n_i; V = v1 + v2 + residuals with
    v1 = sum (T_i - mu n_i)^2 / (nbar^2 m (m - 1)) (methodology D4; the ratio of
    Cochran 1977, chapter 6, without the finite population correction: the tracks
    that could have been flown are many more).
    """
    held = np.asarray(sizes, dtype=float) > 0.0
    size = np.asarray(sizes, dtype=float)[held]
    total = np.asarray(totals, dtype=float)[held]
    sampled = cluster_mean(total, size)
    variance = ModelVariance(model.variance, residual_variance, sampled.variance)
    gap = (total - sampled.value * size) / size.sum()
    return HybridMean(
        value=sampled.value,
        variance=variance,
        df=_combined_df(variance, clusters=len(size), model_df=model.df),
        skewness=estimator_skewness(sum_third_cumulant(gap), variance.total),
        clusters=len(size),
    )


def _combined_df(variance: ModelVariance, *, clusters: int, model_df: float) -> float:
    below = variance.sampling**2 / (clusters - 1)
    below += variance.parameters**2 / model_df
    return variance.total**2 / below if below > 0.0 else math.inf

"""Model-based and hybrid variances of a mapped mean or total.

Parameter error is common to all pixels and comes from ensemble members; residuals are
correlated in space and average out only over areas much larger than their range. RMSE
over the square root of the number of pixels appears nowhere. The mean correlation is
``spatial``'s; fitting the variogram belongs to ``mapping``.

References
----------
Methodology D4 and D5; McRoberts et al. (2018, 2022); Patterson et al. (2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qhsink.domain.errors import TableError
from qhsink.domain.variogram import Variogram
from qhsink.estimation.spatial import residual_variance_of_region
from qhsink.estimation.survey import Moments


@dataclass(frozen=True, slots=True)
class ModelVariance:
    """Variance of a mapped mean, by source; all in the unit of y squared."""

    parameters: float
    """From the ensemble members: common to all pixels."""
    residuals: float
    """From residuals, with their spatial correlation."""
    sampling: float = 0.0
    """From sampling clusters (hybrid inference); 0 wall to wall."""

    @property
    def total(self) -> float:
        """Sum of the parts."""
        return self.parameters + self.residuals + self.sampling

    @property
    def se(self) -> float:
        """Standard error, in the unit of y."""
        return math.sqrt(self.total)


def member_variance(members: ArrayLike) -> float:
    """Return the variance between member means (or totals), shape (K,).

    Members are refits on spatial-block bootstrap samples, so their spread is the
    parameter error (methodology D5). At least 2.

    Raises
    ------
    TableError
        When there are fewer than 2 members.
    """
    values = np.asarray(members, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise TableError(
            f"{values.size} ensemble members",
            expected="at least 2 values, one per member",
            remedy="Train an ensemble: one model has no parameter error to show.",
        )
    return float(np.var(values, ddof=1))


def model_variance(
    members: ArrayLike,
    variogram: Variogram,
    *,
    area_m2: float,
    pixel_m2: float,
    mean_correlation: float | None = None,
) -> ModelVariance:
    """Return the model-based variance of a region's mean.

    Parameters
    ----------
    members : array of shape (K,)
        The region's mean by ensemble member, unit of y.
    variogram : Variogram
        Of out-of-fold residuals, unit of y squared.
    area_m2, pixel_m2 : float
        Area of the region and of a pixel [m2].
    mean_correlation : float, optional
        Over the region's shape (``mean_correlation_of_cells``); over a disc of its
        area where absent.

    Notes
    -----
    For a total multiply by the area squared.
    """
    return ModelVariance(
        parameters=member_variance(members),
        residuals=residual_variance_of_region(
            variogram,
            area_m2=area_m2,
            pixel_m2=pixel_m2,
            mean_correlation=mean_correlation,
        ),
    )


def cluster_mean(totals: ArrayLike, sizes: ArrayLike) -> Moments:
    """Return the mean over clusters of unequal size, and its sampling variance.

    Parameters
    ----------
    totals : array of shape (m,)
        Sum of predictions by cluster (GEDI track).
    sizes : array of shape (m,)
        Footprints by cluster.

    Raises
    ------
    TableError
        When there are fewer than 2 clusters, or no footprint.

    Notes
    -----
    mu = sum T / sum n; v1 = sum (T_i - mu n_i)^2 / (nbar^2 m (m - 1)): the first
    term of hybrid inference (Patterson et al. 2019; methodology D4).
    """
    total, size = np.asarray(totals, dtype=float), np.asarray(sizes, dtype=float)
    count = len(total)
    if count < 2 or size.sum() <= 0.0:
        raise TableError(
            f"{count} clusters",
            expected="at least 2, with footprints in them",
            remedy="One track has no sampling variance.",
        )
    mean = float(total.sum() / size.sum())
    squares = float(np.sum((total - mean * size) ** 2))
    mean_size = float(size.mean())
    return Moments(mean, squares / (mean_size**2 * count * (count - 1)))


def hybrid_variance(
    member_totals: ArrayLike,
    sizes: ArrayLike,
    *,
    residual_variance: float = 0.0,
) -> tuple[float, ModelVariance]:
    """Return mean and variance by hybrid inference from clusters.

    Parameters
    ----------
    member_totals : array of shape (K, m)
        Sum of predictions by ensemble member and cluster.
    sizes : array of shape (m,)
        Footprints by cluster.
    residual_variance : float
        Variance of the mean residual, where the area is small.

    Notes
    -----
    Cluster sampling term of the mean prediction plus the variance between members,
    which stands for gbar' S gbar (Patterson et al. 2019; methodology D4).
    """
    values = np.asarray(member_totals, dtype=float)
    sampled = cluster_mean(values.mean(axis=0), sizes)
    by_member = values.sum(axis=1) / np.sum(np.asarray(sizes, dtype=float))
    return sampled.value, ModelVariance(
        parameters=member_variance(by_member),
        residuals=residual_variance,
        sampling=sampled.variance,
    )

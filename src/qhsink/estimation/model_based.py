"""Model-based and hybrid variances of a mapped mean or total.

Parameter error is common to all pixels and comes from ensemble members; residuals are
correlated in space and average out only over areas much larger than their range. RMSE
over the square root of the number of pixels appears nowhere. Fitting the variogram
belongs to ``mapping``.

References
----------
Methodology D4 and D5; McRoberts et al. (2018, 2022); Patterson et al. (2019).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate
from scipy.spatial import distance

from qhsink.domain.errors import TableError
from qhsink.estimation.survey import Floats, Moments


@dataclass(frozen=True, slots=True)
class ResidualCorrelation:
    """Spatial correlation of out-of-fold residuals."""

    model: Literal["exponential", "spherical"]
    """``exponential``: exp(-d / range_m). ``spherical``: zero from range_m on."""
    range_m: float
    """Range parameter [m]: distance constant a, or range R of the sphere."""
    nugget_share: float = 0.0
    """Share of the residual variance that is not correlated at any distance."""

    def __post_init__(self) -> None:
        if not (self.range_m > 0.0 and 0.0 <= self.nugget_share <= 1.0):
            raise TableError(
                f"a variogram of range {self.range_m:g} m and nugget share "
                f"{self.nugget_share:g}",
                expected="a positive range and a share between 0 and 1",
                remedy="Refit the variogram of the out-of-fold residuals.",
            )

    def structured(self, metres: ArrayLike) -> Floats:
        """Return the correlation of the structured part at a distance."""
        lag = np.asarray(metres, dtype=float) / self.range_m
        if self.model == "exponential":
            return np.asarray(np.exp(-lag), dtype=float)
        inside = np.minimum(lag, 1.0)
        return np.asarray(1.0 - 1.5 * inside + 0.5 * inside**3, dtype=float)


def mean_correlation_of_disc(area_m2: float, spatial: ResidualCorrelation) -> float:
    """Return the mean structured correlation between two points of a disc.

    Parameters
    ----------
    area_m2 : float
        Area of the region, taken as a disc [m2]. A disc has the largest mean
        correlation of all shapes of an area, so its variance is on the safe side.

    Notes
    -----
    The integral of the correlation over the distance density of two random points
    in a disc of radius r: 4s/(pi r^2) acos(s/2r) - 2s^2/(pi r^3)
    sqrt(1 - s^2/(4r^2)) (Kendall and Moran 1963). For areas much larger than the
    range it tends to ``large_area_correlation``; for small ones to 1, where the
    standard error of a mean is that of one pixel.
    """
    radius = math.sqrt(area_m2 / math.pi)

    def integrand(lag: float) -> float:
        half = lag / (2.0 * radius)
        density = 4.0 * lag / (math.pi * radius**2) * math.acos(min(half, 1.0))
        density -= (
            2.0 * lag**2 / (math.pi * radius**3) * math.sqrt(max(1.0 - half**2, 0.0))
        )
        return density * float(spatial.structured(lag))

    # Split where the correlation has fallen away: quadrature over a province would
    # step across a range of a few kilometres.
    end = 2.0 * radius
    reach = [spatial.range_m * factor for factor in (0.25, 1.0, 4.0, 16.0)]
    edges = [0.0, *(mark for mark in reach if mark < end), end]
    pieces = [
        integrate.quad(integrand, low, high)[0]
        for low, high in itertools.pairwise(edges)
    ]
    return min(math.fsum(pieces), 1.0)


def large_area_correlation(area_m2: float, spatial: ResidualCorrelation) -> float:
    """Return the mean correlation over an area much larger than the range.

    2 pi a^2 / A (exponential) or pi R^2 / (5 A) (spherical), at most 1: methodology
    D5. Its inverse is the effective number of independent residuals.
    """
    scale = 2.0 if spatial.model == "exponential" else 0.2
    return min(scale * math.pi * spatial.range_m**2 / area_m2, 1.0)


def mean_correlation_of_points(
    points: NDArray[np.float64], spatial: ResidualCorrelation, *, cell_m: float
) -> float:
    """Return the mean structured correlation over a region given by grid points.

    Parameters
    ----------
    points : float array of shape (n, 2)
        Centres of the square cells that make up the region [m]; a few thousand.
    cell_m : float
        Edge of a cell [m].

    Notes
    -----
    Pairs of one cell count with the mean correlation inside a square, taken at the
    mean distance of two of its points, 0.5214 cells (Ghosh 1951): taking 1 would
    overstate, leaving them out would understate a region of few cells.
    """
    count = len(points)
    if count == 0:
        raise TableError(
            "a region without points",
            expected="the centres of the cells of the region",
            remedy="Use cells smaller than the region.",
        )
    own = float(spatial.structured(0.5214054 * cell_m))
    if count == 1:
        return own
    between = spatial.structured(distance.pdist(points)).sum()
    return float((count * own + 2.0 * between) / count**2)


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
    """
    values = np.asarray(members, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise TableError(
            f"{values.size} ensemble members",
            expected="at least 2 values, one per member",
            remedy="Train an ensemble: one model has no parameter error to show.",
        )
    return float(np.var(values, ddof=1))


def residual_variance_of_mean(
    residual_sd: float,
    mean_correlation: float,
    *,
    pixels: float,
    nugget_share: float = 0.0,
) -> float:
    """Return the variance of the mean residual of a region.

    Parameters
    ----------
    residual_sd : float
        Standard deviation of out-of-fold residuals of one pixel, unit of y.
    mean_correlation : float
        Mean structured correlation over the region.
    pixels : float
        Pixels in the region; only the nugget averages over them.

    Notes
    -----
    s^2 [(1 - c) rho + c / N]: methodology D5 with a constant residual variance.
    """
    shared = (1.0 - nugget_share) * mean_correlation
    return residual_sd**2 * (shared + nugget_share / pixels)


def model_variance(
    members: ArrayLike,
    *,
    residual_sd: float,
    spatial: ResidualCorrelation,
    area_m2: float,
    pixel_m2: float,
) -> ModelVariance:
    """Return the model-based variance of a region's mean.

    Parameters
    ----------
    members : array of shape (K,)
        The region's mean by ensemble member, unit of y.
    residual_sd : float
        Standard deviation of out-of-fold residuals, unit of y.
    area_m2, pixel_m2 : float
        Area of the region and of a pixel [m2].

    Notes
    -----
    For a total multiply by the area squared. The region is taken as a disc.
    """
    return ModelVariance(
        parameters=member_variance(members),
        residuals=residual_variance_of_mean(
            residual_sd,
            mean_correlation_of_disc(area_m2, spatial),
            pixels=area_m2 / pixel_m2,
            nugget_share=spatial.nugget_share,
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


def gradient_variance(mean_gradient: ArrayLike, covariance: ArrayLike) -> float:
    """Return g' S g: parameter variance of a mean for a model with gradients.

    Parameters
    ----------
    mean_gradient : array of shape (p,)
        Mean over pixels or footprints of the prediction's gradient.
    covariance : array of shape (p, p)
        Covariance of the parameters, robust to unequal variances.
    """
    gradient = np.asarray(mean_gradient, dtype=float)
    return float(gradient @ np.asarray(covariance, dtype=float) @ gradient)

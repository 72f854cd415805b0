"""Mean correlation of residuals over a region: how little they average out.

A mean over N pixels does not hold N independent residuals. What counts is the mean
of the correlation over all pairs of places of the region, from its true shape.

References
----------
Methodology D5; McRoberts et al. (2018, 2022).
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, integrate

from qhsink.domain.errors import TableError
from qhsink.domain.residual_field import ResidualField
from qhsink.domain.variogram import Variogram

Floats = NDArray[np.float64]

NEAR_CELLS = 8
"""Steps between cells up to which correlation is averaged within both cells."""
_NODES = 24
"""Quadrature nodes per cell, at least."""


def correlations(variogram: Variogram, metres: ArrayLike) -> Floats:
    """Return ``Variogram.correlation`` for an array of distances [m]."""
    lag = np.asarray(metres, dtype=float) / variogram.range_m
    if variogram.kind == "exponential":
        return np.asarray(np.exp(-lag), dtype=float)
    inside = np.minimum(lag, 1.0)
    return np.asarray(1.0 - 1.5 * inside + 0.5 * inside**3, dtype=float)


def mean_correlation_of_cells(
    share: ArrayLike, *, cell_m: float, variogram: Variogram
) -> float:
    """Return the mean correlation between two places of a region, by its shape.

    Parameters
    ----------
    share : float array of shape (y, x)
        Share of each square cell that lies in the region, 0..1.
    cell_m : float
        Edge of a cell [m]; may be larger than the range.
    variogram : Variogram
        Its structured part alone is used.

    Raises
    ------
    TableError
        When no cell holds any of the region.

    Notes
    -----
    sum over lags of K(lag) rho(lag) / (sum of shares)^2, K the autocorrelation of
    the cells by fast Fourier transform: every pair of cells, without a list of
    pairs. For lags of up to eight cells rho is averaged over both cells, because
    rho at their centres would miss what happens within a range shorter than a cell.
    """
    part = np.asarray(share, dtype=float)
    whole = float(part.sum())
    if not whole > 0.0:
        raise TableError(
            "a region without cells",
            expected="the share of every cell that lies in the region",
            remedy="Use cells smaller than the region.",
        )
    rows, columns = part.shape
    shape = (2 * rows - 1, 2 * columns - 1)
    spectrum = fft.rfft2(part, shape)
    pairs = fft.irfft2(np.abs(spectrum) ** 2, shape)
    down, right = (_steps(length) for length in (rows, columns))
    rho = correlations(variogram, cell_m * np.hypot(down[:, None], right[None, :]))
    for i, j in itertools.product(range(NEAR_CELLS + 1), repeat=2):
        rho[np.ix_(down == i, right == j)] = _between_cells(
            max(i, j), min(i, j), cell_m, variogram
        )
    return min(float((pairs * rho).sum()) / whole**2, 1.0)


def _steps(length: int) -> NDArray[np.int64]:
    """Return the size of each circular lag of a transform padded to 2 length - 1."""
    lag = np.arange(2 * length - 1)
    return np.minimum(lag, 2 * length - 1 - lag)


@lru_cache(maxsize=2048)
def _between_cells(i: int, j: int, cell_m: float, variogram: Variogram) -> float:
    """Return the mean correlation between places of two cells, i and j steps apart.

    The difference of two uniform coordinates has a triangular density on -1..1.
    """
    nodes = max(_NODES, math.ceil(_NODES * min(cell_m / variogram.range_m, 20.0)))
    middle = (np.arange(2 * nodes) + 0.5) / nodes - 1.0
    density = (1.0 - np.abs(middle)) / nodes
    apart = cell_m * np.hypot(i + middle[:, None], j + middle[None, :])
    return float(density @ correlations(variogram, apart) @ density)


def mean_correlation_of_disc(area_m2: float, variogram: Variogram) -> float:
    """Return the mean correlation between two points of a disc.

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
        return density * variogram.correlation(lag)

    # Split where the correlation has fallen away: quadrature over a province would
    # step across a range of a few kilometres.
    end = 2.0 * radius
    reach = [variogram.range_m * factor for factor in (0.25, 1.0, 4.0, 16.0)]
    edges = [0.0, *(mark for mark in reach if mark < end), end]
    pieces = [
        integrate.quad(integrand, low, high)[0]
        for low, high in itertools.pairwise(edges)
    ]
    return min(math.fsum(pieces), 1.0)


def large_area_correlation(area_m2: float, variogram: Variogram) -> float:
    """Return the mean correlation over an area much larger than the range.

    2 pi a^2 / A (exponential) or pi R^2 / (5 A) (spherical), at most 1: methodology
    D5. Its inverse is the effective number of independent residuals.
    """
    scale = 2.0 if variogram.kind == "exponential" else 0.2
    return min(scale * math.pi * variogram.range_m**2 / area_m2, 1.0)


def residual_variance_of_region(
    variogram: Variogram,
    *,
    area_m2: float,
    pixel_m2: float,
    mean_correlation: float | None = None,
) -> float:
    """Return the variance of the mean residual of a region, in y squared.

    Parameters
    ----------
    area_m2, pixel_m2 : float
        Area of the region and of a pixel [m2].
    mean_correlation : float, optional
        Of the structured part over the region's shape; over a disc of its area
        where absent.

    Raises
    ------
    TableError
        When the region is smaller than a pixel.

    Notes
    -----
    partial sill times mean correlation, plus nugget times a / A: methodology D5 with
    a constant residual variance. a is a pixel, or the disc whose radius is the
    shortest distance between plots if that is larger: what looks like a nugget may
    be correlated up to there, and nothing in the data says that it is not.
    """
    if not 0.0 < pixel_m2 <= area_m2:
        raise TableError(
            f"a region of {area_m2:g} m2 with pixels of {pixel_m2:g} m2",
            expected="an area of at least one pixel",
            remedy="Give the area in hectares and the pixel's edge in metres.",
        )
    if mean_correlation is None:
        mean_correlation = mean_correlation_of_disc(area_m2, variogram)
    patch = max(pixel_m2, math.pi * variogram.shortest_lag_m**2)
    shared = variogram.partial_sill * min(mean_correlation, 1.0)
    return shared + variogram.nugget * min(patch / area_m2, 1.0)


def relative_residual_variance(
    field: ResidualField, weight: ArrayLike, *, cell_m: float
) -> float:
    """Return the variance of a region's total error over the square of its scale.

    Parameters
    ----------
    field : ResidualField
        Of the whole mapped quantity.
    weight : float array of shape (y, x)
        What each square cell adds to the scale: its land in the region times the mean
        mapped quantity there plus the field's floor.
    cell_m : float
        Edge of a cell [m].

    Notes
    -----
    V = (sum s_i)^2 (common + sum_k v_k rbar_k), rbar_k the mean of exp(-d / a_k) over
    pairs of places weighted by s: methodology D5 with a nested covariance. Nothing is
    divided by the number of pixels.
    """
    total = field.common
    for part, range_m in field.structures:
        shape = Variogram(0.0, 1.0, range_m, "exponential", 0)
        total += part * mean_correlation_of_cells(
            weight, cell_m=cell_m, variogram=shape
        )
    return total


def mean_of_points_variance(
    x_m: ArrayLike, y_m: ArrayLike, variogram: Variogram
) -> float:
    """Return the variance of the mean of residuals at n places, in y squared.

    The mean of the covariances of all pairs, each place with itself included.
    """
    x, y = np.asarray(x_m, dtype=float), np.asarray(y_m, dtype=float)
    total = 0.0
    for own_x, own_y in zip(x.tolist(), y.tolist(), strict=True):
        apart = np.hypot(x - own_x, y - own_y)
        total += float(correlations(variogram, apart).sum())
    return (variogram.partial_sill * total + variogram.nugget * len(x)) / len(x) ** 2

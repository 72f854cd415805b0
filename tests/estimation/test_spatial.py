"""Mean correlation over a region: geometry, coarse cells, what a nugget may hide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from qhsink.domain.errors import TableError
from qhsink.domain.variogram import Variogram
from qhsink.estimation.spatial import (
    correlations,
    large_area_correlation,
    mean_correlation_of_cells,
    mean_correlation_of_disc,
    mean_of_points_variance,
    residual_variance_of_region,
)

EXPONENTIAL = Variogram(0.0, 1.0, 2000.0, "exponential", 0)
SPHERICAL = Variogram(0.0, 1.0, 6000.0, "spherical", 0)
BOTH = pytest.mark.parametrize("variogram", [EXPONENTIAL, SPHERICAL])


@BOTH
def test_arrays_of_distances_agree_with_the_variogram_itself(variogram):
    metres = np.array([0.0, 10.0, 1999.0, 6000.0, 8e4])
    one_by_one = [variogram.correlation(lag) for lag in metres.tolist()]
    assert correlations(variogram, metres) == pytest.approx(one_by_one, abs=1e-15)


def test_effective_residuals_are_those_of_methodology_d5():
    assert 1 / large_area_correlation(1e10, EXPONENTIAL) == pytest.approx(398, abs=0.5)
    assert 1 / large_area_correlation(1e10, SPHERICAL) == pytest.approx(442, abs=0.5)
    near = Variogram(0.0, 1.0, 500.0, "exponential", 0)
    assert large_area_correlation(1e6, near) == 1.0


@BOTH
def test_a_disc_tends_to_the_large_area_formula_and_to_one_pixel(variogram):
    wide = mean_correlation_of_disc(1e14, variogram)
    assert wide == pytest.approx(large_area_correlation(1e14, variogram), rel=1e-3)
    assert mean_correlation_of_disc(1.0, variogram) == pytest.approx(1, abs=1e-3)


@BOTH
def test_a_disc_agrees_with_pairs_drawn_in_it(variogram):
    radius = 5000.0
    rng = np.random.default_rng(4)
    angle = rng.uniform(0, 2 * np.pi, (2, 200_000))
    reach = radius * np.sqrt(rng.uniform(size=(2, 200_000)))
    x, y = reach * np.cos(angle), reach * np.sin(angle)
    drawn = correlations(variogram, np.hypot(x[0] - x[1], y[0] - y[1])).mean()
    found = mean_correlation_of_disc(math.pi * radius**2, variogram)
    assert found == pytest.approx(drawn, rel=0.01)


@BOTH
def test_two_cells_by_hand_are_two_squares_drawn_from(variogram):
    rng = np.random.default_rng(8)
    one, two = rng.uniform(0, 3000, (2, 400_000, 2))
    far = two + np.array([6000.0, 0.0])
    own = correlations(variogram, np.hypot(*(one - two).T)).mean()
    other = correlations(variogram, np.hypot(*(one - far).T)).mean()
    found = mean_correlation_of_cells([[1, 0, 1]], cell_m=3000.0, variogram=variogram)
    assert found == pytest.approx((own + other) / 2, rel=0.005)


@BOTH
@pytest.mark.parametrize("cell_m", [250.0, 1000.0, 4000.0])
def test_a_square_has_one_mean_correlation_whatever_its_cells(variogram, cell_m):
    count = round(40_000 / cell_m)
    found = mean_correlation_of_cells(
        np.ones((count, count)), cell_m=cell_m, variogram=variogram
    )
    assert found == pytest.approx(
        mean_correlation_of_cells(
            np.ones((320, 320)), cell_m=125.0, variogram=variogram
        ),
        rel=0.004,
    )
    assert found < mean_correlation_of_disc(1.6e9, variogram)


def _disc(cell_m):
    centre = np.arange(-12_000, 12_000, cell_m) + cell_m / 2
    return (np.hypot(centre[:, None], centre[None, :]) <= 10_000).astype(float)


@BOTH
def test_cells_of_a_disc_agree_with_the_disc_and_a_long_region_gains(variogram):
    share = _disc(200.0)
    found = mean_correlation_of_cells(share, cell_m=200.0, variogram=variogram)
    area = share.sum() * 200.0**2
    disc = mean_correlation_of_disc(area, variogram)
    assert found == pytest.approx(disc, rel=2e-3)
    strip = np.ones((1, int(share.sum())))
    long = mean_correlation_of_cells(strip, cell_m=200.0, variogram=variogram)
    assert long < found / 5


def test_the_transform_counts_every_pair_of_cells():
    rng = np.random.default_rng(3)
    share = (rng.uniform(size=(9, 14)) < 0.4) * rng.uniform(size=(9, 14))
    cell = 50_000.0  # further apart than near cells nothing is averaged within
    wide = Variogram(0.0, 1.0, 1e6, "exponential", 0)
    places = np.argwhere(share > 0) * cell
    weight = share[share > 0]
    rho = correlations(wide, pdist(places))
    pairs = pdist(weight[:, None], lambda a, b: a[0] * b[0])
    slow = (2 * pairs @ rho + weight @ weight) / weight.sum() ** 2
    found = mean_correlation_of_cells(share, cell_m=cell, variogram=wide)
    assert found == pytest.approx(slow, rel=3e-3)


def test_cells_coarser_than_the_range_do_not_lose_the_correlation():
    """A province in cells of 20 km with residuals correlated over 2 km."""
    share = np.ones((30, 50))
    found = mean_correlation_of_cells(share, cell_m=2e4, variogram=EXPONENTIAL)
    assert found == pytest.approx(large_area_correlation(6e11, EXPONENTIAL), rel=0.01)


def test_a_region_without_cells_is_refused():
    with pytest.raises(TableError, match="without cells"):
        mean_correlation_of_cells(np.zeros((3, 3)), cell_m=10.0, variogram=EXPONENTIAL)


def test_only_the_nugget_averages_and_not_below_the_distances_seen():
    flat = Variogram(3.6, 5.4, 2000.0, "exponential", 0)
    assert residual_variance_of_region(
        flat, area_m2=4000.0, pixel_m2=400.0, mean_correlation=0.2
    ) == pytest.approx(5.4 * 0.2 + 3.6 / 10)
    # Plots a kilometre apart: the nugget may be correlated over that disc.
    far = Variogram(3.6, 0.0, 2000.0, "exponential", 0, shortest_lag_m=1000.0)
    assert residual_variance_of_region(
        far, area_m2=1e8, pixel_m2=400.0, mean_correlation=0.2
    ) == pytest.approx(3.6 * math.pi * 1e6 / 1e8)
    assert residual_variance_of_region(
        far, area_m2=1e4, pixel_m2=400.0
    ) == pytest.approx(3.6)


def test_the_mean_of_three_residuals_by_hand():
    variogram = Variogram(1.0, 2.0, 1000.0, "exponential", 0)
    found = mean_of_points_variance([0.0, 1000.0, 1000.0], [0.0, 0.0, 0.0], variogram)
    pairs = 2 * (2 / math.e) * 2 + 2 * 2.0
    assert found == pytest.approx((3 * 3.0 + pairs) / 9)

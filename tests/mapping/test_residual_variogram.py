"""Variograms of residuals: by hand, on fields with known range, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from qhsink.domain.errors import TableError
from qhsink.domain.variogram import Variogram
from qhsink.mapping.residual_variogram import empirical_variogram, fit_variogram


def _line(residual):
    x = np.arange(len(residual)) * 100.0
    return x, np.zeros(len(residual)), np.asarray(residual, dtype=float)


def test_the_empirical_variogram_of_a_slope_is_half_the_square_of_the_step():
    seen = empirical_variogram(*_line(np.arange(40)), max_lag_m=400.0)
    assert seen.lag_m == pytest.approx([100, 200, 300, 400])
    assert seen.pairs.tolist() == [39, 38, 37, 36]
    assert seen.gamma == pytest.approx([0.5, 2.0, 4.5, 8.0])


def test_the_empirical_variogram_of_a_row_that_alternates():
    seen = empirical_variogram(*_line([1, -1] * 20), max_lag_m=400.0)
    assert seen.gamma == pytest.approx([2, 0, 2, 0])


def _field(points, truth, rng):
    """Return a Gaussian field with the covariance of ``truth``."""
    rho = np.exp(-cdist(points, points) / truth.range_m)
    if truth.kind == "spherical":
        lag = np.minimum(cdist(points, points) / truth.range_m, 1.0)
        rho = 1.0 - 1.5 * lag + 0.5 * lag**3
    whole = truth.partial_sill * rho + truth.nugget * np.eye(len(points))
    return np.linalg.cholesky(whole) @ rng.normal(size=len(points))


def _scattered(rng):
    return rng.uniform(0, 40_000, (300, 2))


def _in_groups(rng):
    """Return sixty sites of five plots over a province: most pairs are far apart."""
    sites = rng.uniform(0, 300_000, (60, 1, 2))
    return (sites + rng.normal(0, 1500, (60, 5, 2))).reshape(-1, 2)


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param(Variogram(0.002, 0.006, 2500.0, "exponential", 0), id="exp"),
        pytest.param(Variogram(0.002, 0.006, 7500.0, "spherical", 0), id="sphere"),
    ],
)
@pytest.mark.parametrize("place", [_scattered, _in_groups])
def test_the_fit_finds_a_known_range_and_sill_on_average(truth, place):
    rng = np.random.default_rng(11)
    fits = []
    for _ in range(6):
        points = place(rng)
        fits.append(fit_variogram(*points.T, _field(points, truth, rng)))
    practical = np.median([fit.practical_range_m for fit in fits])
    assert practical == pytest.approx(truth.practical_range_m, rel=0.25)
    assert np.median([fit.sill for fit in fits]) == pytest.approx(truth.sill, rel=0.15)
    assert np.median([fit.nugget for fit in fits]) == pytest.approx(0.002, abs=0.0012)


def test_independent_residuals_show_no_structure():
    rng = np.random.default_rng(5)
    points = _scattered(rng)
    found = fit_variogram(*points.T, rng.normal(0, 0.1, 300))
    assert found.covariance(2 * found.shortest_lag_m) < 0.25 * found.sill
    assert found.sill == pytest.approx(0.01, rel=0.15)
    assert found.n == 300


def test_a_trend_over_the_whole_area_does_not_reach_its_sill():
    rng = np.random.default_rng(6)
    points = _scattered(rng)
    found = fit_variogram(*points.T, points[:, 0] / 4e4 + rng.normal(0, 0.02, 300))
    assert not found.reaches_its_sill


def test_a_shift_of_all_residuals_or_places_changes_nothing():
    rng = np.random.default_rng(7)
    points = _scattered(rng)
    residual = _field(points, Variogram(0.0, 1.0, 3000.0, "exponential", 0), rng)
    one = fit_variogram(*points.T, residual)
    two = fit_variogram(*(points + 1e5).T, residual + 3.0)
    assert two.range_m == pytest.approx(one.range_m, rel=1e-4)
    assert two.sill == pytest.approx(one.sill, rel=1e-4)


@pytest.mark.parametrize(
    ("count", "residual", "match"),
    [
        pytest.param(20, np.arange(20.0), "at least 30", id="too few"),
        pytest.param(40, np.ones(40), "all", id="no spread"),
        pytest.param(40, np.append(np.arange(39.0), np.nan), "finite", id="a blank"),
    ],
)
def test_residuals_that_show_nothing_are_refused(count, residual, match):
    with pytest.raises(TableError, match=match):
        fit_variogram(np.arange(count) * 100.0, np.zeros(count), residual)


def test_plots_all_far_from_each_other_are_refused():
    x, y, residual = _line(np.arange(40))
    with pytest.raises(TableError, match="classes"):
        fit_variogram(x, y, residual, max_lag_m=250.0)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qhsink.mapping.samples import Recipe, Samples
from qhsink.mapping.schemes import main_scheme, other_schemes, random_scheme

RECIPE = Recipe(folds=4, seed=3, run_length=10)
COUNT = 600


@pytest.fixture
def placed() -> Samples:
    """Samples in 30 tight clusters over 300 km."""
    rng = np.random.default_rng(0)
    middle = rng.uniform(0, 300_000, (30, 2))[np.arange(COUNT) % 30]
    x, y = (middle + rng.normal(0, 500, (COUNT, 2))).T
    bands = {"red": rng.random(COUNT), "nir": rng.random(COUNT)}
    return Samples(bands, rng.random(COUNT), x_m=x, y_m=y)


def correlated(samples: Samples, reach: float) -> np.ndarray:
    """Residuals with an exponential covariance."""
    points = samples.points
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    covariance = np.exp(-apart / reach) + 1e-6 * np.eye(COUNT)
    return np.linalg.cholesky(covariance) @ np.random.default_rng(1).normal(size=COUNT)


def test_without_coordinates_runs_of_rows_are_held_out(placed):
    bare = replace(placed, x_m=None, y_m=None)
    main = main_scheme(bare, RECIPE, np.zeros(COUNT))
    assert main.title == "runs of 10 consecutive rows"
    assert len(np.unique(main.groups)) == 60
    assert other_schemes(bare, RECIPE, main, np.zeros(COUNT), None, report=print) == {}


def test_with_coordinates_blocks_as_wide_as_residuals_are_alike(placed):
    main = main_scheme(placed, RECIPE, correlated(placed, 8_000))
    assert "the range of the residuals" in main.title
    edge = 1000 * float(main.title.split()[3])
    assert 8_000 < edge < 75_000
    for block in np.unique(main.groups):
        here = main.groups == block
        assert np.ptp(placed.points[here], axis=0).max() <= 1.01 * edge
        assert len(np.unique(main.folds[here])) == 1


@pytest.mark.parametrize("reach", [None, 1e6], ids=["no range", "beyond the extent"])
def test_blocks_leave_enough_to_deal_even_without_a_range(placed, reach):
    residual = np.zeros(COUNT) if reach is None else correlated(placed, reach)
    main = main_scheme(placed, RECIPE, residual)
    assert len(np.unique(main.groups)) >= 2 * RECIPE.folds
    assert ("range of the residuals: not found" in main.title) == (reach is None)


def test_groups_given_decide_and_blocks_are_judged_beside_them(placed):
    sites = np.arange(COUNT) % 30
    known = replace(placed, groups=sites)
    main = main_scheme(known, RECIPE, np.zeros(COUNT))
    np.testing.assert_array_equal(main.groups, sites)
    others = other_schemes(known, RECIPE, main, np.zeros(COUNT), None, report=print)
    assert list(others) == ["blocks", "distance"]
    np.testing.assert_array_equal(others["distance"].groups, sites)


def test_regions_and_years_are_held_out_whole(placed):
    region, year = np.arange(COUNT) % 7, 1990 + np.arange(COUNT) % 24
    known = replace(placed, region=region, year=year)
    main = main_scheme(known, RECIPE, np.zeros(COUNT))
    found = other_schemes(known, RECIPE, main, np.zeros(COUNT), None, report=print)
    assert found["region"].title == "each of 7 regions in turn"
    np.testing.assert_array_equal(found["region"].folds, region)
    assert found["year"].title == "24 whole years"
    assert found["year"].folds.max() == 9
    for one in np.unique(year):
        assert len(np.unique(found["year"].folds[year == one])) == 1


def test_a_single_year_is_not_held_out(placed):
    known = replace(placed, year=np.full(COUNT, 2024))
    main = main_scheme(known, RECIPE, np.zeros(COUNT))
    assert "year" not in other_schemes(
        known, RECIPE, main, np.zeros(COUNT), None, report=print
    )


def test_folds_by_distance_depend_on_what_is_mapped(placed):
    main = main_scheme(placed, RECIPE, np.zeros(COUNT))
    near, far = (
        other_schemes(placed, RECIPE, main, np.zeros(COUNT), points, report=print)[
            "distance"
        ].folds
        for points in (placed.points + 50, None)
    )
    middle = np.arange(COUNT) % 30
    torn = [
        np.mean([len(np.unique(folds[middle == m])) for m in range(30)])
        for folds in (near, far)
    ]
    assert torn[0] > torn[1]


def test_random_folds_are_of_single_samples(placed):
    found = random_scheme(placed, RECIPE)
    np.testing.assert_array_equal(np.bincount(found.folds), [150] * 4)


def test_plots_at_few_places_end_in_as_many_blocks(placed):
    few = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 9000.0]], COUNT // 3, axis=0)
    together = replace(placed, x_m=few[:, 0], y_m=few[:, 1])
    main = main_scheme(together, RECIPE, np.random.default_rng(0).normal(size=COUNT))
    assert len(np.unique(main.groups)) == 3


def test_too_few_places_for_folds_by_distance_are_told(placed):
    few = placed.take(np.arange(RECIPE.folds + 1))
    flat = np.zeros(len(few.target))
    said: list[str] = []
    main = main_scheme(few, RECIPE, flat)
    assert other_schemes(few, RECIPE, main, flat, None, report=said.append) == {}
    assert said[0].startswith("No folds by distance: 5 training")

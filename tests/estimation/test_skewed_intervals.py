"""Intervals that lean: Hall's limits, third cumulants and lidar tracks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import TableError
from qhsink.estimation.assisted import assisted_mean
from qhsink.estimation.hybrid import hybrid_mean
from qhsink.estimation.intervals import limits
from qhsink.estimation.model_based import hybrid_variance
from qhsink.estimation.reliability import extrapolates
from qhsink.estimation.skewness import estimator_skewness, sum_third_cumulant
from qhsink.estimation.survey import stratified_sample


def skewed(value, se, skewness, *, df=59.0, confidence=0.90):
    return limits(
        value, se, df=df, n=60, confidence=confidence, kind="skewed", skewness=skewness
    )


@pytest.mark.parametrize("skewness", [-1.2, -0.3, 0.05, 0.4, 0.98])
def test_the_limits_solve_halls_cubic(skewness):
    """At a limit the transformed T = (value - limit) / se is the quantile."""

    def hall(t):
        return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6

    quantile = stats.t.ppf(0.95, 59)
    low, high = skewed(5.0, 2.0, skewness)
    for limit, q in ((low, quantile), (high, -quantile)):
        root = optimize.brentq(lambda t, q=q: hall(t) - q, -50.0, 50.0)
        assert (5.0 - limit) / 2.0 == pytest.approx(root, rel=1e-6)


def test_without_skewness_the_limits_are_students():
    assert skewed(5.0, 2.0, 0.0) == limits(5.0, 2.0, df=59.0, n=60, confidence=0.90)
    near = skewed(5.0, 2.0, 2e-6)
    assert near == pytest.approx(skewed(5.0, 2.0, 0.0), abs=1e-4)


@given(st.floats(-2.0, 2.0), st.floats(0.5, 0.98))
def test_limits_enclose_and_lean_to_the_tail(skewness, confidence):
    low, high = skewed(0.0, 1.0, skewness, confidence=confidence)
    assert low < high
    mirrored = skewed(0.0, 1.0, -skewness, confidence=confidence)
    assert mirrored == pytest.approx((-high, -low))
    if skewness > 0.01:
        assert high > -low


def test_a_higher_level_is_never_narrower():
    found = [skewed(0.0, 1.0, 0.9, confidence=c) for c in (0.5, 0.8, 0.9, 0.95, 0.99)]
    assert all(b[0] < a[0] and b[1] > a[1] for a, b in pairwise(found))


def test_a_sample_without_variation_has_no_limits():
    assert skewed(0.0, 0.0, 0.0) is None


def test_the_third_cumulant_by_hand():
    """Weights 10; strata (0, 0, 3) and (1, 2): m^2 / ((m-1)(m-2)) sum d^3."""
    y = np.array([0.0, 0.0, 3.0, 1.0, 2.0])
    stratum = np.array([0, 0, 0, 1, 1])
    design = stratified_sample(5, stratum=stratum, sizes=[30.0, 20.0])
    # d = -10, -10, 20: sum of cubes 6000, times 9 / 2. Two units: none.
    assert design.third_cumulant(y) == pytest.approx(6000.0 * 4.5)


def test_the_third_cumulant_of_a_sum_is_unbiased():
    rng = np.random.default_rng(1)
    draws = rng.exponential(1.0, size=(20_000, 6))
    found = [sum_third_cumulant(row) for row in draws]
    error = np.std(found) / math.sqrt(len(found))
    # An exponential variable has third cumulant 2; six add up.
    assert np.mean(found) == pytest.approx(12.0, abs=4 * error)


def test_a_symmetric_error_beside_lowers_the_skewness():
    assert estimator_skewness(1.0, 1.0) == 1.0
    assert estimator_skewness(1.0, 4.0) == 0.125
    assert estimator_skewness(0.0, 0.0) == 0.0


def coverage(draw, truth, *, kind, repeats=1500):
    """Share of 90 % intervals over samples of 40 that hold the truth."""
    rng = np.random.default_rng(3)
    design = stratified_sample(40, sizes=[1e6])
    inside = []
    for _ in range(repeats):
        y = draw(rng, 40)
        se = math.sqrt(design.variance(y)) / 1e6
        skewness = estimator_skewness(design.third_cumulant(y), (se * 1e6) ** 2)
        found = limits(
            float(y.mean()), se, df=39, n=40, confidence=0.9, kind=kind,
            skewness=skewness,
        )  # fmt: skip
        if se > 0.0:
            inside.append(found[0] <= truth <= found[1])
    return float(np.mean(inside))


def rare_forest(rng, n):
    """A tenth of the plots have trees, 20 to 140 Mg ha-1 of them."""
    return np.where(rng.random(n) < 0.1, rng.uniform(20.0, 140.0, n), 0.0)


def test_rare_forest_is_covered_where_students_interval_is_too_narrow():
    assert coverage(rare_forest, 8.0, kind="t") < 0.86
    assert 0.88 < coverage(rare_forest, 8.0, kind="skewed") < 0.95


def test_symmetric_values_lose_nothing():
    found = coverage(lambda rng, n: rng.normal(size=n), 0.0, kind="skewed")
    assert found == pytest.approx(0.90, abs=0.03)


def test_hybrid_mean_adds_df_and_skewness_to_the_variance():
    totals = np.array([[4.0, 0.0, 9.0, 2.0], [5.0, 0.0, 10.0, 2.5]])
    sizes = np.array([4.0, 3.0, 5.0, 3.0])
    found = hybrid_mean(totals, sizes)
    value, variance = hybrid_variance(totals, sizes)
    assert (found.value, found.variance) == (value, variance)
    parts = variance.sampling**2 / 3 + variance.parameters**2 / 1
    assert found.df == pytest.approx(variance.total**2 / parts)
    gap = (totals.mean(axis=0) - value * sizes) / 15.0
    assert np.sum(gap**2) * 4 / 3 == pytest.approx(variance.sampling)
    third = 16 / 6 * np.sum((gap - gap.mean()) ** 3)
    assert found.skewness == pytest.approx(third / variance.total**1.5)


def test_a_track_without_footprints_says_nothing():
    totals, sizes = np.array([[1.0, 3.0], [1.1, 3.2]]), np.array([2.0, 2.0])
    more = np.column_stack([totals, [0.0, 0.0]])
    assert hybrid_mean(more, [2.0, 2.0, 0.0]) == hybrid_mean(totals, sizes)
    with pytest.raises(TableError, match="1 clusters"):
        hybrid_mean(more, [2.0, 0.0, 0.0])


def test_tracks_that_see_no_forest_have_no_interval():
    found = hybrid_mean(np.zeros((3, 5)), np.full(5, 9.0))
    assert found.value == 0.0
    assert found.interval(0.90) is None


def test_a_slope_that_hangs_on_a_few_units_is_seen(project_folder):
    """Map at its ceiling at 19 of 20 plots, but not so often in the population."""
    rules = load_interval_rules(project_folder)
    y = np.linspace(0.4, 0.8, 20)
    design = stratified_sample(20, sizes=[1000.0])
    flat = np.r_[0.2, np.full(19, 0.8)]
    found = assisted_mean(design, y, flat, map_mean=0.6, slope=True)
    low, high = found.g_range
    # g = 1 + (0.6 - 0.77) (x - 0.77) / Sxx: 1 + 0.17 * 0.57 / 0.342 * 20 of them.
    assert high == pytest.approx(1 + 20 * 0.17 * 0.57 / 0.342)
    assert low == pytest.approx(1 - 20 * 0.17 * 0.03 / 0.342)
    assert extrapolates(found.g_range, rules)
    spread = assisted_mean(design, y, y + 0.1, map_mean=0.72, slope=True)
    assert not extrapolates(spread.g_range, rules)
    assert not extrapolates(assisted_mean(design, y, flat, map_mean=0.6).g_range, rules)
    assert extrapolates((-0.1, 1.5), rules)

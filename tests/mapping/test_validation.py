from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhsink.mapping.validation import (
    bias_by_decile,
    cross_covered,
    fit_interval,
    score,
)


def test_scores_equal_calculation_by_hand():
    observed = np.array([0.0, 1.0, 2.0, 3.0])
    predicted = np.array([1.0, 1.0, 2.0, 2.0])
    got = score(observed, predicted)
    # SSE = 1 + 0 + 0 + 1 = 2; SST = 2.25 + 0.25 + 0.25 + 2.25 = 5
    assert got.r2 == pytest.approx(1 - 2 / 5)
    assert got.rmse == pytest.approx(np.sqrt(0.5))
    assert got.bias == pytest.approx(0.0)
    # covariance 0.5, variances 1.25 and 0.25 (ddof 0)
    assert got.slope == pytest.approx(2.0)
    assert got.ccc == pytest.approx(2 * 0.5 / (1.25 + 0.25))


def test_r2_is_not_the_squared_correlation():
    observed = np.array([0.0, 0.5, 1.0])
    assert score(observed, observed + 1.0).r2 < 0


def heteroscedastic(seed: int, count: int = 4000):
    rng = np.random.default_rng(seed)
    mean = rng.random(count)
    spread = rng.uniform(0.01, 0.05, count)
    observed = mean + rng.normal(size=count) * (0.02 + 0.2 * mean)
    return observed, mean, spread


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), confidence=st.sampled_from([0.5, 0.8, 0.9]))
def test_interval_holds_its_share_on_samples_it_did_not_see(seed, confidence):
    rule = fit_interval(*heteroscedastic(seed), confidence=confidence)
    observed, mean, spread = heteroscedastic(seed + 5000)
    held = np.abs(observed - mean) <= rule.half_width(mean, spread)
    assert held.mean() == pytest.approx(confidence, abs=0.035)


def test_interval_is_wider_where_residuals_are():
    rule = fit_interval(*heteroscedastic(1))
    low, high = rule.half_width(np.array([0.05, 0.95]), np.array([0.02, 0.02]))
    assert high > 3 * low


def test_a_bin_of_zeros_that_every_member_knows_has_no_width_and_does_not_fail():
    """Where no tree stands all members say zero, and are right."""
    observed, mean, spread = heteroscedastic(2)
    bare = np.zeros(len(mean))
    rule = fit_interval(
        np.r_[bare, 1.0 + observed], np.r_[bare, 1.0 + mean], np.r_[bare, spread]
    )
    assert rule.half_width(np.zeros(1), np.zeros(1))[0] == 0.0
    plain = fit_interval(1.0 + observed, 1.0 + mean, spread)
    at = 1.0 + mean[:1]
    assert rule.half_width(at, spread[:1])[0] == pytest.approx(
        plain.half_width(at, spread[:1])[0], rel=0.5
    )


def test_errors_all_alike_are_as_wide_as_they_are_large():
    rule = fit_interval(np.full(60, 2.0), np.full(60, 1.5), np.zeros(60))
    assert rule.half_width(np.array([1.5]), np.zeros(1))[0] == pytest.approx(0.5)


def test_interval_holds_its_share_in_every_tenth_of_predicted_value():
    observed, mean, spread = heteroscedastic(2)
    folds = np.arange(len(mean)) % 5
    held = cross_covered(observed, mean, spread, folds)
    rows = bias_by_decile(observed, mean, held, by=mean)
    assert all(0.84 <= row.coverage <= 0.96 for row in rows)


def test_a_fold_is_judged_by_the_other_folds_alone():
    observed, mean, spread = heteroscedastic(3)
    folds = (np.arange(len(mean)) % 2).astype(np.int64)
    observed = np.where(folds == 1, mean + 5.0, observed)
    held = cross_covered(observed, mean, spread, folds)
    assert not held[folds == 1].any()
    assert held[folds == 0].all()


def test_tenths_are_of_equal_count_and_ordered():
    observed, mean, _ = heteroscedastic(4, count=1003)
    rows = bias_by_decile(observed, mean, np.ones(1003, bool), by=observed)
    assert [row.count for row in rows] == [101] * 3 + [100] * 7
    assert all(a.high <= b.low for a, b in pairwise(rows))
    total = sum(row.bias * row.count for row in rows) / 1003
    assert total == pytest.approx(float((mean - observed).mean()))


def test_tied_predictions_and_few_samples_still_give_a_rule():
    rng = np.random.default_rng(0)
    mean = np.concatenate([np.zeros(40), rng.random(5), np.ones(40)])
    observed = mean + rng.normal(0, 0.1, 85)
    rule = fit_interval(observed, mean, np.zeros(85))
    assert len(rule.residual_sd) == len(rule.factor) == len(rule.edges) + 1
    held = np.abs(observed - mean) <= rule.half_width(mean, np.zeros(85))
    assert held.mean() >= 0.9


def test_half_widths_of_a_map_keep_its_single_precision():
    rule = fit_interval(*heteroscedastic(5))
    mean, spread = np.array([0.1, 0.5]), np.array([0.02, 0.04])
    wide = rule.half_width(mean, spread)
    single = rule.half_width(mean.astype(np.float32), spread.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, wide, rtol=1e-6)

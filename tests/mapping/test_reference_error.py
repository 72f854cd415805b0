"""Budget of errors: what is left of them when the reference's own are taken out."""

from __future__ import annotations

import numpy as np
import pytest

from qhsink.mapping.reference_error import reference_error


def test_a_budget_by_hand():
    observed = np.array([10.0, 14.0, 18.0, 22.0])
    predicted = observed + np.array([3.0, -3.0, 3.0, -3.0])
    found = reference_error(observed, predicted, np.array([1.0, 3.0, 1.0, 1.0]))
    assert found.se == pytest.approx(np.sqrt(3.0))
    assert found.share == pytest.approx(1 / 3)
    assert found.rmse == pytest.approx(np.sqrt(6.0))
    assert found.r2 == pytest.approx(1 - 6.0 / (20.0 - 3.0))


def test_the_budget_finds_the_error_against_the_truth_that_noise_hides():
    rng = np.random.default_rng(5)
    truth = rng.gamma(3.0, 30.0, 40_000)
    predicted = truth + rng.normal(0.0, 20.0, truth.size)
    se = 0.25 * truth
    observed = truth + se * rng.standard_normal(truth.size)
    found = reference_error(observed, predicted, se)
    noisy = np.sqrt(np.square(observed - predicted).mean())
    assert noisy > 30.0
    assert found.rmse == pytest.approx(20.0, rel=0.02)
    true_r2 = 1 - np.square(truth - predicted).sum() / (truth.var() * truth.size)
    assert found.r2 == pytest.approx(true_r2, abs=0.01)


def test_an_error_that_all_values_share_is_in_no_part_of_the_budget():
    """By the budget a common error of a tenth looks like the predictions' own."""
    rng = np.random.default_rng(6)
    truth = rng.gamma(3.0, 30.0, 40_000)
    se = 0.2 * truth
    observed = 1.1 * truth + se * rng.standard_normal(truth.size)
    found = reference_error(observed, 1.1 * truth, se)
    assert found.rmse is None or found.rmse < 5.0


def test_stated_errors_as_large_as_the_residuals_leave_nothing_to_tell():
    observed = np.array([1.0, 2.0, 3.0])
    found = reference_error(observed, observed + 0.1, np.full(3, 0.5))
    assert found.rmse is None
    assert found.r2 is None
    assert found.share == pytest.approx(25.0)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.mapping.folds import (
    consecutive_runs,
    deal_folds,
    row_autocorrelation,
    spectral_clusters,
)


def test_runs_are_of_consecutive_rows():
    np.testing.assert_array_equal(consecutive_runs(7, length=3), [0, 0, 0, 1, 1, 1, 2])


@given(
    groups=st.lists(st.integers(0, 30), min_size=40, max_size=200).map(np.array),
    seed=st.integers(0, 99),
)
def test_no_group_is_split_between_folds(groups, seed):
    folds = deal_folds(groups, folds=5, seed=seed)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1


def test_folds_are_balanced_and_depend_on_the_seed_alone():
    groups = consecutive_runs(1000, length=20)
    folds = deal_folds(groups, folds=5, seed=1)
    assert np.bincount(folds).tolist() == [200] * 5
    np.testing.assert_array_equal(folds, deal_folds(groups, folds=5, seed=1))
    assert (folds != deal_folds(groups, folds=5, seed=2)).any()


def test_alike_spectra_fall_into_one_cluster():
    rng = np.random.default_rng(0)
    sites = rng.uniform(0.05, 0.5, (12, 5))
    visits = np.repeat(sites, 6, axis=0) * rng.uniform(0.995, 1.005, (72, 5))
    found = spectral_clusters(visits, clusters=12, seed=0)
    assert all(len(set(found[i : i + 6])) == 1 for i in range(0, 72, 6))


def test_autocorrelation_tells_ordered_rows_from_shuffled_ones():
    rng = np.random.default_rng(0)
    ordered = np.repeat(rng.random(200), 5)
    assert row_autocorrelation(ordered, lag=1) > 0.7
    shuffled = row_autocorrelation(rng.permutation(ordered), lag=1)
    assert shuffled == pytest.approx(0, abs=0.1)

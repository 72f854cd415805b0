from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from qhsink.domain.errors import TableError
from qhsink.mapping.folds import (
    consecutive_runs,
    deal_folds,
    distance_between,
    knndm,
    leave_group_out,
    row_autocorrelation,
    spatial_blocks,
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


@pytest.fixture
def knndm_case(shared_dir):
    folder = shared_dir / "cases" / "cast_knndm"
    inputs = json.loads((folder / "inputs.json").read_text())
    return inputs, json.loads((folder / "expected.json").read_text())


@pytest.mark.parametrize("clustering", ["hierarchical", "kmeans"])
def test_nearest_neighbour_matching_as_cast_does_it(knndm_case, clustering):
    inputs, expected = knndm_case
    found = knndm(
        np.array(inputs["train"], float),
        np.array(inputs["pred"]),
        folds=inputs["k"],
        max_share=inputs["maxp"],
        clustering=clustering,
        seed=1,
    )
    want = expected[clustering]
    assert found.distance == pytest.approx(want["W"], rel=1e-9)
    np.testing.assert_allclose(found.alone, want["Gj"], rtol=1e-9)
    np.testing.assert_allclose(found.to_map, want["Gij"], rtol=1e-9)
    np.testing.assert_allclose(found.between, want["Gjstar"], rtol=1e-9)
    same = found.folds[:, None] == found.folds
    theirs = np.array(want["clusters"])
    np.testing.assert_array_equal(same, theirs[:, None] == theirs)
    if clustering == "hierarchical":  # k-means finds the same folds from 3 or 4
        assert found.clusters == want["q"]


def test_clustered_plots_far_from_the_map_are_held_out_by_cluster():
    rng = np.random.default_rng(2)
    centres = rng.uniform(0, 1e5, (12, 2))
    train = np.repeat(centres, 10, axis=0) + rng.normal(0, 300, (120, 2))
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1e5, 30)] * 2), -1).reshape(-1, 2)
    found = knndm(train, grid, folds=5, seed=0)
    random = distance_between(train, np.arange(120) % 5)
    assert found.clusters is not None
    assert np.bincount(found.folds).max() <= 60
    assert found.distance < wasserstein_distance(random, found.to_map) / 2
    assert found.between.mean() > 10 * found.alone.mean()


def test_plots_spread_like_the_map_get_random_folds_of_even_size():
    rng = np.random.default_rng(3)
    train, grid = rng.uniform(0, 1, (100, 2)), rng.uniform(0, 1, (400, 2))
    found = knndm(train, grid, folds=5, seed=0)
    assert found.clusters is None
    assert np.bincount(found.folds).tolist() == [20] * 5


@pytest.mark.parametrize(
    ("count", "share", "said"),
    [(4, 0.5, "4 training"), (60, 0.1, "every division")],
)
def test_matching_that_cannot_be_done_is_refused(count, share, said):
    train = np.random.default_rng(4).normal(size=(count, 2))
    with pytest.raises(TableError, match=said):
        knndm(train, train * 50, folds=4, seed=0, max_share=share)


def test_leaving_groups_out_makes_a_fold_of_each():
    folds = leave_group_out(["Yushu", "Guoluo", "Yushu", 2024])
    assert folds.tolist() == [folds[0], folds[1], folds[0], folds[3]]
    assert len(set(folds)) == 3
    with pytest.raises(TableError, match="single group"):
        leave_group_out(["Yushu", "Yushu"])


def test_points_of_one_block_lie_within_it():
    points = np.array([[0, 0], [99, 99], [100, 0], [-1, 0]], float)
    blocks = spatial_blocks(points, edge=100)
    assert blocks[0] == blocks[1]
    assert len(set(blocks)) == 3

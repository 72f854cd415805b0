from __future__ import annotations

import numpy as np
import pytest

from qhsink.mapping.baselines import (
    TREES,
    _grow_forest,
    _leaf_weights,
    baselines,
    type_mean,
)

pytest.importorskip("sklearn")


def noisy(seed: int, count: int):
    rng = np.random.default_rng(seed)
    x = rng.random((count, 2))
    return x, x[:, 0] + rng.exponential(0.3, count)


def test_weights_of_the_quantile_forest_are_those_of_its_definition():
    x, y = noisy(0, 60)
    asked = noisy(1, 7)[0]
    forest = _grow_forest(x, y, 0)
    leaves, here = forest.apply(x), forest.apply(asked)
    expected = np.zeros((7, 60))
    for tree in range(leaves.shape[1]):
        alike = here[:, tree, None] == leaves[None, :, tree]
        expected += alike / alike.sum(axis=1, keepdims=True)
    got = np.concatenate(list(_leaf_weights(leaves, here)))
    np.testing.assert_allclose(got, expected / leaves.shape[1], atol=1e-12)
    np.testing.assert_allclose(got.sum(axis=1), 1)


def test_quantile_forest_predicts_the_median_not_the_mean():
    x, y = noisy(2, 1500)
    found = baselines(("red", "nir"))["quantile forest, median"](x, y, 0)
    asked = noisy(3, 1200)[0]
    median = asked[:, 0] + 0.3 * np.log(2)
    assert np.mean(found(asked) - median) == pytest.approx(0, abs=0.02)


def test_type_mean_by_hand_and_for_a_type_never_seen():
    target, stratum = np.array([1.0, 3.0, 8.0]), np.array([5, 5, 9])
    got = type_mean(target, stratum, np.array([9, 5, 1]))
    np.testing.assert_array_equal(got, [8.0, 2.0, 4.0])


def test_only_models_that_make_sense_are_compared():
    assert tuple(baselines(("red", "nir"))) == TREES
    mass = baselines(("nir", "ndvi"), valid=(0.0, 400.0))
    assert tuple(mass) == (*TREES, "linear on NDVI")
    predict = mass["linear on NDVI"](
        np.array([[0.0, 0.1], [0.0, 0.5]]), np.array([10.0, 210.0]), 0
    )
    np.testing.assert_allclose(
        predict(np.array([[0, 0.3], [0, 0.9], [0, 0.0]])), [110, 400, 0]
    )

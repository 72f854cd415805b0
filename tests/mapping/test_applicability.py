from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from qhsink.domain.errors import ModelError
from qhsink.mapping.applicability import describe, fit
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.nearest import build_tree, nearest_distance

POINTS = np.array([[0, 0], [1, 2], [3, 1], [6, 5], [7, 3]], float)
BANDS = ("green", "red", "nir", "swir16", "swir22")


@pytest.fixture
def cast_case(shared_dir):
    folder = shared_dir / "cases" / "cast_aoa"
    inputs = json.loads((folder / "inputs.json").read_text())
    expected = json.loads((folder / "expected.json").read_text())
    train = pd.read_csv(folder / "inputs_train.csv")
    folds = np.empty(len(train), int)
    for number, rows in enumerate(inputs["cv_test_1based"].values()):
        folds[np.array(rows) - 1] = number
    grid = pd.read_csv(folder / "inputs_grid.csv")
    return inputs, expected, train, folds, grid


@pytest.mark.parametrize("kind", ["unweighted", "weighted"])
def test_cast_thresholds_counts_and_every_pixel(cast_case, kind):
    inputs, expected, train, folds, grid = cast_case
    names = list(inputs["weights"])
    x = train[names].to_numpy()
    if kind == "weighted":
        fitted = fit(x, weights=list(inputs["weights"].values()), folds=folds)
    else:  # CAST was called without a model here: no weights and no folds
        fitted = fit(x)
    want = expected[kind]
    assert fitted.threshold == pytest.approx(want["threshold"], rel=1e-9)
    assert fitted.mean_distance == pytest.approx(want["trainDist_avrgmean"], rel=1e-9)
    np.testing.assert_allclose(fitted.training, want["trainDI"], rtol=1e-6)
    index = fitted.dissimilarity(grid[names].to_numpy())
    suffix = "unw" if kind == "unweighted" else "w"
    np.testing.assert_allclose(index, grid[f"DI_{suffix}"], rtol=1e-6, atol=1e-9)
    inside = fitted.is_inside(index)
    assert int(inside.sum()) == want["n_inside"]
    np.testing.assert_array_equal(inside, grid[f"AOA_{suffix}"] == 1)


def test_the_worked_example_of_the_methodology():
    fitted = fit(POINTS, weights=(2, 1), folds=(1, 1, 2, 2, 2))
    np.testing.assert_allclose(fitted.center, [3.4, 2.2])
    np.testing.assert_allclose(fitted.scale, [3.04959, 1.92354], atol=5e-6)
    assert fitted.mean_distance == pytest.approx(2.875387, abs=5e-7)
    want = [0.707732, 0.490689, 0.490689, 1.262832, 1.380388]
    np.testing.assert_allclose(fitted.training, want, atol=5e-7)
    assert fitted.threshold == pytest.approx(1.380388, abs=5e-7)
    index = fitted.dissimilarity([[2, 2], [12, 9]])
    np.testing.assert_allclose(index, [0.228083, 1.547840], atol=5e-7)
    assert fitted.is_inside(index).tolist() == [True, False]


def test_single_precision_predictors_give_the_same_index():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    fitted = fit(x)
    np.testing.assert_array_equal(
        fitted.dissimilarity(x[:9] + np.float32(0.5)),
        fitted.dissimilarity((x[:9] + np.float32(0.5)).astype(np.float64)),
    )


def test_a_training_point_has_no_dissimilarity_and_nan_has_none_to_tell():
    fitted = fit(POINTS)
    index = fitted.dissimilarity([*POINTS, [np.nan, 1]])
    assert index[:-1].tolist() == [0] * 5
    assert np.isnan(index[-1])
    assert not fitted.is_inside(index)[-1]


@given(shift=st.floats(-50, 50), factor=st.floats(0.01, 100), gain=st.floats(0.1, 9))
def test_units_of_predictors_and_of_weights_do_not_matter(shift, factor, gain):
    new = np.array([[2.0, 2.0], [12.0, 9.0]])
    one = fit(POINTS, weights=(2, 1)).dissimilarity(new)
    change = np.array([factor, 1.0])
    other = fit(POINTS * change + shift, weights=(2 * gain, gain))
    np.testing.assert_allclose(
        other.dissimilarity(new * change + shift), one, rtol=1e-6
    )


def test_negative_weights_count_as_zero_and_none_at_all_as_one():
    new = [[2.0, 2.0], [2.0, 90.0]]
    blind = fit(POINTS, weights=(1, -3)).dissimilarity(new)
    assert blind[0] == blind[1]
    np.testing.assert_array_equal(
        fit(POINTS, weights=(-1, 0)).dissimilarity(new), fit(POINTS).dissimilarity(new)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predictors": POINTS * np.nan}, "10 of them not finite"),
        ({"predictors": POINTS * [1, 0]}, "predictor 2 of 2 is constant"),
        ({"weights": [1.0]}, "weights [1.0]"),
        ({"folds": [1] * 5}, "with 1 labels"),
        ({"folds": [1, 2]}, "folds of shape (2,)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_training_set_without_meaning_is_refused(change, said):
    arguments = {"predictors": POINTS, "weights": None, "folds": None} | change
    with pytest.raises(ModelError) as caught:
        fit(arguments.pop("predictors"), **arguments)
    assert said in str(caught.value)


def test_other_predictors_than_the_trained_ones_are_refused():
    with pytest.raises(ModelError, match="Give the predictors"):
        fit(POINTS).dissimilarity([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 700])
def test_the_tree_finds_what_a_full_search_finds(count):
    rng = np.random.default_rng(count)
    points = rng.normal(size=(count, 4)) * [3, 1, 0.3, 0]
    queries = rng.normal(size=(2000, 4)).astype(np.float32) * 4
    found = nearest_distance(build_tree(points), queries.T)
    want = cdist(queries.astype(float), points.astype(np.float32)).min(axis=1)
    np.testing.assert_allclose(found, want, rtol=2e-6, atol=1e-6)


def test_a_query_of_nan_stays_nan_and_spoils_no_other():
    tree = build_tree(POINTS)
    queries = np.array([[0, 0], [np.nan, 1], [1, 2]], np.float32)
    np.testing.assert_array_equal(nearest_distance(tree, queries.T), [0, np.nan, 0])


def window(rng, shape):
    levels = np.array([700, 900, 2500, 2200, 1600])[:, None, None]
    noise = rng.lognormal(sigma=0.5, size=(5, *shape))
    return np.clip(levels * noise, 10, 15_000).astype(np.int16)


def test_a_map_agrees_with_the_exact_index_and_its_decision_everywhere():
    rng = np.random.default_rng(3)
    names = ("ndvi", "ndmi", "brightness")
    reflectance = window(rng, (120, 130))
    table = window(rng, (1, 900)).reshape(5, -1) / 1e4
    sample = dict(zip(BANDS, table, strict=True))
    fitted = fit(feature_matrix(sample, names), weights=(1, 0.2, 0.1))
    index = np.flatnonzero(rng.random(120 * 130) < 0.7)
    found, inside = fitted.map_dissimilarity(names, reflectance, BANDS, index)
    flat = reflectance.reshape(5, -1)[:, index] * np.float32(1e-4)
    x = feature_matrix(dict(zip(BANDS, flat, strict=True)), names)
    exact = fitted.dissimilarity(x)
    np.testing.assert_allclose(found, exact, atol=1e-5)
    np.testing.assert_array_equal(inside, fitted.is_inside(exact))
    assert 0.05 < inside.mean() < 0.999


def test_a_pixel_on_the_threshold_is_decided_in_double_precision():
    names = ("ndvi", "brightness")
    rng = np.random.default_rng(5)
    reflectance = window(rng, (1, 40))
    flat = reflectance.reshape(5, -1) * np.float32(1e-4)
    x = feature_matrix(dict(zip(BANDS, flat, strict=True)), names)
    base = fit(x[:30])
    exact = base.dissimilarity(x[30:])
    for place, limit in enumerate(exact):
        object.__setattr__(base, "threshold", float(limit))
        _, inside = base.map_dissimilarity(names, reflectance, BANDS, np.arange(30, 40))
        np.testing.assert_array_equal(inside, exact <= limit)
        assert inside[place]


def test_the_card_says_threshold_and_relative_weights():
    said = describe(fit(POINTS, weights=(3, 1), folds=(1, 1, 2, 2, 2)), ("a", "b"))
    assert said["weights"] == {"a": 0.75, "b": 0.25}
    assert said["training_inside"] == 1.0

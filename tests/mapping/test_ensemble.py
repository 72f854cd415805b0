from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st

from qhsink.domain.errors import ModelError
from qhsink.mapping.ensemble import (
    NODATA,
    Ensemble,
    Layer,
    predict_composite,
    predict_members,
)
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.lazy_maps import map_members

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
FEATURES = ("ndvi", "nbr", "brightness")


def make_ensemble(
    seed: int = 1,
    *,
    members: int = 5,
    hidden: tuple[int, ...] = (7, 4),
    outputs: int = 1,
) -> Ensemble:
    rng = np.random.default_rng(seed)
    sizes = (len(FEATURES), *hidden, outputs)
    layers = tuple(
        Layer(
            rng.normal(0, 0.8, (members, size, out)).astype(np.float32),
            rng.normal(0, 0.3, (members, out)).astype(np.float32),
        )
        for size, out in pairwise(sizes)
    )
    center = rng.normal(0.2, 0.1, len(FEATURES)).astype(np.float32)
    scale = rng.uniform(0.05, 0.3, len(FEATURES)).astype(np.float32)
    return Ensemble(
        "fvc", "1", FEATURES, center, scale, layers, 0.0, 1.0, outputs=outputs
    )


def member_by_member(ensemble: Ensemble, features: np.ndarray) -> np.ndarray:
    """Plain forward pass in double precision, one member at a time."""
    x = (features.astype(float) - ensemble.center) / ensemble.scale
    out = []
    for member in range(ensemble.members):
        hidden = x
        for layer in ensemble.layers[:-1]:
            hidden = hidden @ layer.weights[member].astype(float) + layer.bias[member]
            hidden = np.where(hidden > 0, hidden, 0)
        last = ensemble.layers[-1]
        out.append(hidden @ last.weights[member].astype(float) + last.bias[member])
    return np.clip(np.concatenate(out, axis=1), 0, 1)


def make_window(seed: int = 2, shape: tuple[int, int] = (33, 47)):
    rng = np.random.default_rng(seed)
    reflectance = rng.integers(50, 6000, (len(BANDS), *shape)).astype(np.int16)
    valid = rng.random(shape) < 0.7
    return reflectance, valid


@pytest.mark.parametrize("hidden", [(), (3,), (7, 4), (5, 6, 2)], ids=str)
@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1500])
def test_batched_members_equal_a_plain_pass_of_each(hidden, count):
    ensemble = make_ensemble(hidden=hidden)
    features = np.random.default_rng(0).uniform(-0.2, 0.9, (count, 3))
    features = features.astype(np.float32)
    got = predict_members(ensemble, features)
    assert got.shape == (count, 5)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, member_by_member(ensemble, features), atol=2e-5)


@pytest.mark.parametrize("count", [1, 513])
def test_outputs_of_a_member_stand_side_by_side_and_members_one_after_another(count):
    ensemble = make_ensemble(outputs=4)
    features = np.random.default_rng(0).uniform(-0.2, 0.9, (count, 3)).astype("f4")
    got = predict_members(ensemble, features)
    assert got.shape == (count, 5 * 4)
    np.testing.assert_allclose(got, member_by_member(ensemble, features), atol=2e-5)


def test_a_window_of_several_outputs_equals_its_features_and_a_lazy_cube():
    reflectance, valid = make_window()
    ensemble = make_ensemble(outputs=3)
    found = predict_composite(ensemble, reflectance, BANDS, valid)
    table = reflectance.reshape(len(BANDS), -1)[:, found.index] * np.float32(1e-4)
    features = feature_matrix(dict(zip(BANDS, table, strict=True)), FEATURES)
    np.testing.assert_array_equal(found.members, predict_members(ensemble, features))
    cube = map_members(ensemble, da.from_array(reflectance, (6, 20, 20)), BANDS)
    planes = cube.compute().reshape(15, -1)[:, found.index]
    np.testing.assert_allclose(planes, found.members.T, atol=1e-6)


def test_perceptron_of_one_unit_equals_calculation_by_hand():
    # relu(2 * (0.5 - 0.1) / 0.2 - 1) * 0.1 + 0.05 = relu(3) * 0.1 + 0.05 = 0.35
    first = Layer(np.full((1, 1, 1), 2, np.float32), np.full((1, 1), -1, np.float32))
    last = Layer(np.full((1, 1, 1), 0.1, np.float32), np.full((1, 1), 0.05, np.float32))
    ensemble = Ensemble(
        "fvc",
        "1",
        ("ndvi",),
        np.array([0.1], np.float32),
        np.array([0.2], np.float32),
        (first, last),
        0.0,
        1.0,
    )
    got = predict_members(ensemble, np.array([[0.5], [0.1], [9.9]], np.float32))
    np.testing.assert_allclose(got[:, 0], [0.35, 0.05, 1.0], rtol=1e-6)


def logged(ensemble: Ensemble, factors, **changed) -> Ensemble:
    smearing = np.array(factors, np.float32)
    return replace(ensemble, transform="log1p", smearing=smearing, **changed)


def test_logged_output_is_turned_back_by_hand_and_clipped():
    flat = Layer(np.zeros((2, 3, 1), np.float32), np.array([[0.35], [0.35]], "f4"))
    ensemble = logged(
        replace(make_ensemble(members=2, hidden=()), layers=(flat,)), [1.0, 1.2]
    )
    x = np.full((3, 3), 0.3, np.float32)
    by_hand = np.exp(0.35) * np.array([1.0, 1.2]) - 1
    got = predict_members(replace(ensemble, high=500.0), x)
    np.testing.assert_allclose(got, np.tile(by_hand, (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(
        predict_members(replace(ensemble, high=0.5), x)[0, 1], 0.5
    )


def test_a_vast_logged_output_meets_the_valid_range_without_overflow():
    last = Layer(np.zeros((2, 3, 1), np.float32), np.array([[900.0], [-900.0]], "f4"))
    ensemble = replace(make_ensemble(members=2, hidden=()), layers=(last,))
    got = predict_members(
        logged(ensemble, [1, 1], low=2.0, high=500.0), np.ones((1, 3), "f4")
    )
    np.testing.assert_allclose(got, [[500.0, 2.0]], rtol=1e-6)


@pytest.mark.parametrize(
    "changed",
    [
        {"transform": "log1p"},
        {"smearing": np.ones(5, np.float32)},
        {"transform": "log1p", "smearing": np.ones(4, np.float32)},
        {"transform": "log1p", "smearing": np.zeros(5, np.float32)},
        {"transform": "log1p", "smearing": np.ones(5, np.float32), "low": -1.0},
        {"transform": "cube"},
    ],
    ids=["no factor", "factor of nothing", "too few", "zero", "below zero", "unknown"],
)
def test_transform_and_factors_that_do_not_fit_are_refused(changed):
    with pytest.raises(ModelError, match="with smearing factors"):
        replace(make_ensemble(), **changed)


@settings(max_examples=25, deadline=None)
@given(block=st.integers(1, 700), seed=st.integers(0, 9))
def test_block_size_changes_nothing(block, seed):
    features = np.random.default_rng(seed).random((600, 3), dtype=np.float32)
    whole = predict_members(make_ensemble(seed), features, block=600)
    parts = predict_members(make_ensemble(seed), features, block=block)
    np.testing.assert_allclose(parts, whole, atol=5e-6)


def test_scikit_learn_gives_the_same_prediction():
    neural = pytest.importorskip("sklearn.neural_network")
    rng = np.random.default_rng(3)
    x, y = rng.random((300, 3)), rng.random(300)
    models = [
        neural.MLPRegressor(
            hidden_layer_sizes=(6, 5), solver="lbfgs", max_iter=20, random_state=seed
        )
        for seed in (0, 1)
    ]
    for model in models:
        with pytest.warns(Warning, match="lbfgs failed to converge"):
            model.fit(x, y)
    layers = tuple(
        Layer(
            np.stack([m.coefs_[d] for m in models]).astype(np.float32),
            np.stack([m.intercepts_[d] for m in models]).astype(np.float32),
        )
        for d in range(3)
    )
    unscaled = np.zeros(3, np.float32), np.ones(3, np.float32)
    ensemble = Ensemble("fvc", "1", FEATURES, *unscaled, layers, -9.0, 9.0)
    expected = np.stack([model.predict(x) for model in models], axis=1)
    got = predict_members(ensemble, x.astype(np.float32))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_missing_features_give_missing_predictions_in_that_row_only():
    features = np.full((4, 3), 0.3, np.float32)
    features[2, 1] = np.nan
    missing = np.isnan(predict_members(make_ensemble(), features)).all(axis=1)
    np.testing.assert_array_equal(missing, [False, False, True, False])


def test_wrong_number_of_features_is_refused_with_their_names():
    with pytest.raises(ModelError, match=r"\(5, 2\); expected \(n, 3\): ndvi, nbr"):
        predict_members(make_ensemble(), np.zeros((5, 2), np.float32))


def test_a_logged_target_of_several_outputs_is_refused():
    with pytest.raises(ModelError, match="with log1p one output"):
        replace(
            make_ensemble(outputs=2), transform="log1p", smearing=np.ones(5, np.float32)
        )


def test_layers_that_do_not_fit_together_are_refused():
    good = make_ensemble()
    with pytest.raises(ModelError, match="layers that fit together"):
        Ensemble("fvc", "1", FEATURES, good.center, good.scale, good.layers[:2], 0, 1)


def test_window_predictions_equal_those_of_its_features():
    reflectance, valid = make_window()
    ensemble = make_ensemble()
    got = predict_composite(ensemble, reflectance, BANDS, valid)
    np.testing.assert_array_equal(got.index, np.flatnonzero(valid))
    bands = {
        name: reflectance[row][valid].astype(np.float32) / 10_000
        for row, name in enumerate(BANDS)
    }
    expected = predict_members(ensemble, feature_matrix(bands, FEATURES))
    np.testing.assert_allclose(got.members, expected, atol=2e-6)
    np.testing.assert_allclose(got.mean, expected.mean(axis=1), atol=2e-6)
    np.testing.assert_allclose(got.spread, expected.std(axis=1, ddof=1), atol=2e-6)


def test_pixels_without_data_in_a_needed_band_are_left_out():
    reflectance, valid = make_window()
    valid[:] = True
    reflectance[BANDS.index("nir"), 3, 5] = NODATA
    reflectance[BANDS.index("blue"), 4, 6] = NODATA
    index = set(predict_composite(make_ensemble(), reflectance, BANDS, valid).index)
    width = valid.shape[1]
    assert 3 * width + 5 not in index
    assert 4 * width + 6 in index, "the model does not use blue"


def test_window_without_valid_pixels_gives_an_empty_prediction():
    reflectance, valid = make_window()
    got = predict_composite(make_ensemble(), reflectance, BANDS, valid & False)
    assert got.members.shape == (0, 5)
    assert got.mean.shape == got.spread.shape == got.index.shape == (0,)


def test_window_is_not_written_to():
    reflectance, valid = make_window()
    before = reflectance.copy(), valid.copy()
    predict_composite(make_ensemble(), reflectance, BANDS, valid)
    np.testing.assert_array_equal(reflectance, before[0])
    np.testing.assert_array_equal(valid, before[1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r, v: (r.astype(np.float32), v),
        lambda r, v: (r[:, :-1], v),
        lambda r, v: (r[:5], v),
    ],
    ids=["floats", "another shape", "a band short"],
)
def test_window_that_is_not_as_described_is_refused(spoil):
    reflectance, valid = spoil(*make_window())
    with pytest.raises(ModelError, match="expected int16"):
        predict_composite(make_ensemble(), reflectance, BANDS, valid)


def test_window_without_a_needed_band_is_refused():
    reflectance, valid = make_window()
    with pytest.raises(ModelError, match="without swir22"):
        predict_composite(make_ensemble(), reflectance[:5], BANDS[:5], valid)


def test_ensemble_of_one_member_has_no_spread_and_is_refused():
    reflectance, valid = make_window()
    with pytest.raises(ModelError, match="at least two"):
        predict_composite(make_ensemble(members=1), reflectance, BANDS, valid)


def test_blas_is_limited_to_one_thread():
    predict_members(make_ensemble(), np.zeros((1, 3), np.float32))
    blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    assert blas
    assert {pool["num_threads"] for pool in blas} == {1}


def test_prediction_does_not_load_scikit_learn_or_dask():
    code = (
        "import sys; import qhsink.mapping.ensemble, qhsink.registry; "
        "print(sorted({'sklearn', 'dask', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


class CountingChunks:
    """A lazy source that counts how often it is read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.reads = values, 0
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, key):
        self.reads += 1
        return self.values[key]


def lazy_cube(seed: int = 2):
    da = pytest.importorskip("dask.array")
    reflectance, _ = make_window(seed)
    reflectance[BANDS.index("red"), 7, 7] = NODATA
    source = CountingChunks(reflectance)
    return source, da.from_array(
        source, chunks=(6, 16, 20), asarray=False, meta=np.empty((0, 0, 0), np.int16)
    )


def test_mapping_a_lazy_cube_computes_nothing_and_adds_one_task_per_chunk():
    source, cube = lazy_cube()
    mapped = map_members(make_ensemble(), cube, BANDS)
    assert source.reads == 0, "not lazy: the source was read"
    assert mapped.shape == (5, 33, 47)
    assert mapped.dtype == np.float32
    assert mapped.chunks[1:] == cube.chunks[1:]
    layer = mapped.dask.layers[mapped.name]
    assert len(layer) == cube.numblocks[1] * cube.numblocks[2]


def test_lazy_map_equals_the_window_prediction():
    source, cube = lazy_cube()
    ensemble = make_ensemble()
    mapped = map_members(ensemble, cube, BANDS).compute(scheduler="synchronous")
    everywhere = np.ones(source.values.shape[1:], bool)
    window = predict_composite(ensemble, source.values, BANDS, everywhere)
    flat = mapped.reshape(5, -1)
    np.testing.assert_allclose(flat[:, window.index].T, window.members, atol=2e-6)
    assert np.isnan(mapped[:, 7, 7]).all()
    assert np.isfinite(flat).all(axis=0).sum() == len(window.index)


def test_dataset_of_floats_maps_like_the_integers_it_came_from():
    xarray = pytest.importorskip("xarray")
    _, cube = lazy_cube()
    floats = cube.astype(np.float32) / 10_000
    floats = floats.map_blocks(lambda b: np.where(b < -1, np.nan, b))
    dataset = xarray.Dataset(
        {name: (("y", "x"), floats[row]) for row, name in enumerate(BANDS)}
    )
    ensemble = make_ensemble()
    got = map_members(ensemble, dataset).compute(scheduler="synchronous")
    expected = map_members(ensemble, cube, BANDS).compute(scheduler="synchronous")
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_dataset_without_a_needed_band_is_refused():
    dataset = SimpleNamespace(data_vars={"red": None, "nir": None})
    with pytest.raises(ModelError, match="bands red, nir without swir22"):
        map_members(make_ensemble(), dataset)


def test_layers_of_other_units_are_read_in_their_own_steps():
    """Heights are whole metres in a cube, reflectance ten-thousandths."""
    plain = make_ensemble()
    ensemble = replace(
        plain,
        features=("ndvi", "elevation", "vv"),
        center=np.array([0.4, 3500.0, -12.0], np.float32),
        scale=np.array([0.2, 500.0, 2.0], np.float32),
    )
    names = ("red", "nir", "elevation", "vv")
    cube = np.array(
        [[[600, 900]], [[3000, 2500]], [[3180, 4021]], [[-1130, -1475]]], np.int16
    )
    units = {
        "red": np.array([0.06, 0.09]),
        "nir": np.array([0.30, 0.25]),
        "elevation": np.array([3180.0, 4021.0]),
        "vv": np.array([-11.30, -14.75]),
    }
    expected = predict_members(ensemble, feature_matrix(units, ensemble.features))
    window = predict_composite(ensemble, cube, names, np.ones((1, 2), bool))
    np.testing.assert_allclose(window.members, expected, atol=1e-5)
    lazy = map_members(ensemble, da.from_array(cube), names)
    np.testing.assert_allclose(lazy.compute()[:, 0].T, expected, atol=1e-5)


def test_a_cube_without_terrain_is_refused_by_a_model_that_needs_it():
    ensemble = replace(make_ensemble(), features=("ndvi", "elevation", "northness"))
    with pytest.raises(ModelError, match="without elevation, slope, aspect"):
        predict_composite(
            ensemble, np.zeros((6, 1, 1), np.int16), BANDS, np.ones((1, 1), bool)
        )

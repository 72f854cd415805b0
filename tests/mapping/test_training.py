from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qhsink.domain.errors import ModelError, TableError
from qhsink.mapping.baselines import baselines, dimidiate
from qhsink.mapping.ensemble import predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.folds import consecutive_runs
from qhsink.mapping.training import (
    ENSEMBLE,
    Recipe,
    Samples,
    compare,
    fit_ensemble,
)
from qhsink.mapping.validation import score

pytest.importorskip("sklearn")
QUICK = Recipe(members=3, epochs=8, folds=3, run_length=5, seed=7)


def known_world(seed: int = 0, count: int = 400) -> Samples:
    """Pixels mixed of green, dry and bare spectra in known shares."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([0.7, 0.7, 0.7], count)
    ends = np.array(
        [
            [0.08, 0.05, 0.45, 0.22, 0.10],
            [0.14, 0.18, 0.30, 0.36, 0.26],
            [0.16, 0.22, 0.28, 0.38, 0.34],
        ]
    )
    pixels = shares @ ends * rng.normal(1, 0.03, (count, 1))
    names = ("green", "red", "nir", "swir16", "swir22")
    return Samples(dict(zip(names, pixels.T, strict=True)), shares[:, 0])


@pytest.mark.parametrize(
    ("ndvi", "power", "by_hand"),
    [(0.05, 1, 0.0), (0.45, 1, 0.5), (0.45, 2, 0.25), (0.9, 1, 1.0), (0.65, 2, 0.5625)],
)
def test_dimidiate_model_equals_calculation_by_hand(ndvi, power, by_hand):
    got = dimidiate(np.array([ndvi]), soil=0.05, full=0.85, power=power)
    assert got[0] == pytest.approx(by_hand)


def test_percentile_endmembers_ignore_the_observations():
    fit = baselines(QUICK.features)["dimidiate, linear, NDVI percentiles 5/95"]
    world = known_world()
    features = feature_matrix(world.reflectance, QUICK.features).astype(float)
    first = fit(features, world.target, 0)(features)
    second = fit(features, 1 - world.target, 0)(features)
    np.testing.assert_array_equal(first, second)
    assert (first == 0).mean() == pytest.approx(0.05, abs=0.01)
    assert (first == 1).mean() == pytest.approx(0.05, abs=0.01)


def test_ensemble_learns_a_known_world():
    world, unseen = known_world(0), known_world(1)
    groups = consecutive_runs(400, length=5)
    recipe = Recipe(members=3, epochs=40, seed=7)
    ensemble = fit_ensemble(world, recipe, groups)
    features = feature_matrix(unseen.reflectance, recipe.features)
    mean = predict_members(ensemble, features).mean(axis=1).astype(float)
    assert score(unseen.target, mean).r2 > 0.95


def test_training_twice_gives_the_same_weights_and_another_seed_others():
    world, groups = known_world(), consecutive_runs(400, length=5)
    one, two = (fit_ensemble(world, QUICK, groups) for _ in range(2))
    other = fit_ensemble(world, Recipe(members=3, epochs=8, seed=8), groups)
    for a, b, c in zip(one.layers, two.layers, other.layers, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
        assert (a.weights != c.weights).any()


def test_members_differ_because_their_samples_do():
    ensemble = fit_ensemble(known_world(), QUICK, consecutive_runs(400, length=5))
    first = ensemble.layers[0].weights
    assert not np.allclose(first[0], first[1])
    assert first.dtype == np.float32


def test_every_model_is_judged_on_samples_it_was_not_fitted_on():
    world = known_world()
    noise = Samples(world.reflectance, np.random.default_rng(5).random(400))
    messages: list[str] = []
    groups = consecutive_runs(400, length=5)
    got = compare(noise, QUICK, groups, report=messages.append, title="runs")
    assert set(got.predictions) == {ENSEMBLE, *baselines(QUICK.features)}
    for name, predicted in got.predictions.items():
        assert np.isfinite(predicted).all(), name
        assert score(noise.target, predicted).r2 < 0.05, f"{name} saw its test samples"
    assert messages == [f"runs: fold {n} of 3" for n in (1, 2, 3)]
    assert (got.spread > 0).all()


def test_taking_rows_takes_every_known_field():
    world = replace(known_world(count=6), x_m=np.arange(6.0), y_m=-np.arange(6.0))
    part = world.take(np.array([4, 1]))
    np.testing.assert_array_equal(part.x_m, [4, 1])
    np.testing.assert_array_equal(part.target, world.target[[4, 1]])
    np.testing.assert_array_equal(
        part.reflectance["nir"], world.reflectance["nir"][[4, 1]]
    )
    assert part.year is None


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"x_m": np.zeros(6)}, "one coordinate without the other"),
        ({"year": np.full(5, 2020)}, "5 values of year for 6 observations"),
    ],
)
def test_samples_whose_fields_do_not_fit_are_refused(known, said):
    with pytest.raises(TableError, match=said):
        replace(known_world(count=6), **known)


def log_normal_world(seed: int, count: int) -> Samples:
    """Biomass that grows with greenness, log-normal around it."""
    world = known_world(seed, count)
    rng = np.random.default_rng(seed + 100)
    expected = np.exp(2.5 + 2.5 * world.target)
    noise = rng.normal(0, 0.6, count)
    return replace(world, target=expected * np.exp(noise - 0.6**2 / 2))


@pytest.mark.parametrize("seed", [0, 2])
def test_smearing_makes_the_mean_of_a_log_normal_target_unbiased(seed):
    recipe = Recipe("agb", "g m-2", 0, 5000, "log1p", members=4, epochs=12, seed=7)
    world, unseen = log_normal_world(seed, 6000), known_world(seed + 1, 6000)
    ensemble = fit_ensemble(world, recipe, consecutive_runs(6000, length=20))
    x = feature_matrix(unseen.reflectance, recipe.features)
    truth = np.exp(2.5 + 2.5 * unseen.target).mean()
    mean = predict_members(ensemble, x).mean(dtype=float)
    assert mean == pytest.approx(truth, rel=0.02)
    plain = replace(ensemble, smearing=np.ones(4, np.float32))
    assert predict_members(plain, x).mean(dtype=float) < 0.9 * truth


def test_units_of_the_target_change_nothing_but_units():
    world = known_world()
    groups = consecutive_runs(400, length=5)
    x = feature_matrix(world.reflectance, QUICK.features)
    share = predict_members(fit_ensemble(world, QUICK, groups), x)
    grams = replace(QUICK, unit="g m-2", high=300.0)
    scaled = replace(world, target=world.target * 300)
    found = predict_members(fit_ensemble(scaled, grams, groups), x)
    np.testing.assert_allclose(found, 300 * share, atol=0.01)


def test_samples_of_more_weight_pull_the_fit_towards_them():
    world = known_world()
    odd = np.arange(400) % 2 == 1
    doubled = replace(world, target=np.where(odd, world.target + 0.3, world.target))
    weight = np.where(odd, 50.0, 1.0)
    groups = consecutive_runs(400, length=5)
    x = feature_matrix(world.reflectance, QUICK.features)
    means = [
        predict_members(fit_ensemble(s, replace(QUICK, high=2.0), groups), x).mean()
        for s in (doubled, replace(doubled, weight=weight))
    ]
    assert means[1] - means[0] == pytest.approx(0.15, abs=0.05)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"transform": "log1p", "low": -1.0}, "a logged target that may be -1"),
        ({"transform": "root"}, "transform 'root'"),
        ({"low": 1.0}, "low below high"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changed, said):
    with pytest.raises(ModelError, match=said):
        replace(QUICK, **changed)

"""One ecosystem per pixel: probabilities, precedence, and a classifier that learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qhsink.domain.errors import ModelError
from qhsink.mapping.ecosystem import (
    choose_class,
    class_probabilities,
    fit_classifier,
    halves_alike,
)
from qhsink.mapping.ensemble import Ensemble, Layer, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.samples import Recipe, Samples

RECIPE = Recipe(
    target="ecosystem", unit="logit", low=-20, high=20, features=("ndvi", "nir"),
    members=3, hidden=(7,), epochs=40, seed=1,
)  # fmt: skip


def test_probabilities_equal_a_calculation_by_hand():
    logits = np.array([[0.0, np.log(2.0), np.log(5.0)]], np.float32)
    found = class_probabilities(logits, classes=3)
    np.testing.assert_allclose(found, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-6)


def test_probabilities_of_several_members_are_averaged_and_not_their_logits():
    logits = np.log([[1.0, 2.0, 5.0, 6.0, 1.0, 1.0]]).astype(np.float32)
    found = class_probabilities(logits, classes=3)
    np.testing.assert_allclose(found, [[7 / 16, 3 / 16, 6 / 16]], rtol=1e-6)


def constant_classifier(*members):
    """A classifier whose members always give these logits, whatever they see."""
    logits = np.array(members, np.float32)
    weights = np.zeros((len(members), 1, logits.shape[1]), np.float32)
    weights[:, 0, 0] = [1.0 if first else 0.0 for first in logits[:, 0]]
    return Ensemble(
        "ecosystem", "logit", ("ndvi",), np.zeros(1, np.float32),
        np.ones(1, np.float32), (Layer(weights, logits),), -20, 20, outputs=3,
    )  # fmt: skip


def test_halves_agree_on_the_weighted_share_that_both_class_alike():
    # The first half adds what it sees to the first class, the other half does not.
    model = constant_classifier([1, 2, 0], [1, 2, 0], [0, 2, 0], [0, 2, 0])
    seen = np.array([[0.0], [0.5], [3.0]], np.float32)
    weight = np.array([1.0, 1.0, 2.0])
    assert halves_alike(model, seen, weight=weight) == pytest.approx(0.5)
    assert halves_alike(model, seen[:2], weight=weight[:2]) == 1.0


def test_a_single_network_has_no_halves():
    model = constant_classifier([1, 2, 0])
    assert halves_alike(model, np.zeros((2, 1), np.float32), weight=np.ones(2)) is None


def test_of_no_pixel_at_all_there_are_no_probabilities():
    assert class_probabilities(np.empty((0, 6), np.float32), classes=3).shape == (0, 3)


@given(arrays(np.float32, (4, 10), elements=st.floats(-20, 20, width=32)))
def test_probabilities_of_a_pixel_sum_to_one(logits):
    found = class_probabilities(logits, classes=5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    assert found.shape == (4, 5)
    assert (found >= 0).all()


@pytest.mark.parametrize(
    ("probability", "tie", "code"),
    [
        ([0.5, 0.3, 0.2], 0.05, 1),
        ([0.2, 0.3, 0.5], 0.05, 7),
        ([0.46, 0.04, 0.5], 0.05, 1),
        ([0.46, 0.04, 0.5], 0.0, 7),
        ([0.1, 0.43, 0.47], 0.05, 5),
    ],
    ids=[
        "the likeliest, which stands first",
        "the likeliest, though it stands last",
        "of two that are tied the first",
        "without ties the likeliest",
        "a tie in which the first of all has no part",
    ],
)
def test_the_class_that_holds_is(probability, tie, code):
    chosen = choose_class(np.array([probability], np.float32), (1, 5, 7), tie=tie)
    assert chosen.tolist() == [code]


def three_classes(counts=(200, 200, 200)):
    """Bare, dry and lush ground, well apart in NDVI."""
    rng = np.random.default_rng(3)
    red, nir, number = [], [], []
    for place, (r, n) in enumerate(((0.3, 0.35), (0.15, 0.3), (0.04, 0.45))):
        red.append(r + 0.005 * rng.standard_normal(counts[place]))
        nir.append(n + 0.005 * rng.standard_normal(counts[place]))
        number.append(np.full(counts[place], float(place)))
    layers = {"red": np.concatenate(red), "nir": np.concatenate(nir)}
    return Samples(layers, np.concatenate(number))


def probabilities(samples, model):
    features = feature_matrix(samples.reflectance, model.features)
    return class_probabilities(predict_members(model, features), classes=3)


def test_a_classifier_learns_classes_that_are_apart():
    samples = three_classes()
    model = fit_classifier(samples, RECIPE, priors=[1 / 3] * 3)
    chosen = choose_class(probabilities(samples, model), range(3), tie=0.05)
    assert (chosen == samples.target).mean() > 0.99
    assert (model.members, model.outputs) == (3, 3)


def test_probabilities_are_the_mean_of_those_of_scikit_learns_networks():
    """Second implementation: the perceptrons that were fitted, asked themselves."""
    from sklearn.neural_network import MLPClassifier

    samples = three_classes()
    model = fit_classifier(samples, RECIPE, priors=[1 / 3] * 3)
    features = feature_matrix(samples.reflectance, RECIPE.features).astype(float)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    theirs = []
    for k in range(RECIPE.members):
        seed = int(np.random.default_rng((RECIPE.seed, 0, k)).integers(2**31))
        one = MLPClassifier(
            hidden_layer_sizes=(7,), alpha=RECIPE.penalty, random_state=seed,
            learning_rate_init=RECIPE.rate, batch_size=RECIPE.batch,
            max_iter=RECIPE.epochs,
        )  # fmt: skip
        with pytest.warns(Warning, match="Maximum iterations"):
            one.fit(scaled, samples.target.astype(int))
        theirs.append(one.predict_proba(scaled))
    np.testing.assert_allclose(
        probabilities(samples, model), np.mean(theirs, axis=0), atol=2e-4
    )


def test_members_differ_though_all_learnt_from_the_same_samples():
    samples = three_classes()
    model = fit_classifier(samples, RECIPE, priors=[1 / 3] * 3)
    features = feature_matrix(samples.reflectance, RECIPE.features)
    logits = predict_members(model, features).reshape(len(features), 3, 3)
    assert np.ptp(logits, axis=1).max() > 0.5


def test_a_class_that_is_rare_on_land_loses_what_oversampling_gave_it():
    samples, one = three_classes(), replace(RECIPE, members=1)
    even = fit_classifier(samples, one, priors=[1 / 3] * 3)
    rare = fit_classifier(samples, one, priors=[0.98, 0.01, 0.01])
    between = Samples({"red": np.array([0.22]), "nir": np.array([0.325])}, np.zeros(1))
    ratio = probabilities(between, even) / probabilities(between, rare)
    # Bayes: the odds of classes 1 and 0 change by the ratio of their priors.
    assert ratio[0, 1] / ratio[0, 0] == pytest.approx(98.0, rel=1e-3)


def test_a_class_without_samples_is_refused():
    samples = three_classes()
    with pytest.raises(ModelError, match="every one from 0 to 3"):
        fit_classifier(samples, RECIPE, priors=[0.25] * 4)


def test_a_feature_that_is_the_same_everywhere_is_refused_by_name():
    samples = three_classes()
    flat = {**samples.reflectance, "nir": np.full(len(samples.target), 0.3)}
    with pytest.raises(ModelError, match="feature nir of one value alone"):
        fit_classifier(Samples(flat, samples.target), RECIPE, priors=[1 / 3] * 3)

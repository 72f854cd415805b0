"""The second opinion: the compiled pass, what it may change, and what it is worth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import cloud_opinion
from qhsink.config import load_run_config
from qhsink.domain.errors import ModelError
from qhsink.imagery.kernels import GROW, USABLE, WATER
from qhsink.imagery.masking import MaskRules, classify_observations
from qhsink.imagery.second_opinion import (
    FEATURES,
    SecondOpinion,
    features_of,
    obscured,
    review,
)
from qhsink.registry.opinions import load_opinion

RULES = MaskRules((4, 5, 6), 6, (0, 1, 2, 3, 4, 5), 7, 20.0, 0.4, 0.11, 20.0)
COUNT = 1_000


def some_opinion(**changes):
    rng = np.random.default_rng(8)
    width = len(FEATURES)
    plain = SecondOpinion(
        id="cloud-00000000",
        center=rng.uniform(0.0, 0.3, width).astype("f4"),
        scale=rng.uniform(0.1, 0.3, width).astype("f4"),
        hidden=rng.normal(0.0, 1.0, (width, 7)).astype("f4"),
        hidden_bias=rng.normal(0.0, 1.0, 7).astype("f4"),
        output=rng.normal(0.0, 1.0, 7).astype("f4"),
        output_bias=0.2,
        reject=0.6,
        rescue=0.3,
    )
    return dataclasses.replace(plain, **changes)


def brightness_alone(**changes):
    """An opinion that is sure of one thing: blue above 0.5 is obscured."""
    zero = np.zeros(len(FEATURES), "f4")
    hidden = zero.copy()
    hidden[0] = 100.0
    return some_opinion(
        center=zero,
        scale=zero + 1,
        hidden=hidden[:, None],
        hidden_bias=np.zeros(1, "f4"),
        output=np.ones(1, "f4"),
        output_bias=-50.0,
        **changes,
    )


def test_features_by_hand():
    seen = features_of(np.array([[500], [800], [1000], [3000], [2000], [1000]], "i2"))
    by_hand = [0.05, 0.08, 0.1, 0.3, 0.2, 0.1, 0.5, -0.12 / 0.28, -0.05 / 0.15]
    np.testing.assert_allclose(seen[:, 0], by_hand, rtol=1e-5)


def test_the_compiled_pass_decides_as_the_plain_formula_does():
    rng = np.random.default_rng(1)
    opinion = some_opinion(output=some_opinion().output * 0.05, output_bias=0.4)
    stack = rng.integers(-200, 9_000, (6, COUNT)).astype("i2")
    scl = rng.choice([4, 5, 6, 8], COUNT).astype("u2")
    before = np.where(scl == 8, GROW, USABLE).astype("u1")
    chance, bits = obscured(opinion, stack), before.copy()
    review(opinion, stack, scl, bits)
    sure = (np.abs(chance - 0.6) > 1e-4) & (np.abs(chance - 0.3) > 1e-4)
    expected = np.where(scl == 8, chance < 0.3, chance <= 0.6)
    np.testing.assert_array_equal(((bits & USABLE) != 0)[sure], expected[sure])
    assert 0.1 < expected.mean() < 0.9


def test_only_clear_ground_and_probable_cloud_are_reviewed():
    scl = np.array([0, 1, 2, 3, 7, 8, 9, 10, 11, 4], "u2")
    dark, bright = np.full((6, 10), 300, "i2"), np.full((6, 10), 7000, "i2")
    before = np.full(10, GROW, "u1")
    before[-1] = USABLE | WATER
    kept, dropped = before.copy(), before.copy()
    review(brightness_alone(), dark, scl, kept)
    review(brightness_alone(), bright, scl, dropped)
    changed = np.flatnonzero(kept != before)
    np.testing.assert_array_equal(changed, [5])
    assert kept[5] == USABLE
    np.testing.assert_array_equal(np.flatnonzero(dropped != before), [9])
    assert dropped[9] == WATER


def test_ground_given_back_no_longer_grows_and_ground_dropped_does_not():
    stack = np.full((1, 6, 1, 7), 1000, "i2")
    stack[0, 0, 0, 5] = 8000
    scl = np.array([[[5, 5, 8, 5, 5, 5, 5]]], "u2")
    shipped = classify_observations(stack, scl, "scl", RULES).clear[0, 0]
    np.testing.assert_array_equal(shipped, [1, 0, 0, 0, 1, 1, 1])
    opinion = brightness_alone()
    found = classify_observations(stack, scl, "scl", RULES, opinion=opinion)
    np.testing.assert_array_equal(found.clear[0, 0], [1, 1, 1, 1, 1, 0, 1])


def test_landsats_classes_stay_as_shipped():
    stack = np.full((1, 6, 2, 2), 8000, "i2")
    mask = np.full((1, 2, 2), 1 << 6, "u2")
    plain = classify_observations(stack, mask, "qa_pixel", RULES)
    asked = classify_observations(
        stack, mask, "qa_pixel", RULES, opinion=brightness_alone()
    )
    assert plain.clear.all()
    np.testing.assert_array_equal(plain.clear, asked.clear)


@pytest.mark.parametrize(
    "change",
    [{"center": np.zeros(4, "f4")}, {"rescue": 0.9}, {"reject": 1.0}, {"rescue": 0.0}],
    ids=["too few features", "rescue above reject", "reject of 1", "rescue of 0"],
)
def test_an_opinion_that_cannot_be_is_refused(change):
    with pytest.raises(ModelError, match="a second opinion of shapes"):
        some_opinion(**change)


def test_on_an_unseen_world_the_shipped_opinion_mends_the_known_failures(
    project_folder, monkeypatch
):
    folder = project_folder / "models" / "masks"
    (name,) = [path.name for path in folder.glob("cloud-*")]
    config = load_run_config(project_folder / "config" / "monitor.toml")
    monkeypatch.setattr(cloud_opinion, "PLACES", 5_000)
    seen = cloud_opinion.observe([499])
    rows = cloud_opinion.confusion(seen, config, load_opinion(folder, name))
    found = {
        key: row[1:] for (key, _), row in zip(cloud_opinion.KINDS, rows, strict=True)
    }
    count, before, after = found["playa"]
    assert before < 0.65 * count < 0.9 * count < after
    for kind, most in (("cirrus", 1.0), ("shadow", 0.5), ("snow", 0.1)):
        assert found[kind][2] < most * found[kind][1]
    assert found["cloud"][2] <= found["cloud"][0] * 0.001
    count, before, after = found["clear"]
    assert after > 0.985 * before

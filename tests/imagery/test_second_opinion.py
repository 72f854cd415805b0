"""The second opinion: the compiled pass, what it may change, and what it is worth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import cloud_opinion
from qhsink.config import load_run_config
from qhsink.domain.errors import ModelError
from qhsink.imagery.departures import RADIUS, departures, reference
from qhsink.imagery.kernels import GROW, USABLE, WATER
from qhsink.imagery.masking import MaskRules, classify_observations
from qhsink.imagery.perceptron import Perceptron
from qhsink.imagery.second_opinion import (
    ALONE,
    COMPARED,
    SecondOpinion,
    features_of,
    review,
)
from qhsink.registry.opinions import load_opinion

RULES = MaskRules((4, 5, 6), 6, (0, 1, 2, 3, 4, 5), 7, 20.0, 0.4, 0.11, 20.0)
COUNT = 1_000
LIMITS = (-32767, 10_000)
MISSING = -32768
WIDTH = len(ALONE)


def some_perceptron(width=WIDTH, **changes):
    rng = np.random.default_rng(8)
    plain = Perceptron(
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


def one_feature(number, above, width=WIDTH):
    """A perceptron that is sure of one thing: this feature above this is obscured."""
    zero = np.zeros(width, "f4")
    hidden = zero.copy()
    hidden[number] = 100.0
    return some_perceptron(
        width,
        center=zero,
        scale=zero + 1,
        hidden=hidden[:, None],
        hidden_bias=np.zeros(1, "f4"),
        output=np.ones(1, "f4"),
        output_bias=-100.0 * above,
    )


def brightness_alone(kind="scl", **parts):
    """An opinion that is sure of one thing: blue above 0.5 is obscured."""
    return SecondOpinion("cloud-00000000", one_feature(0, 0.5), kind, **parts)


def brighter_than_before(**changes):
    """Compared, blue 0.05 above its median is obscured; alone, only blue above 0.5."""
    compared = one_feature(len(ALONE), 0.05, len(COMPARED))
    return brightness_alone(compared=compared, **changes)


def test_features_by_hand():
    seen = features_of(np.array([[500], [800], [1000], [3000], [2000], [1000]], "i2"))
    by_hand = [0.05, 0.08, 0.1, 0.3, 0.2, 0.1, 0.5, -0.12 / 0.28, -0.05 / 0.15]
    np.testing.assert_allclose(seen[:, 0], by_hand, rtol=1e-5)


def test_departures_are_means_over_squares_of_what_is_left_of_the_median():
    rng = np.random.default_rng(3)
    stack = rng.integers(300, 900, (4, 6, 9, 11)).astype("i2")
    clear = rng.random((4, 9, 11)) < 0.9
    medians = reference(stack, clear)
    number = clear.sum(axis=0)
    masked = np.where(clear[:, None], stack.astype(float), np.nan)
    for row, col in np.argwhere(number >= 3):
        middle = np.nanmedian(masked[:, 0, row, col])
        assert abs(medians[0, row, col] - middle) <= 0.5
    assert ((medians[0] == MISSING) == (number < 3)).all()
    counted = clear[0]
    found = departures(stack[0], medians, counted)
    known = counted & (number >= 3)
    for row, col in np.ndindex(9, 11):
        near = np.s_[
            max(row - RADIUS, 0) : row + RADIUS + 1,
            max(col - RADIUS, 0) : col + RADIUS + 1,
        ]
        apart = (stack[0, 2] - medians[2].astype(float))[near][known[near]]
        if number[row, col] < 3:
            assert np.isnan(found[:, row, col]).all()
        else:
            assert found[2, row, col] == pytest.approx(apart.mean() * 1e-4, abs=1e-6)


def test_a_departure_is_bounded_so_that_a_cloud_does_not_drown_its_neighbours():
    stack = np.full((1, 6, 5, 5), 500, "i2")
    stack[:, :, 2, 2] = 9000
    medians = np.full((6, 5, 5), 500, "i2")
    found = departures(stack[0], medians, np.ones((5, 5), bool))
    assert found[0, 2, 2] == pytest.approx(0.1 / 25)


@pytest.mark.parametrize("dates", [1, 4], ids=["alone", "compared"])
def test_the_compiled_pass_decides_as_the_plain_formula_does(dates):
    rng = np.random.default_rng(1)
    small = {"output": some_perceptron().output * 0.05, "output_bias": 0.4}
    alone = some_perceptron(**small)
    compared = some_perceptron(len(COMPARED), **small)
    opinion = SecondOpinion("cloud-00000000", alone, "scl", compared)
    stack = rng.integers(-200, 9_000, (dates, 6, 20, COUNT // 20)).astype("i2")
    scl = rng.choice([4, 5, 6, 8], (dates, 20, COUNT // 20)).astype("u2")
    before = np.where(scl == 8, GROW, USABLE).astype("u1")
    bits = before.copy()
    review(opinion, stack, scl, bits, LIMITS)
    medians = reference(stack, scl != 8)
    for t in range(dates):
        flat = stack[t].reshape(6, -1)
        chance = alone.chance(features_of(flat))
        if dates >= 3:
            everywhere = np.ones(scl[t].shape, bool)
            apart = departures(stack[t], medians, everywhere).reshape(6, -1)
            known = np.isfinite(apart[0])
            assert 0.3 < known.mean() < 1.0
            other = compared.chance(features_of(flat, np.nan_to_num(apart)))
            chance = np.where(known, other, chance)
        sure = (np.abs(chance - 0.6) > 1e-4) & (np.abs(chance - 0.3) > 1e-4)
        cloud = scl[t].reshape(-1) == 8
        expected = np.where(cloud, chance < 0.3, chance <= 0.6)
        found = (bits[t].reshape(-1) & USABLE) != 0
        np.testing.assert_array_equal(found[sure], expected[sure])
        assert 0.1 < expected.mean() < 0.9


def test_only_clear_ground_and_probable_cloud_are_reviewed():
    scl = np.array([[[0, 1, 2, 3, 7, 8, 9, 10, 11, 4]]], "u2")
    dark, bright = np.full((1, 6, 1, 10), 300, "i2"), np.full((1, 6, 1, 10), 7000, "i2")
    before = np.full((1, 1, 10), GROW, "u1")
    before[..., -1] = USABLE | WATER
    kept, dropped = before.copy(), before.copy()
    review(brightness_alone(), dark, scl, kept, LIMITS)
    review(brightness_alone(), bright, scl, dropped, LIMITS)
    changed = np.flatnonzero(kept != before)
    np.testing.assert_array_equal(changed, [5])
    assert kept[0, 0, 5] == USABLE
    np.testing.assert_array_equal(np.flatnonzero(dropped != before), [9])
    assert dropped[0, 0, 9] == WATER


def test_of_qa_pixel_only_cloud_alone_is_given_back():
    cloud, clear = 22_280, 21_824
    values = [cloud, clear, 54_596, 23_888, 30_048, 1, 21_762, cloud | 1 << 4]
    mask = np.array([[values]], "u2")
    stack = np.full((1, 6, 1, len(values)), 1500, "i2")
    shipped = classify_observations(stack, mask, "qa_pixel", RULES)
    opinion = brightness_alone("qa_pixel")
    still = dataclasses.replace(RULES, dilation_m=0.0)
    found = classify_observations(stack, mask, "qa_pixel", still, opinion=opinion)
    assert not shipped.clear[0, 0, 0]
    np.testing.assert_array_equal(found.clear[0, 0], [1, 1, 0, 0, 0, 0, 0, 0])


def test_ground_given_back_no_longer_grows_and_ground_dropped_does_not():
    stack = np.full((1, 6, 1, 7), 1000, "i2")
    stack[0, 0, 0, 5] = 8000
    scl = np.array([[[5, 5, 8, 5, 5, 5, 5]]], "u2")
    shipped = classify_observations(stack, scl, "scl", RULES).clear[0, 0]
    np.testing.assert_array_equal(shipped, [1, 0, 0, 0, 1, 1, 1])
    opinion = brightness_alone()
    found = classify_observations(stack, scl, "scl", RULES, opinion=opinion)
    np.testing.assert_array_equal(found.clear[0, 0], [1, 1, 1, 1, 1, 0, 1])


def test_what_lies_outside_the_range_of_reflectance_is_never_given_back():
    stack = np.full((1, 6, 1, 3), 300, "i2")
    stack[0, 4, 0, 1], stack[0, 3, 0, 2] = 10_001, MISSING
    scl = np.full((1, 1, 3), 8, "u2")
    opinion = brightness_alone()
    found = classify_observations(stack, scl, "scl", RULES, opinion=opinion)
    still = dataclasses.replace(RULES, dilation_m=0.0)
    found = classify_observations(stack, scl, "scl", still, opinion=opinion)
    np.testing.assert_array_equal(found.clear[0, 0], [1, 0, 0])


@pytest.mark.parametrize(
    ("dates", "dropped"), [(3, True), (2, False)], ids=["three dates", "two dates"]
)
def test_a_veil_is_seen_by_comparison_and_never_without_one(dates, dropped):
    stack = np.full((dates, 6, 8, 8), 1000, "i2")
    stack[1] += 600
    scl = np.full((dates, 8, 8), 5, "u2")
    opinion = brighter_than_before()
    found = classify_observations(stack, scl, "scl", RULES, opinion=opinion)
    assert found.clear[0].all()
    assert found.clear[1].any() != dropped


def test_masks_of_another_kind_are_refused():
    stack = np.full((1, 6, 2, 2), 8000, "i2")
    mask = np.full((1, 2, 2), 1 << 6, "u2")
    with pytest.raises(ModelError, match="on masks of kind qa_pixel; expected scl"):
        classify_observations(
            stack, mask, "qa_pixel", RULES, opinion=brightness_alone()
        )


@pytest.mark.parametrize(
    "change",
    [{"center": np.zeros(4, "f4")}, {"rescue": 0.9}, {"reject": 1.0}, {"rescue": 0.0}],
    ids=["too few features", "rescue above reject", "reject of 1", "rescue of 0"],
)
def test_an_opinion_that_cannot_be_is_refused(change):
    with pytest.raises(ModelError, match="a second opinion of"):
        SecondOpinion("cloud-00000000", some_perceptron(**change), "scl")
    with pytest.raises(ModelError, match="a second opinion of"):
        SecondOpinion(
            "cloud-00000000",
            some_perceptron(),
            "scl",
            compared=some_perceptron(len(COMPARED), **change),
        )


MENDED = {
    "scl": {"cirrus": 0.75, "shadow": 0.3, "snow": 0.1},
    "qa_pixel": {"cirrus": 0.75, "shadow": 0.3, "snow": 0.1},
}


@pytest.mark.parametrize("product", cloud_opinion.PRODUCTS, ids=lambda p: p.kind)
def test_on_an_unseen_world_the_shipped_opinions_mend_the_known_failures(
    product, project_folder
):
    folder = project_folder / "models" / "masks"
    found = [load_opinion(folder, path.name) for path in folder.glob("cloud-*")]
    (opinion,) = [o for o in found if o.kind == product.kind and o.compared]
    config = load_run_config(project_folder / "config" / "monitor.toml")
    rules = cloud_opinion.rules_of(config)
    seen = product.observe.func(2_500, 499)
    rows = cloud_opinion.confusion(seen, product.kind, rules, opinion)
    found = {
        key: row[1:] for (key, _), row in zip(cloud_opinion.KINDS, rows, strict=True)
    }
    count, before, _, after = found["playa"]
    assert before < 0.65 * count < 0.8 * count < after
    for kind, most in MENDED[product.kind].items():
        assert found[kind][3] < most * found[kind][1]
    assert found["cloud"][3] <= found["cloud"][0] * 0.001
    count, before, _, after = found["clear"]
    assert after > 0.985 * before

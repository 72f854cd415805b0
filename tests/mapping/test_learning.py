"""The learning curve: more plots, less error."""

from __future__ import annotations

import numpy as np
import pytest

from qhsink.mapping.folds import deal_folds
from qhsink.mapping.learning import learning_curve
from qhsink.mapping.training import Recipe, Samples

RECIPE = Recipe(members=2, epochs=30)


def make_samples(count):
    rng = np.random.default_rng(3)
    cover = rng.random(count)
    bands = {
        "green": 0.15 - 0.08 * cover,
        "red": 0.20 - 0.15 * cover,
        "nir": 0.25 + 0.20 * np.square(cover),
        "swir16": 0.35 - 0.15 * cover,
        "swir22": 0.30 - 0.20 * cover,
    }
    noisy = {
        k: np.clip(v + rng.normal(0, 0.02, count), 0.01, 1) for k, v in bands.items()
    }
    return Samples(noisy, cover)


def folds_of(count):
    return deal_folds(np.arange(count), folds=3, seed=0)


def test_the_error_falls_as_samples_are_added():
    curve = learning_curve(make_samples(300), RECIPE, folds_of(300))
    assert [point.samples for point in curve] == [25, 50, 100, 200]
    assert curve[-1].rmse < curve[0].rmse
    assert curve[-1].r2 > curve[0].r2


def test_the_same_samples_give_the_same_curve():
    one, two = (
        learning_curve(make_samples(60), RECIPE, folds_of(60)) for _ in range(2)
    )
    assert one == two


@pytest.mark.parametrize(("count", "sizes"), [(30, [10, 20]), (45, [15, 30])])
def test_shares_of_too_few_samples_are_left_out(count, sizes):
    curve = learning_curve(make_samples(count), RECIPE, folds_of(count))
    assert [point.samples for point in curve] == sizes

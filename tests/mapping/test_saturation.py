from __future__ import annotations

import numpy as np
import pytest

from qhsink.mapping.saturation import saturation_point


def scattered(seed: int, count: int = 2000):
    rng = np.random.default_rng(seed)
    return rng.random(count), rng.normal(0, 0.05, count)


@pytest.mark.parametrize("seed", range(5))
def test_a_relation_that_levels_off_is_found_where_it_does(seed):
    x, noise = scattered(seed)
    found = saturation_point(x, np.minimum(x, 0.6) + noise)
    assert found == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_a_straight_relation_has_no_such_point(seed):
    x, noise = scattered(seed)
    assert saturation_point(x, 0.7 * x + noise) is None


def test_a_plateau_in_the_middle_is_no_saturation():
    x, noise = scattered(0)
    y = np.where(x < 0.4, x, np.maximum(0.4, x - 0.2))
    assert saturation_point(x, y + noise) is None


def test_few_samples_say_nothing():
    x, noise = scattered(0, count=45)
    assert saturation_point(x, np.minimum(x, 0.6) + noise) is None


def test_a_relation_that_never_rises_has_no_knee():
    x, noise = scattered(0)
    assert saturation_point(x, noise - x) is None
    assert saturation_point(np.ones(100), noise[:100]) is None

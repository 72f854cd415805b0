"""Errors in worlds left out: by hand, and covering what they are to cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qhsink.domain.errors import TableError
from qhsink.estimation.left_out import inflation_of_errors, sum_of_variances


def test_the_factor_and_its_degrees_of_freedom_by_hand():
    """Three worlds that all err by four foreseen standard deviations, one by one.

    K = factor^2 solves 3 x 4 (K - 16) / (4 K + 16) + 4 (K - 1) / (4 K + 1) = 0, that is
    16 K^2 - 177 K - 64 = 0: K = 11.4130. They agree: v = 0.5 / 3 / 3 = 1 / 18, and
    1 / (1 / 4 + 1 / 9) = 2.7692 degrees of freedom.
    """
    found = inflation_of_errors(
        [4.0, -8.0, 4.0], foreseen=[1.0, 4.0, 1.0], members=[0.0] * 3, world=[8, 5, 9]
    )
    assert found.factor**2 == pytest.approx(11.4130, abs=1e-3)
    assert found.df == pytest.approx(2.7692, abs=1e-4)


def test_errors_as_foreseen_leave_the_field_as_it_is():
    found = inflation_of_errors(
        [1.0, -2.0, 3.0], foreseen=[1.0, 4.0, 9.0], members=[0.0] * 3, world=[1, 2, 3]
    )
    assert found.factor == pytest.approx(1.0, abs=1e-4)


def test_what_members_say_is_not_counted_twice():
    """Errors of variance 9: where members tell 5, the field has to give less."""
    error, world = [3.0, -3.0, 3.0], [1, 2, 3]
    alone = inflation_of_errors(
        error, foreseen=[1.0] * 3, members=[0.0] * 3, world=world
    )
    beside = inflation_of_errors(
        error, foreseen=[1.0] * 3, members=[5.0] * 3, world=world
    )
    assert beside.factor < alone.factor < 3.0


def test_worlds_count_alike_however_many_regions_they_have():
    few = inflation_of_errors(
        [2.0, 2.0, 4.0], foreseen=[1.0] * 3, members=[0.0] * 3, world=[1, 2, 3]
    )
    many = inflation_of_errors(
        [2.0] * 51 + [4.0],
        foreseen=[1.0] * 52,
        members=[0.0] * 52,
        world=[1] * 50 + [2, 3],
    )
    assert many.factor == pytest.approx(few.factor)
    assert many.df == pytest.approx(few.df)


def test_one_wild_error_does_not_carry_the_factor_away():
    rng = np.random.default_rng(3)
    error, world = rng.normal(size=96), np.repeat(range(8), 12)
    flat = {"foreseen": np.ones(96), "members": np.zeros(96), "world": world}
    calm = inflation_of_errors(error, **flat)
    error[7] = 30.0
    wild = inflation_of_errors(error, **flat)
    assert calm.factor < wild.factor < 1.2 * calm.factor
    assert np.std(error) > 3.0


def test_a_smaller_unit_changes_nothing():
    rng = np.random.default_rng(4)
    error, world = rng.normal(size=20), np.repeat(range(5), 4)
    one = inflation_of_errors(
        error, foreseen=np.ones(20), members=np.full(20, 0.2), world=world
    )
    other = inflation_of_errors(
        1e3 * error, foreseen=np.full(20, 1e6), members=np.full(20, 2e5), world=world
    )
    assert one.factor == pytest.approx(other.factor, rel=1e-3)
    assert one.df == pytest.approx(other.df, rel=1e-3)


def one_world(rng, regions, common):
    """Return errors of variance 1, of which a share is common to the world."""
    own = rng.normal(size=regions) * (1.0 - common) ** 0.5
    return own + rng.normal() * common**0.5


@pytest.mark.parametrize("worlds", [4, 8])
@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_intervals_of_a_new_world_cover_nine_in_ten_however_much_it_shares(
    worlds, common
):
    """A field that foresees a third of the variance, scaled by few worlds."""
    rng = np.random.default_rng(11)
    inside = []
    for _ in range(400):
        error = np.concatenate([one_world(rng, 12, common) for _ in range(worlds)])
        size = len(error)
        found = inflation_of_errors(
            error,
            foreseen=np.full(size, 1.0 / 3.0),
            members=np.zeros(size),
            world=np.repeat(range(worlds), 12),
        )
        reach = stats.t.ppf(0.95, found.df) * found.factor * (1.0 / 3.0) ** 0.5
        inside.append(np.mean(np.abs(one_world(rng, 12, common)) <= reach))
    assert 0.87 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize(
    ("foreseen", "world", "match"),
    [
        pytest.param([1.0, 1.0], [7, 8], "2 regions in 2 worlds", id="two worlds"),
        pytest.param([1.0, 1.0, 0.0], [7, 8, 9], "foreseen variance", id="no variance"),
        pytest.param([], [], "0 regions in 0 worlds", id="nothing"),
    ],
)
def test_what_cannot_be_left_out_is_refused(foreseen, world, match):
    zeros = np.zeros(len(foreseen))
    with pytest.raises(TableError, match=match):
        inflation_of_errors(zeros, foreseen=foreseen, members=zeros, world=world)


def test_a_sum_of_variances_has_satterthwaites_degrees_of_freedom_by_hand():
    """(4 + 1)^2 / (16 / 8 + 1 / 2) = 10."""
    assert sum_of_variances(((4.0, 8.0), (1.0, 2.0))) == pytest.approx((5.0, 10.0))
    assert sum_of_variances(((0.0, 15.0), (2.0, 7.0))) == pytest.approx((2.0, 7.0))

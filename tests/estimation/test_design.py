"""Sample sizes and allocations against published numbers, by hand and as properties."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from qhsink.domain.errors import TableError
from qhsink.estimation.design import (
    allocate,
    allocation_shares,
    anticipated_se,
    binomial_spread,
    size_for_half_width,
    size_for_standard_error,
    sizes_for_users_accuracy,
)
from qhsink.estimation.placement import (
    cells_in,
    draw_random,
    draw_ranks,
    draw_systematic,
    ranks_to_cells,
)

TABLE_5 = {"weight": (0.02, 0.015, 0.32, 0.645), "users": (0.70, 0.60, 0.90, 0.95)}


def test_olofsson_2014_table_5_needs_641_units():
    found = size_for_standard_error(
        TABLE_5["weight"], binomial_spread(TABLE_5["users"]), 0.01
    )
    assert found == pytest.approx(640.5359220665, rel=1e-10)
    assert np.ceil(found) == 641


@pytest.mark.parametrize(
    ("areas", "users", "target", "printed", "within"),
    [
        (
            (500000, 300000, 150000, 8000, 12000, 30000),
            (0.9, 0.85, 0.9, 0.7, 0.65, 0.9),
            0.01,
            1027,
            2,
        ),
        ((6000, 4000), (0.8, 0.6), 0.05, 76.05, 1),
        ((9000, 1000), (0.9, 0.7), 0.05, 39, 1),
    ],
)
def test_sizes_are_those_of_sepal(areas, users, target, printed, within):
    found = size_for_standard_error(areas, binomial_spread(users), target)
    assert abs(found - printed) <= within


def test_the_cdm_size_is_48_of_which_23_20_and_5():
    weight, spread = (0.5, 0.3, 0.2), (20, 30, 10)
    found = size_for_half_width(weight, spread, 5, confidence=0.90, population=5000)
    assert found == pytest.approx(47.23, abs=0.006)
    share = allocation_shares("neyman", weight, spread)
    assert 47.23 * share == pytest.approx([22.5, 20.2, 4.5], abs=0.05)
    sizes = allocate(48, share, available=(2500, 1500, 1000))
    assert sizes.sum() == 48


def test_the_t_quantile_asks_for_more_and_keeps_its_promise():
    weight, spread = (0.5, 0.3, 0.2), (20, 30, 10)
    normal = size_for_half_width(weight, spread, 5, population=5000)
    found = size_for_half_width(weight, spread, 5, population=5000, use_t=True)
    assert normal < found < normal + 5
    assert found == int(found)


def test_users_accuracy_sizes_solve_their_variance():
    (found,) = sizes_for_users_accuracy([0.8], 0.05, confidence=0.95)
    half = 1.959964 * (0.8 * 0.2 / (found - 1)) ** 0.5
    assert half <= 0.05
    assert 1.959964 * (0.8 * 0.2 / (found - 2)) ** 0.5 > 0.05
    assert sizes_for_users_accuracy([1.0], 0.05).tolist() == [2]


def test_a_minimum_takes_from_the_others():
    share = allocation_shares("proportional", (9000, 1000))
    assert allocate(39, share, available=(9000, 1000), minimum=5).tolist() == [34, 5]


def test_no_stratum_gets_more_than_it_has():
    share = allocation_shares("equal", (10_000, 12, 9000))
    sizes = allocate(100, share, available=(10_000, 12, 9000))
    assert sizes.tolist() == [44, 12, 44]


@pytest.mark.parametrize(
    ("total", "available", "minimum"),
    [(3, (10, 10), 2), (10, (1, 99), 2), (10, (50, 50), 1), (200, (50, 50), 2)],
)
def test_fewer_than_two_in_a_stratum_are_refused(total, available, minimum):
    with pytest.raises(TableError):
        allocate(total, (0.5, 0.5), available=available, minimum=minimum)


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(2, 5000), min_size=1, max_size=8),
    extra=st.integers(0, 200),
    minimum=st.integers(2, 20),
    kind=st.sampled_from(["equal", "proportional"]),
)
def test_allocations_add_up_and_keep_their_bounds(sizes, extra, minimum, kind):
    least = sum(min(minimum, size) for size in sizes)
    total = min(least + extra, sum(sizes))
    found = allocate(
        total, allocation_shares(kind, sizes), available=sizes, minimum=minimum
    )
    assert found.sum() == total
    assert np.all(found <= sizes)
    assert np.all(found >= np.minimum(minimum, sizes))


@settings(deadline=None, max_examples=40)
@given(
    weight=st.lists(st.floats(0.1, 10), min_size=2, max_size=5),
    target=st.floats(0.05, 2),
    data=st.data(),
)
def test_neyman_never_needs_more_than_another_allocation(weight, target, data):
    spread = data.draw(
        st.lists(st.floats(0.1, 9), min_size=len(weight), max_size=len(weight))
    )
    best = size_for_standard_error(weight, spread, target)
    for kind in ("equal", "proportional"):
        other = size_for_standard_error(weight, spread, target, allocation=kind)
        assert best <= other * (1 + 1e-9)
        units = other * allocation_shares(kind, weight)
        assert anticipated_se(weight, spread, units) == pytest.approx(target, rel=1e-9)


HOUSE = shapely.Polygon([(0, 0), (900, 0), (900, 500), (450, 800), (0, 500)])


def test_a_seed_reproduces_a_draw_and_another_gives_another():
    one, same, other = (
        draw_random(HOUSE, 40, cell_m=10, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert one.x.tolist() == same.x.tolist()
    assert one.x.tolist() != other.x.tolist()
    assert len(set(zip(one.x, one.y, strict=True))) == 40
    assert np.all(shapely.contains_xy(HOUSE, one.x, one.y))
    assert np.all(one.x % 10 == 5)


def test_cells_are_counted_by_their_centres():
    assert cells_in(shapely.box(0, 0, 100, 60), 20) == 15
    assert cells_in(shapely.box(0, 0, 89, 60), 20) == 12


def test_every_cell_is_as_likely_as_its_inclusion_probability_says():
    block = shapely.box(0, 0, 50, 40)
    hits = np.zeros((5, 4))
    rng = np.random.default_rng(11)
    for _ in range(800):
        drawn = draw_random(block, 5, cell_m=10, rng=rng)
        np.add.at(hits, (drawn.x.astype(int) // 10, drawn.y.astype(int) // 10), 1)
    assert drawn.probability == pytest.approx(5 / 20)
    # Binomial(800, 1/4): standard deviation 12; 20 cells all within 4.5 of them.
    assert np.all(np.abs(hits - 200) < 55)


def test_a_census_of_a_polygon_takes_every_cell_once():
    drawn = draw_random(
        shapely.box(0, 0, 50, 40), 20, cell_m=10, rng=np.random.default_rng(0)
    )
    assert len(set(zip(drawn.x, drawn.y, strict=True))) == 20
    assert drawn.probability == 1.0


def test_a_systematic_sample_is_a_square_lattice_with_known_probability():
    drawn = draw_systematic(HOUSE, 50, cell_m=10, rng=np.random.default_rng(5))
    steps = np.unique(np.diff(np.unique(drawn.x)))
    assert len(steps) == 1
    assert drawn.probability == pytest.approx((10 / steps[0]) ** 2)
    expected = drawn.available * drawn.probability
    assert expected >= 50
    assert abs(len(drawn.x) - expected) < 15


def test_more_units_than_cells_are_refused():
    with pytest.raises(TableError, match="smaller cells"):
        draw_random(HOUSE, 10**7, cell_m=10, rng=np.random.default_rng(5))
    with pytest.raises(TableError):
        draw_systematic(HOUSE, 10**7, cell_m=10, rng=np.random.default_rng(5))
    with pytest.raises(TableError):
        draw_ranks(3, 4, np.random.default_rng(5))


def test_ranks_point_at_the_cells_of_their_class():
    labels = np.array([[1, 2, 1], [2, 2, 1]])
    assert ranks_to_cells(labels, 2, np.array([0, 2])).tolist() == [1, 4]

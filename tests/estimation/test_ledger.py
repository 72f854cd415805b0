"""The ledger adds up, to the last hectare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhsink.estimation.ledger import (
    LAND,
    UNOBSERVED,
    WATER,
    TileMap,
    ledger_rows,
    mean_and_model_se,
    sum_region,
    total_and_model_se,
)

PIXEL_HA = 0.04


def two_by_two(members, *, water=(False,) * 4, index=(0, 1, 2)) -> TileMap:
    return TileMap(
        tile="t",
        index=np.array(index),
        members=np.array(members, dtype=np.float32),
        is_water=np.array(water).reshape(2, 2),
    )


def test_a_leaf_of_four_pixels_by_hand():
    tile = two_by_two(
        [[0.2, 0.4], [0.6, 0.8], [1.0, 0.0]], water=(False, False, False, True)
    )
    coverage = {"a": (np.arange(4), np.array([1.0, 0.5, 0.25, 1.0]))}
    rows = ledger_rows(tile, coverage, pixel_area_ha=PIXEL_HA).set_index("stratum")
    assert rows.loc[LAND, "area_ha"] == pytest.approx(1.75 * PIXEL_HA)
    assert rows.loc[WATER, "area_ha"] == pytest.approx(PIXEL_HA)
    expected = [(0.2 + 0.3 + 0.25) * PIXEL_HA, (0.4 + 0.4 + 0.0) * PIXEL_HA]
    assert rows.loc[LAND, "member_ha"] == pytest.approx(expected, rel=1e-6)
    assert rows.loc[LAND, "value_ha"] == pytest.approx(np.mean(expected), rel=1e-6)


def test_a_pixel_seen_neither_as_land_nor_water_is_unobserved():
    tile = two_by_two([[0.5]], index=(2,))
    rows = ledger_rows(tile, {"a": (np.arange(4), np.ones(4))}, pixel_area_ha=PIXEL_HA)
    sums = sum_region(rows, ["a"])
    assert sums.unobserved_ha == pytest.approx(3 * PIXEL_HA)
    assert sums.valid_share == pytest.approx(0.25)


def test_water_is_left_out_of_the_valid_share():
    tile = two_by_two([[0.5]], index=(2,), water=(True, True, False, False))
    rows = ledger_rows(tile, {"a": (np.arange(4), np.ones(4))}, pixel_area_ha=PIXEL_HA)
    assert sum_region(rows, ["a"]).valid_share == pytest.approx(0.5)


def test_a_region_without_any_row_has_no_valid_share():
    rows = ledger_rows(two_by_two([[0.5]], index=(0,)), {}, pixel_area_ha=PIXEL_HA)
    assert sum_region(rows, ["nowhere"]).valid_share == 0.0


def test_model_error_is_the_spread_of_member_means_not_of_pixels():
    members = np.tile([0.30, 0.40, 0.50], (4, 1))
    tile = two_by_two(members, index=(0, 1, 2, 3))
    rows = ledger_rows(tile, {"a": (np.arange(4), np.ones(4))}, pixel_area_ha=PIXEL_HA)
    mean, se, df = mean_and_model_se(sum_region(rows, ["a"]))
    assert (mean, se, df) == pytest.approx((0.40, 0.10, 2.0), rel=1e-6)


def test_model_error_does_not_shrink_with_the_number_of_pixels():
    """A parameter error is common to all pixels: 100 times the area, the same se."""
    errors = []
    for edge in (4, 40):
        members = np.tile([0.30, 0.40, 0.50], (edge * edge, 1)).astype(np.float32)
        tile = TileMap("t", np.arange(edge**2), members, np.zeros((edge, edge), bool))
        whole = {"a": (np.arange(edge**2), np.ones(edge**2))}
        rows = ledger_rows(tile, whole, pixel_area_ha=PIXEL_HA)
        errors.append(mean_and_model_se(sum_region(rows, ["a"]))[1])
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    cut=st.floats(0.0, 1.0),
    edge=st.integers(2, 12),
)
def test_two_leaves_that_share_every_pixel_sum_to_the_whole(seed, cut, edge):
    rng = np.random.default_rng(seed)
    size = edge * edge
    known = np.flatnonzero(rng.random(size) < 0.7)
    tile = TileMap(
        "t",
        known,
        rng.random((known.size, 5)).astype(np.float32),
        rng.random((edge, edge)) < 0.2,
    )
    pixels, share = np.arange(size), np.full(size, cut)
    parts = {"a": (pixels, share), "b": (pixels, 1.0 - share)}
    whole = {"w": (pixels, np.ones(size))}
    cut_rows = ledger_rows(tile, parts, pixel_area_ha=PIXEL_HA)
    all_rows = ledger_rows(tile, whole, pixel_area_ha=PIXEL_HA)
    both, one = sum_region(cut_rows, ["a", "b"]), sum_region(all_rows, ["w"])
    assert both.area_ha == pytest.approx(size * PIXEL_HA)
    assert both.land_ha == pytest.approx(one.land_ha)
    assert both.members_ha == pytest.approx(one.members_ha)


def test_rows_of_several_tiles_add_in_any_order():
    tile = two_by_two([[0.2, 0.4], [0.6, 0.8], [1.0, 0.0]])
    whole = {"a": (np.arange(4), np.ones(4))}
    rows = ledger_rows(tile, whole, pixel_area_ha=PIXEL_HA)
    more = rows.assign(tile="u")
    one = sum_region(pd.concat([rows, more]), ["a"])
    other = sum_region(pd.concat([more, rows]), ["a"])
    assert one.members_ha == pytest.approx(other.members_ha, rel=1e-15)
    assert one.unobserved_ha == pytest.approx(2 * PIXEL_HA)
    assert set(rows["stratum"]) == {LAND, UNOBSERVED}


def test_area_inside_is_the_covered_area_of_the_pixels_that_resemble():
    tile = two_by_two([[0.5], [0.7], [0.2]], index=(0, 1, 2))
    tile = replace(tile, is_inside=np.array([True, False, True]))
    parts = {"a": (np.arange(4), np.array([1.0, 0.5, 0.25, 1.0]))}
    rows = ledger_rows(tile, parts, pixel_area_ha=PIXEL_HA).set_index("stratum")
    assert rows.loc[LAND, "area_inside_ha"] == pytest.approx(1.25 * PIXEL_HA)
    assert rows.drop(LAND)["area_inside_ha"].eq(0).all()
    share = sum_region(rows.reset_index(), ["a"]).outside_share
    assert share == pytest.approx(0.5 / 1.75)


def test_area_inside_adds_up_over_leaves_and_tiles():
    tile = two_by_two([[0.5], [0.7]], index=(0, 1))
    tile = replace(tile, is_inside=np.array([True, False]))
    cut = {"a": (np.array([0]), np.ones(1)), "b": (np.array([1]), np.ones(1))}
    rows = ledger_rows(tile, cut, pixel_area_ha=PIXEL_HA)
    assert sum_region(rows, ["a"]).outside_share == 0.0
    assert sum_region(rows, ["b"]).outside_share == 1.0
    assert sum_region(rows, ["a", "b"]).outside_share == pytest.approx(0.5)


def test_without_an_area_of_applicability_the_share_is_unknown_not_zero():
    tile = two_by_two([[0.5], [0.7]], index=(0, 1))
    whole = {"a": (np.arange(4), np.ones(4))}
    rows = ledger_rows(tile, whole, pixel_area_ha=PIXEL_HA)
    assert sum_region(rows, ["a"]).outside_share is None
    known = replace(tile, is_inside=np.array([True, True]))
    more = ledger_rows(known, whole, pixel_area_ha=PIXEL_HA)
    assert sum_region(more, ["a"]).outside_share == 0.0
    assert sum_region(pd.concat([rows, more]), ["a"]).outside_share is None
    earlier = more.drop(columns="area_inside_ha")
    assert sum_region(earlier, ["a"]).outside_share is None


# Targets of one ecosystem: other land counts as seen, and its value is zero.


@pytest.fixture
def forest_on_a_third():
    """Six pixels of 1 ha: two of forest, two of grassland, one wet, one unseen."""
    tile_map = TileMap(
        "t",
        index=np.array([0, 1]),
        members=np.array([[100.0, 120.0], [60.0, 80.0]], np.float32),
        is_water=np.array([[False, False, False], [False, True, False]]),
        is_inside=np.array([True, False]),
        is_other=np.array([[False, False, True], [True, False, False]]),
    )
    whole = {"leaf": (np.arange(6), np.ones(6))}
    return ledger_rows(tile_map, whole, pixel_area_ha=1.0)


def test_strata_of_a_target_add_up_to_the_leaf(forest_on_a_third):
    areas = forest_on_a_third.set_index("stratum")["area_ha"]
    assert areas.to_dict() == {"land": 2, "other": 2, "water": 1, "unobserved": 1}
    sums = sum_region(forest_on_a_third, ["leaf"])
    assert sums.area_ha == 6
    assert sums.valid_share == pytest.approx(4 / 5)


def test_a_total_is_raised_to_land_that_was_not_seen(forest_on_a_third):
    """By hand: members hold 160 and 200 on 4 ha seen, of 5 ha of land."""
    sums = sum_region(forest_on_a_third, ["leaf"])
    value, se, df = total_and_model_se(sums)
    assert value == pytest.approx((160 + 200) / 2 * 5 / 4)
    assert se == pytest.approx(np.std([200.0, 250.0], ddof=1))
    assert df == 1


def test_shares_outside_are_of_the_ecosystem_and_of_its_stock(forest_on_a_third):
    sums = sum_region(forest_on_a_third, ["leaf"])
    assert sums.outside_share == pytest.approx(0.5)
    assert sums.stock_outside_share == pytest.approx(70 / 180)


def test_a_region_without_forest_on_the_map_has_no_total():
    tile_map = TileMap(
        "t",
        index=np.array([], np.int64),
        members=np.zeros((0, 2), np.float32),
        is_water=np.zeros((1, 2), bool),
        is_other=np.ones((1, 2), bool),
    )
    whole = {"leaf": (np.arange(2), np.ones(2))}
    rows = ledger_rows(tile_map, whole, pixel_area_ha=1.0)
    with pytest.raises(ValueError, match="without a prediction"):
        total_and_model_se(sum_region(rows, ["leaf"]))


@given(inside=st.lists(st.booleans(), min_size=1, max_size=40))
def test_value_inside_is_the_sum_over_the_pixels_inside(inside):
    count = len(inside)
    members = np.linspace(1.0, 9.0, 2 * count, dtype=np.float32).reshape(count, 2)
    tile_map = TileMap(
        "t",
        index=np.arange(count),
        members=members,
        is_water=np.zeros((1, count), bool),
        is_inside=np.array(inside),
    )
    whole = {"leaf": (np.arange(count), np.full(count, 0.5))}
    rows = ledger_rows(tile_map, whole, pixel_area_ha=2.0)
    by_hand = members[np.array(inside)].mean(axis=1).sum()
    assert rows["value_inside_ha"].sum() == pytest.approx(by_hand, abs=1e-4)

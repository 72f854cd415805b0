"""Land that was not seen: what land seen at its height holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.estimation.ledger import (
    UNOBSERVED,
    TileMap,
    ledger_rows,
    mean_and_model_se,
    sum_region,
    total_and_model_se,
)
from qhsink.estimation.unseen import HeightBands, fill_by_height

EDGE = 4
WHOLE = {"leaf": (np.arange(EDGE * EDGE), np.ones(EDGE * EDGE))}


def tile_map(value, *, seen, band, other=None, least=1):
    """A tile of 4 x 4 pixels with two members, the second 1 above the first."""
    index = np.flatnonzero(np.ravel(seen))
    first = np.asarray(value, np.float32).ravel()[index]
    heights = None
    if band is not None:
        heights = HeightBands(np.asarray(band, np.int16), least)
    return TileMap(
        "tile",
        index,
        np.stack([first, first + 1], axis=1),
        np.zeros((EDGE, EDGE), bool),
        is_other=other,
        heights=heights,
    )


VALUE = np.repeat([[8.0], [6.0], [2.0], [0.0]], EDGE, axis=1)
BAND = np.repeat([[30], [32], [35], [40]], EDGE, axis=1)
"""Value falls with height, row by row."""
SEEN = np.array(
    [[1, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool
)  # the highest row was never seen


def test_what_was_not_seen_holds_what_its_height_does_by_hand():
    """One of band 32 at 6, three of 35 at 2, four of 40 like 35, the nearest seen."""
    rows = ledger_rows(tile_map(VALUE, seen=SEEN, band=BAND), WHOLE, pixel_area_ha=1.0)
    (missed,) = rows[rows["stratum"] == UNOBSERVED].to_dict("records")
    assert missed["filled_ha"] == missed["area_ha"] == 8.0
    assert missed["member_ha"] == pytest.approx([20.0, 28.0])
    sums = sum_region(rows, ["leaf"])
    seen = 4 * 8.0 + 3 * 6.0 + 2.0
    assert total_and_model_se(sums)[0] == pytest.approx(seen + 20.0 + 0.5 * 16)
    assert sums.dry_member_means == pytest.approx([(seen + 20) / 16, (seen + 36) / 16])
    assert mean_and_model_se(sums)[0] == pytest.approx(seen / 8 + 0.5)


def test_without_heights_the_rest_is_as_land_that_was_seen():
    rows = ledger_rows(tile_map(VALUE, seen=SEEN, band=None), WHOLE, pixel_area_ha=1.0)
    sums = sum_region(rows, ["leaf"])
    assert sums.filled_ha == 0.0
    mean = (4 * 8.0 + 3 * 6.0 + 2.0) / 8 + 0.5
    assert total_and_model_se(sums)[0] == pytest.approx(16 * mean)


def test_a_ledger_of_an_earlier_release_is_raised_as_it_was():
    rows = ledger_rows(tile_map(VALUE, seen=SEEN, band=None), WHOLE, pixel_area_ha=1.0)
    old = sum_region(rows.drop(columns="filled_ha"), ["leaf"])
    assert old.dry_member_means == pytest.approx(old.member_means)


def test_pixels_of_unknown_height_are_raised_with_the_rest():
    band = BAND.copy()
    band[3] = -1
    rows = ledger_rows(tile_map(VALUE, seen=SEEN, band=band), WHOLE, pixel_area_ha=1.0)
    sums = sum_region(rows, ["leaf"])
    assert sums.filled_ha == 4.0
    held = 4 * 8.0 + 3 * 6.0 + 2.0 + 12.0
    assert total_and_model_se(sums)[0] == pytest.approx(16 * (held / 12 + 0.5))


def test_land_of_other_ecosystems_counts_as_seen_and_holds_nothing():
    """Of band 35 one pixel at 2 and three of others: its land holds a half."""
    other = np.zeros((EDGE, EDGE), bool)
    other[2, 1:] = True
    seen = SEEN.copy()
    seen[2] = [1, 0, 0, 0]
    rows = ledger_rows(
        tile_map(VALUE, seen=seen, band=BAND, other=other), WHOLE, pixel_area_ha=1.0
    )
    (missed,) = rows[rows["stratum"] == UNOBSERVED].to_dict("records")
    assert missed["area_ha"] == 5.0
    assert missed["member_ha"] == pytest.approx([6 + 4 * 0.5, 7 + 4 * 0.75])


def test_a_band_with_too_few_pixels_takes_the_nearest_with_enough():
    found = fill_by_height(
        HeightBands(np.array([[1, 1, 1, 2, 3]], np.int16), 2),
        np.array([[4.0], [6.0], [8.0], [100.0]], np.float32),
        np.array([0, 1, 2, 3]),
        np.array([True, True, True, True, False]),
    )
    assert found is not None
    sums, area = found.sums(np.array([3, 4]), np.array([1.0, 1.0]))
    assert (sums.tolist(), area) == ([12.0], 2.0)


@pytest.mark.parametrize("least", [9, 99], ids=["no band has nine", "nor ninety-nine"])
def test_where_no_band_has_enough_nothing_is_filled(least):
    made = tile_map(VALUE, seen=SEEN, band=BAND, least=least)
    rows = ledger_rows(made, WHOLE, pixel_area_ha=1.0)
    assert sum_region(rows, ["leaf"]).filled_ha == 0.0


@given(st.integers(0, 2**16 - 1), st.integers(0, 10**6))
def test_a_map_of_height_alone_is_whole_wherever_something_of_each_height_was_seen(
    hidden, seed
):
    """Where value is a function of the band, filling by band is exact."""
    seen = np.array([hidden >> k & 1 for k in range(16)], bool).reshape(EDGE, EDGE)
    seen[:, 0] = True
    value = np.random.default_rng(seed).uniform(0, 9, (EDGE, 1)).repeat(EDGE, axis=1)
    rows = ledger_rows(tile_map(value, seen=seen, band=BAND), WHOLE, pixel_area_ha=1.0)
    total = total_and_model_se(sum_region(rows, ["leaf"]))[0]
    assert total == pytest.approx(value.sum() + 8.0, rel=1e-5)


@given(st.integers(1, 2**16 - 2))
def test_sums_of_leaves_are_the_sum_of_the_tile(hidden):
    seen = np.array([hidden >> k & 1 for k in range(16)], bool).reshape(EDGE, EDGE)
    made = tile_map(VALUE, seen=seen, band=BAND)
    parts = {
        "a": (np.arange(7), np.ones(7)),
        "b": (np.arange(6, 16), np.r_[0.0, np.ones(9)]),
    }
    whole = sum_region(ledger_rows(made, WHOLE, pixel_area_ha=2.0), ["leaf"])
    split = sum_region(ledger_rows(made, parts, pixel_area_ha=2.0), ["a", "b"])
    assert split.filled_ha == pytest.approx(whole.filled_ha)
    assert split.dry_member_means == pytest.approx(whole.dry_member_means)

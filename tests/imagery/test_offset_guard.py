"""A scene shifted by 0.1 is found, a natural one is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.imagery.offset_guard import SceneLevel, find_shifted

RULE = {"shift": 0.1, "tolerance": 0.04, "max_days": 40}
START = datetime(2025, 6, 1, 4, 17, tzinfo=UTC)

# Alpine meadow greening up and ripening: near infrared moves by 0.17, dark red little.
NATURAL = [
    SceneLevel(f"s{i}", START + timedelta(days=12 * i), red, nir, 5000)
    for i, (red, nir) in enumerate(
        [
            (0.060, 0.19),
            (0.052, 0.23),
            (0.041, 0.29),
            (0.035, 0.34),
            (0.034, 0.36),
            (0.037, 0.35),
            (0.043, 0.31),
            (0.050, 0.27),
        ]
    )
]


def shifted(index, by):
    level = NATURAL[index]
    planted = replace(level, dark_red=level.dark_red + by, nir=level.nir + by)
    return [*NATURAL[:index], planted, *NATURAL[index + 1 :]]


def test_a_season_of_growth_is_not_a_shift():
    assert find_shifted(NATURAL, **RULE) == ()


@pytest.mark.parametrize("index", range(len(NATURAL)))
@pytest.mark.parametrize(
    "by", [0.1, -0.1], ids=["forgotten-offset", "offset-taken-twice"]
)
def test_a_planted_shift_is_found_and_nothing_else(index, by):
    found = find_shifted(shifted(index, by), **RULE)
    assert [finding.item_id for finding in found] == [f"s{index}"]
    assert found[0].shift == pytest.approx(by, abs=0.04)
    assert f"s{index}" not in found[0].neighbours


@pytest.mark.parametrize(
    ("red", "nir"),
    # Thick haze adds light and dims what lies below: bright near infrared hardly moves.
    [(0.07, 0.02), (0.10, 0.0), (0.02, 0.10), (0.35, 0.25), (-0.02, -0.12)],
    ids=["haze", "thick-haze", "lush-growth", "snow-left-unmasked", "burnt-or-mown"],
)
def test_haze_snow_and_growth_are_not_shifts(red, nir):
    level = NATURAL[3]
    odd = replace(level, dark_red=level.dark_red + red, nir=level.nir + nir)
    assert find_shifted([*NATURAL[:3], odd, *NATURAL[4:]], **RULE) == ()


def test_one_neighbour_cannot_say_which_of_two_is_shifted():
    assert find_shifted(shifted(0, 0.1)[:2], **RULE) == ()


def test_scenes_far_apart_are_not_compared():
    levels = [
        replace(level, acquired=START + timedelta(days=90 * i))
        for i, level in enumerate(shifted(3, 0.1))
    ]
    assert find_shifted(levels, **RULE) == ()


def test_a_scene_with_hardly_a_clear_pixel_is_not_judged():
    levels = shifted(3, 0.1)
    levels[3] = replace(levels[3], n_clear=20)
    assert find_shifted(levels, **RULE) == ()


@given(
    series=st.lists(
        st.tuples(st.floats(0.01, 0.069), st.floats(0.0, 0.6)), min_size=2, max_size=12
    )
)
def test_nothing_is_flagged_while_dark_red_stays_natural(series):
    levels = [
        SceneLevel(f"s{i}", START + timedelta(days=5 * i), red, nir, 1000)
        for i, (red, nir) in enumerate(series)
    ]
    assert find_shifted(levels, **RULE) == ()


def test_a_planted_pair_of_opposite_shifts_is_found():
    levels = shifted(1, 0.1)
    levels[6] = shifted(6, -0.1)[6]
    found = find_shifted(levels, **RULE)
    assert [(f.item_id, f.shift > 0) for f in found] == [("s1", True), ("s6", False)]

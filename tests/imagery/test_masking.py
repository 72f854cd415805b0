"""Which observations are clear, checked by hand and as properties."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from qhsink.imagery.encoding import NODATA
from qhsink.imagery.masking import (
    NEVER,
    MaskRules,
    classify_observations,
    grow,
    quality_rank,
)

RULES = MaskRules((4, 5, 6), 6, (0, 1, 2, 3, 4, 5), 7, 0.0, 0.4, 0.11, 20.0)
MEADOW = (300, 600, 500, 3500, 2200, 1200)


def one_pixel(mask, kind, values=MEADOW, rules=RULES):
    reflectance = np.array(values, dtype=np.int16).reshape(1, 6, 1, 1)
    seen = classify_observations(
        reflectance, np.array([[[mask]]], dtype=np.uint16), kind, rules
    )
    return (
        bool(seen.clear[0, 0, 0]),
        bool(seen.water[0, 0, 0]),
        bool(seen.snow[0, 0, 0]),
    )


@pytest.mark.parametrize(
    ("scl", "clear", "water", "snow"),
    [
        pytest.param(0, False, False, False, id="no-data"),
        pytest.param(1, False, False, False, id="saturated"),
        pytest.param(2, False, False, False, id="dark: needs-a-dem"),
        pytest.param(3, False, False, False, id="shadow"),
        pytest.param(4, True, False, False, id="vegetation"),
        pytest.param(5, True, False, False, id="bare"),
        pytest.param(6, True, True, False, id="water"),
        pytest.param(7, False, False, False, id="unclassified"),
        pytest.param(8, False, False, False, id="medium-cloud"),
        pytest.param(9, False, False, False, id="high-cloud"),
        pytest.param(10, False, False, False, id="cirrus"),
        pytest.param(11, False, False, True, id="snow"),
    ],
)
def test_scene_class(scl, clear, water, snow):
    assert one_pixel(scl, "scl") == (clear, water, snow)


@pytest.mark.parametrize(
    ("qa", "clear", "water", "snow"),
    [
        pytest.param(1, False, False, False, id="fill"),
        pytest.param(21824, True, False, False, id="clear-land-of-the-real-scene"),
        pytest.param(21952, True, True, False, id="clear-water-of-the-real-scene"),
        pytest.param(21762, False, False, False, id="dilated-cloud"),
        pytest.param(22280, False, False, False, id="cloud"),
        pytest.param(23888, False, False, False, id="shadow"),
        pytest.param(55052, False, False, False, id="cloud-and-cirrus"),
        pytest.param(21824 | 1 << 5, False, False, True, id="snow"),
        pytest.param(0b10000001, False, False, False, id="fill-hides-the-water-bit"),
    ],
)
def test_qa_pixel(qa, clear, water, snow):
    assert one_pixel(qa, "qa_pixel") == (clear, water, snow)


@pytest.mark.parametrize(
    ("values", "snow"),
    [
        # NDSI = (7000 - 2000) / 9000 = 0.56, near infrared 0.6.
        pytest.param((7000, 7000, 7000, 6000, 2000, 1500), True, id="bright-and-icy"),
        # 0.4 exactly is not above the threshold.
        pytest.param((700, 700, 700, 6000, 300, 150), False, id="ndsi-at-threshold"),
        pytest.param((700, 900, 600, 1000, 200, 150), False, id="dark: nir-0.10"),
        pytest.param((300, 600, 500, 3500, 2200, 1200), False, id="meadow"),
    ],
)
def test_snow_by_ndsi_where_the_scene_class_missed_it(values, snow):
    clear, _, seen = one_pixel(5, "scl", values)
    assert (clear, seen) == (not snow, snow)


def test_water_is_not_snow_however_icy_its_index():
    assert one_pixel(6, "scl", (900, 900, 600, 1200, 100, 50)) == (True, True, False)


@pytest.mark.parametrize(
    ("kind", "mask", "red", "clear"),
    [
        ("scl", 4, -20, True),
        ("qa_pixel", 21824, -20, False),
        ("qa_pixel", 21824, 0, True),
        ("scl", 4, 10_001, False),
        ("qa_pixel", 21824, 10_001, False),
        ("scl", 4, NODATA, False),
    ],
    ids=[
        "sentinel-2-keeps-slightly-negative-shade",
        "landsat-drops-negative",
        "landsat-keeps-zero",
        "sentinel-2-above-one",
        "landsat-above-one",
        "a-band-without-data",
    ],
)
def test_reflectance_out_of_range(kind, mask, red, clear):
    values = (300, 600, red, 3500, 2200, 1200)
    assert one_pixel(mask, kind, values)[0] is clear


@pytest.mark.parametrize(
    ("metres", "pixel", "pixels"),
    [(0, 20, 0), (20, 20, 1), (40, 20, 2), (40, 30, 2), (60, 60, 1), (40, 450, 1)],
    ids=str,
)
def test_dilation_is_at_least_the_distance_asked_for(metres, pixel, pixels):
    rules = dataclasses.replace(RULES, dilation_m=metres, pixel_size_m=pixel)
    assert rules.dilation_px == pixels


def test_cloud_is_grown_and_fill_is_not():
    mask = np.full((1, 7, 7), 4, dtype=np.uint16)
    mask[0, 3, 3] = 9
    mask[0, 0, :] = 0
    reflectance = np.tile(
        np.array(MEADOW, dtype=np.int16).reshape(1, 6, 1, 1), (1, 1, 7, 7)
    )
    rules = dataclasses.replace(RULES, dilation_m=20.0)
    seen = classify_observations(reflectance, mask, "scl", rules)
    expected = np.ones((7, 7), dtype=bool)
    expected[0] = False
    expected[2:5, 2:5] = False
    np.testing.assert_array_equal(seen.clear[0], expected)


@given(
    hit=hnp.arrays(
        bool, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=12)
    ),
    radius=st.integers(0, 4),
)
def test_growth_equals_scipys_square_dilation(hit, radius):
    side = 2 * radius + 1
    expected = ndimage.binary_dilation(hit, np.ones((1, side, side), dtype=bool))
    np.testing.assert_array_equal(grow(hit, radius), expected)


@settings(deadline=None)  # the first call compiles
@given(mask=hnp.arrays(np.uint16, (2, 3, 4)))
def test_an_observation_that_is_clear_ranks_best_and_fill_ranks_never(mask):
    for kind, fill in (("scl", mask == 0), ("qa_pixel", mask & 1 == 1)):
        rank = quality_rank(mask, kind)
        assert (rank[fill] == NEVER).all()
        reflectance = np.tile(
            np.array(MEADOW, dtype=np.int16).reshape(1, 6, 1, 1), (2, 1, 3, 4)
        )
        clear = classify_observations(reflectance, mask, kind, RULES).clear
        cloudy = quality_rank(np.array([9 if kind == "scl" else 1 << 3]), kind)[0]
        assert (rank[clear] < cloudy).all()


def test_no_dates_give_no_observations():
    seen = classify_observations(
        np.empty((0, 6, 4, 4), np.int16), np.empty((0, 4, 4), np.uint16), "scl", RULES
    )
    assert seen.clear.shape == (0, 4, 4)

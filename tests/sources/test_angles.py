"""Angles as real items state them."""

from __future__ import annotations

import json

import pytest

from qhsink.sources.angles import read_angles

STATED = {
    "earth-search__sentinel-2-c1-l2a__S2B_T24MUV_20250731T130245_L2A": (
        (34.5512, 47.3212),
        (9.1935, 102.8724),
    ),
    "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531_raster_ext": (
        (37.9129, 170.1480),
        None,
    ),
    "earth-search__landsat-c2-l2__LC08_L2SP_033032_20231008_02_T1": (
        (48.8128, 157.5995),
        None,
    ),
}


@pytest.mark.parametrize("name", STATED, ids=["c1", "planetary computer", "landsat"])
def test_real_items_give_sun_and_where_stated_view(shared_dir, name):
    path = shared_dir / "data" / "stac_fixtures" / f"{name}.json"
    found = read_angles(json.loads(path.read_text("utf-8"))["properties"])
    sun, view = STATED[name]
    assert found.sun == pytest.approx(sun, abs=1e-4)
    assert found.view == (None if view is None else pytest.approx(view, abs=1e-4))


def test_earth_engines_words_are_known():
    found = read_angles(
        {
            "MEAN_SOLAR_ZENITH_ANGLE": 30.5,
            "MEAN_SOLAR_AZIMUTH_ANGLE": 140.0,
            "MEAN_INCIDENCE_ZENITH_ANGLE_B8A": 7.5,
            "MEAN_INCIDENCE_AZIMUTH_ANGLE_B8A": 285.0,
        }
    )
    assert found == ((30.5, 140.0), (7.5, 285.0))
    assert read_angles({"SUN_ELEVATION": 60.0, "SUN_AZIMUTH": 120.0}).sun == (30, 120)


def test_half_a_direction_is_none():
    assert read_angles({"view:sun_azimuth": 120.0}) == (None, None)
    assert read_angles({}) == (None, None)


def test_words_for_numbers_are_an_error():
    with pytest.raises(ValueError, match="could not convert"):
        read_angles({"view:sun_elevation": "high", "view:sun_azimuth": 1.0})

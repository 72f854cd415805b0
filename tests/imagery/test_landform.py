"""Slope, aspect and the sun on planes whose answer is known."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from qhsink.imagery.landform import landform, sun_vector
from qhsink.twin.sun import sun_position

UP = np.array([0.0, 0.0, 1.0], np.float32)[:, None, None]


def plane(to_right, to_top, size=6, pixel=30.0):
    """Heights of a plane, rows from top to bottom."""
    col, row = np.meshgrid(np.arange(size), np.arange(size))
    return 3000.0 + pixel * (to_right * col - to_top * row)


@pytest.mark.parametrize(
    ("to_right", "to_top", "slope", "aspect"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (1.0, 0.0, 45.0, 270.0),  # rises to the east: falls to the west
        (-1.0, 0.0, 45.0, 90.0),
        (0.0, -0.5, 26.565, 0.0),  # falls to the north
        (0.0, 0.5, 26.565, 180.0),
        (-0.3, -0.3, 22.988, 45.0),
    ],
)
def test_a_plane_falls_where_it_falls(to_right, to_top, slope, aspect):
    found = landform(plane(to_right, to_top), 30.0, np.broadcast_to(UP, (3, 4, 4)))
    assert found["slope"] == pytest.approx(slope, abs=0.01)
    assert found["aspect"] % 360.0 == pytest.approx(aspect, abs=0.01)
    assert found["cos_i"] == pytest.approx(np.cos(np.radians(slope)), abs=1e-4)


@pytest.mark.parametrize(("zenith", "azimuth"), [(30.0, 135.0), (55.0, 200.0)])
def test_light_is_that_of_the_textbook(zenith, azimuth):
    """cos z cos s + sin z sin s cos(azimuth - aspect)."""
    z, a = np.radians([zenith, azimuth])
    sun = np.array([np.sin(z) * np.sin(a), np.sin(z) * np.cos(a), np.cos(z)])
    found = landform(plane(-0.4, 0.2), 30.0, np.broadcast_to(
        sun[:, None, None].astype(np.float32), (3, 4, 4)
    ))  # fmt: skip
    s, downhill = np.radians(found["slope"]), np.radians(found["aspect"])
    by_hand = np.cos(z) * np.cos(s) + np.sin(z) * np.sin(s) * np.cos(a - downhill)
    np.testing.assert_allclose(found["cos_i"], by_hand, atol=1e-5)


def test_an_unknown_height_leaves_its_neighbours_without_terrain():
    heights = plane(0.1, 0.1, size=8)
    heights[3, 3] = np.nan
    found = landform(heights, 30.0, np.broadcast_to(UP, (3, 6, 6)))
    missing = np.isnan(found["elevation"])
    assert missing.sum() == 9
    for name in ("slope", "aspect", "cos_i"):
        np.testing.assert_array_equal(np.isnan(found[name]), missing)


@pytest.mark.parametrize("latitude", [31.6, 36.0, 39.2])
@pytest.mark.parametrize("month", [6, 8])
def test_the_sun_stands_where_an_ephemeris_has_it(latitude, month):
    """At 10:30 of the sun's time, in August six minutes behind the clock's."""
    noon = datetime(2025, month, 8, 12, 0, tzinfo=UTC)
    east, north, up = sun_vector(np.array(latitude), noon.timetuple().tm_yday)
    assert east**2 + north**2 + up**2 == pytest.approx(1.0)
    heights = [
        sun_position(noon.replace(hour=h, minute=m), 0.0, latitude)
        for h in (10, 11) for m in range(0, 60, 2)
    ]  # fmt: skip
    azimuth = np.degrees(np.arctan2(east, north)) % 360.0
    near = min(heights, key=lambda pair: abs(pair[1] - azimuth))
    assert np.degrees(np.arcsin(up)) == pytest.approx(near[0], abs=0.6)

"""Granules and the sun, against names and extents of real products."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pyproj
import pytest
import shapely

from qhsink.domain.errors import BadInput
from qhsink.grid import qinghai_albers
from qhsink.twin.granules import Granule, granules_over
from qhsink.twin.sun import sun_position


@pytest.mark.parametrize(
    ("zone", "easting", "northing", "name", "left", "top"),
    [
        # Extents of the real granules T31TCJ (Toulouse), T32TQM (Adriatic), T47SPB.
        (31, 300_000, 4_800_000, "31TCJ", 300_000, 4_900_020),
        (32, 700_000, 4_600_000, "32TQM", 699_960, 4_700_040),
        (47, 600_000, 4_100_000, "47SPB", 600_000, 4_200_000),
    ],
    ids=str,
)
def test_names_and_corners_are_those_of_real_granules(
    zone, easting, northing, name, left, top
):
    granule = Granule(zone, easting, northing, 60)
    assert (granule.name, granule.left, granule.top) == (name, left, top)
    assert granule.size == 1830


def test_granules_cover_the_area_across_a_zone_border():
    crs = qinghai_albers()
    to_grid = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    x, y = to_grid.transform(102.0, 36.5)
    area = shapely.Point(x, y).buffer(60_000)
    parts = granules_over(area, crs, pixel_size=60)
    assert {granule.zone for granule, _ in parts} >= {47}
    left = area.difference(shapely.union_all([part for _, part in parts]))
    assert left.area < 60.0**2
    for granule, part in parts:
        to_utm = pyproj.Transformer.from_crs(crs, granule.epsg, always_xy=True)
        moved = shapely.transform(
            part, lambda p, t=to_utm: np.column_stack(t.transform(*p.T))
        )
        assert granule.frame.outline.buffer(5).contains(moved)


def test_interpolated_places_are_within_a_tenth_of_a_metre():
    granule, crs = Granule(47, 600_000, 4_100_000, 60), qinghai_albers()
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(0, granule.size, (2, 2_000))
    x, y = granule.frame.places(rows, columns, crs)
    exact = pyproj.Transformer.from_crs(granule.epsg, crs, always_xy=True).transform(
        granule.left + (columns + 0.5) * 60, granule.top - (rows + 0.5) * 60
    )
    assert np.hypot(x - exact[0], y - exact[1]).max() < 0.1


@pytest.mark.parametrize("size", [0.0, -60.0, 50.0])
def test_a_pixel_size_off_the_60_metre_lattice_is_refused(size):
    area = shapely.box(-4e5, 4e6, -3.9e5, 4.01e6)
    with pytest.raises(BadInput, match="multiple of 60"):
        granules_over(area, qinghai_albers(), pixel_size=size)


def test_the_sun_stands_where_real_items_say(shared_dir):
    folder = shared_dir / "data" / "stac_fixtures"
    items = sorted(folder.glob("earth-search__sentinel-2-c1-l2a__*.json"))
    assert items
    for path in items:
        item = json.loads(path.read_text("utf-8"))
        properties = item["properties"]
        centre = properties["proj:centroid"]
        when = datetime.fromisoformat(properties["datetime"]).astimezone(UTC)
        elevation, azimuth = sun_position(when, centre["lon"], centre["lat"])
        # Items state the mean over the granule, whose middle is not the centroid.
        assert elevation == pytest.approx(properties["view:sun_elevation"], abs=0.6)
        assert azimuth == pytest.approx(properties["view:sun_azimuth"], abs=1.2)

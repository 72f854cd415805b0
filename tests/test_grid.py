"""The grid carries true areas, or is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import wkt
from shapely.geometry import Point, box

from qhsink.domain.errors import GridError
from qhsink.grid import (
    Grid,
    areal_distortion,
    coverage,
    crs_wkt,
    named_crs,
    qinghai_albers,
    transformer,
)


@pytest.fixture(scope="module")
def grid():
    return Grid(qinghai_albers(), 20.0, tile_px=256, block_px=256)


@pytest.mark.parametrize("name", ["qinghai-albers", "EPSG:6933", "EPSG:3035"])
def test_an_equal_area_crs_is_accepted(name):
    assert areal_distortion(named_crs(name)) < 1e-6


@pytest.mark.parametrize(
    "name", ["EPSG:4326", "EPSG:3857", "EPSG:32647"], ids=["degrees", "web map", "UTM"]
)
def test_a_crs_that_changes_areas_is_refused(name):
    with pytest.raises(GridError, match="expected an equal-area projected CRS"):
        Grid(named_crs(name), 20.0)


def test_an_unknown_crs_is_refused_by_name():
    with pytest.raises(GridError, match="'no-such-crs'"):
        named_crs("no-such-crs")


@pytest.mark.parametrize(
    ("pixel", "tile", "block"), [(0.0, 512, 256), (20.0, 500, 256), (20.0, 300, 100)]
)
def test_sizes_that_do_not_fit_are_refused(pixel, tile, block):
    with pytest.raises(GridError, match="blocks that divide the tile"):
        Grid(qinghai_albers(), pixel, tile, block)


def test_tiles_share_one_fixed_origin(grid):
    corner = grid.tile(0, 0).geobox.boundingbox
    assert (corner.left, corner.top) == (0.0, 0.0)
    edge = 256 * 20.0
    beside = grid.tile(-3, 5).geobox.boundingbox
    assert (beside.left, beside.top) == (-3 * edge, -5 * edge)


@settings(deadline=None, max_examples=25)
@given(x=st.floats(-9e5, 9e5), y=st.floats(3.4e6, 4.4e6), r=st.floats(100, 9000))
def test_the_tiles_over_a_disc_hold_all_of_its_area_once(x, y, r):
    grid = Grid(qinghai_albers(), 20.0, tile_px=256, block_px=256)
    disc = Point(x, y).buffer(r)
    covered = sum(
        coverage(tile.geobox, disc)[1].sum() * grid.pixel_area_ha
        for tile in grid.tiles_over(disc)
    )
    assert covered == pytest.approx(disc.area / 1e4, rel=1e-7)


def test_a_region_that_only_touches_a_tile_is_not_on_it(grid):
    edge = 256 * 20.0
    square = box(0.0, -edge, edge, 0.0)
    assert [(t.col, t.row) for t in grid.tiles_over(square)] == [(0, 0)]


def test_coverage_equals_published_fractions(shared_dir):
    folder = shared_dir / "cases" / "exactextract_coverage"
    cases = json.loads((folder / "inputs.json").read_text())["cases"]
    published = json.loads((folder / "expected.json").read_text())["coverage_fraction"]
    compared = 0
    for case in (c for c in cases if c["name"] in published):
        west, south, east, north = case["extent_xmin_ymin_xmax_ymax"]
        size = case["cell"]
        shape = (round((north - south) / size), round((east - west) / size))
        affine = Affine(size, 0.0, west, 0.0, -size, north)
        lattice = GeoBox(shape, affine, qinghai_albers().to_wkt())
        index, fraction = coverage(lattice, wkt.loads(case["wkt"]))
        found = np.zeros(shape)
        found.ravel()[index] = fraction
        expected = np.array(published[case["name"]])
        assert found == pytest.approx(expected, abs=1e-7), case["name"]
        compared += 1
    assert compared >= 8


def test_a_pixel_half_covered_counts_half():
    affine = Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    lattice = GeoBox((2, 2), affine, qinghai_albers().to_wkt())
    index, fraction = coverage(lattice, box(0.0, -1.0, 1.5, 0.0))
    assert index.tolist() == [0, 1]
    assert fraction.tolist() == pytest.approx([1.0, 0.5])


def dense_area(crs, west, south, east, north):
    """Area of a geographic box in ``crs``, its edges densified [m2]."""
    lon = np.linspace(west, east, 2000)
    lat = np.linspace(south, north, 2000)
    ring_lon = np.concatenate(
        [lon, np.full(2000, east), lon[::-1], np.full(2000, west)]
    )
    ring_lat = np.concatenate(
        [np.full(2000, south), lat, np.full(2000, north), lat[::-1]]
    )
    to_grid = pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)
    x, y = to_grid.transform(ring_lon, ring_lat)
    x, y = x - x[0], y - y[0]
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


@pytest.mark.parametrize("south", [31.5, 35.0, 38.3])
def test_a_one_degree_cell_keeps_its_closed_form_area(south):
    area = dense_area(qinghai_albers(), 97, south, 98, south + 1)
    assert area == pytest.approx(authalic_cell(south, south + 1), rel=1e-7)


def test_boxes_keep_their_published_area(shared_dir):
    folder = shared_dir / "cases" / "geodesic_pixel_area"
    boxes = json.loads((folder / "expected.json").read_text())["boxes"]
    assert len(boxes) >= 5
    for entry in boxes:
        area = dense_area(qinghai_albers(), *entry["lon_lat"])
        assert area == pytest.approx(entry["exact_ellipsoid_m2"], rel=2e-7), entry


def authalic_cell(south, north):
    """Area of a one-degree cell between parallels, closed form on GRS80 [m2]."""
    a, f = 6378137.0, 1 / 298.257222101
    e = math.sqrt(f * (2 - f))

    def q(lat):
        s = math.sin(math.radians(lat))
        return s / (1 - (e * s) ** 2) + math.atanh(e * s) / e

    b2 = a * a * (1 - e * e)
    return math.radians(1.0) * b2 / 2 * (q(north) - q(south))


def test_a_lattice_without_a_crs_is_refused():
    with pytest.raises(GridError, match="without a CRS"):
        crs_wkt(GeoBox((1, 1), Affine.identity(), None))


def test_the_way_between_two_crs_is_found_once_and_is_pyproj_s_own():
    crs = qinghai_albers()
    kept = transformer("EPSG:4326", crs)
    assert transformer(4326, qinghai_albers()) is kept
    plain = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    lon, lat = np.array([92.0, 97.5, 102.9]), np.array([32.0, 36.1, 38.9])
    np.testing.assert_array_equal(
        kept.transform(lon, lat), plain.transform(lon, lat), strict=True
    )
    back = transformer(crs, "EPSG:4326").transform(*kept.transform(lon, lat))
    np.testing.assert_allclose(back, (lon, lat), rtol=0, atol=1e-9)

"""GCJ-02 is recognised, and our own boundaries never are."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from shapely.geometry import box

from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.regions.datum import gcj02_from_wgs84, gcj02_shift, recognise_datum
from qhsink.regions.shapes import project

CRS = qinghai_albers()
DEGREES = pyproj.CRS("EPSG:4490")
TRAP = ["630000", "630100", "630200", "632200", "632300", "632500", "632600", "632700",
        "632800"]  # fmt: skip


@pytest.fixture(scope="module")
def database(project_folder):
    return load_database(project_folder / "aoi" / "qinghai.gpkg")


@pytest.fixture(scope="module")
def boundary(database):
    return database.known_boundary(CRS)


def counties(database):
    return {
        region.id: database.geometry(region.id, CRS)
        for region in database.regions
        if region.kind == "county"
    }


def to_gcj02(geometry):
    return shapely.transform(geometry, lambda xy: xy + gcj02_shift(xy, CRS))


def jittered(geometry, metres):
    """Move every vertex to and fro by about ``metres``, as a digitiser's hand does."""
    wave = shapely.segmentize(geometry, 300.0)
    return shapely.transform(
        wave, lambda xy: xy + metres * np.sqrt(2) * np.sin(xy[:, ::-1] / 37.0)
    )


def test_the_formula_gives_the_published_shanghai_point():
    """The test vector of eviltransform: 31.1774276N 121.5272106E."""
    lon, lat = gcj02_from_wgs84(np.array([121.5272106]), np.array([31.1774276]))
    assert lon[0] == pytest.approx(121.531541859215, abs=1e-9)
    assert lat[0] == pytest.approx(31.17530398364597, abs=1e-9)


@pytest.mark.parametrize("adcode", TRAP)
def test_every_file_shifted_by_amap_is_recognised(adcode, shared_dir, boundary):
    text = (shared_dir / "data" / "gcj02_trap" / f"{adcode}.geojson").read_text()
    candidate = project(shapely.from_geojson(text), DEGREES, CRS)
    verdict = recognise_datum(candidate, boundary, CRS)
    assert verdict.datum == "gcj02", verdict
    assert "GCJ-02" in verdict.reason
    assert verdict.east_m > 50


@pytest.mark.parametrize("adcode", ["630100", "632300", "632500", "632700"])
def test_the_same_files_moved_back_are_not(adcode, shared_dir, boundary):
    text = (shared_dir / "data" / "gcj02_trap" / f"{adcode}.geojson").read_text()
    candidate = project(shapely.from_geojson(text), DEGREES, CRS)
    back = shapely.transform(candidate, lambda xy: xy - gcj02_shift(xy, CRS))
    assert recognise_datum(back, boundary, CRS).datum == "wgs84-like"


def test_no_county_of_ours_is_called_shifted(database, boundary):
    found = {
        name: recognise_datum(geometry, boundary, CRS).datum
        for name, geometry in counties(database).items()
    }
    assert set(found.values()) == {"wgs84-like"}, found


@pytest.mark.parametrize(
    "drawn",
    [lambda g: g.simplify(50.0), lambda g: jittered(g, 20.0)],
    ids=["simplified by 50 m", "digitised with 20 m of jitter"],
)
@pytest.mark.parametrize("adcode", ["632222", "632324", "630104", "632626"])
def test_a_county_drawn_less_well_is_not_called_shifted(
    adcode, drawn, database, boundary
):
    candidate = drawn(database.geometry(adcode, CRS))
    assert recognise_datum(candidate, boundary, CRS).datum == "wgs84-like"


@pytest.mark.parametrize("adcode", ["632222", "632324", "630104", "632626", "632801"])
def test_a_county_put_through_the_formula_is_recognised(adcode, database, boundary):
    shifted = to_gcj02(jittered(database.geometry(adcode, CRS), 20.0))
    verdict = recognise_datum(shifted, boundary, CRS)
    assert verdict.datum == "gcj02"
    assert verdict.share_of_shift == pytest.approx(1.0, abs=0.2)


def test_the_translation_is_found_within_its_pitch(database, boundary):
    county = database.geometry("632324", CRS)
    centre = shapely.get_coordinates(county.centroid)
    expected = gcj02_shift(centre, CRS)[0]
    verdict = recognise_datum(to_gcj02(county), boundary, CRS)
    assert np.hypot(verdict.east_m - expected[0], verdict.north_m - expected[1]) < 40


def test_half_a_county_bounded_by_a_new_line_is_still_recognised(database, boundary):
    county = database.geometry("632222", CRS)
    west, south, east, north = county.bounds
    half = county.intersection(box(west, south, (west + east) / 2, north))
    assert recognise_datum(half, boundary, CRS).datum == "wgs84-like"
    assert recognise_datum(to_gcj02(half), boundary, CRS).datum == "gcj02"


def test_a_parcel_that_touches_no_boundary_tells_nothing(database, boundary):
    centre = database.geometry("632324", CRS).representative_point()
    verdict = recognise_datum(centre.buffer(3_000), boundary, CRS)
    assert verdict.datum == "undecidable"
    assert "runs along a known boundary" in verdict.reason


def test_a_parcel_that_only_crosses_a_boundary_tells_nothing(database, boundary):
    vertex = shapely.get_coordinates(database.geometry("632324", CRS))[40]
    parcel = shapely.Point(vertex).buffer(5_000)
    assert recognise_datum(parcel, boundary, CRS).datum == "undecidable"


def test_one_straight_shared_edge_tells_nothing():
    known = shapely.MultiLineString([[(0, 3.9e6), (200_000, 3.9e6)]])
    parcel = box(20_000, 3.9e6 + 90, 120_000, 3.95e6)
    verdict = recognise_datum(parcel, known, CRS)
    assert verdict.datum == "undecidable"
    assert "one direction" in verdict.reason


def test_a_county_moved_another_way_is_neither(database, boundary):
    moved = shapely.transform(
        database.geometry("632324", CRS), lambda xy: xy + np.array([-150.0, 0.0])
    )
    verdict = recognise_datum(moved, boundary, CRS)
    assert verdict.datum == "undecidable"
    assert verdict.east_m == pytest.approx(-150, abs=30)

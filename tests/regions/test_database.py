"""The shipped database: complete, named, true in area, adding up exactly."""

from __future__ import annotations

import math
import shutil
import tomllib
from itertools import pairwise

import pyproj
import pytest
import shapely
from shapely.geometry.polygon import orient

from qhsink.domain.errors import RegionError
from qhsink.grid import named_crs, qinghai_albers
from qhsink.regions.build import build_database
from qhsink.regions.database import (
    COLUMNS,
    load_database,
    load_leaves,
    read_shapes,
    write_database,
)
from qhsink.regions.shapes import RegionShape, project, same_crs

CRS = qinghai_albers()
GEOD = pyproj.Geod(ellps="GRS80")


@pytest.fixture(scope="module")
def path(project_folder):
    return project_folder / "aoi" / "qinghai.gpkg"


@pytest.fixture(scope="module")
def aoi(project_folder, tmp_path_factory):
    """The shipped folder without a user's regions."""
    folder = tmp_path_factory.mktemp("aoi") / "aoi"
    shutil.copytree(
        project_folder / "aoi", folder, ignore=shutil.ignore_patterns("user.gpkg")
    )
    return folder


@pytest.fixture(scope="module")
def database(aoi):
    return load_database(aoi / "qinghai.gpkg")


@pytest.fixture(scope="module")
def leaves(aoi):
    return load_leaves(aoi / "qinghai.gpkg", CRS)


def of_kind(database, kind):
    return [region for region in database.regions if region.kind == kind]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("province", 1), ("prefecture", 8), ("county", 45), ("national_park", 4)],
)
def test_the_places_are_complete(database, kind, count):
    assert len(of_kind(database, kind)) == count


@pytest.mark.parametrize(
    ("adcode", "zh", "en"),
    [
        ("632622", "班玛县", "Baima County"),
        ("632621", "玛沁县", "Maqên County"),
        ("632726", "曲麻莱县", "Qumarlêb County"),
        ("632323", "泽库县", "Zêkog County"),
        ("632301", "同仁市", "Tongren City"),
        ("632802", "德令哈市", "Delhi City"),
        ("632500", "海南藏族自治州", "Hainan Tibetan Autonomous Prefecture"),
    ],
)
def test_places_bear_the_names_english_maps_use(database, adcode, zh, en):
    region = database.get(adcode)
    assert (region.name_zh, region.name_en) == (zh, en)


def test_chinese_names_by_hand_are_those_of_the_source(aoi):
    import geopandas as gpd

    source = gpd.read_file(aoi / "source" / "qinghai_admin_tianditu.geojson")
    names = tomllib.loads((aoi / "names.toml").read_text("utf-8"))["place"]
    assert {k: v["zh"] for k, v in names.items()} == dict(
        zip(source["adcode"], source["name"], strict=True)
    )
    english = [name["en"] for name in names.values()]
    assert len(set(english)) == len(english)


def test_every_region_says_where_it_comes_from(database):
    for region in database.regions:
        assert region.source.startswith("Polygon: ")
        assert region.licence
        assert region.area_ha > 0
    assert len({region.id for region in database.regions}) == len(database.regions)


def test_protected_areas_are_indicative_and_say_how_they_were_made(database):
    for region in database.regions:
        if region.kind in ("national_park", "wetland", "nature_park", "priority_area"):
            assert region.status == "indicative"
            assert region.note.startswith("Indicative boundary. ")
            if region.official_area_ha is not None:
                assert "unverified" in region.source or "reported" in region.source


def test_qilian_is_the_county_union_nearest_its_stated_area(database):
    stated = database.get("qilian").official_area_ha
    counties = [
        database.get(c).area_ha for c in ("632222", "632221", "632823", "632802")
    ]
    gaps = []
    for bits in range(1, 16):
        total = sum(a for i, a in enumerate(counties) if bits >> i & 1)
        gaps.append(abs(total / stated - 1))
    assert min(gaps) == pytest.approx(abs(database.get("qilian").area_gap), abs=1e-9)


@pytest.mark.parametrize(
    ("region_id", "within"),
    [("qinghaihu", 0.01), ("eling-zhaling", 0.01), ("sanjiangyuan", 0.03)],
)
def test_a_clip_rule_comes_near_the_stated_area(database, region_id, within):
    assert abs(database.get(region_id).area_gap) < within


def test_the_joint_wetland_holds_land_beside_its_lakes(database):
    lakes = database.get("lake-ngoring").area_ha + database.get("lake-gyaring").area_ha
    assert database.get("eling-zhaling").area_ha - lakes > 10_000


def geodesic_area_ha(geometry):
    parts = [
        orient(shapely.segmentize(part, 0.005)) for part in shapely.get_parts(geometry)
    ]
    area, _ = GEOD.geometry_area_perimeter(shapely.MultiPolygon(parts))
    return area / 1e4


def test_every_county_has_its_geodesic_area_within_a_hundredth_of_a_percent(aoi):
    """Against the source polygons in degrees, not against our own projection."""
    import geopandas as gpd

    source = gpd.read_file(aoi / "source" / "qinghai_admin_tianditu.geojson")
    database = load_database(aoi / "qinghai.gpkg")
    worst = 0.0
    for row in source.itertuples():
        found = database.get(row.adcode).area_ha
        worst = max(worst, abs(found / geodesic_area_ha(row.geometry) - 1))
    assert worst < 1e-4
    assert worst < 5e-6, f"measured 1.7e-6 when written, now {worst}"


def test_leaves_do_not_overlap(leaves):
    polygons = leaves.frame.geometry.to_numpy()
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    pairs = one < other
    shared = shapely.area(
        shapely.intersection(polygons[one[pairs]], polygons[other[pairs]])
    )
    assert shared.max() < 1e-3


def test_leaves_add_up_to_the_province_and_every_region(database, leaves):
    province = database.get("630000")
    total = math.fsum(leaves.frame.geometry.area) / 1e4
    assert total == pytest.approx(province.area_ha, rel=1e-9)
    for region in database.regions:
        own = database.geometry(region.id, CRS).area / 1e4
        assert leaves.area_ha(region.id) == pytest.approx(own, rel=1e-9)
        assert leaves.area_ha(region.id) == pytest.approx(region.area_ha, rel=1e-12)


def test_a_prefecture_is_the_leaves_of_its_counties(database, leaves):
    counties = [region.id for region in of_kind(database, "county")]
    for prefecture in of_kind(database, "prefecture"):
        own = [c for c in counties if c[:4] == prefecture.id[:4]]
        from_counties = sorted(leaf for c in own for leaf in leaves.members[c])
        assert from_counties == sorted(leaves.members[prefecture.id])
        assert math.fsum(leaves.area_ha(c) for c in own) == pytest.approx(
            prefecture.area_ha, rel=1e-9
        )


def test_every_leaf_lies_in_exactly_one_county(database, leaves):
    counties = [region.id for region in of_kind(database, "county")]
    held = [leaf for county in counties for leaf in leaves.members[county]]
    assert sorted(held) == sorted(leaves.frame["leaf_id"])


def test_leaves_on_another_equal_area_grid_keep_ids_and_areas(aoi, leaves):
    laea = named_crs("+proj=laea +lat_0=35 +lon_0=97 +ellps=GRS80 +units=m")
    moved = load_leaves(aoi / "qinghai.gpkg", laea)
    assert list(moved.frame["leaf_id"]) == list(leaves.frame["leaf_id"])
    for region in ("630000", "qilian", "eling-zhaling", "630104"):
        assert moved.area_ha(region) == pytest.approx(leaves.area_ha(region), rel=1e-7)
    assert moved.digest != leaves.digest


def test_a_rebuild_gives_what_is_shipped(aoi, tmp_path):
    folder = tmp_path / "aoi"
    shutil.copytree(aoi, folder)
    build_database(folder)
    shipped, rebuilt = (f / "qinghai.gpkg" for f in (aoi, folder))
    assert load_database(rebuilt).digest == load_database(shipped).digest
    assert load_leaves(rebuilt, CRS).digest == load_leaves(shipped, CRS).digest


def test_writing_the_same_regions_gives_the_same_bytes(aoi, leaves, tmp_path):
    shapes = read_shapes(aoi / "qinghai.gpkg")
    paths = [tmp_path / "one.gpkg", tmp_path / "two.gpkg"]
    for path in paths:
        write_database(path, shapes, leaves)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert len(first) < 5_000_000


def test_an_unknown_region_names_the_closest_ids(database):
    with pytest.raises(RegionError, match="Did you mean qilian"):
        database.get("qillian")


def test_a_missing_database_says_how_to_make_it(tmp_path):
    with pytest.raises(RegionError, match="qhsink aoi build"):
        load_database(tmp_path / "qinghai.gpkg")


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "qinghai.gpkg"
    path.write_text("not a GeoPackage")
    with pytest.raises(RegionError, match="no readable layer"):
        load_leaves(path, CRS)


def test_the_schema_is_the_fields_of_a_region(path):
    import pyogrio

    fields = list(pyogrio.read_info(path, layer="regions")["fields"])
    assert fields == list(COLUMNS)
    assert {name for name, _ in pyogrio.list_layers(path)} == {
        "regions",
        "leaves",
        "membership",
    }


def test_a_rule_that_names_no_region_is_refused(aoi, tmp_path):
    folder = tmp_path / "aoi"
    shutil.copytree(aoi, folder)
    rules = folder / "indicative.toml"
    rules.write_text(rules.read_text("utf-8").replace("632724", "999999"), "utf-8")
    with pytest.raises(RegionError, match="names '999999'"):
        build_database(folder)


def test_a_place_without_a_name_is_refused(aoi, tmp_path):
    folder = tmp_path / "aoi"
    shutil.copytree(aoi, folder)
    names = folder / "names.toml"
    names.write_text(names.read_text("utf-8").replace("[place.632821]", "[place.1]"))
    with pytest.raises(RegionError, match=r"no place\.632821"):
        build_database(folder)


def test_a_lake_point_on_land_is_refused(aoi, tmp_path):
    folder = tmp_path / "aoi"
    shutil.copytree(aoi, folder)
    names = folder / "names.toml"
    names.write_text(names.read_text("utf-8").replace("[100.2, 36.9]", "[101.8, 36.6]"))
    with pytest.raises(RegionError, match="lies in 0 lakes"):
        build_database(folder)


def test_projecting_keeps_shared_edges_shared():
    left = shapely.box(97, 35, 98, 36)
    right = shapely.box(98, 35, 99, 36)
    degrees = pyproj.CRS("EPSG:4490")
    one, other = (project(g, degrees, CRS) for g in (left, right))
    assert one.intersection(other).area == 0.0
    assert one.touches(other)
    longest = max(
        shapely.Point(a).distance(shapely.Point(b))
        for a, b in pairwise(one.exterior.coords)
    )
    assert longest < 2_100


def test_a_crs_is_known_by_what_it_does_not_by_its_name(aoi):
    import pyogrio

    stored = pyproj.CRS(pyogrio.read_info(aoi / "qinghai.gpkg", layer="leaves")["crs"])
    assert same_crs(stored, CRS)
    assert not same_crs(pyproj.CRS("EPSG:32647"), CRS)


def test_shapes_in_the_file_are_what_the_database_holds(aoi, database):
    shapes = read_shapes(aoi / "qinghai.gpkg")
    assert all(isinstance(shape, RegionShape) for shape in shapes)
    assert [shape.region for shape in shapes] == list(database.regions)

"""Files of other people: sound ones of each kind, and every planted fault."""

from __future__ import annotations

import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from shapely.geometry import Point, Polygon, box, mapping

from qhsink.domain.errors import RegionError, StoreFault
from qhsink.domain.region import Region
from qhsink.grid import named_crs, qinghai_albers
from qhsink.regions import checks
from qhsink.regions.database import load_database, load_leaves, read_shapes
from qhsink.regions.datum import DatumVerdict, gcj02_shift
from qhsink.regions.shapes import RegionShape, project
from qhsink.regions.user import add_regions, examine_file, read_user_regions

CRS = qinghai_albers()
DEGREES = pyproj.CRS("EPSG:4326")
MEADOW = box(101.40, 34.50, 101.46, 34.55)
"""A parcel in Henan county, touching no boundary."""


@pytest.fixture(scope="module")
def database(project_folder):
    return load_database(project_folder / "aoi" / "qinghai.gpkg")


def write(path, geometries, *, crs=DEGREES, **columns):
    frame = gpd.GeoDataFrame(columns, geometry=list(geometries), crs=crs)
    pyogrio.write_dataframe(frame, path)
    return path


def zipped(folder, name, geometries, *, crs=DEGREES, drop=(), **columns):
    write(folder / f"{name}.shp", geometries, crs=crs, **columns)
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in sorted(folder.glob(f"{name}.*")):
            if part.suffix not in (".zip", *drop):
                archive.write(part, part.name)
    return path


def geojson(path, geometry, properties=None, **members):
    feature = {
        "type": "Feature",
        "properties": properties or {},
        "geometry": mapping(geometry) if geometry is not None else None,
    }
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature], **members})
    )
    return path


KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>meadow</name>
<Polygon><outerBoundaryIs><LinearRing><coordinates>{}</coordinates></LinearRing>
</outerBoundaryIs></Polygon></Placemark></Document></kml>"""


def kml(path):
    ring = " ".join(f"{x},{y},3500" for x, y in MEADOW.exterior.coords)
    path.write_text(KML.format(ring))
    return path


def codes(seen, severity="error"):
    return [finding.code for finding in seen.of(severity)]


def examine(path, database, **options):
    return examine_file(path, crs=CRS, reference=database, **options)


@pytest.fixture(
    params=["geojson", "gpkg", "kml", "zip", "utm gpkg", "cgcs2000 zone shp"]
)
def sound_file(request, tmp_path):
    """The same parcel in every kind of file."""
    utm = project(MEADOW, DEGREES, named_crs("EPSG:32647"))
    zone = project(MEADOW, DEGREES, named_crs("EPSG:4543"))
    makers = {
        "geojson": lambda: geojson(tmp_path / "a.geojson", MEADOW, {"id": "meadow"}),
        "gpkg": lambda: write(tmp_path / "a.gpkg", [MEADOW], id=["meadow"]),
        "kml": lambda: kml(tmp_path / "a.kml"),
        "zip": lambda: zipped(tmp_path, "a", [MEADOW], id=["meadow"]),
        "utm gpkg": lambda: write(
            tmp_path / "a.gpkg", [utm], crs="EPSG:32647", id=["meadow"]
        ),
        "cgcs2000 zone shp": lambda: write(
            tmp_path / "a.shp", [zone], crs="EPSG:4543", id=["meadow"]
        ),
    }
    return makers[request.param]()


def test_a_parcel_is_the_same_from_any_kind_of_file(sound_file, database):
    expected = project(MEADOW, DEGREES, CRS)
    seen = examine(sound_file, database, datum="wgs84")
    assert codes(seen) == []
    (shape,) = seen.shapes
    assert shape.region.id == "meadow"
    assert shape.region.kind == shape.region.status == "user"
    assert shape.region.area_ha == pytest.approx(expected.area / 1e4, rel=1e-6)
    assert shape.geometry.symmetric_difference(expected).area < 1e-5 * expected.area


def test_the_file_stem_names_a_feature_without_id(tmp_path, database):
    seen = examine(geojson(tmp_path / "my-meadow.geojson", MEADOW), database)
    assert [shape.region.id for shape in seen.shapes] == ["my-meadow"]


def test_running_numbers_get_the_file_stem_before_them(tmp_path, database):
    path = write(
        tmp_path / "plots.gpkg", [MEADOW, box(101.5, 34.5, 101.55, 34.55)], id=[1, 2]
    )
    seen = examine(path, database)
    assert [shape.region.id for shape in seen.shapes] == ["plots-1", "plots-2"]


@pytest.mark.parametrize("encoding", ["GB18030", "UTF-8"])
@pytest.mark.parametrize("drop", [(), (".cpg",)], ids=["with .cpg", "without .cpg"])
def test_chinese_names_in_a_shapefile_are_read(encoding, drop, tmp_path, database):
    frame = gpd.GeoDataFrame({"name": ["夏季草场"]}, geometry=[MEADOW], crs=DEGREES)
    pyogrio.write_dataframe(frame, tmp_path / "g.shp", encoding=encoding)
    for suffix in drop:
        (tmp_path / "g").with_suffix(suffix).unlink()
    with zipfile.ZipFile(tmp_path / "g.zip", "w") as archive:
        for part in tmp_path.glob("g.*"):
            if part.suffix != ".zip":
                archive.write(part, f"layer/{part.name}")
    shutil.copy(tmp_path / "g.zip", tmp_path / "from DOS.ZIP")
    for path in (tmp_path / "g.shp", tmp_path / "g.zip", tmp_path / "from DOS.ZIP"):
        (shape,) = examine(path, database).shapes
        assert shape.region.name_zh == "夏季草场"


def test_a_geojson_crs_member_is_honoured(tmp_path, database):
    zone = project(MEADOW, DEGREES, named_crs("EPSG:4543"))
    member = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4543"}}
    seen = examine(geojson(tmp_path / "a.geojson", zone, crs=member), database)
    expected = project(MEADOW, DEGREES, CRS)
    assert seen.shapes[0].geometry.symmetric_difference(expected).area < 1e3


def test_a_shapefile_without_prj_is_refused(tmp_path, database):
    path = zipped(tmp_path, "a", [MEADOW], drop=(".prj",), id=["meadow"])
    with pytest.raises(RegionError, match="no CRS declared"):
        examine(path, database)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d / "absent.gpkg", "no file"),
        (lambda d: touch(d / "a.xlsx", b"x"), "kind of file .xlsx"),
        (lambda d: touch(d / "a.gpkg", b"not a database"), "not readable"),
        (lambda d: touch(d / "a.geojson", b"{}"), "not readable"),
        (lambda d: touch(d / "a.zip", b"PK no"), "not a zip archive"),
        (lambda d: empty_zip(d / "a.zip"), "0 shapefiles"),
        (lambda d: empty_collection(d / "a.geojson"), "no feature|no layer"),
        (lambda d: two_layers(d / "a.gpkg"), "layers one, two"),
        (lambda d: geojson(d / "m.geojson", box(9e5, 38e5, 91e4, 381e4)), "look like"),
        (lambda d: geojson(d / "s.geojson", box(34, 101, 35, 102)), "swap the two"),
        (lambda d: unclosed(d / "u.geojson"), "not readable|no feature|invalid"),
    ],
    ids=[
        "absent",
        "a spreadsheet",
        "not a GeoPackage",
        "not GeoJSON",
        "not a zip",
        "a zip without shapefile",
        "no feature",
        "two layers",
        "metres said to be degrees",
        "latitude before longitude",
        "a ring of two points",
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(make, message, tmp_path, database):
    path = make(tmp_path)
    with pytest.raises(RegionError, match=message) as caught:
        examine(path, database)
    assert "\n" not in str(caught.value)


def touch(path, content):
    path.write_bytes(content)
    return path


def empty_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no shapefile")
    return path


def empty_collection(path):
    path.write_text('{"type": "FeatureCollection", "features": []}')
    return path


def two_layers(path):
    frame = gpd.GeoDataFrame(geometry=[MEADOW], crs=DEGREES)
    for layer in ("one", "two"):
        pyogrio.write_dataframe(frame, path, layer=layer)
    return path


def unclosed(path):
    path.write_text('{"type":"Polygon","coordinates":[[[101.4,34.5],[101.5,34.6]]]}')
    return path


BOW_TIE = Polygon([(101.40, 34.50), (101.46, 34.55), (101.46, 34.50), (101.40, 34.55)])


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        (Point(101.4, 34.5), "not-polygon"),
        (shapely.LineString([(101.4, 34.5), (101.5, 34.6)]), "not-polygon"),
        (BOW_TIE, "invalid"),
        (None, "empty"),
        (box(98.0, 20.0, 98.1, 20.1), "outside"),
        (box(34.50, 101.40 - 20, 34.55, 101.46 - 20), "outside"),
    ],
    ids=["a point", "a line", "a bow-tie", "nothing", "abroad", "axes swapped"],
)
def test_a_planted_fault_is_found(geometry, code, tmp_path, database):
    seen = examine(geojson(tmp_path / "a.geojson", geometry), database)
    assert code in codes(seen)


@pytest.mark.parametrize(
    ("crs", "named"),
    [("EPSG:4610", "Xian 1980"), ("EPSG:4214", "Beijing 1954"), ("EPSG:2334", "Xian")],
)
def test_an_old_datum_is_refused_for_proj_would_leave_it_unmoved(
    crs, named, tmp_path, database
):
    placed = shapely.transform(
        MEADOW,
        lambda xy: np.column_stack(
            pyproj.Transformer.from_crs(DEGREES, crs, always_xy=True).transform(*xy.T)
        ),
    )
    path = write(tmp_path / "old.gpkg", [placed], crs=crs)
    seen = examine(path, database, datum="cgcs2000")
    assert codes(seen)[0] == "old-datum"
    assert named in seen.of("error")[0].text


def test_web_mercator_stands_on_wgs84(tmp_path, database):
    placed = project(MEADOW, DEGREES, pyproj.CRS("EPSG:3857"))
    seen = examine(write(tmp_path / "a.gpkg", [placed], crs="EPSG:3857"), database)
    assert codes(seen) == []
    expected = project(MEADOW, DEGREES, CRS).area
    assert seen.shapes[0].geometry.area == pytest.approx(expected, rel=1e-5)


def test_a_folder_that_cannot_be_written_keeps_the_old_file(tmp_path, database):
    seen = examine(geojson(tmp_path / "a.geojson", MEADOW), database, datum="wgs84")
    with pytest.raises(StoreFault, match="could not be written"):
        add_regions(tmp_path / "absent", seen)


def test_a_damaged_user_file_is_one_line(tmp_path, database, project_folder):
    shipped = (project_folder / "aoi" / "qinghai.gpkg").read_bytes()
    (tmp_path / "qinghai.gpkg").write_bytes(shipped)
    (tmp_path / "user.gpkg").write_text("damaged")
    with pytest.raises(RegionError, match="Move it away"):
        load_database(tmp_path / "qinghai.gpkg")


def test_an_invalid_polygon_is_repaired_only_when_asked(tmp_path, database):
    path = geojson(tmp_path / "a.geojson", BOW_TIE)
    refused = examine(path, database)
    assert (codes(refused), refused.shapes) == (["invalid"], ())
    assert "--repair" in refused.findings[0].text
    mended = examine(path, database, repair=True)
    assert codes(mended) == []
    assert "repaired" in codes(mended, "note")
    assert mended.shapes[0].geometry.is_valid
    whole = project(MEADOW, DEGREES, CRS).area
    assert mended.shapes[0].geometry.area == pytest.approx(whole / 2, rel=1e-3)


def test_a_run_refuses_a_region_smaller_than_its_pixel(tmp_path):
    # 0.001 by 0.001 degrees at 34.5 N: 92 by 111 m.
    path = geojson(tmp_path / "a.geojson", shapely.box(101.4, 34.5, 101.401, 34.501))
    options = {"crs": CRS, "reference": None, "inside_province": False}
    assert len(read_user_regions(path, pixel_size_m=100.0, **options)) == 1
    with pytest.raises(RegionError, match="less than one pixel of 120 m; expected 14,"):
        read_user_regions(path, pixel_size_m=120.0, **options)


def test_abroad_is_no_fault_where_the_run_does_not_ask(tmp_path, database):
    path = geojson(tmp_path / "a.geojson", box(98.0, 20.0, 98.1, 20.1))
    (shape,) = read_user_regions(path, crs=CRS, reference=None, inside_province=False)
    assert shape.region.id == "a"


def test_a_region_elsewhere_on_its_own_grid_is_no_fault(tmp_path, database):
    """The real scenes lie outside Qinghai, on a second grid."""
    grid = named_crs("+proj=laea +lat_0=44 +lon_0=-121 +ellps=GRS80 +units=m")
    parcel = box(-121.2, 44.0, -121.0, 44.2)
    path = geojson(tmp_path / "oregon.geojson", parcel)
    (shape,) = read_user_regions(
        path, crs=grid, reference=database, inside_province=False
    )
    expected = project(parcel, DEGREES, grid).area / 1e4
    assert shape.region.area_ha == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("factor", "code"), [(1.005, "area-agrees"), (1.02, "area")])
def test_a_stated_area_must_agree_within_one_percent(factor, code, tmp_path, database):
    own = project(MEADOW, DEGREES, CRS).area / 1e4
    path = geojson(tmp_path / "a.geojson", MEADOW)
    seen = examine(path, database, stated_area_ha=own * factor)
    assert code in [finding.code for finding in seen.findings]
    assert seen.shapes[0].region.official_area_ha == own * factor


def test_features_that_overlap_are_refused_with_the_area(tmp_path, database):
    path = write(
        tmp_path / "a.gpkg", [MEADOW, box(101.43, 34.5, 101.5, 34.55)], id=["a1", "a2"]
    )
    seen = examine(path, database)
    assert codes(seen) == ["overlap"]
    shared = project(box(101.43, 34.5, 101.46, 34.55), DEGREES, CRS).area / 1e4
    assert f"{shared:,.2f} ha" in seen.of("error")[0].text


def test_neighbours_that_share_an_edge_do_not_overlap(tmp_path, database):
    path = write(
        tmp_path / "a.gpkg", [MEADOW, box(101.46, 34.5, 101.5, 34.55)], id=["a1", "a2"]
    )
    assert codes(examine(path, database)) == []


def test_the_same_polygon_twice_is_a_duplicate(tmp_path, database):
    path = write(tmp_path / "a.gpkg", [MEADOW, MEADOW], id=["a1", "a2"])
    assert codes(examine(path, database)) == ["duplicate"]


def test_the_same_id_twice_is_a_duplicate(tmp_path, database):
    path = write(
        tmp_path / "a.gpkg", [MEADOW, box(101.5, 34.5, 101.6, 34.6)], id=["a", "a"]
    )
    assert codes(examine(path, database)) == ["duplicate-id"]


def test_a_known_county_is_a_duplicate_and_named(tmp_path, database):
    county = database.geometry("632324", DEGREES)
    seen = examine(geojson(tmp_path / "ours.geojson", county), database)
    assert "duplicate" in codes(seen)
    assert any("'632324'" in finding.text for finding in seen.of("error"))


def test_an_id_in_the_database_is_taken(tmp_path, database):
    path = geojson(tmp_path / "a.geojson", MEADOW, {"id": "qilian"})
    assert codes(examine(path, database)) == ["duplicate-id"]


def shifted_half_county(database):
    county = database.geometry("632324", CRS)
    west, south, east, north = county.bounds
    half = county.intersection(box(west, south, (west + east) / 2, north))
    moved = shapely.transform(half, lambda xy: xy + gcj02_shift(xy, CRS))
    return project(moved, CRS, DEGREES)


def test_a_web_map_polygon_is_refused_with_the_explanation(tmp_path, database):
    path = geojson(tmp_path / "amap.geojson", shifted_half_county(database))
    seen = examine(path, database, datum="wgs84")
    assert codes(seen)[0] == "gcj02"
    with pytest.raises(RegionError, match="drawn on GCJ-02"):
        read_user_regions(path, crs=CRS, reference=database, inside_province=True)


def test_a_datum_that_cannot_be_told_is_asked_for(tmp_path, database):
    path = geojson(tmp_path / "a.geojson", MEADOW)
    seen = examine(path, database)
    assert codes(seen, "question") == ["datum-unknown"]
    assert "--datum" in seen.of("question")[0].text
    answered = examine(path, database, datum="cgcs2000")
    assert codes(answered, "question") == []
    assert "datum-stated" in codes(answered, "note")


def test_a_file_stated_to_be_gcj02_is_refused(tmp_path, database):
    path = geojson(tmp_path / "a.geojson", MEADOW)
    assert codes(examine(path, database, datum="gcj02")) == ["gcj02"]


@pytest.mark.parametrize("adcode", ["630000", "632700"])
def test_the_trap_is_refused_from_the_file(adcode, shared_dir, database):
    path = shared_dir / "data" / "gcj02_trap" / f"{adcode}.geojson"
    assert codes(examine(path, database, datum="wgs84"))[0] == "gcj02"


def test_a_run_takes_a_parcel_with_its_doubt_as_a_note(tmp_path, database):
    path = geojson(tmp_path / "a.geojson", MEADOW)
    (shape,) = read_user_regions(
        path, crs=CRS, reference=database, inside_province=True
    )
    assert "along a known boundary" in shape.region.note


def test_a_run_on_a_known_county_as_a_file_is_no_fault(tmp_path, database):
    county = database.geometry("632324", DEGREES)
    path = geojson(tmp_path / "ours.geojson", county)
    (shape,) = read_user_regions(
        path, crs=CRS, reference=database, inside_province=True
    )
    assert shape.region.area_ha == pytest.approx(
        database.get("632324").area_ha, rel=1e-6
    )


def test_added_regions_join_the_database_and_the_leaves(
    tmp_path, database, project_folder
):
    folder = tmp_path / "aoi"
    folder.mkdir()
    shipped = (project_folder / "aoi" / "qinghai.gpkg").read_bytes()
    (folder / "qinghai.gpkg").write_bytes(shipped)
    before = load_database(folder / "qinghai.gpkg")
    for name, parcel in {
        "one": MEADOW,
        "two": box(101.50, 34.50, 101.55, 34.55),
    }.items():
        path = geojson(tmp_path / f"{name}.geojson", parcel)
        add_regions(folder, examine(path, before, datum="wgs84"))
    after = load_database(folder / "qinghai.gpkg")
    assert [region.id for region in after.regions[-2:]] == ["one", "two"]
    assert after.digest != before.digest
    leaves = load_leaves(folder / "qinghai.gpkg", CRS)
    assert leaves.area_ha("one") == pytest.approx(after.get("one").area_ha, rel=1e-9)
    assert leaves.area_ha("632324") == pytest.approx(
        before.get("632324").area_ha, rel=1e-9
    )
    assert set(leaves.members["one"]) < set(leaves.members["632324"])
    assert list(folder.iterdir()) != []
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_two_who_add_at_once_lose_nothing(tmp_path, database):
    folder = tmp_path / "aoi"
    folder.mkdir()
    parcels = {
        f"p{k}": box(101 + 0.1 * k, 34.5, 101.05 + 0.1 * k, 34.55) for k in (0, 1, 2, 3)
    }
    seen = [
        examine(geojson(tmp_path / f"{name}.geojson", parcel), database, datum="wgs84")
        for name, parcel in parcels.items()
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: add_regions(folder, one), seen))
    kept = read_shapes(folder / "user.gpkg")
    assert sorted(shape.region.id for shape in kept) == sorted(parcels)
    with pytest.raises(RegionError, match=r"p2 is in user\.gpkg by now"):
        add_regions(folder, seen[2])


def flat_shape(name, geometry):
    region = Region(name, name, name, "user", "user", 1.0, None, "test", "test")
    return RegionShape(region, geometry)


def test_a_sliver_outside_the_province_is_only_noted():
    province = box(0, 0, 1000, 1000)
    (note,) = checks.check_inside("a", box(900, 0, 1000.5, 100), province)
    assert (note.severity, note.code) == ("note", "edge")
    (error,) = checks.check_inside("a", box(900, 0, 1010, 100), province)
    assert (error.severity, error.code) == ("error", "outside")
    assert checks.check_inside("a", box(900, 0, 1000, 100), province) == []


def test_overlap_below_the_tolerance_is_rounding():
    shapes = [
        flat_shape("a", box(0, 0, 1000, 1000)),
        flat_shape("b", box(999.95, 0, 2000, 1000)),
    ]
    assert checks.check_overlaps(shapes) == []


def test_a_clear_datum_needs_no_statement():
    verdict = DatumVerdict("wgs84-like", 0.0, -9.0, 0.0, 0.0, 100.0, "it lies right")
    (note,) = checks.check_datum("a", verdict, None)
    assert (note.severity, note.code) == ("note", "datum")


def test_an_outline_that_goes_round_in_three_dimensions_is_flattened(
    tmp_path, database
):
    ring = np.column_stack([np.array(MEADOW.exterior.coords), np.full(5, 3500.0)])
    seen = examine(geojson(tmp_path / "a.geojson", Polygon(ring)), database)
    assert not seen.shapes[0].geometry.has_z

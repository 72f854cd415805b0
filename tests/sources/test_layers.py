"""Heights, backscatter and land cover: pinned by table, read onto a lattice."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import rasterio.warp
from affine import Affine
from odc.geo.geobox import GeoBox

from qhsink.config import ReadConfig, SourceConfig, load_layers, load_sources
from qhsink.domain.errors import SourceError
from qhsink.domain.period import parse_month
from qhsink.grid import qinghai_albers
from qhsink.sources import layer_items
from qhsink.sources.items import with_rewritten
from qhsink.sources.keys import Keys
from qhsink.sources.layer_items import pin_layer
from qhsink.sources.layers import (
    read_backscatter,
    read_elevation,
    read_landcover,
    to_decibel,
)
from qhsink.sources.remote import Archive
from tests.sources.conftest import write_tiff
from tests.standins.stac_api import StacStandIn, serving

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
AUGUST = parse_month("2025-08")
QUICK = ReadConfig(tries=2, backoff_s=0.01, idle_s=1.0, total_s=4.0, page_kb=16)


@pytest.fixture
def project(tmp_path, project_folder):
    """A project with the shipped table of layers."""
    (tmp_path / "project" / "config").mkdir(parents=True)
    shutil.copy(
        project_folder / "config" / "sources.toml", tmp_path / "project" / "config"
    )
    return tmp_path / "project"


@pytest.fixture
def window():
    """Forty pixels of 60 m around 101 E 37 N, on the analysis grid."""
    crs = qinghai_albers()
    (x,), (y,) = rasterio.warp.transform("EPSG:4326", crs.to_wkt(), [101.0], [37.0])
    left, top = round(x / 60) * 60 - 1200, round(y / 60) * 60 + 1200
    return GeoBox((40, 40), Affine(60, 0, left, 0, -60, top), crs)


def degrees(window):
    """Longitude and latitude of every pixel's centre."""
    rows, cols = np.indices(window.shape) + 0.5
    x, y = window.transform * (cols.ravel(), rows.ravel())
    lon, lat = rasterio.warp.transform(str(window.crs.to_wkt()), "EPSG:4326", x, y)
    return np.reshape(lon, window.shape), np.reshape(lat, window.shape)


def write_layer(folder, name, collection, numbers, place, **fields):
    """Write an item with one file per band; ``place`` is (transform, crs)."""
    home = folder / name
    home.mkdir(parents=True)
    assets = {}
    for key, values in numbers.items():
        write_tiff(
            home / f"{key}.tif",
            values,
            transform=place[0],
            crs=place[1],
            nodata=fields.get("nodata"),
            tiled=True,
        )
        assets[key] = {"href": f"./{key}.tif"}
    shape = next(iter(numbers.values())).shape
    corners = rasterio.transform.array_bounds(*shape, place[0])
    box = rasterio.warp.transform_bounds(place[1], "EPSG:4326", *corners)
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "bbox": list(box),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "links": [],
        "properties": {
            "datetime": fields.get("datetime", "2021-04-22T00:00:00Z"),
            "provenance": "simulated",
        },
        "assets": assets,
    }
    if "orbit" in fields:
        item["properties"]["sat:orbit_state"] = fields["orbit"]
    path = home / f"{name}.json"
    path.write_text(json.dumps(item), encoding="utf-8")
    return path


def pin(folder, layer, project, **options):
    source = SourceConfig(kind="static", url=str(folder), collections=("scenes",))
    return pin_layer(source, layer, project=project, bbox=EVERYWHERE, **options)


# Heights.


def plane(lon, lat):
    """A height that is linear in degrees: bilinear weights give it back exactly."""
    return 3000.0 + 8000.0 * (lon - 101.0) - 5000.0 * (lat - 37.0)


@pytest.fixture
def heights(tmp_path):
    """Two tiles side by side, their seam in the middle of the window."""
    folder, step = tmp_path / "dem", 1 / 1800
    for name, west in (("W", 100.9), ("E", 101.0)):
        cols, rows = np.meshgrid(np.arange(180) + 0.5, np.arange(180) + 0.5)
        there = Affine(step, 0, west, 0, -step, 37.05)
        numbers = plane(*(there * (cols, rows))).astype("float32")
        write_layer(
            folder, name, "cop-dem-glo-30", {"data": numbers}, (there, "EPSG:4326")
        )
    return folder


def test_heights_are_those_of_the_ground_and_have_no_seam(heights, project, window):
    items = pin(heights, "elevation", project)
    assert [item.item_id for item in items] == ["E", "W"]
    assert all(item.simulated for item in items)
    found = read_elevation(items, window)
    lon, lat = degrees(window)
    # Half a source pixel at the edge of a tile is not interpolated but held.
    seam = np.abs(lon - 101.0) < 1 / 1800
    assert 0 < seam.mean() < 0.1
    np.testing.assert_allclose(found[~seam], plane(lon, lat)[~seam], atol=0.05)
    assert np.abs(found - plane(lon, lat)).max() < 8000.0 / 1800


def test_a_coarser_lattice_gets_the_mean_height(heights, project, window):
    items = pin(heights, "elevation", project)
    coarse = window.zoom_out(4)
    found = read_elevation(items, coarse)
    lon, lat = degrees(coarse)
    inner = np.abs(lon - 101.0) > 1 / 400
    np.testing.assert_allclose(found[inner], plane(lon, lat)[inner], atol=3.0)


def test_heights_are_nan_where_no_tile_reaches(heights, project, window):
    items = [i for i in pin(heights, "elevation", project) if i.item_id == "W"]
    found = read_elevation(items, window)
    lon, _ = degrees(window)
    assert np.isnan(found[lon > 101.001]).all()
    assert np.isfinite(found[lon < 100.999]).all()
    assert np.isnan(read_elevation([], window)).all()


def test_heights_over_http_are_those_on_disk(heights, project, window, tmp_path):
    expected = read_elevation(pin(heights, "elevation", project), window)
    archive = Archive(QUICK, Keys(()), tmp_path / "reads")
    with serving(StacStandIn(heights)) as service:
        source = SourceConfig(kind="api", url=service.url)
        items = pin_layer(source, "elevation", project=project, bbox=EVERYWHERE)
        assert all(item.files[0].stamp for item in items)
        found = read_elevation(items, window, archive)
        np.testing.assert_array_equal(found, expected)
        service.faults.clear()
        read_elevation(items, window, Archive(QUICK, Keys(()), archive.cache))
        assert service.asset_requests == []
        service.faults.add("503", match="/data/E/")
        fresh = Archive(QUICK, Keys(()), tmp_path / "other")
        with pytest.raises(SourceError, match=r"E: elevation cannot be read") as told:
            read_elevation(items, window, fresh)
        assert service.url.removeprefix("http://") in str(told.value)


def test_a_real_item_of_earth_search_is_resolved(shared_dir, project_folder):
    folder = shared_dir / "data" / "stac_fixtures"
    name = "earth-search__cop-dem-glo-30__Copernicus_DSM_COG_10_S90_00_W180_00_DEM"
    source = load_sources(project_folder)["earth-search"]
    item = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    doc = with_rewritten(item, source.rewrite)
    config = load_layers(project_folder)["elevation"]
    (file,) = layer_items._pinned(doc, None, "elevation", config).files
    tile = item["id"]
    bucket = "https://copernicus-dem-30m.s3.eu-central-1.amazonaws.com"
    assert file.href == f"{bucket}/{tile}/{tile}.tif"
    assert (file.scale, file.offset) == (1.0, 0.0)


def test_a_source_without_the_layer_is_told_where_it_is(tmp_path, project, write_item):
    write_item("a", folder=tmp_path / "scenes")
    with pytest.raises(SourceError, match="earth-search, planetary-computer"):
        pin(tmp_path / "scenes", "elevation", project)
    with pytest.raises(SourceError, match="layer 'hights'"):
        pin(tmp_path / "scenes", "hights", project)


def change_item(folder, change):
    (path,) = folder.glob("*/*.json")
    item = json.loads(path.read_text())
    change(item)
    path.write_text(json.dumps(item))


@pytest.fixture
def one_tile(tmp_path):
    folder = tmp_path / "dem"
    place = (Affine(0.01, 0, 101, 0, -0.01, 37), "EPSG:4326")
    numbers = {"data": np.full((64, 64), 3000, np.float32)}
    write_layer(folder, "A", "cop-dem-glo-30", numbers, place)
    return folder


@pytest.mark.parametrize(
    "stated", [{"nodata": 0}, {"scale": 0.1}, {"offset": 5}, {"nodata": "none"}]
)
def test_an_item_that_contradicts_the_table_is_refused(one_tile, project, stated):
    change_item(one_tile, lambda i: i["assets"]["data"].update({"bands": [stated]}))
    with pytest.raises(SourceError, match=f"states {next(iter(stated))}"):
        pin(one_tile, "elevation", project)


def test_an_item_without_the_asset_is_refused(one_tile, project):
    change_item(one_tile, lambda i: i.update(assets={"dem": i["assets"]["data"]}))
    with pytest.raises(SourceError, match="item A: no asset for elevation among dem"):
        pin(one_tile, "elevation", project)


def test_a_file_with_another_nodata_is_refused(tmp_path, project, window):
    place = (Affine(0.01, 0, 100.9, 0, -0.01, 37.1), "EPSG:4326")
    numbers = {"data": np.full((64, 64), 3000, np.float32)}
    write_layer(tmp_path, "A", "cop-dem-glo-30", numbers, place, nodata=0)
    items = pin(tmp_path, "elevation", project)
    with pytest.raises(SourceError, match="declares nodata 0"):
        read_elevation(items, window)


# Backscatter.


@pytest.fixture
def radar(tmp_path, window):
    """Three overpasses: two frames that overlap, one frame, one of the other orbit."""
    folder = tmp_path / "radar"
    left, top = window.transform.c, window.transform.f

    def write(name, day, orbit, rows, power):
        there = Affine(60, 0, left, 0, -60, top - 60 * rows.start)
        shape = (rows.stop - rows.start, 40)
        numbers = {
            "vv": np.full(shape, power, np.float32),
            "vh": np.full(shape, power / 5, np.float32),
        }
        for layer in numbers.values():
            layer[:, :4] = -32768
        write_layer(
            folder, name, "sentinel-1-rtc", numbers,
            (there, window.crs.to_wkt()), nodata=-32768, orbit=orbit,
            datetime=f"2025-08-{day:02}T11:20:00Z",
        )  # fmt: skip

    write("a", 1, "ascending", slice(0, 24), 0.10)
    write("b", 1, "ascending", slice(16, 40), 0.10)
    write("c", 13, "ascending", slice(0, 40), 0.40)
    write("d", 3, "descending", slice(0, 40), 0.90)
    return folder


def test_the_mean_is_of_power_and_an_overlap_counts_once(radar, project, window):
    items = pin(radar, "backscatter", project, period=AUGUST)
    found = read_backscatter(items, window, "ascending")
    assert (found.n[:, 4:] == 2).all()
    np.testing.assert_allclose(found.vv[:, 4:], 0.25, rtol=1e-5)
    np.testing.assert_allclose(found.vh[:, 4:], 0.05, rtol=1e-5)
    assert (found.n[:, :4] == 0).all()
    assert np.isnan(found.vv[:, :4]).all()
    # 10 log10(0.25); the mean of -10 and -3.98 dB would be -6.99.
    np.testing.assert_allclose(to_decibel(found.vv)[:, 4:], -6.0206, atol=1e-3)
    assert np.isnan(to_decibel(found.vv)[:, :4]).all()


def test_orbit_directions_are_not_mixed(radar, project, window):
    items = pin(radar, "backscatter", project, period=AUGUST)
    found = read_backscatter(items, window, "descending")
    np.testing.assert_allclose(found.vv[:, 4:], 0.9, rtol=1e-5)
    assert found.n.max() == 1
    july = parse_month("2025-07")
    with pytest.raises(SourceError, match=r"sentinel-1-rtc at .* in 2025-07"):
        pin(radar, "backscatter", project, period=july)


# Land cover.


def test_classes_are_the_nearest_or_the_most_frequent_and_of_one_edition(
    tmp_path, project, window
):
    fine = window.zoom_out(0.25)
    classes = np.full(fine.shape, 30, np.uint8)
    classes[::4, ::4] = 10
    place = (fine.transform, window.crs.to_wkt())
    for year in (2020, 2021):
        write_layer(
            tmp_path / "cover", f"v{year}", "esa-worldcover", {"map": classes}, place,
            nodata=0, datetime=f"{year}-07-01T00:00:00Z",
        )  # fmt: skip
    items = pin(tmp_path / "cover", "landcover", project)
    with pytest.raises(SourceError, match="land cover of 2020 and 2021"):
        read_landcover(items, window)
    np.testing.assert_array_equal(read_landcover(items[:1], fine), classes)
    assert (read_landcover(items[:1], window) == 30).all()
    west = window.translate_pix(-1000, 0)
    assert (read_landcover(items[:1], west) == 0).all()

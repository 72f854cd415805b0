"""Map files and their catalogue: valid by other people's validators, offline."""

from __future__ import annotations

import json
import math
from datetime import date

import jsonschema
import numpy as np
import pyproj
import pystac
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import Point, shape

from qhsink.domain.errors import StoreFault
from qhsink.grid import Grid, qinghai_albers
from qhsink.reporting.catalogue import MapBand, MapFile, map_item, write_catalogue
from qhsink.reporting.cog import overview_rule, write_cog

GRID = Grid(qinghai_albers(), 20.0, 1024, 256)
TILE = GRID.tile(-40, -195)


@pytest.fixture(scope="module")
def cover():
    rng = np.random.default_rng(7)
    values = rng.random((1024, 1024), dtype=np.float32)
    values[:100, :300] = np.nan
    return values


@pytest.fixture
def cover_file(cover, tmp_path):
    return write_cog(
        tmp_path / "fvc.tif",
        [cover, cover / 10],
        geobox=TILE.geobox,
        nodata=math.nan,
        descriptions=["fvc", "spread"],
        units=["1", "1"],
        tags={"QHSINK_KEY": "abc", "QHSINK_PROVENANCE": "simulated"},
        block_px=256,
    )


def make_map(path, **changes):
    fields = {
        "item_id": f"fvc_2025-08_{TILE.name}",
        "tile": TILE.name,
        "geobox": TILE.geobox,
        "path": path,
        "bands": (
            MapBand("fvc", "vegetation cover", "1", "float32", nodata=math.nan),
            MapBand("n", "clear dates", "1", "uint8", scale=1.0, nodata=255),
        ),
        "start": date(2025, 8, 1),
        "end": date(2025, 8, 31),
        "model": "fvc-1a2b3c4d",
        "provenance": "simulated",
        "scenes": ("S2B_1", "S2A_2"),
        "key": "ab" * 32,
    }
    return MapFile(**(fields | changes))


def schema_errors(document, kind):
    """Errors by the STAC 1.1 core schemas that pystac ships: no network."""
    cache = get_local_schema_cache()
    registry = Registry().with_resources(
        [(uri, Resource.from_contents(text)) for uri, text in cache.items()]
    )
    (schema,) = (text for uri, text in cache.items() if uri.endswith(f"/{kind}.json"))
    validator = jsonschema.Draft7Validator(schema, registry=registry)
    return [error.message for error in validator.iter_errors(document)]


def test_a_map_file_is_a_valid_cog_without_warnings(cover_file):
    assert cog_validate(cover_file, strict=True, quiet=True) == (True, [], [])


def test_a_map_file_reads_back_exactly(cover_file, cover):
    with rasterio.open(cover_file) as file:
        np.testing.assert_array_equal(file.read(1), cover)
        np.testing.assert_array_equal(file.read(2), cover / 10)
        assert math.isnan(file.nodata)
        assert file.descriptions == ("fvc", "spread")
        assert file.units == ("1", "1")
        assert file.block_shapes == [(256, 256)] * 2
        assert file.transform == TILE.geobox.affine
        assert file.tags()["QHSINK_KEY"] == "abc"
        assert file.overviews(1) == [2, 4]
        written = pyproj.CRS(file.crs.to_wkt())
    there = pyproj.Transformer.from_crs(4490, written, always_xy=True)
    expected = pyproj.Transformer.from_crs(4490, GRID.crs, always_xy=True)
    assert there.transform(97.5, 36.2) == pytest.approx(expected.transform(97.5, 36.2))


def test_overviews_of_a_continuous_map_are_means_of_known_pixels(cover_file, cover):
    with rasterio.open(cover_file, overview_level=0) as file:
        coarse = file.read(1)
    blocks = cover.reshape(512, 2, 512, 2)[60:, :, 160:]
    np.testing.assert_allclose(coarse[60:, 160:], blocks.mean(axis=(1, 3)), atol=1e-6)
    assert np.isnan(coarse[:50, :150]).all()


def test_overviews_of_flags_hold_only_flags_that_occur(tmp_path):
    rng = np.random.default_rng(3)
    flags = rng.choice(np.array([0, 8], dtype=np.uint8), (1024, 1024))
    path = write_cog(
        tmp_path / "flags.tif",
        [flags],
        geobox=TILE.geobox,
        nodata=None,
        descriptions=["flags"],
        block_px=256,
    )
    assert cog_validate(path, strict=True, quiet=True)[0]
    with rasterio.open(path, overview_level=0) as file:
        assert set(np.unique(file.read(1))) == {0, 8}
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), flags)


def test_scaled_integers_keep_their_scale_and_offset(tmp_path):
    stored = np.arange(1024 * 1024, dtype=np.uint16).reshape(1024, 1024)
    path = write_cog(
        tmp_path / "r.tif",
        [stored],
        geobox=TILE.geobox,
        nodata=0,
        descriptions=["red"],
        scales=[0.0001],
        offsets=[-0.1],
        block_px=512,
    )
    with rasterio.open(path) as file:
        assert file.scales == (0.0001,)
        assert file.offsets == (-0.1,)
        assert file.nodata == 0
        np.testing.assert_array_equal(file.read(1), stored)


@pytest.mark.parametrize(
    ("dtype", "scales", "rule"),
    [
        ("float32", [1.0, 1.0], "AVERAGE"),
        ("uint16", [0.0001], "AVERAGE"),
        ("uint8", [1.0], "NEAREST"),
        ("uint8", [0.01, 1.0], "NEAREST"),
    ],
    ids=["floats", "scaled integers", "counts", "scaled beside counts"],
)
def test_one_categorical_band_decides_how_overviews_are_made(dtype, scales, rule):
    assert overview_rule(np.dtype(dtype), scales) == rule


@pytest.mark.parametrize(
    "bands",
    [
        [np.zeros((1024, 1024), "f4"), np.zeros((1024, 1024), "u1")],
        [np.zeros((1024, 1024), "f4"), np.zeros((512, 512), "f4")],
        [np.zeros((1024, 1024), "f4")],
        [],
    ],
    ids=["two dtypes", "two shapes", "one band short", "no band"],
)
def test_bands_that_do_not_go_together_are_refused(bands, tmp_path):
    with pytest.raises(StoreFault, match="separate files"):
        write_cog(
            tmp_path / "x.tif",
            bands,
            geobox=TILE.geobox,
            nodata=None,
            descriptions=["a", "b"],
        )
    assert not (tmp_path / "x.tif").exists()


def test_an_item_is_valid_by_the_core_schema_without_any_network(tmp_path):
    item = map_item(make_map(tmp_path / "fvc.tif"))
    assert schema_errors(item.to_dict(), "item") == []


def test_the_core_schema_would_notice_a_broken_item(tmp_path):
    broken = map_item(make_map(tmp_path / "fvc.tif")).to_dict()
    del broken["properties"]["start_datetime"]
    assert schema_errors(broken, "item")


def test_an_item_says_what_the_map_is_made_of(tmp_path):
    item = map_item(make_map(tmp_path / "fvc.tif")).to_dict()
    told = item["properties"]
    assert told["datetime"] is None
    assert told["start_datetime"] == "2025-08-01T00:00:00Z"
    assert told["end_datetime"] == "2025-08-31T23:59:59Z"
    assert told["qhsink:provenance"] == "simulated"
    assert told["qhsink:derived_from"] == ["S2B_1", "S2A_2"]
    assert told["proj:code"] is None
    assert told["proj:shape"] == [1024, 1024]
    fvc, count = item["assets"]["map"]["bands"]
    assert fvc["nodata"] == "nan"
    assert count["nodata"] == 255
    assert fvc["raster:spatial_resolution"] == 20.0
    assert (fvc["unit"], fvc["raster:scale"], fvc["raster:offset"]) == ("1", 1.0, 0.0)
    json.dumps(item, allow_nan=False)


def test_the_grid_of_an_item_rebuilds_the_geobox(tmp_path):
    told = map_item(make_map(tmp_path / "fvc.tif")).to_dict()["properties"]
    rebuilt = GeoBox(
        tuple(told["proj:shape"]),
        rasterio.Affine(*told["proj:transform"]),
        told["proj:wkt2"],
    )
    assert rebuilt.boundingbox.bbox == TILE.geobox.boundingbox.bbox
    assert rebuilt.crs.proj == GRID.crs


def test_a_footprint_holds_the_tile_and_goes_round_anticlockwise(tmp_path):
    item = map_item(make_map(tmp_path / "fvc.tif"))
    outline = shape(item.geometry)
    assert outline.is_valid
    assert outline.exterior.is_ccw
    other = TILE.geobox.geographic_extent.geom
    assert outline.symmetric_difference(other).area / outline.area < 1e-4
    assert outline.contains(Point(other.centroid))
    assert tuple(item.bbox) == pytest.approx(outline.bounds)


def test_a_catalogue_can_be_moved_and_read_again(cover_file, cover, tmp_path):
    out = tmp_path / "published"
    item = map_item(make_map(cover_file))
    path = write_catalogue(out, [item, map_item(make_map(cover_file, item_id="b"))])
    for document in [path, *out.rglob("items/*/*.json")]:
        text = document.read_text()
        assert str(tmp_path) not in text
        kind = "catalog" if document == path else "item"
        assert schema_errors(json.loads(text), kind) == []
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    tmp_path.rename(moved)
    catalogue = pystac.Catalog.from_file(str(moved / "published" / "catalog.json"))
    items = sorted(catalogue.get_items(), key=lambda found: found.id)
    assert [found.id for found in items] == ["b", item.id]
    with rasterio.open(items[0].assets["map"].get_absolute_href()) as file:
        np.testing.assert_array_equal(file.read(1), cover)
    moved.rename(tmp_path)


def test_writing_a_catalogue_leaves_the_items_alone(cover_file, tmp_path):
    item = map_item(make_map(cover_file))
    before = item.to_dict()
    write_catalogue(tmp_path / "a", [item])
    first = (tmp_path / "a" / "catalog.json").read_text()
    assert item.to_dict() == before
    write_catalogue(tmp_path / "b", [item])
    assert (tmp_path / "b" / "catalog.json").read_text() == first

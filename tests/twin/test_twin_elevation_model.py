"""The simulated Copernicus DEM: real tiles, true heights with the stated error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pystac
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pystac.stac_object import STACObjectType
from pystac.validation import RegisteredValidator
from rio_cogeo.cogeo import cog_validate

from qhsink.config import SourceConfig
from qhsink.domain.errors import BadInput
from qhsink.grid import qinghai_albers
from qhsink.sources.layer_items import pin_layer
from qhsink.sources.layers import read_elevation
from qhsink.twin.archive import build_archive
from qhsink.twin.elevation_model import Tile, heights, jobs, posting_for
from qhsink.twin.orders import Order, Terrain


def silent(_text: str) -> None:
    """Take a step's name and say nothing."""


@pytest.fixture(scope="module")
def order(tmp_path_factory, twin_spec) -> Order:
    """An order of 24 km around a corner of four tiles."""
    to_grid = pyproj.Transformer.from_crs(4326, qinghai_albers(), always_xy=True)
    x, y = to_grid.transform(99.0, 37.0)
    return Order(
        folder=tmp_path_factory.mktemp("dem"),
        area=shapely.box(x - 12_000, y - 12_000, x + 12_000, y + 12_000),
        terrain=Terrain(qinghai_albers(), (), twin_spec.shore_m),
        world=twin_spec.build_world(7, 2025),
        spec=twin_spec,
        pixel_size=60.0,
    )


@pytest.fixture(scope="module")
def items(order) -> list[dict]:
    """The four tiles of the order, made."""
    return [item for job in jobs(order) for item in job.make(silent)]


def file_of(order: Order, item: dict) -> Path:
    """Return the file of an item."""
    return order.folder / "cop-dem-glo-30" / item["id"] / f"{item['id']}.tif"


@pytest.mark.parametrize(
    ("pixel", "posting"), [(30, 1), (60, 3), (120, 6), (240, 12), (480, 24)], ids=str
)
def test_postings_divide_a_degree_and_suit_the_pixel(pixel, posting, twin_spec):
    assert posting_for(float(pixel), twin_spec.dem) == posting


def test_tiles_have_the_edges_and_names_of_real_ones(shared_dir):
    folder = shared_dir / "data" / "stac_fixtures"
    real = json.loads(
        min(folder.glob("earth-search__cop-dem-glo-30__*W179*.json")).read_text()
    )
    # The real tile: first posting on the corner 89 S, 179 W; 10 arc seconds along x.
    edge = real["properties"]["proj:transform"]
    assert edge[2] == pytest.approx(-179.0 - edge[0] / 2)
    assert edge[5] == pytest.approx(-89.0 - edge[4] / 2)
    ours = Tile(36, 99, 1)
    assert ours.frame.shape == (3600, 3600)
    assert ours.frame.left == pytest.approx(99.0 - 1 / 7200)
    assert ours.frame.top == pytest.approx(37.0 + 1 / 7200)
    assert len(ours.name) == len(real["id"])
    assert ours.name.replace("N36", "S90").replace("E099", "W179") == real["id"]


def test_items_carry_the_fields_of_the_real_item(items, shared_dir):
    folder = shared_dir / "data" / "stac_fixtures"
    real = json.loads(
        min(folder.glob("earth-search__cop-dem-glo-30__*.json")).read_text()
    )
    foreign = ("storage:", "earthsearch:", "processing:", "updated")
    for ours in items:
        assert set(ours["properties"]) >= {
            name for name in real["properties"] if not name.startswith(foreign)
        }
        assert set(ours["assets"]["data"]) >= set(real["assets"]["data"])
        assert ours["properties"]["provenance"] == "simulated"
        assert ours["properties"]["datetime"] == real["properties"]["datetime"]


def test_items_are_valid_stac_and_files_are_cogs_of_float32(items, order):
    assert len(items) == 4
    validator = RegisteredValidator.get_validator()
    for item in items:
        lone = pystac.Item.from_dict(
            {**item, "links": [k for k in item["links"] if k["rel"] == "collection"]}
        )
        validator.validate_core(
            lone.to_dict(), STACObjectType.ITEM, pystac.get_stac_version()
        )
        path = file_of(order, item)
        assert item["assets"]["data"]["file:size"] == path.stat().st_size
        valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
        assert valid, (errors, warnings)
        with rasterio.open(path) as file:
            assert file.crs.to_epsg() == 4326
            assert file.dtypes == ("float32",)
            assert np.isnan(file.nodata)
            assert list(file.shape) == item["properties"]["proj:shape"] == [1200, 1200]
            assert list(file.transform)[:6] == pytest.approx(
                item["properties"]["proj:transform"]
            )


def test_heights_are_true_with_the_stated_error(items, order):
    to_grid = pyproj.Transformer.from_crs(4326, qinghai_albers(), always_xy=True)
    for item in items:
        with rasterio.open(file_of(order, item)) as file:
            height, transform = file.read(1), file.transform
        rows, columns = np.nonzero(np.isfinite(height))
        assert rows.size > 10_000
        lon, lat = transform * (columns + 0.5, rows + 0.5)
        x, y = to_grid.transform(lon, lat)
        land = order.world.at(x, y, np.zeros(x.size, dtype=np.uint8))
        error = height[rows, columns] - land.elevation
        stated = item["properties"]["qhsink:vertical_error_m"]
        assert stated == pytest.approx(1.3)
        assert abs(error.mean()) < 0.5
        assert error.std() == pytest.approx(stated, rel=0.2)
        assert np.abs(error).max() < 5.5 * stated
        # Most of the error is common to neighbours: slopes are better than heights.
        pair = (np.diff(rows) == 0) & (np.diff(columns) == 1)
        assert np.diff(error)[pair].std() < 0.7 * stated


def test_without_error_heights_are_those_of_the_world(order):
    frame = Tile(36, 99, 3).frame
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(0, 1200, (2, 3_000))
    found = heights(frame, rows, columns, qinghai_albers(), order.world)
    to_grid = pyproj.Transformer.from_crs(4326, qinghai_albers(), always_xy=True)
    x, y = to_grid.transform(
        frame.left + (columns + 0.5) * frame.pixel_size,
        frame.top - (rows + 0.5) * frame.pixel_size,
    )
    land = order.world.at(x, y, np.zeros(x.size, dtype=np.uint8))
    assert np.abs(found - land.elevation).max() < 0.5


def test_a_tile_alone_is_the_tile_among_its_neighbours(items, order, tmp_path):
    name = "Copernicus_DSM_COG_10_N36_00_E099_00_DEM"
    lonlat = shapely.box(99.02, 36.93, 99.10, 36.98)
    from_lonlat = pyproj.Transformer.from_crs(4326, qinghai_albers(), always_xy=True)
    part = shapely.transform(
        lonlat, lambda p: np.column_stack(from_lonlat.transform(*p.T))
    )
    alone = replace(order, folder=tmp_path, area=part)
    (job,) = jobs(alone)
    (made,) = job.make(silent)
    assert made["id"] == name
    layers = []
    for folder in (tmp_path, order.folder):
        with rasterio.open(folder / "cop-dem-glo-30" / name / f"{name}.tif") as file:
            layers.append(file.read(1))
    shown = np.isfinite(layers[0])
    assert shown.sum() > 3_000
    np.testing.assert_array_equal(layers[0][shown], layers[1][shown])


def test_the_real_reader_finds_the_heights_of_the_world(
    order, items, project_folder, tmp_path
):
    source = SourceConfig(kind="static", url=str(order.folder / "cop-dem-glo-30"))
    found = pin_layer(
        source, "elevation", project=project_folder, bbox=(98.9, 36.9, 99.1, 37.1)
    )
    assert {item.item_id for item in found} == {item["id"] for item in items}
    assert all(item.simulated for item in found)
    left, low, right, high = order.area.bounds
    middle = (left + right) / 2, (low + high) / 2
    box = GeoBox(
        (100, 100),
        Affine(120.0, 0.0, middle[0] - 6_000, 0.0, -120.0, middle[1] + 6_000),
        qinghai_albers(),
    )
    height = read_elevation(found, box)
    columns, rows = np.meshgrid(np.arange(100) + 0.5, np.arange(100) + 0.5)
    x, y = box.affine * (columns.ravel(), rows.ravel())
    land = order.world.at(x, y, np.zeros(x.size, dtype=np.uint8))
    error = height.ravel() - land.elevation
    # Interpolation between postings rounds crests off.
    assert np.isfinite(error).all()
    assert np.median(np.abs(error)) < 2.0
    assert np.quantile(np.abs(error), 0.99) < 12.0


def test_the_archive_holds_what_was_asked_for(tmp_path, lone_region, twin_spec):
    out = tmp_path / "archive"
    options = {"regions": [lone_region], "seed": 7, "year": 2025, "spec": twin_spec}
    build_archive(out, pixel_size_m=480.0, products=("dem",), **options)
    root = pystac.Catalog.from_file(str(out / "catalog.json"))
    assert [child.id for child in root.get_children()] == ["cop-dem-glo-30"]
    validator = RegisteredValidator.get_validator()
    for child in root.get_children():
        validator.validate_core(
            child.to_dict(), STACObjectType.COLLECTION, pystac.get_stac_version()
        )
        assert "SIMULATED" in child.description
    assert len(list(root.get_items(recursive=True))) == 1
    for wrong, text in ((("moon",), "product 'moon'"), ((), "no product")):
        with pytest.raises(BadInput, match=text):
            build_archive(out, pixel_size_m=480.0, products=wrong, **options)

"""Small scenes written to disk, with items as Earth Search C1 ships them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from odc.geo.geobox import GeoBox

from qhsink.grid import Grid, qinghai_albers
from qhsink.regions.database import load_database
from qhsink.twin.archive import build_archive

REGION, PIXEL = "632324", 480.0
"""The twin's region and pixel [m] that all three kinds of archive are tried on."""

S2_NAMES = {
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "nir08": "B8A",
    "swir16": "B11",
    "swir22": "B12",
    "scl": "SCL",
}
BAND_KEYS = {"nir": "nir08", "mask": "scl"}


def write_tiff(path, numbers, *, transform, crs, nodata=0, tiled=False, overviews=()):
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64} if tiled else {}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=numbers.shape[0],
        width=numbers.shape[1],
        count=1,
        dtype=numbers.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
        compress="deflate",
        **options,
    ) as file:
        file.write(numbers, 1)
        if overviews:
            file.build_overviews(overviews, rasterio.enums.Resampling.average)


@pytest.fixture(scope="session")
def region(project_folder):
    database = load_database(project_folder / "aoi" / "qinghai.gpkg")
    return database.geometry(REGION, qinghai_albers())


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory, region):
    """A coarse archive of one county; not to be changed."""
    folder = tmp_path_factory.mktemp("twin") / "demo"
    return build_archive(
        folder,
        regions=[(REGION, region)],
        seed=2025,
        year=2025,
        pixel_size_m=PIXEL,
        bands="red-edge",
    )


@pytest.fixture(scope="session")
def tile(region):
    """The tile that holds most of the region."""
    grid = Grid(qinghai_albers(), PIXEL, tile_px=128, block_px=128)
    return max(
        grid.tiles_over(region), key=lambda t: t.bounds.intersection(region).area
    )


@pytest.fixture
def utm() -> GeoBox:
    """A lattice of 64 by 64 pixels of 20 m near Qinghai Lake."""
    return GeoBox((64, 64), Affine(20, 0, 300_000, 0, -20, 4_100_000), "EPSG:32648")


@pytest.fixture
def write_item(tmp_path, utm):
    """Write one granule and its item; returns the item as written."""

    def write(
        name,
        *,
        day="2025-08-02",
        fill=3000,
        scl=4,
        baseline="05.11",
        offset=-0.1,
        applied=False,
        tile="47SNA",
        geobox=None,
        folder=None,
        properties=None,
        **tiff,
    ):
        box = geobox or utm
        place = (folder or tmp_path) / name
        place.mkdir(parents=True)
        assets = {}
        for index, (key, band) in enumerate(S2_NAMES.items()):
            value = scl if key == "scl" else fill
            kind = np.uint8 if key == "scl" else np.uint16
            if not isinstance(value, np.ndarray):
                step = 0 if key == "scl" else 100 * index
                value = np.full(box.shape, value + step)
            write_tiff(
                place / f"{band}.tif",
                value.astype(kind),
                transform=box.transform,
                crs=str(box.crs),
                **tiff,
            )
            assets[key] = {"href": f"./{band}.tif", "eo:bands": [{"name": band}]}
            if key != "scl":
                stated = {"nodata": 0, "scale": 1e-4, "offset": offset}
                assets[key]["raster:bands"] = [stated]
        corners = rasterio.warp.transform_bounds(
            str(box.crs), "EPSG:4326", *box.boundingbox.bbox
        )
        west, south, east, north = corners
        ring = [
            [west, south],
            [east, south],
            [east, north],
            [west, north],
            [west, south],
        ]
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "collection": "sentinel-2-c1-l2a",
            "bbox": list(corners),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "links": [],
            "properties": {
                "datetime": f"{day}T04:17:01.024Z",
                "platform": "sentinel-2b",
                "s2:product_type": "S2MSI2A",
                "s2:processing_baseline": baseline,
                "earthsearch:boa_offset_applied": applied,
                "grid:code": f"MGRS-{tile}",
                "eo:cloud_cover": 12.5,
                **(properties or {}),
            },
            "assets": assets,
        }
        (place / f"{name}.json").write_text(json.dumps(item), encoding="utf-8")
        return item

    return write

"""Heights from a file land where they belong."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from qhsink.domain.errors import SourceError
from qhsink.grid import qinghai_albers
from qhsink.sources.elevation import elevation_files, read_elevation


def tilted_plane(path, *, nodata=None):
    """Heights in UTM 47N: 3000 m + 0.05 (east - 500 000) - 0.02 (north - 4 080 000)."""
    size, pixel = 400, 30.0
    left, top = 494_000.0, 4_086_000.0
    east = left + pixel * (np.arange(size) + 0.5)
    north = top - pixel * (np.arange(size) + 0.5)
    heights = 3000.0 + 0.05 * (east[None] - 5e5) - 0.02 * (north[:, None] - 4.08e6)
    if nodata is not None:
        heights[:200] = nodata
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=size,
        width=size,
        count=1,
        dtype="float32",
        crs="EPSG:32647",
        transform=Affine(pixel, 0, left, 0, -pixel, top),
        nodata=nodata,
    ) as file:
        file.write(heights.astype("float32"), 1)


def window(pixel=20.0, size=100):
    """A square of the grid in the middle of the plane."""
    to_grid = pyproj.Transformer.from_crs(32647, qinghai_albers(), always_xy=True)
    x, y = to_grid.transform(500_000.0, 4_080_000.0)
    half = pixel * size / 2
    affine = Affine(pixel, 0, x - half, 0, -pixel, y + half)
    return GeoBox((size, size), affine, qinghai_albers().to_wkt())


@pytest.mark.parametrize("pixel", [20.0, 60.0], ids=["finer", "coarser"])
def test_a_plane_is_still_that_plane_on_the_grid(tmp_path, pixel):
    tilted_plane(tmp_path / "dem.tif")
    box = window(pixel)
    found = read_elevation(tmp_path / "dem.tif", box)
    at = (np.arange(100) + 0.5) * pixel
    x, y = np.meshgrid(box.affine.c + at, box.affine.f - at)
    to_utm = pyproj.Transformer.from_crs(qinghai_albers(), 32647, always_xy=True)
    east, north = to_utm.transform(x, y)
    plane = 3000.0 + 0.05 * (east - 5e5) - 0.02 * (north - 4.08e6)
    np.testing.assert_allclose(found, plane, atol=0.15)


def test_no_height_is_nan_inside_and_beyond_the_file(tmp_path):
    tilted_plane(tmp_path / "dem.tif", nodata=-9999.0)
    found = read_elevation(tmp_path / "dem.tif", window())
    assert np.isnan(found[:40]).all()
    assert np.isfinite(found[60:]).all()
    far = window().translate_pix(100_000, 0)
    assert np.isnan(read_elevation(tmp_path / "dem.tif", far)).all()


def test_a_folder_of_tiles_is_one_surface_the_first_by_name_wins(tmp_path):
    folder = tmp_path / "tiles"
    folder.mkdir()
    tilted_plane(folder / "a.tif", nodata=-9999.0)
    tilted_plane(tmp_path / "whole.tif")
    whole = read_elevation(tmp_path / "whole.tif", window())
    with rasterio.open(tmp_path / "whole.tif") as file:
        profile, heights = file.profile, file.read()
    with rasterio.open(folder / "b.tif", "w", **profile) as file:
        file.write(heights + 7.0)
    found = read_elevation(folder, window())
    np.testing.assert_allclose(found[60:], whole[60:], atol=1e-3)
    np.testing.assert_allclose(found[:40], whole[:40] + 7.0, atol=1e-3)


def test_masks_beside_copernicus_heights_are_no_heights(tmp_path):
    folder = tmp_path / "Copernicus_DSM_10_N36_00_E099_00"
    (folder / "AUXFILES").mkdir(parents=True)
    for name in ("AUXFILES/Copernicus_WBM.tif", "Copernicus_DSM_10_DEM.tif"):
        (folder / name).touch()
    assert [p.name for p in elevation_files(tmp_path)] == ["Copernicus_DSM_10_DEM.tif"]


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(SourceError, match="no GeoTIFF in or below it"):
        read_elevation(tmp_path, window())


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere\.tif.*dem.*under \[corrections\]"):
        read_elevation(tmp_path / "nowhere.tif", window())

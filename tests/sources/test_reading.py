"""Windows are read right or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.warp
import xarray as xr
from affine import Affine
from odc.geo.converters import rio_geobox
from odc.geo.geobox import GeoBox

from qhsink.config import SourceConfig, load_run_config
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period, parse_month
from qhsink.domain.scene import BANDS, BandFile, Scene
from qhsink.grid import qinghai_albers
from qhsink.imagery.composite import Flag, median_composite
from qhsink.imagery.encoding import NODATA
from qhsink.imagery.masking import MaskRules, classify_observations
from qhsink.sources.rasters import bounded_gdal, read_numbers
from qhsink.sources.reading import read_window, scene_levels
from qhsink.sources.stac import pin_scenes
from tests.sources.conftest import write_tiff

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
RULES = MaskRules((4, 5, 6), 6, (0, 1, 2, 3, 4, 5), 7, 0.0, 0.4, 0.11, 20.0)


def pin(folder, month="2025-08"):
    source = SourceConfig(kind="static", url=str(folder))
    return pin_scenes(
        source, project=folder, bbox=EVERYWHERE, period=parse_month(month)
    )


def test_digital_numbers_become_reflectance_on_their_own_lattice(
    tmp_path, write_item, utm
):
    rng = np.random.default_rng(1)
    numbers = rng.integers(1, 12_000, utm.shape)
    write_item("a", fill=numbers)

    stack = read_window(pin(tmp_path), utm)

    assert stack.days == (date(2025, 8, 2),)
    assert stack.scene_ids == (("a",),)
    assert stack.reflectance.dtype == np.int16
    for band in range(6):
        np.testing.assert_array_equal(stack.reflectance[0, band], numbers - 1000)
    assert (stack.mask == 4).all()


def test_scenes_with_and_without_offset_agree(tmp_path, write_item, utm):
    write_item("old", day="2025-08-01", fill=3000, baseline="02.14", offset=0)
    write_item("new", day="2025-08-05", fill=4000)
    write_item("done", day="2025-08-09", fill=3000, applied=True)

    stack = read_window(pin(tmp_path), utm)

    assert len(stack.days) == 3
    assert len({int(layer[0, 0, 0]) for layer in stack.reflectance}) == 1


def test_digital_number_zero_is_nodata_not_minus_a_thousand(tmp_path, write_item, utm):
    numbers = np.full(utm.shape, 3000)
    numbers[:10] = 0
    write_item("a", fill=numbers)
    stack = read_window(pin(tmp_path), utm)
    assert (stack.reflectance[0, :, :10] == NODATA).all()
    assert (stack.reflectance[0, :, 10:] != NODATA).all()


def test_scenes_that_do_not_touch_the_window_are_not_opened(tmp_path, write_item, utm):
    write_item("a")
    scenes = pin(tmp_path)
    for file in (tmp_path / "a").glob("*.tif"):
        file.unlink()
    far = utm.translate_pix(100_000, 0)
    stack = read_window(scenes, far)
    assert stack.reflectance.shape == (0, 6, 64, 64)
    assert stack.days == ()


def test_a_window_past_the_scenes_edge_is_nodata_there(tmp_path, write_item, utm):
    write_item("a", fill=3000)
    stack = read_window(pin(tmp_path), utm.translate_pix(32, 0))
    assert (stack.reflectance[0, 0, :, :32] == 2000).all()
    assert (stack.reflectance[0, :, :, 32:] == NODATA).all()
    assert (stack.mask[0, :, 32:] == 0).all()


def test_in_an_overlap_a_clear_pixel_is_not_hidden_by_a_cloudy_one(
    tmp_path, write_item, utm
):
    half = np.full(utm.shape, 4)
    half[:, :40] = 9
    write_item("a-cloudy-west", fill=9000, scl=half)
    write_item("b-clear", fill=3000, tile="48SUF")

    stack = read_window(pin(tmp_path), utm)

    assert stack.scene_ids == (("a-cloudy-west", "b-clear"),)
    assert (stack.mask == 4).all()
    assert (stack.reflectance[0, 0, :, :40] == 2000).all()
    assert (stack.reflectance[0, 0, :, 40:] == 8000).all(), "first by id among equals"


def test_all_bands_of_a_pixel_come_from_one_scene(tmp_path, write_item, utm):
    hole = np.full(utm.shape, 9000)
    hole[5, 5] = 0
    write_item("a", fill=hole)
    write_item("b", fill=3000, tile="48SUF")
    stack = read_window(pin(tmp_path), utm)
    assert stack.reflectance[0, 0, 5, 5] == NODATA
    assert (stack.reflectance[0, :, 5, 6] == 8000).all()


def test_reprojection_takes_source_pixels_as_they_are(tmp_path, write_item, utm):
    rng = np.random.default_rng(2)
    numbers = rng.integers(1500, 9000, utm.shape)
    numbers[20:30, 20:30] = 0
    write_item("a", fill=numbers)
    grid = GeoBox.from_bbox(utm.boundingbox, resolution=20, crs=utm.crs).rotate(7)

    stack = read_window(pin(tmp_path), grid)

    seen = np.unique(stack.reflectance[0, 0][stack.reflectance[0, 0] != NODATA])
    assert set(seen) <= set((numbers[numbers > 0] - 1000).ravel())
    holes = (stack.reflectance[0, 0] == NODATA).sum()
    assert holes >= 90, "the hole and the corners stay empty"


@pytest.mark.parametrize(
    ("crs", "zoom", "turn"),
    [
        ("EPSG:32648", 1.3, 7.0),
        ("EPSG:6933", 1.0, 0.0),
        ("EPSG:6933", 0.4, 7.0),
        ("albers", 1.0, 0.0),
        ("albers", 2.9, 7.0),
    ],
    ids=["turned", "ease-grid", "finer-ease-grid", "albers", "coarser-albers"],
)
def test_nearest_pixels_are_those_gdal_takes(
    tmp_path, write_item, utm, crs, zoom, turn
):
    numbers = np.random.default_rng(8).integers(1500, 9000, utm.shape)
    write_item("a", fill=numbers)
    (scene,) = pin(tmp_path)
    projection = qinghai_albers().to_wkt() if crs == "albers" else crs
    west, south, east, north = rasterio.warp.transform_bounds(
        "EPSG:32648", projection, *utm.boundingbox.bbox
    )
    size = 20 * zoom
    shape = (int((north - south) / size), int((east - west) / size))
    affine = Affine(size, 0, west + 3, 0, -size, north - 7)
    window = GeoBox(shape, affine, projection).rotate(turn)
    expected = np.zeros(shape, dtype=np.uint16)
    with rasterio.open(scene.file("blue").href) as file:
        rasterio.warp.reproject(
            rasterio.band(file, 1),
            expected,
            dst_transform=window.transform,
            dst_crs=projection,
            src_nodata=0,
            dst_nodata=0,
            tolerance=0,
        )

    found = read_numbers(scene, scene.file("blue"), window, averaged=False)

    assert (expected > 0).mean() > 0.5
    # They may differ where a pixel's centre falls on the edge between two.
    y, x = np.nonzero(found != expected)
    place = window.transform
    xs = place.a * (x + 0.5) + place.b * (y + 0.5) + place.c
    ys = place.d * (x + 0.5) + place.e * (y + 0.5) + place.f
    project = pyproj.Transformer.from_crs(projection, "EPSG:32648", always_xy=True)
    easts, norths = project.transform(xs, ys)
    col, row = (easts - 300_000) / 20, (4_100_000 - norths) / 20
    edge = np.minimum(np.abs(col - np.round(col)), np.abs(row - np.round(row)))
    assert (edge < 0.003).all()
    assert len(edge) < 0.005 * found.size


@pytest.mark.parametrize("overviews", [(), (2, 4)], ids=["plain", "with-overviews"])
def test_coarser_pixels_are_means_that_leave_nodata_out(
    tmp_path, write_item, utm, overviews
):
    rng = np.random.default_rng(3)
    numbers = rng.integers(1500, 9000, utm.shape)
    numbers[:4, :4] = 0
    numbers[4, 4] = 0
    write_item("a", fill=numbers, tiled=True, overviews=overviews)

    stack = read_window(pin(tmp_path), utm.zoom_out(4))

    blocks = numbers.reshape(16, 4, 16, 4).swapaxes(1, 2).reshape(16, 16, 16)
    kept = np.where(blocks > 0, blocks, np.nan)
    assert stack.reflectance[0, 0, 0, 0] == NODATA
    with np.errstate(invalid="ignore"):
        means = np.nansum(kept, axis=2) / (blocks > 0).sum(axis=2) - 1000
    found = stack.reflectance[0, 0]
    # An overview's mean of means weighs the block with the lone hole otherwise.
    whole = ~np.isnan(kept).any(axis=2)
    np.testing.assert_allclose(found[whole], means[whole], atol=1.5)
    nearly = (found[1, 1] - means[1, 1]) / means[1, 1]
    assert abs(nearly) < (0.2 if overviews else 0.001)


def test_a_mask_is_never_averaged_even_where_its_overviews_are(
    tmp_path, write_item, utm
):
    rng = np.random.default_rng(4)
    classes = rng.choice([4, 9], utm.shape)
    write_item("a", scl=classes, tiled=True, overviews=(2, 4))
    stack = read_window(pin(tmp_path), utm.zoom_out(4))
    assert set(np.unique(stack.mask)) == {4, 9}


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("band", ["B04", "SCL"])
@pytest.mark.parametrize("how", ["pasted", "warped"])
def test_a_truncated_file_is_an_error_with_scene_and_file(
    tmp_path, write_item, utm, share, band, how
):
    rng = np.random.default_rng(5)
    numbers = rng.integers(1, 12_000, utm.shape)
    write_item("a", fill=numbers, scl=rng.integers(0, 12, utm.shape), tiled=True)
    path = tmp_path / "a" / f"{band}.tif"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    window = utm if how == "pasted" else utm.rotate(5)
    with pytest.raises(SourceError, match=rf"scene a: .*{band}\.tif"):
        read_window(pin(tmp_path), window)


def test_a_file_that_is_no_raster_is_an_error(tmp_path, write_item, utm):
    write_item("a")
    (tmp_path / "a" / "B04.tif").write_bytes(b"<html>AccessDenied</html>")
    with pytest.raises(SourceError, match=r"scene a: red cannot be read"):
        read_window(pin(tmp_path), utm)


def test_a_file_of_floats_is_refused(tmp_path, write_item, utm):
    write_item("a")
    path = tmp_path / "a" / "B04.tif"
    with rasterio.open(path) as file:
        profile = file.profile | {"dtype": "float32"}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((1, *utm.shape), 0.3, dtype=np.float32))
    with pytest.raises(SourceError, match="float32"):
        read_window(pin(tmp_path), utm)


def test_mixed_sensors_are_refused(tmp_path, write_item, utm):
    write_item("a")
    scene = pin(tmp_path)[0]
    other = replace(scene, item_id="b", mask_kind="qa_pixel")
    with pytest.raises(SourceError, match="qa_pixel and scl"):
        read_window([scene, other], utm)


@pytest.mark.parametrize(
    ("flags", "kept"),
    [(0, True), (1, True), (1 << 3, False), (1 << 8, True), (1 << 11, False)],
    ids=["none", "coastal-band", "red", "cirrus-band", "ground-hidden-by-relief"],
)
def test_a_landsat_pixel_with_a_saturated_band_has_no_reflectance(
    tmp_path, write_item, utm, flags, kept
):
    write_item("a", fill=9000)
    scene = pin(tmp_path)[0]
    numbers = np.zeros(utm.shape, np.uint16)
    numbers[5, 6] = flags
    path = tmp_path / "radsat.tif"
    write_tiff(path, numbers, transform=utm.transform, crs=str(utm.crs), nodata=None)
    radsat = BandFile("radsat", str(path), 1.0, 0.0, 0)
    landsat = replace(scene, mask_kind="qa_pixel", files=(*scene.files, radsat))

    stack = read_window([landsat], utm)

    layers = stack.reflectance[0]
    assert bool((layers[:, 5, 6] != NODATA).all()) is kept
    assert kept or (layers[:, 5, 6] == NODATA).all()
    layers = layers.copy()
    layers[:, 5, 6] = 0
    assert (layers != NODATA).all()
    np.testing.assert_array_equal(stack.mask, read_window([scene], utm).mask)


def test_gdals_cache_is_bounded():
    with bounded_gdal():
        assert rasterio._env.get_gdal_config("GDAL_CACHEMAX") == 64


def test_levels_tell_a_shifted_scene_from_the_others(tmp_path, write_item, utm):
    write_item("fair", day="2025-08-02", fill=1400)
    write_item("lied-to", day="2025-08-05", fill=2400)
    write_item("cloudy", day="2025-08-08", fill=9000, scl=9)

    fair, shifted, cloudy = scene_levels(
        pin(tmp_path), utm.zoom_out(4), RULES, dark_percentile=2.0
    )

    assert fair.dark_red == pytest.approx(0.06)
    assert fair.nir == pytest.approx(0.07)
    assert fair.n_clear == 256
    assert shifted.dark_red - fair.dark_red == pytest.approx(0.1)
    assert cloudy.n_clear == 0


# Real pixels.

LANDSAT = {
    # Counted with rasterio alone (test_counts_by_rasterio_alone): QA_PIXEL without
    # bits 0 to 5, reflectance within 0..1 in all six bands. One cloudy pixel of the
    # first is saturated in bands 2 to 5 (QA_RADSAT 30) and has no reflectance.
    "LC08_L2SP_008059_20191201_20200825_02_T1": (21_334, 85, 262_144 - 81_507 - 1),
    "LC08_L2SP_017036_20130419_20200913_02_T2": (0, 0, 262_144 - 86_129),
}


def landsat_scenes(shared_dir):
    folder = shared_dir / "data" / "landsat_c2l2_stac_real_pixels"
    period = Period(date(2013, 1, 1), date(2020, 1, 1), "all")
    source = SourceConfig(kind="static", url=str(folder))
    found = pin_scenes(source, project=folder, bbox=EVERYWHERE, period=period)
    return {scene.item_id: scene for scene in found}


def landsat_rules(project_folder):
    config = load_run_config(project_folder / "config" / "landsat.toml")
    return MaskRules(**config.masks.model_dump(), pixel_size_m=config.grid.pixel_size_m)


@pytest.mark.parametrize("item_id", LANDSAT)
def test_real_landsat_scene_on_its_own_lattice(shared_dir, project_folder, item_id):
    scene = landsat_scenes(shared_dir)[item_id]
    n_clear, n_water, n_seen = LANDSAT[item_id]
    with rasterio.open(scene.file("red").href) as file:
        own = rio_geobox(file)

    stack = read_window([scene], own)
    seen = classify_observations(
        stack.reflectance, stack.mask, stack.mask_kind, landsat_rules(project_folder)
    )
    result = median_composite(stack.reflectance, seen.clear, seen.water, min_clear=1)

    assert int(seen.clear.sum()) == n_clear
    assert int((seen.clear & seen.water).sum()) == n_water
    assert int((result.flags & Flag.NO_DATA == 0).sum()) == n_seen
    assert int((result.n_clear == 1).sum()) == n_clear
    for band, layer in zip(BANDS, result.reflectance, strict=True):
        with rasterio.open(scene.file(band).href) as file:
            truth = file.read(1) * 0.0000275 - 0.2
        clear = result.n_clear == 1
        np.testing.assert_allclose(layer[clear] / 1e4, truth[clear], atol=5.1e-5)
        assert (layer[~clear] == NODATA).all()


@pytest.mark.parametrize("item_id", LANDSAT)
def test_counts_by_rasterio_alone(shared_dir, item_id):
    (folder,) = {
        path.parent
        for path in (shared_dir / "data" / "landsat_c2l2_stac_real_pixels").rglob(
            f"{item_id}_QA_PIXEL.TIF"
        )
    }

    def numbers(name):
        with rasterio.open(folder / f"{item_id}_{name}.TIF") as file:
            return file.read(1).astype(np.int64)

    qa = numbers("QA_PIXEL")
    clear = qa & 0b111111 == 0
    for band in range(2, 8):
        value = numbers(f"SR_B{band}")
        clear &= (value != 0) & (value * 0.0000275 - 0.2 >= 0.0)
        clear &= value * 0.0000275 - 0.2 <= 1.0
    water = clear & (qa & 0b10000000 != 0)
    flaws = sum(1 << (band - 1) for band in range(2, 8)) + (1 << 11)
    seen = (qa & 1 == 0) & (numbers("QA_RADSAT") & flaws == 0)
    assert not (clear & ~seen).any()
    counts = (int(clear.sum()), int(water.sum()), int(seen.sum()))
    assert counts == LANDSAT[item_id]


def test_real_landsat_scene_on_the_shipped_grid(shared_dir, project_folder):
    """Against one call of GDAL's nearest neighbour per band, without our reader."""
    scene = landsat_scenes(shared_dir)["LC08_L2SP_008059_20191201_20200825_02_T1"]
    config = load_run_config(project_folder / "config" / "landsat.toml")
    grid = config.grid.build()
    (x,), (y,) = rasterio.warp.transform("EPSG:4326", grid.crs, [-75.1], [1.45])
    edge = grid.tile_px * grid.pixel_size
    tile = grid.tile(int(x // edge), int(-y // edge))

    stack = read_window([scene], tile.geobox)
    seen = classify_observations(
        stack.reflectance, stack.mask, stack.mask_kind, landsat_rules(project_folder)
    )

    def warped(band):
        out = np.full(tile.geobox.shape, 1 if band == "mask" else 0, dtype=np.uint16)
        with rasterio.open(scene.file(band).href) as file:
            rasterio.warp.reproject(
                rasterio.band(file, 1),
                out,
                dst_transform=tile.geobox.transform,
                dst_crs=grid.crs,
                src_nodata=1 if band == "mask" else 0,
                dst_nodata=1 if band == "mask" else 0,
            )
        return out.astype(np.int64)

    clear = warped("mask") & 0b111111 == 0
    for band in BANDS:
        value = warped(band)
        clear &= (value != 0) & (value * 0.0000275 - 0.2 >= 0.0)
    assert clear.sum() > 1000
    assert int(seen.clear.sum()) == pytest.approx(int(clear.sum()), rel=0.005)
    assert (seen.clear == clear).mean() > 0.999


def patagonia_scene(shared_dir, tmp_path):
    """The six files as GeoTIFFs, each with its own geotransform, and a clear mask."""
    folder = shared_dir / "data" / "sentinel2_patagonia_xrspatial"
    names = {
        "blue": "blue",
        "green": "green",
        "red": "red",
        "nir": "nir",
        "swir16": "swir1",
        "swir22": "swir2",
    }
    files, arrays, transforms = [], {}, {}
    for band, name in names.items():
        path = folder / f"{name}_band.nc"
        with xr.open_dataset(path, engine="scipy", decode_cf=False) as data:
            values = data["__xarray_dataarray_variable__"]
            transform = Affine(*values.attrs["transform"])
            numbers = values.to_numpy().astype(np.uint16)
        path = tmp_path / f"{band}.tif"
        _write(path, numbers, transform)
        files.append(BandFile(band, str(path), 1e-4, 0.0, 0))
        arrays[band], transforms[band] = numbers, transform
    _write(tmp_path / "scl.tif", np.full((200, 300), 4, np.uint8), transform)
    files.append(BandFile("mask", str(tmp_path / "scl.tif"), 1.0, 0.0, 0))
    scene = Scene(
        item_id="patagonia",
        collection="sentinel-2-l2a",
        acquired=datetime(2019, 3, 1, 14, 30, tzinfo=UTC),
        platform="sentinel-2a",
        baseline="02.11",
        cloud_share=0.0,
        bbox=(-67.9, -48.0, -67.6, -47.7),
        mask_kind="scl",
        files=tuple(files),
        offset_rule="typed",
        simulated=False,
    )
    return scene, arrays, transforms


def _write(path, numbers, transform):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=numbers.shape[0],
        width=numbers.shape[1],
        count=1,
        dtype=numbers.dtype,
        crs="EPSG:32719",
        transform=transform,
        nodata=0,
    ) as file:
        file.write(numbers, 1)


def test_bands_of_one_shape_and_two_extents_are_aligned_not_stacked(
    shared_dir, tmp_path
):
    scene, arrays, transforms = patagonia_scene(shared_dir, tmp_path)
    assert arrays["red"].shape == arrays["swir16"].shape
    assert transforms["red"].a == 10.0
    assert transforms["swir16"].a == 20.0
    fine = GeoBox((200, 300), transforms["red"], "EPSG:32719")
    west, south, east, north = rasterio.warp.transform_bounds(
        "EPSG:32719", "EPSG:4326", *fine.boundingbox.bbox
    )
    scene = replace(scene, bbox=(west, south, east, north))

    stack = read_window([scene], fine)

    red, swir = stack.reflectance[0, 2], stack.reflectance[0, 4]
    np.testing.assert_array_equal(red, arrays["red"])
    # Each 20 m cell of the short-wave band lies over 2 x 2 of the 10 m pixels.
    np.testing.assert_array_equal(swir[::2, ::2], arrays["swir16"][:100, :150])
    np.testing.assert_array_equal(swir[1::2, 1::2], arrays["swir16"][:100, :150])
    assert (swir != arrays["swir16"]).mean() > 0.5, "not as it lies"

"""Heights, radar and land cover of Earth Engine are those of the files."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import parse_month
from qhsink.sources.earthengine_connection import close_session, open_session
from qhsink.sources.earthengine_retry import Retries
from qhsink.sources.layer_items import (
    layer_item_from_json,
    layer_item_to_json,
    pin_layer,
)
from qhsink.sources.layers import read_backscatter, read_elevation, read_landcover
from qhsink.twin.archive import build_archive
from tests.sources.conftest import PIXEL, REGION, write_tiff
from tests.standins.earthengine import PROJECT, serving
from tests.standins.earthengine_layers import (
    GLO30,
    S1,
    WORLDCOVER,
    LayerAsset,
    Raster,
    twin_layers,
)

pytestmark = pytest.mark.xdist_group("earthengine")

EVERYWHERE = (90.0, 30.0, 105.0, 40.0)
MONTH = parse_month("2025-08")


@pytest.fixture(scope="module")
def archive(tmp_path_factory, region):
    """Heights and radar of one county; not to be changed."""
    folder = tmp_path_factory.mktemp("layers") / "demo"
    return build_archive(
        folder, regions=[(REGION, region)], seed=2025, year=2025,
        pixel_size_m=PIXEL, products=("dem", "s1"),
    )  # fmt: skip


@pytest.fixture
def server(archive):
    with serving(twin_layers(archive)) as running:
        yield running


@pytest.fixture
def engine(server, monkeypatch):
    """The stand-in as a source, connected to."""
    monkeypatch.setenv("EARTHENGINE_TOKEN", json.dumps(server.service_account()))
    source = SourceConfig(kind="earthengine", url=server.url, cloud_project=PROJECT)
    rng = random.Random(1)  # noqa: S311 - jitter
    open_session(source, retries=Retries(sleep=lambda _: None, rng=rng))
    yield source
    close_session()


@pytest.fixture
def pinned(archive, engine, project_folder):
    """The items of a layer, from files and from Earth Engine."""

    def pin(layer, **options):
        files = SourceConfig(kind="static", url=str(archive))
        return [
            pin_layer(source, layer, project=project_folder, bbox=EVERYWHERE, **options)
            for source in (files, engine)
        ]

    return pin


@pytest.fixture
def fine(tile):
    """Pixels of 14 m in the middle of the tile: finer than any product here."""
    box = tile.geobox
    middle = box.affine * (box.shape[1] / 2, box.shape[0] / 2)
    return GeoBox((200, 200), box.affine.translation(*middle) @ scaled(14.0), box.crs)


def scaled(pixel):
    return rasterio.Affine(pixel, 0, 0, 0, -pixel, 0)


def test_heights_are_those_of_the_files(pinned, fine):
    files, images = pinned("elevation")
    assert [i.item_id for i in images] == [f.item_id for f in files]
    assert {i.collection for i in images} == {GLO30}
    assert all(i.simulated for i in images)
    expected, found = read_elevation(files, fine), read_elevation(images, fine)
    assert np.isfinite(expected).all()
    assert np.ptp(expected) > 20.0
    # Files are placed to a hundredth of a source pixel: 2 m on the coarse twin.
    np.testing.assert_allclose(found, expected, atol=0.5)
    assert np.abs(found - expected).mean() < 0.05


def test_heights_on_a_coarser_lattice_are_means(pinned, tile):
    files, images = pinned("elevation")
    expected = read_elevation(files, tile.geobox)
    found = read_elevation(images, tile.geobox)
    both = np.isfinite(expected) & np.isfinite(found)
    assert both.mean() > 0.3
    assert (np.isfinite(found) == np.isfinite(expected)).mean() > 0.98
    error = (found - expected)[both]
    # The stand-in averages 64 samples of a pixel that lies askew on the tile, GDAL the
    # upright box around it.
    assert error.std() < 0.1 * expected[both].std()
    assert abs(error.mean()) < 0.5


@pytest.mark.parametrize("orbit", ["ascending", "descending"])
def test_backscatter_of_slopes_is_flattened_to_that_of_the_files(
    pinned, server, fine, orbit
):
    """The twin's files are flattened; the stand-in lights their slopes again."""
    files, images = pinned("backscatter", period=MONTH)
    assert sorted(i.orbit for i in images) == sorted(f.orbit for f in files)
    assert {i.collection for i in images} == {S1}
    expected = read_backscatter(files, fine, orbit)
    found = read_backscatter(images, fine, orbit)
    assert expected.n.max() > 0
    np.testing.assert_array_equal(found.n, expected.n)
    for name in ("vv", "vh"):
        theirs, ours = getattr(expected, name), getattr(found, name)
        np.testing.assert_allclose(ours, theirs, rtol=0.02)
        assert np.nanmean(np.abs(ours / theirs - 1.0)) < 4e-3
    asset = next(
        a
        for name, a in server.world.assets.items()
        if name.startswith(S1) and a.properties["orbitProperties_pass"] == orbit.upper()
    )
    lit, angle = asset.raster("VV").values, asset.raster("angle").values
    with rasterio.open(asset.bands["VV"]) as source:
        flat = source.read(1, masked=True).astype(float).filled(np.nan)
    assert np.nanstd(lit / np.cos(np.radians(angle)) / flat) > 0.02


@pytest.fixture
def plane(server, tmp_path):
    """Serve one plane that rises to the east, seen in radar from one side."""

    def serve(steepness, orbit):
        south, west, step = 36.0, 100.0, 1.0 / 3600.0
        metre = 111_320.0 * np.cos(np.radians(south + 0.05)) * step
        rise = np.tan(np.radians(steepness)) * metre * np.arange(360.0)
        dem = tmp_path / "dem.tif"
        there = rasterio.Affine(step, 0, west, 0, -step, south + 0.1)
        heights_m = np.broadcast_to(3000.0 + rise, (360, 360)).astype("f4")
        write_tiff(dem, heights_m, transform=there, crs="EPSG:4326")
        sigma = tmp_path / "vv.tif"
        write_tiff(sigma, np.full((360, 360), 0.05, "f4"), transform=there,
                   crs="EPSG:4326")  # fmt: skip
        ring = [[100, 36], [100.1, 36], [100.1, 36.1], [100, 36.1], [100, 36]]
        outline = {"type": "Polygon", "coordinates": [ring]}
        server.world.assets.clear()
        said = {"instrumentMode": "IW", "orbitProperties_pass": orbit.upper(),
                "transmitterReceiverPolarisation": ["VV", "VH"]}  # fmt: skip
        bands = {"VV": sigma, "VH": sigma, "angle": sigma}
        radar = PlainRadar(f"{S1}/one", "2025-08-05T11:00:00Z", outline, said, bands)
        tile = LayerAsset(f"{GLO30}/tile", "2021-04-22T00:00:00Z", outline, {},
                          {"DEM": dem})  # fmt: skip
        server.world.assets |= {a.asset_id: a for a in (radar, tile)}

    return serve


class PlainRadar(LayerAsset):
    """Radar at 38 degrees everywhere, lit by nothing but what its file holds."""

    def raster(self, name):
        with rasterio.open(self.bands["VV"]) as source:
            values, there = source.read(1).astype(float), source.transform
        values = np.full_like(values, 38.0) if name == "angle" else values
        return Raster(values, there, "EPSG:4326")


@pytest.mark.parametrize(
    ("steepness", "orbit", "slope"),
    [
        (20.0, "ascending", 19.51),
        (20.0, "descending", -19.51),
        (0.0, "ascending", 0.0),
        (60.0, "ascending", None),
        (60.0, "descending", None),
    ],
    ids=["faces the radar", "faces away", "level", "layover", "radar shadow"],
)
def test_a_plane_is_flattened_as_by_hand(
    plane, engine, project_folder, steepness, orbit, slope
):
    # Downhill is west (270 deg); the radar stands at 256.8 or 103.2 deg, 13.2 from it:
    # atan(tan 20 cos 13.2) = 19.51 towards it. Gamma is 0.05 / cos 38 = 0.06345, times
    # tan(38 - a) / tan 38: 0.0271 at a = 19.51, 0.1272 at -19.51.
    plane(steepness, orbit)
    box = (100.02, 36.02, 100.08, 36.08)
    (item,) = pin_layer(engine, "backscatter", project=project_folder, bbox=box)
    step = 1.0 / 7200.0
    there = rasterio.Affine(step, 0, 100.04, 0, -step, 36.06)
    found = read_backscatter([item], GeoBox((30, 30), there, "EPSG:4326"), orbit)
    if slope is None:
        assert not found.n.any()
        return
    theta = np.radians(38.0)
    expected = 0.05 / np.cos(theta)
    expected *= np.tan(theta - np.radians(slope)) / np.tan(theta)
    np.testing.assert_allclose(found.vv, expected, rtol=2e-3)


def test_radar_without_heights_below_it_is_refused(server, engine, project_folder):
    for name in [n for n in server.world.assets if n.startswith(GLO30)]:
        del server.world.assets[name]
    with pytest.raises(SourceError, match="no heights of COPERNICUS/DEM/GLO30 below"):
        pin_layer(engine, "backscatter", project=project_folder, bbox=EVERYWHERE)


def test_only_interferometric_wide_images_of_both_polarisations_are_pinned(
    pinned, server
):
    assets = [a for name, a in server.world.assets.items() if name.startswith(S1)]
    assets[0].properties["instrumentMode"] = "EW"
    assets[1].properties["transmitterReceiverPolarisation"] = ["VV"]
    files, images = pinned("backscatter")
    assert len(images) == len(files) - 2


@pytest.fixture
def cover(server, tmp_path, utm):
    """Classes of one edition: crops with a herb pixel in every fourth."""
    classes = np.full(utm.shape, 40, np.uint8)
    classes[::2, ::2] = 30
    path = tmp_path / "cover.tif"
    write_tiff(path, classes, transform=utm.transform, crs=str(utm.crs))
    ring = [[90, 30], [105, 30], [105, 40], [90, 40], [90, 30]]
    asset = LayerAsset(
        f"{WORLDCOVER}/2021", "2021-01-01T00:00:00Z",
        {"type": "Polygon", "coordinates": [ring]}, {}, {"Map": path},
    )  # fmt: skip
    server.world.assets[asset.asset_id] = asset
    return utm, classes


def test_land_cover_is_the_nearest_or_the_most_frequent_class(
    cover, engine, project_folder
):
    utm, classes = cover
    items = pin_layer(engine, "landcover", project=project_folder, bbox=EVERYWHERE)
    assert [item.acquired.year for item in items] == [2021]
    same = GeoBox(utm.shape, utm.affine, utm.crs)
    finer = same.zoom_out(0.5)[:64, :64]
    found = read_landcover(items, finer)
    np.testing.assert_array_equal(found, classes[:32, :32].repeat(2, 0).repeat(2, 1))
    assert (read_landcover(items, same.zoom_out(2)) == 40).all()
    away = same.translate_pix(-500, 0)
    assert (read_landcover(items, away) == 0).all()


def test_an_image_that_changed_since_it_was_pinned_is_named(pinned, server, fine):
    _, images = pinned("elevation")
    kept = [layer_item_from_json(layer_item_to_json(item)) for item in images]
    assert tuple(kept) == images
    server.world.assets[f"{GLO30}/{images[0].item_id}"].updated = "2026-01-01T00:00:00Z"
    with pytest.raises(SourceError, match=f"{images[0].item_id}: changed at 2026"):
        read_elevation(kept, fine)


def test_a_place_or_layer_that_earth_engine_lacks_is_told(engine, project_folder):
    sea = (0.0, 0.0, 1.0, 1.0)
    with pytest.raises(SourceError, match="no item of elevation at"):
        pin_layer(engine, "elevation", project=project_folder, bbox=sea)
    with pytest.raises(SourceError, match="layer 'hights'"):
        pin_layer(engine, "hights", project=project_folder, bbox=sea)

"""The simulated Landsat: real paths and days, level 2 numbers, quality bits."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from pystac.stac_object import STACObjectType
from pystac.validation import RegisteredValidator
from rio_cogeo.cogeo import cog_validate

from qhsink.config import SourceConfig
from qhsink.domain.period import parse_month
from qhsink.grid import qinghai_albers
from qhsink.sources.stac import pin_scenes
from qhsink.twin import landsat, orders
from qhsink.twin.landsat_items import SHELF, Acquisition
from qhsink.twin.orders import Order, Terrain, survey
from qhsink.twin.wrs import Scene, flown, position, scenes_near

REAL = (
    ("earth-search__landsat-c2-l2__LC08_L2SP_033032_20231008_02_T1.json", "landsat-8"),
    (
        "planetarycomputer__landsat-c2-l2__LC09_L2SP_084068_20250722_02_T2.json",
        "landsat-9",
    ),
    (
        "planetarycomputer__landsat-c2-l2__LC09_L2SP_084069_20250722_02_T2.json",
        "landsat-9",
    ),
    (
        "planetarycomputer__landsat-8-c2-l2__LC08_L2SR_066091_20220318_02_T1.json",
        "landsat-8",
    ),
)


def silent(_text: str) -> None:
    """Take a step's name and say nothing."""


@pytest.mark.parametrize(("name", "platform"), REAL, ids=lambda v: v[-30:-5])
def test_real_scenes_lie_and_were_flown_where_and_when_we_say(
    name, platform, shared_dir
):
    real = json.loads((shared_dir / "data" / "stac_fixtures" / name).read_text())
    stated = real["properties"]
    path, row = int(stated["landsat:wrs_path"]), int(stated["landsat:wrs_row"])
    middle = shapely.geometry.shape(real["geometry"]).centroid
    assert position(path, row) == pytest.approx((middle.x, middle.y), abs=0.05)
    day = datetime.fromisoformat(stated["datetime"]).date()
    days = flown(path, day.year, first="01-01", last="12-31")
    assert (day, platform) in days
    taken = Acquisition(Scene(path, row), day, platform).taken(10.4)
    seconds = (taken - datetime.fromisoformat(stated["datetime"])).total_seconds()
    # Local time on the track falls southward: 10.4 h near 38 N, 9.7 h at 45 S.
    assert abs(seconds % 86_400 - 43_200) > 43_200 - 3_000


def test_a_path_is_flown_every_eight_days_by_two_satellites():
    days = [day for day, _ in flown(133, 2025, first="07-01", last="08-31")]
    assert {(b - a).days for a, b in itertools.pairwise(days)} == {8}
    assert {p for _, p in flown(133, 2020, first="07-01", last="08-31")} == {
        "landsat-8"
    }
    assert flown(133, 2012, first="07-01", last="08-31") == []


def test_scenes_overlap_along_and_across_the_track():
    (near,) = [s for s in scenes_near((99.0, 36.0, 99.1, 36.1)) if s == Scene(134, 35)]
    for other in (Scene(134, 34), Scene(133, 35)):
        beside = Scene(other.path, other.row)
        both = shapely.intersection(
            near.outline,
            shapely.transform(
                beside.outline,
                lambda p, b=beside: np.column_stack(
                    rasterio.warp.transform(f"EPSG:{b.epsg}", f"EPSG:{near.epsg}", *p.T)
                ),
            ),
        )
        assert 0.03 < both.area / near.outline.area < 0.4


@pytest.fixture(scope="module")
def order(tmp_path_factory, twin_spec, lone_region, corner_lake) -> Order:
    """An order of 6 km, and a lake in it."""
    shape = lone_region[1]
    lake = shapely.Point(shape.centroid).buffer(1_000.0)
    return Order(
        folder=tmp_path_factory.mktemp("landsat"),
        area=shape,
        terrain=Terrain(qinghai_albers(), (lake,), twin_spec.shore_m),
        world=twin_spec.build_world(7, 2025),
        spec=twin_spec,
        pixel_size=240.0,
    )


@pytest.fixture(scope="module")
def items(order):
    """All items of the order."""
    return [item for job in landsat.jobs(order) for item in job.make(silent)]


def test_items_are_valid_stac_with_the_fields_of_real_ones(items, shared_dir):
    name = REAL[1][0]
    real = json.loads((shared_dir / "data" / "stac_fixtures" / name).read_text())
    validator = RegisteredValidator.get_validator()
    assert len(items) == 8
    assert {item["properties"]["platform"] for item in items} == {
        "landsat-8",
        "landsat-9",
    }
    for item in items:
        lone = pystac.Item.from_dict(
            {**item, "links": [k for k in item["links"] if k["rel"] == "collection"]}
        )
        validator.validate_core(
            lone.to_dict(), STACObjectType.ITEM, pystac.get_stac_version()
        )
        assert set(item["properties"]) >= set(real["properties"])
        assert len(item["id"]) == len(real["id"])
        for key, asset in item["assets"].items():
            assert set(real["assets"][key]["raster:bands"][0]) <= set(
                asset["raster:bands"][0]
            )
            stated = {
                k: v for k, v in asset["raster:bands"][0].items() if k in ("scale",
                "offset", "nodata", "data_type")
            }  # fmt: skip
            known = real["assets"][key]["raster:bands"][0]
            assert stated == {k: known[k] for k in stated}
            if "eo:bands" in asset:
                assert (
                    asset["eo:bands"][0]["name"]
                    == (real["assets"][key]["eo:bands"][0]["name"])
                )


def test_files_are_cogs_on_landsat_s_lattice(items, order):
    item = items[0]
    for asset in item["assets"].values():
        path = order.folder / SHELF.id / item["id"] / asset["href"]
        valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
        assert valid, (errors, warnings)
        with rasterio.open(path) as file:
            assert file.dtypes == ("uint16",)
            assert file.transform.a == 120.0
            # Edges lie half a pixel off the multiples: 15 m in the real product.
            assert file.transform.c % 120.0 == 60.0
            assert file.transform.f % 120.0 == 60.0
            assert list(file.shape) == item["properties"]["proj:shape"]


def read(order, item, key):
    path = order.folder / SHELF.id / item["id"] / item["assets"][key]["href"]
    with rasterio.open(path) as file:
        return file.read(1), file.transform


def test_numbers_are_reflectance_and_fill_is_marked(items, order):
    for item in items:
        quality, _ = read(order, item, "qa_pixel")
        shown = quality != landsat.FILL
        red, _ = read(order, item, "red")
        nir, _ = read(order, item, "nir08")
        np.testing.assert_array_equal(red > 0, shown)
        clear = quality == landsat.CLEAR_LAND
        if clear.sum() > 50:
            low, high = red[clear] * 2.75e-5 - 0.2, nir[clear] * 2.75e-5 - 0.2
            assert 0.0 < np.median(low) < np.median(high) < 0.6
        share = np.mean(quality[shown] & landsat.CLOUD_BIT > 0)
        assert item["properties"]["eo:cloud_cover"] == pytest.approx(
            100 * share, abs=0.01
        )


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        (landsat.CLEAR_LAND, {6}),
        (landsat.CLEAR_WATER, {6, 7}),
        (landsat.DILATED, {1}),
        (landsat.DILATED_WATER, {1, 7}),
        (landsat.CLOUD, {3}),
        (landsat.SHADOW, {4, 6}),
        (landsat.SNOW, {5, 6}),
        (landsat.CIRRUS, {2, 6}),
        (landsat.FILL, {0}),
    ],
    ids=[
        "clear land",
        "clear water",
        "rim over land",
        "rim over water",
        "cloud",
        "shadow",
        "snow",
        "cirrus",
        "fill",
    ],
)
def test_quality_values_hold_the_bits_they_mean(value, bits):
    assert {bit for bit in range(8) if value >> bit & 1} == bits


def test_quality_values_are_among_those_of_a_real_scene(shared_dir):
    folder = shared_dir / "data" / "landsat_c2l2_stac_real_pixels" / "assets3"
    with rasterio.open(next(folder.glob("*QA_PIXEL.TIF"))) as file:
        real = set(np.unique(file.read(1)).tolist())
    # Neither snow, nor cirrus or a cloud's rim over water lie in that scene.
    ours = {
        landsat.FILL,
        landsat.CLEAR_LAND,
        landsat.CLEAR_WATER,
        landsat.DILATED,
        landsat.CLOUD,
        landsat.SHADOW,
    }
    assert ours <= real


def test_a_rim_around_clouds_is_dilated_and_classes_keep_their_confusion():
    scl = np.array([4, 6, 8, 9, 3, 10, 11, 7, 5, 6, 3, 1, 2], dtype=np.uint8)
    near = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0], dtype=bool)
    found = landsat.quality(scl, near).tolist()
    assert found == [
        landsat.CLEAR_LAND, landsat.CLEAR_WATER, landsat.CLOUD, landsat.CLOUD,
        landsat.SHADOW, landsat.CIRRUS, landsat.SNOW, landsat.DILATED,
        landsat.DILATED, landsat.DILATED_WATER, landsat.SHADOW,
        landsat.CLEAR_LAND, landsat.CLEAR_LAND,
    ]  # fmt: skip


def test_saturated_bands_are_told_by_their_bits(twin_spec):
    instrument = twin_spec.sensor.instrument()._replace(
        dn_step=91.0, scale=2.75e-5, offset=-0.2
    )
    full = round((instrument.saturation + 0.2) / 2.75e-5 / 91) * 91
    dn = np.full((6, 3), 9_000, dtype=np.uint16)
    dn[0, 1] = dn[5, 2] = dn[2, 2] = full
    exposure = landsat.Exposure(dn, np.full(3, 4, dtype=np.uint8))
    # Band 2 is bit 1, band 4 bit 3, band 7 bit 6.
    assert landsat.saturation(exposure, instrument).tolist() == [0, 2, 8 + 64]


def test_the_source_pins_the_scenes_unchanged(items, order):
    source = SourceConfig(kind="static", url=str(order.folder / SHELF.id))
    scenes = pin_scenes(
        source,
        project=order.folder,
        bbox=(-180.0, -90.0, 180.0, 90.0),
        period=parse_month("2025-08"),
    )
    august = [i for i in items if i["properties"]["datetime"][5:7] == "08"]
    assert [scene.item_id for scene in scenes] == sorted(
        (i["id"] for i in august), key=lambda name: name.split("_")[3]
    )
    for scene in scenes:
        assert scene.simulated
        assert scene.mask_kind == "qa_pixel"
        assert scene.baseline == "C02 L2SP"
        assert {f.offset for f in scene.files if f.band in ("red", "nir")} == {-0.2}


def test_a_scene_alone_is_the_scene_among_its_neighbours(items, order, tmp_path):
    left, low, right, high = order.area.bounds
    small = shapely.box(left + 2_000, low + 1_500, right - 1_000, high - 2_500)
    alone = replace(order, folder=tmp_path, area=small)
    made = [item for job in landsat.jobs(alone) for item in job.make(silent)]
    assert [item["id"] for item in made] == [item["id"] for item in items]
    for one, two in list(zip(made, items, strict=True))[:3]:
        for key in ("red", "swir22", "qa_pixel", "qa_radsat"):
            little, at = read(alone, one, key)
            large, origin = read(order, two, key)
            row = round((origin.f - at.f) / 120.0)
            column = round((at.c - origin.c) / 120.0)
            same = large[row : row + little.shape[0], column : column + little.shape[1]]
            shown = read(alone, one, "qa_pixel")[0] != landsat.FILL
            assert shown.sum() > 300
            np.testing.assert_array_equal(little[shown], same[shown])


def test_strips_of_a_scene_are_the_scene(items, order, tmp_path, monkeypatch):
    monkeypatch.setattr(orders, "STRIP_PX", 600)
    striped = replace(order, folder=tmp_path)
    (job,) = landsat.jobs(striped)
    made = job.make(silent)
    for one, two in zip(made[:2], items, strict=False):
        sums = [
            [asset["file:checksum"] for asset in item["assets"].values()]
            for item in (one, two)
        ]
        assert sums[0] == sums[1]


def test_cloud_flags_err_as_stated_and_mostly_hold(order, twin_spec):
    """Against the sky that was there."""
    scene = Scene(134, 34)
    seen = Acquisition(scene, date(2025, 8, 6), "landsat-8")
    light = landsat.light_on(seen, order)
    x0, y0 = -420_000.0, 4_060_000.0
    area = shapely.box(x0, y0, x0 + 90_000, y0 + 90_000)
    wide = replace(order, area=area, pixel_size=960.0)
    frame = landsat.frame_around(
        landsat.project(area, order.terrain.crs, 32647),
        epsg=32647,
        pixel_size=480.0,
        shift=240.0,
    )
    here = survey(wide, area, frame)
    layers = landsat.record(here, seen=seen, light=light, order=wide)
    level = landsat.cloud_field(here.x, here.y, light.seed) - light.cloud_level
    flagged = layers[6] & landsat.CLOUD_BIT > 0
    thick, away = level > 0.22, level < -0.3
    assert thick.sum() > 100
    assert flagged[thick].mean() > 0.99
    assert flagged[away].mean() < 0.10
    rim = (level < 0.0) & (level > -twin_spec.landsat.dilated)
    hidden = layers[6] & 0b111111 > 0
    assert hidden[rim].mean() > 0.95

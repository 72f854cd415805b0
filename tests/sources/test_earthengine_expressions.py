"""What Earth Engine is asked, as graphs: built by the real client, no network."""

from __future__ import annotations

import json
import math

import ee
import pytest
from ee.apitestcase import GetAlgorithms

from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS
from qhsink.sources.earthengine_expressions import (
    clear_sentinel2,
    median_sentinel2,
    pinned_window,
)
from qhsink.sources.earthengine_layer_expressions import heights, land_cover
from qhsink.sources.earthengine_products import ImageRef, parse_ref, product_of
from qhsink.sources.earthengine_radar_expressions import gamma_nought, toward_sensor

BOX = (97.0, 34.0, 98.0, 35.0)
S2 = "COPERNICUS/S2_SR_HARMONIZED/20250802T040559_20250802T040601_T47SNA"


@pytest.fixture(autouse=True)
def offline_client(monkeypatch):
    """The client, knowing the algorithms that ship in its wheel and no server."""
    ee.Reset()
    monkeypatch.setattr(ee.data, "_install_cloud_api_resource", lambda: None)
    monkeypatch.setattr(ee.data, "getAlgorithms", GetAlgorithms)
    monkeypatch.setattr(ee.deprecation, "deprecated_assets", {"": None})
    ee.Initialize(None, "", project="no-project")
    yield
    monkeypatch.undo()
    ee.Reset()


def written(expression):
    """The graph as nested calls, arguments in the order of their names."""
    graph = json.loads(expression.serialize())

    def text(node):
        ((kind, content),) = node.items()
        if kind == "constantValue":
            return json.dumps(content)
        if kind == "valueReference":
            return text(graph["values"][content])
        if kind == "argumentReference":
            return "it"
        if kind == "arrayValue":
            return "[" + ", ".join(text(v) for v in content["values"]) + "]"
        if kind == "functionDefinitionValue":
            return "it -> " + text(graph["values"][content["body"]])
        inner = ", ".join(text(v) for _, v in sorted(content["arguments"].items()))
        return f"{content['functionName']}({inner})"

    return text(graph["values"][graph["result"]])


def test_a_sentinel_2_window_is_the_six_bands_and_a_mask_that_nothing_leaves_empty():
    text = written(pinned_window(ImageRef(S2, "then", None)))
    image = f'Image.load("{S2}")'
    bands = '["B2", "B3", "B4", "B8A", "B11", "B12"]'
    filled = (
        f"Image.toInt16(Image.unmask(Image.clamp(32767, Image.select({bands}, {image}),"
        " -32767), false, Image.constant(-32768)))"
    )
    mask = (
        f'Image.toUint16(Image.unmask(Image.select(["SCL"], {image}), false, '
        "Image.constant(0)))"
    )
    names = json.dumps([*BANDS, "mask"])
    assert text == f"Image.rename(Image.addBands({filled}, {mask}), {names})"


def test_cloud_score_below_the_threshold_becomes_cloud_where_the_classes_see_ground():
    text = written(pinned_window(ImageRef(S2, "then", 0.6)))
    index = S2.rpartition("/")[2]
    score = (
        f'Image.select(["cs_cdf"], '
        f'Image.load("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED/{index}"))'
    )
    scl = f'Image.select(["SCL"], Image.load("{S2}"))'
    doubted = (
        f"Image.and(Image.and(Image.and(Image.lt({score}, Image.constant(0.6)), "
        f"Image.gt({scl}, Image.constant(0))), Image.neq({scl}, Image.constant(3))), "
        f"Image.lt({scl}, Image.constant(8)))"
    )
    assert f"Image.where({scl}, {doubted}, Image.constant(8))" in text


@pytest.mark.parametrize("number", [8, 9])
def test_landsat_is_scaled_on_the_server_and_keeps_its_flags(number):
    image_id = f"LANDSAT/LC0{number}/C02/T1_L2/LC0{number}_133035_20250803"
    text = written(pinned_window(ImageRef(image_id, "then", None)))
    bands = '["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"]'
    assert (
        f'Image.add(Image.multiply(Image.select({bands}, Image.load("{image_id}")), '
        "Image.constant(0.275)), Image.constant(-2000.0))"
    ) in text
    flags = f'Image.select(["QA_PIXEL"], Image.load("{image_id}"))'
    assert f"Image.unmask({flags}, false, Image.constant(1))" in text
    # Bits 1 to 6 are the six bands, bit 11 ground hidden by relief.
    saturation = f'Image.select(["QA_RADSAT"], Image.load("{image_id}"))'
    flaws = f"Image.bitwiseAnd({saturation}, Image.constant({2**11 + 2**7 - 2}))"
    assert f"Image.eq({flaws}, Image.constant(0)))" in text


def test_clear_sentinel_2_is_joined_to_its_score_by_index_and_masked_at_the_threshold():
    found = clear_sentinel2(BOX, "2025-08-01", "2025-09-01", threshold=0.6)
    text = written(found)
    scores = 'ImageCollection.load("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED")'
    assert f'Image.linkCollection({scores}, it, ["cs_cdf"])' in text
    assert 'Image.gte(Image.select(["cs_cdf"], it), Image.constant(0.6))' in text
    assert 'DateRange("2025-09-01", "2025-08-01")' in text
    joined = GetAlgorithms()["Image.linkCollection"]["args"]
    by = next(a["default"] for a in joined if a["name"] == "matchPropertyName")
    assert by == "system:index"


def test_the_median_is_taken_on_the_server_and_counts_its_dates():
    text = written(median_sentinel2(BOX, "2025-08-01", "2025-09-01", threshold=0.6))
    assert "Image.round(reduce.median(" in text
    assert text.endswith('Image.constant(0))), ["n_clear"]))')


S1 = "COPERNICUS/S1_GRD_FLOAT/S1A"


def test_radar_is_gamma_nought_flattened_on_the_lattice_of_the_heights():
    given = {"dem_ids": ["D/a"], "towards": 257.0}
    text = written(gamma_nought(S1, "vh", coarser=False, **given))
    image = f'Image.resample(Image.load("{S1}"), "bilinear")'
    angle = f'Image.select(["angle"], {image})'
    theta = f"Image.multiply({angle}, Image.constant({math.pi / 180}))"
    power = f'Image.select(["VH"], {image})'
    assert f"Image.divide({power}, Image.cos({theta}))" in text
    tile = 'Image.select(["DEM"], Image.load("D/a"))'
    assert f"Image.projection({tile})" in text
    # The slope in range: made where its axes are north and east, then interpolated.
    assert text.count("Image.resample(Image.reproject(") >= 1
    assert "Terrain.slope(" in text
    assert "Terrain.aspect(" in text
    assert f"Image.constant({257.0 * math.pi / 180})" in text
    assert text.endswith('["vh"])')
    coarse = written(gamma_nought(S1, "vv", coarser=True, **given))
    assert f'Image.resample(Image.load("{S1}")' not in coarse
    assert "1024, Reducer.mean()" in coarse


@pytest.mark.parametrize(
    ("orbit", "latitude", "azimuth"),
    [
        ("ascending", 36.0, 256.8),
        ("descending", 36.0, 103.2),
        ("ascending", 0.0, 258.0),
    ],
)
def test_the_radar_stands_to_the_left_of_its_track(orbit, latitude, azimuth):
    # By hand at 36 N: sin a = cos 98.18 / cos 36 = -0.1759; north 5250 cos a = 5168 and
    # east 5250 sin a - 360 cos 36 = -1215 deg a day: -13.2 deg, less 90.
    assert toward_sensor(orbit, latitude) == pytest.approx(azimuth, abs=0.05)


def test_an_unknown_direction_of_flight_is_refused():
    with pytest.raises(SourceError, match="orbit direction ''"):
        toward_sensor("", 36.0)


def test_heights_are_one_surface_on_the_lattice_of_a_tile():
    text = written(heights(["D/a", "D/b"], coarser=False))
    one, two = (f'Image.select(["DEM"], Image.load("D/{n}"))' for n in "ab")
    mosaic = f"ImageCollection.mosaic(ImageCollection.fromImages([{one}, {two}]))"
    placed = f"Image.setDefaultProjection(Image.projection({one}), {mosaic})"
    assert f'Image.resample({placed}, "bilinear")' in text
    assert "Image.constant(-32768.0)" in text
    coarse = written(heights(["D/a", "D/b"], coarser=True))
    assert f"true, {placed}, 1024, Reducer.mean()" in coarse


def test_classes_of_land_are_never_interpolated():
    nearest = written(land_cover("C/2021", coarser=False))
    assert "resample" not in nearest
    assert "reduce" not in nearest
    assert "Reducer.mode()" in written(land_cover("C/2021", coarser=True))


@pytest.mark.parametrize("score", [None, 0.6, 0.0001])
def test_a_pinned_image_is_found_again_in_its_href(score):
    ref = ImageRef(S2, "2025-10-01T00:00:00.123456Z", score)
    files = ref.files()
    assert [file.band for file in files] == [*BANDS, "mask"]
    assert parse_ref(files[-1].href) == ref


def test_an_href_of_another_kind_and_an_unknown_collection_are_named():
    with pytest.raises(SourceError, match="as a plan writes it"):
        parse_ref("https://example.org/B4.tif")
    with pytest.raises(SourceError, match="MODIS/061/MOD09A1"):
        product_of("MODIS/061/MOD09A1")

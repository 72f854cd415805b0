"""Offsets come from what an item says of itself, by table."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pystac
import pytest

from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, RED_EDGE
from qhsink.sources.offsets import SENTINEL2_RULES, resolve_bands

S2_BANDS = {
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "nir08": "B8A",
    "swir16": "B11",
    "swir22": "B12",
}


def sentinel2_item(*, baseline="05.11", applied=None, offset=None, scale=None):
    """An Earth Search style item, with only the fields that decide."""
    stated = {
        key: value
        for key, value in (("scale", scale), ("offset", offset))
        if value is not None
    }
    assets = {
        key: {
            "href": f"./{name}.tif",
            "eo:bands": [{"name": name}],
            "raster:bands": [{"nodata": 0, "data_type": "uint16", **stated}],
        }
        for key, name in S2_BANDS.items()
    }
    assets["nir"] = {"href": "./B08.tif", "eo:bands": [{"name": "B08"}]}
    assets["scl"] = {"href": "./SCL.tif", "raster:bands": [{"nodata": 0}]}
    properties = {
        "datetime": "2025-08-02T04:17:01.024Z",
        "platform": "sentinel-2b",
        "s2:product_type": "S2MSI2A",
    }
    if baseline is not None:
        properties["s2:processing_baseline"] = baseline
    if applied is not None:
        properties["earthsearch:boa_offset_applied"] = applied
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2B_T47SNA_20250802T041701_L2A",
        "bbox": [98.0, 36.0, 99.2, 37.0],
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                [[98, 36], [99.2, 36], [99.2, 37], [98, 37], [98, 36]],
            ],
        },
        "links": [],
        "properties": properties,
        "assets": assets,
    }


def landsat_item(*, platform="landsat-8", level="L2SP", keys="common"):
    names = {"blue": 2, "green": 3, "red": 4, "nir08": 5, "swir16": 6, "swir22": 7}
    style = {"common": None, "upper": "SR_B{}", "file": "SR_B{}.TIF"}[keys]
    qa = {"common": "qa_pixel", "upper": "QA_PIXEL", "file": "QA_PIXEL.TIF"}[keys]
    assets = {
        style.format(number) if style else name: {"href": f"./SR_B{number}.TIF"}
        for name, number in names.items()
    }
    assets[qa] = {"href": "./QA_PIXEL.TIF"}
    return {
        "id": f"LC08_{level}_134035_20250805_20250813_02_T1",
        "stac_version": "1.0.0",
        "properties": {
            "platform": platform,
            "landsat:correction": level,
            "landsat:collection_number": "02",
        },
        "assets": assets,
    }


@pytest.mark.parametrize(
    ("fields", "offset"),
    [
        pytest.param(
            {"applied": True, "offset": -0.1, "scale": 1e-4},
            0.0,
            id="earth-search-v1-says-applied-and-still-states-the-offset: not-twice",
        ),
        pytest.param(
            {"applied": True},
            0.0,
            id="applied-and-nothing-stated: nothing-left-to-do",
        ),
        pytest.param(
            {"applied": False, "offset": -0.1, "scale": 1e-4},
            -0.1,
            id="the-demo-archive-and-c1-say-not-applied: subtract",
        ),
        pytest.param(
            {"offset": -0.1, "scale": 1e-4}, -0.1, id="collection-1-states-it: subtract"
        ),
        pytest.param({}, -0.1, id="planetary-computer-is-silent: baseline-decides"),
        pytest.param(
            {"baseline": "04.00"}, -0.1, id="04.00-is-the-first-shifted-baseline"
        ),
        pytest.param({"baseline": "03.01"}, 0.0, id="03.01-is-the-last-unshifted"),
        pytest.param(
            {"baseline": "02.12", "offset": 0, "scale": 1e-4},
            0.0,
            id="old-baseline-states-zero",
        ),
        pytest.param(
            {"baseline": "02.14", "applied": False},
            0.0,
            id="old-baseline-not-applied-because-there-was-nothing-to-apply",
        ),
    ],
)
def test_sentinel2_offset_follows_the_items_own_fields(fields, offset):
    files, kind, rule = resolve_bands(sentinel2_item(**fields))

    assert {f.offset for f in files if f.band != "mask"} == {offset}
    assert {f.scale for f in files if f.band != "mask"} == {1e-4}
    assert kind == "scl"
    assert "baseline" in rule


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"offset": 0.0}, id="zero-stated-at-a-shifted-baseline"),
        pytest.param(
            {"baseline": "02.12", "offset": -0.1}, id="offset-stated-before-04.00"
        ),
        pytest.param(
            {"applied": False, "offset": 0.0}, id="not-applied-yet-zero-stated"
        ),
        pytest.param(
            {"baseline": "02.12", "applied": True}, id="applied-where-there-was-none"
        ),
        pytest.param({"offset": -0.1, "scale": 1e-3}, id="scale-of-another-product"),
        pytest.param({"offset": -0.05}, id="an-offset-nobody-defined"),
        pytest.param({"applied": "true"}, id="applied-is-text-not-a-boolean"),
    ],
)
def test_a_contradiction_is_refused_with_its_fields(fields):
    with pytest.raises(SourceError) as refusal:
        resolve_bands(sentinel2_item(**fields))

    text = str(refusal.value)
    assert "S2B_T47SNA_20250802T041701_L2A" in text
    assert "baseline" in text
    assert "boa_offset_applied" in text


@pytest.mark.parametrize(
    "baseline",
    [None, "", "unknown"],
    ids=["missing", "empty", "not-a-baseline"],
)
def test_an_unknown_baseline_is_refused(baseline):
    with pytest.raises(SourceError, match="processing baseline"):
        resolve_bands(sentinel2_item(baseline=baseline))


def test_baseline_that_contradicts_the_product_name_is_refused():
    item = sentinel2_item(baseline="03.01")
    item["properties"]["s2:product_uri"] = (
        "S2B_MSIL2A_20250802T041701_N0511_R090_T47SNA_20250802T072000.SAFE"
    )
    with pytest.raises(SourceError, match=r"03\.01.*05\.11"):
        resolve_bands(item)


def test_baseline_is_taken_from_the_product_name_when_not_stated():
    item = sentinel2_item(baseline=None)
    item["properties"]["s2:product_uri"] = (
        "S2B_MSIL2A_20250802T041701_N0511_R090_T47SNA_20250802T072000.SAFE"
    )
    files, _, rule = resolve_bands(item)
    assert files[0].offset == -0.1
    assert "05.11" in rule


def test_bands_that_state_different_offsets_are_refused():
    item = sentinel2_item(offset=-0.1, scale=1e-4)
    item["assets"]["red"]["raster:bands"][0]["offset"] = 0.0
    with pytest.raises(SourceError, match="different offsets"):
        resolve_bands(item)


def test_near_infrared_is_the_narrow_band():
    files, _, _ = resolve_bands(sentinel2_item())
    assert next(f.href for f in files if f.band == "nir") == "./B8A.tif"


def test_an_asset_that_states_another_band_is_refused():
    item = sentinel2_item()
    item["assets"]["nir08"]["eo:bands"] = [{"name": "B08"}]
    with pytest.raises(SourceError, match=r"nir08.*B08.*B8A"):
        resolve_bands(item)


@pytest.mark.parametrize("key", ["scl", "swir22"])
def test_a_missing_asset_is_named(key):
    item = sentinel2_item()
    del item["assets"][key]
    with pytest.raises(SourceError, match=f"one of {key}"):
        resolve_bands(item)


def test_level_1c_is_refused():
    item = sentinel2_item()
    item["properties"]["s2:product_type"] = "S2MSI1C"
    with pytest.raises(SourceError, match="top of atmosphere"):
        resolve_bands(item)


def test_stac_1_1_states_scale_and_offset_on_the_asset_or_its_band():
    on_asset, on_band = sentinel2_item(), sentinel2_item()
    for key, name in S2_BANDS.items():
        for item in (on_asset, on_band):
            del item["assets"][key]["raster:bands"]
        on_asset["assets"][key] |= {"raster:scale": 1e-4, "raster:offset": -0.1}
        on_band["assets"][key]["bands"] = [
            {"name": name, "raster:scale": 1e-4, "raster:offset": -0.1}
        ]
    for item in (on_asset, on_band):
        files, _, rule = resolve_bands(item)
        assert files[0].offset == -0.1
        assert "stated" in rule


@pytest.mark.parametrize("keys", ["common", "upper", "file"])
def test_landsat_assets_are_found_under_every_catalogues_names(keys):
    files, kind, rule = resolve_bands(landsat_item(keys=keys))

    hrefs = {f.band: f.href for f in files}
    assert hrefs["red"] == "./SR_B4.TIF"
    assert hrefs["nir"] == "./SR_B5.TIF"
    assert (files[0].scale, files[0].offset, files[0].nodata) == (2.75e-5, -0.2, 0)
    assert kind == "qa_pixel"
    assert "0.0000275" in rule


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"platform": "landsat-5"}, "OLI"),
        ({"platform": "LANDSAT_7"}, "OLI"),
        ({"level": "L1TP"}, "L2SP or L2SR"),
    ],
    ids=["landsat-5", "landsat-7", "level-1"],
)
def test_other_landsats_and_levels_are_refused(fields, says):
    with pytest.raises(SourceError, match=says):
        resolve_bands(landsat_item(**fields))


def test_landsat_with_another_scale_is_refused():
    item = landsat_item()
    for key in ("blue", "green", "red", "nir08", "swir16", "swir22"):
        item["assets"][key]["raster:bands"] = [{"scale": 1e-4, "offset": 0}]
    with pytest.raises(SourceError, match=r"scale 0\.0001"):
        resolve_bands(item)


def test_a_pystac_item_resolves_as_its_json_does():
    doc = sentinel2_item(applied=True, offset=-0.1, scale=1e-4)
    item = pystac.Item.from_dict(copy.deepcopy(doc))
    assert resolve_bands(item) == resolve_bands(doc)


def test_the_table_has_one_row_per_combination():
    keys = [(rule.shifted, rule.applied, rule.stated) for rule in SENTINEL2_RULES]
    assert len(keys) == len(set(keys))


ES, PC = "earth-search__", "planetarycomputer__"
S2_ES, S2_C1 = f"{ES}sentinel-2-l2a__", f"{ES}sentinel-2-c1-l2a__"
SHIFT, NONE, LANDSAT = (1e-4, -0.1), (1e-4, 0.0), (2.75e-5, -0.2)

REAL = [
    (
        f"{S2_ES}S2B_20EPT_20250731_0_L2A",
        NONE,
        "nir08",
        "applied-true-with-a-stated-offset: archive-removed-it",
    ),
    (f"{S2_ES}S2B_24MUV_20250731_0_L2A", NONE, "nir08", "same-v1-trap-second-granule"),
    (f"{S2_ES}S2B_24MVV_20250731_0_L2A", NONE, "nir08", "same-v1-trap-third-granule"),
    (
        f"{S2_C1}S2B_T20EPT_20250731T131905_L2A",
        SHIFT,
        "nir08",
        "same-granule-in-c1-not-harmonised: subtract",
    ),
    (f"{S2_C1}S2B_T24MUV_20250731T130245_L2A", SHIFT, "nir08", "c1-second-granule"),
    (f"{S2_C1}S2B_T24MVV_20250731T130245_L2A", SHIFT, "nir08", "c1-third-granule"),
    (
        f"{PC}sentinel-2-l2a__S2A_MSIL2A_20190101T000001_R116_T60VUJ_20201007T214652",
        NONE,
        "B8A",
        "planetary-computer-02.12-states-nothing: old-baseline",
    ),
    (
        f"{PC}sentinel-2-l2a__S2A_MSIL2A_20190101T000001_R116_T60VUK_20201007T214652",
        NONE,
        "B8A",
        "planetary-computer-02.12-second-granule",
    ),
    (
        "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531_raster_ext",
        NONE,
        "B8A",
        "planetary-computer-02.12-with-raster-bands-but-no-offset",
    ),
    (
        "S2C_MSIL2A_20250330T100051_N0511_R122_T33UWP_20250330T145914_cdse_stac_v110",
        SHIFT,
        "B8A_20m",
        "cdse-stac-1.1-states-raster-offset-on-the-asset",
    ),
    ("stactools_S2A_L2A_N0212_T07HFE", NONE, "nir08", "stactools-02.12-states-zero"),
    ("stactools_S2B_L2A_N0400_T33XWJ", SHIFT, "nir08", "stactools-04.00-states-it"),
    (
        f"{ES}landsat-c2-l2__LC08_L2SP_033032_20231008_02_T1",
        LANDSAT,
        "nir08",
        "earth-search-landsat-states-the-products-scale",
    ),
    (
        f"{PC}landsat-8-c2-l2__LC08_L2SR_066091_20220318_02_T1",
        LANDSAT,
        "SR_B5",
        "old-planetary-computer-landsat-states-nothing: by-definition",
    ),
    (
        f"{PC}landsat-c2-l2__LC09_L2SP_084068_20250722_02_T2",
        LANDSAT,
        "nir08",
        "landsat-9-states-the-products-scale",
    ),
    (
        f"{PC}landsat-c2-l2__LC09_L2SP_084069_20250722_02_T2",
        LANDSAT,
        "nir08",
        "landsat-9-second-scene",
    ),
    (
        "LC08_L2SP_028030_20200114_20200824_02_T1_SR",
        LANDSAT,
        "nir08",
        "usgs-landsatlook-states-nothing: by-definition",
    ),
]

REFUSED = [
    (
        f"{ES}cop-dem-glo-30__Copernicus_DSM_COG_10_S90_00_W179_00_DEM",
        "tandem-x",
        "a-dem-is-no-reflectance",
    ),
    (
        f"{ES}cop-dem-glo-30__Copernicus_DSM_COG_10_S90_00_W180_00_DEM",
        "tandem-x",
        "another-dem",
    ),
    ("stactools_S2A_L1C_T46RER_20210908", "S2MSI1C", "level-1c-is-top-of-atmosphere"),
]


def read_fixture(shared_dir: Path, name: str):
    path = shared_dir / "data" / "stac_fixtures" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "expected", "nir_key"),
    [pytest.param(*row[:3], id=row[3]) for row in REAL],
)
def test_real_item(shared_dir, name, expected, nir_key):
    doc = read_fixture(shared_dir, name)

    files, kind, _ = resolve_bands(doc)

    radsat = {"qa_radsat", "QA_RADSAT"} & set(doc["assets"])
    assert [f.band for f in files] == [*BANDS, "mask", *(["radsat"] if radsat else [])]
    assert {(f.scale, f.offset) for f in files[:6]} == {expected}
    assert {f.nodata for f in files[:6]} == {0}
    assert files[3].href == doc["assets"][nir_key]["href"]
    assert kind == ("qa_pixel" if expected == LANDSAT else "scl")
    for file in files:
        asset = next(a for a in doc["assets"].values() if a["href"] == file.href)
        assert file.checksum == asset.get("file:checksum")


@pytest.mark.parametrize(
    ("name", "says"), [pytest.param(*row[:2], id=row[2]) for row in REFUSED]
)
def test_real_item_refused(shared_dir, name, says):
    doc = read_fixture(shared_dir, name)
    with pytest.raises(SourceError, match=says) as refusal:
        resolve_bands(doc)
    assert doc["id"] in str(refusal.value)


def test_every_real_item_is_in_one_of_the_tables(shared_dir):
    folder = shared_dir / "data" / "stac_fixtures"
    names = {p.stem for p in folder.glob("*.json")} - {"sentinel-2-l2a.collection"}
    assert names == {row[0] for row in (*REAL, *REFUSED)}


@pytest.mark.parametrize("assets", ["assets3", "assets4"])
def test_real_items_from_before_stac_1_0_are_brought_up_to_date(shared_dir, assets):
    folder = shared_dir / "data" / "landsat_c2l2_stac_real_pixels" / assets
    (path,) = folder.glob("*_SR_stac.json")
    files, kind, _ = resolve_bands(json.loads(path.read_text(encoding="utf-8")))
    assert kind == "qa_pixel"
    assert files[3].href.endswith("_SR_B5.TIF")
    (path,) = folder.glob("*_ST_stac.json")
    with pytest.raises(SourceError, match="no asset for blue"):
        resolve_bands(json.loads(path.read_text(encoding="utf-8")))


EARTH_SEARCH_C1 = "earth-search__sentinel-2-c1-l2a__S2B_T20EPT_20250731T131905_L2A"
EARTH_SEARCH_V1 = "earth-search__sentinel-2-l2a__S2B_20EPT_20250731_0_L2A"
PLANETARY = (
    "planetarycomputer__sentinel-2-l2a__S2A_MSIL2A_20190101T000001_R116_T60VUJ_"
    "20201007T214652"
)
CDSE = "S2C_MSIL2A_20250330T100051_N0511_R122_T33UWP_20250330T145914_cdse_stac_v110"


@pytest.mark.parametrize("name", [EARTH_SEARCH_C1, EARTH_SEARCH_V1, PLANETARY, CDSE])
def test_real_items_have_a_red_edge_where_it_is_asked_for(shared_dir, name):
    path = shared_dir / "data" / "stac_fixtures" / f"{name}.json"
    doc = json.loads(path.read_text(encoding="utf-8"))
    six, _, rule = resolve_bands(doc)
    files, _, again = resolve_bands(doc, RED_EDGE)
    by_band = {file.band: file for file in files}
    assert {file.band for file in six}.isdisjoint(RED_EDGE)
    assert set(RED_EDGE) <= set(by_band)
    assert "B05" in by_band["rededge1"].href
    assert again == rule
    assert {by_band[n].offset for n in RED_EDGE} == {by_band["red"].offset}
    assert [file for file in files if file.band not in RED_EDGE] == list(six)


def test_landsat_has_no_red_edge():
    with pytest.raises(SourceError, match="of landsat: no such band as rededge1"):
        resolve_bands(landsat_item(), RED_EDGE)


def test_an_item_without_a_red_edge_asset_is_refused_by_its_name():
    with pytest.raises(SourceError, match="no asset for rededge1 among blue"):
        resolve_bands(sentinel2_item(), RED_EDGE)

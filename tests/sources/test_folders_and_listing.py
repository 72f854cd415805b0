"""Folders of downloaded scenes become catalogues; catalogues become calendars."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from click.testing import CliRunner

from qhsink.cli.sources import sources as sources_command
from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import parse_month
from qhsink.sources.folders import index_folder
from qhsink.sources.listing import Day, calendar, days_of, list_items
from qhsink.sources.reading import read_window
from qhsink.sources.stac import pin_scenes
from tests.standins.stac_api import StacStandIn, serving

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
AUGUST = parse_month("2025-08")
ALBERS = pyproj.CRS("+proj=aea +lat_1=25 +lat_2=47 +lon_0=105 +ellps=GRS80")

PRODUCT = "S2B_MSIL2A_20250802T041549_N0511_R090_T48SVA_20250802T071213"
MTD = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/x.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>2025-08-02T04:15:49.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{product}.SAFE</PRODUCT_URI>
<PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<Datatake><SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME></Datatake>
</Product_Info><Product_Image_Characteristics>
<QUANTIFICATION_VALUES_LIST>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
</QUANTIFICATION_VALUES_LIST>
{offsets}
</Product_Image_Characteristics></n1:General_Info>
<n1:Geometric_Info><Product_Footprint><Global_Footprint>
<EXT_POS_LIST>37.1 102.7 37.1 102.8 36.9 102.8 36.9 102.7 37.1 102.7 </EXT_POS_LIST>
</Global_Footprint></Product_Footprint></n1:Geometric_Info>
<n1:Quality_Indicators_Info>
<Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment>
</n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""
OFFSETS = "".join(
    f'<BOA_ADD_OFFSET band_id="{number}">-1000</BOA_ADD_OFFSET>' for number in range(13)
)


def write_jp2(path, numbers, geobox):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "height": numbers.shape[0], "width": numbers.shape[1], "count": 1,
        "dtype": numbers.dtype, "crs": str(geobox.crs), "transform": geobox.transform,
    }  # fmt: skip
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", **profile
    ) as file:
        file.write(numbers, 1)


@pytest.fixture
def safe(tmp_path, utm):
    """Write a small SAFE product with the files that a real one has."""

    def write(*, baseline="05.11", offsets=OFFSETS, product=PRODUCT):
        folder = tmp_path / "downloads" / f"{product}.SAFE"
        images = folder / "GRANULE" / "L2A_T48SVA_A043000_20250802T041549" / "IMG_DATA"
        numbers = np.random.default_rng(3).integers(1500, 4000, utm.shape)
        for number, band in enumerate(("B02", "B03", "B04", "B8A", "B11", "B12")):
            size = "10m" if band in ("B02", "B03", "B04") else "20m"
            path = images / f"R{size}" / f"T48SVA_20250802T041549_{band}_{size}.jp2"
            write_jp2(path, (numbers + 10 * number).astype("uint16"), utm)
        classes = np.full(utm.shape, 4, dtype="uint8")
        write_jp2(images / "R20m" / "T48SVA_20250802T041549_SCL_20m.jp2", classes, utm)
        text = MTD.format(product=product, baseline=baseline, offsets=offsets)
        (folder / "MTD_MSIL2A.xml").write_text(text)
        return folder, numbers

    return write


def pinned(catalogue):
    source = SourceConfig(kind="static", url=str(catalogue))
    return pin_scenes(source, project=catalogue.parent, bbox=EVERYWHERE, period=AUGUST)


def test_a_safe_folder_becomes_reflectance(safe, utm):
    folder, numbers = safe()
    done = index_folder(folder.parent)
    assert done.items == (PRODUCT,)
    (scene,) = pinned(done.catalogue)
    assert (scene.platform, scene.baseline) == ("sentinel-2b", "05.11")
    assert scene.cloud_share == 0.125
    stack = read_window([scene], utm)
    for number in range(6):  # (DN - 1000) / 10000, kept as ten-thousandths
        np.testing.assert_array_equal(
            stack.reflectance[0, number], numbers + 10 * number - 1000
        )


def test_an_old_baseline_has_no_offset(safe, utm):
    product = PRODUCT.replace("N0511", "N0300")
    folder, numbers = safe(baseline="03.00", offsets="", product=product)
    (scene,) = pinned(index_folder(folder.parent).catalogue)
    stack = read_window([scene], utm)
    np.testing.assert_array_equal(stack.reflectance[0, 0], numbers)


def test_a_baseline_that_contradicts_the_offset_is_refused(safe):
    folder, _ = safe(offsets=OFFSETS.replace("-1000", "0"))
    catalogue = index_folder(folder.parent).catalogue
    with pytest.raises(SourceError, match="contradict"):
        pinned(catalogue)


def test_jpeg_2000_is_read_over_http_as_well(safe, utm, tmp_path):
    folder, _ = safe()
    catalogue = index_folder(folder.parent).catalogue
    (scene,) = pinned(catalogue)
    local = read_window([scene], utm)
    with serving(StacStandIn(catalogue)) as service:
        plain = service._dressed

        def dressed(where, item):
            hrefs = {k: a["href"] for k, a in item["assets"].items()}
            done = plain(where, item)
            for key, asset in done["assets"].items():
                path = (where / hrefs[key]).resolve().relative_to(service.root)
                asset["href"] = f"{service.url}/data/{path.as_posix()}"
            return done

        service._dressed = dressed
        source = SourceConfig(kind="api", url=service.url)
        (remote,) = pin_scenes(source, project=tmp_path, bbox=EVERYWHERE, period=AUGUST)
        stack = read_window([remote], utm)
    np.testing.assert_array_equal(stack.reflectance, local.reflectance)


def test_a_product_with_a_missing_band_does_not_stop_the_others(safe):
    safe()
    other = PRODUCT.replace("T041549", "T041600")
    folder, _ = safe(product=other)
    next(folder.rglob("*_B11_20m.jp2")).unlink()
    done = index_folder(folder.parent)
    assert done.items == (PRODUCT,)
    assert "B11_20m" in done.refused[f"{other}.SAFE"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<a>", "ParseError"),
        ("<a/>", "PRODUCT_URI"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entities"),
    ],
    ids=["torn", "empty", "with entities"],
)
def test_broken_metadata_are_named(safe, content, said):
    folder, _ = safe()
    (folder / "MTD_MSIL2A.xml").write_text(content)
    assert said in index_folder(folder.parent).refused[folder.name]


def test_a_folder_without_scenes_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no scene in"):
        index_folder(tmp_path)


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_real_landsat_metadata_agree_with_the_archives_own_items(
    kind, shared_dir, tmp_path
):
    """The item made from MTL pins what the USGS item beside it pins."""
    real = shared_dir / "data" / "landsat_c2l2_stac_real_pixels" / "assets3"
    folder = tmp_path / "scene"
    folder.mkdir()
    for path in real.iterdir():
        if not path.name.endswith(
            ("_stac.json", "MTL.txt", f"MTL.{'xml' if kind == 'json' else 'json'}")
        ):
            shutil.copyfile(path, folder / path.name)
    month = parse_month("2019-12")
    made = index_folder(tmp_path)
    assert len(made.items) == 1

    def pin(url):
        source = SourceConfig(kind="static", url=str(url))
        (scene,) = pin_scenes(source, project=tmp_path, bbox=EVERYWHERE, period=month)
        return scene

    ours, theirs = pin(made.catalogue), pin(real)
    assert ours.acquired.date() == theirs.acquired.date()  # theirs has no time
    assert ours.platform == theirs.platform
    assert ours.baseline == theirs.baseline
    assert ours.cloud_share == theirs.cloud_share
    for one, other in zip(ours.files, theirs.files, strict=True):
        assert Path(one.href).name == Path(other.href).name
        assert (one.band, one.scale, one.offset) == (
            other.band, other.scale, other.offset,
        )  # fmt: skip
    assert ours.bbox == pytest.approx(theirs.bbox, abs=0.1)


# Listing and the calendar.


def region_of(item, share=1.0):
    """The western ``share`` of an item's box, on an equal-area grid."""
    west, south, east, north = item["bbox"]
    part = shapely.box(west, south, west + share * (east - west), north)
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", ALBERS, always_xy=True)
    return shapely.transform(
        part, lambda p: np.column_stack(to_grid.transform(p[:, 0], p[:, 1]))
    )


def test_cover_is_the_share_of_the_region_in_the_footprint(tmp_path, write_item):
    item = write_item("half")
    west, south, east, north = item["bbox"]
    middle = (west + east) / 2
    write_item("whole", day="2025-08-03", properties={"eo:cloud_cover": 80.0})
    source = SourceConfig(kind="static", url=str(tmp_path))
    region = region_of({"bbox": [middle, south, 2 * east - middle, north]})
    found = list_items(source, region, ALBERS, project=tmp_path, period=AUGUST)
    assert [entry.day for entry in found] == [date(2025, 8, 2), date(2025, 8, 3)]
    assert found[0].cover == pytest.approx(0.5, abs=0.01)
    days = days_of(found, region)
    assert [day.usable for day in days] == [True, False]
    assert days[1].cloud_share == pytest.approx(0.8)


def test_granules_of_a_day_are_not_counted_twice(tmp_path, write_item):
    item = write_item("a", tile="48SVA")
    write_item("b", tile="48SWA")
    source = SourceConfig(kind="static", url=str(tmp_path))
    region = region_of(item)
    found = list_items(source, region, ALBERS, project=tmp_path, period=AUGUST)
    (day,) = days_of(found, region)
    assert day.items == 2
    assert day.cover == pytest.approx(1.0, abs=0.01)


def test_an_item_that_would_be_refused_is_listed_and_not_counted(tmp_path, write_item):
    item = write_item("a", offset=0.0)
    source = SourceConfig(kind="static", url=str(tmp_path))
    region = region_of(item)
    (entry,) = list_items(source, region, ALBERS, project=tmp_path, period=AUGUST)
    assert "baseline 05.11" in entry.refused
    assert days_of([entry], region) == ()


def test_the_calendar_shows_cover_cloud_and_gaps():
    days = [
        Day(date(2025, 8, 1), 0.1, 1.0, 1),
        Day(date(2025, 8, 4), 0.9, 1.0, 1),
        Day(date(2025, 8, 31), None, 0.55, 1),
    ]
    lines = calendar(days, AUGUST).splitlines()
    assert lines[1].split() == list("一二三四五六日")
    assert lines[2] == "2025-07-28               9  ·  ·"
    assert lines[3] == "2025-08-04   x  ·  ·  ·  ·  ·  ·"
    assert lines[6].endswith("5")
    assert len(lines) == 7


# The commands.


def call(*arguments):
    return CliRunner().invoke(sources_command, [*map(str, arguments)])


def test_check_says_in_ten_lines_that_a_source_can_be_used(tmp_path, write_item):
    write_item("a", folder=tmp_path / "archive")
    done = call(
        "check", tmp_path / "archive", "--store", tmp_path / "s",
        "--bbox", -180, -90, 180, 90,
    )  # fmt: skip
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "result 结论         this source can be used 数据源可用"
    assert "median reflectance 0.220" in lines[-2]  # (3000 + 200) / 10000 - 0.1


def test_check_of_a_source_without_items_says_so(tmp_path, write_item):
    write_item("a", folder=tmp_path / "archive")
    done = call("check", tmp_path / "archive", "--month", "2024-02")
    assert isinstance(done.exception, SourceError)
    assert "no item" in str(done.exception)


def test_index_tells_what_to_use(safe):
    folder, _ = safe()
    done = call("index", folder.parent)
    assert "1 scenes; use --source" in done.stdout
    assert "catalog.json" in done.stdout


def test_every_source_is_listed():
    done = call("list")
    assert "earth-search" in done.stdout
    assert "planetary-computer" in done.stdout

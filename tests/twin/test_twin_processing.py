"""Sentinel-2 as it was processed before baseline 04.00, and with both flags."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox

from qhsink.config import SourceConfig
from qhsink.domain.errors import BadInput
from qhsink.domain.period import Period
from qhsink.grid import qinghai_albers
from qhsink.sources.reading import read_window
from qhsink.sources.stac import pin_scenes
from qhsink.twin.archive import build_archive
from qhsink.twin.sentinel2_items import PROCESSINGS

SEASON = Period(date(2021, 6, 1), date(2021, 9, 30), "2021")


@pytest.fixture(scope="module")
def archives(tmp_path_factory, lone_region, twin_spec) -> dict[str, Path]:
    """The same square of 2021, processed in three ways."""
    folder = tmp_path_factory.mktemp("processing")
    return {
        processing: build_archive(
            folder / processing,
            regions=[lone_region],
            seed=7,
            year=2021,
            pixel_size_m=240.0,
            spec=twin_spec,
            processing=processing,
        )
        for processing in PROCESSINGS
    }


def scenes_of(catalogue: Path):
    source = SourceConfig(kind="static", url=str(catalogue))
    everywhere = (-180.0, -90.0, 180.0, 90.0)
    return pin_scenes(source, project=catalogue.parent, bbox=everywhere, period=SEASON)


@pytest.mark.parametrize(
    ("processing", "rule", "offset"),
    [
        ("collection-1", "offset -0.1 stated, baseline >= 04.00 agrees", -0.1),
        ("before-04", "offset 0 stated, baseline < 04.00 agrees", 0.0),
        ("both-flags", "not applied twice", 0.0),
    ],
)
def test_the_source_applies_the_offset_once_or_not_at_all(
    processing, rule, offset, archives
):
    scenes = scenes_of(archives[processing])
    assert len(scenes) == 7
    for scene in scenes:
        assert rule in scene.offset_rule
        assert {f.offset for f in scene.files if f.band != "mask"} == {offset}
        # Sentinel-2C was launched in 2024.
        assert scene.platform in ("sentinel-2a", "sentinel-2b")


def test_the_real_reader_finds_one_reflectance_however_it_was_processed(
    archives, lone_region
):
    middle = lone_region[1].centroid
    box = GeoBox.from_bbox(
        (middle.x - 2_400, middle.y - 2_400, middle.x + 2_400, middle.y + 2_400),
        qinghai_albers(),
        resolution=240.0,
    )
    stacks = {p: read_window(scenes_of(c), box) for p, c in archives.items()}
    normal = stacks["collection-1"]
    for processing in ("before-04", "both-flags"):
        other = stacks[processing]
        np.testing.assert_array_equal(other.mask, normal.mask)
        # Below zero the older product has no numbers.
        lit = normal.reflectance > 10
        assert lit.mean() > 0.9
        np.testing.assert_array_equal(other.reflectance[lit], normal.reflectance[lit])


def test_items_are_those_of_earth_search_v1(archives, shared_dir):
    folder = shared_dir / "data" / "stac_fixtures"
    real = json.loads(
        min(folder.glob("earth-search__sentinel-2-l2a__*.json")).read_text()
    )
    for processing in ("before-04", "both-flags"):
        root = archives[processing].parent / "sentinel-2-l2a"
        ours = json.loads(min(root.rglob("S2*.json")).read_text("utf-8"))
        assert ours["collection"] == real["collection"]
        assert len(ours["id"]) == len(real["id"])
        assert set(ours["assets"]["red"]) >= set(real["assets"]["red"])
        assert "file:checksum" not in ours["assets"]["red"]
    both = ours["properties"]
    assert both["earthsearch:boa_offset_applied"] is True
    assert ours["assets"]["red"]["raster:bands"][0]["offset"] == -0.1
    assert real["properties"]["earthsearch:boa_offset_applied"] is True
    assert real["assets"]["red"]["raster:bands"][0]["offset"] == -0.1


def test_the_files_themselves_hold_other_numbers(archives):
    values = {}
    for processing, catalogue in archives.items():
        with rasterio.open(min(catalogue.parent.rglob("*202107*/B04.tif"))) as file:
            values[processing] = file.read(1)
    normal, older = values["collection-1"], values["before-04"]
    shown = older > 1
    np.testing.assert_array_equal(normal[shown] - older[shown], 1_000)
    np.testing.assert_array_equal(values["both-flags"], older)


def test_a_year_without_that_processing_is_refused(tmp_path):
    with pytest.raises(BadInput, match="year 2025 processed before baseline"):
        build_archive(
            tmp_path / "out",
            regions=[("square", shapely.box(0, 4e6, 1e3, 4.001e6))],
            seed=7,
            year=2025,
            pixel_size_m=240.0,
            processing="before-04",
        )

"""The lazy cube of STAC scenes: odc-stac's arrays with a run's rules on top."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import parse_month
from qhsink.domain.scene import BANDS, BandFile
from qhsink.grid import Grid, qinghai_albers
from qhsink.imagery.encoding import NODATA
from qhsink.imagery.masking import MaskRules, classify_observations
from qhsink.sources import odc_driver
from qhsink.sources.cube import open_cube
from qhsink.sources.reading import read_window
from qhsink.sources.stac import pin
from tests.sources.conftest import write_tiff

EVERYWHERE = (90.0, 30.0, 105.0, 40.0)
RULES = MaskRules((4, 5, 6), 6, (0, 1, 2, 3, 4, 5), 7, 20.0, 0.4, 0.11, 20.0)


def pinned(folder):
    source = SourceConfig(kind="static", url=str(folder))
    return pin(source, project=folder, bbox=EVERYWHERE, period=parse_month("2025-08"))


def expect_the_run(cube, scenes, box, rules=RULES):
    """Check every layer of a cube against the eager reader of the monthly run."""
    margin = rules.dilation_px
    stack = read_window(scenes, box)
    for number, band in enumerate(BANDS):
        layer = stack.reflectance[:, number]
        expected = np.where(layer == NODATA, np.nan, layer / np.float32(1e4))
        np.testing.assert_array_equal(cube[band], expected.astype(np.float32))
    np.testing.assert_array_equal(cube["mask"], stack.mask)
    wide = read_window(scenes, box.pad(margin))
    seen = classify_observations(wide.reflectance, wide.mask, wide.mask_kind, rules)
    inner = (slice(None), *(slice(margin, margin + size) for size in box.shape))
    np.testing.assert_array_equal(cube["clear"], seen.clear[inner])


@pytest.fixture
def overlapping(tmp_path, write_item, utm):
    """Two granules of one day with different offset rules and clouds, and a later day.

    The first item's offset is applied already, the second's is not.
    """
    rng = np.random.default_rng(3)
    classes, often = (4, 5, 8, 9, 11, 0), (0.7, 0.285, 0.005, 0.004, 0.003, 0.003)
    one, two = (rng.choice(classes, utm.shape, p=often) for _ in range(2))
    numbers = rng.integers(1500, 9000, utm.shape)
    write_item("a", fill=numbers, scl=one, offset=0, applied=True)
    write_item("b", fill=numbers, scl=two, tile="48SUF", geobox=utm.translate_pix(9, 4))
    write_item("c", fill=numbers, scl=one, day="2025-08-09")
    return pinned(tmp_path)


@pytest.mark.parametrize(
    ("chunks", "dilation_m"),
    [
        ({}, 20.0),
        ({"x": 64, "y": 64}, 60.0),
        ({"x": 17, "y": 30}, 0.0),
        ({"x": 31, "y": 20}, 80.0),
    ],
    ids=["one-chunk", "whole-days", "nothing-grown", "chunks-narrower-than-growth"],
)
def test_the_cube_is_what_a_run_reads(overlapping, utm, chunks, dilation_m):
    box = utm[1:63, 2:64]
    rules = replace(RULES, dilation_m=dilation_m)
    cube = open_cube(overlapping, box, chunks=chunks, rules=rules)
    assert cube["clear"].chunks == cube["red"].chunks
    assert cube.attrs["scenes"] == [["a", "b"], ["c"]]
    cube = cube.compute(scheduler="synchronous")
    expect_the_run(cube, overlapping, box, rules)
    assert 0.05 < cube["clear"].mean() < 0.995


def test_each_scene_keeps_its_own_offset(tmp_path, write_item, utm):
    """By hand: 3000 digital numbers are 0.2 where the offset is -0.1, else 0.3."""
    west = np.full(utm.shape, 9)
    west[:, :40] = 4
    write_item("a", fill=3000, scl=west, offset=0, applied=True)
    write_item("b", fill=3000, scl=4, tile="48SUF")
    cube = open_cube(pinned(tmp_path), utm, chunks={"x": 16}, rules=RULES)
    blue = cube["blue"].compute()
    np.testing.assert_allclose(blue[0, :, :40], 0.3, atol=1e-6)
    np.testing.assert_allclose(blue[0, :, 40:], 0.2, atol=1e-6)


def test_on_the_analysis_grid_it_is_the_run_too(overlapping, utm):
    """Another projection, and pixels coarse enough for reflectance to be averaged."""
    outline = utm.extent.to_crs(qinghai_albers().to_wkt())
    for size in (20.0, 45.0):
        grid = Grid(qinghai_albers(), size, tile_px=64, block_px=32)
        box = grid.window(outline.geom)
        chunks = {"x": 32, "y": 32}
        rules = replace(RULES, pixel_size_m=size)
        cube = open_cube(overlapping, box, chunks=chunks, rules=rules)
        expect_the_run(cube.compute(scheduler="synchronous"), overlapping, box)


def test_a_saturated_landsat_pixel_has_no_reflectance(tmp_path, write_item, utm):
    write_item("a", fill=9000)
    (scene,) = pinned(tmp_path)
    flags = np.zeros(utm.shape, np.uint16)
    flags[5, 6] = 1 << 3
    path = tmp_path / "radsat.tif"
    write_tiff(path, flags, transform=utm.transform, crs=str(utm.crs), nodata=None)
    radsat = BandFile("radsat", str(path), 1.0, 0.0, 0)
    landsat = replace(scene, mask_kind="qa_pixel", files=(*scene.files, radsat))
    plain = replace(landsat, item_id="b", files=scene.files)
    for scenes in ([landsat], [plain, landsat]):
        cube = open_cube(scenes, utm, chunks={}, rules=RULES).compute()
        expect_the_run(cube, scenes, utm)
    assert np.isnan(cube["swir22"][0, 5, 6])
    assert np.isnan(cube["red"]).sum() == 1


@pytest.fixture
def reads(monkeypatch):
    """Every read of a file: scene, band and shape of the block."""
    seen = []
    real = odc_driver.read_numbers

    def noted(scene, file, geobox, **options):
        seen.append((scene.item_id, file.band, tuple(geobox.shape)))
        return real(scene, file, geobox, **options)

    monkeypatch.setattr(odc_driver, "read_numbers", noted)
    return seen


def test_nothing_is_read_before_it_is_computed(overlapping, utm, reads):
    cube = open_cube(overlapping, utm, chunks={"x": 16, "y": 32}, rules=RULES)
    ndvi = (cube["nir"] - cube["red"]) / (cube["nir"] + cube["red"])
    ndvi.where(cube["clear"]).isel(time=0)
    assert reads == []


def test_one_block_of_a_band_reads_that_block_of_it_and_of_its_masks(
    overlapping, utm, reads
):
    cube = open_cube(overlapping, utm, chunks={"x": 16, "y": 32}, rules=RULES)
    cube["red"].data.blocks[0, 1, 2].compute(scheduler="synchronous")
    block = (32, 16)
    assert sorted(reads) == [(s, b, block) for s in "ab" for b in ("mask", "red")]
    reads.clear()
    cube["mask"].data.blocks[1, 0, 0].compute(scheduler="synchronous")
    assert reads == [("c", "mask", block)]


def test_what_is_clear_reads_a_frame_no_wider_than_growth(overlapping, utm, reads):
    cube = open_cube(overlapping, utm, chunks={}, rules=RULES)
    cube["clear"][1].compute(scheduler="synchronous")
    assert {name for name, _, _ in reads} == {"c"}
    per_band = [shape for _, band, shape in reads if band == "nir"]
    frame = 2 * [(1, 64), (64, 1)] + 4 * [(1, 1)]
    assert sorted(per_band) == sorted([(64, 64), *frame])


def test_nothing_is_read_twice_when_all_is_computed(overlapping, utm, reads):
    cube = open_cube(overlapping, utm, chunks={"x": 32, "y": 32}, rules=RULES)
    cube.compute(scheduler="synchronous")
    assert len(reads) == 3 * 7 * (4 + 8 + 4), "scenes, files, blocks and frame"


def test_a_cube_goes_to_another_process(overlapping, utm):
    cube = open_cube(overlapping, utm, chunks={"x": 32}, rules=RULES)
    sent = pickle.loads(pickle.dumps(cube))
    np.testing.assert_array_equal(sent["clear"].compute(), cube["clear"].compute())


def test_a_file_pinned_anew_is_another_task(overlapping, utm):
    def names(scenes):
        return set(open_cube(scenes, utm, chunks={}, rules=RULES)["red"].data.dask)

    anew = [
        replace(s, files=tuple(replace(f, stamp="2") for f in s.files))
        for s in overlapping
    ]
    assert names(overlapping) == names(overlapping)
    reading = {n for n in names(overlapping) if str(n).startswith("('red-")}
    assert reading
    assert not reading & names(anew)


def test_a_scene_that_stops_short_of_the_window_is_nodata_there(
    tmp_path, write_item, utm
):
    write_item("a")
    scenes = pinned(tmp_path)
    box = GeoBox((80, 300), utm.translate_pix(-40, -8).transform, utm.crs)
    cube = open_cube(scenes, box, chunks={"x": 50, "y": 50}, rules=RULES).compute()
    expect_the_run(cube, scenes, box)
    assert np.isfinite(cube["red"]).sum() == 64 * 64


def test_a_second_opinion_that_is_named_must_be_handed_over(overlapping, utm):
    rules = replace(RULES, second_opinion="cloud-a47107a8")
    with pytest.raises(SourceError, match="name the second opinion cloud-a47107a8"):
        open_cube(overlapping, utm, chunks={}, rules=rules)


def test_neither_the_command_line_nor_a_run_loads_odc_stac():
    code = (
        "import sys; from click.testing import CliRunner; from qhsink.cli import cli;"
        "CliRunner().invoke(cli, ['monitor', '--help']); import qhsink.steps.monitor;"
        "sys.exit('odc.stac' in sys.modules or 'odc.loader' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

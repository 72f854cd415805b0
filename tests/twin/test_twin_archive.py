"""The archive on disk: valid, deterministic, seamless, complete or absent."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from pystac.stac_object import STACObjectType
from pystac.validation import RegisteredValidator
from rasterio.windows import Window, from_bounds
from rio_cogeo.cogeo import cog_validate

from qhsink.domain.errors import BadInput
from qhsink.grid import qinghai_albers
from qhsink.twin.archive import build_archive, read_manifest


def build(out, region, lake, spec, *, seed=7, pixel=240.0, **options):
    return build_archive(
        out,
        regions=[region],
        lakes=[lake],
        seed=seed,
        year=2025,
        pixel_size_m=pixel,
        spec=spec,
        **options,
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def items_of(archive: Path) -> list[pystac.Item]:
    return list(
        pystac.Catalog.from_file(str(archive / "catalog.json")).get_items(
            recursive=True
        )
    )


@pytest.fixture(scope="module")
def coarse(tmp_path_factory, lone_region, corner_lake, twin_spec) -> Path:
    out = tmp_path_factory.mktemp("coarse") / "archive"
    build(out, lone_region, corner_lake, twin_spec)
    return out


def test_every_byte_follows_from_the_seed(
    coarse, tmp_path, lone_region, corner_lake, twin_spec
):
    again = tmp_path / "again"
    build(again, lone_region, corner_lake, twin_spec, workers=1)
    assert digests(again) == digests(coarse)
    other = tmp_path / "other"
    build(other, lone_region, corner_lake, twin_spec, seed=8)
    assert digests(other) != digests(coarse)


def test_overlapping_granules_show_the_same_pixels(small_archive):
    folder = small_archive / "sentinel-2-c1-l2a"
    compared = 0
    for name in ("B04.tif", "B8A.tif", "SCL.tif"):
        west = min(folder.glob(f"47SNC/*20250801*/{name}"))
        east = min(folder.glob(f"47SPC/*20250801*/{name}"))
        south = min(folder.glob(f"47SPB/*20250801*/{name}"))
        for one, two in ((west, east), (west, south), (east, south)):
            a, b = _common(one, two)
            both = (a > 0) & (b > 0)
            compared += int(both.sum())
            np.testing.assert_array_equal(a[both], b[both])
    assert compared > 3_000


def _common(one: Path, two: Path) -> tuple[np.ndarray, np.ndarray]:
    with rasterio.open(one) as a, rasterio.open(two) as b:
        left, right = (
            max(a.bounds.left, b.bounds.left),
            min(a.bounds.right, b.bounds.right),
        )
        low, high = (
            max(a.bounds.bottom, b.bounds.bottom),
            min(a.bounds.top, b.bounds.top),
        )
        return tuple(
            file.read(
                1, window=_round(from_bounds(left, low, right, high, file.transform))
            )
            for file in (a, b)
        )


def _round(window: Window) -> Window:
    return Window(*(round(v) for v in window.flatten()))


def test_items_are_valid_stac_and_read_by_pystac(small_archive):
    catalog = pystac.Catalog.from_file(str(small_archive / "catalog.json"))
    validator = RegisteredValidator.get_validator()
    collection = next(iter(catalog.get_children()))
    validator.validate_core(
        collection.to_dict(), STACObjectType.COLLECTION, pystac.get_stac_version()
    )
    assert "SIMULATED" in collection.description
    items = items_of(small_archive)
    assert len(items) == 7 * 4
    for item in items:
        validator.validate_core(
            item.to_dict(), STACObjectType.ITEM, pystac.get_stac_version()
        )
        assert item.collection_id == "sentinel-2-c1-l2a"
        assert shapely.is_valid(shapely.geometry.shape(item.geometry))


def test_hrefs_are_relative_and_sums_and_sizes_are_true(small_archive):
    for path in (small_archive / "sentinel-2-c1-l2a").rglob("S2*.json"):
        item = json.loads(path.read_text("utf-8"))
        for asset in item["assets"].values():
            file = path.parent / asset["href"]
            assert asset["href"].startswith("./")
            assert asset["file:size"] == file.stat().st_size
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert asset["file:checksum"] == "1220" + digest


def test_files_are_cogs_in_their_utm_zone_with_the_item_s_lattice(small_archive):
    item = items_of(small_archive)[0]
    rasters = {k: a for k, a in item.assets.items() if "data" in a.roles}
    assert len(rasters) == 7
    for key, asset in rasters.items():
        path = asset.get_absolute_href()
        valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
        assert valid, (key, errors, warnings)
        with rasterio.open(path) as file:
            assert file.crs.to_epsg() == item.ext.proj.epsg
            assert list(file.shape) == [1830, 1830]
            assert file.nodata == 0
            assert file.dtypes == (("uint8" if key == "scl" else "uint16"),)
            assert file.profile["compress"] == "deflate"
            assert file.overviews(1)
            assert file.transform.a == 60.0


def test_seven_dates_serve_the_peak_season_and_august(small_archive):
    days = sorted({item.datetime.date() for item in items_of(small_archive)})
    assert len(days) == 7
    assert days[0] >= date(2025, 6, 1)
    assert days[-1] <= date(2025, 9, 30)
    assert sum(date(2025, 7, 15) <= day <= date(2025, 8, 31) for day in days) >= 4
    assert sum(day.month == 8 for day in days) >= 2
    assert days[-1].month == 9


def test_stated_shares_are_those_of_the_pixels(small_archive):
    for item in items_of(small_archive)[:6]:
        with rasterio.open(item.assets["scl"].get_absolute_href()) as file:
            scl = file.read(1)
        valid = scl[scl > 0]
        cloud = 100 * np.isin(valid, (8, 9, 10)).mean()
        assert item.properties["eo:cloud_cover"] == pytest.approx(cloud, abs=1e-3)
        assert 30 < item.properties["view:sun_elevation"] < 80
        assert 90 < item.properties["view:sun_azimuth"] < 180


def test_reflectance_and_scene_class_agree_where_nothing_was_observed(small_archive):
    for item in items_of(small_archive)[:3]:
        layers = []
        for key in ("red", "scl"):
            with rasterio.open(item.assets[key].get_absolute_href()) as file:
                layers.append(file.read(1))
        red, scl = layers
        np.testing.assert_array_equal(red > 0, scl > 0)
        assert set(np.unique(scl)) <= {0, *range(2, 12)}


def test_most_land_has_three_clear_dates_at_the_peak_and_some_has_not(
    tmp_path, twin_spec
):
    region = ("wide", shapely.box(-430_000, 4_010_000, -370_000, 4_070_000))
    out = tmp_path / "wide"
    build_archive(
        out, regions=[region], seed=2025, year=2025, pixel_size_m=480.0, spec=twin_spec
    )
    clear: dict[str, np.ndarray] = {}
    for item in items_of(out):
        if not date(2025, 7, 15) <= item.datetime.date() <= date(2025, 8, 31):
            continue
        with rasterio.open(item.assets["scl"].get_absolute_href()) as file:
            scl = file.read(1)
        code = item.properties["grid:code"]
        seen = np.where(scl > 0, np.isin(scl, (4, 5, 6)).astype(int), -100)
        clear[code] = clear.get(code, 0) + seen
    counts = np.concatenate([value[value >= 0] for value in clear.values()])
    assert 0.8 < (counts >= 3).mean() < 1.0


def test_truth_lies_on_the_grid_in_range_and_its_means_are_its_own(
    small_archive, corner_region
):
    name, shape = corner_region
    document = json.loads((small_archive / "truth" / "truth.json").read_text("utf-8"))
    assert document["provenance"] == "simulated"
    means = document["regions"][name]
    with rasterio.open(small_archive / "truth" / name / "fvc_peak.tif") as file:
        numbers = file.read(1)
        inside = numbers != file.nodata
        assert file.scales == (0.0005,)
        cover = np.where(inside, numbers * file.scales[0], np.nan)
        assert file.transform.c % 60 == 0
        assert file.transform.f % 60 == 0
        assert rasterio.crs.CRS.from_wkt(qinghai_albers().to_wkt()) == file.crs
    with rasterio.open(small_archive / "truth" / name / "ecosystem.tif") as file:
        kind = file.read(1)
    assert cover[inside].min() >= 0.0
    assert cover[inside].max() <= 1.0
    np.testing.assert_array_equal(inside, kind > 0)
    assert means["area_ha"] == pytest.approx(shape.area / 1e4, rel=0.01)
    assert means["fvc_peak_mean"] == pytest.approx(
        float(cover[inside].mean()), abs=1e-5
    )
    land = inside & (kind != 9)
    assert means["fvc_peak_mean_without_water"] == pytest.approx(
        float(cover[land].mean()), abs=1e-5
    )
    lake_ha = np.pi * 2_000**2 / 1e4
    rivers_ha = means["ecosystem_ha"]["water"] - lake_ha
    assert -0.02 * lake_ha < rivers_ha < 0.02 * means["area_ha"]


def test_a_whole_archive_is_not_built_again(
    coarse, lone_region, corner_lake, twin_spec
):
    steps: list[int] = []
    stamp = (coarse / "manifest.json").stat().st_mtime_ns
    path = build(
        coarse,
        lone_region,
        corner_lake,
        twin_spec,
        on_progress=lambda done, _total, _what: steps.append(done),
    )
    assert path == coarse / "catalog.json"
    assert not steps
    assert (coarse / "manifest.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("damage", ["truncate", "remove", "other parameters"])
def test_a_damaged_or_different_archive_is_built_again(
    damage, tmp_path, lone_region, corner_lake, twin_spec
):
    out = tmp_path / "archive"
    build(out, lone_region, corner_lake, twin_spec, pixel=480.0)
    before = digests(out)
    victim = min(out.rglob("B04.tif"))
    seed = 7
    if damage == "truncate":
        victim.write_bytes(victim.read_bytes()[:100])
    elif damage == "remove":
        victim.unlink()
    else:
        seed = 8
    build(out, lone_region, corner_lake, twin_spec, pixel=480.0, seed=seed)
    assert (digests(out) == before) is (seed == 7)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_killed_build_leaves_nothing_that_is_taken_for_whole(
    tmp_path, lone_region, corner_lake, twin_spec, project_folder
):
    out = tmp_path / "archive"
    code = (
        "import sys, shapely\n"
        "from pathlib import Path\n"
        "from qhsink.twin.archive import build_archive\n"
        "x, y = -373898.0, 4092156.0\n"
        "region = ('lone', shapely.box(x - 3000, y - 3000, x + 3000, y + 3000))\n"
        "tell = lambda done, total, what: print(done, flush=True)\n"
        "build_archive(Path(sys.argv[1]), regions=[region], seed=7, year=2025,\n"
        "    pixel_size_m=240.0, on_progress=tell)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(out)],
        cwd=project_folder,
        stdout=subprocess.PIPE,
        env=os.environ | {"QHSINK_HOME": str(project_folder)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"1"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not out.exists()
    assert list(tmp_path.glob(".archive.building-*"))
    build(out, lone_region, corner_lake, twin_spec)
    manifest = read_manifest(out)
    assert manifest is not None
    assert all((out / n).stat().st_size == s for n, s in manifest["files"].items())
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_an_error_on_the_way_leaves_the_old_archive_alone(
    tmp_path, lone_region, corner_lake, twin_spec
):
    out = tmp_path / "archive"
    build(out, lone_region, corner_lake, twin_spec, pixel=480.0)
    before = digests(out)

    def stop(done, _total, _what):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(
            out,
            lone_region,
            corner_lake,
            twin_spec,
            pixel=480.0,
            force=True,
            on_progress=stop,
        )
    assert digests(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_folder_that_is_not_an_archive_is_never_replaced(
    tmp_path, lone_region, corner_lake, twin_spec
):
    (tmp_path / "thesis.txt").write_text("three years", "utf-8")
    with pytest.raises(BadInput, match="not an archive of the twin"):
        build(tmp_path, lone_region, corner_lake, twin_spec)
    assert (tmp_path / "thesis.txt").read_text("utf-8") == "three years"


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seed": -1}, "seed -1"), ({"pixel": 50.0}, "multiple of 60")],
    ids=["a negative seed", "a pixel size off the lattice"],
)
def test_bad_parameters_are_one_line(
    changes, words, tmp_path, lone_region, corner_lake, twin_spec
):
    with pytest.raises(BadInput, match=words):
        build(tmp_path / "out", lone_region, corner_lake, twin_spec, **changes)
    assert not (tmp_path / "out").exists()


def run_cli(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = "from qhsink.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wrong_region_is_a_one_line_error_of_status_2(project_folder, tmp_path):
    out = tmp_path / "out"
    done = run_cli(
        "twin", "build", "--region", "qillian", "--out", str(out), folder=project_folder
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "qillian" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_the_command_builds_once_and_then_says_so(project_folder, tmp_path):
    arguments = (
        "twin", "build", "--region", "eling-zhaling", "--pixel-size", "480",
        "--out", str(tmp_path / "demo"),
    )  # fmt: skip
    first = run_cli(*arguments, folder=project_folder)
    assert first.returncode == 0, first.stderr
    assert "steps" in first.stderr
    assert "provenance: simulated" in first.stdout
    started = time.monotonic()
    second = run_cli(*arguments, folder=project_folder)
    assert second.returncode == 0
    assert "complete already" in second.stdout
    assert time.monotonic() - started < 20

"""The monthly run, end to end on simulated scenes, and broken on purpose."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pystac
import pytest
import rasterio
from click.testing import CliRunner
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import box

from qhsink.cli import cli
from qhsink.cli import monitor as monitor_command
from qhsink.config import load_settings
from qhsink.domain.errors import BadInput, ConfigError, RegionError, StoreFault
from qhsink.estimation.ledger import sum_region
from qhsink.imagery.composite import Flag
from qhsink.registry import load_model
from qhsink.reporting.digits import outside_text
from qhsink.steps import publish
from qhsink.steps.dry_run import foresee
from qhsink.steps.monitor import run_monitor
from qhsink.steps.request import RunRequest

pytestmark = pytest.mark.xdist_group("runs")

GRASSLAND, WETLAND = "632324", "eling-zhaling"
MODELS = Path(__file__).resolve().parents[2] / "models"


def settings_in(folder):
    return load_settings(store=folder / "store")


def asked(catalogue, config, out, *regions, month="2025-08"):
    return RunRequest(
        month=month,
        regions=regions or (GRASSLAND, WETLAND),
        source=str(catalogue),
        config=str(config),
        out=str(out),
    )


@pytest.fixture(scope="module")
def finished(archive, coarse_config, tmp_path_factory):
    """One whole run of two regions, to be looked at and not changed."""
    folder = tmp_path_factory.mktemp("run")
    request = asked(archive, coarse_config, folder / "out")
    return folder, request, run_monitor(request, settings_in(folder))


def test_every_region_has_an_estimate_with_an_interval(finished):
    _, _, published = finished
    found = {(r.region.id, r.indicator_id): r.estimate for r in published.rows}
    for region in (GRASSLAND, WETLAND):
        for indicator in ("fvc_month", "fvc_peak"):
            estimate = found[region, indicator]
            assert estimate.low < estimate.value < estimate.high
            assert estimate.confidence == 0.90
            assert estimate.valid_share > 0.6
            assert estimate.provenance == "simulated"
            assert "not calibrated" in estimate.flags
    assert not published.refused


def test_the_map_mean_lies_near_the_simulated_truth(finished, archive):
    """Near, not within its interval: the model was trained on another continent."""
    _, _, published = finished
    truth = json.loads((archive.parent / "truth" / "truth.json").read_text())
    for row in published.rows:
        if row.indicator_id == "fvc_peak":
            known = truth["regions"][row.region.id]["fvc_peak_mean_without_water"]
            assert row.estimate.value == pytest.approx(known, abs=0.15)


def test_the_plot_based_cover_is_refused_until_there_are_plots(finished):
    _, _, published = finished
    refused = [r for r in published.rows if r.indicator_id == "cvcg"]
    assert len(refused) == 2
    assert all("needs plots" in r.refusal for r in refused)


def test_the_share_outside_the_models_area_stands_beside_each_number(finished):
    _, _, published = finished
    estimates = gpd.read_parquet(published.out / "estimates.parquet")
    ledger = pd.read_parquet(published.out / "ledger.parquet")
    page = (published.out / "report.html").read_text(encoding="utf-8")
    for row in published.rows:
        if row.estimate is not None:
            assert 0 <= row.estimate.outside_share <= 1
            assert outside_text(row.estimate.outside_share) in page
    assert estimates["outside_share"].notna().sum() == 4
    assert (ledger["area_inside_ha"] <= ledger["area_ha"] * (1 + 1e-12)).all()


def test_the_maps_mark_exactly_the_pixels_above_the_threshold(finished):
    _, _, published = finished
    record = json.loads((published.out / "run.json").read_text())
    model = load_model(MODELS, record["model"]["id"])
    marked = 0
    for path in published.out.glob("maps/*/fvc_*.tif"):
        with rasterio.open(path) as file:
            assert file.descriptions == (
                *("fvc", "fvc_model_sd", "fvc_dissimilarity", "fvc_half_width_90"),
            )
            index = file.read(3, masked=True).astype(float) * file.scales[2]
        other = path.with_name(path.name.replace("fvc_", "quality_"))
        with rasterio.open(other) as file:
            outside = (file.read(2) & Flag.OUTSIDE_AREA) != 0
        threshold, half = model.applicability.threshold, 0.5001e-4
        assert not outside[index.filled(9) < threshold - half].any()
        assert outside[index.filled(0) > threshold + half].all()
        assert not outside[index.mask].any()
        marked += int(outside.sum())
    assert marked


def test_a_reference_line_is_never_called_a_policy_verdict(finished):
    _, _, published = finished
    for row in published.rows:
        if row.verdict is not None:
            assert row.verdict.target.kind == "reference"
            assert "not a policy verdict" in row.verdict.reason
            assert 0.0 <= row.verdict.p_met <= 1.0


def test_published_maps_are_valid_cogs_with_an_item_each(finished):
    _, _, published = finished
    maps = sorted(published.out.glob("maps/*/*.tif"))
    assert maps
    for path in maps:
        valid, errors, _ = cog_validate(path)
        assert valid, errors
    catalogue = pystac.Catalog.from_file(str(published.out / "catalog.json"))
    hrefs = {
        Path(asset.get_absolute_href()).resolve()
        for item in catalogue.get_items(recursive=True)
        for asset in item.assets.values()
    }
    assert hrefs == {path.resolve() for path in maps}


def test_ledger_areas_add_up_to_the_regions(finished):
    _, _, published = finished
    ledger = pd.read_parquet(published.out / "ledger.parquet")
    peak = ledger[ledger["period"] == "2025-peak"]
    estimates = gpd.read_parquet(published.out / "estimates.parquet")
    areas = estimates.set_index("region")["polygon_area_ha"]
    whole = sum_region(peak, peak["leaf_id"].unique()).area_ha
    assert whole == pytest.approx(areas.groupby(level=0).first().sum(), rel=1e-6)


def test_the_record_names_scenes_model_and_every_file(finished):
    _, _, published = finished
    record = json.loads((published.out / "run.json").read_text())
    assert record["provenance"] == "simulated"
    assert {s["baseline"] for s in record["scenes"]} == {"05.11"}
    assert record["model"]["id"].startswith("fvc-")
    files = {
        p.relative_to(published.out).as_posix()
        for p in published.out.rglob("*")
        if p.is_file()
    }
    assert set(record["files"]) == files - {"run.json"}


def test_the_page_stands_alone_and_says_that_it_is_simulated(finished):
    _, _, published = finished
    page = (published.out / "report.html").read_text(encoding="utf-8")
    assert "模拟数据" in page
    assert "河南" in page
    assert 'src="http' not in page
    # Pictures are base64, where those three letters may stand by chance.
    assert not re.search(r"\bnan\b", re.sub(r"data:[^\"']*", "", page), re.IGNORECASE)


def test_a_second_run_computes_nothing(finished):
    folder, request, first = finished
    again = run_monitor(request, settings_in(folder))
    assert again.made == 0
    assert again.reused == first.made
    assert [r.estimate for r in again.rows] == [r.estimate for r in first.rows]


def test_a_rerun_of_one_region_reuses_its_tiles(finished, archive, coarse_config):
    folder, _, first = finished
    request = asked(archive, coarse_config, folder / "one", GRASSLAND)
    again = run_monitor(request, settings_in(folder))
    estimate = {
        r.indicator_id: r.estimate for r in first.rows if r.region.id == GRASSLAND
    }
    assert {r.indicator_id: r.estimate for r in again.rows} == estimate
    assert again.made <= 2  # ledger rows of a tile shared with the other region


def test_a_dry_run_says_what_is_cached_and_why_the_rest_is_not(
    finished, archive, coarse_config, tmp_path
):
    folder, request, _ = finished
    settings = settings_in(folder)
    assert {e.state for e in foresee(request, settings)} == {"cached"}
    changed = tmp_path / "stricter.toml"
    changed.write_text(
        f'extends = "{coarse_config}"\n[composite]\nmin_clear_peak = 2\n'
    )
    entries = foresee(asked(archive, changed, tmp_path / "out"), settings)
    composites = [e for e in entries if e.step == "composite"]
    assert {e.state for e in composites} == {"recompute"}
    assert "composite.min_clear_peak" in composites[0].why
    elsewhere = foresee(request, settings_in(tmp_path))
    assert {e.state for e in elsewhere} == {"new"}
    assert not (tmp_path / "store" / "composite").exists()


def test_a_damaged_artifact_is_made_again(archive, coarse_config, tmp_path):
    request = asked(archive, coarse_config, tmp_path / "out", WETLAND)
    settings = settings_in(tmp_path)
    first = run_monitor(request, settings)
    victim = next(settings.store.glob("maps/*/*/fvc.tif"))
    with victim.open("r+b") as file:
        file.seek(200)
        file.write(b"\xff\xff\xff\xff")
    again = run_monitor(request, settings)
    assert again.made == 1
    assert [r.estimate for r in again.rows] == [r.estimate for r in first.rows]


# Broken on purpose: the region concerned is refused in one line, the others finish.


def scene_folder(catalogue):
    """The folder of an August scene that only the grassland county needs."""
    items = pystac.Catalog.from_file(str(catalogue)).get_items(recursive=True)
    august = [item for item in items if item.datetime.month == 8]
    eastmost = max(august, key=lambda item: (item.bbox[0], item.id))
    return Path(eastmost.get_self_href()).parent


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: os.truncate(f / asset(f, "red"), 3000), "red"),
        (lambda f: (f / asset(f, "red")).unlink(), "red"),
        (lambda f: (f / asset(f, "red")).write_text("<html>busy</html>"), "red"),
    ],
    ids=["a truncated file", "a missing file", "a web page instead of a file"],
)
def test_the_other_region_finishes_in_spite_of(
    own_archive, coarse_config, tmp_path, damage, said
):
    damage(scene_folder(own_archive))
    request = asked(own_archive, coarse_config, tmp_path / "out")
    published = run_monitor(request, settings_in(tmp_path))
    assert set(published.refused) == {GRASSLAND}
    assert said in published.refused[GRASSLAND]
    assert "\n" not in published.refused[GRASSLAND]
    done = [r for r in published.rows if r.region.id == WETLAND and r.estimate]
    assert len(done) == 2


def asset(folder, name):
    item = pystac.Item.from_file(str(next(folder.glob("*.json"))))
    return Path(item.assets[name].href).name


def test_an_empty_month_is_refused_with_the_dates(archive, coarse_config, tmp_path):
    request = asked(archive, coarse_config, tmp_path / "out", WETLAND, month="2025-03")
    published = run_monitor(request, settings_in(tmp_path))
    assert "2025-03-01" in published.refused[WETLAND]
    assert (tmp_path / "out" / "report.html").is_file()


def test_an_unknown_region_does_not_stop_a_known_one(archive, coarse_config, tmp_path):
    request = asked(archive, coarse_config, tmp_path / "out", "qilain", WETLAND)
    published = run_monitor(request, settings_in(tmp_path))
    assert set(published.refused) == {"qilain"}
    assert "qilian" in published.refused["qilain"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"regions": ("nowhere",)}, RegionError),
        ({"month": "2025-13"}, BadInput),
        ({"source": "nothing"}, BadInput),
        ({"config": "no-such.toml"}, ConfigError),
        ({"models": (("fvc", "fvc-ffffffff"),)}, BadInput),
        ({"models": (("agb", "agb-ffffffff"),)}, BadInput),
    ],
    ids=[
        "no known region",
        "no such month",
        "no such source",
        "no such configuration",
        "no such model",
        "no such target",
    ],
)
def test_bad_input_writes_nothing(archive, coarse_config, tmp_path, change, kind):
    plain = asked(archive, coarse_config, tmp_path / "out", WETLAND).to_json()
    request = RunRequest(**{**plain, "models": (), **change})
    with pytest.raises(kind) as caught:
        run_monitor(request, settings_in(tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_region_file_in_a_foreign_crs_is_used_where_it_lies(
    archive, coarse_config, tmp_path
):
    """A parcel in web-map coordinates: any CRS will do as long as it is declared."""
    parcel = gpd.GeoDataFrame(
        {"id": ["parcel"]}, geometry=[box(101.2, 34.4, 101.6, 34.8)], crs="EPSG:4326"
    ).to_crs("EPSG:3857")
    parcel.to_file(tmp_path / "parcel.gpkg")
    request = asked(archive, coarse_config, tmp_path / "out", tmp_path / "parcel.gpkg")
    request = RunRequest(
        **{
            **request.to_json(),
            "models": (),
            "regions": (str(tmp_path / "parcel.gpkg"),),
        }
    )
    published = run_monitor(request, settings_in(tmp_path))
    assert {r.region.id for r in published.rows if r.estimate} == {"parcel"}


def test_a_region_file_elsewhere_is_refused(archive, coarse_config, tmp_path):
    far = gpd.GeoDataFrame(
        {"id": ["far"]}, geometry=[box(10.0, 50.0, 10.1, 50.1)], crs="EPSG:4326"
    )
    far.to_file(tmp_path / "far.gpkg")
    file = str(tmp_path / "far.gpkg")
    request = asked(archive, coarse_config, tmp_path / "out", file)
    with pytest.raises(RegionError):
        run_monitor(request, settings_in(tmp_path))


def test_results_never_replace_a_folder_that_is_not_a_run(
    archive, coarse_config, tmp_path
):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("do not lose me")
    with pytest.raises(BadInput, match="not a qhsink run"):
        run_monitor(
            asked(archive, coarse_config, tmp_path / "out"), settings_in(tmp_path)
        )
    assert (tmp_path / "out" / "thesis.txt").read_text() == "do not lose me"


# The command line: exit status, JSON, and what is printed.


@pytest.fixture
def straight(monkeypatch):
    """The command without Prefect: its flow is tested in tests/flows."""
    monkeypatch.setattr(
        monitor_command,
        "_flow",
        lambda request, settings, _: run_monitor(request, settings),
    )


def call(*arguments):
    return CliRunner().invoke(
        cli, ["monitor", *map(str, arguments)], standalone_mode=False
    )


def test_json_is_for_machines(straight, archive, coarse_config, tmp_path):
    done = call(
        "--month", "2025-08", "--region", WETLAND, "--source", archive, "--json",
        "--config", coarse_config, "--out", tmp_path / "o", "--store", tmp_path / "s",
    )  # fmt: skip
    assert done.return_value == 0
    answer = json.loads(done.stdout)
    assert {e["indicator"] for e in answer["estimates"]} >= {"fvc_month", "cvcg"}
    assert Path(answer["report"]).is_file()


def test_a_refused_region_ends_with_status_three(
    straight, archive, coarse_config, tmp_path
):
    done = call(
        "--month", "2025-08", "--region", WETLAND, "--region", "nowhere",
        "--source", archive, "--config", coarse_config,
        "--out", tmp_path / "o", "--store", tmp_path / "s",
    )  # fmt: skip
    assert done.return_value == 3
    assert "refused nowhere" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--month", "2025-08"], 2, "--region"),
        (["--month", "2025", "--region", "qilian", "--source", "demo"], 2, "YYYY-MM"),
        (["--month", "2025-08", "--region", "x", "--source", "none"], 2, "'none'"),
    ],
    ids=["no region", "a year for a month", "an unknown source"],
)
def test_bad_input_is_one_line_and_status_two(qhsink, arguments, status, said):
    done = qhsink("monitor", *arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# Killed at any moment, a run loses nothing that it had finished.


PINNED_CODE = """
import sys
from qhsink import store
store.code_version = lambda *modules: "the code when this test began"
sys.argv[0] = "qhsink"
from qhsink.cli import main
main()
"""


def command():
    """The command line, with keys that do not follow edits of the code.

    Every start of a run computes its keys from the code that it finds: an edit between
    two starts would rightly make everything anew, which is not what is tried here.
    """
    return [sys.executable, "-c", PINNED_CODE]


@pytest.fixture
def frozen(tmp_path, project_folder):
    """Configuration, regions and models as they are now."""
    folder = tmp_path / "project"
    for name in ("config", "aoi", "models"):
        shutil.copytree(project_folder / name, folder / name)
    return folder


def start(arguments, project):
    return subprocess.Popen(
        [*command(), *arguments],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def artifacts(store):
    return {p.parent for p in store.glob("*/*/*/manifest.json")}


@pytest.mark.timeout(900)  # four processes, each with a server of Prefect's to start
def test_killed_three_times_a_run_still_loses_nothing(
    archive, coarse_config, tmp_path, project_folder, frozen
):
    config = frozen / "config" / "coarse.toml"
    text = coarse_config.read_text(encoding="utf-8")
    config.write_text(text.replace(str(project_folder), str(frozen)), encoding="utf-8")
    store = tmp_path / "store"
    arguments = [
        "monitor", "--month", "2025-08", "--region", GRASSLAND,
        "--source", str(archive), "--config", str(config),
        "--out", str(tmp_path / "out"), "--store", str(store), "--workers", "1",
    ]  # fmt: skip
    survivors = {}
    for moment in ("level", "composite", "ledger"):
        process = start(arguments, frozen)
        had = len(list(store.glob(f"{moment}/*/*/manifest.json")))
        deadline = time.monotonic() + 240  # Prefect's server alone may take 180
        while len(list(store.glob(f"{moment}/*/*/manifest.json"))) <= had:
            assert process.poll() is None, "finished before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
        for folder in artifacts(store):
            stamp = (folder / "manifest.json").stat().st_mtime_ns
            assert survivors.setdefault(folder, stamp) == stamp, "made again"
        assert not (tmp_path / "out").exists()
    done = subprocess.run(
        [*command(), *arguments, "--json"],
        cwd=frozen,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    tiles = {"composite", "maps", "ledger"}
    kept = sum(1 for folder in survivors if folder.parents[1].name in tiles)
    assert answer["reused"] == kept
    for folder, stamp in survivors.items():
        assert (folder / "manifest.json").stat().st_mtime_ns == stamp


def test_maps_of_two_runs_at_once_are_whole(archive, coarse_config, tmp_path):
    """Two processes, one store: both end well."""
    context = multiprocessing.get_context("spawn")
    requests = [
        asked(archive, coarse_config, tmp_path / name, WETLAND) for name in "ab"
    ]
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        first, second = pool.map(_run_apart, requests, [tmp_path, tmp_path])
    assert first == second
    for path in (tmp_path / "a").glob("maps/*/*.tif"):
        with rasterio.open(path) as file:
            file.read()


def _run_apart(request, folder):
    published = run_monitor(request, settings_in(folder))
    return [r.estimate.value for r in published.rows if r.estimate]


def test_a_full_disk_is_told_in_one_line(archive, coarse_config, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish, "write_page", full)
    with pytest.raises(StoreFault, match="No space left on device"):
        run_monitor(
            asked(archive, coarse_config, tmp_path / "out", WETLAND),
            settings_in(tmp_path),
        )
    assert not (tmp_path / "out").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".out")]

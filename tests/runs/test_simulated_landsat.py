"""A month of simulated Landsat scenes through the pipeline, unchanged."""

from __future__ import annotations

import json

import geopandas as gpd
import pytest
import shapely
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.cli import monitor as monitor_command
from qhsink.grid import qinghai_albers
from qhsink.steps.monitor import run_monitor
from qhsink.twin.archive import build_archive

pytestmark = pytest.mark.xdist_group("runs")

SQUARE = shapely.box(-380_000.0, 4_086_000.0, -368_000.0, 4_098_000.0)
CONFIG = """extends = "{parent}"
[grid]
crs = {crs!r}
pixel_size_m = 240.0
tile_px = 64
block_px = 64
[regions]
min_valid_share = 0.5
inside_province = false
"""


def test_a_month_of_landsat_gives_cover_near_the_truth(
    tmp_path, project_folder, monkeypatch
):
    catalogue = build_archive(
        tmp_path / "archive",
        regions=[("square", SQUARE)],
        seed=2025,
        year=2025,
        pixel_size_m=240.0,
        products=("landsat",),
    )
    frame = gpd.GeoDataFrame(
        {"id": ["square"]}, geometry=[SQUARE], crs=qinghai_albers().to_wkt()
    )
    frame.to_file(tmp_path / "square.gpkg")
    parent = (project_folder / "config" / "landsat.toml").as_posix()
    own = (project_folder / "config" / "monitor.toml").read_text("utf-8")
    crs = next(line for line in own.splitlines() if line.startswith("crs"))
    text = CONFIG.format(parent=parent, crs="").replace("crs = ''", crs)
    (tmp_path / "landsat.toml").write_text(text, "utf-8")
    published = []

    def run(request, settings, _):
        published.append(run_monitor(request, settings))
        return published[0]

    monkeypatch.setattr(monitor_command, "_flow", run)
    words = [
        "monitor", "--month", "2025-08", "--region", tmp_path / "square.gpkg",
        "--source", catalogue, "--config", tmp_path / "landsat.toml",
        "--out", tmp_path / "out", "--store", tmp_path / "store",
    ]  # fmt: skip
    done = CliRunner().invoke(cli, [str(w) for w in words], standalone_mode=False)
    assert done.return_value == 0, done.output
    (row,) = [r for r in published[0].rows if r.indicator_id == "fvc_month"]
    assert row.estimate.provenance == "simulated"
    truth = json.loads((tmp_path / "archive" / "truth" / "truth.json").read_text())
    cover = truth["regions"]["square"]["fvc_peak_mean_without_water"]
    assert row.estimate.value == pytest.approx(cover, abs=0.15)

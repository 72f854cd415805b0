"""Two real Landsat scenes, from their real STAC items to the end of a run."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.features import geometry_mask
from shapely.geometry import box

from qhsink.cli import cli
from qhsink.cli import monitor as monitor_command
from qhsink.estimation.ledger import sum_region
from qhsink.steps.monitor import run_monitor

pytestmark = pytest.mark.xdist_group("runs")

CLEAR_PART = (-74.95, 1.61, -74.85, 1.71)
"""A clear part of the Colombian scene of 2019-12-01 [deg]."""
CLOUDY = (-83.2, 34.4, -82.8, 34.8)
"""Anywhere in the fully cloudy scene of 2013-04-19 [deg]."""


def region_file(folder, bounds):
    path = folder / "region.geojson"
    frame = gpd.GeoDataFrame({"id": ["plot"]}, geometry=[box(*bounds)], crs="EPSG:4326")
    frame.to_file(path, driver="GeoJSON")
    return path


def monitor(shared, scene, month, bounds, folder, project, monkeypatch):
    published = []

    def run(request, settings, _):
        published.append(run_monitor(request, settings))
        return published[0]

    monkeypatch.setattr(monitor_command, "_flow", run)
    source = shared / "data" / "landsat_c2l2_stac_real_pixels" / scene
    words = [
        "monitor", "--month", month, "--region", region_file(folder, bounds),
        "--source", source, "--config", project / "config" / "landsat.toml",
        "--out", folder / "out", "--store", folder / "store",
    ]  # fmt: skip
    done = CliRunner().invoke(cli, [str(w) for w in words], standalone_mode=False)
    return done, published


def test_a_real_scene_gives_real_cover_where_it_is_clear(
    shared_dir, tmp_path, project_folder, monkeypatch
):
    done, published = monitor(
        shared_dir, "assets3", "2019-12", CLEAR_PART, tmp_path, project_folder,
        monkeypatch,
    )  # fmt: skip
    assert done.return_value == 0, done.output
    (row,) = [r for r in published[0].rows if r.indicator_id == "fvc_month"]
    assert row.estimate.provenance == "observed"
    assert row.estimate.valid_share > 0.95
    # Amazon piedmont, forest and pasture: green nearly throughout.
    assert 0.5 < row.estimate.value <= 1.0
    assert row.estimate.low < row.estimate.value < row.estimate.high


def test_clear_pixels_of_a_real_scene_are_those_of_its_own_mask(
    shared_dir, tmp_path, project_folder, monkeypatch
):
    """The ledger's land area equals that of QA_PIXEL read directly, by another way."""
    _, published = monitor(
        shared_dir, "assets3", "2019-12", (-75.2, 1.4, -74.6, 2.0), tmp_path,
        project_folder, monkeypatch,
    )  # fmt: skip
    ledger = pd.read_parquet(published[0].out / "ledger.parquet")
    sums = sum_region(ledger, ledger["leaf_id"].unique())
    folder = shared_dir / "data" / "landsat_c2l2_stac_real_pixels" / "assets3"
    with rasterio.open(next(folder.glob("*QA_PIXEL.TIF"))) as file:
        quality = file.read(1)
        region = gpd.GeoSeries.from_wkt([box(-75.2, 1.4, -74.6, 2.0).wkt], crs=4326)
        inside = geometry_mask(
            region.to_crs(file.crs), quality.shape, file.transform, invert=True
        )
    clear = (quality & 0b111111) == 0
    water = (quality >> 7) & 1 == 1
    expected = np.sum(clear & ~water & inside) / np.sum(inside & ~(clear & water))
    assert sums.valid_share == pytest.approx(expected, abs=0.02)


def test_a_fully_cloudy_scene_ends_in_a_clean_refusal(
    shared_dir, tmp_path, project_folder, monkeypatch
):
    done, published = monitor(
        shared_dir, "assets4", "2013-04", CLOUDY, tmp_path, project_folder, monkeypatch
    )
    assert done.return_value == 3, done.output
    assert "0.0%" in published[0].refused["plot"]
    assert "refused plot" in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()

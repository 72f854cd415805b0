"""``qhsink estimate model`` on a finished run: members, residuals, shape, flags."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.config import load_run_config, load_settings
from qhsink.domain.errors import BadInput, TableError
from qhsink.domain.variogram import Variogram, describe_variogram
from qhsink.estimation.ledger import RegionSums
from qhsink.estimation.spatial import mean_correlation_of_disc
from qhsink.steps import residuals as known
from qhsink.steps.residuals import Residuals, modelled_mean, residuals_without_plots

pytestmark = pytest.mark.xdist_group("runs")

COUNTY, WETLAND = "632324", "eling-zhaling"


def ask(run, *options, regions=(COUNTY,)):
    where = [part for region in regions for part in ("--region", region)]
    words = ["estimate", "model", *where, "--run", str(run), *options, "--json", "-"]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done, json.loads(done.stdout)


@pytest.fixture(scope="session")
def near_plots(plots, tmp_path_factory):
    """The county's plots, each with a neighbour 600 m to the east."""
    one = plots[plots["stratum"] == COUNTY].drop(columns=["stratum", "inclusion_prob"])
    error = np.random.default_rng(3).normal(0.0, 0.02, len(one))
    two = one.assign(
        id=one["id"] + "b",
        lon=one["lon"] + 0.0066,
        reference=np.clip(one["reference"] + error, 0.0, 1.0),
    )
    path = tmp_path_factory.mktemp("near") / "plots.csv"
    pd.concat([one, two]).to_csv(path, index=False)
    return path


def test_the_value_is_the_reports_and_so_is_its_error(run):
    found = ask(run, regions=(COUNTY, WETLAND))[1]
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    printed = {(e["region"], e["indicator"]): e for e in record["estimates"]}
    for row in found["estimates"]:
        same = printed[row["region"], "fvc_peak"]
        assert row["estimate"] == pytest.approx(same["value"], rel=1e-12)
        assert row["se"] == pytest.approx(same["se"], rel=1e-12)
        parts = row["variance"]
        assert row["se"] ** 2 == pytest.approx(parts["parameters"] + parts["residuals"])
        assert parts["residuals"] > 0.0
        assert same["mode"] == "model-based"


def test_an_assumed_variogram_is_named_and_flagged(run):
    found = ask(run)[1]
    assert found["residuals"]["source"] == "assumed"
    assert found["flags"] == ["not calibrated", "residual correlation assumed"]
    words = ["estimate", "model", "--region", COUNTY, "--run", str(run)]
    said = CliRunner().invoke(cli, words, standalone_mode=False).stdout
    assert "ASSUMED" in said
    assert "SE, residuals" in said


def test_the_shape_lowers_the_correlation_of_a_disc_of_its_area(run):
    row = ask(run)[1]["estimates"][0]
    assumed = Variogram(0.0, 1.0, 5000.0, "exponential", 0)
    disc = mean_correlation_of_disc(row["land_ha"] * 1e4, assumed)
    assert 0.3 * disc < row["mean_correlation"] < disc


def test_plots_that_the_model_has_not_seen_give_the_residuals(run, near_plots):
    found = ask(run, "--residuals", str(near_plots))[1]
    told = found["residuals"]
    assert told["source"] == "plots"
    assert told["n"] + len(told["plots_without_map_value"]) == 120
    assert "residual correlation assumed" not in found["flags"]
    # The model was trained on another continent: its bias shows, and is not hidden.
    assert abs(told["map_minus_plots"]) > 2 * told["map_minus_plots_se"]
    assert "map differs from plots" in found["flags"]
    region = found["estimates"][0]
    naive = math.sqrt(told["sill"]) / math.sqrt(region["land_ha"] * 1e4 / 480**2)
    assert math.sqrt(region["variance"]["residuals"]) > naive


def test_a_card_with_a_variogram_is_believed_before_the_assumption(
    coarse_config, monkeypatch
):
    seen = Variogram(0.002, 0.006, 3000.0, "spherical", 900, 80, 100.0, 2e4)
    table = describe_variogram(seen, source="out_of_fold")
    model = SimpleNamespace(
        id="fvc-00000000", card={"science": {"residual_variogram": table}}
    )
    monkeypatch.setattr(known, "load_model", lambda *_: model)
    found = residuals_without_plots(load_run_config(coarse_config), load_settings())
    assert found.origin == "out_of_fold"
    assert found.variogram.range_m == 3000.0
    assert found.flags == ("not calibrated",)


def test_land_cut_by_water_averages_over_fewer_places():
    assumed = Residuals(Variogram(0.0, 0.01, 5000.0, "exponential", 0), "assumed")
    cells = np.ones((20, 20)), 1000.0
    dry, half = (
        modelled_mean(
            RegionSums(land, 0.0, 0.0, np.array([0.4, 0.5]) * land),
            assumed,
            cells,
            pixel_m2=400.0,
        )
        for land in (40_000.0, 20_000.0)
    )
    assert half.mean_correlation == pytest.approx(2 * dry.mean_correlation)
    assert half.variance.parameters == pytest.approx(dry.variance.parameters)


def test_wrong_orders_are_refused(run, near_plots, tmp_path):
    with pytest.raises(BadInput, match="one that is a mean of a map"):
        ask(run, "--indicator", "cvcg")
    few = pd.read_csv(near_plots).iloc[:20]
    few.to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(TableError, match="at least 30"):
        ask(run, "--residuals", str(tmp_path / "few.csv"))
    done, found = ask(run, regions=(COUNTY, "qilian"))
    assert done.return_value == 3
    assert "in the ledger of 2025-peak" in found["refused"]["qilian"]

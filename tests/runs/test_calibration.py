"""``models calibrate`` and ``estimate calibrated`` on a run of the coarse twin."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.domain.errors import BadInput, Refusal, TableError
from qhsink.steps.calibration import read_calibration
from qhsink.steps.twin_plots import Campaign, twin_plots

pytestmark = pytest.mark.xdist_group("runs")

COUNTY = "632324"
STRIPS = 6


@pytest.fixture(scope="module")
def campaign(archive):
    """Plots of the twin, dealt to strips that stand for counties."""
    table = twin_plots(Campaign(archive.parent, "fvc", 240, 3))
    strip = pd.qcut(table["lon"], STRIPS, labels=False)
    return table.assign(region=[f"strip {number}" for number in strip])


def ask(*words):
    done = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done


def calibrate(run, table, folder, *options):
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "plots.csv", index=False)
    out = folder / "calibration.json"
    done = ask(
        "models", "calibrate", "fvc", "--plots", folder / "plots.csv", "--run", run,
        "--out", out, *options,
    )  # fmt: skip
    return done.output, out


@pytest.fixture(scope="module")
def made(run, campaign, tmp_path_factory):
    return calibrate(run, campaign, tmp_path_factory.mktemp("calibration") / "a")


def test_the_calibrated_mean_is_nearer_to_the_truth(run, archive, made):
    done = ask(
        "estimate", "calibrated", "--calibration", made[1], "--run", run,
        "--region", COUNTY, "--json", made[1].parent / "means.json",
    )  # fmt: skip
    found = json.loads((made[1].parent / "means.json").read_text("utf-8"))
    row = found["estimates"][0]
    text = (archive.parent / "truth" / "truth.json").read_text("utf-8")
    truth = json.loads(text)["regions"][COUNTY]["fvc_peak_mean_without_water"]
    assert abs(row["value"] - truth) < 0.5 * abs(row["map_mean"] - truth)
    assert row["mode"] == "calibrated"
    assert row["status"] == "estimate"
    assert row["low"] < row["value"] < row["high"]
    assert row["provenance"] == "simulated"
    assert "SIMULATED" in done.output


def test_people_read_lines_evidence_and_what_is_missing(made):
    said = made[0]
    assert "all types" in said
    assert "leave-county-out" in said
    assert "no line: " in said
    assert "SIMULATED" in said


def test_the_file_reads_back_as_it_was_written(made):
    file = read_calibration(made[1])
    assert file.to_json() == json.loads(
        made[1].read_text("utf-8"), object_hook=_with_tuples
    )
    assert file.provenance == "simulated"


def _with_tuples(table):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}


def test_nothing_of_the_run_is_changed(run, made):
    """Every file that the run wrote is older than the calibration."""
    written = made[1].stat().st_mtime
    assert all(p.stat().st_mtime < written for p in run.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    "column", ["se", "position_sd_m", "stratum", "region"], ids=lambda name: name
)
def test_an_error_type_or_county_that_is_unknown_is_refused(
    run, campaign, tmp_path, column
):
    with pytest.raises(TableError, match=f"no column '{column}'"):
        calibrate(run, campaign.drop(columns=column), tmp_path / "a")


def test_plots_of_another_year_than_the_map_are_refused(run, campaign, tmp_path):
    dates = campaign["date"].str.replace("2025", "2024", regex=False)
    with pytest.raises(TableError, match="outside 2025-peak"):
        calibrate(run, campaign.assign(date=dates), tmp_path / "a")


def test_plots_of_two_counties_are_refused(run, campaign, tmp_path):
    few = campaign[campaign["region"].isin(["strip 0", "strip 1"])]
    with pytest.raises(Refusal, match="in 2 counties"):
        calibrate(run, few, tmp_path / "a")


def test_a_map_of_another_model_is_refused(run, made, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    record = json.loads((other / "run.json").read_text("utf-8"))
    record["model"] = {"id": "fvc-00000000", "digest": "0" * 64}
    (other / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BadInput, match="a map of fvc-00000000"):
        ask(
            "estimate", "calibrated", "--calibration", made[1], "--run", other,
            "--region", COUNTY,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no json", "cannot be read"),
        ("[]", "no calibration of format"),
        ('{"format": 1, "indicator": 3}', "broken.json"),
    ],
    ids=["not JSON", "not a table", "wrong fields"],
)
def test_a_file_that_is_no_calibration_is_refused(tmp_path, text, found):
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=found):
        read_calibration(path)


def test_a_calibration_with_an_impossible_covariance_is_refused(made, tmp_path):
    table = json.loads(made[1].read_text("utf-8"))
    table["calibration"]["lines"][0]["covariance"] = [1e-4, 1.0, 1e-4]
    path = tmp_path / "forged.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(BadInput, match="covariance"):
        read_calibration(path)


def test_a_type_without_a_line_refuses_the_region_alone(run, made):
    done = CliRunner().invoke(
        cli,
        [
            "estimate", "calibrated", "--calibration", str(made[1]), "--run", str(run),
            "--region", COUNTY, "--type", "tundra",
        ],
        standalone_mode=False,
    )  # fmt: skip
    assert done.return_value == 3
    assert "grassland type 'tundra' with 0 plots" in done.output


def test_the_line_of_a_type_is_used_where_it_is_named(run, made):
    path = made[1].parent / "meadow.json"
    ask(
        "estimate", "calibrated", "--calibration", made[1], "--run", run,
        "--region", COUNTY, "--type", "alpine meadow", "--json", path,
    )  # fmt: skip
    row = json.loads(path.read_text("utf-8"))["estimates"][0]
    calibration = read_calibration(made[1]).calibration
    value, variance = calibration.line("alpine meadow").at(row["map_mean"])
    assert row["value"] == pytest.approx(value)
    assert row["se"] == pytest.approx(np.hypot(variance**0.5, calibration.county_sd))
    assert row["df"] == STRIPS - 1


def test_a_steep_map_and_a_vague_place_make_the_map_value_less_certain(
    run, campaign, tmp_path
):
    sure = calibrate(run, campaign, tmp_path / "sure")[1]
    vague = calibrate(run, campaign.assign(position_sd_m=120.0), tmp_path / "vague")[1]
    errors = [
        read_calibration(path).calibration.line("").map_se for path in (sure, vague)
    ]
    assert np.isfinite(errors).all()
    assert errors[1] > errors[0]

"""The instrument itself: counting, resuming, and one small world end to end."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from qhsink.cli.twin import twin
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import BadInput
from qhsink.estimation.reliability import (
    FEW_CLUSTERS,
    FEW_NONZERO,
    NO_VARIATION,
    cluster_flags,
    sample_flags,
)
from qhsink.reporting.coverage_verdicts import verdict_lines
from qhsink.reporting.coverage_words import LIES as LIE_NAMES
from qhsink.reporting.coverage_words import REMARKS
from qhsink.steps import evaluate as trial_module
from qhsink.steps.evaluate import Order, evaluate
from qhsink.steps.evaluate_labels import is_forest
from qhsink.steps.evaluate_places import load_trial, squares
from qhsink.twin.classes import MEADOW, SHRUB, SPRUCE
from qhsink.twin.ground import Ground
from qhsink.twin.lies import LIES
from qhsink.twin.scoring import (
    Proportion,
    summarise,
    summarise_lies,
    wrong_verdicts,
)

SMALL = {
    "square_m": 11_520.0,
    "parts": 2,
    "pixel_size_m": 240.0,
    "plots": 30,
    "campaigns": 1,
    "further_campaigns": 1,
    "month_every": 7,
}


def small_trial():
    return load_trial().model_copy(update=SMALL)


@pytest.fixture(scope="module")
def one_world(tmp_path_factory):
    """One world over one region: everything that is estimated from it."""
    out = tmp_path_factory.mktemp("trial")
    order = Order(worlds=1, regions=("632324",), first_seed=7, trial=small_trial())
    return order, evaluate(order, out)


def row(**changes):
    plain = {
        "indicator": "fvc_peak",
        "size": "square",
        "mode": "model",
        "truth": 0.5,
        "value": 0.5,
        "se": 0.1,
        "low90": 0.4,
        "high90": 0.6,
        "low95": 0.3,
        "high95": 0.7,
        "flags": "",
        "refusal": "",
        "world": 1,
    }
    return plain | changes


def test_bias_error_and_coverage_by_hand():
    rows = pd.DataFrame(
        [
            row(truth=0.5, value=0.6),
            row(truth=0.65, value=0.5, world=2),
            row(truth=0.8, value=0.5, world=3),
            row(truth=0.4, value=0.4, world=4),
            row(refusal="too cloudy", value=np.nan, low90=np.nan, world=5),
        ]
    )
    (line,) = summarise(rows).to_dict("records")
    assert (line["estimates"], line["refused"], line["worlds"]) == (4, 1, 5)
    assert line["bias"] == pytest.approx((0.1 - 0.15 - 0.3 + 0.0) / 4)
    assert line["rmse"] == pytest.approx(np.sqrt((0.01 + 0.0225 + 0.09) / 4))
    assert line["cover90"] == 0.5
    assert line["cover95"] == 0.75
    assert line["width90"] == pytest.approx(0.2)


def test_flagged_estimates_claim_nothing_and_are_counted_apart():
    """Two claims of which one covers; a flagged miss; one without an interval."""
    rows = pd.DataFrame(
        [
            row(truth=0.5),
            row(truth=0.9, world=2),
            row(truth=0.9, flags="few", world=3),
            row(low90=np.nan, world=4),
        ]
    )
    (line,) = summarise(rows).to_dict("records")
    assert (line["estimates"], line["refused"]) == (2, 1)
    assert line["cover90"] == 0.5
    assert line["flagged"] == pytest.approx(1 / 3)
    (line,) = summarise(rows.assign(flags="few")).to_dict("records")
    assert (line["estimates"], line["flagged"]) == (3, 1.0)


def test_a_sample_is_flagged_by_how_many_units_are_not_zero(project_folder):
    rules = load_interval_rules(project_folder)
    rare = np.r_[np.ones(10) * 3.0, np.zeros(50)]
    assert sample_flags(rare, kind="t", rules=rules) == (FEW_NONZERO,)
    assert sample_flags(rare, kind="skewed", rules=rules) == ()
    mostly = np.r_[np.ones(10), np.zeros(2)]
    assert sample_flags(mostly, kind="t", rules=rules) == ()
    enough = np.r_[np.ones(rules.least_nonzero), np.zeros(100)]
    assert sample_flags(enough, kind="t", rules=rules) == ()
    alike = (sample_flags(np.zeros(9), kind=k, rules=rules) for k in ("t", "skewed"))
    assert set(alike) == {(NO_VARIATION,)}
    sizes, totals = np.full(8, 2.0), np.arange(8.0)
    assert cluster_flags(totals, sizes, rules=rules) == ()
    sizes[0] = 0.0
    assert cluster_flags(totals, sizes, rules=rules) == (FEW_CLUSTERS,)
    assert cluster_flags(sizes, sizes, rules=rules) == (NO_VARIATION,)


def test_tracks_that_correct_a_map_must_be_more_than_those_that_replace_it(
    project_folder,
):
    rules = load_interval_rules(project_folder)
    least = rules.least_map_error_clusters
    assert least > rules.least_clusters
    totals, sizes = np.arange(float(least)), np.full(least, 2.0)
    assert cluster_flags(totals, sizes, rules=rules, map_errors=True) == ()
    fewer = cluster_flags(totals[1:], sizes[1:], rules=rules, map_errors=True)
    assert fewer == (FEW_CLUSTERS,)
    assert cluster_flags(totals[1:], sizes[1:], rules=rules) == ()


def test_what_lies_do_is_told_beside_the_same_worlds_unbroken():
    rows = pd.DataFrame(
        [
            row(lie="none", excluded=0),
            row(lie="roadside", excluded=0, truth=0.3),
            row(lie="wrong-offset", excluded=2),
            row(lie="wrong-offset", excluded=1, world=2, size="part"),
        ]
    )
    table = summarise_lies(rows, honest="none").set_index("lie")
    assert list(table.index) == ["none", "roadside", "wrong-offset"]
    assert table.loc["roadside", "bias"] == pytest.approx(0.2)
    assert table["cover90"].tolist() == [1.0, 0.0, 1.0]
    assert table["excluded"].tolist() == [0, 0, 2]


def test_wrong_verdicts_are_told_by_side_and_size():
    table = pd.DataFrame(
        {
            "indicator": "fvc_peak",
            "size": ["square", "square", "part"],
            "mode": "model",
            "distance": [0.05, -0.05, 0.0],
            "verdicts": 10,
            "wrong": [0.4, 0.1, 0.2],
            "right": [0.4, 0.5, 0.3],
            "open": [0.2, 0.4, 0.5],
        }
    )
    said = verdict_lines(table)
    assert list(said) == ["square", "part"]
    assert said["square"]["model"][0.05] == pytest.approx(
        {"met": 0.4, "not met": 0.1, "open": 0.3}
    )
    assert np.isnan(said["part"]["model"][0.0]["met"])
    forest = verdict_lines(table.assign(indicator="forest_cover"), "forest_cover")
    assert forest["square"] == said["square"]
    assert verdict_lines(table, "cvcg") == {}


def test_every_lie_has_a_name_on_the_page():
    assert set(LIE_NAMES) == {trial_module.HONEST, *LIES}


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (9, 10), (10, 10), (171, 200)])
def test_binomial_limits_equal_scipys_exact_ones(hits, trials):
    exact = stats.binomtest(hits, trials).proportion_ci(method="exact")
    assert Proportion(hits, trials).limits() == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(
    ("hits", "said"),
    [
        (180, "covers"),
        (165, "too narrow, within chance"),
        (100, "too narrow"),
        (193, "too wide, within chance"),
        (200, "too wide"),
    ],
)
def test_coverage_is_read_with_its_binomial_error(hits, said):
    rows = [row(truth=0.5 if k < hits else 0.9, world=k) for k in range(200)]
    (line,) = summarise(pd.DataFrame(rows)).to_dict("records")
    assert line["reading"] == said


def test_a_verdict_is_wrong_only_against_the_truth():
    """Target above the truth: met is wrong. At or below: not met is wrong."""
    said = {"line+0.05": ["met", "not met"], "line+0.00": ["met", "not met"]}
    rows = pd.DataFrame([row(), row()]).assign(**said)
    table = wrong_verdicts(rows, (0.05, 0.0)).set_index("distance")
    assert table.loc[0.05, "wrong"] == 0.5
    assert table.loc[0.05, "right"] == 0.5
    assert table.loc[0.0, "wrong"] == 0.5
    rows["line+0.05"] = ["met", "met"]
    assert wrong_verdicts(rows, (0.05,)).loc[0, "wrong"] == 1.0


def test_squares_lie_on_whole_pixels_and_parts_fill_them():
    (place,) = squares(("632324",), small_trial())
    assert place.outline.area == pytest.approx(11_520.0**2)
    assert sum(p.area for _, p in place.parts) == pytest.approx(place.outline.area)
    assert all(v % 240.0 == 0.0 for v in place.outline.bounds)


def test_parts_that_cut_pixels_are_refused():
    broken = small_trial().model_copy(update={"parts": 7})
    with pytest.raises(BadInput, match="in 7 parts"):
        squares(("632324",), broken)


def test_a_world_gives_every_mode_and_the_run_keeps_its_flag(one_world):
    _, found = one_world
    rows = found.rows
    modes = set(rows["mode"])
    assert {
        "model",
        "model + correlated residuals",
        "naive: pixel mean, RMSE/√N",
        "simple random plots",
        "systematic plots, as if random",
        "systematic plots, neighbours",
        "stratified plots",
        "difference (map)",
        "regression (map)",
        "small area: synthetic",
        "small area: GREG by domain",
        "small area: EBLUP",
        "area from stratified labels",
        "share, logit interval",
        "regression (map, elevation)",
        "ratio (map)",
        "post-stratified by map",
        "stratified, combined ratio (map)",
        "stratified, separate ratio (map)",
        "two-phase, strata by map",
        "two-phase, regression (map)",
        "clusters of 4 plots",
        "unequal probabilities",
        "unequal probabilities, Yates-Grundy",
        "plots by type and county",
        "graded plots",
        "plots measured twice",
        "calibrated map",
    } <= modes
    assert modes <= set(REMARKS)
    assert (rows.loc[rows["mode"] == "model", "flags"] == "not calibrated").all()
    naive = rows[rows["mode"].str.startswith("naive")]
    model = rows[rows["mode"] == "model"]
    assert naive["se"].max() < model["se"].min() / 5
    random = rows["mode"] == "systematic plots, as if random"
    assert rows.loc[random, "flags"].str.startswith("not calibrated").all()
    given = rows[rows["refusal"] == ""]
    assert (given["se"] >= 0).all()
    assert given["value"].notna().all()


def test_the_month_is_judged_beside_the_peak(one_world):
    """Seed 7 of every 7th: August's own map, plots and truth."""
    _, found = one_world
    rows = found.rows[found.rows["size"] == "square"].set_index("indicator")
    month = rows.loc["fvc_month"].set_index("mode")
    assert {"model", "stratified plots", "difference (map)"} <= set(month.index)
    said = month.loc["model + correlated residuals", "flags"]
    assert said.startswith("not calibrated")
    peak = rows.loc["fvc_peak"].set_index("mode")
    # August is past the peak of growth, but not by much.
    gap = peak.loc["model", "truth"] - month.loc["model", "truth"]
    assert 0.0 <= gap < 0.1
    assert month.loc["model", "value"] != peak.loc["model", "value"]


def test_change_is_judged_on_maps_of_two_years(one_world):
    """Seed 7 of every 7th: the earlier year is mapped too, by the same members."""
    _, found = one_world
    rows = found.rows[found.rows["indicator"] == "fvc_change"]
    whole = rows[rows["size"] == "square"].set_index("mode")
    aligned, paired = whole.loc["members aligned"], whole.loc["plots measured twice"]
    assert aligned["flags"] == "not calibrated"
    assert aligned["truth"] == pytest.approx(paired["truth"], abs=1e-6)
    # What the model gets wrong in both years cancels: its mean errs more.
    model = found.rows[found.rows["mode"] == "model"].set_index("size").loc["square"]
    model = model[model["indicator"] == "fvc_peak"].iloc[0]
    gap = abs(aligned["value"] - aligned["truth"])
    assert gap < abs(model["value"] - model["truth"])
    apart = whole.loc["plots measured twice, taken as two samples"]
    assert paired["se"] < apart["se"]


def test_forest_by_the_national_definition_counts_alpine_shrub():
    shape = np.zeros(4, dtype=np.float32)
    ground = Ground(
        **{
            field.name: shape
            for field in dataclasses.fields(Ground)
            if field.name not in ("ecosystem", "canopy_cover", "shrub_cover")
        },
        ecosystem=np.array([SPRUCE, SPRUCE, SHRUB, MEADOW], dtype=np.uint8),
        canopy_cover=np.array([0.2, 0.19, 0.0, 0.0], dtype=np.float32),
        shrub_cover=np.array([0.0, 0.0, 0.31, 0.31], dtype=np.float32),
    )
    assert is_forest(ground).tolist() == [True, False, True, False]


def test_a_finished_world_is_not_run_again_and_a_killed_one_goes_on(
    one_world, monkeypatch, tmp_path
):
    order, found = one_world
    out = shutil.copytree(found.out, tmp_path / "trial")
    calls = []

    def stand_in(regions, lie, trial, seed, scratch):
        calls.append(seed)
        return found.rows.assign(world=seed)

    monkeypatch.setattr(trial_module, "world_rows", stand_in)
    more = Order(worlds=3, regions=order.regions, first_seed=7, trial=order.trial)
    said = []
    again = evaluate(more, out, on_progress=lambda *step: said.append(step))
    assert calls == [8, 9]
    assert said[-1][:2] == (3, 3)
    assert set(again.rows["world"]) == {7, 8, 9}
    assert not list((out / "worlds").glob("world-*"))


KILLED = """
import os, signal, sys
from pathlib import Path
import pandas as pd
from qhsink.steps import evaluate as trial
out, rows, regions = Path(sys.argv[1]), pd.read_parquet(sys.argv[2]), (sys.argv[3],)
def stand_in(places, lie, spec, seed, scratch):
    (scratch / "archive").mkdir()
    if seed == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows.assign(world=seed)
trial.world_rows = stand_in
trial.evaluate(trial.Order(worlds=3, regions=regions, first_seed=7), out)
"""


def test_a_run_that_is_killed_leaves_whole_worlds_and_goes_on(
    one_world, monkeypatch, tmp_path
):
    order, found = one_world
    rows = tmp_path / "rows.parquet"
    found.rows.to_parquet(rows)
    out = tmp_path / "trial"
    told = [sys.executable, "-c", KILLED, str(out), str(rows), *order.regions]
    killed = subprocess.run(told, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((out / "worlds").glob("*.parquet"))) == 1
    assert len(list((out / "worlds").glob("world-8-*"))) == 1
    calls = []

    def stand_in(regions, lie, trial, seed, scratch):
        calls.append(seed)
        return found.rows.assign(world=seed)

    monkeypatch.setattr(trial_module, "world_rows", stand_in)
    evaluate(Order(worlds=3, regions=order.regions, first_seed=7), out)
    assert calls == [8, 9]
    assert not list((out / "worlds").glob("world-*"))


def test_a_world_that_fails_is_named_and_the_others_count(
    one_world, monkeypatch, tmp_path
):
    order, found = one_world

    def stand_in(regions, lie, trial, seed, scratch):
        if seed == 8:
            raise BadInput("a broken world", expected="a whole one", remedy="Mend it.")
        return found.rows.assign(world=seed)

    monkeypatch.setattr(trial_module, "world_rows", stand_in)
    more = Order(worlds=2, regions=order.regions, first_seed=7, trial=order.trial)
    again = evaluate(more, tmp_path)
    assert set(again.failed) == {8}
    assert set(again.rows["world"]) == {7}
    page = (tmp_path / "coverage.html").read_text(encoding="utf-8")
    assert "1 个世界未得出结果" in page


def test_what_nobody_foresaw_ends_the_trial_and_not_after_all_other_worlds(
    tmp_path,
):
    """Two workers; the first world breaks, of the others those under way run."""
    started = tmp_path / "started"
    started.mkdir()
    jobs = [str(started / f"{number:02d}") for number in range(40)]
    with pytest.raises(RuntimeError, match="nobody foresaw"):
        list(trial_module._each(break_first, jobs, workers=2))
    assert len(list(started.iterdir())) < 10


def break_first(path):
    """Break on the first job; take a while on the others."""
    Path(path).touch()
    if path.endswith("00"):
        message = "nobody foresaw"
        raise RuntimeError(message)
    time.sleep(0.5)
    return path, ""


def test_the_page_says_simulated_and_what_each_interval_holds(one_world):
    _, found = one_world
    page = (found.out / "coverage.html").read_text(encoding="utf-8")
    assert "模拟数据" in page
    assert "not calibrated" in page
    assert "RMSE/√N" in page
    assert "http" not in page
    table = (found.out / "coverage.md").read_text(encoding="utf-8")
    assert "| stratified plots | 133 km² | 1 |" in table
    assert "qhsink twin evaluate --worlds 1 --regions 632324 --out DIR" in table
    assert pd.read_parquet(found.out / "coverage.parquet").shape[0] > 15


def test_lies_are_tried_beside_and_told_on_the_page(one_world, monkeypatch, tmp_path):
    order, found = one_world
    asked = []

    def stand_in(regions, lie, trial, seed, scratch):
        asked.append((lie, seed))
        shift = 0.3 if lie == "roadside" else 0.0
        rows = found.rows.assign(world=seed, excluded=int(lie == "wrong-offset"))
        return rows.assign(truth=rows["truth"] + shift)

    monkeypatch.setattr(trial_module, "world_rows", stand_in)
    more = Order(
        worlds=2, lie_worlds=1, regions=order.regions, first_seed=7, trial=order.trial
    )
    again = evaluate(more, tmp_path)
    assert asked == [(None, 7), (None, 8), *((lie, 7) for lie in LIES)]
    assert set(again.rows["world"]) == {7, 8}
    table = again.lies[again.lies["mode"] == "simple random plots"].set_index("lie")
    fall = table.loc["roadside", "bias"] - table.loc["none", "bias"]
    assert fall == pytest.approx(-0.3)
    text = (tmp_path / "coverage.md").read_text(encoding="utf-8")
    assert "--worlds 2 --lie-worlds 1 --regions 632324" in text
    assert "leaves out 1.0 scenes a world" in text
    page = (tmp_path / "coverage.html").read_text(encoding="utf-8")
    assert "样地仅在路旁" in page


def test_no_world_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadInput, match="0 worlds"):
        evaluate(Order(worlds=0), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_lie_or_all_of_them():
    said = CliRunner().invoke(
        twin, ["evaluate", "--lie", "roadside", "--lie-worlds", "2"]
    )
    assert said.exit_code == 2
    assert "--lie-worlds for all" in said.output


def test_the_command_names_an_unknown_lie():
    said = CliRunner().invoke(twin, ["evaluate", "--lie", "flat-earth"])
    assert said.exit_code == 2
    assert "roadside" in said.output

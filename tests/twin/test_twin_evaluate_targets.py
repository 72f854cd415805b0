"""Worlds whose every target is mapped: the run's numbers beside the twin's truth."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import rasterio

from qhsink.config import load_settings
from qhsink.config.residual_fields import load_residual_worlds
from qhsink.config.train_twin import load_twin_training
from qhsink.estimation.reliability import FEW_CLUSTERS
from qhsink.indicators.grades import ERROR_TOO_WIDE
from qhsink.registry.residual_fields import load_residual_fields
from qhsink.reporting.coverage_names import MODES_ZH
from qhsink.reporting.coverage_text import coverage_markdown
from qhsink.reporting.coverage_trial import TargetTrial, Trial
from qhsink.reporting.coverage_words import NAMES, REMARKS
from qhsink.reporting.terminal import PLAIN_WIDTH, run_lines
from qhsink.steps import evaluate as trial_module
from qhsink.steps import evaluate_targets
from qhsink.steps.evaluate import Order
from qhsink.steps.evaluate_carbon import carbon_of_plots
from qhsink.steps.evaluate_forage import forage_plots
from qhsink.steps.evaluate_places import load_trial, squares
from qhsink.steps.evaluate_result import LEVELS, Result
from qhsink.steps.evaluate_sinks import sink_units
from qhsink.steps.evaluate_target_rows import (
    ALONG,
    CORRECTED,
    MEMBERS,
    REPORTED,
    hybrid_on_map,
    map_totals,
)
from qhsink.steps.evaluate_targets import (
    judges_targets,
    products_for,
    run_targets,
    targets_config,
)
from qhsink.steps.map_indicators import TARGET_INDICATORS
from qhsink.steps.target_models import load_target_models
from qhsink.twin.scoring import summarise, summarise_classes

pytestmark = pytest.mark.xdist_group("targets")
"""One worker makes the run that all share."""

SEED = 5
"""A world with spruce and juniper in the square of Menyuan."""


def small_trial():
    trial = load_trial()
    return trial.model_copy(
        update={
            "label_plots": 250,
            "targets": trial.targets.model_copy(update={"square_m": 4320.0}),
        }
    )


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """One world over two regions, run and published."""
    trial = small_trial()
    folder = tmp_path_factory.mktemp("targets")
    places = squares(("632221", "632324"), trial.on_targets)
    return run_targets(SEED, places, trial, folder)


@pytest.fixture(scope="session")
def totals(run):
    return pd.DataFrame([row.to_row() for row in map_totals(run)])


def test_every_targets_total_is_judged_for_each_square_and_for_all(run, totals):
    reported = totals[totals["mode"] == REPORTED]
    assert set(reported["indicator"]) == set(TARGET_INDICATORS)
    sizes = reported.groupby("size").size().to_dict()
    assert sizes == {
        "target square": 2 * len(TARGET_INDICATORS),
        "target squares": len(TARGET_INDICATORS),
    }
    herbs = totals[
        (totals["indicator"] == "agb_grass_map") & (totals["region"] == "all-squares")
    ]
    own = herbs.set_index("mode")
    # The errors of value and ecosystem are most of it: members agree with each other.
    assert own.loc[REPORTED, "se"] > own.loc[MEMBERS, "se"]
    models = targets_config(small_trial()).models
    fields = load_residual_fields(
        load_settings().project / "models", models.agb_grass, models.ecosystem
    )
    raised = fields["agb_grass"].ratio * own.loc[MEMBERS, "value"]
    assert own.loc[REPORTED, "value"] == pytest.approx(raised)


def test_the_truth_of_a_total_is_that_of_the_twins_own_maps(run, totals):
    """Against the maps of the truth that lie beside the archive."""
    truth = run.published.out.parent / "archive" / "truth" / "square-632221"
    with (
        rasterio.open(truth / "agb_forest.tif") as forest,
        rasterio.open(truth / "ecosystem.tif") as kinds,
    ):
        trees = forest.read(1)[forest.read(1) != forest.nodata] * forest.scales[0]
        water = (kinds.read(1) == 9).sum()
    row = totals[
        (totals["indicator"] == "agb_forest_map")
        & (totals["region"] == "square-632221")
    ].iloc[0]
    assert row["truth"] > 1.0
    assert row["truth"] == pytest.approx(trees.sum() / (trees.size - water), rel=1e-3)


def test_every_output_of_a_run_says_that_a_maps_total_is_not_calibrated(run, totals):
    out = run.published.out
    said = json.loads((out / "run.json").read_text(encoding="utf-8"))["estimates"]
    mapped = [row for row in said if row["indicator"] in TARGET_INDICATORS]
    given = totals[(totals["mode"] == REPORTED) & (totals["refusal"] == "")]
    assert len(mapped) == len(given) > 8
    assert all("not calibrated" in row["flags"] for row in mapped)
    table = pd.read_parquet(out / "estimates.parquet")
    chosen = table[table["indicator"].isin(TARGET_INDICATORS) & table["value"].notna()]
    assert chosen["flags"].map(lambda flags: "not calibrated" in flags).all()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "未经本地地面样地校准" in page
    assert "not calibrated with local field plots" in page
    assert given["flags"].str.startswith("not calibrated").all()
    told = run_lines(run.published.rows, {}, width=PLAIN_WIDTH)
    (note,) = (i for i in told if "not calibrated with local field plots" in i.plain)
    number = note.plain.split()[0]
    lines = [i.plain for i in told if "no target" in i.plain and i.plain[0] == " "]
    assert len(lines) == len(mapped)
    assert all(re.search(rf" {number}( \d)*$", line) for line in lines)


def test_tracks_correct_the_map_and_claim_what_along_it_they_do_not(run):
    rng = np.random.default_rng(1)
    rows = list(hybrid_on_map(run, small_trial(), rng))
    found = {(r.indicator, r.mode): r for r in rows if r.region == "square-632221"}
    along = found["agb_forest_map", ALONG]
    corrected = found["agb_forest_map", CORRECTED]
    assert along.refusal == corrected.refusal == ""
    assert "not calibrated" in along.flags
    # What is said of few tracks is all: the map's own flag does not apply.
    assert corrected.flags == (FEW_CLUSTERS,)
    assert corrected.se < along.se
    assert corrected.interval(0.9) is not None
    assert found["fvc_peak", ALONG].flags[0] == "not calibrated"


def test_forage_is_held_against_herbs_and_true_rates(run):
    trial = small_trial().on_targets
    rows = list(forage_plots(run.sites, run.truth, trial, np.random.default_rng(1)))
    by = {(row.region, row.indicator): row for row in rows}
    forage = by["square-632324", "forage_yield"]
    assert forage.value == pytest.approx(forage.truth, rel=0.2)
    capacity = by["square-632324", "carrying_capacity"]
    # 0.5 of it may be eaten, 0.8 is edible; a sheep unit takes 1.8 kg on 365 days.
    assert capacity.truth == pytest.approx(forage.truth * 0.4 / (1.8 * 0.365))
    assert capacity.se / capacity.value > forage.se / forage.value
    assert by["square-632324", "overstocking"].truth == pytest.approx(0.2)
    whole = by["all", "forage_yield"]
    assert whole.size == "target squares"
    assert whole.se < forage.se


def test_carbons_pools_add_to_its_sum_and_its_limits_are_printed_at_one_level(run):
    trial = small_trial().on_targets
    site = run.sites[0]
    rows = list(carbon_of_plots(site, run.truth, trial, np.random.default_rng(2)))
    whole, pools = rows[0], rows[1:]
    assert len(pools) >= 4
    assert math.fsum(p.truth for p in pools) == pytest.approx(whole.truth)
    assert math.fsum(p.value for p in pools) == pytest.approx(whole.value)
    low, high = whole.interval(0.9)
    assert low < whole.value < high
    assert whole.interval(0.95) is None
    # Drawn anew, so no two balances share a truth; the same draws give the same.
    again = list(carbon_of_plots(site, run.truth, trial, np.random.default_rng(2)))
    other = list(carbon_of_plots(site, run.truth, trial, np.random.default_rng(3)))
    assert again[0].truth == whole.truth
    assert other[0].truth != whole.truth


def test_true_grades_cut_a_squares_units_in_fifths_and_poor_knowledge_is_flagged(run):
    trial = small_trial().on_targets
    truths = run.earlier_truth, run.truth
    rows = list(sink_units(run.sites, truths, trial, np.random.default_rng(1)))
    mine = [row for row in rows if row.mode == "by density"]
    counts = pd.Series([row.truth for row in mine]).value_counts()
    assert set(counts.index) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert counts.max() - counts.min() <= 2 * len(run.sites)
    assert all(0.2 <= row.said <= 1.0 for row in mine)
    named = [row for row in mine if row.refusal == ""]
    assert all(row.value in counts.index for row in named)
    # The change of five years varies less than 20 plots know it.
    both = [row for row in rows if row.mode == "by density and rate"]
    assert np.mean([ERROR_TOO_WIDE in row.flags for row in both]) > 0.5
    states = [row for row in rows if row.indicator == "sink_state"]
    assert {row.value for row in states} <= {-1.0, 0.0, 1.0}
    assert {row.truth for row in states} <= {-1.0, 1.0}


def test_every_line_has_a_remark_and_a_name_in_both_languages(run, totals):
    trial = small_trial().on_targets
    rng = np.random.default_rng(4)
    rows = [
        *hybrid_on_map(run, trial, rng),
        *forage_plots(run.sites, run.truth, trial, rng),
        *carbon_of_plots(run.sites[0], run.truth, trial, rng),
        *sink_units(run.sites, (run.earlier_truth, run.truth), trial, rng),
    ]
    modes = {*totals["mode"], *(row.mode for row in rows)}
    assert modes <= set(REMARKS)
    assert modes <= set(MODES_ZH)
    assert {*totals["indicator"], *(row.indicator for row in rows)} <= set(NAMES)


def test_no_world_judges_models_that_learnt_from_it():
    every = load_trial().model_copy(update={"targets_every": 1})
    learnt = {*load_twin_training().train_seeds, *load_residual_worlds().fitted}
    judged = {seed for seed in range(1, 301) if judges_targets(seed, every)}
    assert not judged & learnt
    assert judged | learnt >= set(range(1, 301))
    few = load_trial().model_copy(update={"targets_every": 7})
    assert [s for s in range(1, 30) if judges_targets(s, few)] == [7, 14, 21, 28]


def test_products_follow_from_what_models_read():
    assert products_for(set()) == ("s2",)
    assert products_for({"terrain", "season"}) == ("s2", "dem")
    assert products_for({"terrain", "radar", "rededge"}) == ("s2", "dem", "s1")


def test_the_models_tried_are_those_of_the_configuration():
    trial = load_trial()
    config = evaluate_targets.targets_config(trial)
    models = load_target_models(config, load_settings().project)
    assert models is not None
    assert set(models.models) == {one.target for one in TARGET_INDICATORS.values()}


def test_other_errors_of_totals_make_another_world_of_those_that_map_targets(
    monkeypatch,
):
    order, trial = Order(worlds=1), load_trial()
    seeds = trial.targets_every, trial.targets_every + 1
    before = [trial_module._key(order, trial, seed).digest for seed in seeds]
    monkeypatch.setattr(trial_module, "targets_inputs", lambda _: {"config": "another"})
    after = [trial_module._key(order, trial, seed).digest for seed in seeds]
    assert before[0] != after[0]
    assert before[1] == after[1]
    lying = dataclasses.replace(order, lie="roadside")
    assert trial_module._key(lying, trial, seeds[0]).digest not in after


def result(**changes):
    plain = Result("u", "target part", "sink_grade", "m", 9, 3.0, 3.0, math.nan, 0.0)
    return dataclasses.replace(plain, **changes)


def test_limits_are_those_printed_and_a_class_has_none():
    drawn = result(value=1.0, se=0.1, df=9.0, stated={0.9: (0.5, 1.4)})
    assert [drawn.interval(level) for level in LEVELS] == [(0.5, 1.4), None]
    row = drawn.to_row()
    assert (row["low90"], row["high90"]) == (0.5, 1.4)
    assert math.isnan(row["low95"])
    assert "stated" not in row
    assert result(said=0.7).interval(0.9) is None


def test_classes_are_counted_beside_how_sure_they_were_said():
    rows = [
        result(said=0.9),
        result(said=0.7, value=2.0),
        result(said=0.6, flags=("wide",), value=5.0),
        result(said=0.4, value=math.nan, refusal="no class likely enough"),
    ]
    frame = pd.DataFrame([row.to_row() for row in rows]).assign(world=1)
    (line,) = summarise_classes(frame).to_dict("records")
    assert (line["units"], line["judged"]) == (4, 2)
    assert line["named"] == pytest.approx(0.75)
    assert line["flagged"] == pytest.approx(0.25)
    assert (line["right"], line["said"]) == (0.5, pytest.approx(0.8))
    assert line["reading"] == "too sure, within chance"
    many = pd.concat([frame] * 40, ignore_index=True)
    assert summarise_classes(many)["reading"].tolist() == ["too sure"]
    right = many.assign(truth=many["value"])
    assert summarise_classes(right)["reading"].tolist() == ["as sure as it says"]
    none = frame.assign(refusal="no class likely enough")
    assert summarise_classes(none)["reading"].tolist() == ["none named"]


def test_a_level_without_limits_is_left_out_of_its_coverage_alone():
    rows = [
        result(indicator="carbon_stock", value=1.0, truth=true, stated={0.9: (0, 2)})
        for true in (1.0, 3.0)
    ]
    frame = pd.DataFrame([row.to_row() for row in rows]).assign(world=1)
    (line,) = summarise(frame).to_dict("records")
    assert (line["estimates"], line["cover90"]) == (2, 0.5)
    assert math.isnan(line["cover95"])


def test_the_page_tells_of_targets_and_of_classes():
    rows = [
        result(said=0.9),
        result(indicator="carbon_stock", value=1.0, truth=1.0, stated={0.9: (0, 2)}),
    ]
    frame = pd.DataFrame([row.to_row() for row in rows]).assign(world=1)
    facts = Trial(
        worlds=1, failed=0, regions=("632221",), lie=None, lie_worlds=0,
        square_km=14.4, part_km=4.8, plots=60, tracks=10, campaigns=5,
        further_campaigns=2, label_plots=300, pixel_m=120.0,
        targets=TargetTrial(1, 9.0, 1.5, 60.0), code="abc",
    )  # fmt: skip
    empty = pd.DataFrame()
    text = coverage_markdown(
        summarise(frame), summarise_classes(frame), empty, empty, facts
    )
    assert "1 of the worlds map every target too, on squares of 9 km (81 km²)" in text
    assert "| sink grade | m | 1 of 2.25 km² | 100.0% | 0.0% | 90.0% |" in text
    assert "| **100.0%** (2.5% to 100.0%) | – |" in text

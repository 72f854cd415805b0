"""What samples beside the map are tried with: truths by hand, modes explained."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from qhsink.reporting.coverage_names import MODES_ZH
from qhsink.reporting.coverage_sample_words import SAMPLE_REMARKS
from qhsink.reporting.coverage_words import NAMES, REMARKS
from qhsink.steps.evaluate_graded import land_of
from qhsink.steps.evaluate_labels import MAP_SHIFT_M, is_forest
from qhsink.steps.evaluate_places import load_trial, squares
from qhsink.steps.evaluate_protected import protected
from qhsink.steps.evaluate_samples import judge_samples
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_trend import LONG, years_of
from qhsink.steps.evaluate_world import truth_of
from qhsink.steps.graded_land import READING_ERRORS
from qhsink.twin.classes import MEADOW
from qhsink.twin.ground import Ground
from qhsink.twin.world import WATER

SEED = 4
"""A world with forest, marsh and black soil in the square of Menyuan."""


@pytest.fixture(scope="module")
def trial():
    return load_trial().model_copy(update={"further_campaigns": 1})


@pytest.fixture(scope="module")
def mapped_square(trial):
    """A square whose map is the truth but for a shift and the noise of pixels."""
    (place,) = squares(("632221",), trial)
    truth = truth_of(SEED, trial.year, ())
    edge, pixel = round(trial.square_m / trial.pixel_size_m), trial.pixel_size_m
    rows, columns = (a.ravel() for a in np.indices((edge, edge)))
    left, _, _, top = place.outline.bounds
    x, y = left + (columns + 0.5) * pixel, top - (rows + 0.5) * pixel
    ground = truth(x, y)
    land = ground.ecosystem != WATER
    kept = Ground(
        **{
            field.name: getattr(ground, field.name)[land]
            for field in dataclasses.fields(ground)
        }
    )
    noise = np.random.default_rng(1).normal(0.05, 0.05, land.sum())
    third = edge // trial.parts
    part = np.array(
        [
            f"{place.region}-r{trial.parts - 1 - r // third}c{c // third}"
            for r, c in zip(rows, columns, strict=True)
        ]
    )
    site = Site(
        square=place,
        x=x[land],
        y=y[land],
        rows=rows[land].astype(np.int64),
        columns=columns[land].astype(np.int64),
        part=part[land],
        predicted=np.clip(kept.fvc + noise, 0.0, 1.0).astype(np.float64),
        spread=np.full(land.sum(), 0.05),
        ground=kept,
        sums={},
        reported={},
    )
    return site, truth, place


@pytest.fixture(scope="module")
def sampled_rows(mapped_square, trial):
    """Every row that samples give of that square."""
    site, truth, place = mapped_square
    rows = judge_samples([site], truth, [place], trial=trial, seed=SEED)
    return pd.DataFrame([row.to_row() for row in rows])


def test_every_row_has_a_mode_and_an_indicator_that_the_page_explains(sampled_rows):
    modes = set(sampled_rows["mode"])
    assert set(SAMPLE_REMARKS) <= modes
    assert modes <= set(REMARKS)
    assert modes <= set(MODES_ZH)
    assert set(sampled_rows["indicator"]) <= set(NAMES)


def test_estimates_stand_near_their_truths(sampled_rows):
    """Within five standard errors: a truth of another quantity would not be."""
    given = sampled_rows[(sampled_rows["refusal"] == "") & (sampled_rows["se"] > 0.0)]
    exact = given[~given["mode"].isin(["graded plots"])]
    gap = (exact["value"] - exact["truth"]).abs() / exact["se"]
    assert len(exact) > 60
    assert gap.max() < 5.0


def test_accuracies_of_the_map_are_told_apart(sampled_rows, mapped_square):
    site, truth, _ = mapped_square
    there = truth(site.x + MAP_SHIFT_M, site.y + MAP_SHIFT_M)
    seen, mapped = is_forest(site.ground), is_forest(there)
    both = float((seen & mapped).sum())
    told = sampled_rows.groupby("indicator")["truth"].first()
    assert told["overall_accuracy"] == np.mean(seen == mapped)
    assert told["users_accuracy"] == both / mapped.sum()
    assert told["producers_accuracy"] == both / seen.sum()


def test_half_of_a_square_is_protected(mapped_square):
    site, _, _ = mapped_square
    inside = protected(site)
    assert site.x[inside].max() < site.x[~inside].min()
    assert inside.mean() == pytest.approx(0.5, abs=0.02)


def test_grades_of_a_square_add_up_to_the_land_they_are_of(mapped_square):
    land = land_of(mapped_square[0])
    shares = land.shares()
    bald = {k: v for (scale, k), v in shares.items() if scale == "black_soil_bald"}
    steep = [v for (scale, _), v in shares.items() if scale == "black_soil_slope"]
    assert sum(bald.values()) == pytest.approx(land.meadow.mean())
    assert sum(steep) == pytest.approx(sum(bald.values()) - bald[0])
    sand = [v for (scale, _), v in shares.items() if scale == "sandy_cover"]
    assert sum(sand) == pytest.approx(land.sand.mean())


def test_slopes_come_from_heights(mapped_square):
    """A plane that rises 12 m a pixel of 120 m is tilted by atan(0.1)."""
    site, _, _ = mapped_square
    plane = dataclasses.replace(
        site.ground, elevation=(3000.0 + 12.0 * site.columns).astype(np.float32)
    )
    slope = land_of(dataclasses.replace(site, ground=plane)).slope_deg
    known = slope[slope > 0.0]
    assert np.degrees(np.arctan(0.1)) == pytest.approx(float(np.median(known)), 1e-4)


def test_a_country_without_weather_gains_what_was_planted(trial, mapped_square):
    """Herbs gain 0.0023 a year; a meadow without events, nothing else."""
    site, _, _ = mapped_square
    years = years_of(SEED, trial, ())
    assert len(years.of) == len(years.truths) == LONG
    first, last = (truth(site.x, site.y) for truth in years.steady)
    gain = (last.fvc - first.fvc) / (LONG - 1)
    meadow = (first.ecosystem == MEADOW) & (last.ecosystem == MEADOW)
    assert np.median(gain[meadow]) == pytest.approx(0.0023, abs=2e-5)
    wet = years.truths[0](site.x, site.y).fvc
    assert np.abs(wet - first.fvc)[meadow].mean() > 1e-3


def test_a_trend_states_its_own_limits(sampled_rows):
    rows = sampled_rows[sampled_rows["indicator"] == "fvc_trend"]
    assert (rows["low95"] <= rows["low90"]).all()
    assert (rows["high90"] <= rows["high95"]).all()
    off = rows["value"] - (rows["low90"] + rows["high90"]) / 2.0
    assert off.abs().max() > 0.0


def test_reading_errors_flag_grades_and_exact_plots_are_free_of_that_flag(sampled_rows):
    graded = sampled_rows[sampled_rows["mode"] == "graded plots"]
    exact = sampled_rows[sampled_rows["mode"] == "graded plots, read without error"]
    assert graded["flags"].str.contains(READING_ERRORS).all()
    assert not exact["flags"].str.contains(READING_ERRORS).any()

"""Calibration by grassland type: truth drawn, counties held out, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qhsink.config.calibration import load_calibration_rules
from qhsink.domain.calibration import CalibrationRules
from qhsink.domain.errors import BadInput, Refusal
from qhsink.mapping.calibration import calibrate
from qhsink.mapping.calibration_lines import ALL, Pairs, structure_of
from qhsink.mapping.fitted_line import fit_line

TRUTH = {"meadow": (0.02, 0.80), "steppe": (-0.03, 0.95), "marsh": (0.10, 0.80)}
"""Intercept and slope of plot cover on true map value."""


@pytest.fixture(scope="module")
def rules(project_folder) -> CalibrationRules:
    return load_calibration_rules(project_folder)


def drawn(seed, *, counties=8, per_county=25, county_sd=0.0):
    """Plots of three types in counties, the map noisy and too high."""
    rng = np.random.default_rng(seed)
    n = counties * per_county
    county = np.repeat(np.arange(counties), per_county)
    types = rng.choice(list(TRUTH), n, p=[0.5, 0.42, 0.08])
    a, b = np.array([TRUTH[name] for name in types]).T
    shift = rng.normal(0.0, county_sd, counties)[county]
    x = rng.uniform(0.2, 0.95, n)
    y = a + b * x + shift + rng.normal(0.0, 0.05, n)
    return Pairs(
        map_value=x + rng.normal(0.0, 0.08, n),
        map_se=np.full(n, 0.08),
        plot_value=y + rng.normal(0.0, 0.04, n),
        plot_se=np.full(n, 0.04),
        type=types.astype(np.str_),
        county=np.array([f"c{k}" for k in county]),
    )


def test_a_type_with_few_plots_takes_the_common_slope(rules):
    made = calibrate(drawn(1), rules)
    assert {line.type: line.rule for line in made.lines} == {
        ALL: "all types",
        "meadow": "own slope",
        "steppe": "own slope",
        "marsh": "common slope",
    }
    assert made.df == 7


def test_types_with_next_to_no_plots_are_named_and_have_no_line(rules):
    pairs = drawn(2)
    few = pairs.type.astype("U10")
    few[:3] = "desert"
    made = calibrate(dataclasses.replace(pairs, type=few), rules)
    assert made.without == {"desert": 3}
    with pytest.raises(Refusal, match="'desert' with 3 plots"):
        made.line("desert")


def test_lines_are_those_that_were_drawn_where_least_squares_is_diluted(rules):
    made = [calibrate(drawn(seed), rules) for seed in range(12)]
    for name, (a, b) in TRUTH.items():
        if name == "marsh":
            continue
        slopes = np.array([one.line(name).slope for one in made])
        starts = np.array([one.line(name).intercept for one in made])
        assert slopes.mean() == pytest.approx(b, abs=0.04)
        assert starts.mean() == pytest.approx(a, abs=0.025)
    assert np.mean([one.ordinary_slope for one in made]) < 0.79


def test_intervals_of_a_regional_mean_hold_the_truth(rules):
    """A new county, at a map mean far from that of the plots."""
    held = 0
    for seed in range(30):
        made = calibrate(drawn(seed, county_sd=0.03), rules)
        value, se = made.mean("meadow", 0.4)
        a, b = TRUTH["meadow"]
        there = a + b * 0.4 + np.random.default_rng((seed, 1)).normal(0.0, 0.03)
        held += abs(value - there) <= 1.895 * se  # t(0.95) with 7 df
    assert 23 <= held <= 30


def test_counties_held_out_tell_that_the_map_is_biased_and_the_lines_are_not(rules):
    held = calibrate(drawn(5), rules).held
    assert held.map_bias > 0.05
    assert abs(held.bias) < 0.02
    assert held.rmse < held.map_rmse
    assert 0.8 <= held.plot_coverage <= 1.0
    assert held.counties == 8


def test_a_county_held_out_is_judged_by_the_others_alone(rules):
    """Of one type, against a loop that leaves counties out by hand."""
    pairs = drawn(6)
    pairs = dataclasses.replace(pairs, type=np.full(200, "meadow"))
    gap = np.empty(200)
    for name in np.unique(pairs.county):
        here = pairs.county == name
        rest = pairs.take(~here)
        line = fit_line(
            rest.map_value, rest.plot_value, x_se=rest.map_se, y_se=rest.plot_se
        )
        predicted = line.intercepts[0] + line.slope * pairs.map_value[here]
        gap[here] = predicted - pairs.plot_value[here]
    held = calibrate(pairs, rules).held
    assert held.bias == pytest.approx(gap.mean())
    assert held.rmse == pytest.approx(np.sqrt(np.square(gap).mean()))


def test_departures_of_counties_are_found(rules):
    none = np.mean([calibrate(drawn(k), rules).county_sd for k in range(12)])
    some = [calibrate(drawn(k, county_sd=0.06), rules).county_sd for k in range(12)]
    # Never zero: counties that seem alike may differ by what plots cannot tell.
    assert min(calibrate(drawn(k), rules).county_sd for k in range(3)) > 0.0
    assert none < 0.012
    assert np.mean(some) == pytest.approx(0.06, abs=0.015)


def test_a_mean_outside_the_plots_range_is_refused(rules):
    with pytest.raises(Refusal, match="inside the plots' range"):
        calibrate(drawn(7), rules).mean(ALL, 0.01)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (lambda pairs: np.arange(len(pairs.type)) < 20, "20 plots with a map value"),
        (lambda pairs: np.isin(pairs.county, ["c0", "c1"]), "in 2 counties"),
    ],
    ids=["too few plots", "too few counties"],
)
def test_too_little_is_refused(rules, chosen, found):
    pairs = drawn(8)
    with pytest.raises(Refusal, match=found):
        calibrate(pairs.take(chosen(pairs)), rules)


def test_a_map_whose_error_explains_its_spread_is_refused(rules):
    pairs = drawn(9)
    with pytest.raises(Refusal, match="own stated error"):
        calibrate(dataclasses.replace(pairs, map_se=pairs.map_se * 3), rules)


def test_a_map_that_falls_as_cover_rises_is_refused(rules):
    pairs = drawn(10)
    upside = dataclasses.replace(pairs, map_value=1.0 - pairs.map_value)
    with pytest.raises(Refusal, match="slope of"):
        calibrate(upside, rules)


def test_a_type_of_one_county_has_no_slope_of_its_own(rules):
    pairs = drawn(11)
    types = np.where(pairs.county == "c0", "local", pairs.type)
    structure = structure_of(dataclasses.replace(pairs, type=types), rules)
    assert "local" not in (*structure.own, *structure.common)


def test_rules_that_let_a_line_rest_on_nothing_are_refused(rules):
    with pytest.raises(BadInput, match="calibration rules"):
        dataclasses.replace(rules, least_counties=1)

"""Plots of a table, the design they came from, and the status they can earn."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from qhsink.domain.errors import TableError
from qhsink.estimation.assisted import assisted_mean
from qhsink.estimation.field_plots import plot_design, read_field_plots
from qhsink.estimation.standing import Evidence, standing
from qhsink.estimation.survey import stratified_sample


def table(**changes):
    columns = {
        "id": ["a", "b", "c", "d"],
        "lon": ["101.1", "101.2", "101.3", "101.4"],
        "lat": ["34.1", "34.2", "34.3", "34.4"],
        "reference": ["0.5", "0.6", "0.7", "0.8"],
    }
    frame = pd.DataFrame(columns | changes)
    return frame.drop(columns=[name for name, v in changes.items() if v is None])


def read(**changes):
    return read_field_plots(
        table(**changes), value="reference", unit="1", bounds=(0.0, 1.0)
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reference": ["50", "60", "70", "80"]}, "Divide percentages by 100"),
        ({"reference": ["0.5", "0.6", "-9999", "0.8"]}, "-9999 at c"),
        ({"reference": ["0.5", "", "0.7", "0.8"]}, "line 3: no value"),
        ({"id": ["a", "b", "b", "d"]}, "the id of another (b)"),
        ({"lon": ["101.1"] * 4, "lat": ["34.1"] * 4}, "the place of another (b, c, d)"),
        ({"unit": ["%"] * 4}, "in unit '%'"),
        ({"lat": None}, "no column 'lat'"),
        ({"inclusion_prob": ["0.1", "0.1", "0", "0.1"]}, "a probability in (0, 1]"),
        ({"inclusion_prob": ["0.1", "0.1", "2", "0.1"]}, "a probability in (0, 1]"),
        ({"weight": ["1", "1", "-2", "1"]}, "a positive weight"),
    ],
    ids=[
        "percentages",
        "a code for missing",
        "a blank",
        "an id twice",
        "a place twice",
        "another unit",
        "no latitude",
        "a probability of zero",
        "a probability above one",
        "a negative weight",
    ],
)
def test_a_wrong_table_is_refused_in_words(changes, words):
    with pytest.raises(TableError) as caught:
        read(**changes)
    assert words in str(caught.value)


def test_weights_are_inverse_probabilities_before_anything_else():
    plots = read(inclusion_prob=["0.1", "0.1", "0.5", "0.5"], weight=["1"] * 4)
    assert plots.weight == pytest.approx([10, 10, 2, 2])
    assert plot_design(plots, None).weight == pytest.approx([10, 10, 2, 2])


def test_without_weights_strata_need_their_sizes():
    plots = read(stratum=["p", "p", "q", "q"])
    with pytest.raises(TableError, match="2 strata without sizes or weights"):
        plot_design(plots, None)
    design = plot_design(plots, {"p": 100.0, "q": 10.0})
    assert design.weight == pytest.approx([50, 50, 5, 5])
    with pytest.raises(TableError, match="--strata without a column"):
        plot_design(read(), {"p": 100.0})


def test_a_stratum_of_one_plot_has_no_variance():
    plots = read(stratum=["p", "p", "p", "q"], weight=["1"] * 4)
    with pytest.raises(TableError, match="one sampling unit"):
        plot_design(plots, None)


def test_plots_off_the_map_stay_in_the_design_of_a_domain_mean():
    """By hand: domain mean of an SRS, variance of zero-extended residuals."""
    rng = np.random.default_rng(1)
    y, prediction = rng.random(12), rng.random(12)
    inside = np.arange(12) < 9
    design = stratified_sample(12, weight=np.ones(12))
    found = assisted_mean(design, y, prediction, map_mean=0.4, inside=inside)
    gap = (prediction - y)[inside]
    z = np.where(inside, prediction - y - gap.mean(), 0.0)
    by_hand = math.sqrt(12 / 11 * np.sum(z**2)) / 9
    assert found.mean == pytest.approx(0.4 - gap.mean(), rel=1e-12)
    assert found.se == pytest.approx(by_hand, rel=1e-12)
    assert (found.n, found.df) == (9, 8)


def test_what_is_outside_the_map_never_enters_the_mean():
    rng = np.random.default_rng(2)
    y, prediction = rng.random(30), rng.random(30)
    inside = np.arange(30) < 20
    design = stratified_sample(30, weight=rng.uniform(1, 3, 30))
    for slope in (False, True):
        one, other = (
            assisted_mean(design, a, b, map_mean=0.4, slope=slope, inside=inside)
            for a, b in (
                (y, prediction),
                (np.where(inside, y, 7.0), np.where(inside, prediction, -3.0)),
            )
        )
        assert one == other


def test_a_part_without_plots_is_refused():
    design = stratified_sample(4, weight=np.ones(4))
    with pytest.raises(TableError, match="no sample unit where the map"):
        assisted_mean(
            design,
            np.ones(4),
            np.ones(4),
            map_mean=0.5,
            inside=np.zeros(4, dtype=bool),
        )


GOOD = Evidence(
    probability_sample=True,
    plots={"meadow": 30, "steppe": 41},
    half_width=0.02,
    wanted_half_width=0.02,
    applicable_share=0.9,
    provenance="observed",
)


def test_all_conditions_together_make_an_estimate_design_verified():
    assert standing(GOOD) == ("design_verified", ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"probability_sample": False}, "no inclusion probabilities"),
        ({"plots": {"meadow": 29, "steppe": 41}}, "fewer than 30 plots in meadow"),
        ({"plots": {}}, "fewer than 30 plots"),
        ({"half_width": 0.021}, "above the target"),
        ({"wanted_half_width": None}, "no precision target"),
        ({"applicable_share": None}, "is not known"),
        ({"applicable_share": 0.899}, "89.9%"),
        ({"provenance": "simulated"}, "simulated"),
    ],
)
def test_each_missing_condition_withholds_the_status_and_is_named(change, words):
    status, lacking = standing(dataclasses.replace(GOOD, **change))
    assert status == "estimate"
    assert len(lacking) == 1
    assert words in lacking[0]

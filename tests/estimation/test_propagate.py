"""Propagation: published examples, exact shares, shared draws, stated convergence."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.carbon import Uncertain
from qhsink.domain.errors import BadInput, Refusal
from qhsink.estimation.draws import draw_members, quantile_at
from qhsink.estimation.propagate import (
    contributions,
    first_order_se,
    monte_carlo,
    rowwise,
)


def total(draws):
    return sum(draws.values())


def four(distribution):
    return [Uncertain(f"x{k}", 0.0, 1.0, distribution) for k in range(4)]


@pytest.mark.parametrize(
    ("distribution", "limit"), [("normal", 3.92), ("uniform", 3.88)]
)
def test_jcgm_101_sums_of_four_inputs(distribution, limit):
    # JCGM 101:2008 sections 9.2.2 and 9.2.3, as in cases/jcgm101_monte_carlo
    result = monte_carlo(total, four(distribution), seed=1, tolerance=0.004)
    assert result.mean == pytest.approx(0.0, abs=0.02)
    assert result.se == pytest.approx(2.0, abs=0.02)
    assert (result.low, result.high) == pytest.approx((-limit, limit), abs=0.02)


def test_shared_case_of_jcgm_101_is_the_one_tested(shared_dir):
    folder = shared_dir / "cases" / "jcgm101_monte_carlo"
    expected = json.loads((folder / "expected.json").read_text())
    for key, kind in (
        ("additive_normal", "normal"),
        ("additive_rectangular", "uniform"),
    ):
        result = monte_carlo(total, four(kind), seed=7, tolerance=0.004)
        assert [result.low, result.high] == pytest.approx(
            expected[key]["interval"], abs=expected["tolerance_abs"]
        )


@pytest.mark.parametrize("distribution", ["fixed", "normal", "lognormal", "uniform"])
def test_draws_have_the_mean_and_standard_error_asked_for(distribution):
    se = 0.0 if distribution == "fixed" else 0.7
    source = Uncertain("x", 2.0, se, distribution)
    sample = draw_members([source], 200_000, seed=3)["x"]
    assert sample.mean() == pytest.approx(2.0, abs=0.008)
    assert sample.std() == pytest.approx(se, abs=0.012)


def test_truncated_normal_stays_in_its_limits_and_has_the_exact_mean():
    source = Uncertain("x", 1.0, 1.0, "truncated normal", low=0.0)
    sample = draw_members([source], 200_000, seed=3)["x"]
    density = math.exp(-0.5) / math.sqrt(2 * math.pi)
    mean = 1.0 + density / (0.5 * math.erfc(-1.0 / math.sqrt(2)))
    assert sample.min() >= 0.0
    assert sample.mean() == pytest.approx(mean, abs=0.006)


def test_adding_an_input_leaves_the_draws_of_the_others_as_they_were():
    one, other = Uncertain("cf", 0.47, 0.02), Uncertain("rs", 0.24, 0.05)
    alone = draw_members([one], 50, seed=5)
    both = draw_members([other, one], 50, seed=5)
    np.testing.assert_array_equal(alone["cf"], both["cf"])


def test_a_factor_shared_by_two_pools_does_not_average_out():
    # C = cf (b1 + b2) with sure biomass: the relative error is that of cf, whole
    sources = [Uncertain("cf", 0.5, 0.02)]
    result = monte_carlo(lambda d: d["cf"] * 10.0 + d["cf"] * 30.0, sources, seed=2)
    assert result.se / result.mean == pytest.approx(0.04, rel=0.02)


def test_the_same_source_listed_twice_is_refused():
    with pytest.raises(BadInput, match="twice"):
        draw_members([Uncertain("cf", 0.5, 0.02)] * 2, 10, seed=1)


def test_correlated_dates_make_the_difference_surer():
    sources = [Uncertain("c1", 100.0, 10.0), Uncertain("c2", 110.0, 10.0)]
    result = monte_carlo(
        lambda d: d["c2"] - d["c1"],
        sources,
        seed=4,
        correlation={("c1", "c2"): 0.9},
    )
    assert result.se == pytest.approx(math.sqrt(200.0 - 180.0), rel=0.02)


def test_correlations_that_cannot_hold_at_once_are_refused():
    sources = [Uncertain(name, 0.0, 1.0) for name in "abc"]
    impossible = {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9}
    with pytest.raises(BadInput, match="cannot all hold"):
        draw_members(sources, 10, seed=1, correlation=impossible)


def test_correlation_of_an_unknown_input_is_refused():
    with pytest.raises(BadInput, match="names among a"):
        draw_members(
            [Uncertain("a", 0.0, 1.0)], 10, seed=1, correlation={("a", "z"): 0.5}
        )


def test_equal_seeds_give_equal_results_and_other_seeds_do_not():
    first, same, other = (
        monte_carlo(total, four("normal"), seed=seed) for seed in (1, 1, 2)
    )
    assert first == same
    assert first.mean != other.mean


def test_convergence_is_stated_and_kept():
    result = monte_carlo(total, four("normal"), seed=1, tolerance=0.006)
    assert result.numerical_error <= result.tolerance
    assert result.tolerance == pytest.approx(0.006 * 3.92, rel=0.01)
    assert result.draws >= 50_000


def test_limits_that_do_not_settle_are_refused():
    with pytest.raises(Refusal, match="draws"):
        monte_carlo(total, four("normal"), seed=1, tolerance=1e-6, max_batches=6)


def test_a_model_that_is_not_finite_is_refused_with_the_place():
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(Refusal, match="no finite output at"),
    ):
        monte_carlo(lambda d: np.sqrt(d["x"]), [Uncertain("x", 0.1, 1.0)], seed=1)


def test_variance_shares_of_a_sum_are_the_exact_ones():
    sources = [Uncertain("a", 1.0, 1.0), Uncertain("b", 1.0, 2.0), Uncertain("c", 0, 4)]
    rows = {row.name: row for row in contributions(total, sources, seed=1)}
    for name, share in (("a", 1 / 21), ("b", 4 / 21), ("c", 16 / 21)):
        assert rows[name].first_order == pytest.approx(share, abs=0.03)
        assert rows[name].total == pytest.approx(share, abs=0.03)
    assert rows["c"].high == pytest.approx(2.0 + 4.0 * 1.644854, abs=1e-4)
    assert rows["c"].low == pytest.approx(2.0 - 4.0 * 1.644854, abs=1e-4)


def test_interaction_shows_in_total_shares_only():
    # f = x y with zero means: neither input alone explains anything
    sources = [Uncertain("x", 0.0, 1.0), Uncertain("y", 0.0, 1.0)]
    rows = contributions(lambda d: d["x"] * d["y"], sources, seed=1, draws=65_536)
    for row in rows:
        assert row.first_order == pytest.approx(0.0, abs=0.05)
        assert row.total == pytest.approx(1.0, abs=0.06)


def test_contributions_come_largest_first():
    sources = [Uncertain("small", 0.0, 1.0), Uncertain("large", 0.0, 3.0)]
    assert [row.name for row in contributions(total, sources, seed=1)] == [
        "large",
        "small",
    ]


def test_an_output_without_variance_has_no_shares():
    with pytest.raises(Refusal, match="does not vary"):
        contributions(total, [Uncertain("x", 1.0, 0.0, "fixed")], seed=1)


def test_first_order_agrees_with_simulation_for_a_carbon_chain():
    sources = [
        Uncertain("area", 1000.0, 30.0),
        Uncertain("biomass", 75.0, 5.0),
        Uncertain("ratio", 0.25, 0.03),
        Uncertain("fraction", 0.47, 0.02),
    ]

    def carbon(d):
        return d["area"] * d["biomass"] * (1 + d["ratio"]) * d["fraction"]

    simulated = monte_carlo(carbon, sources, seed=1, tolerance=0.005)
    assert first_order_se(carbon, sources) == pytest.approx(simulated.se, rel=0.02)


def test_a_model_of_plain_floats_gives_the_same_as_one_of_arrays():
    sources = [Uncertain("a", 2.0, 0.1), Uncertain("b", 3.0, 0.2)]
    by_row = rowwise(lambda d: d["a"] * d["b"])
    draws = draw_members(sources, 100, seed=1)
    np.testing.assert_allclose(by_row(draws), draws["a"] * draws["b"], rtol=1e-15)


@given(st.floats(0.1, 100.0), st.floats(0.01, 1.0))
def test_lognormal_median_and_order(value, relative):
    source = Uncertain("x", value, value * relative, "lognormal")
    low, middle, high = quantile_at(source, np.array([-1.0, 0.0, 1.0]))
    assert middle == pytest.approx(value / math.sqrt(1.0 + relative**2))
    assert 0.0 < low < middle < high


@pytest.mark.parametrize(
    "entry",
    [
        ("x", math.nan, 1.0, "normal"),
        ("x", 1.0, math.inf, "normal"),
        ("x", 1.0, -1.0, "normal"),
        ("x", 1.0, 0.0, "normal"),
        ("x", 1.0, 0.5, "fixed"),
        ("x", -1.0, 0.5, "lognormal"),
        ("x", -1.0, 0.5, "truncated normal", 0.0),
    ],
)
def test_an_input_that_means_nothing_cannot_be_made(entry):
    with pytest.raises(BadInput):
        Uncertain(*entry)


def test_art_trees_emissions_of_guyana(shared_dir):
    # ART TREES 2.0 training example: sum over drivers of activity data times factor
    folder = shared_dir / "cases" / "art_trees_uncertainty"
    expected = json.loads((folder / "expected.json").read_text())
    text = (folder / "inputs.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    sources = []
    for row in rows:
        for key, percent in (("AD", "ADci"), ("EF", "EFci")):
            value = float(row[key])
            sd = value * float(row[percent]) / 100.0 / 1.645006
            sources.append(Uncertain(f"{key} {row['driver']}", value, sd))

    def emissions(draws):
        return sum(
            draws[f"AD {row['driver']}"] * draws[f"EF {row['driver']}"] for row in rows
        )

    exact = expected["analytic_product_variance"]
    result = monte_carlo(emissions, sources, seed=1, confidence=0.90, tolerance=0.005)
    assert result.mean == pytest.approx(exact["mean"], rel=2e-3)
    assert result.se == pytest.approx(exact["sd"], rel=1e-2)
    half = (result.high - result.low) / 2.0 / result.mean * 100.0
    assert half == pytest.approx(expected["mc_n1e6_notrunc"]["hw90_pct"], rel=1e-2)
    assert first_order_se(emissions, sources) == pytest.approx(
        expected["ipcc_approach1"]["sd"], rel=1e-6
    )
    largest = contributions(emissions, sources, seed=1, draws=4096)[0]
    assert largest.name == "AD Mining (medium & large scale)"

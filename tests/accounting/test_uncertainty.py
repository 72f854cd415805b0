"""Approach 1, deductions, change, routes, bands: by hand and as published."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.accounting.approach1 import (
    beyond_validity,
    exact_product_se,
    product_se,
    product_uncertainty,
    sum_se,
    sum_uncertainty,
)
from qhsink.accounting.change import stock_difference
from qhsink.accounting.deductions import deduct
from qhsink.accounting.routes import compare_routes
from qhsink.accounting.sanity import outside_bands
from qhsink.config import load_bands, load_deductions, load_factors
from qhsink.domain.carbon import Inventory
from qhsink.domain.errors import BadInput, ConfigError, Refusal
from qhsink.domain.quantity import quantity
from qhsink.indicators.interval import student_interval, student_quantile


@pytest.fixture(scope="module")
def schedules(project_folder):
    return load_deductions(project_folder)


@pytest.fixture(scope="module")
def bands(project_folder):
    return load_bands(project_folder)


# ---- Approach 1 ----


def test_product_and_sum_of_the_methodology_fixtures():
    assert product_uncertainty([10, 20, 5]) == pytest.approx(22.913, abs=5e-4)
    assert sum_uncertainty([100, 50, 10], [20, 30, 50]) == pytest.approx(
        15.934, abs=5e-4
    )


def test_art_trees_table_by_approach_1_and_exactly(shared_dir):
    folder = shared_dir / "cases" / "art_trees_uncertainty"
    expected = json.loads((folder / "expected.json").read_text())
    text = (folder / "inputs.csv").read_text()
    first, exact, total = [], [], 0.0
    for row in csv.DictReader(text.splitlines()):
        values = [float(row["AD"]), float(row["EF"])]
        errors = [
            v * float(row[key]) / 100 / 1.645006
            for v, key in zip(values, ("ADci", "EFci"), strict=True)
        ]
        total += math.prod(values)
        first.append(product_se(values, errors))
        exact.append(exact_product_se(values, errors))
    assert total == pytest.approx(expected["ipcc_approach1"]["mean"], rel=1e-9)
    assert sum_se(first) == pytest.approx(expected["ipcc_approach1"]["sd"], rel=1e-9)
    assert sum_se(exact) == pytest.approx(
        expected["analytic_product_variance"]["sd"], rel=1e-9
    )


@given(
    st.lists(st.floats(1e-3, 50), min_size=1, max_size=5),
    st.just(0.0) | st.floats(1e-6, 0.2),
)
def test_exact_error_of_a_product_is_never_below_the_first_order(values, relative):
    errors = [abs(v) * relative for v in values]
    first, exact = product_se(values, errors), exact_product_se(values, errors)
    assert exact >= first * (1 - 1e-12)
    assert exact <= first * 1.1


def test_inputs_beyond_thirty_percent_are_named():
    assert beyond_validity([10.0, 45.0]) == (
        "input 2: 45.0 % is beyond the 30 % of Approach 1",
    )


def test_a_sum_that_vanishes_and_an_unknown_error_are_refused():
    with pytest.raises(BadInput):
        sum_uncertainty([1.0, -1.0], [10.0, 10.0])
    with pytest.raises(BadInput):
        product_uncertainty([10.0, math.nan])


# ---- deductions ----


@pytest.mark.parametrize(
    ("half_width", "rate"),
    [(10, 0.03188), (20, 0.06376), (30, 0.09564), (50, 0.15939)],
)
def test_art_trees_deduction_of_the_methodology(schedules, half_width, rate):
    result = deduct(
        100.0, half_width, confidence=0.9, schedule=schedules["art_trees_2"]
    )
    assert result.rate == pytest.approx(rate, abs=1e-5)
    assert result.conservative == pytest.approx(100.0 * (1 - rate), abs=1e-3)


def test_art_trees_deduction_of_guyana(schedules, shared_dir):
    folder = shared_dir / "cases" / "art_trees_uncertainty"
    expected = json.loads((folder / "expected.json").read_text())
    simulated = expected["mc_n1e6_notrunc"]
    gross = simulated["gross"]
    result = deduct(
        gross,
        gross * simulated["hw90_pct"] / 100,
        confidence=0.9,
        schedule=schedules["art_trees_2"],
    )
    assert result.rate == pytest.approx(simulated["UA"], rel=1e-9)
    assert result.amount == pytest.approx(simulated["UNC"], rel=1e-9)


def test_only_the_excess_is_deducted_under_the_afolu_rule(schedules):
    rule = schedules["vcs_afolu"]
    assert deduct(100, 25, confidence=0.9, schedule=rule).conservative == pytest.approx(
        95
    )
    assert deduct(100, 20, confidence=0.9, schedule=rule).amount == 0.0


def test_ar_tool14_half_width_example(schedules):
    # n 34, mean 45.328, s 12.776: SEM 2.191, t 1.692, half-width 3.707, 8.18 %
    sem = 12.776 / math.sqrt(34)
    assert sem == pytest.approx(2.191, abs=5e-4)
    assert student_quantile(0.95, 33) == pytest.approx(1.692, abs=5e-4)
    low, high = student_interval(45.328, sem, 33, 0.90)
    half = (high - low) / 2
    # the published 3.707 is 1.692 * 2.191, both rounded first
    assert half == pytest.approx(3.707, abs=1.5e-3)
    assert half / 45.328 * 100 == pytest.approx(8.18, abs=5e-3)


def test_ar_tool14_discount_example(schedules):
    result = deduct(60.0, 9.0, confidence=0.9, schedule=schedules["ar_tool14"])
    assert result.amount == pytest.approx(2.25)
    assert result.conservative == pytest.approx(57.75)


@pytest.mark.parametrize(
    ("percent", "fraction"),
    [(10.0, 0), (10.0001, 0.25), (15, 0.25), (20, 0.5), (30, 0.75), (30.01, 1.0)],
)
def test_ar_tool14_steps_include_their_upper_end(schedules, percent, fraction):
    result = deduct(100.0, percent, confidence=0.9, schedule=schedules["ar_tool14"])
    assert result.amount == pytest.approx(fraction * percent)


def test_shared_case_of_the_discount_is_the_one_tested(schedules, shared_dir):
    folder = shared_dir / "cases" / "ar_tool14_uncertainty"
    expected = json.loads((folder / "expected.json").read_text())
    for row in expected["edge_cases"]:
        result = deduct(
            100.0, row["U_pct"], confidence=0.9, schedule=schedules["ar_tool14"]
        )
        assert result.amount == pytest.approx(row["fraction"] * row["U_pct"])


def test_a_certain_value_loses_nothing(schedules):
    for name in ("art_trees_2", "vcs_afolu", "ar_tool14"):
        assert deduct(9.0, 0.0, confidence=0.9, schedule=schedules[name]).amount == 0.0


def test_the_chinese_schedule_is_off_until_its_text_was_read(schedules):
    rule = schedules["ccer_14_001"]
    assert rule.status == "unverified"
    with pytest.raises(Refusal, match="is off"):
        deduct(100, 15, confidence=0.9, schedule=rule)


def test_bands_of_a_value_and_their_end(schedules):
    rule = replace(schedules["ccer_14_001"], enabled=True)
    assert deduct(100, 15, confidence=0.9, schedule=rule).amount == pytest.approx(6)
    assert deduct(100, 30, confidence=0.9, schedule=rule).amount == pytest.approx(11)
    with pytest.raises(Refusal, match="Add plots"):
        deduct(100, 31, confidence=0.9, schedule=rule)


@pytest.mark.parametrize(
    ("value", "half", "confidence"),
    [(100, 10, 0.95), (0, 10, 0.9), (-5, 1, 0.9), (100, -1, 0.9), (100, math.nan, 0.9)],
)
def test_a_deduction_that_means_nothing_is_refused(schedules, value, half, confidence):
    with pytest.raises(Refusal):
        deduct(value, half, confidence=confidence, schedule=schedules["vcs_afolu"])


# ---- change ----

FIRST = Inventory(
    region="632222",
    year=2020.5,
    area=quantity(1000.0, "ha"),
    definition="grassland",
    model="design-a",
    pools=frozenset({"above-ground", "below-ground"}),
    stock=quantity(2000.0, "t C"),
    se=100.0,
)
SECOND = replace(FIRST, year=2025.5, stock=quantity(2300.0, "t C"), se=110.0)


def test_stock_difference_by_hand():
    change = stock_difference(FIRST, SECOND, covariance=9000.0)
    assert change.rate.number("t C yr-1") == pytest.approx(60.0)
    assert change.se == pytest.approx(math.sqrt(100**2 + 110**2 - 18000) / 5)


def test_covariance_comes_from_aligned_members():
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 90, 40)
    one = 2000 + shared + rng.normal(0, 20, 40)
    other = 2300 + shared + rng.normal(0, 20, 40)
    change = stock_difference(
        replace(FIRST, se=float(one.std(ddof=1)), members=tuple(one)),
        replace(SECOND, se=float(other.std(ddof=1)), members=tuple(other)),
    )
    assert change.covariance == pytest.approx(np.cov(one, other)[0, 1])
    assert change.se == pytest.approx((other - one).std(ddof=1) / 5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"area": quantity(1001.0, "ha")}, "areas"),
        ({"definition": "grassland-2023"}, "definition"),
        ({"model": "another map"}, "model"),
        ({"pools": frozenset({"soil"})}, "pools"),
        ({"region": "632221"}, "region"),
        ({"year": 2019.0}, "dates"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_difference_of_two_rulers_is_refused(changed, words):
    with pytest.raises(Refusal, match=words):
        stock_difference(FIRST, replace(SECOND, **changed), covariance=0.0)


def test_a_difference_without_covariance_is_refused():
    with pytest.raises(Refusal, match="members"):
        stock_difference(FIRST, SECOND)


def test_a_covariance_beyond_the_errors_is_refused():
    with pytest.raises(Refusal, match="covariance"):
        stock_difference(FIRST, SECOND, covariance=1e6)


def test_a_difference_of_two_units_is_the_same_difference():
    in_mega = replace(SECOND, stock=quantity(0.0023, "Mt C"), se=0.00011)
    assert stock_difference(FIRST, in_mega, covariance=0.0).se == pytest.approx(
        stock_difference(FIRST, SECOND, covariance=0.0).se
    )


# ---- routes and bands ----


def test_routes_are_compared_by_hand():
    gap = compare_routes((quantity(20.6, "Mt C"), 3e6), (quantity(25.6, "Mt C"), 4e6))
    assert gap.difference.number("Mt C") == pytest.approx(-5.0)
    assert (gap.se, gap.z) == pytest.approx((5e6, -1.0))
    assert gap.ratio == pytest.approx(20.6 / 25.6)
    assert gap.agree


def test_a_shared_carbon_fraction_makes_the_gap_surer():
    pair = ((quantity(20.0, "t C"), 3.0), (quantity(26.0, "t C"), 3.0))
    assert compare_routes(*pair).agree
    assert not compare_routes(*pair, covariance=7.0).agree


def test_routes_without_errors_or_in_dioxide_are_refused():
    with pytest.raises(Refusal):
        compare_routes((quantity(1, "t C"), 0.0), (quantity(1, "t C"), 0.0))
    with pytest.raises(BadInput):
        compare_routes((quantity(1, "t CO2"), 1.0), (quantity(1, "t C"), 1.0))


def test_a_suspect_total_is_warned_of_and_kept(bands):
    amount = quantity(75.0, "Mt C")
    warnings = outside_bands("tree_carbon", amount, region="630000", bands=bands)
    assert len(warnings) == 1
    assert "75 Mt C" in warnings[0]
    assert amount.number("Mt C") == 75.0


def test_a_plausible_total_and_another_region_are_not_warned_of(bands):
    fine = quantity(20.6, "Mt C")
    assert outside_bands("tree_carbon", fine, region="630000", bands=bands) == ()
    much = quantity(75.0, "Mt C")
    assert outside_bands("tree_carbon", much, region="632222", bands=bands) == ()


def test_grams_mislabelled_as_tonnes_are_warned_of(bands):
    # 68.8 g m-2 written as 68.8 t ha-1: the unit is formally right, the size is not
    wrong = quantity(68.8, "t d.m. ha-1")
    right = quantity(68.8, "g d.m. m-2")
    name = "grass_above_density"
    assert outside_bands(name, wrong, region="632222", bands=bands)
    assert not outside_bands(name, right, region="632222", bands=bands)


def test_dioxide_held_against_a_band_of_carbon_is_caught(bands):
    with pytest.raises(BadInput):
        outside_bands(
            "tree_carbon", quantity(75, "Mt CO2"), region="630000", bands=bands
        )


# ---- the table of factors ----


def test_every_factor_states_error_source_and_standing(project_folder):
    factors = load_factors(project_folder).factors
    assert len({factor.id for factor in factors}) == len(factors)
    for factor in factors:
        assert factor.se > 0, factor.id
        assert factor.source, factor.id
        assert factor.se_source, factor.id
        assert factor.applies_to, factor.id
        if factor.source.startswith("general knowledge"):
            assert factor.status == "unverified", factor.id


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('unit = "t ha-1"', "names its substance"),
        ("se = -1.0", "never negative"),
        ('distribution = "gaussian"', "distribution"),
    ],
)
def test_a_wrong_factor_is_a_config_error(tmp_path, line, words):
    key = line.split(" =")[0]
    good = {
        "id": '"x"',
        "value": "1.0",
        "se": "0.1",
        "unit": '"1"',
        "distribution": '"normal"',
        "source": '"s"',
        "se_source": '"s"',
        "status": '"unverified"',
        "applies_to": '["forest"]',
    }
    rows = [line if k == key else f"{k} = {v}" for k, v in good.items()]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "factors.toml").write_text("[[factor]]\n" + "\n".join(rows))
    with pytest.raises(ConfigError, match=words):
        load_factors(tmp_path)

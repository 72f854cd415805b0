"""Verdicts: the word printed is the one the printed interval says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.estimate import Estimate, Target
from qhsink.indicators.interval import (
    student_cdf,
    student_interval,
    student_quantile,
)
from qhsink.indicators.verdict import (
    distance_from_baseline,
    further_units_needed,
    judge,
    probability_met,
    required_yearly_rise,
)


def estimate(value=0.6, se=0.01, *, df=math.inf, n=0, confidence=0.9, **other):
    low, high = student_interval(value, se, df, confidence, bounds=(0.0, 1.0))
    made = Estimate(
        indicator="cvcg",
        region="630000",
        period="2025-peak",
        value=value,
        se=se,
        df=df,
        low=low,
        high=high,
        confidence=confidence,
        unit="1",
        mode="design",
        n=n,
        area_ha=1e6,
        valid_share=1.0,
        provenance="observed",
    )
    return replace(made, **other)


def target(value=0.585, **other):
    made = Target(
        id="cvcg_2025",
        indicator="cvcg",
        scope="630000",
        year=2025,
        value=value,
        unit="1",
        baseline_value=0.574,
        baseline_year=2020,
        kind="policy",
        source="notice",
        status="verified",
        valid_from="2021-12-24",
        valid_to="2025-12-31",
    )
    return replace(made, **other)


def test_normal_quantile_and_t_quantile_are_the_tabled_ones():
    assert student_quantile(0.95, math.inf) == pytest.approx(1.644854, abs=1e-6)
    assert student_quantile(0.95, 33) == pytest.approx(1.692, abs=5e-4)
    assert student_quantile(0.975, 9) == pytest.approx(2.262157, abs=1e-6)


def test_interval_by_hand():
    low, high = student_interval(10.0, 2.0, 9, 0.95)
    assert (low, high) == pytest.approx((10 - 4.524314, 10 + 4.524314), abs=1e-5)


def test_interval_is_cut_at_the_bounds_of_a_proportion():
    low, high = student_interval(0.98, 0.05, math.inf, 0.9, bounds=(0.0, 1.0))
    assert high == 1.0
    assert low == pytest.approx(0.98 - 1.644854 * 0.05, abs=1e-6)


@pytest.mark.parametrize(
    ("se", "df", "confidence"),
    [(-1.0, 5, 0.9), (math.nan, 5, 0.9), (1.0, 0, 0.9), (1.0, 5, 1.0)],
)
def test_impossible_errors_levels_and_degrees_are_refused(se, df, confidence):
    with pytest.raises(BadInput):
        student_interval(1.0, se, df, confidence)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [(0.61, "met"), (0.56, "not met"), (0.5856, "not distinguishable")],
)
def test_target_outside_the_interval_is_a_verdict_and_inside_is_none(value, outcome):
    verdict = judge(estimate(value), target(), confidence=0.9)
    assert verdict.outcome == outcome
    z = (value - 0.585) / 0.01
    assert verdict.p_met == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)))


def test_the_published_margin_of_six_hundredths_of_a_point_settles_nothing():
    # 58.56 % was announced in November 2025; a plot survey of se 0.5 points cannot tell
    verdict = judge(estimate(0.5856, 0.005, df=200), target(), confidence=0.9)
    assert verdict.outcome == "not distinguishable"
    assert verdict.p_met == pytest.approx(0.548, abs=0.002)


@given(
    value=st.floats(0.05, 0.95),
    se=st.just(0.0) | st.floats(1e-9, 0.02),
    goal=st.floats(0.05, 0.95),
    df=st.sampled_from([2.0, 9.0, 60.0, math.inf]),
)
def test_verdict_agrees_with_its_own_probability(value, se, goal, df):
    made = replace(estimate(value, se, df=df), confidence=0.5)  # limits are recomputed
    verdict = judge(made, target(goal), confidence=0.9)
    low, high = student_interval(value, se, df, 0.9)
    expected = {
        "met": goal <= low,
        "not met": goal > high,
        "not distinguishable": low < goal <= high,
    }
    assert expected[verdict.outcome]
    assert verdict.p_met is not None
    if verdict.outcome == "met":
        assert verdict.p_met >= 0.95 - 1e-9
    elif verdict.outcome == "not met":
        assert verdict.p_met <= 0.05 + 1e-9
    else:
        assert 0.05 - 1e-9 <= verdict.p_met <= 0.95 + 1e-9


@pytest.mark.parametrize(
    ("value", "outcome", "p"),
    [(0.585, "met", 1.0), (0.5851, "met", 1.0), (0.5849, "not met", 0.0)],
)
def test_a_census_without_error_is_judged_by_its_value(value, outcome, p):
    verdict = judge(estimate(value, 0.0), target(), confidence=0.9)
    assert (verdict.outcome, verdict.p_met) == (outcome, p)


@pytest.mark.parametrize(
    ("changed_estimate", "changed_target", "words"),
    [
        ({"indicator": "fvc_peak"}, {}, "definitions differ"),
        ({"unit": "%"}, {}, "unit"),
        ({"region": "632222"}, {}, "set for region 630000"),
        ({"period": "2026-08"}, {}, "validity"),
        ({"period": "2019-peak"}, {}, "validity"),
        ({"period": "peak"}, {}, "names no year"),
        ({}, {"value": None}, "judged as a trend"),
    ],
    ids=["definition", "unit", "scope", "later", "earlier", "no year", "no number"],
)
def test_a_comparison_that_means_nothing_is_refused_in_words(
    changed_estimate, changed_target, words
):
    verdict = judge(
        replace(estimate(), **changed_estimate),
        replace(target(), **changed_target),
        confidence=0.9,
    )
    assert verdict.outcome == "refused"
    assert verdict.p_met is None
    assert words in verdict.reason


def test_a_reference_line_says_that_it_is_no_policy_verdict():
    line = target(kind="reference", scope="*", source="definitions differ")
    verdict = judge(estimate(region="632222"), line, confidence=0.9)
    assert verdict.outcome == "not distinguishable"
    assert "not a policy verdict" in verdict.reason


def test_another_confidence_than_the_printed_one_recomputes_the_limits():
    made = estimate(0.60, 0.01)
    assert judge(made, target(0.582), confidence=0.90).outcome == "met"
    assert judge(made, target(0.582), confidence=0.99).outcome == "not distinguishable"


def test_printed_limits_decide_at_their_own_confidence():
    symmetric = estimate(0.60, 0.01)  # 0.5836 to 0.6164
    skewed = replace(symmetric, low=0.586, high=0.63)
    assert judge(symmetric, target(), confidence=0.9).outcome == "not distinguishable"
    assert judge(skewed, target(), confidence=0.9).outcome == "met"


def test_distance_from_the_baseline_and_progress_by_hand():
    distance = distance_from_baseline(estimate(0.5795), target())
    assert distance.change == pytest.approx(0.0055)
    assert distance.progress == pytest.approx(0.5)
    assert distance.years == 5
    assert distance.se == 0.01


def test_progress_without_a_target_number_is_not_invented():
    assert distance_from_baseline(estimate(), target(None)).progress is None


def test_distance_from_an_unknown_baseline_is_refused():
    with pytest.raises(Refusal, match="no baseline"):
        distance_from_baseline(estimate(), target(baseline_value=None))


def test_distance_between_two_definitions_is_refused():
    with pytest.raises(Refusal, match="definitions differ"):
        distance_from_baseline(estimate(indicator="fvc_peak"), target())


def test_required_yearly_rise_by_hand():
    rise = required_yearly_rise(0.075, year=2020, target_value=0.08, target_year=2025)
    assert rise == pytest.approx(0.001)


def test_required_rise_to_a_year_that_has_passed_is_refused():
    with pytest.raises(Refusal):
        required_yearly_rise(0.07, year=2025, target_value=0.08, target_year=2025)


def test_further_plots_by_hand_with_a_normal_interval():
    # half-width 1.644854 * 0.02 = 0.0329; a distance of 0.01 needs (3.29)^2 as many
    made = estimate(0.595, 0.02, n=100)
    assert further_units_needed(made, 0.585, confidence=0.9) == 1083 - 100


def test_no_further_plot_is_needed_where_the_target_is_already_outside():
    assert further_units_needed(estimate(0.65, n=50), 0.585, confidence=0.9) == 0


@given(se=st.floats(0.005, 0.1), gap=st.floats(0.002, 0.1), n=st.integers(3, 500))
def test_further_plots_are_just_enough(se, gap, n):
    made = estimate(0.5, se, df=n - 2.0, n=n)
    total = n + further_units_needed(made, 0.5 - gap, confidence=0.9)

    def half_width(units):
        return student_quantile(0.95, units - 2) * se * math.sqrt(n / units)

    distance = made.value - (0.5 - gap)
    assert half_width(total) <= distance * (1 + 1e-12)
    if total > n:
        assert half_width(total - 1) > distance * (1 - 1e-12)


@pytest.mark.parametrize(
    ("made", "fixed"),
    [
        (estimate(0.6, n=0), 0.0),
        (estimate(0.585, n=50), 0.0),
        (estimate(0.60, 0.02, n=50), 0.015),
        (estimate(0.60, 0.02, n=50), 0.03),
    ],
    ids=["model only", "at the target", "fixed error too large", "fixed above all"],
)
def test_what_no_number_of_plots_can_settle_is_refused(made, fixed):
    with pytest.raises(Refusal):
        further_units_needed(made, 0.585, confidence=0.9, fixed_se=fixed)


@given(st.floats(-8, 8), st.floats(1, 200))
def test_tail_probabilities_are_symmetric(score, df):
    assert student_cdf(score, df) + student_cdf(-score, df) == pytest.approx(1.0)


def test_probability_falls_as_the_target_rises():
    made = estimate(0.6, 0.02, df=8)
    chances = [probability_met(made, goal) for goal in (0.5, 0.55, 0.6, 0.65)]
    assert chances == sorted(chances, reverse=True)
    assert chances[2] == pytest.approx(0.5)

"""Trends against scipy, by hand, and where they must not be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.estimate import Estimate, Target
from qhsink.indicators.trend import judge_steady_rise, judge_trend

YEARS = list(range(2016, 2026))


def test_a_straight_rise_by_hand():
    values = [50 + 0.25 * k for k in range(10)]
    trend = judge_trend(YEARS, values, confidence=0.9)
    assert trend.slope == pytest.approx(0.25)
    assert trend.s == 45
    # Var(S) = 10 * 9 * 25 / 18 = 125, z = 44 / sqrt(125)
    assert trend.z == pytest.approx(44 / np.sqrt(125))
    assert trend.direction == "rising"
    assert trend.p_rising < 1e-4


@given(st.lists(st.floats(0, 100), min_size=5, max_size=20, unique=True))
def test_slope_and_s_agree_with_scipy(values):
    t = np.arange(len(values))
    trend = judge_trend(t, values, confidence=0.9, correct_memory=False)
    assert trend.slope == pytest.approx(stats.theilslopes(values, t).slope, abs=1e-9)
    tau = stats.kendalltau(t, values).statistic
    pairs = len(values) * (len(values) - 1) / 2
    assert trend.s == pytest.approx(tau * pairs)


def test_interval_of_the_slope_agrees_with_scipy():
    rng = np.random.default_rng(3)
    values = 0.3 * np.arange(15) + rng.normal(0, 1, 15)
    ours = judge_trend(range(15), values, confidence=0.9, correct_memory=False)
    theirs = stats.theilslopes(values, np.arange(15), alpha=0.9)
    slopes = np.sort(
        [(values[j] - values[i]) / (j - i) for i in range(15) for j in range(i + 1, 15)]
    )
    # scipy rounds the same ranks; one rank is the most they may differ by
    for limit, other in ((ours.low, theirs.low_slope), (ours.high, theirs.high_slope)):
        gap = np.searchsorted(slopes, limit) - np.searchsorted(slopes, other)
        assert abs(gap) <= 1


@given(
    # In single precision, whose differences over years never underflow to zero.
    st.lists(st.floats(-100, 100, width=32), min_size=5, max_size=14, unique=True),
    st.sampled_from([0.8, 0.9, 0.95]),
)
def test_the_interval_leaves_out_zero_just_where_the_test_tells_a_direction(
    values, confidence
):
    trend = judge_trend(
        range(len(values)), values, confidence=confidence, correct_memory=False
    )
    if trend.direction == "not distinguishable":
        assert trend.low <= 0.0 <= trend.high
    else:
        assert trend.low > 0.0 or trend.high < 0.0


def test_ninety_percent_of_five_years_is_not_all_slopes():
    """Kendall's table: P(|S| >= 8) = 10/120 for n = 5, so 91.7 % from S up to 6."""
    rng = np.random.default_rng(4)
    found = [
        judge_trend(range(5), rng.normal(0, 1, 5), confidence=0.9, correct_memory=False)
        for _ in range(3000)
    ]
    held = np.mean([one.low <= 0.0 <= one.high for one in found])
    assert held == pytest.approx(110 / 120, abs=4 * np.sqrt(0.0764 / 3000))


def test_ties_lower_the_variance():
    # x = 1 1 2 2 3: S = 8, Var = (5*4*15 - 2 * 2*1*9) / 18
    trend = judge_trend(range(5), [1, 1, 2, 2, 3], confidence=0.9, correct_memory=False)
    assert trend.s == 8
    assert trend.z == pytest.approx(7 / np.sqrt((300 - 36) / 18))


def test_a_falling_series_is_the_mirror_of_a_rising_one():
    rng = np.random.default_rng(8)
    values = rng.normal(0, 1, 12) + 0.5 * np.arange(12)
    up = judge_trend(range(12), values, confidence=0.9)
    down = judge_trend(range(12), -values, confidence=0.9)
    assert (up.slope, up.s, up.z) == pytest.approx((-down.slope, -down.s, -down.z))
    assert (up.direction, down.direction) == ("rising", "falling")


def test_a_constant_series_has_no_direction():
    trend = judge_trend(range(6), [3.0] * 6, confidence=0.9)
    assert (trend.slope, trend.z, trend.direction) == (0.0, 0.0, "not distinguishable")


@pytest.mark.parametrize("correct", [False, True])
def test_false_alarms_stay_near_their_level(correct):
    rng = np.random.default_rng(11)
    told = sum(
        judge_trend(
            range(12), rng.normal(0, 1, 12), confidence=0.9, correct_memory=correct
        ).direction
        != "not distinguishable"
        for _ in range(600)
    )
    assert told / 600 <= 0.1 + 4 * np.sqrt(0.09 / 600)


def test_memory_correction_lowers_false_alarms_of_a_series_with_memory():
    rng = np.random.default_rng(12)
    told = {True: 0, False: 0}
    for _ in range(300):
        noise = rng.normal(0, 1, 30)
        series = [noise[0]]
        for shock in noise[1:]:
            series.append(0.7 * series[-1] + shock)
        for correct in told:
            trend = judge_trend(
                range(30), series, confidence=0.9, correct_memory=correct
            )
            told[correct] += trend.direction != "not distinguishable"
    assert told[True] < 0.7 * told[False]


def test_four_years_are_no_trend():
    with pytest.raises(Refusal, match="at least 5 years"):
        judge_trend(range(4), [1, 2, 3, 4], confidence=0.9)


@pytest.mark.parametrize(
    ("years", "values"),
    [
        ([1, 2, 2, 4, 5], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5], [1, 2, np.nan, 4, 5]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4]),
    ],
)
def test_a_series_that_is_no_series_is_refused(years, values):
    with pytest.raises(BadInput):
        judge_trend(years, values, confidence=0.9)


def steady(**other):
    target = Target(
        id="cvcg_2030",
        indicator="cvcg",
        scope="630000",
        year=2030,
        value=None,
        unit="1",
        baseline_value=0.574,
        baseline_year=2020,
        kind="policy",
        source="notice",
        status="verified",
        valid_from="2022-12-18",
        valid_to="2030-12-31",
    )
    return replace(target, **other)


def yearly(values, first=2022, **other):
    series = [
        Estimate(
            indicator="cvcg",
            region="630000",
            period=f"{first + k}-peak",
            value=value,
            se=0.005,
            df=np.inf,
            low=value - 0.008,
            high=value + 0.008,
            confidence=0.9,
            unit="1",
            mode="design",
            n=800,
            area_ha=3.9e7,
            valid_share=1.0,
            provenance="observed",
        )
        for k, value in enumerate(values)
    ]
    return [replace(one, **other) for one in series]


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ([0.570, 0.575, 0.577, 0.582, 0.585, 0.586], "met"),
        ([0.586, 0.585, 0.582, 0.577, 0.575, 0.570], "not met"),
        ([0.580, 0.570, 0.585, 0.572, 0.583, 0.576], "not distinguishable"),
    ],
)
def test_steadily_rising_is_judged_by_its_own_test(values, outcome):
    verdict = judge_steady_rise(yearly(values), steady(), confidence=0.9)
    assert verdict.outcome == outcome
    assert verdict.p_met is None
    assert "per year" in verdict.reason


@pytest.mark.parametrize(
    ("series", "target", "words"),
    [
        (yearly([0.5] * 3), steady(), "at least 5 years"),
        (yearly([0.5] * 6), steady(value=0.6), "names a number"),
        (yearly([0.5] * 6, indicator="fvc_peak"), steady(), "fvc_peak"),
        (yearly([0.5] * 6, region="632222"), steady(), "set for region"),
        (yearly([0.5] * 6, period="peak"), steady(), "names no year"),
    ],
    ids=["three years", "a number", "definition", "region", "period"],
)
def test_a_rise_that_cannot_be_judged_is_refused_in_words(series, target, words):
    verdict = judge_steady_rise(series, target, confidence=0.9)
    assert verdict.outcome == "refused"
    assert words in verdict.reason

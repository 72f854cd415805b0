"""Numbers as people write them, by hand and as properties."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.estimate import Estimate
from qhsink.reporting import digits

SAMPLE = Estimate(
    "x", "r", "2025", 0.5632, 0.0109, math.inf, 0.5453, 0.5811, 0.9, "1", "model",
    0, 1.0, 1.0, "observed",
)  # fmt: skip


@pytest.mark.parametrize(
    ("half_width", "least", "decimals"),
    [(1.793, 1, 1), (0.43, 1, 2), (0.021, 1, 2), (12.3, 1, 1), (12.3, 0, 0), (0, 1, 1)],
)
def test_decimals_show_two_digits_of_the_half_width(half_width, least, decimals):
    assert digits.decimals_for(half_width, least=least) == decimals


@pytest.mark.parametrize(
    ("value", "half", "unit", "text"),
    [
        (0.5632, 0.0179, "1", "56.3 ± 1.8 %"),
        (0.5632, 0.0, "1", "56.3 ± 0.0 %"),
        (0.08123, 0.0004, "1", "8.12 ± 0.04 %"),
        (5_123_456.0, 41_000.0, "ha", "5,123,000 ± 41,000 ha"),
        (12_345_678.0, 234_567.0, "t", "12,350,000 ± 230,000 t"),
        (812.4, 0.0, "m3", "812 ± 0 m³"),
        (2.345, 0.31, "t C ha-1", "2.35 ± 0.31 t C ha-1"),
        (-0.0001, 0.02, "1", "0.0 ± 2.0 %"),
    ],
)
def test_an_estimate_reads_as_written_by_hand(value, half, unit, text):
    estimate = dataclasses.replace(
        SAMPLE, value=value, low=value - half, high=value + half, unit=unit
    )
    assert digits.estimate_text(estimate) == text


@pytest.mark.parametrize(
    ("value", "half", "unit", "text", "interval"),
    [
        (0.5632, 0.0179, "1", "56.3% ± 1.8%", "54.5%～58.1%"),
        (5_610_000.0, 450_000.0, "m3", "561 ± 45 万立方米", "516～606 万立方米"),
        (3.54e6, 2.41e6, "t", "350 ± 240 万吨", "110～600 万吨"),
        (30_730.0, 600.0, "ha", "3.073 ± 0.060 万公顷", "3.013～3.133 万公顷"),
        (30_730.0, 60.0, "ha", "30,730 ± 60 公顷", "30,670～30,790 公顷"),
        (291.8, 7.9, "ha", "291.8 ± 7.9 公顷", "283.9～299.7 公顷"),
        (1_017_000.0, 37_000.0, "t", "101.7 ± 3.7 万吨", "98.0～105.4 万吨"),
        (812.4, 0.0, "m3", "812 ± 0 立方米", "812～812 立方米"),
        (2.345, 0.31, "t C ha-1", "2.35 ± 0.31 t C ha-1", "2.04～2.66 t C ha-1"),
    ],
)
def test_a_chinese_reader_gets_wan_where_no_digit_is_lost(
    value, half, unit, text, interval
):
    estimate = dataclasses.replace(
        SAMPLE, value=value, low=value - half, high=value + half, unit=unit
    )
    assert digits.chinese_estimate_text(estimate) == text
    assert digits.chinese_interval_text(estimate) == interval
    assert text.startswith(digits.chinese_value_text(estimate).split(" ")[0])


@pytest.mark.parametrize(
    ("low", "high", "text", "chinese"),
    [
        (0.0, 0.0190, "0.46 (0.00 – 1.90) %", "0.46%（0.00%～1.90%）"),
        (0.0036, 0.0056, "0.46 ± 0.10 %", "0.46% ± 0.10%"),
    ],
)
def test_an_interval_cut_at_zero_is_given_whole(low, high, text, chinese):
    estimate = dataclasses.replace(SAMPLE, value=0.0046, low=low, high=high)
    assert digits.estimate_text(estimate) == text
    assert digits.chinese_estimate_text(estimate) == chinese


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.585, "1", "58.5%"),
        (5.3e7, "m3", "5,300 万立方米"),
        (5.1e6, "ha", "510 万公顷"),
        (9_999.0, "ha", "9,999 公顷"),
        (None, "ha", "—"),
    ],
)
def test_a_target_keeps_the_digits_that_a_document_states(value, unit, text):
    assert digits.chinese_plain_text(value, unit) == text


def test_only_a_total_has_a_relative_half_width():
    total = dataclasses.replace(SAMPLE, value=200.0, low=190.0, high=210.0, unit="t")
    assert digits.relative_text(total) == "5.0 %"
    assert digits.relative_text(SAMPLE) == ""


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.9498, "0.949"),
        (0.95, "0.950"),
        (0.0502, "0.051"),
        (0.05, "0.050"),
        (0.14601, "0.146"),
        (0.99999, "> 0.999"),
        (0.00001, "< 0.001"),
        (None, "—"),
        (math.nan, "—"),
    ],
)
def test_a_probability_is_never_rounded_over_the_level(probability, text):
    assert digits.probability_text(probability, confidence=0.9) == text


@given(st.floats(0.001, 0.999), st.sampled_from([0.8, 0.9, 0.95]))
def test_a_shown_probability_agrees_with_its_verdict(probability, confidence):
    shown = float(digits.probability_text(probability, confidence=confidence))
    assert abs(shown - probability) <= 0.001
    level = (1 + confidence) / 2
    assert (shown >= level) == (probability >= level)
    least = round(1 - level, 9)
    assert (shown <= least) == (probability <= least)


@given(st.floats(0, 1))
def test_a_share_below_one_never_reads_as_all(share):
    shown = float(digits.share_text(share).removesuffix(" %"))
    assert shown <= 100 * share + 1e-6
    assert 100 * share - shown < 0.1 + 1e-6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (digits.plain_text(0.585, "1"), "58.5 %"),
        (digits.plain_text(0.08, "1"), "8 %"),
        (digits.plain_text(5.3e7, "m3"), "53,000,000 m³"),
        (digits.plain_text(None, "1"), "—"),
        (digits.plain_text(0.0, "1"), "0 %"),
        (digits.hectares_text(1_440_312.4), "1,440,312 ha"),
        (digits.hectares_text(3.456), "3.46 ha"),
        (digits.wan_hectares_text(1_440_312.4), "144.03 万公顷"),
        (digits.wan_hectares_text(640.0), "640 公顷"),
        (digits.gap_text(-0.0321), "-3.2 %"),
        (digits.gap_text(0.0001), "0.0 %"),
        (digits.gap_text(None) + " (no gap)", "— (no gap)"),
        (digits.level_text(0.9), "90 %"),
        (digits.level_text(0.975), "97.5 %"),
    ],
)
def test_plain_numbers_read_as_written_by_hand(text, expected):
    assert text == expected

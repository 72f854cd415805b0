"""Verdicts as sentences: quotable, conditional, and never more than was found."""

from __future__ import annotations

import dataclasses

import pytest

from qhsink.domain.estimate import Verdict
from qhsink.reporting.sentences import period_words, verdict_sentence


def judged(row, outcome, p_met, *, kind="policy"):
    """``row`` with another verdict."""
    target = dataclasses.replace(row.verdict.target, kind=kind)
    return dataclasses.replace(row, verdict=Verdict(target, outcome, p_met, 0.90))


def test_a_sentence_written_by_hand(observed_report):
    """0.5632 ± 1.6448536 x 0.0109: 54.5 to 58.1 %, P = 0.023 of 58.5 %."""
    said = verdict_sentence(observed_report.rows[0])
    assert said.zh == (
        "祁连山国家公园（青海片区）生长盛期植被覆盖度均值（遥感）估计为 56.3%（2025年"
        "生长盛期；90%置信区间 54.5%～58.1%）；区间全部低于参考线 58.5%。若区间已含全部"
        "误差，真值不低于参考线的概率为 0.023。区间未经本地样地校准。"
    )
    assert said.en == (
        "Qilian Mountains National Park (Qinghai): mean map cover, peak season, is "
        "estimated at 56.3 % (peak season 2025; 90 % interval 54.5 – 58.1 %); the "
        "whole interval is below the reference line of 58.5 %. If the interval holds "
        "all errors, the probability that the true value is at or above it is "
        "0.023. The interval is not calibrated with local plots."
    )


@pytest.mark.parametrize(
    ("outcome", "zh", "en"),
    [
        ("met", "判定为达标", ": met."),
        ("not met", "判定为未达标", ": not met."),
        ("not distinguishable", "是否达标不可区分", "met or not met cannot be told"),
    ],
)
def test_a_policy_target_is_judged_in_words(observed_report, outcome, zh, en):
    said = verdict_sentence(judged(observed_report.rows[0], outcome, 0.4))
    assert zh in said.zh
    assert en in said.en
    assert "真值达到目标的概率为 0.400" in said.zh


@pytest.mark.parametrize("outcome", ["met", "not met", "not distinguishable"])
def test_a_reference_line_is_never_a_target(observed_report, outcome):
    row = judged(observed_report.rows[0], outcome, 0.4, kind="reference")
    said = verdict_sentence(row)
    assert "达标" not in said.zh
    assert "目标" not in said.zh
    assert "target" not in said.en


def test_a_probability_near_one_is_bounded_not_rounded(observed_report):
    said = verdict_sentence(judged(observed_report.rows[0], "met", 0.99999))
    assert "概率大于 0.999" in said.zh
    assert "is above 0.999" in said.en


def test_a_sentence_from_simulated_data_says_so_itself(simulated_report):
    said = verdict_sentence(simulated_report.rows[0])
    assert said.zh.startswith("【模拟】")
    assert said.en.startswith("[Simulated] ")


def test_a_verdict_that_was_refused_gives_its_reason(observed_report):
    row = observed_report.rows[0]
    verdict = Verdict(row.verdict.target, "refused", None, 0.90, "definitions differ")
    said = verdict_sentence(dataclasses.replace(row, verdict=verdict))
    assert "未作判定：definitions differ" in said.zh
    assert "not judged: definitions differ" in said.en


def test_a_number_without_a_target_has_no_sentence(observed_report):
    assert verdict_sentence(observed_report.rows[3]).zh == ""


@pytest.mark.parametrize(
    ("label", "zh", "en"),
    [
        ("2025-08", "2025年8月", "August 2025"),
        ("2025-peak", "2025年生长盛期", "peak season 2025"),
        ("2025-13", "2025-13", "2025-13"),
        ("1990s", "1990s", "1990s"),
    ],
)
def test_periods_are_told_in_words(label, zh, en):
    assert (period_words(label).zh, period_words(label).en) == (zh, en)

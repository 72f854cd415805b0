"""Verdicts as sentences that can be quoted alone, in Chinese and English.

Each names region, indicator, period, value and interval, what the interval says of the
line, and the probability under the condition it holds: that the interval contains all
errors. A sentence from simulated data says so itself, for sentences are copied.
"""

from __future__ import annotations

import calendar
import re

from qhsink.domain.estimate import Estimate, Verdict
from qhsink.reporting.digits import (
    chinese_interval_text,
    chinese_plain_text,
    chinese_value_text,
    estimate_text,
    interval_text,
    level_text,
    plain_text,
    probability_text,
)
from qhsink.reporting.record import ReportRow
from qhsink.reporting.wording import Words

_SAID = {
    ("policy", "met"): Words(
        "区间全部不低于目标值 {line}，判定为达标",
        "the whole interval is at or above the target of {line}: met",
    ),
    ("policy", "not met"): Words(
        "区间全部低于目标值 {line}，判定为未达标",
        "the whole interval is below the target of {line}: not met",
    ),
    ("policy", "not distinguishable"): Words(
        "目标值 {line} 落在区间之内，是否达标不可区分",
        "the target of {line} lies inside the interval: met or not met cannot be told",
    ),
    ("reference", "met"): Words(
        "区间全部不低于参考线 {line}",
        "the whole interval is at or above the reference line of {line}",
    ),
    ("reference", "not met"): Words(
        "区间全部低于参考线 {line}",
        "the whole interval is below the reference line of {line}",
    ),
    ("reference", "not distinguishable"): Words(
        "参考线 {line} 落在区间之内，高低不可区分",
        "the reference line of {line} lies inside the interval: above or below it "
        "cannot be told",
    ),
}
"""What an interval says of a line, by the line's kind and the verdict."""


def period_words(label: str) -> Words:
    """Return a period's label in words: ``2025-08``, ``2025-peak``."""
    month = re.fullmatch(r"(\d{4})-(\d{2})", label)
    if month and 1 <= int(month[2]) <= 12:
        number = int(month[2])
        return Words(
            f"{month[1]}年{number}月", f"{calendar.month_name[number]} {month[1]}"
        )
    peak = re.fullmatch(r"(\d{4})-peak", label)
    if peak:
        return Words(f"{peak[1]}年生长盛期", f"peak season {peak[1]}")
    return Words(label, label)


def verdict_sentence(row: ReportRow) -> Words:
    """Return the verdict of a row as sentences; empty where nothing was judged."""
    estimate, verdict = row.estimate, row.verdict
    if estimate is None or verdict is None:
        return Words("", "")
    value, judged = _value(row, estimate), _judgement(verdict)
    caution = Words("", "")
    if "not calibrated" in estimate.flags:
        caution = Words(
            "区间未经本地样地校准。",
            " The interval is not calibrated with local plots.",
        )
    return Words(
        f"{value.zh}{judged.zh}{caution.zh}", f"{value.en}{judged.en}{caution.en}"
    )


def _value(row: ReportRow, estimate: Estimate) -> Words:
    period, level = period_words(estimate.period), level_text(estimate.confidence)
    simulated = estimate.provenance == "simulated"
    value = re.split(r" [±(]", estimate_text(estimate))[0]
    unit = interval_text(estimate).partition(" – ")[2].partition(" ")[2]
    mark = Words("【模拟】", "[Simulated] ") if simulated else Words("", "")
    return Words(
        f"{mark.zh}{row.region.name_zh}{row.indicator_zh}估计为 "
        f"{chinese_value_text(estimate)}（{period.zh}；"
        f"{level.replace(' ', '')}置信区间 {chinese_interval_text(estimate)}）",
        f"{mark.en}{row.region.name_en}: "
        f"{row.indicator_en}, is estimated at {value} {unit} ({period.en}; {level} "
        f"interval {interval_text(estimate)})",
    )


def _judgement(verdict: Verdict) -> Words:
    target = verdict.target
    said = _SAID.get((target.kind, verdict.outcome))
    if said is None:
        why = verdict.reason
        return Words(f"；未作判定：{why}。", f"; not judged: {why}.")
    zh = said.zh.format(line=chinese_plain_text(target.value, target.unit))
    en = said.en.format(line=plain_text(target.value, target.unit))
    sure = probability_text(verdict.p_met, confidence=verdict.confidence)
    goal = "达到目标" if target.kind == "policy" else "不低于参考线"
    odds = Words(f"为 {sure}", f"is {sure}")
    if sure[0] in "<>":
        above, number = sure[0] == ">", sure[2:]
        odds = Words(
            f"{'大于' if above else '小于'} {number}",
            f"is {'above' if above else 'below'} {number}",
        )
    return Words(
        f"；{zh}。若区间已含全部误差，真值{goal}的概率{odds.zh}。",
        f"; {en}. If the interval holds all errors, the probability that the true "
        f"value is at or above it {odds.en}.",
    )

"""What an estimate says about a dated target: met, not met, not distinguishable.

The rule is that of the printed two-sided interval, so that a reader who looks at
"value, interval, target" draws the same conclusion as the word printed beside it:

* target at or below the lower limit: *met*;
* target above the upper limit: *not met*;
* target inside: *not distinguishable*, whatever side the value is on.

Trends (a target without a number) are judged in ``trend``.
"""

from __future__ import annotations

import calendar
import math
import re
from dataclasses import dataclass
from datetime import date

from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate, Outcome, Target, Verdict
from qhsink.indicators.interval import student_cdf, student_interval, student_quantile


@dataclass(frozen=True, slots=True)
class Distance:
    """How far an estimate is from the baseline year of its target."""

    change: float
    """Value minus baseline, in the unit of the target."""
    se: float
    """Standard error of the estimate only: official baselines state none."""
    progress: float | None
    """Share of the way from baseline to target; None without a target number."""
    years: int
    """Years since the baseline."""


def judge(estimate: Estimate, target: Target, *, confidence: float) -> Verdict:
    """Return the verdict on ``estimate`` against ``target``.

    Parameters
    ----------
    estimate : Estimate
        Value with standard error and degrees of freedom.
    target : Target
        The dated number; its indicator, unit and scope must be the estimate's.
    confidence : float
        Two-sided level, such as 0.90: *met* is claimed with 95 % one-sided.

    Returns
    -------
    Verdict
        ``p_met`` is P(value >= target) under Student's t with the estimate's
        degrees of freedom. Where the estimate was printed at this very
        ``confidence`` its printed limits decide, else limits are computed.
        Outcome ``refused`` with the reason where the two cannot be compared.
    """
    obstacle = _obstacle(estimate, target)
    if obstacle or target.value is None:
        return Verdict(target, "refused", None, confidence, obstacle)
    low, high = _limits(estimate, confidence)
    if target.value <= low:
        outcome: Outcome = "met"
    elif target.value > high:
        outcome = "not met"
    else:
        outcome = "not distinguishable"
    note = ""
    if target.kind == "reference":
        note = f"reference line for orientation, not a policy verdict: {target.source}"
    p_met = probability_met(estimate, target.value)
    return Verdict(target, outcome, p_met, confidence, note)


def probability_met(estimate: Estimate, threshold: float) -> float:
    """Return P(true value >= ``threshold``); 0 or 1 where the error is zero."""
    margin = estimate.value - threshold
    if estimate.se == 0.0:
        return 1.0 if margin >= 0.0 else 0.0
    return student_cdf(margin / estimate.se, estimate.df)


def distance_from_baseline(estimate: Estimate, target: Target) -> Distance:
    """Return the change since the target's baseline year and the progress made.

    Progress is (value - baseline) / (target - baseline): methodology F4.

    Raises
    ------
    Refusal
        When the two cannot be compared or no baseline is known.
    """
    obstacle = _mismatch(estimate, target)
    if target.baseline_value is None or target.baseline_year is None:
        obstacle = obstacle or f"target {target.id} names no baseline"
    if obstacle or target.baseline_value is None or target.baseline_year is None:
        raise Refusal(
            obstacle,
            expected="an estimate and a baseline of the same definition",
            remedy="Enter the baseline in config/targets.toml with its source.",
        )
    change = estimate.value - target.baseline_value
    way = None if target.value is None else target.value - target.baseline_value
    return Distance(
        change=change,
        se=estimate.se,
        progress=change / way if way else None,
        years=_year(estimate.period) - target.baseline_year,
    )


def required_yearly_rise(
    value: float, *, year: int, target_value: float, target_year: int
) -> float:
    """Return the yearly rise that leads from ``value`` to a later target.

    Raises
    ------
    Refusal
        When the target year is not later than ``year``.
    """
    if target_year <= year:
        raise Refusal(
            f"target year {target_year} with an estimate of {year}",
            expected="a target due after the estimate",
            remedy="Judge the estimate against the target instead.",
        )
    return (target_value - value) / (target_year - year)


def further_units_needed(
    estimate: Estimate, threshold: float, *, confidence: float, fixed_se: float = 0.0
) -> int:
    """Return how many more plots would take the threshold out of the interval.

    Solves t(n - lost df) * sqrt(fixed_se^2 + sampling variance * n0 / n) <= distance
    for n, holding the value and the spread between plots as they are now: an
    expectation for planning, not a promise.

    Parameters
    ----------
    estimate : Estimate
        With ``n`` reference units; ``n - df`` degrees of freedom stay lost.
    threshold : float
        The target value, in the estimate's unit.
    confidence : float
        Two-sided level.
    fixed_se : float
        Part of the standard error that no further plot reduces.

    Raises
    ------
    Refusal
        When no number of plots settles it: a model-only estimate, a value equal
        to the threshold, or a fixed error that is itself too large.
    """
    distance = abs(estimate.value - threshold)
    sampling = estimate.se**2 - fixed_se**2
    _check_settleable(estimate, distance, sampling, fixed_se, confidence)
    lost = 0.0 if math.isinf(estimate.df) else max(estimate.n - estimate.df, 0.0)

    def settles(units: int) -> bool:
        df = math.inf if math.isinf(estimate.df) else units - lost
        error = math.sqrt(fixed_se**2 + sampling * estimate.n / units)
        return student_quantile((1.0 + confidence) / 2.0, df) * error <= distance

    below, above = estimate.n, estimate.n
    while not settles(above):
        below, above = above, 2 * above
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if settles(middle) else (middle, above)
    return above - estimate.n


def _check_settleable(
    estimate: Estimate,
    distance: float,
    sampling: float,
    fixed_se: float,
    confidence: float,
) -> None:
    found = ""
    z = student_quantile((1.0 + confidence) / 2.0, math.inf)
    if estimate.n < 2:
        found = f"{estimate.n} reference units behind {estimate.indicator}"
    elif distance == 0.0:
        found = f"{estimate.indicator} exactly at the threshold"
    elif sampling < 0.0:
        found = f"fixed error {fixed_se} above the whole error {estimate.se}"
    elif z * fixed_se >= distance:
        found = f"fixed error {fixed_se} too large for a distance of {distance:.4g}"
    if found:
        raise Refusal(
            found,
            expected="a sampling error that further plots can reduce",
            remedy="Draw a probability sample, or reduce the fixed part first.",
        )


def _limits(estimate: Estimate, confidence: float) -> tuple[float, float]:
    if math.isclose(confidence, estimate.confidence, abs_tol=1e-9):
        return estimate.low, estimate.high
    return student_interval(estimate.value, estimate.se, estimate.df, confidence)


def _mismatch(estimate: Estimate, target: Target) -> str:
    """Return in words why the two are not of one definition; empty when they are."""
    if estimate.indicator != target.indicator:
        return (
            f"target {target.id} is for indicator {target.indicator}, the estimate is "
            f"of {estimate.indicator}: definitions differ"
        )
    if estimate.unit != target.unit:
        return f"target in unit {target.unit!r}, estimate in unit {estimate.unit!r}"
    if target.scope not in ("*", estimate.region):
        return f"target was set for region {target.scope}, not {estimate.region}"
    return ""


def _obstacle(estimate: Estimate, target: Target) -> str:
    mismatch = _mismatch(estimate, target)
    if mismatch:
        return mismatch
    if target.value is None:
        return f"target {target.id} names no number; it is judged as a trend"
    span = _span(estimate.period)
    if span is None:
        return f"period {estimate.period!r} names no year"
    first, last = span
    holds = date.fromisoformat(target.valid_from), date.fromisoformat(target.valid_to)
    if last < holds[0] or first > holds[1]:
        return (
            f"period {estimate.period} lies outside the target's validity "
            f"({target.valid_from} to {target.valid_to})"
        )
    return ""


def _span(label: str) -> tuple[date, date] | None:
    """Return first and last day of ``2025-08``, or of the year of other labels."""
    match = re.match(r"(\d{4})(?:-(0[1-9]|1[0-2]))?(?!\d)", label)
    if match is None:
        return None
    year = int(match[1])
    first, last = (int(match[2]),) * 2 if match[2] else (1, 12)
    return (
        date(year, first, 1),
        date(year, last, calendar.monthrange(year, last)[1]),
    )


def _year(label: str) -> int:
    span = _span(label)
    if span is None:
        raise Refusal(
            f"period {label!r}",
            expected="a label that begins with a year",
            remedy="Name the period as YYYY-MM, YYYY-peak or YYYY.",
        )
    return span[0].year

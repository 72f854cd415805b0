"""Trend over years: what a target of "steadily rising" is judged by.

Theil-Sen slope and Mann-Kendall test, corrected for ties and for the memory of a
series. Two dates are a difference, not a trend: see ``grades``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.estimate import Estimate, Outcome, Target, Verdict
from qhsink.indicators.interval import student_cdf, student_quantile

Direction = Literal["rising", "falling", "not distinguishable"]

LEAST_YEARS = 5
"""Rain moves grassland cover by points from year to year (methodology B2)."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A monotonic trend with its test."""

    slope: float
    """Theil-Sen slope, unit per year."""
    low: float
    """Lower limit of the slope at ``confidence``: what the test does not reject."""
    high: float
    """Upper limit."""
    s: int
    """Mann-Kendall S."""
    z: float
    """Normal score of S, with continuity correction."""
    p_rising: float
    """One-sided p-value against "not rising"."""
    years: int
    """Years in the series."""
    direction: Direction
    """At ``confidence``, two-sided."""
    confidence: float
    """Level of interval and direction."""


def judge_trend(
    years: Sequence[float],
    values: Sequence[float],
    *,
    confidence: float,
    correct_memory: bool = True,
) -> Trend:
    """Return the trend of a yearly series.

    Parameters
    ----------
    years : sequence of float
        Distinct, ascending; gaps are allowed.
    values : sequence of float
        One value per year, of one definition.
    confidence : float
        Two-sided level, such as 0.90.
    correct_memory : bool
        Whether Var(S) is inflated for first-order autocorrelation of the detrended
        series, n/n* = 1 + 2 sum (1 - k/n) r^k, only where r > 0 and significant at
        5 % (after Yue and Wang 2004; they use all lags).

    Returns
    -------
    Trend
        Interval of the slope from the ranks of the pairwise slopes: years must be
        alike but for the trend (rain that comes and goes), and what plots err by each
        year is in it. What they get wrong in every year alike is not.

    Raises
    ------
    Refusal
        With fewer than five years.
    BadInput
        When years are not ascending or a value is not finite.

    References
    ----------
    Mann 1945; Kendall 1975; Sen 1968, J. Am. Stat. Assoc. 63, 1379.
    """
    t, x = _checked(years, values)
    slopes = _pairwise_slopes(t, x)
    slope = float(np.median(slopes))
    s = int(_signs(x).sum())
    variance = _tied_variance(x)
    if correct_memory:
        variance *= _memory(x - slope * t, x)
    z = 0.0 if s == 0 or variance == 0.0 else (s - np.sign(s)) / math.sqrt(variance)
    low, high = _slope_limits(slopes, variance, confidence)
    critical = student_quantile((1.0 + confidence) / 2.0, math.inf)
    direction: Direction = "not distinguishable"
    if abs(z) > critical:
        direction = "rising" if z > 0 else "falling"
    return Trend(
        slope,
        low,
        high,
        s,
        float(z),
        p_rising=1.0 - student_cdf(float(z), math.inf),
        years=t.size,
        direction=direction,
        confidence=confidence,
    )


def judge_steady_rise(
    series: Sequence[Estimate], target: Target, *, confidence: float
) -> Verdict:
    """Return the verdict on a target of "steadily rising", which names no number.

    *met* where the series rises, *not met* where it falls, at ``confidence``; in
    between *not distinguishable*. There is no P(value >= target) without a target
    value, so ``p_met`` is None and the reason gives slope and p-value.

    Parameters
    ----------
    series : sequence of Estimate
        One per year, ascending, of the target's indicator, region and unit. Their
        standard errors are not used: the scatter between years holds them.
    target : Target
        Without a value.
    confidence : float
        Two-sided level.
    """
    obstacle = _trend_obstacle(series, target)
    if obstacle:
        return Verdict(target, "refused", None, confidence, obstacle)
    years = [float(estimate.period[:4]) for estimate in series]
    try:
        trend = judge_trend(
            years, [estimate.value for estimate in series], confidence=confidence
        )
    except Refusal as refusal:
        return Verdict(target, "refused", None, confidence, str(refusal))
    return verdict_of_trend(trend, target, confidence=confidence)


def verdict_of_trend(trend: Trend, target: Target, *, confidence: float) -> Verdict:
    """Return what a trend says of a target of "steadily rising"."""
    words: dict[Direction, Outcome] = {"rising": "met", "falling": "not met"}
    outcome = words.get(trend.direction, "not distinguishable")
    reason = (
        f"slope {trend.slope:+.4g} per year ({trend.low:+.4g} to {trend.high:+.4g}), "
        f"one-sided p {trend.p_rising:.3g} over {trend.years} years"
    )
    return Verdict(target, outcome, None, confidence, reason)


def _trend_obstacle(series: Sequence[Estimate], target: Target) -> str:
    if target.value is not None:
        return f"target {target.id} names a number; it is judged by judge"
    for estimate in series:
        ours = (estimate.indicator, estimate.unit)
        if ours != (target.indicator, target.unit):
            return f"{ours} in the series: {target.id} is for {target.indicator}"
        if target.scope not in ("*", estimate.region):
            return f"target was set for region {target.scope}, not {estimate.region}"
        if not estimate.period[:4].isdigit():
            return f"period {estimate.period!r} names no year"
    return ""


def _checked(
    years: Sequence[float], values: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t, x = np.asarray(years, dtype=float), np.asarray(values, dtype=float)
    if t.size < LEAST_YEARS:
        raise Refusal(
            f"a trend over {t.size} years",
            expected=f"at least {LEAST_YEARS} years",
            remedy="Wait, or report the difference of two dates with its error.",
        )
    if t.size != x.size or not np.isfinite(x).all() or not (np.diff(t) > 0.0).all():
        raise BadInput(
            f"{t.size} years and {x.size} values",
            expected="ascending years, one finite value each",
            remedy="Leave missing years out of both.",
        )
    return t, x


def _pairwise_slopes(
    t: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    later, earlier = np.tril_indices(t.size, k=-1)
    return np.sort((x[later] - x[earlier]) / (t[later] - t[earlier]))


def _signs(x: NDArray[np.float64]) -> NDArray[np.float64]:
    later, earlier = np.tril_indices(x.size, k=-1)
    return np.asarray(np.sign(x[later] - x[earlier]))


def _tied_variance(x: NDArray[np.float64]) -> float:
    """Return Var(S) = (n(n-1)(2n+5) - sum t(t-1)(2t+5)) / 18 over ties of size t."""
    n = x.size
    _, sizes = np.unique(x, return_counts=True)
    ties = float((sizes * (sizes - 1) * (2 * sizes + 5)).sum())
    return (n * (n - 1) * (2 * n + 5) - ties) / 18.0


def _memory(residual: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Return the factor by which first-order memory inflates Var(S); at least 1."""
    centred = residual - residual.mean()
    spread = x - x.mean()
    power = float(centred @ centred)
    n = residual.size
    # A straight line leaves only rounding, whose correlation means nothing.
    if power <= 1e-18 * float(spread @ spread):
        return 1.0
    r = float(centred[1:] @ centred[:-1]) / power
    if r <= student_quantile(0.95, math.inf) / math.sqrt(n):
        return 1.0
    lags = np.arange(1, n)
    return float(1.0 + 2.0 * ((1.0 - lags / n) * r**lags).sum())


def _slope_limits(
    slopes: NDArray[np.float64], variance: float, confidence: float
) -> tuple[float, float]:
    """Return the slopes that the two-sided test at ``confidence`` does not reject.

    S counts as many slopes above a line as below it, so the least S that is rejected,
    continuity correction included, says how many may lie on one side. Ranks
    (N -+ z sqrt(Var S)) / 2 (Sen 1968) leave the correction out: over five years they
    take all slopes, 98 % for 90 %, and hold 0 where the test says "rising". Where no
    series of this length could be rejected the limits are the outermost slopes.
    """
    z = student_quantile((1.0 + confidence) / 2.0, math.inf)
    least = math.floor(z * math.sqrt(variance) + 1.0) + 1
    beyond = max((slopes.size - least) // 2, 0)
    return float(slopes[beyond]), float(slopes[slopes.size - 1 - beyond])

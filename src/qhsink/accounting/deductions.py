"""Deductions for uncertainty by named market rules.

A deduction is an input to a credit, never a credit: baseline, additionality,
leakage and permanence are not assessed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qhsink.domain.carbon import DeductionSchedule
from qhsink.domain.errors import Refusal


@dataclass(frozen=True, slots=True)
class Deduction:
    """What a schedule takes off a value."""

    schedule: str
    """Id of the schedule."""
    relative_half_width: float
    """Half-width over value, as used."""
    rate: float
    """Share of the value that is deducted."""
    amount: float
    """Amount deducted, in the unit of the value."""
    conservative: float
    """Value less the deduction."""


def deduct(
    value: float,
    half_width: float,
    *,
    confidence: float,
    schedule: DeductionSchedule,
) -> Deduction:
    """Return the deduction from ``value`` for its interval.

    Parameters
    ----------
    value : float
        Reduction, removal or stock; positive.
    half_width : float
        Half-width of its interval at ``confidence``, same unit.
    confidence : float
        Must be the level that the schedule is written for.
    schedule : DeductionSchedule
        From ``config/factors.toml``.

    Raises
    ------
    Refusal
        When the schedule is off, is written for another level, or demands more
        plots; or when the value is not positive.
    """
    _check(value, half_width, confidence, schedule)
    relative = half_width / value
    rate = _rate(relative, schedule)
    return Deduction(schedule.id, relative, rate, rate * value, (1.0 - rate) * value)


def _rate(relative: float, schedule: DeductionSchedule) -> float:
    if schedule.kind == "proportional":
        return schedule.rate * relative
    if schedule.kind == "excess":
        return max(relative - schedule.allowable, 0.0)
    for step in schedule.steps:
        if step.above < relative <= step.up_to:
            of_value = schedule.kind == "banded value"
            return step.rate if of_value else step.rate * relative
    if relative == 0.0:
        return 0.0
    raise Refusal(
        f"relative half-width {relative:.1%} under {schedule.id}",
        expected=f"at most {schedule.steps[-1].up_to:.0%}",
        remedy="Add plots until the interval is narrow enough.",
    )


def _check(
    value: float, half_width: float, confidence: float, schedule: DeductionSchedule
) -> None:
    found = ""
    if not schedule.enabled:
        found = f"schedule {schedule.id} is off: {schedule.source} ({schedule.status})"
    elif not math.isclose(confidence, schedule.confidence):
        found = f"an interval at {confidence:.0%} for {schedule.id}"
    elif not (math.isfinite(value) and value > 0.0):
        found = f"value {value}"
    elif not (math.isfinite(half_width) and half_width >= 0.0):
        found = f"half-width {half_width}"
    if found:
        raise Refusal(
            found,
            expected=f"an enabled schedule, a positive value and its interval at "
            f"{schedule.confidence:.0%}",
            remedy="Read the primary document before enabling a schedule; recompute "
            "the interval at its level.",
        )

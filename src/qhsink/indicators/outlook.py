"""What stands around a verdict: the way from the baseline, and what is still needed.

The verdict itself is ``verdict``'s, trends are ``trend``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate, Target, Verdict
from qhsink.indicators.verdict import (
    Distance,
    distance_from_baseline,
    further_units_needed,
    required_yearly_rise,
)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an estimate says beside its verdict; None where it does not apply."""

    distance: Distance | None
    """From the baseline year of the target judged, else of the next."""
    later: Target | None
    """The next target with a number that is due after the estimate."""
    yearly_rise: float | None
    """Needed each year to reach it, in the unit of the estimate."""
    further_units: int | None
    """More sample units that would settle the verdict, spread as now."""


def outlook(
    estimate: Estimate, verdict: Verdict | None, targets: Sequence[Target]
) -> Outlook:
    """Return what stands around a verdict.

    Parameters
    ----------
    estimate : Estimate
    verdict : Verdict, optional
        On one of the targets; None where none was due.
    targets : sequence of Target
        All; those of another indicator, unit or region are passed over.
    """
    year = int(estimate.period[:4])
    later = min(
        (
            target
            for target in targets
            if target.indicator == estimate.indicator
            and target.unit == estimate.unit
            and target.scope == estimate.region
            and target.value is not None
            and target.year > year
        ),
        key=lambda target: target.year,
        default=None,
    )
    against = later if verdict is None else verdict.target
    rise = None
    if later is not None and later.value is not None:
        rise = required_yearly_rise(
            estimate.value, year=year, target_value=later.value, target_year=later.year
        )
    return Outlook(
        distance=None if against is None else _distance(estimate, against),
        later=later,
        yearly_rise=rise,
        further_units=None if verdict is None else _further(estimate, verdict),
    )


def _distance(estimate: Estimate, target: Target) -> Distance | None:
    try:
        return distance_from_baseline(estimate, target)
    except Refusal:
        # Of another definition, or no baseline is on record.
        return None


def _further(estimate: Estimate, verdict: Verdict) -> int | None:
    value = verdict.target.value
    if verdict.outcome != "not distinguishable" or value is None:
        return None
    try:
        return further_units_needed(estimate, value, confidence=verdict.confidence)
    except Refusal:
        # No sample behind it, or exactly at the target: no number settles it.
        return None

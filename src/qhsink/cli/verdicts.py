"""A verdict and what stands around it, as plain values and as lines.

Judging is ``qhsink.indicators``'; the words of reports are ``qhsink.reporting``'s.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhsink.domain.estimate import Estimate, Verdict
    from qhsink.indicators.outlook import Outlook


def outlook_of(estimate: Estimate, verdict: Verdict | None) -> Outlook:
    """Return what stands around a verdict, by ``config/targets.toml``."""
    from qhsink.config import load_targets, project_dir
    from qhsink.indicators.outlook import outlook

    return outlook(estimate, verdict, load_targets(project_dir()))


def verdict_json(verdict: Verdict | None) -> dict[str, Any] | None:
    """Return a verdict as plain values; None without one."""
    if verdict is None:
        return None
    return {
        "target": verdict.target.id,
        "kind": verdict.target.kind,
        "value": verdict.target.value,
        "outcome": verdict.outcome,
        "p_met": verdict.p_met,
        "confidence": verdict.confidence,
        "reason": verdict.reason,
    }


def outlook_json(estimate: Estimate, verdict: Verdict | None) -> dict[str, Any]:
    """Return what stands around a verdict as plain values, null where unknown."""
    found = outlook_of(estimate, verdict)
    return {
        "distance_from_baseline": found.distance and asdict(found.distance),
        "later_target": found.later and found.later.id,
        "required_yearly_rise": found.yearly_rise,
        "further_plots": found.further_units,
    }


def outlook_lines(estimate: Estimate, verdict: Verdict | None) -> list[str]:
    """Return what stands around a verdict in words; nothing where nothing is known."""
    found, lines = outlook_of(estimate, verdict), []
    share = estimate.unit == "1"

    def spell(value: float) -> str:
        return (
            f"{100 * value:+.2f} points" if share else f"{value:+,.6g} {estimate.unit}"
        )

    if found.distance is not None:
        way, years = found.distance, found.distance.years
        part = "" if way.progress is None else f", {way.progress:.0%} of the way"
        lines.append(f"since the baseline, {years} years: {spell(way.change)}{part}")
    if found.later is not None and found.yearly_rise is not None:
        rise = spell(found.yearly_rise)
        lines.append(f"required yearly rise: {rise}, to {found.later.id}")
    if found.further_units is not None:
        lines.append(
            f"plots that would settle it, spread as now: {found.further_units} more"
        )
    return lines

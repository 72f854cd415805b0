"""Official statistics beside estimates: compared only under one definition."""

from __future__ import annotations

from dataclasses import dataclass

from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import OfficialStatistic
from qhsink.indicators.verdict import probability_met


@dataclass(frozen=True, slots=True)
class Beside:
    """An official figure set beside an estimate."""

    statistic: OfficialStatistic
    """The figure, with definition, year and source."""
    difference: float
    """Estimate minus figure, in the unit of both."""
    inside: bool
    """Whether the figure lies in the estimate's interval."""
    p_above: float
    """P(true value >= figure) under the estimate's distribution."""


def set_beside(estimate: Estimate, statistic: OfficialStatistic) -> Beside:
    """Return the official figure beside the estimate.

    Raises
    ------
    Refusal
        When definition, region, unit or year differ: 5.82 % of one survey base and
        7.5 % of another are no growth.
    """
    pairs = (
        ("definition", estimate.indicator, statistic.definition),
        ("region", estimate.region, statistic.region),
        ("unit", estimate.unit, statistic.unit),
        ("year", estimate.period[:4], str(statistic.year)),
    )
    for name, ours, theirs in pairs:
        if ours != theirs:
            raise Refusal(
                f"{name} {ours} beside official {name} {theirs}",
                expected="one definition, region, unit and year",
                remedy="Show the figure by itself, under its own definition.",
            )
    return Beside(
        statistic,
        difference=estimate.value - statistic.value,
        inside=estimate.low <= statistic.value <= estimate.high,
        p_above=probability_met(estimate, statistic.value),
    )


def rise_between(first: OfficialStatistic, second: OfficialStatistic) -> float:
    """Return the yearly change between two official figures of one definition.

    Raises
    ------
    Refusal
        When definition, region or unit differ, or years are not in order.
    """
    same = (first.definition, first.region, first.unit) == (
        second.definition,
        second.region,
        second.unit,
    )
    if not same or second.year <= first.year:
        raise Refusal(
            f"{first.definition} of {first.year} and {second.definition} of "
            f"{second.year}",
            expected="two years of one definition, region and unit",
            remedy="A change of definition is not a change on the ground.",
        )
    return (second.value - first.value) / (second.year - first.year)

"""One estimate beside its truth, and the verdicts it leads to.

How estimates are made is in ``evaluate_map`` and ``evaluate_plots``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qhsink.domain.estimate import Estimate, Target
from qhsink.estimation.intervals import IntervalKind, Limits, limits
from qhsink.indicators.verdict import judge
from qhsink.steps.evaluate_places import Size

LEVELS = (0.90, 0.95)
VERDICT_LEVEL = 0.90
COVER, MONTH = "fvc_peak", "fvc_month"
HERBS, TREES, MEADOWS = "agb_grass", "agb_forest", "meadow_share"
FOREST, STOCK, WETLAND = "forest_cover", "growing_stock", "wetland_share"
CVCG, CHANGE, DEGRADED = "cvcg", "fvc_change", "degraded_share"
OVERALL, USERS, PRODUCERS = "overall_accuracy", "users_accuracy", "producers_accuracy"
PROTECTED, TREND = "wetland_protection_rate", "fvc_trend"
HERBS_PER_COVER = "herbs_per_cover"
BALD, STEEPNESS, SANDY = "black_soil_share", "black_soil_slope_share", "sandy_share"
FORAGE, CAPACITY, STOCKING = "forage_yield", "carrying_capacity", "overstocking"
CARBON, GRADE, STATE = "carbon_stock", "sink_grade", "sink_state"
JUDGED = (COVER, MONTH, FOREST, CVCG)
"""Indicators whose verdicts are counted: those that targets are set for."""


@dataclass(frozen=True, slots=True)
class Result:
    """One estimate and the truth it was meant for."""

    region: str
    size: Size
    indicator: str
    mode: str
    n: int
    """Plots or footprints; 0 for the map alone."""
    truth: float
    value: float = math.nan
    """NaN, as the error, until it is estimated."""
    se: float = math.nan
    df: float = 0.0
    flags: tuple[str, ...] = ()
    kind: IntervalKind = "t"
    """How limits come from value and error."""
    skewness: float = 0.0
    """Of the estimator, for ``skewed``."""
    stated: Mapping[float, Limits] = field(default_factory=dict)
    """Limits by level, where they do not come from value and error."""
    refusal: str = ""
    verdicts: Mapping[float, str] = field(default_factory=dict)
    """Outcome against the truth plus a distance, by distance."""
    said: float = math.nan
    """Probability that the class ``value`` is named with; NaN of numbers."""

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the limits; None where there are none."""
        if self.stated or not math.isnan(self.said):
            return self.stated.get(confidence)
        return limits(
            self.value,
            self.se,
            df=self.df,
            n=self.n,
            confidence=confidence,
            kind=self.kind,
            skewness=self.skewness,
        )

    def to_row(self) -> dict[str, object]:
        """Return plain columns."""
        row: dict[str, object] = dataclasses.asdict(self)
        row["flags"] = "; ".join(self.flags)
        del row["stated"]
        for confidence in LEVELS:
            low, high = self.interval(confidence) or (math.nan, math.nan)
            row[f"low{confidence * 100:.0f}"] = low
            row[f"high{confidence * 100:.0f}"] = high
        for distance, outcome in row.pop("verdicts").items():  # type: ignore[attr-defined]
            row[f"line{distance:+.2f}"] = outcome
        return row


def judged(row: Result, lines: Sequence[float]) -> Result:
    """Return the row with the verdict on targets at known distances from the truth."""
    limits90 = row.interval(VERDICT_LEVEL) if row.refusal == "" else None
    if limits90 is None:
        return row
    estimate = Estimate(
        indicator=row.indicator,
        region=row.region,
        period="2025",
        value=row.value,
        se=row.se,
        df=row.df,
        low=limits90[0],
        high=limits90[1],
        confidence=VERDICT_LEVEL,
        unit="1",
        mode=row.mode,
        n=row.n,
        area_ha=0.0,
        valid_share=1.0,
        provenance="simulated",
    )
    # Distances are shares; a target outside 0..1 is none.
    shown = [d for d in lines if row.indicator in JUDGED and 0 < row.truth + d < 1]
    verdicts = {
        distance: str(
            judge(estimate, _line(row, distance), confidence=VERDICT_LEVEL).outcome
        )
        for distance in shown
    }
    return dataclasses.replace(row, verdicts=verdicts)


def _line(row: Result, distance: float) -> Target:
    return Target(
        id=f"line{distance:+.2f}",
        indicator=row.indicator,
        scope=row.region,
        year=2025,
        value=row.truth + distance,
        unit="1",
        baseline_value=None,
        baseline_year=None,
        kind="reference",
        source="the simulated truth and a known distance",
        status="verified",
        valid_from="2025-01-01",
        valid_to="2025-12-31",
    )

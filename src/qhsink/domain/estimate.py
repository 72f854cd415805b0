"""Estimates and verdicts: a number is never without its error and its mode."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Provenance = Literal["observed", "simulated"]
Status = Literal["estimate", "design_verified", "vvb_verified"]
Outcome = Literal["met", "not met", "not distinguishable", "no target", "refused"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One value for one region and indicator, with its uncertainty."""

    indicator: str
    """Indicator id from ``config/indicators.toml``."""
    region: str
    """Region id."""
    period: str
    """Period label."""
    value: float
    """Estimate in ``unit``."""
    se: float
    """Standard error in ``unit``; required, finite, not negative."""
    df: float
    """Degrees of freedom of ``se``; ``inf`` for a normal interval."""
    low: float
    """Lower limit of the interval at ``confidence``."""
    high: float
    """Upper limit."""
    confidence: float
    """Such as 0.90."""
    unit: str
    """Unit of value, se and limits; ``1`` for a proportion."""
    mode: str
    """Inference mode: what the standard error contains, e.g. ``model``."""
    n: int
    """Reference sample units used; 0 for a model-only estimate."""
    area_ha: float
    """Area the estimate speaks for [ha]."""
    valid_share: float
    """Share of that area with enough clear observations, 0..1."""
    provenance: Provenance
    """``observed`` pixels, or ``simulated``."""
    status: Status = "estimate"
    """qhsink sets only ``estimate`` and ``design_verified``."""
    flags: tuple[str, ...] = field(default=())
    """Warnings that travel with the number."""
    outside_share: float | None = None
    """Share of the predicted area outside the model's area of applicability, 0..1;
    None where no model is used or it does not say."""
    stock_outside_share: float | None = None
    """Share of the predicted total outside it, 0..1; None where it is not known."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.se) and self.se >= 0):
            msg = (
                f"estimate of {self.indicator} for {self.region}: value "
                f"{self.value}, se {self.se}; both must be finite: unknown is not zero"
            )
            raise ValueError(msg)

    @property
    def half_width(self) -> float:
        """Half the width of the interval, in ``unit``."""
        return (self.high - self.low) / 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """A dated number that an indicator is judged against."""

    id: str
    """Stable identifier."""
    indicator: str
    """Indicator id: a target is never judged with another definition."""
    scope: str
    """Region id the target was set for; ``*`` for a reference line."""
    year: int
    """Year in which it is due."""
    value: float | None
    """Target value in ``unit``; None where the policy names no number."""
    unit: str
    """Unit of the values."""
    baseline_value: float | None
    """Value at the baseline year, same definition; None when unknown."""
    baseline_year: int | None
    """Baseline year."""
    kind: Literal["policy", "reference"]
    """``policy`` binds; a ``reference`` line only orients and says so."""
    source: str
    """Document and date."""
    status: Literal["verified", "unverified"]
    """Whether the primary document was read."""
    valid_from: str
    """ISO date from which the target holds."""
    valid_to: str
    """ISO date up to which it holds."""
    source_zh: str = ""
    """The source for Chinese readers; empty where it is shown as it is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an estimate says about a target."""

    target: Target
    """The target judged."""
    outcome: Outcome
    """The verdict, at ``confidence``."""
    p_met: float | None
    """P(value >= target) under the estimate's own distribution."""
    confidence: float
    """Level at which met or not met is claimed."""
    reason: str = ""
    """Why, when refused or without a number."""

"""Whether an estimate has earned the status ``design_verified``, and what it lacks.

The rule is the house's (honesty rules); nobody else sets a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qhsink.domain.estimate import Provenance, Status

LEAST_PLOTS = 30
"""Plots in every reported stratum."""

LEAST_APPLICABLE = 0.9
"""Share of the area that must lie inside the model's area of applicability."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of how an estimate came about."""

    probability_sample: bool
    """Whether inclusion probabilities are on record."""
    plots: Mapping[str, int]
    """Plots used, by reported stratum."""
    half_width: float
    """Half-width of the interval."""
    wanted_half_width: float | None
    """Precision target, same unit; None where none was set."""
    applicable_share: float | None
    """Share of the land mapped and inside the area of applicability; None: unknown."""
    provenance: Provenance
    """``observed`` or ``simulated`` pixels."""


def standing(evidence: Evidence) -> tuple[Status, tuple[str, ...]]:
    """Return the status, and what is lacking for ``design_verified``."""
    lacking = [text for text, holds in _conditions(evidence) if not holds]
    return ("estimate" if lacking else "design_verified", tuple(lacking))


def _conditions(evidence: Evidence) -> tuple[tuple[str, bool], ...]:
    thin = [n for n, count in evidence.plots.items() if count < LEAST_PLOTS]
    wanted = evidence.wanted_half_width
    share = evidence.applicable_share
    return (
        ("pixels or training data are simulated", evidence.provenance == "observed"),
        (
            "no inclusion probabilities on record: taken as a simple random sample",
            evidence.probability_sample,
        ),
        (
            f"fewer than {LEAST_PLOTS} plots in {', '.join(thin) or 'the sample'}",
            bool(evidence.plots) and not thin,
        ),
        (
            "no precision target was set"
            if wanted is None
            else f"half-width {evidence.half_width:.4g} above the target {wanted:g}",
            wanted is not None and evidence.half_width <= wanted,
        ),
        (
            "share of the area inside the area of applicability is not known"
            if share is None
            else f"{share:.1%} of the area inside the area of applicability",
            share is not None and share >= LEAST_APPLICABLE,
        ),
    )

"""Where the bars of a tornado chart stand: how far each source moves the sum.

Positions only, for a page to draw; words and markup are the page's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhsink.reporting.intervals import nice_step

BARS = 12
"""Sources shown; the others are in the table."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One source of error."""

    name: str
    """Source."""
    share: float
    """Total share of the variance, 0..1."""
    low: float
    """Sum with the source at its 5 % point [% of the width]."""
    high: float
    """Sum with the source at its 95 % point [% of the width]."""


@dataclass(frozen=True, slots=True)
class Tornado:
    """All bars on one axis."""

    bars: tuple[Bar, ...]
    """Widest first."""
    centre: float
    """Sum at the values themselves [% of the width]."""
    ticks: tuple[tuple[float, float], ...]
    """Place [% of the width] and sum [t] of the marks of the axis."""
    step: float
    """Distance of two marks [t]."""


def tornado(contributions: Sequence[Mapping[str, Any]], *, centre: float) -> Tornado:
    """Return the chart of ``contributions``.

    Parameters
    ----------
    contributions : sequence of mapping
        ``name``, ``total`` share of the variance, sums at ``low`` and ``high`` [t];
        in any order.
    centre : float
        Sum at the values themselves [t].
    """
    widest = sorted(contributions, key=lambda row: -abs(row["high"] - row["low"]))
    ends = [float(row[end]) for row in widest for end in ("low", "high")]
    least, most = min([centre, *ends]), max([centre, *ends])
    pad = 0.04 * (most - least) or 0.05 * (abs(centre) or 1.0)
    left, right = least - pad, most + pad

    def at(value: float) -> float:
        return round(100.0 * (value - left) / (right - left), 2)

    step = nice_step(right - left, parts=4)
    marks = range(math.ceil(left / step), math.floor(right / step) + 1)
    return Tornado(
        tuple(
            Bar(row["name"], row["total"], at(row["low"]), at(row["high"]))
            for row in widest[:BARS]
        ),
        at(centre),
        tuple((at(k * step), k * step) for k in marks),
        step,
    )

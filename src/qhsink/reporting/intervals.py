"""Where dots, whiskers and target lines stand on a strip. No markup, no words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qhsink.domain.estimate import Estimate, Target
from qhsink.reporting.digits import plain_text, scale_of
from qhsink.reporting.record import ReportRow

_Placing = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the axis."""

    at: float
    """Distance from the left edge [% of the strip]."""
    text: str
    """Its number with unit."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One region's interval."""

    row: ReportRow
    """The row shown."""
    low: float
    """Left end of the whisker [% of the strip]."""
    width: float
    """Length of the whisker [% of the strip]."""
    dot: float
    """The estimate [% of the strip]."""
    target: float | None
    """The target or reference line [% of the strip]; None without one."""


@dataclass(frozen=True, slots=True)
class Chart:
    """All regions of one indicator on one axis."""

    indicator_id: str
    """Indicator id."""
    strips: tuple[Strip, ...]
    """In reading order."""
    ticks: tuple[Tick, ...]
    """Marks of the axis."""


def interval_charts(rows: Sequence[ReportRow]) -> tuple[Chart, ...]:
    """Return one chart per indicator that has at least one estimate."""
    ids = dict.fromkeys(row.indicator_id for row in rows if row.estimate)
    return tuple(
        _chart([r for r in rows if r.indicator_id == name and r.estimate])
        for name in ids
    )


def nice_step(span: float, *, parts: int = 5) -> float:
    """Return 1, 2 or 5 times a power of ten, near ``span / parts``.

    The least such step that makes at most ``parts`` + 1 intervals of ``span``.
    """
    power = 10.0 ** math.floor(math.log10(span / parts))
    for factor in (1.0, 2.0, 5.0):
        if span / (factor * power) <= parts + 1:
            return factor * power
    return 10.0 * power


def _chart(rows: list[ReportRow]) -> Chart:
    estimates = [row.estimate for row in rows if row.estimate is not None]
    marks = [limit for e in estimates for limit in (e.low, e.value, e.high)]
    marks += [value for row in rows if (value := _line(row)) is not None]
    least, most = min(marks), max(marks)
    pad = 0.08 * (most - least) or 0.05 * (abs(most) or 1.0)
    left, right = least - pad, most + pad

    def at(value: float) -> float:
        return round(100.0 * (value - left) / (right - left), 2)

    unit = estimates[0].unit
    return Chart(
        rows[0].indicator_id,
        tuple(_strip(row, estimate, at) for row, estimate in _paired(rows)),
        tuple(Tick(at(v), plain_text(v, unit)) for v in _ticks(left, right, unit)),
    )


def _paired(rows: list[ReportRow]) -> list[tuple[ReportRow, Estimate]]:
    return [(row, row.estimate) for row in rows if row.estimate is not None]


def _strip(row: ReportRow, estimate: Estimate, at: _Placing) -> Strip:
    line = _line(row)
    low, high = at(estimate.low), at(estimate.high)
    return Strip(
        row=row,
        low=low,
        width=round(high - low, 2),
        dot=at(estimate.value),
        target=None if line is None else at(line),
    )


def _line(row: ReportRow) -> float | None:
    target: Target | None = row.verdict.target if row.verdict else None
    return target.value if target else None


def _ticks(left: float, right: float, unit: str) -> list[float]:
    factor = scale_of(unit).factor
    step = nice_step((right - left) * factor) / factor
    first = math.ceil(left / step - 1e-9)
    last = math.floor(right / step + 1e-9)
    return [k * step for k in range(first, last + 1)]

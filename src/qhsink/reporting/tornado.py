"""A tornado chart: how far each source of error moves the sum. ASCII text only."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BARS = 12
"""Sources shown; the others are in the table."""

_INK, _LOW, _HIGH = "#20302a", "#b7791f", "#2f7d4f"


@dataclass(frozen=True, slots=True)
class Bar:
    """One source of error."""

    name: str
    """Source, in ASCII."""
    share: float
    """Total share of the variance."""
    low: float
    """Sum with the source at its 5 % point, in the unit of the axis."""
    high: float
    """Sum with the source at its 95 % point."""


def tornado_png(
    bars: Sequence[Bar], *, centre: float, unit: str, simulated: bool
) -> bytes:
    """Return a PNG of the widest bars, widest on top.

    Parameters
    ----------
    bars : sequence of Bar
        In any order.
    centre : float
        Sum at the values themselves, in ``unit``.
    unit : str
        Unit of the axis, in ASCII.
    simulated : bool
        Writes the word into the picture, for pictures get copied.
    """
    shown = sorted(bars, key=lambda bar: abs(bar.high - bar.low))[-BARS:]
    figure = Figure(figsize=(8.4, 1.1 + 0.36 * len(shown)), dpi=120)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    for at, bar in enumerate(shown):
        for value, colour in ((bar.low, _LOW), (bar.high, _HIGH)):
            axes.barh(at, value - centre, left=centre, height=0.62, color=colour)
    axes.axvline(centre, color=_INK, linewidth=1.0)
    axes.set_yticks(
        range(len(shown)), [f"{bar.name}  ({bar.share:.0%})" for bar in shown]
    )
    axes.set_xlabel(f"sum [{unit}] with one source at its 5 % or 95 % point", size=9)
    axes.tick_params(labelsize=9, colors=_INK)
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)
    if simulated:
        axes.text(
            0.99, 0.02, "SIMULATED", transform=axes.transAxes, ha="right", size=13,
            color="#b3261e", weight="bold", family="DejaVu Sans",
        )  # fmt: skip
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": "qhsink"})
    return stream.getvalue()

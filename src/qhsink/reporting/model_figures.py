"""Evidence about a model -> PNG pictures, each readable on a telephone.

Text in pictures is ASCII: captions are HTML. No pyplot: figures are objects of their
own. A model that learnt from simulated data carries the word in every picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

WIDTH_IN, HEIGHT_IN, DPI = 3.9, 3.2, 200
"""Of a picture: 780 pixels wide, twice the width of a telephone's page."""
MANY = 400
"""Samples from which points are gathered in hexagons."""

_INK, _GREEN, _RED, _GREY = "#20302a", "#257a4d", "#b3261e", "#9aa8a0"


@dataclass(frozen=True, slots=True, eq=False)
class ModelEvidence:
    """What is known of how well a model does, for drawing."""

    observed: Doubles
    """(n,) observations, in ``unit``."""
    predicted: Doubles
    """(n,) out-of-fold predictions."""
    unit: str
    """Unit of the target; ``1`` for a proportion."""
    importance: Mapping[str, float]
    """Growth of the RMSE when a feature is shuffled, by feature, in ``unit``."""
    dissimilarity: Doubles
    """(n,) dissimilarity of each sample to those of other folds."""
    threshold: float
    """Greatest dissimilarity inside the area of applicability."""
    curve: tuple[tuple[int, float], ...]
    """Samples learnt from, and the RMSE reached."""
    points: Doubles | None = None
    """(n, 2) projected places [m]; None when they are not known."""
    variogram: tuple[Doubles, Doubles] | None = None
    """Distances [m] and semivariances of the residuals; None when not known."""
    simulated: bool = False
    """Whether the model learnt from simulated data."""

    @property
    def axis_unit(self) -> str:
        """Unit as it follows a quantity on an axis."""
        return "" if self.unit == "1" else f" [{self.unit}]"


def draw_evidence(evidence: ModelEvidence) -> dict[str, bytes]:
    """Return a PNG for each thing there is evidence of, by name."""
    drawings: dict[str, Callable[[Axes, ModelEvidence], None]] = {
        "observed": _draw_observed,
        "importance": _draw_importance,
        "applicability": _draw_applicability,
    }
    if evidence.curve:
        drawings["curve"] = _draw_curve
    if evidence.points is not None:
        drawings["residual_map"] = _draw_residual_map
    if evidence.variogram is not None:
        drawings["variogram"] = _draw_variogram
    return {name: _png(draw, evidence) for name, draw in drawings.items()}


def _png(draw: Callable[[Axes, ModelEvidence], None], evidence: ModelEvidence) -> bytes:
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=9, colors=_INK)
    draw(axes, evidence)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if evidence.simulated:
        axes.text(
            0.98, 0.03, "SIMULATED", transform=axes.transAxes, ha="right", size=11,
            color="#8a4b00", weight="bold", alpha=0.8,
        )  # fmt: skip
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def _draw_observed(axes: Axes, evidence: ModelEvidence) -> None:
    x, y = evidence.predicted, evidence.observed
    if len(x) >= MANY:
        axes.hexbin(x, y, gridsize=32, bins="log", cmap="Greens", mincnt=1)
    else:
        axes.scatter(x, y, s=14, color=_GREEN, alpha=0.6, linewidths=0)
    low = float(min(x.min(), y.min()))
    high = float(max(x.max(), y.max()))
    axes.plot([low, high], [low, high], color=_INK, linewidth=0.9)
    unit = evidence.axis_unit
    axes.set_xlabel(f"predicted, out of fold{unit}", size=10)
    axes.set_ylabel(f"observed{unit}", size=10)


def _draw_importance(axes: Axes, evidence: ModelEvidence) -> None:
    ranked = sorted(evidence.importance.items(), key=lambda item: item[1])
    names = [name for name, _ in ranked]
    axes.barh(names, [growth for _, growth in ranked], color=_GREEN, height=0.65)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(f"RMSE grows by{evidence.axis_unit}", size=10)


def _draw_applicability(axes: Axes, evidence: ModelEvidence) -> None:
    index, limit = evidence.dissimilarity, evidence.threshold
    axes.hist(index, bins=30, color=_GREY)
    axes.axvline(limit, color=_RED, linewidth=1.4)
    left = limit > float(index.max()) / 2.0
    axes.annotate(
        f"threshold {limit:.3g}", (limit, 0.97), xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, 0), textcoords="offset points",
        ha="right" if left else "left", va="top", color=_RED, size=9,
    )  # fmt: skip
    axes.set_xlabel("dissimilarity to the other folds", size=10)
    axes.set_ylabel("samples", size=10)


def _draw_curve(axes: Axes, evidence: ModelEvidence) -> None:
    counts = [count for count, _ in evidence.curve]
    axes.plot(counts, [rmse for _, rmse in evidence.curve], "o-", color=_GREEN)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    _rise_from_zero(axes)
    axes.set_xlabel("samples learnt from", size=10)
    axes.set_ylabel(f"RMSE, out of fold{evidence.axis_unit}", size=10)


def _rise_from_zero(axes: Axes) -> None:
    """Let heights begin at nought, with room for a whole marker above the highest.

    The room that matplotlib leaves is a share of what the points span, which is next to
    nothing where they are nearly level.
    """
    axes.set_ylim(0.0, axes.dataLim.y1 * 1.08)


def _draw_residual_map(axes: Axes, evidence: ModelEvidence) -> None:
    if evidence.points is None:
        return
    residual = evidence.observed - evidence.predicted
    reach = max(float(np.quantile(np.abs(residual), 0.98)), 1e-9)
    east, north = evidence.points.T / 1000.0
    shown = axes.scatter(
        east, north, c=residual, s=16, cmap="RdBu",
        norm=TwoSlopeNorm(0.0, -reach, reach), edgecolors=_GREY, linewidths=0.3,
    )  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("east [km]", size=10)
    axes.set_ylabel("north [km]", size=10)
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.85, extend="both")
    bar.set_label(f"observed - predicted{evidence.axis_unit}", size=9)
    bar.ax.tick_params(labelsize=8)


def _draw_variogram(axes: Axes, evidence: ModelEvidence) -> None:
    if evidence.variogram is None:
        return
    lag, gamma = evidence.variogram
    axes.plot(lag / 1000.0, gamma, "o", color=_GREEN, markersize=5)
    spread = float((evidence.observed - evidence.predicted).var())
    axes.axhline(spread, color=_GREY, linewidth=1.0, linestyle="--")
    axes.set_xlim(left=0)
    _rise_from_zero(axes)
    axes.set_xlabel("distance [km]", size=10)
    axes.set_ylabel("semivariance of residuals", size=10)

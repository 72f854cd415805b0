"""The picture in a card: observed against predicted, and residuals."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping.validation import score


def draw_validation(
    observed: NDArray[np.float64], predicted: NDArray[np.float64]
) -> bytes:
    """Return a PNG: observed against predicted, and residuals by predicted tenth."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - drawing is for training

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hexbin(predicted, observed, gridsize=40, bins="log", cmap="Greens", mincnt=1)
    most = max(1.0, float(observed.max()), float(predicted.max()))
    left.plot([0, most], [0, most], color="black", linewidth=0.8)
    left.set(
        xlabel="predicted, out of fold",
        ylabel="observed",
        title=f"R² {score(observed, predicted).r2:.3f}, n {len(observed)}",
        xlim=(0, most),
        ylim=(0, most),
        aspect="equal",
    )
    parts = np.array_split(np.argsort(predicted, kind="stable"), 10)
    right.boxplot(
        [observed[part] - predicted[part] for part in parts],
        tick_labels=[f"{predicted[part].mean():.3g}" for part in parts],
        flierprops={"markersize": 2},
    )
    right.axhline(0, color="black", linewidth=0.8)
    right.set(
        xlabel="mean predicted of the tenth",
        ylabel="observed minus predicted",
        title="Residuals by tenth of predicted",
    )
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100, metadata={"Software": None})
    return out.getvalue()

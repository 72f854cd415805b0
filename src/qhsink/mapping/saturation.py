"""Where a relation levels off: the value above which one thing no longer rises.

Works on out-of-fold predictions and knows no regressor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

FLAT = 0.25
"""Share of the rising slope below which a relation counts as level."""
LEAST_ABOVE = 50
"""Samples that a slope is judged on."""
ONE_SIDED = 1.645
"""Normal quantile of a one-sided bound of 95 %."""
PLACES = 40
"""Values tried, of equal count."""


def saturation_point(x: Doubles, y: Doubles) -> float | None:
    """Return the x above which y no longer rises with x; None where it rises on.

    The knee of the line that rises and then is level, fitted by least squares, if
    above it the slope of y on x has an upper 95 % bound below a quarter of the slope
    below it. Where too few samples lie above, nothing is said.

    Parameters
    ----------
    x, y : (n,) float
        Such as observed and predicted values.

    Notes
    -----
    A linear-plateau model (Anderson and Nelson 1975, Biometrics 31:303) with a test
    of the plateau that is this project's own. The bound takes samples as
    independent; where they are clustered it is too narrow, and a knee is passed over
    rather than claimed.
    """
    best: tuple[float, float] | None = None
    for knee in np.unique(np.quantile(x, np.linspace(0.05, 0.99, PLACES))):
        bent = np.minimum(x, knee)
        if np.ptp(bent) > 0:
            rest = _fit(bent, y).unexplained
            if best is None or rest < best[1]:
                best = float(knee), rest
    if best is None:
        return None
    above = x >= best[0]
    if above.sum() < LEAST_ABOVE or np.ptp(x[above]) == 0:
        return None
    top = _fit(x[above], y[above])
    rising = _fit(np.minimum(x, best[0]), y).slope
    level = top.slope + ONE_SIDED * top.error < FLAT * rising
    return best[0] if level else None


class _Line(NamedTuple):
    slope: float
    error: float
    """Standard error of the slope."""
    unexplained: float
    """Sum of squared residuals."""


def _fit(x: Doubles, y: Doubles) -> _Line:
    """Return the least-squares line of y on x."""
    dx, dy = x - x.mean(), y - y.mean()
    square = float(dx @ dx)
    slope = float(dx @ dy) / square
    rest = dy - slope * dx
    left = float(rest @ rest)
    return _Line(slope, float(np.sqrt(left / (len(x) - 2) / square)), left)

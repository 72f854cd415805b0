"""Field plots on slopes: the horizontal area that a plot stands for."""

from __future__ import annotations

import math


def horizontal_plot_area(radius_m: float, slope_deg: float) -> tuple[float, float]:
    """Return the shortened radius [m] and the horizontal area [ha] of a slope plot.

    A circle laid out along a slope is an ellipse on the map: L = L_s cos(slope),
    area = pi L_s L (BioCarbon Fund Sourcebook, p. 24).
    """
    shortened = radius_m * math.cos(math.radians(slope_deg))
    return shortened, math.pi * radius_m * shortened / 1e4

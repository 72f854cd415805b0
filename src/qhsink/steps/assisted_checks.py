"""When plots and a map give no assisted estimate: outside, too few, one-sided.

The estimate itself is ``steps.assisted``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qhsink.config import Settings
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import Refusal, TableError
from qhsink.domain.region import Region
from qhsink.estimation.assisted import AssistedMean
from qhsink.estimation.field_plots import FieldPlots, spell_units
from qhsink.estimation.reliability import extrapolates

AssistedMethod = Literal["difference", "regression"]

LEAST: Mapping[AssistedMethod, int] = {"difference": 5, "regression": 10}
"""Plots on mapped land below which no estimate is given: this project's choice. An
interval from fewer says nothing, and GREG residuals of so few are too small."""


def refuse_outside(plots: FieldPlots, inside: Mapping[str, NDArray[np.bool_]]) -> None:
    """Raise TableError where a plot lies in none of the regions asked for."""
    anywhere = np.logical_or.reduce(list(inside.values()))
    if not anywhere.all():
        out = [plots.unit[at] for at in np.flatnonzero(~anywhere)]
        raise TableError(
            f"{len(out)} of {len(plots.unit)} plots outside {', '.join(inside)} "
            f"({spell_units(out)})",
            expected="plots inside the regions asked for, coordinates in WGS84",
            remedy="Ask for all regions of the design, or check the coordinates: "
            "Chinese map apps show GCJ-02, and lon and lat are easily swapped.",
        )


def refuse_few(method: AssistedMethod, region: Region, *, used: int, lost: int) -> None:
    """Raise Refusal where fewer than ``LEAST`` plots have a value of the map."""
    least = LEAST[method]
    if used < least:
        raise Refusal(
            f"{used} plots on mapped land of {region.id} ({lost} without a map value)",
            expected=f"at least {least} for {method}",
            remedy="Sample more; qhsink sample design says how many.",
        )


def refuse_extrapolation(
    assisted: AssistedMean, region: Region, settings: Settings
) -> None:
    """Raise Refusal where the slope of a regression hangs on a few plots."""
    rules = load_interval_rules(settings.project)
    if assisted.g_range is not None and extrapolates(assisted.g_range, rules):
        low, high = assisted.g_range
        raise Refusal(
            f"regression weights of {low:.2g} to {high:.2g} times the design's in "
            f"{region.id}",
            expected=f"above 0 and up to {rules.largest_g:g}: the slope hangs on a few "
            "plots, as where the map saturates",
            remedy="Use --method difference, or sample more.",
        )

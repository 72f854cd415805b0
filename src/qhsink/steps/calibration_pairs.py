"""Plots beside a finished run's map, with the errors of both: what a line is fitted to.

Composes: plots are checked in ``qhsink.estimation``, the map is read by ``finished``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from qhsink.config import Settings, load_model_targets
from qhsink.domain.errors import TableError
from qhsink.domain.estimate import Provenance
from qhsink.domain.period import Period
from qhsink.estimation.field_plots import PLOTS, spell_units
from qhsink.estimation.ledger import mean_and_model_se, sum_region
from qhsink.estimation.training_plots import (
    Defaults,
    TrainingPlots,
    read_training_plots,
)
from qhsink.mapping.calibration_lines import Pairs
from qhsink.steps.finished import FinishedRun, map_values, to_grid
from qhsink.steps.plan import MAP_INDICATORS
from qhsink.steps.plot_files import read_plots

Floats = NDArray[np.float64]

TARGET = "fvc"
"""The target whose map is calibrated."""
SPREAD_BAND = 2
"""Band of a map that holds the standard deviation over members."""


@dataclass(frozen=True, slots=True)
class PlotRequest:
    """Which plots are set beside which map."""

    run: Path
    """Folder of a finished run."""
    plots: Path
    """Plot table."""
    indicator: str = "fvc_peak"
    """Mean of a map, which says the map's period."""
    value: str = TARGET
    """Column of the measured value."""
    plot_m: float | None = None
    """Size of every plot [m], where the table does not say."""
    position_sd_m: float | None = None
    """Error of recorded places along each axis [m], where the table does not say."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationPlots:
    """Pairs, and what became of the plots."""

    pairs: Pairs
    """Plots with a map value."""
    without_map_value: tuple[str, ...]
    """Ids of the others: on water, or where too little was seen."""
    provenance: Provenance
    """What the plot table says."""


def pair_plots(
    request: PlotRequest, run: FinishedRun, settings: Settings
) -> CalibrationPlots:
    """Return the plots of a request beside the run's map.

    Raises
    ------
    BadInput
        When the table cannot be used, lacks an error, a type or a county, or its
        plots are of another period than the map.
    """
    frame = read_plots(request.plots)
    target = load_model_targets(settings.project).get(TARGET)
    plots = read_training_plots(
        frame,
        target=target,
        value=request.value,
        defaults=Defaults(request.plot_m, "square", request.position_sd_m),
        least=2,
    )
    period = run.period(MAP_INDICATORS[request.indicator])
    plot_se, position, types, counties = _required(plots)
    _refuse_other_period(plots, period)
    x, y = to_grid(run, plots.plots.lon, plots.plots.lat)
    found = _by_size(run, period, x, y, plots)
    spread = _spread(run, period, x, y)
    used = ~(np.isnan(found) | np.isnan(spread))
    shift = _slope_of_map(run, period, x, y)[used] * position[used]
    map_se = np.sqrt(_differing(run, period, spread[used]) ** 2 + shift**2)
    return CalibrationPlots(
        pairs=Pairs(
            map_value=found[used],
            map_se=map_se,
            plot_value=plots.plots.y[used],
            plot_se=plot_se[used],
            type=types[used],
            county=counties[used],
        ),
        without_map_value=tuple(
            plots.plots.unit[at] for at in np.flatnonzero(~used).tolist()
        ),
        provenance=plots.provenance,
    )


def _required(
    plots: TrainingPlots,
) -> tuple[Floats, Floats, NDArray[np.str_], NDArray[np.str_]]:
    """Return standard errors, errors of place, types and counties."""
    found = {
        "se": plots.se,
        "position_sd_m": plots.position_sd_m,
        "stratum": plots.plots.stratum,
        "region": plots.region,
    }
    absent = [name for name, column in found.items() if column is None]
    if (
        plots.se is None
        or plots.position_sd_m is None
        or plots.plots.stratum is None
        or plots.region is None
    ):
        raise TableError(
            f"{PLOTS} has no column {', '.join(map(repr, absent))}",
            expected="the standard error of each value (standard deviation of its "
            "quadrats over the root of their number), the error of its place, its "
            "grassland type (stratum) and its county (region)",
            remedy="Add the columns, or give --position-error where all are alike; an "
            "unknown error is not zero.",
        )
    return plots.se, plots.position_sd_m, plots.plots.stratum, plots.region


def _refuse_other_period(plots: TrainingPlots, period: Period) -> None:
    late = [
        f"{name} on {day}"
        for name, day in zip(plots.plots.unit, plots.dates, strict=True)
        if not period.start <= day <= period.end
    ]
    if late:
        raise TableError(
            f"{len(late)} of {len(plots.dates)} plots measured outside {period.label} "
            f"({spell_units(late)})",
            expected="plots of the map's period",
            remedy="Leave them out, or name the run or indicator of their period.",
        )


def _by_size(
    run: FinishedRun, period: Period, x: Floats, y: Floats, plots: TrainingPlots
) -> Floats:
    """Return the map's mean over each plot, by its own size."""
    found = np.full(len(x), np.nan)
    for size in np.unique(plots.size_m).tolist():
        here = plots.size_m == size
        found[here] = map_values(run, period, x[here], y[here], plot_m=size).value
    return found


def _spread(run: FinishedRun, period: Period, x: Floats, y: Floats) -> Floats:
    """Return the spread over members at each plot's centre; NaN where there is none."""
    found = np.full(len(x), np.nan)
    start = f"maps/{period.label}/{TARGET}_"
    for name in sorted(name for name in run.digests if name.startswith(start)):
        with rasterio.open(run.file(name)) as file:
            edges = file.bounds
            inside = (x >= edges.left) & (x < edges.right)
            inside &= (y > edges.bottom) & (y <= edges.top)
            if not inside.any():
                continue
            stored = file.read(SPREAD_BAND)
            row, col = rasterio.transform.rowcol(file.transform, x[inside], y[inside])
            picked = stored[np.asarray(row, int), np.asarray(col, int)]
            values = picked * float(file.scales[SPREAD_BAND - 1])
            found[inside] = np.where(picked == file.nodata, np.nan, values)
    return found


def _differing(run: FinishedRun, period: Period, spread: Floats) -> Floats:
    """Return the part of the members' spread that differs from place to place.

    What all places share moves a line and does not tilt it: its variance, that of the
    members' mean over all land of the run, is taken off.
    """
    rows = pd.read_parquet(run.file("ledger.parquet"))
    of = rows["target"] if "target" in rows else pd.Series(TARGET, index=rows.index)
    chosen = rows[(rows["period"] == period.label) & (of == TARGET)]
    shared = mean_and_model_se(sum_region(chosen, chosen["leaf_id"].unique()))[1]
    return np.asarray(np.sqrt(np.maximum(np.square(spread) - shared**2, 0.0)))


def _slope_of_map(run: FinishedRun, period: Period, x: Floats, y: Floats) -> Floats:
    """Return how steep the map is at each place [per m], from pixels on either side.

    Where one of them has no value, the root mean square of the others.
    """
    step = run.config.grid.pixel_size_m
    square = np.zeros(len(x))
    for dx, dy in ((step, 0.0), (0.0, step)):
        ahead = map_values(run, period, x + dx, y + dy, plot_m=None).value
        behind = map_values(run, period, x - dx, y - dy, plot_m=None).value
        square += np.square((ahead - behind) / (2.0 * step))
    known = square[~np.isnan(square)]
    usual = float(known.mean()) if known.size else 0.0
    return np.asarray(np.sqrt(np.where(np.isnan(square), usual, square)))

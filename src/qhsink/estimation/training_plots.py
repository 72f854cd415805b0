"""Plots to train a regressor on: a checked table with dates, sizes and errors.

Columns shared with plots for estimates are read by ``field_plots``. Where a plot lies
in the imagery, and what is learnt from it, does not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.domain.estimate import Provenance
from qhsink.domain.model_target import ModelTarget
from qhsink.domain.reference import MEASURED, REFERENCES, Reference
from qhsink.estimation.field_plots import (
    PLOTS,
    FieldPlots,
    read_field_plots,
    spell_units,
)
from qhsink.estimation.schema import labels, numbers

Floats = NDArray[np.float64]
Shape = Literal["square", "circle"]

DATE, ERROR, SIZE, SHAPE, POSITION = "date", "se", "plot_m", "shape", "position_sd_m"
SITE, REGION, PROVENANCE = "site", "region", "provenance"
"""Columns of the table, beside those of ``field_plots``."""
REFERENCE = "reference"
"""Column that says what the values are."""

LEAST = 30
"""Plots below which nothing is trained: five folds of fewer say nothing (a choice of
this project)."""

_DAY = re.compile(r"((?:19|20)\d\d)[-/](\d{1,2})[-/](\d{1,2})(?:$|[ T])")
_PLACES = ("lon", "lat", "x", "y", "x_m", "y_m", SIZE, POSITION)
"""Numeric columns that are no measurement of vegetation."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every plot where the table has no such column."""

    size_m: float | None = None
    """Edge of a square plot or diameter of a round one [m]; None: not known."""
    shape: Shape = "square"
    """Shape of the plots."""
    position_sd_m: float | None = None
    """Standard deviation of a recorded place along each axis [m]; None: not known."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPlots:
    """Plots with all that training asks for, one row each."""

    plots: FieldPlots
    """Ids, places, values, strata, design weights."""
    dates: tuple[date, ...]
    """Day of each measurement."""
    se: Floats | None
    """Standard error of each value, in its unit; None where not stated."""
    size_m: Floats
    """Edge of a square plot or diameter of a round one [m], shape (n,)."""
    is_round: NDArray[np.bool_]
    """Whether a plot is a circle, shape (n,)."""
    position_sd_m: Floats | None
    """Standard deviation of the recorded place along each axis [m]; None: unknown."""
    site: NDArray[np.str_] | None
    """Plots that stay together in one fold, such as visits of one site."""
    region: NDArray[np.str_] | None
    """Region, such as a county, that may be held out whole."""
    provenance: Provenance
    """``simulated`` when a row says so."""
    reference: Reference = MEASURED
    """What the values are."""

    @property
    def years(self) -> NDArray[np.int64]:
        """Year of each measurement, shape (n,)."""
        return np.asarray([day.year for day in self.dates], np.int64)


def read_training_plots(
    frame: pd.DataFrame,
    *,
    target: ModelTarget,
    value: str,
    defaults: Defaults,
    least: int = LEAST,
) -> TrainingPlots:
    """Return the checked plots of a table whose cells are text.

    Parameters
    ----------
    frame : DataFrame
        Columns ``lon``, ``lat``, ``date`` and ``value``; used where present: ``id``,
        ``se``, ``plot_m``, ``shape``, ``position_sd_m``, ``stratum``,
        ``inclusion_prob`` or ``weight``, ``site``, ``region``, ``unit``,
        ``provenance``, ``reference``.
    target : ModelTarget
        Unit, range and season that the values must keep to.
    value : str
        Column of the measured value.
    defaults : Defaults
        Size, shape and error of place where the table has no such column.
    least : int
        Plots that there must be.

    Raises
    ------
    TableError
        When a column is absent, a cell is odd, a plot comes twice on a date, a value
        is of another unit or out of range, a date out of season, or there are too
        few plots.
    """
    plots = read_field_plots(
        frame,
        value=value,
        unit=target.unit,
        bounds=(target.low, target.high),
        visit=DATE,
    )
    if len(plots.y) < least or np.ptp(plots.y) == 0:
        raise TableError(
            f"{len(plots.y)} plots, values from {plots.y.min():g} to {plots.y.max():g}",
            expected=f"at least {least} plots, of different values",
            remedy="Measure more, or join campaigns of one method.",
        )
    _refuse_percent(plots, target)
    days = _dates(frame, plots.unit)
    _refuse_season(plots.unit, days, target)
    return TrainingPlots(
        plots=plots,
        dates=days,
        se=numbers(frame, ERROR, table=PLOTS, minimum=0.0) if ERROR in frame else None,
        size_m=_sizes(frame, defaults),
        is_round=_shapes(frame, defaults),
        position_sd_m=_position_errors(frame, defaults),
        site=labels(frame, SITE, table=PLOTS) if SITE in frame else None,
        region=labels(frame, REGION, table=PLOTS) if REGION in frame else None,
        provenance=_provenance(frame),
        reference=_reference(frame),
    )


def measured_columns(frame: pd.DataFrame) -> dict[str, Floats]:
    """Return the columns that hold numbers, by name; NaN where a cell holds none.

    Places, sizes and ids are no measurements and are left out, as are standard errors,
    which may well be stated in per cent of the value, and a column less than half
    filled.
    """
    found = {}
    for name in frame.columns:
        if name in (*_PLACES, "id", DATE, ERROR):
            continue
        values = pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
        if np.isfinite(values).mean() >= 0.5:
            found[str(name)] = values
    return found


def refuse_outside(plots: FieldPlots, inside: NDArray[np.bool_], *, where: str) -> None:
    """Refuse plots that do not lie in the area the project speaks of.

    Parameters
    ----------
    inside : (n,) bool
        Which plots lie in it.
    where : str
        Its name.

    Raises
    ------
    TableError
        When one lies outside.
    """
    if not inside.all():
        out = np.flatnonzero(~inside)
        first = out[0]
        raise TableError(
            f"{out.size} of {len(plots.unit)} plots outside {where} "
            f"({spell_units([plots.unit[at] for at in out])}; the first at "
            f"{plots.lon[first]:g}, {plots.lat[first]:g})",
            expected=f"plots inside {where}, longitude and latitude in WGS84",
            remedy="Check the coordinates: lon and lat are easily swapped, and degrees "
            "are decimal.",
        )


def _refuse_percent(plots: FieldPlots, target: ModelTarget) -> None:
    """Refuse values that fill a hundredth of a range: the reverse of per cent."""
    if target.unit != "1" and float(plots.y.max()) <= 1.0 and target.high >= 100.0:
        raise TableError(
            f"{PLOTS}: no value above {plots.y.max():g}",
            expected=f"values in {target.unit}, up to {target.high:g}",
            remedy="Check the unit: these look like shares, or like values in a "
            "larger unit.",
        )


def _dates(frame: pd.DataFrame, names: Sequence[str]) -> tuple[date, ...]:
    days = []
    for name, text in zip(names, labels(frame, DATE, table=PLOTS), strict=True):
        day = _day(str(text))
        if day is None:
            raise TableError(
                f"{PLOTS}, column {DATE!r}: {str(text)!r} at {name}",
                expected="the day of the measurement as YYYY-MM-DD",
                remedy="Write it in full: a year alone does not say which season.",
            )
        days.append(day)
    return tuple(days)


def _day(text: str) -> date | None:
    """Return the day, also as spreadsheets write it: 2025/8/1, or with a time."""
    found = _DAY.match(text)
    try:
        return date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        return None


def _refuse_season(
    names: Sequence[str], days: Sequence[date], target: ModelTarget
) -> None:
    late = [
        f"{name} on {day}"
        for name, day in zip(names, days, strict=True)
        if not target.in_season(f"{day:%m-%d}")
    ]
    if late:
        raise TableError(
            f"{len(late)} of {len(days)} plots measured out of season "
            f"({spell_units(late)})",
            expected=f"dates from {target.season_start} to {target.season_end}, the "
            f"season of {target.id} (config/model_targets.toml)",
            remedy="Leave them out: the images of the season do not show what was "
            "measured then.",
        )


def _sizes(frame: pd.DataFrame, defaults: Defaults) -> Floats:
    if SIZE in frame:
        sizes = numbers(frame, SIZE, table=PLOTS)
    elif defaults.size_m is not None:
        sizes = np.full(len(frame), defaults.size_m)
    else:
        raise TableError(
            f"{PLOTS} has no column {SIZE!r}",
            expected="the edge of a square plot or the diameter of a round one [m]",
            remedy="Add the column, or give --plot-size where all plots are alike.",
        )
    if not ((sizes > 0) & (sizes <= 5_000)).all():
        raise TableError(
            f"{PLOTS}: plots of {sizes.min():g} to {sizes.max():g} m",
            expected="an edge or a diameter above 0 and up to 5000 m",
            remedy="Give it in metres; for an area take its square root.",
        )
    return sizes


def _shapes(frame: pd.DataFrame, defaults: Defaults) -> NDArray[np.bool_]:
    if SHAPE not in frame:
        return np.full(len(frame), defaults.shape == "circle")
    names = labels(frame, SHAPE, table=PLOTS)
    odd = sorted(set(names.tolist()) - {"square", "circle"})
    if odd:
        raise TableError(
            f"{PLOTS}, column {SHAPE!r}: {', '.join(map(repr, odd))}",
            expected="square or circle",
            remedy="Take the one that is nearer, with the same area.",
        )
    return np.asarray(names == "circle")


def _position_errors(frame: pd.DataFrame, defaults: Defaults) -> Floats | None:
    if POSITION in frame:
        return numbers(frame, POSITION, table=PLOTS, minimum=0.0)
    if defaults.position_sd_m is None:
        return None
    return np.full(len(frame), defaults.position_sd_m)


def _provenance(frame: pd.DataFrame) -> Provenance:
    if PROVENANCE not in frame:
        return "observed"
    names = set(labels(frame, PROVENANCE, table=PLOTS).tolist())
    odd = sorted(names - {"observed", "simulated"})
    if odd:
        raise TableError(
            f"{PLOTS}, column {PROVENANCE!r}: {', '.join(map(repr, odd))}",
            expected="observed or simulated",
            remedy="Say which of the two it is.",
        )
    return "simulated" if "simulated" in names else "observed"


def _reference(frame: pd.DataFrame) -> Reference:
    if REFERENCE not in frame:
        return MEASURED
    names = set(labels(frame, REFERENCE, table=PLOTS).tolist())
    for known in REFERENCES:
        if names == {known}:
            return known
    raise TableError(
        f"{PLOTS}, column {REFERENCE!r}: {', '.join(map(repr, sorted(names)))}",
        expected=f"{' or '.join(REFERENCES)}, one for all rows",
        remedy="Train on each kind by itself: measured trees and predictions from "
        "waveforms do not err alike, and a card speaks of one kind.",
    )

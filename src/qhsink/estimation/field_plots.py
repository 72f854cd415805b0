"""Reference plots with places: checked columns, and the design they came from.

Joining plots to a map belongs to ``qhsink.steps.assisted``; what came back against
what was sent out is ``returned``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.schema import labels, match_strata, numbers, require_columns
from qhsink.estimation.survey import Floats, StratifiedClusters, stratified_sample

PLOTS = "the plot table"

PROBABILITY, WEIGHT, STRATUM = "inclusion_prob", "weight", "stratum"
"""Columns that ``sample design`` writes and that are used where present."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FieldPlots:
    """Reference plots, one row each."""

    unit: tuple[str, ...]
    """Ids; ``line N`` where the table has none."""
    lon: Floats
    """Longitude, WGS84 [deg], shape (n,)."""
    lat: Floats
    """Latitude, WGS84 [deg], shape (n,)."""
    y: Floats
    """Reference value, shape (n,)."""
    stratum: NDArray[np.str_] | None
    """Design stratum, shape (n,); None where the table has no such column."""
    weight: Floats | None
    """Design weight, shape (n,); None where the table states none."""


def read_field_plots(
    frame: pd.DataFrame,
    *,
    value: str,
    unit: str,
    bounds: tuple[float, float] | None,
    visit: str | None = None,
) -> FieldPlots:
    """Return the checked plots of a table whose cells are text.

    Parameters
    ----------
    frame : DataFrame
        Columns ``lon``, ``lat`` and ``value``; used where present: ``id``,
        ``stratum``, ``inclusion_prob`` or ``weight``, ``unit``.
    value : str
        Column of the reference value.
    unit : str
        Unit that the value must have; ``1`` for a proportion.
    bounds : tuple of float, optional
        Range of the value.
    visit : str, optional
        Column of the date of a visit: a plot may then come once on each date.

    Raises
    ------
    TableError
        When a column is absent, a cell is odd, a plot comes twice, or values are
        of another unit.
    """
    dated = () if visit is None else (visit,)
    require_columns(frame, ("lon", "lat", *dated, value), table=PLOTS)
    names = (
        labels(frame, "id", table=PLOTS).tolist()
        if "id" in frame.columns
        else [f"line {int(row) + 2}" for row in frame.index]
    )
    lon, lat = (numbers(frame, column, table=PLOTS) for column in ("lon", "lat"))
    when = None if visit is None else labels(frame, visit, table=PLOTS).tolist()
    _refuse_repeats(names, lon, lat, when)
    y = numbers(frame, value, table=PLOTS)
    _refuse_unit(frame, unit)
    _refuse_range(names, y, column=value, unit=unit, bounds=bounds)
    return FieldPlots(
        unit=tuple(names),
        lon=lon,
        lat=lat,
        y=y,
        stratum=labels(frame, STRATUM, table=PLOTS) if STRATUM in frame else None,
        weight=_weights(frame),
    )


def plot_design(
    plots: FieldPlots, sizes: Mapping[str, float] | None
) -> StratifiedClusters:
    """Return the design of ``plots``.

    Weights are those of the table; else stratum size over sample size; else equal,
    which is right for a simple random or systematic sample only.

    Parameters
    ----------
    sizes : mapping, optional
        Units in the frame by stratum.

    Raises
    ------
    TableError
        When a stratum has fewer than 2 plots, or strata have neither sizes nor
        weights.
    """
    count = len(plots.y)
    if plots.stratum is None:
        if sizes is not None:
            raise TableError(
                f"--strata without a column {STRATUM!r} in {PLOTS}",
                expected="the design stratum of every plot",
                remedy="Add the column, or leave out --strata.",
            )
        weight = np.ones(count) if plots.weight is None else plots.weight
        return stratified_sample(count, weight=weight)
    if sizes is not None:
        codes = match_strata(plots.stratum, sizes)
        units = np.asarray(list(sizes.values()))
        return stratified_sample(count, stratum=codes, sizes=units, weight=plots.weight)
    names, found = np.unique(plots.stratum, return_inverse=True)
    if len(names) > 1 and plots.weight is None:
        raise TableError(
            f"{len(names)} strata without sizes or weights",
            expected=f"--strata FILE, or a column {PROBABILITY!r} or {WEIGHT!r}",
            remedy="Give the units of each stratum: strata are rarely sampled alike.",
        )
    weight = np.ones(count) if plots.weight is None else plots.weight
    return stratified_sample(count, stratum=found.astype(np.intp), weight=weight)


def spell_units(units: Sequence[str]) -> str:
    """Return some ids for a message: the first few, and how many more."""
    shown = ", ".join(units[:_SHOWN])
    rest = len(units) - _SHOWN
    return shown + (f" and {rest} more" if rest > 0 else "")


def _refuse_repeats(
    names: Sequence[str], lon: Floats, lat: Floats, when: Sequence[str] | None
) -> None:
    places = [f"{x:.7f} {y:.7f}" for x, y in zip(lon, lat, strict=True)]
    for keys, what in ((names, "id"), (places, "place")):
        visits = keys if when is None else list(zip(keys, when, strict=True))
        again = pd.Series(visits).duplicated().tolist()
        twice = [name for name, repeat in zip(names, again, strict=True) if repeat]
        if twice:
            same = f"the {what}" + ("" if when is None else " and the date")
            raise TableError(
                f"{len(twice)} plots with {same} of another ({spell_units(twice)})",
                expected="every plot once" + ("" if when is None else " on a date"),
                remedy="Keep one row for each"
                + ("; a second visit is no second plot." if when is None else "."),
            )


def _refuse_unit(frame: pd.DataFrame, unit: str) -> None:
    if "unit" not in frame.columns:
        return
    other = sorted(set(labels(frame, "unit", table=PLOTS).tolist()) - {unit})
    if other:
        raise TableError(
            f"{PLOTS} in unit {', '.join(map(repr, other))}",
            expected=f"unit {unit!r}, that of the map",
            remedy="Convert the values first.",
        )


def _refuse_range(
    names: Sequence[str],
    y: Floats,
    *,
    column: str,
    unit: str,
    bounds: tuple[float, float] | None,
) -> None:
    if bounds is None:
        return
    low, high = bounds
    bad = np.flatnonzero((y < low) | (y > high))
    if bad.size:
        per_cent = unit == "1" and float(y.max()) > 1.0
        raise TableError(
            f"{PLOTS}, column {column!r}: {y[bad[0]]:g} at {names[bad[0]]}, "
            f"{bad.size} of {len(y)} plots outside the range",
            expected=f"values from {low:g} to {high:g}",
            remedy="Divide percentages by 100."
            if per_cent
            else "Correct the values; a code for missing is no value.",
        )


def _weights(frame: pd.DataFrame) -> Floats | None:
    if PROBABILITY in frame.columns:
        share = numbers(frame, PROBABILITY, table=PLOTS)
        _refuse_weights(share, PROBABILITY, high=1.0)
        return np.asarray(1.0 / share)
    if WEIGHT in frame.columns:
        weight = numbers(frame, WEIGHT, table=PLOTS)
        _refuse_weights(weight, WEIGHT, high=np.inf)
        return weight
    return None


def _refuse_weights(values: Floats, column: str, *, high: float) -> None:
    bad = (values <= 0.0) | (values > high)
    if bad.any():
        raise TableError(
            f"{PLOTS}, column {column!r}: {values[bad][0]:g}",
            expected="a probability in (0, 1]" if high == 1.0 else "a positive weight",
            remedy="Take it from the design: a plot drawn had a chance of being drawn.",
        )

"""Tables of plots and official areas by county and grassland type, checked.

What is estimated from them is ``steps.cover``'s and ``steps.forage``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from qhsink.domain.errors import TableError
from qhsink.domain.indicator import Indicator
from qhsink.domain.period import Period
from qhsink.estimation.schema import labels, numbers, require_columns
from qhsink.estimation.strata_means import PartMean
from qhsink.indicators.definitions import admit

KEYS = ("county", "type")
"""Columns that name a part."""
COVER, AREA, DATE = "cover", "area_ha", "date"
PLOTS, AREAS = "the plot table", "the area table"


def check_plots(plots: pd.DataFrame, indicator: Indicator, *, year: int) -> None:
    """Check the plots of ``indicator`` row by row.

    Raises
    ------
    TableError
        When a column lacks, or a cover, unit or date is wrong.
    Refusal
        When a plot was seen outside the indicator's window.
    """
    require_columns(plots, (*KEYS, COVER), table=PLOTS)
    cover = numbers(plots, COVER, table=PLOTS)
    if "unit" in plots.columns:
        others = set(labels(plots, "unit", table=PLOTS).tolist()) - {indicator.unit}
        if others:
            raise TableError(
                f"{PLOTS} in unit {', '.join(map(repr, sorted(others)))}",
                expected=f"unit {indicator.unit!r}: a proportion",
                remedy="Divide percentages by 100.",
            )
    bad = np.flatnonzero((cover < 0.0) | (cover > 1.0))
    if bad.size:
        raise TableError(
            f"{PLOTS}, line {bad[0] + 2}: cover {cover[bad[0]]:g} ({bad.size} such)",
            expected="proportions from 0 to 1",
            remedy="Divide percentages by 100.",
        )
    days = _days(plots) if DATE in plots.columns else ()
    for day in days:
        if day.year != year:
            raise TableError(
                f"{PLOTS}: a plot of {day} for {year}",
                expected="plots of one year",
                remedy="Correct --year, or split the table.",
            )
    for month in sorted({day.month for day in days}):
        span = Period(
            date(year, month, 1),
            date(year, month, 1),
            f"{year}-{month:02d}",
        )
        admit(indicator, period=span, available=indicator.inputs)


def _days(plots: pd.DataFrame) -> tuple[date, ...]:
    found = []
    for line, text in enumerate(labels(plots, DATE, table=PLOTS).tolist(), start=2):
        try:
            found.append(date.fromisoformat(text))
        except ValueError as error:
            raise TableError(
                f"{PLOTS}, line {line}: date {text!r}",
                expected="a day as YYYY-MM-DD",
                remedy="Correct the date.",
            ) from error
    return tuple(found)


def official_areas(areas: pd.DataFrame) -> dict[tuple[str, ...], float]:
    """Return the area [ha] of every county and type, in the order of the table.

    Raises
    ------
    TableError
        When a part comes twice or an area is not positive.
    """
    require_columns(areas, (*KEYS, AREA), table=AREAS)
    size = numbers(areas, AREA, table=AREAS)
    names = zip(*(labels(areas, k, table=AREAS).tolist() for k in KEYS), strict=True)
    found: dict[tuple[str, ...], float] = {}
    for keys, area in zip(names, size.tolist(), strict=True):
        if keys in found or area <= 0.0:
            raise TableError(
                f"{AREAS}: {' / '.join(keys)} {'twice' if keys in found else area}",
                expected="every part once, with a positive area in hectares",
                remedy="Merge or remove the row.",
            )
        found[keys] = area
    return found


def same_parts(
    parts: Mapping[tuple[str, ...], PartMean], known: Mapping[tuple[str, ...], float]
) -> None:
    """Raise TableError where plots and areas name different counties or types."""
    for table, lacks, remedy in (
        (
            "an area and no plots",
            [k for k in known if k not in parts],
            "Unknown is not zero: bring plots, or merge similar types in both tables.",
        ),
        (
            "plots and no area",
            [k for k in parts if k not in known],
            "Add the official area, or correct the name.",
        ),
    ):
        if lacks:
            raise TableError(
                f"{', '.join(' / '.join(k) for k in lacks)} with {table}",
                expected="the same counties and types in both tables",
                remedy=remedy,
            )

"""Clipped plots and grassland areas to forage yield, carrying capacity, stocking.

Composes: means of parts are ``estimation``'s, the arithmetic of forage and sheep
units ``qhsink.indicators``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from qhsink.config import Settings, load_indicators
from qhsink.domain.errors import TableError
from qhsink.domain.indicator import Measure
from qhsink.domain.period import parse_month
from qhsink.domain.quantity import unit_named
from qhsink.estimation.schema import labels, numbers, require_columns
from qhsink.estimation.strata_means import PartMean, combined_df, part_means
from qhsink.indicators.definitions import admit
from qhsink.indicators.grassland import (
    Stocking,
    carrying_capacity,
    forage_yield,
    overstocking,
)
from qhsink.steps.cover_tables import KEYS, PLOTS, official_areas, same_parts

HERDS = "the stocking table"
DENSITY = "t d.m. ha-1"
WHOLE = "合计"
"""Name of the row of all counties together."""


@dataclass(frozen=True, slots=True)
class GrazingRates:
    """What turns forage into sheep units; common to all counties."""

    utilisation: Measure
    """Proper utilisation rate, 0..1."""
    edible: Measure
    """Edible share of the dry matter, 0..1."""
    daily_intake_kg: Measure
    """Dry matter per sheep unit and day [kg]."""
    days: float
    """Days of grazing in the year."""


@dataclass(frozen=True, slots=True)
class ForageRequest:
    """What ``indicators forage`` is asked."""

    month: str
    """Month of the plots, ``YYYY-MM``."""
    confidence: float = 0.9
    """Level of intervals."""
    rates: GrazingRates | None = None
    """Without them no carrying capacity is given."""


@dataclass(frozen=True, slots=True)
class CountyForage:
    """Forage of one county, or of all."""

    county: str
    """As written in the tables, or ``合计``."""
    n: int
    """Clipped plots."""
    area_ha: float
    """Grassland [ha]."""
    forage_t: Measure
    """Dry matter [t]."""
    df: float
    """Degrees of freedom of the forage's standard error."""
    capacity: Measure | None
    """Carrying capacity [sheep unit]; None without rates."""
    herd: Measure | None
    """Actual stocking [sheep unit]; None where not given."""
    stocking: Stocking | None
    """Actual over proper stocking, less one; None where either lacks."""


@dataclass(frozen=True, slots=True)
class ForageResult:
    """Rows by county, and of all together."""

    counties: tuple[CountyForage, ...]
    """In the order of the area table."""
    whole: CountyForage
    """Of all counties: the rates are one and the same, so their error is shared."""


def forage_from(
    plots: pd.DataFrame,
    areas: pd.DataFrame,
    herds: pd.DataFrame | None,
    request: ForageRequest,
    settings: Settings,
) -> ForageResult:
    """Return forage, and with rates carrying capacity, by county and in all.

    Parameters
    ----------
    plots : DataFrame
        Text cells: ``county,type,yield,unit``; the unit names dry matter, such as
        ``kg d.m. ha-1``. A simple random sample within a part.
    areas : DataFrame
        ``county,type,area_ha``, official areas.
    herds : DataFrame, optional
        ``county,sheep_units[,se]``, actual stocking.

    Raises
    ------
    TableError
        When a table breaks its schema, or parts differ between tables.
    Refusal
        Outside the window; or stocking without rates to compare it with.
    """
    known = load_indicators(settings.project)
    period = parse_month(request.month)
    have = {"yield_plots", "grassland_area"}
    admit(known["forage_yield"], period=period, available=have)
    if request.rates is not None:
        have |= {"utilisation_rate", "daily_intake"}
    if request.rates is not None or herds is not None:
        admit(known["carrying_capacity"], period=period, available=have)
    stock = {} if herds is None else _herds(herds)
    parts = {part.keys: part for part in _yields(plots)}
    sizes = official_areas(areas)
    same_parts(parts, sizes)
    grouped: dict[str, list[tuple[PartMean, float]]] = {}
    for keys, area in sizes.items():
        grouped.setdefault(keys[0], []).append((parts[keys], area))
    _require_known(stock, grouped)
    rows = tuple(
        _row(name, part, stock.get(name), request.rates)
        for name, part in grouped.items()
    )
    every = [pair for group in grouped.values() for pair in group]
    herd = _sum_herds(stock) if set(stock) == set(grouped) else None
    return ForageResult(rows, _row(WHOLE, every, herd, request.rates))


def _yields(plots: pd.DataFrame) -> tuple[PartMean, ...]:
    """Return mean dry matter by part [t ha-1]."""
    require_columns(plots, (*KEYS, "yield", "unit"), table=PLOTS)
    units = sorted(set(labels(plots, "unit", table=PLOTS).tolist()))
    if len(units) > 1:
        raise TableError(
            f"{PLOTS} in units {', '.join(units)}",
            expected="one unit",
            remedy="Convert the yields first.",
        )
    numbers(plots, "yield", table=PLOTS, minimum=0.0)
    given, wanted = unit_named(units[0]), unit_named(DENSITY)
    if given.powers != wanted.powers:
        raise TableError(
            f"{PLOTS} in {units[0]}",
            expected="dry matter over area, such as 'kg d.m. ha-1'",
            remedy="Dry the clippings; fresh weight and carbon are other things.",
        )
    factor = given.scale / wanted.scale
    return tuple(
        PartMean(part.keys, part.n, part.mean * factor, part.se * factor)
        for part in part_means(plots, KEYS, "yield", table=PLOTS)
    )


def _herds(frame: pd.DataFrame) -> dict[str, Measure]:
    require_columns(frame, ("county", "sheep_units"), table=HERDS)
    names = labels(frame, "county", table=HERDS).tolist()
    count = numbers(frame, "sheep_units", table=HERDS, minimum=0.0).tolist()
    error = [0.0] * len(names)
    if "se" in frame.columns:
        error = numbers(frame, "se", table=HERDS, minimum=0.0).tolist()
    if len(set(names)) < len(names):
        raise TableError(
            f"{HERDS}: a county twice",
            expected="one row per county",
            remedy="Add the herds of a county up.",
        )
    rows = zip(names, count, error, strict=True)
    return {name: Measure(value, se, "sheep unit") for name, value, se in rows}


def _require_known(
    stock: Mapping[str, Measure], counties: Mapping[str, object]
) -> None:
    unknown = [name for name in stock if name not in counties]
    if unknown:
        raise TableError(
            f"{HERDS}: {', '.join(unknown)} without grassland area",
            expected="counties of the area table",
            remedy="Correct the name, or add its areas and plots.",
        )


def _sum_herds(stock: Mapping[str, Measure]) -> Measure | None:
    if not stock:
        return None
    total = math.fsum(herd.value for herd in stock.values())
    return Measure(
        total, math.hypot(*(herd.se for herd in stock.values())), "sheep unit"
    )


def _row(
    name: str,
    parts: list[tuple[PartMean, float]],
    herd: Measure | None,
    rates: GrazingRates | None,
) -> CountyForage:
    forage = [
        forage_yield(Measure(area, 0.0, "ha"), Measure(part.mean, part.se, DENSITY))
        for part, area in parts
        if part.mean > 0.0
    ]
    total = Measure(
        math.fsum(one.value for one in forage),
        math.hypot(*(one.se for one in forage)),
        "t",
    )
    capacity = stocking = None
    if rates is not None:
        capacity = carrying_capacity(
            total,
            utilisation=rates.utilisation,
            edible=rates.edible,
            daily_intake_kg=rates.daily_intake_kg,
            days=rates.days,
        )
        stocking = None if herd is None else overstocking(herd, capacity)
    return CountyForage(
        county=name,
        n=sum(part.n for part, _ in parts),
        area_ha=math.fsum(area for _, area in parts),
        forage_t=total,
        df=combined_df([part for part, _ in parts], [area for _, area in parts]),
        capacity=capacity,
        herd=herd,
        stocking=stocking,
    )

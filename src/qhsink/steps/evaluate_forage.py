"""Forage, carrying capacity and stocking in a trial: clipped plots by county and type.

Squares stand for counties. Rates and herds are stated with an error, the true ones lie
about them; the command's own step turns the tables into numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from qhsink.config import Settings, load_settings
from qhsink.domain.errors import QhsinkError
from qhsink.domain.indicator import Measure
from qhsink.steps.evaluate_cvcg import County, surveyed
from qhsink.steps.evaluate_places import GrazingTruth, Size, TrialSpec
from qhsink.steps.evaluate_plots import Sampled, measure
from qhsink.steps.evaluate_result import (
    CAPACITY,
    FORAGE,
    STOCKING,
    VERDICT_LEVEL,
    Result,
)
from qhsink.steps.evaluate_site import Site, whole_id
from qhsink.steps.evaluate_totals import as_text
from qhsink.steps.forage import (
    CountyForage,
    ForageRequest,
    GrazingRates,
    forage_from,
)
from qhsink.twin.campaign import Drawn, Truth, draw_stratified

CLIPPED = "clipped plots by type and county"
T_HA_PER_G_M2 = 0.01


@dataclass(frozen=True, slots=True)
class _Stated:
    """What is stated of grazing, and what is true."""

    rates: GrazingRates
    """As stated, with their errors."""
    herds: Mapping[str, Measure]
    """Sheep units by county, as counted."""
    true_capacity: Mapping[str, float]
    """Sheep units that the true forage feeds at the true rates, by county."""
    true_herds: Mapping[str, float]
    """Sheep units by county."""


def forage_plots(
    sites: Sequence[Site], truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield forage, capacity and stocking of every square and of all by the command."""
    counties = [surveyed(site) for site in sites]
    counties = [county for county in counties if county.grass.size]
    visited = [_clip(county, truth, trial, rng) for county in counties]
    pixel_ha = trial.pixel_size_m**2 / 10_000.0
    forage = {_name(c): _forage_t(c, pixel_ha) for c in counties}
    stated = _state(forage, trial.targets.grazing, trial.targets.factor_cv, rng)
    request = ForageRequest(trial.month, VERDICT_LEVEL, stated.rates)
    herds = as_text(
        {
            "county": list(stated.herds),
            "sheep_units": [herd.value for herd in stated.herds.values()],
            "se": [herd.se for herd in stated.herds.values()],
        }
    )
    tables = _plots(counties, visited), _areas(counties, pixel_ha)
    try:
        found = forage_from(*tables, herds, request, _settings())
    except QhsinkError as error:
        yield Result(
            "all", "target squares", FORAGE, CLIPPED, 0, math.fsum(forage.values()),
            refusal=str(error),
        )  # fmt: skip
        return
    for row in found.counties:
        yield from _rows(row, (row.county,), "target square", forage, stated)
    if len(counties) > 1:
        yield from _rows(found.whole, tuple(forage), "target squares", forage, stated)


def _clip(
    county: County, truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Sampled:
    """Return plots clipped at random within every surveyed type."""
    code = np.unique(county.type, return_inverse=True)[1].astype(np.intp)
    least = trial.least_per_stratum
    of_type = draw_stratified(code, trial.plots, minimum=least, rng=rng)
    drawn = Drawn(county.grass[of_type.index], of_type.stratum, of_type.sizes)
    return measure(county.site, drawn, truth, trial.plots_rules, rng)


def _plots(counties: Sequence[County], visited: Sequence[Sampled]) -> pd.DataFrame:
    counts = [s.herbs.size for s in visited]
    kinds = [
        np.unique(c.type)[s.drawn.stratum]
        for c, s in zip(counties, visited, strict=True)
    ]
    return as_text(
        {
            "county": np.repeat([_name(c) for c in counties], counts),
            "type": np.concatenate(kinds),
            "yield": np.concatenate([s.herbs for s in visited]),
            "unit": np.repeat("g d.m. m-2", sum(counts)),
        }
    )


def _areas(counties: Sequence[County], pixel_ha: float) -> pd.DataFrame:
    rows = [
        (_name(c), kind, count * pixel_ha)
        for c in counties
        for kind, count in zip(*np.unique(c.type, return_counts=True), strict=True)
    ]
    names, kinds, areas = zip(*rows, strict=True)
    return as_text({"county": names, "type": kinds, "area_ha": areas})


def _forage_t(county: County, pixel_ha: float) -> float:
    """Return the true dry matter of a county's grassland [t]."""
    herbs = county.site.ground.agb_grass[county.grass].astype(np.float64)
    return float(herbs.sum()) * T_HA_PER_G_M2 * pixel_ha


def _state(
    forage: Mapping[str, float],
    true: GrazingTruth,
    cv: float,
    rng: np.random.Generator,
) -> _Stated:
    """Return rates and herds as they are stated, off the truth by their error."""

    def stated(value: float, unit: str) -> Measure:
        said = value * (1.0 + cv * float(rng.standard_normal()))
        return Measure(said, cv * said, unit)

    feeds = true.utilisation * true.edible / (true.intake_kg * true.days / 1000.0)
    capacity = {name: amount * feeds for name, amount in forage.items()}
    herds = {name: units * true.herd_share for name, units in capacity.items()}
    rates = GrazingRates(
        utilisation=stated(true.utilisation, "1"),
        edible=stated(true.edible, "1"),
        daily_intake_kg=stated(true.intake_kg, "kg"),
        days=true.days,
    )
    counted = {name: stated(units, "sheep unit") for name, units in herds.items()}
    return _Stated(rates, counted, capacity, herds)


def _rows(
    row: CountyForage,
    names: Sequence[str],
    size: Size,
    forage: Mapping[str, float],
    stated: _Stated,
) -> Iterator[Result]:
    """Yield what is printed of one county, or of all, per hectare of grassland."""
    area = row.area_ha
    true = math.fsum(forage[name] for name in names) / area
    capacity = math.fsum(stated.true_capacity[name] for name in names) / area
    herd = math.fsum(stated.true_herds[name] for name in names) / area
    plain = Result(
        names[0] if len(names) == 1 else "all", size, FORAGE, CLIPPED, row.n, true,
        row.forage_t.value / area, row.forage_t.se / area, row.df,
    )  # fmt: skip
    yield plain
    if row.capacity is None or row.stocking is None:
        return
    # Printed with a standard error and no limits: judged as if normal.
    yield dataclasses.replace(
        plain,
        indicator=CAPACITY,
        truth=capacity,
        value=row.capacity.value / area,
        se=row.capacity.se / area,
        df=math.inf,
    )
    yield dataclasses.replace(
        plain,
        indicator=STOCKING,
        truth=herd / capacity - 1.0,
        value=row.stocking.ratio,
        se=row.stocking.se,
        df=math.inf,
    )


def _name(county: County) -> str:
    return whole_id(county.site.square)


@cache
def _settings() -> Settings:
    return load_settings()

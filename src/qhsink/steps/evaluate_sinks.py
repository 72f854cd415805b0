"""Sink grades and states of units in a trial: classes named, beside the true ones.

Units are parts of a square with a few clipped plots each, visited in two years. Carbon
is that of living herbs at the factors' value, which all units share: it moves no unit
against another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from qhsink.config import Settings, load_factors, load_settings
from qhsink.estimation.change import paired_change
from qhsink.estimation.domains import estimate_by_domain
from qhsink.estimation.survey import stratified_sample
from qhsink.indicators.grades import SinkGrade
from qhsink.steps.evaluate_map import land_parts
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import measure
from qhsink.steps.evaluate_result import GRADE, STATE, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import as_text
from qhsink.steps.sink_units import (
    GradedUnit,
    GradeOrder,
    sink_grades,
    sink_states,
)
from qhsink.twin.campaign import Drawn, Floats, Truth, draw_simple

BY_DENSITY, BY_BOTH = "by density", "by density and rate"
JUDGED_TOGETHER = "states of units judged together"
LEAST_UNITS = 30
"""Reference units that the command asks for."""
FDR = 0.10
"""False discovery rate asked for."""
UNLIKELY = "no class likely enough"
T_HA_PER_G_M2 = 0.01


@dataclass(frozen=True, slots=True)
class _Unit:
    """One unit: what its plots show, and what is true, of its herbs' carbon."""

    name: str
    type: str
    """Units of a square are one type."""
    plots: int
    area_ha: float
    density: tuple[float, float]
    """Estimate and standard error [t C ha-1]."""
    rate: tuple[float, float]
    """... of its change [t C ha-1 yr-1]."""
    true_density: float
    """[t C ha-1]"""
    true_rate: float
    """[t C ha-1 yr-1]"""


def sink_units(
    sites: Sequence[Site],
    truths: tuple[Truth, Truth],
    trial: TrialSpec,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield grade and state of every unit of the squares.

    Parameters
    ----------
    truths : pair of callable
        Of the earlier and the later year, both at the peak.
    trial : TrialSpec
        That on the squares of targets.
    """
    by_site = [list(_units(site, truths, trial, rng)) for site in sites]
    units = [u for of in by_site if len(of) >= LEAST_UNITS for u in of]
    if not units:
        return
    order = GradeOrder(trial.month, seed=int(rng.integers(2**31)))
    yield from _grades(units, order, with_rate=False)
    yield from _grades(units, order, with_rate=True)
    yield from _states(units, years=trial.year - trial.earlier_year)


def _units(
    site: Site,
    truths: tuple[Truth, Truth],
    trial: TrialSpec,
    rng: np.random.Generator,
) -> Iterator[_Unit]:
    """Yield the units of a square that are land, each from its own plots."""
    parts = [(name, np.flatnonzero(of)) for name, of in land_parts(site, trial).items()]
    if not parts:
        return
    count = trial.targets.plots_per_part
    index = np.concatenate(
        [pixels[draw_simple(pixels.size, count, rng).index] for _, pixels in parts]
    )
    stratum = np.repeat(np.arange(len(parts)), count)
    drawn = Drawn(index, stratum, np.array([float(p.size) for _, p in parts]))
    visits = [
        measure(site, drawn, truth, trial.plots_rules, rng).herbs for truth in truths
    ]
    before = truths[0](site.x, site.y).agb_grass
    for at, (name, pixels) in enumerate(parts):
        true = tuple(float(year[pixels].mean()) for year in (before, _herbs(site)))
        seen = tuple(year[stratum == at] for year in visits)
        yield _unit(site, (name, pixels.size), seen, true, trial)


def _herbs(site: Site) -> Floats:
    return site.ground.agb_grass.astype(np.float64)


def _unit(
    site: Site,
    part: tuple[str, int],
    seen: tuple[Floats, ...],
    true: tuple[float, ...],
    trial: TrialSpec,
) -> _Unit:
    """Return one unit; herbs [g m-2] of the earlier and the later year."""
    name, pixels = part
    first, second = seen
    design = stratified_sample(second.size, sizes=[float(pixels)])
    (now,) = estimate_by_domain(design, second, units=float(pixels))
    gain = paired_change(design, first, second)
    years = trial.year - trial.earlier_year
    carbon = _carbon_of_herbs()
    per_year = carbon / (pixels * years)
    return _Unit(
        name=name,
        type=f"grassland of {site.square.region}",
        plots=second.size,
        area_ha=pixels * trial.pixel_size_m**2 / 10_000.0,
        density=((now.mean or 0.0) * carbon, (now.se_mean or 0.0) * carbon),
        rate=(gain.value * per_year, gain.se * per_year),
        true_density=true[1] * carbon,
        true_rate=(true[1] - true[0]) * carbon / years,
    )


@cache
def _carbon_of_herbs() -> float:
    """Return t C ha-1 of one g m-2 of dry matter."""
    factor = load_factors(_settings().project).get("cf_grass", ecosystem="grassland")
    return factor.value * T_HA_PER_G_M2


def _grades(
    units: Sequence[_Unit], order: GradeOrder, *, with_rate: bool
) -> Iterator[Result]:
    """Yield the grade named of every unit beside that of its true density.

    The reference is the true density of all units of a square, as of an inventory.
    """
    mode = BY_BOTH if with_rate else BY_DENSITY
    reference = {
        "type": [unit.type for unit in units],
        "density": [unit.true_density for unit in units],
    }
    if with_rate:
        reference["rate"] = [unit.true_rate for unit in units]
    known = as_text(reference)
    named, true = (
        sink_grades(_table(units, exact, with_rate), known, order, _settings())
        for exact in (False, True)
    )
    for unit, found, right in zip(units, named, true, strict=True):
        yield _class(unit, mode, found, right.grade)


def _table(units: Sequence[_Unit], exact: bool, with_rate: bool) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "unit": [unit.name for unit in units],
        "type": [unit.type for unit in units],
        "density": [u.true_density if exact else u.density[0] for u in units],
        "density_se": [0.0 if exact else u.density[1] for u in units],
    }
    if not exact:
        columns["density_df"] = [unit.plots - 1 for unit in units]
    if with_rate:
        columns["rate"] = [u.true_rate if exact else u.rate[0] for u in units]
        columns["rate_se"] = [0.0 if exact else u.rate[1] for u in units]
    return as_text(columns)


def _class(unit: _Unit, mode: str, found: GradedUnit, true: SinkGrade) -> Result:
    named = found.grade
    grade = math.nan if named.grade is None else float(named.grade)
    return Result(
        unit.name,
        "target part",
        GRADE,
        mode,
        unit.plots,
        float(1 + np.argmax(true.probabilities)),
        grade,
        flags=found.flags,
        refusal=UNLIKELY if named.grade is None else "",
        said=max(named.probabilities),
    )


def _states(units: Sequence[_Unit], *, years: int) -> Iterator[Result]:
    """Yield the state of every unit beside the sign of its true change."""
    stock = [unit.area_ha * years for unit in units]
    changes = as_text(
        {
            "unit": [unit.name for unit in units],
            "change": [u.rate[0] * a for u, a in zip(units, stock, strict=True)],
            "se": [u.rate[1] * a for u, a in zip(units, stock, strict=True)],
        }
    )
    for unit, found in zip(units, sink_states(changes, fdr=FDR), strict=True):
        sign = _SIGNS[found.state]
        yield Result(
            unit.name,
            "target part",
            STATE,
            JUDGED_TOGETHER,
            unit.plots,
            float(np.sign(unit.true_rate)),
            sign,
            refusal="" if sign else UNLIKELY,
            said=1.0 - FDR,
        )


_SIGNS: Mapping[str, float] = {"增强": 1.0, "稳定": 0.0, "减弱": -1.0}


@cache
def _settings() -> Settings:
    return load_settings()

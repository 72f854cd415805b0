"""Tables of units (counties, parks, parcels) to sink grades and dynamic states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qhsink.config import Settings, load_indicators
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import Refusal, TableError
from qhsink.domain.indicator import Measure
from qhsink.domain.period import parse_month
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.schema import labels, numbers, require_columns
from qhsink.indicators.definitions import admit
from qhsink.indicators.grades import (
    SinkGrade,
    UnitState,
    dynamic_states,
    error_flags,
    reference_limits,
    sink_grade,
)
from qhsink.indicators.sink_function import (
    WEIGHTS,
    function_grade,
    weight_sensitivity,
)

UNITS, REFERENCE, CHANGES = "the unit table", "the reference table", "the change table"
NAMES_ZH = ("弱", "较弱", "中等", "较强", "强")
"""Names of the five grades, ascending: a proposal of this project."""
UNIT_OF = {"density": "t C ha-1", "rate": "t C ha-1 yr-1", "stability": "1"}


@dataclass(frozen=True, slots=True)
class GradeOrder:
    """What ``indicators sink-grade`` is asked."""

    month: str
    """Month that the units stand for, ``YYYY-MM``."""
    seed: int = 1
    """Of the draws, where several components make the grade."""
    weights: Mapping[str, float] | None = None
    """Of the components; those of the project where None."""


@dataclass(frozen=True, slots=True)
class GradedUnit:
    """A unit's grade with the probability of each."""

    unit: str
    """Unit id."""
    ecosystem: str
    """Type within which it is graded."""
    grade: SinkGrade
    """Grade, None where no class is likely enough, and probabilities."""
    same_under_other_weights: float | None
    """Share of all weights that give this grade; None where density alone does."""
    flags: tuple[str, ...] = ()
    """What speaks against the probabilities."""


def sink_grades(
    units: pd.DataFrame, reference: pd.DataFrame, order: GradeOrder, settings: Settings
) -> tuple[GradedUnit, ...]:
    """Return the five-grade carbon-sink function of every unit.

    Parameters
    ----------
    units : DataFrame
        Text cells: ``unit,type,density,density_se[,density_df][,rate,rate_se,
        stability,stability_se]``; degrees of freedom of the density's standard error,
        where density alone makes the grade, are taken as many where absent.
    reference : DataFrame
        ``type,density[,rate,stability]``: at least 30 units of a type.

    Raises
    ------
    TableError
        When a table breaks its schema.
    Refusal
        Outside the window, or with too few reference units of a type.
    """
    indicator = load_indicators(settings.project)["sink_grade"]
    available = ("carbon_density", "reference_quantiles")
    admit(indicator, period=parse_month(order.month), available=available)
    names = [name for name in UNIT_OF if name in units.columns]
    wanted = [column for name in names for column in (name, f"{name}_se")]
    require_columns(units, ("unit", "type", "density", *wanted), table=UNITS)
    require_columns(reference, ("type", *names), table=REFERENCE)
    kinds = labels(reference, "type", table=REFERENCE)
    known = {name: numbers(reference, name, table=REFERENCE) for name in names}
    rules = load_interval_rules(settings.project)
    rng = np.random.default_rng(order.seed)
    found = []
    for row in _rows(units, names):
        base = {name: known[name][kinds == row.ecosystem].tolist() for name in names}
        limits = _limits(base["density"], row.ecosystem)
        found.append(_graded(row, base, limits, order, rules, rng))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Unit:
    unit: str
    ecosystem: str
    components: dict[str, Measure]
    density_df: float
    """Degrees of freedom of the density's standard error."""


def _rows(units: pd.DataFrame, names: list[str]) -> list[_Unit]:
    ids = labels(units, "unit", table=UNITS).tolist()
    if len(set(ids)) < len(ids):
        raise TableError(
            f"{UNITS}: a unit twice",
            expected="one row per unit",
            remedy="Give units of several types an id each.",
        )
    kinds = labels(units, "type", table=UNITS).tolist()
    value = {name: numbers(units, name, table=UNITS) for name in names}
    error = {
        name: numbers(units, f"{name}_se", table=UNITS, minimum=0.0) for name in names
    }
    df = np.full(len(ids), math.inf)
    if "density_df" in units.columns:
        df = numbers(units, "density_df", table=UNITS, minimum=1.0)
    return [
        _Unit(
            ids[at],
            kinds[at],
            {
                name: Measure(
                    float(value[name][at]), float(error[name][at]), UNIT_OF[name]
                )
                for name in names
            },
            float(df[at]),
        )
        for at in range(len(ids))
    ]


def _limits(density: list[float], ecosystem: str) -> tuple[float, ...]:
    try:
        return reference_limits(density)
    except Refusal as error:
        raise Refusal(
            f"{ecosystem}: {error.found}", expected=error.expected, remedy=error.remedy
        ) from error


def _graded(
    row: _Unit,
    base: Mapping[str, list[float]],
    limits: tuple[float, ...],
    order: GradeOrder,
    rules: IntervalRules,
    rng: np.random.Generator,
) -> GradedUnit:
    flags = error_flags(row.components, base, most=rules.most_grade_error)
    if len(row.components) == 1:
        grade = sink_grade(row.components["density"], limits, df=row.density_df)
        return GradedUnit(row.unit, row.ecosystem, grade, None, flags)
    chosen = order.weights or WEIGHTS
    weights = {name: chosen.get(name, 0.0) for name in row.components}
    return GradedUnit(
        row.unit,
        row.ecosystem,
        function_grade(row.components, base, rng=rng, weights=weights),
        weight_sensitivity(row.components, base, rng=rng, weights=weights),
        flags,
    )


def sink_states(changes: pd.DataFrame, *, fdr: float) -> tuple[UnitState, ...]:
    """Return 增强, 稳定 or 减弱 of every unit, judged together.

    Parameters
    ----------
    changes : DataFrame
        Text cells: ``unit,change,se``, or ``unit,first,first_se,second,second_se,
        covariance``.
    fdr : float
        False discovery rate over the units.

    Raises
    ------
    TableError
        When the table breaks its schema.
    Refusal
        When a change has no error.
    """
    require_columns(changes, ("unit",), table=CHANGES)
    ids = labels(changes, "unit", table=CHANGES).tolist()
    if len(set(ids)) < len(ids):
        raise TableError(
            f"{CHANGES}: a unit twice",
            expected="one row per unit",
            remedy="One change per unit: judged together, each counts once.",
        )
    found = _from_dates(changes) if "first" in changes.columns else _given(changes)
    return dynamic_states(dict(zip(ids, found, strict=True)), fdr=fdr)


def _given(changes: pd.DataFrame) -> list[Measure]:
    require_columns(changes, ("change", "se"), table=CHANGES)
    value = numbers(changes, "change", table=CHANGES).tolist()
    error = numbers(changes, "se", table=CHANGES, minimum=0.0).tolist()
    return [Measure(v, e, "t C") for v, e in zip(value, error, strict=True)]


def _from_dates(changes: pd.DataFrame) -> list[Measure]:
    names = ("first", "first_se", "second", "second_se", "covariance")
    require_columns(changes, names, table=CHANGES)
    columns = [numbers(changes, name, table=CHANGES).tolist() for name in names]
    found = []
    for first, first_se, second, second_se, shared in zip(*columns, strict=True):
        variance = first_se**2 + second_se**2 - 2.0 * shared
        if variance < 0.0 or min(first_se, second_se) < 0.0:
            raise TableError(
                f"{CHANGES}: errors {first_se:g} and {second_se:g} with covariance "
                f"{shared:g}",
                expected="standard errors, and a covariance that they allow",
                remedy="Its unit is that of the stock squared.",
            )
        found.append(Measure(second - first, math.sqrt(variance), "t C"))
    return found

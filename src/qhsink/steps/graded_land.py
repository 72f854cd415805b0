"""A sample of plots to areas by grade: degraded, black-soil and sandy land.

Composes: plots are graded in ``qhsink.indicators``, areas estimated in
``qhsink.estimation``. A grade's area never comes from counting pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.config import Settings, load_grades, load_indicators
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import BadInput, TableError
from qhsink.domain.indicator import GradeScale, Indicator
from qhsink.domain.period import parse_month
from qhsink.estimation.domains import Level, TotalEstimate
from qhsink.estimation.schema import labels, numbers, require_columns
from qhsink.estimation.survey import Floats
from qhsink.indicators.definitions import admit
from qhsink.indicators.grassland import black_soil_grade, sandy_grade
from qhsink.indicators.land_grades import degradation_of_plots, reference_of_types
from qhsink.steps.sampled_area import AreaSample, area_sample, flags

PLOTS, REFERENCE = "the plot table", "the reference table"
OUTSIDE, UNKNOWN = -2, -1

NAMES = {OUTSIDE: ("域外", "outside"), UNKNOWN: ("未定级", "not graded")}

READING_ERRORS = "not calibrated: reading errors move plots across limits of grades"
"""Flag of every grade's area: plots are graded by what was read on them, and how far a
reading errs is not in the interval (the trial's damage: ``docs/coverage.md``)."""

INSIDE = {
    "degraded_grassland": "grassland",
    "black_soil": "alpine_meadow",
    "sandy_land": "sandy",
}
"""Column that says 1 where the indicator applies, 0 elsewhere."""

PROVIDES = {
    "cover": "fvc_map",
    "bald_share": "bald_share",
    "slope_deg": "slope",
    "alpine_meadow": "grassland_type",
    "sandy": "sandy_surface",
}
"""Plot columns and the inputs of ``config/indicators.toml`` that they are."""


@dataclass(frozen=True, slots=True)
class GradeRequest:
    """What ``indicators grades`` is asked."""

    indicator: str
    """``degraded_grassland``, ``black_soil`` or ``sandy_land``."""
    month: str
    """Month of the plots, ``YYYY-MM``."""
    confidence: float = 0.9
    """Level of intervals."""


@dataclass(frozen=True, slots=True)
class GradeArea:
    """Area of one grade."""

    scale: str
    """Id of the grade scale."""
    grade: int
    """0 for the lowest of the scale; -1 not graded, -2 outside the definition."""
    name_zh: str
    """Chinese name."""
    name_en: str
    """English name."""
    n: int
    """Plots in it."""
    area: TotalEstimate
    """Area [ha] with its interval."""


@dataclass(frozen=True, slots=True)
class GradeResult:
    """Areas of all grades; those of one scale add to the area of the frame."""

    indicator: Indicator
    """The definition."""
    period: str
    """Label."""
    scales: tuple[GradeScale, ...]
    """Limits used, with their source and standing."""
    rows: tuple[GradeArea, ...]
    """Scale by scale, ascending."""
    frame_ha: float
    """Area of all strata [ha]."""


def graded_areas(
    plots: pd.DataFrame,
    strata: pd.DataFrame,
    reference: pd.DataFrame | None,
    request: GradeRequest,
    settings: Settings,
) -> GradeResult:
    """Return the area of every grade, from a stratified random sample of plots.

    Parameters
    ----------
    plots : DataFrame
        Text cells: ``stratum`` and what the indicator is graded by (see
        ``docs/indicators.md``).
    strata : DataFrame
        ``stratum,units,unit_area_ha``.
    reference : DataFrame, optional
        ``type,cover[,yield]``, for degraded grassland.

    Raises
    ------
    TableError
        When a table breaks its schema.
    Refusal
        Outside the indicator's window, or when an input lacks.
    """
    indicator = _indicator(request.indicator, settings)
    available = {name for column, name in PROVIDES.items() if column in plots.columns}
    available |= {n for n in indicator.inputs if n.endswith("_area_estimate")}
    if reference is not None:
        available.add("grassland_reference")
    period = parse_month(request.month)
    admit(indicator, period=period, available=available)
    sample = area_sample(plots, strata, table=PLOTS)
    scales = load_grades(settings.project)
    inside = _inside(plots, INSIDE[indicator.id])
    level = Level(request.confidence, rules=load_interval_rules(settings.project))
    rows: list[GradeArea] = []
    used = []
    for name, grades in _graded(plots, reference, indicator.id, scales).items():
        scale = scales[name]
        used.append(scale)
        placed = np.where(inside, grades, OUTSIDE)
        rows += _rows(sample, placed, scale, level)
    return GradeResult(
        indicator, period.label, tuple(used), tuple(rows), sample.frame_ha
    )


def _indicator(name: str, settings: Settings) -> Indicator:
    if name not in INSIDE:
        raise BadInput(
            f"indicator {name!r}",
            expected=f"one of {', '.join(INSIDE)}",
            remedy="qhsink indicators list shows what each is.",
        )
    return load_indicators(settings.project)[name]


def _inside(plots: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    """Return where the definition applies; everywhere without such a column."""
    if column not in plots.columns:
        return np.ones(len(plots), dtype=bool)
    return flags(plots, column, table=PLOTS)


def _graded(
    plots: pd.DataFrame,
    reference: pd.DataFrame | None,
    indicator: str,
    scales: Mapping[str, GradeScale],
) -> dict[str, NDArray[np.int8]]:
    """Return the grades of all plots, by scale."""
    if indicator == "black_soil":
        meadow = flags(plots, "alpine_meadow", table=PLOTS)
        bald = 100.0 * _share(plots, "bald_share")
        slope = numbers(plots, "slope_deg", table=PLOTS, minimum=0.0)
        grade, steepness = black_soil_grade(bald, slope, meadow, scales=scales)
        # Slope classes are of black-soil land: elsewhere there is nothing to class.
        steepness = np.where(grade > 0, steepness, OUTSIDE).astype(np.int8)
        return {"black_soil_bald": grade, "black_soil_slope": steepness}
    if indicator == "sandy_land":
        cover = 100.0 * _share(plots, "cover")
        scale, sandy = scales["sandy_cover"], flags(plots, "sandy", table=PLOTS)
        return {scale.id: sandy_grade(cover, sandy, scale=scale)}
    return {"degradation_cover": _degraded(plots, reference, scales)}


def _degraded(
    plots: pd.DataFrame,
    reference: pd.DataFrame | None,
    scales: Mapping[str, GradeScale],
) -> NDArray[np.int8]:
    require_columns(plots, ("type",), table=PLOTS)
    known = pd.DataFrame() if reference is None else reference
    require_columns(known, ("type", "cover"), table=REFERENCE)
    kinds = labels(known, "type", table=REFERENCE).tolist()
    measured = {"cover": _share(plots, "cover")}
    base = {"cover": reference_of_types(kinds, _share(known, "cover", REFERENCE))}
    with_yield = {"yield" in plots.columns, "yield" in known.columns}
    if len(with_yield) > 1:
        raise TableError(
            "a yield in one of the plot table and the reference table",
            expected="column 'yield' in both, in one unit, or in neither",
            remedy="Add it, or grade by cover alone.",
        )
    if with_yield == {True}:
        measured["yield"] = numbers(plots, "yield", table=PLOTS, minimum=0.0)
        base["yield"] = reference_of_types(
            kinds, numbers(known, "yield", table=REFERENCE, minimum=0.0)
        )
    cover_se = None
    if "cover_se" in plots.columns:
        cover_se = numbers(plots, "cover_se", table=PLOTS, minimum=0.0)
    return degradation_of_plots(
        labels(plots, "type", table=PLOTS).tolist(),
        measured,
        base,
        scales=scales,
        cover_se=cover_se,
    )


def _share(frame: pd.DataFrame, column: str, table: str = PLOTS) -> Floats:
    require_columns(frame, (column,), table=table)
    values = numbers(frame, column, table=table, minimum=0.0)
    if (values > 1.0).any():
        raise TableError(
            f"{table}, column {column!r}: {values.max():g}",
            expected="proportions from 0 to 1",
            remedy="Divide percentages by 100.",
        )
    return values


def _rows(
    sample: AreaSample, placed: NDArray[np.int8], scale: GradeScale, level: Level
) -> list[GradeArea]:
    rows = []
    for grade in range(OUTSIDE, len(scale.names_zh)):
        chosen = placed == grade
        if grade < 0 and not chosen.any():
            continue
        zh, en = NAMES.get(grade) or (scale.names_zh[grade], scale.names_en[grade])
        area = sample.area_of(chosen, level=level)
        if grade != OUTSIDE:
            area = replace(area, flags=(*area.flags, READING_ERRORS))
        rows.append(
            GradeArea(scale.id, grade, zh, en, int(chosen.sum()), area),
        )
    return rows

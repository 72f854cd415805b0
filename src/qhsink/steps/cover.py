"""Plots and official areas by grassland type to 草原综合植被盖度 and its verdict.

Composes: means of parts are ``estimation``'s, the indicator and the verdict
``qhsink.indicators``'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from qhsink.config import Settings, load_indicators, load_targets
from qhsink.domain.errors import BadInput
from qhsink.domain.estimate import Estimate, Provenance, Target, Verdict
from qhsink.domain.region import Region
from qhsink.estimation.strata_means import PartMean, combined_df, part_means
from qhsink.indicators.grassland import TypeCover, composite_cover, province_cover
from qhsink.indicators.interval import student_interval
from qhsink.indicators.verdict import (
    judge,
)
from qhsink.regions.database import load_database
from qhsink.steps.cover_tables import (
    COVER,
    KEYS,
    PLOTS,
    check_plots,
    official_areas,
    same_parts,
)

CVCG = "cvcg"


@dataclass(frozen=True, slots=True)
class CoverRequest:
    """What ``indicators cvcg`` is asked."""

    year: int
    """Year of the plots."""
    confidence: float = 0.9
    """Level of interval and verdict."""
    target: str | None = None
    """Target id; the year's own when None."""
    complete: bool = False
    """The caller's word that the areas are all grassland of the province."""
    provenance: Provenance = "observed"
    """Of the plots."""


@dataclass(frozen=True, slots=True)
class CountyCover:
    """Composite cover of one county."""

    county: str
    """As written in the tables."""
    estimate: Estimate
    """Cover with its interval."""
    types: int
    """Grassland types."""


@dataclass(frozen=True, slots=True)
class CoverResult:
    """Composite cover by county and of the whole."""

    counties: tuple[CountyCover, ...]
    """In the order of the area table."""
    whole: Estimate
    """Of all counties together."""
    missing_counties: tuple[str, ...]
    """Counties of the province without a row in the area table."""
    verdict: Verdict | None
    """On the target; None without one."""
    why_unjudged: str
    """Why there is no verdict; empty with one."""


def composite_cover_from(
    plots: pd.DataFrame, areas: pd.DataFrame, request: CoverRequest, settings: Settings
) -> CoverResult:
    """Return the composite cover of counties and whole, with its verdict.

    Parameters
    ----------
    plots : DataFrame
        Text cells: ``county,type,cover`` (0..1); ``date`` (ISO) and ``unit`` are
        checked where present. Plots are a simple random sample within a part.
    areas : DataFrame
        Text cells: ``county,type,area_ha``, the official areas.

    Raises
    ------
    TableError
        When a table breaks its schema, or plots and areas name different parts.
    Refusal
        When plots lie outside the indicator's window.
    """
    indicator = load_indicators(settings.project)[CVCG]
    check_plots(plots, indicator, year=request.year)
    known = official_areas(areas)
    parts = {part.keys: part for part in part_means(plots, KEYS, COVER, table=PLOTS)}
    same_parts(parts, known)
    counties: dict[str, list[tuple[PartMean, float]]] = {}
    for keys, area in known.items():
        counties.setdefault(keys[0], []).append((parts[keys], area))
    types = {name: _types(rows) for name, rows in counties.items()}
    missing = _missing(counties, settings)
    whole_id = "630000" if request.complete or not missing else "part of 630000"
    every = [row for rows in counties.values() for row in rows]
    cover = province_cover(types)
    whole = _estimate(request, whole_id, (cover.value, cover.se), every)
    rows = tuple(
        CountyCover(name, _county(request, name, rows, types[name]), len(rows))
        for name, rows in counties.items()
    )
    target = _target(request, load_targets(settings.project))
    verdict, why = _verdict(whole, target, missing, request)
    return CoverResult(
        counties=rows,
        whole=whole,
        missing_counties=missing,
        verdict=verdict,
        why_unjudged=why,
    )


def _types(rows: Sequence[tuple[PartMean, float]]) -> list[TypeCover]:
    return [TypeCover(p.keys[1], area, p.mean, p.se) for p, area in rows]


def _county(
    request: CoverRequest,
    name: str,
    rows: Sequence[tuple[PartMean, float]],
    types: Sequence[TypeCover],
) -> Estimate:
    cover = composite_cover(types)
    return _estimate(request, name, (cover.value, cover.se), rows)


def _estimate(
    request: CoverRequest,
    region: str,
    number: tuple[float, float],
    rows: Sequence[tuple[PartMean, float]],
) -> Estimate:
    value, se = number
    df = combined_df([part for part, _ in rows], [area for _, area in rows])
    low, high = student_interval(value, se, df, request.confidence, bounds=(0.0, 1.0))
    return Estimate(
        indicator=CVCG,
        region=region,
        period=f"{request.year}-peak",
        value=value,
        se=se,
        df=df,
        low=low,
        high=high,
        confidence=request.confidence,
        unit="1",
        mode="design-based",
        n=sum(part.n for part, _ in rows),
        area_ha=sum(area for _, area in rows),
        valid_share=1.0,
        provenance=request.provenance,
    )


def _missing(counties: Mapping[str, object], settings: Settings) -> tuple[str, ...]:
    """Return the counties of the province that the tables do not name."""
    database = load_database(settings.project / "aoi" / "qinghai.gpkg")

    def is_named(region: Region) -> bool:
        return bool({region.id, region.name_zh, region.name_en} & set(counties))

    return tuple(
        region.name_zh
        for region in database.regions
        if region.kind == "county" and not is_named(region)
    )


def _target(request: CoverRequest, targets: Sequence[Target]) -> Target | None:
    mine = [target for target in targets if target.indicator == CVCG]
    if request.target is None:
        later = [t for t in mine if t.year >= request.year and t.value is not None]
        return min(later, key=lambda t: t.year, default=None)
    for target in mine:
        if target.id == request.target:
            return target
    raise BadInput(
        f"target {request.target!r}",
        expected=f"one of {', '.join(target.id for target in mine)}",
        remedy="Correct --target; config/targets.toml holds them.",
    )


def _verdict(
    whole: Estimate,
    target: Target | None,
    missing: Sequence[str],
    request: CoverRequest,
) -> tuple[Verdict | None, str]:
    if target is None:
        return None, f"no dated target of {CVCG} for {request.year} or later"
    if whole.region != target.scope:
        return None, (
            f"the target {target.id} is for the whole province; {len(missing)} "
            f"counties have no area ({', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}); with --complete you say that "
            "they have no grassland"
        )
    return judge(whole, target, confidence=request.confidence), ""

"""Ledger rows to rows of the report: an estimate and its verdict, or a refusal.

A region without a number never stops the others: the reason takes its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from qhsink.config import load_indicators, load_targets
from qhsink.domain.errors import ConfigError, Refusal
from qhsink.domain.estimate import Estimate, Target, Verdict
from qhsink.domain.indicator import Indicator
from qhsink.domain.region import Region
from qhsink.estimation.ledger import COLUMNS, sum_region
from qhsink.indicators.definitions import admit
from qhsink.indicators.interval import student_interval
from qhsink.indicators.verdict import judge
from qhsink.reporting.record import ReportRow
from qhsink.steps.map_indicators import TARGET_INDICATORS
from qhsink.steps.plan import MAP_INDICATORS, Kind, RunPlan
from qhsink.steps.region_pixels import (
    least_valid_share,
    require_layers,
    require_pixels,
    too_little_seen,
)
from qhsink.steps.residuals import (
    Cells,
    Residuals,
    modelled_mean,
    region_cells,
    residuals_without_plots,
)
from qhsink.steps.target_estimates import (
    TargetRows,
    gather_targets,
    target_estimate,
)
from qhsink.steps.tile_outcome import TileOutcome, read_ledger
from qhsink.store import Store


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows of a run, and the tiles that have none."""

    rows: Mapping[Kind, pd.DataFrame]
    """Ledger rows by composite."""
    failed: Mapping[Kind, Mapping[str, str]]
    """Tile name to error, by composite."""
    targets: TargetRows
    """Rows of the targets beside vegetation cover, of the peak season."""


@dataclass(frozen=True, slots=True)
class _Basis:
    """What every row of the report rests on."""

    plan: RunPlan
    ledger: Ledger
    residuals: Residuals
    cells: dict[str, Cells]
    """Shapes of regions, kept from one indicator to the next."""

    def shape(self, region_id: str) -> Cells:
        if region_id not in self.cells:
            self.cells[region_id] = region_cells(self.plan.leaves, region_id)
        return self.cells[region_id]


def gather_ledger(plan: RunPlan, outcomes: Sequence[TileOutcome]) -> Ledger:
    """Return the ledger rows of all tiles of a run."""
    store = Store(plan.setup.settings.store)
    rows: dict[Kind, pd.DataFrame] = {}
    failed: dict[Kind, dict[str, str]] = {}
    for kind in plan.kinds:
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        parts = [read_ledger(o, store) for o in mine if o.error is None]
        rows[kind] = (
            pd.concat(parts, ignore_index=True)
            if parts
            else pd.DataFrame(columns=list(COLUMNS))
        )
        failed[kind] = {o.tile: o.error for o in mine if o.error is not None}
    return Ledger(rows, failed, gather_targets(plan, outcomes, failed.get("peak", {})))


def report_rows(
    plan: RunPlan, ledger: Ledger, region_tiles: Mapping[str, Collection[str]]
) -> tuple[ReportRow, ...]:
    """Return a row for every indicator and region asked for.

    Parameters
    ----------
    plan : RunPlan
    ledger : Ledger
    region_tiles : mapping
        Region id to the names of the tiles that it lies on.
    """
    settings = plan.setup.settings
    indicators = load_indicators(settings.project)
    targets = load_targets(settings.project)
    residuals = residuals_without_plots(plan.setup.config, settings)
    basis = _Basis(plan, ledger, residuals, {})
    rows = []
    for name in plan.setup.config.indicators.report:
        indicator = _known(indicators, name)
        for region in plan.regions:
            tiles = region_tiles[region.id]
            rows.append(_row(basis, region, indicator, targets, tiles))
    return tuple(rows)


def _known(indicators: Mapping[str, Indicator], name: str) -> Indicator:
    if name not in indicators:
        raise ConfigError(
            f"[indicators] report = {name!r}",
            expected=f"one of {', '.join(indicators)}",
            remedy="Correct the run configuration.",
        )
    return indicators[name]


def _row(
    basis: _Basis,
    region: Region,
    indicator: Indicator,
    targets: Sequence[Target],
    tiles: Collection[str],
) -> ReportRow:
    estimate: Estimate | None = None
    verdict: Verdict | None = None
    refusal: str | None = None
    plan = basis.plan
    try:
        if indicator.id in TARGET_INDICATORS:
            require_layers(plan, region, TARGET_INDICATORS[indicator.id].target)
            estimate = target_estimate(
                plan,
                basis.ledger.targets,
                region,
                indicator,
                tiles,
                basis.shape(region.id),
            )
        else:
            estimate = _estimate(basis, region, indicator, tiles)
        year = plan.setup.month.start.year
        verdict = verdict_on(estimate, year=year, targets=targets)
    except Refusal as error:
        refusal = str(error)
    return ReportRow(
        region=region,
        indicator_id=indicator.id,
        indicator_zh=indicator.name_zh,
        indicator_en=indicator.name_en,
        estimate=estimate,
        verdict=verdict,
        refusal=refusal,
        short_zh=indicator.short_zh,
        short_en=indicator.short_en,
    )


def _estimate(
    basis: _Basis, region: Region, indicator: Indicator, tiles: Collection[str]
) -> Estimate:
    plan, ledger = basis.plan, basis.ledger
    kind = MAP_INDICATORS.get(indicator.id, "month")
    available = ("fvc_map",) if indicator.id in MAP_INDICATORS else ()
    if kind == "peak" and plan.setup.peak is None:
        season = plan.setup.config.season
        raise Refusal(
            f"{indicator.id} for {plan.setup.month.label}",
            expected=f"a month that ends on or after {season.peak_end}, "
            "when the peak season is complete",
            remedy="Run that month or a later one of the same year.",
        )
    admit(indicator, period=plan.period(kind), available=available)
    require_pixels(plan, ledger.failed[kind], region, kind=kind, tiles=tiles)
    sums = sum_region(ledger.rows[kind], plan.leaves.members[region.id])
    if sums.valid_share < least_valid_share(plan) or sums.land_ha <= 0:
        raise too_little_seen(plan, region, sums)
    mean = modelled_mean(
        sums,
        basis.residuals,
        basis.shape(region.id),
        pixel_m2=plan.grid.pixel_area_ha * 1e4,
    )
    value, se, df = mean.value, mean.variance.se, mean.df
    confidence = plan.setup.config.estimate.confidence
    low, high = student_interval(value, se, df, confidence, bounds=(0.0, 1.0))
    return Estimate(
        indicator=indicator.id,
        region=region.id,
        period=plan.period(kind).label,
        value=value,
        se=se,
        df=df,
        low=low,
        high=high,
        confidence=confidence,
        unit=indicator.unit,
        mode="model-based",
        n=0,
        area_ha=sums.land_ha + sums.unobserved_ha,
        valid_share=sums.valid_share,
        provenance="simulated" if plan.simulated else "observed",
        flags=basis.residuals.flags,
        outside_share=sums.outside_share,
    )


def verdict_on(
    estimate: Estimate, *, year: int, targets: Sequence[Target]
) -> Verdict | None:
    """Return the verdict on the region's own target of ``year``, else a reference."""
    fitting = [
        target
        for target in targets
        if target.indicator == estimate.indicator
        and target.year == year
        and target.scope in (estimate.region, "*")
    ]
    if not fitting:
        return None
    target = min(fitting, key=lambda t: t.scope == "*")
    return judge(estimate, target, confidence=estimate.confidence)


def refused_regions(plan: RunPlan, rows: Sequence[ReportRow]) -> dict[str, str]:
    """Return the regions without any number from a map, with the reason."""
    refused = dict(plan.unknown)
    for region in plan.regions:
        mine = [
            row
            for row in rows
            if row.region.id == region.id and row.indicator_id in MAP_INDICATORS
        ]
        if mine and all(row.estimate is None for row in mine):
            month = [r for r in mine if r.indicator_id == "fvc_month"] or mine
            refused[region.id] = month[0].refusal or ""
    return refused

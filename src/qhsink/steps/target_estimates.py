"""Ledger rows of further targets to estimates: totals and means of one region.

The variance is that between the members' totals, and that of the errors of value and
ecosystem together, correlated over the region, where a record of the pair of models is
there; without one the number is flagged. No plot stands behind a total.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from qhsink.config import Settings
from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import Indicator
from qhsink.domain.region import Region
from qhsink.domain.residual_field import ResidualField
from qhsink.estimation.ledger import (
    COLUMNS,
    RegionSums,
    sum_region,
    total_and_model_se,
)
from qhsink.estimation.left_out import sum_of_variances
from qhsink.indicators.definitions import admit
from qhsink.indicators.interval import student_interval
from qhsink.registry.residual_fields import load_residual_fields
from qhsink.steps.map_indicators import TARGET_INDICATORS, reported_targets
from qhsink.steps.plan import RunPlan
from qhsink.steps.region_pixels import (
    least_valid_share,
    require_pixels,
    too_little_seen,
)
from qhsink.steps.residuals import NOT_CALIBRATED, Cells
from qhsink.steps.target_cells import (
    CELL_COLUMNS,
    region_corner,
    region_scale,
    residual_error_of_total,
)
from qhsink.steps.target_models import TargetModels, load_target_models
from qhsink.steps.tile_outcome import TileOutcome, read_target_ledger
from qhsink.store import Store

MAP_OF_CLASSES = "ecosystem error left out"
"""Flag of a number over pixels of an ecosystem, taken as if the map were right."""
CORRECTED = "map corrected by simulated worlds"
"""Flag of a number that is its map times the ratio that simulated worlds agree on."""
LEARNT_SIMULATED = "model trained on simulated data"
"""Flag of a number whose model never saw a real plot."""
LEARNT_PREDICTIONS = "model trained on GEDI predictions"
"""Flag of a number whose model learnt from predictions: their common error is in no
interval."""


@dataclass(frozen=True, slots=True)
class TargetRows:
    """What the tiles of a run say of further targets."""

    rows: pd.DataFrame
    """Ledger rows of the peak season, with the column ``target``."""
    cells: pd.DataFrame
    """Where their quantities lie: ``CELL_COLUMNS`` and ``target``."""
    fields: Mapping[str, ResidualField]
    """Errors of the whole quantity, by name in the ledger, where they are known."""
    failed: Mapping[str, str]
    """Tile name to error."""
    simulated: frozenset[str]
    """Targets whose model learnt from simulated data."""
    of_predictions: frozenset[str]
    """Targets whose model learnt from predictions, not measurements."""


def gather_targets(
    plan: RunPlan, outcomes: Sequence[TileOutcome], failed: Mapping[str, str]
) -> TargetRows:
    """Return the ledger rows of further targets of all tiles of a run.

    Parameters
    ----------
    failed : mapping of str to str
        Tiles of the peak season that have none, with the error.
    """
    settings = plan.setup.settings
    models = load_target_models(plan.setup.config, settings.project)
    known = {} if models is None else models.models
    store = Store(settings.store)
    parts = [
        read_target_ledger(outcome, store)
        for outcome in outcomes
        if outcome.error is None and outcome.kind == "peak"
    ]
    rows, cells = zip(*parts, strict=True) if parts else ((), ())
    return TargetRows(
        rows=_joined(rows, (*COLUMNS, "target")),
        cells=_joined(cells, (*CELL_COLUMNS, "target")),
        fields={} if models is None else _known_fields(models, settings),
        failed=failed,
        simulated=frozenset(n for n, model in known.items() if model.simulated),
        of_predictions=frozenset(n for n, m in known.items() if m.of_predictions),
    )


def _joined(parts: Sequence[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    held = [part for part in parts if len(part)]
    if not held:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(held, ignore_index=True)


def _known_fields(
    models: TargetModels, settings: Settings
) -> Mapping[str, ResidualField]:
    folder, ecosystem = settings.project / "models", models.ecosystem.id
    found: dict[str, ResidualField] = {}
    for model in models.models.values():
        found |= load_residual_fields(folder, model.id, ecosystem)
    return found


def target_estimate(
    plan: RunPlan,
    ledger: TargetRows,
    region: Region,
    indicator: Indicator,
    tiles: Collection[str],
    shape: Cells,
) -> Estimate:
    """Return the total or mean of a target over a region.

    Parameters
    ----------
    plan : RunPlan
    ledger : TargetRows
    region : Region
    indicator : Indicator
        One of ``TARGET_INDICATORS``.
    tiles : collection of str
        Names of the tiles that the region lies on.
    shape : Cells
        Of the region: ``residuals.region_cells``.

    Raises
    ------
    Refusal
        Out of season, without a model or a scene, with tiles that could not be read,
        with too little land seen, or with no land of the target's ecosystems.
    """
    chosen = TARGET_INDICATORS[indicator.id]
    available = [f"{name}_map" for name in reported_targets(plan.setup.config)]
    peak, season = plan.setup.peak, plan.setup.config.season
    if peak is None:
        raise Refusal(
            f"{indicator.id} for {plan.setup.month.label}",
            expected=f"a month that ends on or after {season.peak_end}, "
            "when the peak season is complete",
            remedy="Run that month or a later one of the same year.",
        )
    admit(indicator, period=peak, available=available)
    require_pixels(plan, ledger.failed, region, kind="peak", tiles=tiles)
    mine = ledger.rows[ledger.rows["target"] == chosen.rows]
    sums = sum_region(mine, plan.leaves.members[region.id])
    _require_land(plan, region, sums)
    found = _total(plan, ledger, region, sums, chosen.rows, shape)
    scale = chosen.factor / (sums.dry_ha if chosen.statistic == "mean" else 1.0)
    top = 1.0 if chosen.statistic == "mean" else math.inf
    confidence = plan.setup.config.estimate.confidence
    value, se = found.value * scale, found.se * scale
    low, high = student_interval(value, se, found.df, confidence, bounds=(0.0, top))
    learnt = (LEARNT_SIMULATED,) if chosen.target in ledger.simulated else ()
    second = (LEARNT_PREDICTIONS,) if chosen.target in ledger.of_predictions else ()
    return Estimate(
        indicator=indicator.id,
        region=region.id,
        period=peak.label,
        value=value,
        se=se,
        df=found.df,
        low=low,
        high=high,
        confidence=confidence,
        unit=indicator.unit,
        mode=found.mode,
        n=0,
        area_ha=sums.dry_ha,
        valid_share=sums.valid_share,
        provenance="simulated" if plan.simulated or learnt else "observed",
        flags=(*found.flags, *learnt, *second),
        outside_share=sums.outside_share,
        stock_outside_share=sums.stock_outside_share,
    )


@dataclass(frozen=True, slots=True)
class _Total:
    """A total in the target's unit times hectares, and what its error holds."""

    value: float
    se: float
    df: float
    mode: str
    flags: tuple[str, ...]


def _total(
    plan: RunPlan,
    ledger: TargetRows,
    region: Region,
    sums: RegionSums,
    rows: str,
    shape: Cells,
) -> _Total:
    """Return the total over a region: members, and errors correlated over its shape.

    The members' totals are taken times the ratio of the field. Degrees of freedom by
    Satterthwaite (1946), over members and worlds.
    """
    value, members_se, members_df = total_and_model_se(sums)
    field = ledger.fields.get(rows)
    if field is None:
        flags = (NOT_CALIBRATED, MAP_OF_CLASSES)
        return _Total(value, members_se, members_df, "model", flags)
    spread = region_scale(
        ledger.cells[ledger.cells["target"] == rows],
        field,
        shape,
        corner=region_corner(plan.leaves, region.id),
        grid=plan.grid,
    )
    value, members_se = field.ratio * value, field.ratio * members_se
    residuals = residual_error_of_total(spread, field, total=value, land_ha=sums.dry_ha)
    variance, df = sum_of_variances(
        ((members_se**2, members_df), (residuals.variance, residuals.df))
    )
    return _Total(value, math.sqrt(variance), df, "model-based", field_flags(field))


def field_flags(field: ResidualField) -> tuple[str, ...]:
    """Return what travels with a number whose error a residual field gives."""
    return (NOT_CALIBRATED, *((CORRECTED,) if field.ratio != 1.0 else ()))


def _require_land(plan: RunPlan, region: Region, sums: RegionSums) -> None:
    if sums.valid_share < least_valid_share(plan):
        raise too_little_seen(plan, region, sums)
    if sums.land_ha <= 0.0:
        raise Refusal(
            f"no pixel of {region.id} is of the ecosystems of the target",
            expected="some land of them on the ecosystem map",
            remedy="Leave the indicator out for this region: that a map shows none "
            "does not make zero certain.",
        )

"""Ledger rows of further targets to estimates: totals and means of one region.

The interval holds the spread of the model's members and nothing else, and is flagged
so: neither plots nor residuals stand behind a total yet.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import Indicator
from qhsink.domain.region import Region
from qhsink.estimation.ledger import (
    COLUMNS,
    RegionSums,
    sum_region,
    total_and_model_se,
)
from qhsink.indicators.definitions import admit
from qhsink.indicators.interval import student_interval
from qhsink.steps.map_indicators import TARGET_INDICATORS, reported_targets
from qhsink.steps.plan import RunPlan
from qhsink.steps.region_pixels import (
    least_valid_share,
    require_pixels,
    too_little_seen,
)
from qhsink.steps.target_models import load_target_models
from qhsink.steps.tiles import TileOutcome, read_target_ledger
from qhsink.store import Store

MODEL_ONLY = "not calibrated"
"""Flag of an interval that holds the model's parameter error and nothing else."""
MAP_OF_CLASSES = "ecosystem error left out"
"""Flag of a number over pixels of an ecosystem, taken as if the map were right."""
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
    held = [part for part in parts if len(part)]
    empty = pd.DataFrame(columns=[*COLUMNS, "target"])
    return TargetRows(
        rows=pd.concat(held, ignore_index=True) if held else empty,
        failed=failed,
        simulated=frozenset(n for n, model in known.items() if model.simulated),
        of_predictions=frozenset(n for n, m in known.items() if m.of_predictions),
    )


def target_estimate(
    plan: RunPlan,
    ledger: TargetRows,
    region: Region,
    indicator: Indicator,
    tiles: Collection[str],
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
    total, se, df = total_and_model_se(sums)
    scale = chosen.factor / (sums.dry_ha if chosen.statistic == "mean" else 1.0)
    top = 1.0 if chosen.statistic == "mean" else math.inf
    confidence = plan.setup.config.estimate.confidence
    value, se = total * scale, se * scale
    low, high = student_interval(value, se, df, confidence, bounds=(0.0, top))
    learnt = (LEARNT_SIMULATED,) if chosen.target in ledger.simulated else ()
    second = (LEARNT_PREDICTIONS,) if chosen.target in ledger.of_predictions else ()
    return Estimate(
        indicator=indicator.id,
        region=region.id,
        period=peak.label,
        value=value,
        se=se,
        df=df,
        low=low,
        high=high,
        confidence=confidence,
        unit=indicator.unit,
        mode="model",
        n=0,
        area_ha=sums.dry_ha,
        valid_share=sums.valid_share,
        provenance="simulated" if plan.simulated or learnt else "observed",
        flags=(MODEL_ONLY, MAP_OF_CLASSES, *learnt, *second),
        outside_share=sums.outside_share,
        stock_outside_share=sums.stock_outside_share,
    )


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

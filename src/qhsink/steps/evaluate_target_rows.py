"""What a run with every target reports, beside the truth, and its map along tracks.

Totals of maps as the report has them, and ``estimate hybrid`` on the same run. Worlds
and their runs are ``evaluate_targets``'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from qhsink.config import Settings, load_model_targets, load_settings
from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate
from qhsink.domain.model_target import ModelTargets
from qhsink.estimation.ledger import total_and_model_se
from qhsink.grid import qinghai_albers, transformer
from qhsink.reporting.record import ReportRow
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import Result
from qhsink.steps.evaluate_site import Site, whole_id
from qhsink.steps.evaluate_targets import (
    ALL,
    COVER_INDICATOR,
    TargetsRun,
    true_quantity,
)
from qhsink.steps.evaluate_totals import as_text
from qhsink.steps.evaluate_trees import has_forest
from qhsink.steps.finished import FinishedRun, open_run, region_sums, run_regions
from qhsink.steps.hybrid import HybridRequest, RegionHybrid, hybrid_estimates
from qhsink.steps.map_indicators import TARGET_INDICATORS
from qhsink.steps.residuals import NOT_CALIBRATED
from qhsink.twin.campaign import Floats
from qhsink.twin.footprints import FootprintRules, shoot

REPORTED = "map total, as reported"
MEMBERS = "map total, members alone"
ALONG = "map along lidar tracks"
CORRECTED = "map corrected by lidar tracks"
TRACK, BIOMASS = "track", "agbd"
FOREST_MAP = "agb_forest_map"


def map_totals(run: TargetsRun) -> Iterator[Result]:
    """Yield totals and means of every target's map, of each square and of all.

    Per hectare of land, so that squares can be set side by side. Interval, mode and
    flags are the report's; the members alone are shown beside it.
    """
    table = load_model_targets(_settings().project)
    land = {ALL: run.sites} | {whole_id(site.square): (site,) for site in run.sites}
    finished = open_run(run.published.out)
    members = _members_alone(finished, tuple(n for n in land if _is_known(run, n)))
    for row in run.published.rows:
        if row.indicator_id not in TARGET_INDICATORS:
            continue
        plain = _beside(row, land[row.region.id], table)
        if row.estimate is None:
            yield dataclasses.replace(plain, refusal=row.refusal or "refused")
            continue
        per = _per_hectare(row.estimate, row.indicator_id)
        yield dataclasses.replace(
            plain,
            value=row.estimate.value * per,
            se=row.estimate.se * per,
            df=row.estimate.df,
            flags=row.estimate.flags,
        )
        yield _alone(plain, members[row.region.id, row.indicator_id])


def _is_known(run: TargetsRun, name: str) -> bool:
    return any(row.region.id == name for row in run.published.rows)


def _beside(row: ReportRow, sites: Sequence[Site], table: ModelTargets) -> Result:
    """Return a line without an estimate yet: the truth per hectare of true land."""
    true = np.concatenate(
        [true_quantity(site, row.indicator_id, table) for site in sites]
    )
    whole = row.region.id == ALL
    return Result(
        row.region.id,
        "target squares" if whole else "target square",
        row.indicator_id,
        REPORTED,
        0,
        float(true.mean()) * _unit(row.indicator_id),
    )


def _unit(indicator: str) -> float:
    """Return the indicator's unit per hectare in the target's unit."""
    return TARGET_INDICATORS[indicator].factor


def _per_hectare(estimate: Estimate, indicator: str) -> float:
    """Return what makes a number per hectare of land of an estimate."""
    total = TARGET_INDICATORS[indicator].statistic == "total"
    return 1.0 / estimate.area_ha if total else 1.0


def _members_alone(
    run: FinishedRun, names: tuple[str, ...]
) -> Mapping[tuple[str, str], tuple[float, float, float]]:
    """Return mean, standard error and degrees of freedom between members."""
    regions, leaves = run_regions(run, names, _settings())
    found = {}
    for region in regions:
        for indicator, chosen in TARGET_INDICATORS.items():
            try:
                sums = region_sums(
                    run, region, leaves, run.period("peak"), target=chosen.rows
                )
            except Refusal:  # as the report refuses it too, with the reason
                continue
            value, se, df = total_and_model_se(sums)
            per = chosen.factor / sums.dry_ha
            found[region.id, indicator] = value * per, se * per, df
    return found


def _alone(plain: Result, found: tuple[float, float, float]) -> Result:
    value, se, df = found
    return dataclasses.replace(
        plain, mode=MEMBERS, value=value, se=se, df=df, flags=(NOT_CALIBRATED,)
    )


def hybrid_on_map(
    run: TargetsRun, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield ``estimate hybrid`` of every square with trees: tracks on the run's map.

    Once the map is read along the tracks, once the footprints' own biomass corrects it,
    with the error that footprints share as their maker states it.
    """
    table = load_model_targets(_settings().project)
    for site in run.sites:
        if not has_forest(site):
            continue
        footprints, shared = _fly(site, run, trial.footprint_rules, rng)
        trees = float(true_quantity(site, FOREST_MAP, table).mean())
        cover = float(site.cover.mean())
        for indicator, mode, value, true in (
            (COVER_INDICATOR, ALONG, None, cover),
            (FOREST_MAP, ALONG, None, trees),
            (FOREST_MAP, CORRECTED, BIOMASS, trees),
        ):
            request = HybridRequest(
                run=run.published.out,
                regions=(whole_id(site.square),),
                indicator=indicator,
                cluster=TRACK,
                value=value,
                value_se=None if value is None else shared,
            )
            plain = Result(
                whole_id(site.square),
                "target square",
                indicator,
                mode,
                0,
                true,
                kind="skewed",
            )
            found = hybrid_estimates(request, footprints, _settings())
            for why in found.refused.values():
                yield dataclasses.replace(plain, refusal=why)
            for one in found.estimates:
                yield _given(plain, one)


def _fly(
    site: Site, run: TargetsRun, rules: FootprintRules, rng: np.random.Generator
) -> tuple[pd.DataFrame, float]:
    """Return the good footprints over a square, and what error they all share."""
    table = shoot(run.truth, site.square.outline.bounds, rules=rules, rng=rng)[0]
    good = table[table["quality_flag"] == 1]
    lon, lat = _degrees(good["x"].to_numpy(), good["y"].to_numpy())
    columns = {"lon": lon, "lat": lat, TRACK: good[TRACK], BIOMASS: good[BIOMASS]}
    return as_text(columns), rules.model_cv * float(good[BIOMASS].mean())


def _degrees(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    move = transformer(qinghai_albers(), "EPSG:4326")
    lon, lat = move.transform(x, y)
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64)


def _given(plain: Result, found: RegionHybrid) -> Result:
    """Return a line with what is printed: the mean, or the total per hectare."""
    return dataclasses.replace(
        plain,
        n=found.mean.clusters,
        value=found.mean.value,
        se=found.mean.variance.se,
        df=found.mean.df,
        skewness=found.mean.skewness,
        flags=found.flags,
    )


@cache
def _settings() -> Settings:
    return load_settings()

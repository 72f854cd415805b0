"""A finished run's map along tracks of footprints to hybrid estimates, by region.

Two questions, one file of places with the track of each, such as GEDI's:

* Without a value: the run's model speaks at the footprints alone. The tracks are the
  sample, the error of the model is that between the ledger's member totals.
* With a value of their own, such as biomass from waveforms: the map is the auxiliary.
  The tracks correct it, so the error of the map's model drops out and that of the
  footprints' own model takes its place.

The map alone, wall to wall, has no sampling term: that is ``modelled``'s.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.config import Settings, load_indicators
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.indicator import Indicator
from qhsink.domain.period import Period
from qhsink.domain.region import Region
from qhsink.estimation.hybrid import HybridMean, ModelError, mean_of_clusters
from qhsink.estimation.ledger import RegionSums
from qhsink.estimation.model_based import member_variance
from qhsink.estimation.reliability import cluster_flags
from qhsink.indicators.definitions import admit
from qhsink.steps.finished import (
    FinishedRun,
    open_run,
    region_sums,
    run_regions,
)
from qhsink.steps.hybrid_footprints import (
    HybridRequest,
    JoinedFootprints,
    join_footprints,
    residual_variance,
)
from qhsink.steps.map_indicators import (
    TARGET_INDICATORS,
)
from qhsink.steps.plan import MAP_INDICATORS
from qhsink.steps.residuals import (
    NOT_CALIBRATED,
    Cells,
    region_cells,
)
from qhsink.steps.target_estimates import MAP_OF_CLASSES, field_flags

RESIDUALS_LEFT_OUT = "residual error left out"
"""Flag of a number without the error of single predictions about the model's mean."""
FOOTPRINT_MODEL_LEFT_OUT = "error of the footprints' own model left out"
"""Flag of a number corrected by footprints whose shared error nobody stated."""

LEAST_TRACKS = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RegionHybrid:
    """A region's hybrid estimate, with all that it rests on."""

    region: Region
    """The region."""
    mean: HybridMean
    """Per hectare of mapped land, its variance by source."""
    map_mean: float
    """The map's own mean over the same land, from the ledger."""
    scale: float | None
    """Total in the unit of the indicator per unit of the mean; None for a mean."""
    footprints: int
    """On mapped land of the region."""
    without_map: int
    """In the region, on water or on land without a value: not used."""
    sums: RegionSums
    """What the ledger says."""
    flags: tuple[str, ...]
    """What speaks against the interval."""


@dataclass(frozen=True, slots=True)
class HybridResult:
    """Estimates and refusals, by region."""

    run: FinishedRun
    """The run whose map was used."""
    indicator: Indicator
    """The indicator."""
    period: Period
    """Period of the map."""
    estimates: tuple[RegionHybrid, ...]
    """In the order asked for."""
    refused: Mapping[str, str]
    """Region id to the reason."""


def hybrid_estimates(
    request: HybridRequest, footprints: pd.DataFrame, settings: Settings
) -> HybridResult:
    """Return one hybrid estimate per region asked for.

    Parameters
    ----------
    footprints : DataFrame
        Text cells: ``lon``, ``lat`` (WGS84), the column of the track and, where asked
        for, that of the footprints' own value. Those outside a region are not its.

    Raises
    ------
    BadInput
        When run, regions, footprints or options cannot be used.

    Notes
    -----
    Tracks are taken as a simple random sample of those that could have been flown, as
    Patterson et al. (2019) take GEDI's. Footprints on what the map calls water, or
    without a value, are outside the land that the mean is of.
    """
    if request.value_se is not None and request.value is None:
        raise BadInput(
            "a standard error that the footprints' values share, without a value",
            expected="--value COL with --value-se",
            remedy="Name the column of the values, or leave out --value-se.",
        )
    run = open_run(request.run)
    indicator = _indicator(request.indicator, settings)
    of = TARGET_INDICATORS.get(indicator.id)
    period = run.period("peak" if of is not None else MAP_INDICATORS[indicator.id])
    admit(indicator, period=period, available=(f"{of.target if of else 'fvc'}_map",))
    regions, leaves = run_regions(run, request.regions, settings)
    joined, inside = join_footprints(request, footprints, run, leaves, period, settings)
    estimates, refused = [], {}
    for region in regions:
        try:
            rows = "fvc" if of is None else of.rows
            sums = region_sums(run, region, leaves, period, target=rows)
            cells = region_cells(leaves, region.id)
            estimates.append(_estimate(joined, region, sums, cells, inside[region.id]))
        except Refusal as error:
            refused[region.id] = str(error)
    return HybridResult(run, indicator, period, tuple(estimates), refused)


def _indicator(name: str, settings: Settings) -> Indicator:
    known = (*MAP_INDICATORS, *TARGET_INDICATORS)
    if name not in known:
        raise BadInput(
            f"--indicator {name!r}",
            expected=f"one that is made of a map: {', '.join(known)}",
            remedy="For clusters of plots use qhsink estimate total --method cluster.",
        )
    return load_indicators(settings.project)[name]


def _estimate(
    joined: JoinedFootprints,
    region: Region,
    sums: RegionSums,
    cells: Cells,
    inside: NDArray[np.bool_],
) -> RegionHybrid:
    used = inside & ~np.isnan(joined.mapped)
    totals, sizes = _by_track(joined, used, region)
    if joined.own is None and joined.field is not None:
        ratio = joined.field.ratio
        totals = ratio * totals
        sums = sums.times(ratio)
    map_mean = float(sums.dry_member_means.mean())
    mean = (
        _along_tracks(
            totals, sizes, sums, residual_variance(joined, region, sums, cells)
        )
        if joined.own is None
        else _corrected(joined, totals, sizes, map_mean)
    )
    rules = load_interval_rules(joined.settings.project)
    of = joined.of
    few = cluster_flags(totals, sizes, rules=rules, map_errors=joined.own is not None)
    return RegionHybrid(
        region=region,
        mean=mean,
        map_mean=map_mean,
        scale=of.factor * sums.dry_ha if of and of.statistic == "total" else None,
        footprints=int(sizes.sum()),
        without_map=int(inside.sum() - used.sum()),
        sums=sums,
        flags=(*_flags(joined), *few),
    )


def _by_track(
    joined: JoinedFootprints, used: NDArray[np.bool_], region: Region
) -> tuple[Floats, Floats]:
    """Return the sum of values, and the footprints, of every track of a region."""
    names, at = np.unique(joined.cluster[used], return_inverse=True)
    if len(names) < LEAST_TRACKS:
        raise Refusal(
            f"{int(used.sum())} footprints of {len(names)} tracks on mapped land of "
            f"{region.id}",
            expected=f"at least {LEAST_TRACKS} tracks: one has no sampling variance",
            remedy="Add tracks, or ask for a larger region.",
        )
    value = joined.mapped if joined.own is None else joined.own - joined.mapped
    totals = np.bincount(at, weights=value[used]).astype(np.float64)
    return totals, np.bincount(at).astype(np.float64)


def _along_tracks(
    totals: Floats, sizes: Floats, sums: RegionSums, spread: float
) -> HybridMean:
    """Return the map's mean along tracks: sampling, members, residuals."""
    members = sums.dry_member_means
    return mean_of_clusters(
        totals,
        sizes,
        model=ModelError(member_variance(members), members.size - 1.0),
        residual_variance=spread,
    )


def _corrected(
    joined: JoinedFootprints, totals: Floats, sizes: Floats, map_mean: float
) -> HybridMean:
    """Return the map's mean corrected by the footprints' own values."""
    shared = (joined.request.value_se or 0.0) ** 2
    gap = mean_of_clusters(totals, sizes, model=ModelError(shared, math.inf))
    return dataclasses.replace(gap, value=map_mean + gap.value)


def _flags(joined: JoinedFootprints) -> tuple[str, ...]:
    if joined.own is not None:
        stated = joined.request.value_se is not None
        return () if stated else (FOOTPRINT_MODEL_LEFT_OUT,)
    if joined.residuals is not None:
        return joined.residuals.flags
    if joined.field is not None:
        return field_flags(joined.field)
    return (NOT_CALIBRATED, MAP_OF_CLASSES, RESIDUALS_LEFT_OUT)

"""Plots and a finished run's map to map-assisted estimates, one per region.

Composes: the run is read by ``finished``, plots are checked and estimates made in
``qhsink.estimation``, verdicts in ``qhsink.indicators``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.config import Settings, load_indicators, load_targets
from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.estimate import Estimate, Verdict
from qhsink.domain.indicator import Indicator
from qhsink.domain.period import Period
from qhsink.domain.region import Region
from qhsink.estimation.assisted import AssistedMean, assisted_mean
from qhsink.estimation.field_plots import (
    FieldPlots,
    plot_design,
    read_field_plots,
)
from qhsink.estimation.ledger import RegionSums
from qhsink.estimation.schema import sizes_by_label
from qhsink.estimation.standing import Evidence, standing
from qhsink.estimation.survey import StratifiedClusters
from qhsink.indicators.definitions import admit
from qhsink.indicators.interval import student_interval
from qhsink.steps.assisted_checks import (
    AssistedMethod,
    refuse_extrapolation,
    refuse_few,
    refuse_outside,
)
from qhsink.steps.estimates import verdict_on
from qhsink.steps.finished import (
    FinishedRun,
    MapValues,
    map_values,
    open_run,
    plots_inside,
    region_sums,
    run_regions,
    to_grid,
)
from qhsink.steps.plan import MAP_INDICATORS


@dataclass(frozen=True, slots=True)
class AssistedRequest:
    """What ``estimate region`` is asked."""

    run: Path
    """Folder of a finished run."""
    regions: tuple[str, ...]
    """Region ids."""
    indicator: str
    """Indicator id; one that is a mean of a map."""
    value: str
    """Column of the reference value."""
    method: AssistedMethod = "difference"
    """``regression`` also repairs a map that saturates."""
    plot_m: float | None = None
    """Diameter of a plot [m]; None samples the pixel at its centre."""
    confidence: float = 0.9
    """Level of intervals."""
    half_width: float | None = None
    """Precision target, in the unit of the indicator."""


@dataclass(frozen=True, slots=True)
class RegionEstimate:
    """A region's assisted estimate, with all that it rests on."""

    region: Region
    """The region."""
    estimate: Estimate
    """The number, with interval and status."""
    assisted: AssistedMean
    """Map mean, bias, efficiency."""
    sums: RegionSums
    """What the ledger says."""
    on_water: tuple[str, ...]
    """Plots that the map calls water: outside the land that the mean is of."""
    no_value: tuple[str, ...]
    """Plots on land without a map value: nonresponse of the map."""
    lacking: tuple[str, ...]
    """What the status ``design_verified`` still needs."""
    verdict: Verdict | None
    """Verdict on the year's target or reference line, if there is one."""


@dataclass(frozen=True, slots=True)
class AssistedResult:
    """Estimates and refusals, by region."""

    run: FinishedRun
    """The run whose map was used."""
    period: Period
    """Period of the map."""
    estimates: tuple[RegionEstimate, ...]
    """In the order asked for."""
    refused: Mapping[str, str]
    """Region id to the reason."""


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Plots beside the map, and all else that is the same for every region."""

    request: AssistedRequest
    run: FinishedRun
    period: Period
    settings: Settings
    plots: FieldPlots
    design: StratifiedClusters
    found: MapValues
    inside: Mapping[str, NDArray[np.bool_]]


def assisted_estimates(
    request: AssistedRequest,
    plots: pd.DataFrame,
    strata: pd.DataFrame | None,
    settings: Settings,
) -> AssistedResult:
    """Return one map-assisted estimate per region asked for.

    Parameters
    ----------
    plots : DataFrame
        Text cells; see ``read_field_plots``. All plots of one design: with several
        regions each is a domain of it.
    strata : DataFrame, optional
        ``stratum,units``.

    Raises
    ------
    BadInput
        When run, regions, plots or options cannot be used.
    """
    run = open_run(request.run)
    indicator = map_indicator(request.indicator, settings)
    kind = MAP_INDICATORS[indicator.id]
    period = run.period(kind)
    admit(indicator, period=period, available=("fvc_map",))
    regions, leaves = run_regions(run, request.regions, settings)
    table = read_field_plots(
        plots, value=request.value, unit=indicator.unit, bounds=(0.0, 1.0)
    )
    sizes = None if strata is None else sizes_by_label(strata, table="the strata table")
    x, y = to_grid(run, table.lon, table.lat)
    inside = plots_inside(leaves, request.regions, x, y)
    refuse_outside(table, inside)
    joined = _Joined(
        request,
        run,
        period,
        settings,
        table,
        plot_design(table, sizes),
        map_values(run, period, x, y, plot_m=request.plot_m),
        inside,
    )
    estimates, refused = [], {}
    for region in regions:
        try:
            sums = region_sums(run, region, leaves, period)
            estimates.append(_estimate(joined, region, sums))
        except Refusal as error:
            refused[region.id] = str(error)
    return AssistedResult(run, period, tuple(estimates), refused)


def map_indicator(name: str, settings: Settings) -> Indicator:
    """Return an indicator that is a mean of a map.

    Raises
    ------
    BadInput
        When it is none.
    """
    if name not in MAP_INDICATORS:
        raise BadInput(
            f"--indicator {name!r}",
            expected=f"one that is a mean of a map: {', '.join(MAP_INDICATORS)}",
            remedy="For plots alone use qhsink estimate total, or indicators cvcg.",
        )
    return load_indicators(settings.project)[name]


def _estimate(joined: _Joined, region: Region, sums: RegionSums) -> RegionEstimate:
    request, run, period = joined.request, joined.run, joined.period
    here, mapped = joined.inside[region.id], ~np.isnan(joined.found.value)
    used, lost = here & mapped, here & ~mapped
    assisted = _assist(joined, region, sums, used, lost=int(lost.sum()))
    low, high = student_interval(
        assisted.mean, assisted.se, assisted.df, request.confidence, bounds=(0.0, 1.0)
    )
    status, lacking = standing(
        Evidence(
            probability_sample=joined.plots.weight is not None,
            plots=_count_by_stratum(joined.plots, here, used),
            half_width=(high - low) / 2.0,
            wanted_half_width=request.half_width,
            applicable_share=_applicable(sums),
            provenance=run.provenance,
        )
    )
    estimate = Estimate(
        indicator=request.indicator,
        region=region.id,
        period=period.label,
        value=assisted.mean,
        se=assisted.se,
        df=assisted.df,
        low=low,
        high=high,
        confidence=request.confidence,
        unit="1",
        mode="model-assisted",
        n=assisted.n,
        area_ha=sums.area_ha,
        valid_share=sums.valid_share,
        outside_share=sums.outside_share,
        provenance=run.provenance,
        status=status,
    )
    targets = load_targets(joined.settings.project)
    return RegionEstimate(
        region=region,
        estimate=estimate,
        assisted=assisted,
        sums=sums,
        on_water=_named(joined.plots, lost & joined.found.is_water),
        no_value=_named(joined.plots, lost & ~joined.found.is_water),
        lacking=lacking,
        verdict=verdict_on(estimate, year=period.start.year, targets=targets),
    )


def _assist(
    joined: _Joined,
    region: Region,
    sums: RegionSums,
    used: NDArray[np.bool_],
    *,
    lost: int,
) -> AssistedMean:
    """Return the assisted mean of the plots ``used``, or refuse it."""
    request = joined.request
    refuse_few(request.method, region, used=int(used.sum()), lost=lost)
    assisted = assisted_mean(
        joined.design,
        joined.plots.y,
        np.where(used, joined.found.value, 0.0),
        map_mean=float(sums.member_means.mean()),
        slope=request.method == "regression",
        inside=used,
    )
    if assisted.df <= 0:
        raise Refusal(
            f"{assisted.n} plots in as many strata of {region.id}",
            expected="at least one degree of freedom",
            remedy="Merge strata by a rule set beforehand, or sample more.",
        )
    refuse_extrapolation(assisted, region, joined.settings)
    return assisted


def _applicable(sums: RegionSums) -> float | None:
    """Return the share of the land that is mapped and inside the model's area."""
    if sums.outside_share is None:
        return None
    return (1.0 - sums.outside_share) * sums.valid_share


def _count_by_stratum(
    plots: FieldPlots, here: NDArray[np.bool_], used: NDArray[np.bool_]
) -> dict[str, int]:
    """Return the plots used in every stratum that has plots in the region."""
    if plots.stratum is None:
        return {"the sample": int(used.sum())}
    names = sorted(set(plots.stratum[here].tolist()))
    return {name: int((used & (plots.stratum == name)).sum()) for name in names}


def _named(plots: FieldPlots, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(plots.unit[at] for at in np.flatnonzero(chosen))

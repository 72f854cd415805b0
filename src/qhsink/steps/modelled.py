"""A finished run's map alone to model-based estimates, one per region.

Composes: the run is read by ``finished``, residuals come from ``residuals``. Plots
that correct the map are ``assisted``'s business; here they show its residuals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from qhsink.config import Settings, load_targets
from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate, Verdict
from qhsink.domain.period import Period
from qhsink.domain.region import Region
from qhsink.estimation.field_plots import read_field_plots
from qhsink.estimation.ledger import RegionSums
from qhsink.indicators.definitions import admit
from qhsink.indicators.interval import student_interval
from qhsink.steps.assisted import map_indicator
from qhsink.steps.estimates import verdict_on
from qhsink.steps.finished import (
    FinishedRun,
    map_values,
    open_run,
    region_sums,
    run_regions,
    to_grid,
)
from qhsink.steps.plan import MAP_INDICATORS
from qhsink.steps.residuals import (
    ModelledMean,
    Residuals,
    modelled_mean,
    region_cells,
    residuals_of_plots,
    residuals_without_plots,
)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What ``estimate model`` is asked of a run."""

    run: Path
    """Folder of a finished run."""
    regions: tuple[str, ...]
    """Region ids."""
    indicator: str
    """Indicator id; one that is a mean of a map."""
    value: str
    """Column of the plots' value."""
    plot_m: float | None = None
    """Diameter of a plot [m]; None samples the pixel at its centre."""
    confidence: float = 0.9
    """Level of intervals."""


@dataclass(frozen=True, slots=True)
class RegionModelled:
    """A region's model-based estimate, with all that it rests on."""

    region: Region
    """The region."""
    estimate: Estimate
    """The number, with its interval."""
    mean: ModelledMean
    """Variance by source, mean correlation."""
    sums: RegionSums
    """What the ledger says."""
    verdict: Verdict | None
    """Verdict on the year's target or reference line, if there is one."""


@dataclass(frozen=True, slots=True)
class ModelledResult:
    """Estimates and refusals, by region."""

    run: FinishedRun
    """The run whose map was used."""
    period: Period
    """Period of the map."""
    model: str
    """Model id."""
    residuals: Residuals
    """What the residual part rests on."""
    without_map: tuple[str, ...]
    """Plots outside the map, or without a value there: not used."""
    estimates: tuple[RegionModelled, ...]
    """In the order asked for."""
    refused: Mapping[str, str]
    """Region id to the reason."""


def modelled_estimates(
    request: ModelRequest, plots: pd.DataFrame | None, settings: Settings
) -> ModelledResult:
    """Return one model-based estimate per region asked for.

    Parameters
    ----------
    plots : DataFrame, optional
        Text cells, see ``read_field_plots``: plots that the model has not seen,
        anywhere on the run's map. They show its residuals and correct nothing.

    Raises
    ------
    BadInput
        When run, regions, plots or options cannot be used.
    """
    run = open_run(request.run)
    indicator = map_indicator(request.indicator, settings)
    period = run.period(MAP_INDICATORS[indicator.id])
    admit(indicator, period=period, available=("fvc_map",))
    regions, leaves = run_regions(run, request.regions, settings)
    without: tuple[str, ...] = ()
    if plots is None:
        residuals = residuals_without_plots(run.config, settings)
    else:
        residuals, without = _at_plots(request, plots, run, period, indicator.unit)
    pixel_m2 = run.grid.pixel_area_ha * 1e4
    estimates, refused = [], {}
    for region in regions:
        try:
            sums = region_sums(run, region, leaves, period)
        except Refusal as error:
            refused[region.id] = str(error)
            continue
        cells = region_cells(leaves, region.id)
        mean = modelled_mean(sums, residuals, cells, pixel_m2=pixel_m2)
        found = _estimate(request, run, period, region, sums, mean, residuals)
        targets = load_targets(settings.project)
        verdict = verdict_on(found, year=period.start.year, targets=targets)
        estimates.append(RegionModelled(region, found, mean, sums, verdict))
    return ModelledResult(
        run,
        period,
        run.config.models.fvc,
        residuals,
        without,
        tuple(estimates),
        refused,
    )


def _at_plots(
    request: ModelRequest,
    plots: pd.DataFrame,
    run: FinishedRun,
    period: Period,
    unit: str,
) -> tuple[Residuals, tuple[str, ...]]:
    table = read_field_plots(plots, value=request.value, unit=unit, bounds=(0.0, 1.0))
    x, y = to_grid(run, table.lon, table.lat)
    found = map_values(run, period, x, y, plot_m=request.plot_m)
    seen = ~np.isnan(found.value)
    residuals = residuals_of_plots(x[seen], y[seen], (found.value - table.y)[seen])
    return residuals, tuple(table.unit[at] for at in np.flatnonzero(~seen))


def _estimate(
    request: ModelRequest,
    run: FinishedRun,
    period: Period,
    region: Region,
    sums: RegionSums,
    mean: ModelledMean,
    residuals: Residuals,
) -> Estimate:
    se = mean.variance.se
    low, high = student_interval(
        mean.value, se, mean.df, request.confidence, bounds=(0.0, 1.0)
    )
    return Estimate(
        indicator=request.indicator,
        region=region.id,
        period=period.label,
        value=mean.value,
        se=se,
        df=mean.df,
        low=low,
        high=high,
        confidence=request.confidence,
        unit="1",
        mode="model-based",
        n=0,
        area_ha=sums.land_ha + sums.unobserved_ha,
        valid_share=sums.valid_share,
        provenance=run.provenance,
        flags=residuals.flags,
        outside_share=sums.outside_share,
    )

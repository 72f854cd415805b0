"""Footprints of a hybrid estimate beside a finished run's map, and its residuals.

What is estimated of them belongs to ``hybrid``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.config import Settings, load_model_targets
from qhsink.domain.period import Period
from qhsink.domain.region import Region
from qhsink.domain.residual_field import ResidualField
from qhsink.estimation.ledger import RegionSums
from qhsink.estimation.schema import labels, numbers, require_columns
from qhsink.regions.overlay import Leaves
from qhsink.registry.residual_fields import load_residual_fields
from qhsink.steps.finished import (
    FinishedRun,
    map_values,
    plots_inside,
    to_grid,
)
from qhsink.steps.map_indicators import (
    ECOSYSTEM,
    TARGET_INDICATORS,
    TargetIndicator,
)
from qhsink.steps.residuals import (
    Cells,
    Residuals,
    modelled_mean,
    residuals_without_plots,
)
from qhsink.steps.target_cells import (
    CELLS_FILE,
    region_corner,
    region_scale,
    residual_error_of_total,
)

TRACKS = "the table of footprints"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HybridRequest:
    """What ``estimate hybrid`` is asked."""

    run: Path
    """Folder of a finished run."""
    regions: tuple[str, ...]
    """Region ids."""
    indicator: str
    """Indicator id; a mean or a total of a map."""
    cluster: str
    """Column of the track that a footprint is of."""
    value: str | None = None
    """Column of the footprints' own predictions, unit of the map; None for none."""
    value_se: float | None = None
    """Standard error that these share, unit of the map: their model's."""
    confidence: float = 0.9
    """Level of intervals."""


@dataclass(frozen=True, slots=True, eq=False)
class JoinedFootprints:
    """Footprints beside the map, and all else that is the same for every region."""

    request: HybridRequest
    run: FinishedRun
    settings: Settings
    of: TargetIndicator | None
    """The map of a further target; None for vegetation cover."""
    cluster: NDArray[np.str_]
    """(n,) track of each footprint."""
    mapped: Floats
    """(n,) value of the map; NaN where there is none."""
    own: Floats | None
    """(n,) the footprints' own predictions; None where they have none."""
    residuals: Residuals | None
    """Of the map of cover; None of another."""
    field: ResidualField | None
    """Of the whole quantity of a further target; None where not known."""
    leaves: Leaves
    """What regions are sums of."""


def join_footprints(
    request: HybridRequest,
    footprints: pd.DataFrame,
    run: FinishedRun,
    leaves: Leaves,
    period: Period,
    settings: Settings,
) -> tuple[JoinedFootprints, Mapping[str, NDArray[np.bool_]]]:
    """Return the footprints beside the map, and which lie in which region."""
    of = TARGET_INDICATORS.get(request.indicator)
    columns = [name for name in (request.cluster, request.value) if name is not None]
    frame = require_columns(footprints, ("lon", "lat", *columns), table=TRACKS)
    lon, lat = (numbers(frame, name, table=TRACKS) for name in ("lon", "lat"))
    x, y = to_grid(run, lon, lat)
    target = of.target if of else "fvc"
    mapped = map_values(run, period, x, y, plot_m=None, target=target).value
    if of is not None and of.rows != of.target:
        least = load_model_targets(settings.project).get(of.target).area_from
        counted = (mapped >= (least or math.inf)).astype(float)
        mapped = np.where(np.isnan(mapped), np.nan, counted)
    own = None
    if request.value is not None:
        own = numbers(frame, request.value, table=TRACKS)
    joined = JoinedFootprints(
        request=request,
        run=run,
        settings=settings,
        of=of,
        cluster=labels(frame, request.cluster, table=TRACKS),
        mapped=mapped,
        own=own,
        residuals=residuals_without_plots(run.config, settings) if of is None else None,
        field=None if of is None else _field(run, of, settings),
        leaves=leaves,
    )
    return joined, plots_inside(leaves, request.regions, x, y)


def _field(
    run: FinishedRun, of: TargetIndicator, settings: Settings
) -> ResidualField | None:
    """Return the errors of a target's whole quantity; None where not on record."""
    pair = (run.config.models.of(name) for name in (of.target, ECOSYSTEM))
    target, ecosystem = (name or "" for name in pair)
    if CELLS_FILE not in run.digests:
        return None
    fields = load_residual_fields(settings.project / "models", target, ecosystem)
    return fields.get(of.rows)


def residual_variance(
    joined: JoinedFootprints, region: Region, sums: RegionSums, shape: Cells
) -> float:
    """Return the variance of the mean residual over a region; 0 where not known."""
    run, field, of = joined.run, joined.field, joined.of
    if joined.residuals is not None:
        pixel_m2 = run.grid.pixel_area_ha * 1e4
        whole = modelled_mean(sums, joined.residuals, shape, pixel_m2=pixel_m2)
        return whole.variance.residuals
    if field is None or of is None:
        return 0.0
    cells = pd.read_parquet(run.file(CELLS_FILE))
    spread = region_scale(
        cells[cells["target"] == of.rows],
        field,
        shape,
        corner=region_corner(joined.leaves, region.id),
        grid=run.grid,
    )
    total = float(sums.dry_member_means.mean()) * sums.dry_ha
    error = residual_error_of_total(spread, field, total=total, land_ha=sums.dry_ha)
    return error.variance / sums.dry_ha**2

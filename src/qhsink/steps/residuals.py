"""What is known of a map's residuals, and what they add to a region's error.

Three origins, in order of trust: plots that the model has not seen, the out-of-fold
residuals on the model's card, an assumption in the configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import RunConfig, Settings
from qhsink.domain.errors import ModelError
from qhsink.domain.variogram import Variogram, variogram_from
from qhsink.estimation.ledger import RegionSums
from qhsink.estimation.model_based import ModelVariance, model_variance
from qhsink.estimation.spatial import (
    mean_correlation_of_cells,
    mean_of_points_variance,
)
from qhsink.grid import coverage
from qhsink.mapping.residual_variogram import fit_variogram
from qhsink.regions.overlay import Leaves
from qhsink.registry import load_model

Origin = Literal["plots", "out_of_fold", "assumed"]

NOT_CALIBRATED = "not calibrated"
"""Flag of an interval that no plot of the region stands behind."""
ASSUMED = "residual correlation assumed"
"""Flag of an interval whose residual part rests on the configuration."""
STILL_RISING = "residual range not reached"
"""Flag of a variogram that still rises at the greatest distance between plots."""
BIASED = "map differs from plots"
"""Flag of a map whose mean difference from plots is more than chance."""

Cells = tuple[NDArray[np.float64], float]
"""Share of square cells in a region, shape (y, x), and their edge [m]."""

MOST_CELLS = 200
"""Cells along the longer side of a region whose shape is taken."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is known, or assumed, of the residuals of a map."""

    variogram: Variogram
    """Their variogram, unit of the indicator squared."""
    origin: Origin
    """Where it comes from."""
    bias: float | None = None
    """Mean of map minus plots, unit of the indicator; None without plots."""
    bias_se: float | None = None
    """Its standard error, residuals correlated as the variogram says."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What travels with every number that rests on them."""
        found = [] if self.origin == "plots" else [NOT_CALIBRATED]
        if self.origin == "assumed":
            found.append(ASSUMED)
        if not self.variogram.reaches_its_sill:
            found.append(STILL_RISING)
        if self.bias is not None and abs(self.bias) > 2.0 * (self.bias_se or 0.0):
            found.append(BIASED)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ModelledMean:
    """A mean over mapped land, and its variance by source."""

    value: float
    """Mean of the members, unit of the indicator."""
    variance: ModelVariance
    """By source, in the unit of the indicator squared."""
    df: float
    """Members less one: a standard error from few members is itself uncertain."""
    mean_correlation: float
    """Of residuals, between two places of the mapped land."""


def residuals_without_plots(config: RunConfig, settings: Settings) -> Residuals:
    """Return the residuals on the card of the run's model, else those assumed.

    Raises
    ------
    ModelError
        When the model cannot be read.
    """
    model = load_model(settings.project / "models", config.models.fvc)
    science = model.card["science"]
    if "residual_variogram" in science:
        return Residuals(variogram_from(science["residual_variogram"]), "out_of_fold")
    assumed = config.residuals
    spread = _greatest_rmse(science, model.id)
    variogram = Variogram(0.0, spread**2, assumed.range_m, assumed.correlation, 0)
    return Residuals(variogram, "assumed")


def _greatest_rmse(science: Mapping[str, Any], model_id: str) -> float:
    """Return the ensemble's RMSE in the hardest cross-validation on a card."""
    try:
        kinds = science["validation"].values()
        return max(float(kind["models"]["ensemble"]["rmse"]) for kind in kinds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"the card of {model_id} has no out-of-fold error of its ensemble",
            expected="validation.<kind>.models.ensemble.rmse",
            remedy="Train the model again with this release.",
        ) from error


def residuals_of_plots(
    x_m: ArrayLike, y_m: ArrayLike, residual: ArrayLike
) -> Residuals:
    """Return what map minus plots says, at plots that the model has not seen.

    Parameters
    ----------
    x_m, y_m : array of shape (n,)
        Places, in grid coordinates [m].
    residual : array of shape (n,)
        Map minus plot, unit of the indicator.

    Raises
    ------
    TableError
        When the plots are too few or too far apart for a variogram.
    """
    variogram = fit_variogram(x_m, y_m, residual)
    return Residuals(
        variogram,
        "plots",
        bias=float(np.mean(np.asarray(residual, dtype=float))),
        bias_se=math.sqrt(mean_of_points_variance(x_m, y_m, variogram)),
    )


def region_cells(leaves: Leaves, region_id: str) -> Cells:
    """Return the shape of a region as cells: a sum over its leaves."""
    chosen = leaves.frame["leaf_id"].isin(leaves.leaves_of(region_id))
    shapes = leaves.frame.geometry[chosen]
    left, bottom, right, top = shapes.total_bounds
    edge = max(right - left, top - bottom) / MOST_CELLS
    shape = math.ceil((top - bottom) / edge), math.ceil((right - left) / edge)
    geobox = GeoBox(shape, Affine(edge, 0, left, 0, -edge, top), leaves.frame.crs)
    share = np.zeros(shape[0] * shape[1])
    for geometry in shapes:
        index, part = coverage(geobox, geometry)
        share[index] += part
    return np.minimum(share, 1.0).reshape(shape), edge


def modelled_mean(
    sums: RegionSums,
    residuals: Residuals,
    cells: Cells,
    *,
    pixel_m2: float,
) -> ModelledMean:
    """Return the model-based mean over a region's land, with its error.

    Parameters
    ----------
    sums : RegionSums
        Member totals from the ledger.
    cells : Cells
        From ``region_cells``.
    pixel_m2 : float
        Area of a pixel [m2].

    Notes
    -----
    The correlation is that of the whole region times its area over mapped land: where
    water or gaps are cut out, fewer places remain to average over.
    """
    share, edge = cells
    whole = mean_correlation_of_cells(share, cell_m=edge, variogram=residuals.variogram)
    land_m2 = sums.land_ha * 1e4
    mean_correlation = min(whole * float(share.sum()) * edge**2 / land_m2, 1.0)
    members = sums.dry_member_means
    return ModelledMean(
        value=float(members.mean()),
        variance=model_variance(
            members,
            residuals.variogram,
            area_m2=land_m2,
            pixel_m2=min(pixel_m2, land_m2),
            mean_correlation=mean_correlation,
        ),
        df=float(members.size - 1),
        mean_correlation=mean_correlation,
    )

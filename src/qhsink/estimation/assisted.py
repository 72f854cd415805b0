"""A map corrected by a sample: the difference estimator, and what the map was worth.

The map's mean over the population is given; reading it from a ledger or a table does
not belong here.

References
----------
Saerndal, Swensson and Wretman (1992), chapter 6. McRoberts, Naesset and Gobakken
(2013). Methodology D3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.domains import Level, TotalEstimate, domain_levels, present
from qhsink.estimation.greg import Residuals, calibrate
from qhsink.estimation.survey import (
    Design,
    Floats,
    Moments,
    Uncalibrated,
    estimate_ratio,
    estimate_total,
    rescale,
)


def difference_by_domain(
    design: Design,
    y: Floats,
    prediction: Floats,
    *,
    population_means: dict[str | None, float],
    population_units: dict[str | None, float],
    domain: NDArray[np.str_] | None = None,
    level: Level | None = None,
    method: str = "difference",
) -> tuple[TotalEstimate, ...]:
    """Return the difference estimator: the map's total plus its estimated bias.

    Parameters
    ----------
    prediction : float array of shape (n,)
        Map value at each sample unit; from a model fitted elsewhere, or out of
        fold: residuals of a model fitted to the same units are too small.
    population_means, population_units : mapping
        Map mean and number of units, by domain level (None for the whole).

    Notes
    -----
    t = N mean_U(yhat) + sum w (y - yhat); variance of the total of the residuals:
    Saerndal et al. (1992) sec. 6.3.
    """
    using = Uncalibrated(np.ones(len(y)))
    rows = []
    for name, inside in domain_levels(domain, len(y)):
        bias = estimate_total(design, using, (y - prediction) * inside)
        units = population_units[name]
        total = replace(bias, value=units * population_means[name] + bias.value)
        rows.append(
            present(
                domain=name,
                n=int(inside.sum()),
                mean=rescale(total, 1.0 / units),
                total=total,
                df=design.df(inside),
                level=level or Level(),
                method=method,
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class AssistedMean:
    """A map's mean corrected by a sample, and what the map was worth."""

    map_mean: float
    """Mean of the map over the population, in the unit of y."""
    map_bias: float
    """Estimated mean of prediction minus truth, in the unit of y."""
    mean: float
    """Assisted estimate, in the unit of y."""
    se: float
    """Its standard error."""
    direct_mean: float
    """Estimate from the sample alone."""
    direct_se: float
    """Its standard error."""
    df: float
    """Degrees of freedom of both."""
    n: int
    """Sample units."""
    g_range: tuple[float, float] | None = None
    """Least and largest calibrated weight over design weight; None for difference."""

    @property
    def relative_efficiency(self) -> float | None:
        """Direct over assisted variance; None for an exact map."""
        return None if self.se == 0.0 else (self.direct_se / self.se) ** 2


def assisted_mean(
    design: Design,
    y: Floats,
    prediction: Floats,
    *,
    map_mean: float,
    slope: bool = False,
    residuals: Residuals = "g-weighted",
    inside: NDArray[np.bool_] | None = None,
) -> AssistedMean:
    """Return the map-assisted mean, with bias and relative efficiency.

    Parameters
    ----------
    y, prediction : float arrays of shape (n,)
        Reference value and map value at the sample units.
    map_mean : float
        Mean of the map over the population, wall to wall.
    slope : bool
        False: difference estimator. True: GREG with intercept and slope, which
        also repairs a map that saturates.
    inside : bool array of shape (n,), optional
        Units in the part of the population that the map mean is of; all when absent.
        The others stay in the design, for their number is random; their ``y`` and
        ``prediction`` must be finite and are not used.

    Raises
    ------
    TableError
        When no unit is inside.

    Notes
    -----
    Direct mean and bias are ratios to the estimated size of the part, so their
    variance is that of a domain mean (Saerndal et al. 1992, sec. 5.8): the plain
    stratified one where every unit is inside and weights are equal in a stratum.
    Relative efficiency: methodology D3; McRoberts, Naesset and Gobakken (2013).
    """
    chosen = np.ones(len(y), dtype=bool) if inside is None else inside
    part = chosen.astype(float)
    plain = Uncalibrated(np.ones(len(y)))
    direct = estimate_ratio(design, plain, y * part, part)
    bias = estimate_ratio(design, plain, (prediction - y) * part, part)
    if direct is None or bias is None:
        raise TableError(
            "no sample unit where the map has a value",
            expected="sample units inside the part that the map mean is of",
            remedy="Check places and period of the sample.",
        )
    assisted = Moments(map_mean - bias.value, bias.variance)
    g_range = None
    if slope:
        # The size cancels: any count with its own total gives the same mean.
        count = float(np.sum(design.weight * part))
        auxiliary = np.column_stack([part, prediction * part])
        fit = calibrate(
            design, auxiliary, [count, count * map_mean], residuals=residuals
        )
        assisted = rescale(estimate_total(design, fit, y * part), 1.0 / count)
        g_range = (float(fit.g.min()), float(fit.g.max()))
    return AssistedMean(
        map_mean=map_mean,
        map_bias=bias.value,
        mean=assisted.value,
        se=assisted.se,
        direct_mean=direct.value,
        direct_se=direct.se,
        df=design.df(chosen),
        n=int(chosen.sum()),
        g_range=g_range,
    )

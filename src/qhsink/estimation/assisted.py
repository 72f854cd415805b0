"""A map corrected by a sample: the difference estimator, and what the map was worth.

The map's mean over the population is given; reading it from a ledger or a table does
not belong here.

References
----------
Saerndal, Swensson and Wretman (1992), chapter 6. McRoberts, Naesset and Gobakken
(2013). Methodology D3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.estimation.domains import Level, TotalEstimate, domain_levels, present
from qhsink.estimation.greg import Residuals, calibrate
from qhsink.estimation.survey import (
    Design,
    Floats,
    Moments,
    Uncalibrated,
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
        total = Moments(units * population_means[name] + bias.value, bias.variance)
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

    Notes
    -----
    The mean is that of the population the weights stand for (N = sum of weights).
    Relative efficiency: methodology D3; McRoberts, Naesset and Gobakken (2013).
    """
    count = float(np.sum(design.weight))
    plain = Uncalibrated(np.ones(len(y)))
    direct = rescale(estimate_total(design, plain, y), 1.0 / count)
    bias = rescale(estimate_total(design, plain, prediction - y), 1.0 / count)
    assisted = Moments(map_mean - bias.value, bias.variance)
    if slope:
        auxiliary = np.column_stack([np.ones(len(y)), prediction])
        fit = calibrate(
            design, auxiliary, [count, count * map_mean], residuals=residuals
        )
        assisted = rescale(estimate_total(design, fit, y), 1.0 / count)
    return AssistedMean(
        map_mean=map_mean,
        map_bias=bias.value,
        mean=assisted.value,
        se=assisted.se,
        direct_mean=direct.value,
        direct_se=direct.se,
        df=design.df(np.ones(len(y), dtype=bool)),
        n=len(y),
    )

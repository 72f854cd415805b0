"""Estimates for counties with few plots: synthetic, GREG and EBLUP, each with its MSE.

The nested-error (Battese-Harter-Fuller) model shares strength between domains; its
mean squared error says what that is worth. Fitting it is ``nested_error``'s; choosing
plots or maps is not done here.

References
----------
Battese, Harter and Fuller (1988) J. Am. Stat. Assoc. 83:28-36.
Prasad and Rao (1990) J. Am. Stat. Assoc. 85:163-171.
Rao and Molina (2015) Small Area Estimation, 2nd ed., chapters 2 and 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qhsink.estimation.nested_error import (
    NestedErrorModel,
    UnitSample,
    by_domain,
    fit_nested_error,
)
from qhsink.estimation.survey import Floats

__all__ = [
    "NestedErrorModel",
    "SmallAreaEstimate",
    "UnitSample",
    "eblup",
    "fit_nested_error",
    "greg_by_domain",
    "synthetic",
]


_NOTHING = 1e-6
"""Variance between domains over that within them, below which a fit found none."""


@dataclass(frozen=True, slots=True)
class SmallAreaEstimate:
    """A domain's mean."""

    domain: str
    """Domain name."""
    n: int
    """Plots in the domain."""
    value: float
    """Mean, in the unit of y."""
    mse: float | None
    """Estimated mean squared error; None where there is none (one plot, GREG)."""
    method: str
    """``eblup``, ``synthetic`` or ``greg``."""
    df: float = math.inf
    """Degrees of freedom of ``mse`` for an interval."""
    flags: tuple[str, ...] = ()
    """What speaks against its interval."""

    @property
    def root_mse(self) -> float | None:
        """Square root of the mean squared error, in the unit of y."""
        return None if self.mse is None else math.sqrt(self.mse)


ALIKE = "not calibrated: the fit finds all domains alike"
"""Flag where the variance between domains came out as 0: fits ``reml`` and ``ml``."""


def eblup(
    model: NestedErrorModel,
    sample: UnitSample,
    population_means: dict[str, Floats],
) -> tuple[SmallAreaEstimate, ...]:
    """Return the EBLUP of each domain's mean with its Prasad-Rao MSE.

    Parameters
    ----------
    population_means : mapping of domain to array of shape (p,)
        Population means of the auxiliaries, the one included.

    Notes
    -----
    X'b + gamma (ybar - xbar'b), gamma = between / (between + within / n); for a
    domain without plots gamma is 0 and this is the synthetic mean. Domains are taken
    as much larger than their samples. MSE = g1 + g2 + 2 g3, less the bias of g1 under
    ML: Rao and Molina (2015) sec. 7.2.2.
    """
    domains, _ = by_domain(sample)
    place = {name: index for index, name in enumerate(domains.names)}
    rows = []
    for name, mean in population_means.items():
        index = place.get(name)
        n = 0.0 if index is None else float(domains.n[index])
        value, xbar = float(mean @ model.beta), np.zeros_like(mean)
        if index is not None:
            xbar = domains.x[index]
            gap = float(domains.y[index] - xbar @ model.beta)
            value += _gamma(model, n) * gap
        rows.append(
            SmallAreaEstimate(
                name,
                int(n),
                value,
                _mse(model, n, mean, xbar),
                "eblup",
                flags=_doubts(model),
            )
        )
    return tuple(rows)


def _doubts(model: NestedErrorModel) -> tuple[str, ...]:
    """Return the flag of a fit that knows nothing of how domains differ."""
    return (ALIKE,) if model.between <= _NOTHING * model.within else ()


def _gamma(model: NestedErrorModel, n: float) -> float:
    return model.between / (model.between + model.within / n) if n else 0.0


def _mse(model: NestedErrorModel, n: float, mean: Floats, xbar: Floats) -> float:
    gamma = _gamma(model, n)
    left = mean - gamma * xbar
    g1 = (1.0 - gamma) * model.between
    g2 = float(left @ model.covariance @ left)
    if n == 0.0:
        return g1 + g2 - model.bias[0]
    inverse = np.linalg.inv(model.information)
    v, e = model.between, model.within
    spread = e**2 * inverse[0, 0] + v**2 * inverse[1, 1] - 2 * e * v * inverse[0, 1]
    g3 = float(spread) / (n**2 * (v + e / n) ** 3)
    slope = ((1.0 - gamma) ** 2, gamma**2 / n)
    drift = model.bias[0] * slope[0] + model.bias[1] * slope[1]
    return g1 + g2 + 2.0 * g3 - drift


def synthetic(
    model: NestedErrorModel,
    sample: UnitSample,
    population_means: dict[str, Floats],
) -> tuple[SmallAreaEstimate, ...]:
    """Return X'b for each domain, as if domains differed by their auxiliaries alone.

    The MSE under the model is between + X' V_b X: what a domain departs from the
    common regression is all error here. ``between`` is known from the D sampled
    domains only, so its interval is Student's with D - p degrees of freedom. Fit
    ``adjusted``: a ``between`` of 0 leaves a fifth of intervals far too narrow.
    """
    free = float(len(np.unique(sample.domain)) - len(model.beta))
    counts = dict(zip(*np.unique(sample.domain, return_counts=True), strict=True))
    return tuple(
        SmallAreaEstimate(
            domain=name,
            n=int(counts.get(name, 0)),
            value=float(mean @ model.beta),
            mse=model.between + float(mean @ model.covariance @ mean),
            method="synthetic",
            df=max(free, 1.0),
            flags=_doubts(model),
        )
        for name, mean in population_means.items()
    )


def greg_by_domain(
    sample: UnitSample,
    weight: Floats,
    population_means: dict[str, Floats],
) -> tuple[SmallAreaEstimate, ...]:
    """Return the survey-regression estimate of each domain with plots.

    Parameters
    ----------
    weight : float array of shape (n,)
        Design weights.

    Notes
    -----
    X'B plus the weighted mean residual of the domain; variance that of the mean
    residual among the domain's plots with n - 1 degrees of freedom, None for one
    plot: Rao and Molina (2015) sec. 2.5. Nearly unbiased, and wide where plots are few.
    """
    root = np.sqrt(weight)
    beta = np.linalg.lstsq(sample.x * root[:, None], sample.y * root, rcond=None)[0]
    residual = sample.y - sample.x @ beta
    rows = []
    for name, mean in population_means.items():
        inside = sample.domain == name
        n = int(inside.sum())
        if n == 0:
            continue
        w, e = weight[inside], residual[inside]
        centre = float(np.sum(w * e) / w.sum())
        share = w / w.sum()
        mse = None
        if n > 1:
            mse = n / (n - 1) * float(np.sum((share * (e - centre)) ** 2))
        value = float(mean @ beta) + centre
        rows.append(SmallAreaEstimate(name, n, value, mse, "greg", n - 1.0))
    return tuple(rows)

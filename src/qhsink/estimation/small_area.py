"""Estimates for counties with few plots: synthetic, GREG and EBLUP, each with its MSE.

The nested-error (Battese-Harter-Fuller) model shares strength between domains; its
mean squared error says what that is worth. Choosing plots or maps is not done here.

References
----------
Battese, Harter and Fuller (1988) J. Am. Stat. Assoc. 83:28-36.
Prasad and Rao (1990) J. Am. Stat. Assoc. 85:163-171.
Rao and Molina (2015) Small Area Estimation, 2nd ed., chapters 2 and 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from qhsink.domain.errors import TableError
from qhsink.estimation.survey import Floats

Fit = Literal["reml", "ml"]

_LARGEST_LOG_RATIO = 12.0
"""exp(12): plots that differ inside a domain 400 times less than domains do."""


@dataclass(frozen=True, slots=True)
class UnitSample:
    """Plots with auxiliaries and the domain they lie in."""

    y: Floats
    """Values, shape (n,)."""
    x: Floats
    """Auxiliaries with a column of ones, shape (n, p)."""
    domain: NDArray[np.str_]
    """Domain of each plot, shape (n,)."""


@dataclass(frozen=True, slots=True)
class NestedErrorModel:
    """y = x'b + v_domain + e, fitted."""

    beta: Floats
    """Fixed effects, shape (p,)."""
    covariance: Floats
    """Their covariance given the variance components, shape (p, p)."""
    between: float
    """Variance between domains, unit of y squared; may be 0."""
    within: float
    """Variance between plots of a domain."""
    fit: Fit
    """How the components were estimated."""
    information: Floats
    """Fisher information of (between, within), shape (2, 2)."""
    bias: tuple[float, float]
    """First-order bias of the two components: 0 under REML."""


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

    @property
    def root_mse(self) -> float | None:
        """Square root of the mean squared error, in the unit of y."""
        return None if self.mse is None else math.sqrt(self.mse)


@dataclass(frozen=True, slots=True)
class _Domains:
    """Sample sums by domain."""

    names: tuple[str, ...]
    n: Floats
    y: Floats
    """Domain means of y, shape (D,)."""
    x: Floats
    """Domain means of x, shape (D, p)."""


def _by_domain(sample: UnitSample) -> tuple[_Domains, NDArray[np.intp]]:
    names, code = np.unique(sample.domain, return_inverse=True)
    n = np.bincount(code).astype(float)
    y = np.bincount(code, weights=sample.y) / n
    x = np.column_stack([np.bincount(code, weights=col) / n for col in sample.x.T])
    return _Domains(tuple(names.tolist()), n, y, x), code.astype(np.intp)


def fit_nested_error(sample: UnitSample, *, fit: Fit = "reml") -> NestedErrorModel:
    """Return the nested-error model fitted to ``sample``.

    Parameters
    ----------
    fit : {"reml", "ml"}
        Restricted or full maximum likelihood.

    Notes
    -----
    The likelihood is profiled over the ratio between / within; for a given ratio the
    model is least squares on y - a_d ybar_d, a_d = 1 - sqrt(1 / (1 + n_d ratio))
    (Rao and Molina 2015, sec. 7.1). A ratio of 0 is allowed and is reported as it is.

    Raises
    ------
    TableError
        When there are fewer than 2 domains, or no more plots than domains and
        auxiliaries together allow.
    """
    domains, code = _by_domain(sample)
    count, width = sample.x.shape
    if len(domains.n) < 2 or count < len(domains.n) + width:
        raise TableError(
            f"{count} plots in {len(domains.n)} domains with {width} coefficients",
            expected="at least 2 domains, and more plots than domains and coefficients",
            remedy="Use the synthetic estimator, or pool domains.",
        )

    def criterion(ratio: float) -> float:
        return _deviance(sample, domains, code, ratio, fit=fit)

    ratio = _minimise(criterion)
    beta, gram, rss = _least_squares(sample, domains, code, ratio)
    within = rss / (count - width if fit == "reml" else count)
    between = ratio * within
    covariance = within * np.linalg.inv(gram)
    information = _information(domains.n, between, within)
    bias = (0.0, 0.0)
    if fit == "ml":
        bias = _ml_bias(sample, domains, covariance, information, between, within)
    return NestedErrorModel(beta, covariance, between, within, fit, information, bias)


def _least_squares(
    sample: UnitSample, domains: _Domains, code: NDArray[np.intp], ratio: float
) -> tuple[Floats, Floats, float]:
    shrink = (1.0 - np.sqrt(1.0 / (1.0 + domains.n * ratio)))[code]
    y = sample.y - shrink * domains.y[code]
    x = sample.x - shrink[:, None] * domains.x[code]
    beta = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], dtype=np.float64)
    gap = y - x @ beta
    return beta, x.T @ x, float(gap @ gap)


def _deviance(
    sample: UnitSample,
    domains: _Domains,
    code: NDArray[np.intp],
    ratio: float,
    *,
    fit: Fit,
) -> float:
    count, width = sample.x.shape
    _, gram, rss = _least_squares(sample, domains, code, ratio)
    spread = float(np.sum(np.log1p(domains.n * ratio)))
    if fit == "ml":
        return float(count * math.log(rss / count) + spread)
    log_det = float(np.linalg.slogdet(gram)[1])
    free = count - width
    return float(free * math.log(rss / free) + spread + log_det)


def _minimise(criterion: Callable[[float], float]) -> float:
    """Return the ratio of least deviance, 0 included."""

    def at(log_ratio: float) -> float:
        return float(criterion(math.exp(log_ratio)))

    grid = np.linspace(-_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO, 49)
    best = int(np.argmin([at(point) for point in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(
        at, bounds=(float(low), float(high)), method="bounded", options={"xatol": 1e-10}
    )
    ratio = math.exp(float(found.x))
    return 0.0 if float(criterion(0.0)) <= at(float(found.x)) else ratio


def _information(n: Floats, between: float, within: float) -> Floats:
    """Fisher information: Rao and Molina (2015), sec. 7.2.2."""
    alpha = within + n * between
    cross = 0.5 * float(np.sum(n / alpha**2))
    return np.array(
        [
            [0.5 * float(np.sum(n**2 / alpha**2)), cross],
            [cross, 0.5 * float(np.sum((n - 1.0) / within**2 + 1.0 / alpha**2))],
        ]
    )


def _ml_bias(
    sample: UnitSample,
    domains: _Domains,
    covariance: Floats,
    information: Floats,
    between: float,
    within: float,
) -> tuple[float, float]:
    """Bias of ML components: -1/2 I^-1 tr(V_b X' V^-1 V_j V^-1 X).

    Rao and Molina (2015), sec. 5.3, applied to the nested-error model.
    """
    n, alpha = domains.n, within + domains.n * between
    mean = domains.x
    outer = np.einsum("d,di,dj->ij", n**2 / alpha**2, mean, mean)
    whole = sample.x.T @ sample.x
    centred = whole - np.einsum("d,di,dj->ij", n, mean, mean)
    # V^-2 acts as 1/within^2 across, and 1/alpha^2 along, the domain mean.
    along = np.einsum("d,di,dj->ij", n / alpha**2, mean, mean)
    traces = np.array(
        [
            np.trace(covariance @ outer),
            np.trace(covariance @ (centred / within**2 + along)),
        ]
    )
    bias = -0.5 * np.linalg.solve(information, traces)
    return float(bias[0]), float(bias[1])


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
    domains, _ = _by_domain(sample)
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
            SmallAreaEstimate(name, int(n), value, _mse(model, n, mean, xbar), "eblup")
        )
    return tuple(rows)


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
    common regression is all error here.
    """
    counts = dict(zip(*np.unique(sample.domain, return_counts=True), strict=True))
    return tuple(
        SmallAreaEstimate(
            domain=name,
            n=int(counts.get(name, 0)),
            value=float(mean @ model.beta),
            mse=model.between + float(mean @ model.covariance @ mean),
            method="synthetic",
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
    residual among the domain's plots, None for one plot: Rao and Molina (2015)
    sec. 2.5. Nearly unbiased, and wide where plots are few.
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
        rows.append(SmallAreaEstimate(name, n, value, mse, "greg"))
    return tuple(rows)

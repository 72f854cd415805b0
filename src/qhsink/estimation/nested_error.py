"""The nested-error model of plots in domains: y = x'b + v_domain + e, fitted.

What it says of a domain's mean is ``small_area``'s.

References
----------
Battese, Harter and Fuller (1988) J. Am. Stat. Assoc. 83:28-36.
Rao and Molina (2015) Small Area Estimation, 2nd ed., chapter 7.
Yoshimori and Lahiri (2014) J. Multivar. Anal. 124:281-294.
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

Fit = Literal["reml", "ml", "adjusted"]

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
class Domains:
    """Sample sums by domain."""

    names: tuple[str, ...]
    n: Floats
    y: Floats
    """Domain means of y, shape (D,)."""
    x: Floats
    """Domain means of x, shape (D, p)."""


def by_domain(sample: UnitSample) -> tuple[Domains, NDArray[np.intp]]:
    """Return the sample's sums by domain, and the domain code of each plot."""
    names, code = np.unique(sample.domain, return_inverse=True)
    n = np.bincount(code).astype(float)
    y = np.bincount(code, weights=sample.y) / n
    x = np.column_stack([np.bincount(code, weights=col) / n for col in sample.x.T])
    return Domains(tuple(names.tolist()), n, y, x), code.astype(np.intp)


def fit_nested_error(sample: UnitSample, *, fit: Fit = "reml") -> NestedErrorModel:
    """Return the nested-error model fitted to ``sample``.

    Parameters
    ----------
    fit : {"reml", "ml", "adjusted"}
        Restricted or full maximum likelihood; ``adjusted`` is the restricted one
        that never finds domains alike.

    Notes
    -----
    Few domains with few plots often seem alike: REML then says that nothing differs
    between domains, and the error of a synthetic mean forgets what does. ``adjusted``
    multiplies the likelihood by arctan(sum of gamma_d)^(1/D), gamma_d the shrinkage
    factors: positive always, its bias of smaller order than 1/D (Yoshimori and
    Lahiri 2014, there for area-level models; here with the gammas of the nested-error
    model).

    The likelihood is profiled over the ratio between / within; for a given ratio the
    model is least squares on y - a_d ybar_d, a_d = 1 - sqrt(1 / (1 + n_d ratio))
    (Rao and Molina 2015, sec. 7.1). A ratio of 0 is allowed and is reported as it is.

    Raises
    ------
    TableError
        When there are fewer than 2 domains, no more plots than domains and
        auxiliaries together allow, collinear auxiliaries, or no residuals.
    """
    domains, code = by_domain(sample)
    count, width = sample.x.shape
    if len(domains.n) < 2 or count < len(domains.n) + width:
        raise TableError(
            f"{count} plots in {len(domains.n)} domains with {width} coefficients",
            expected="at least 2 domains, and more plots than domains and coefficients",
            remedy="Use the synthetic estimator, or pool domains.",
        )

    _refuse_exact_fit(sample, width)

    def criterion(ratio: float) -> float:
        return _deviance(sample, domains, code, ratio, fit=fit)

    ratio = _minimise(criterion)
    beta, gram, rss = _least_squares(sample, domains, code, ratio)
    within = rss / (count if fit == "ml" else count - width)
    between = ratio * within
    covariance = within * np.linalg.inv(gram)
    information = _information(domains.n, between, within)
    bias = (0.0, 0.0)
    if fit == "ml":
        bias = _ml_bias(sample, domains, covariance, information, between, within)
    return NestedErrorModel(beta, covariance, between, within, fit, information, bias)


def _refuse_exact_fit(sample: UnitSample, width: int) -> None:
    found, _, rank, _ = np.linalg.lstsq(sample.x, sample.y, rcond=None)
    if rank < width:
        raise TableError(
            "auxiliaries that are collinear in the sample, or constant",
            expected="linearly independent columns",
            remedy="Leave one of them out.",
        )
    left = sample.y - sample.x @ found
    if float(left @ left) <= 1e-20 * float(sample.y @ sample.y):
        raise TableError(
            "plots that the auxiliaries explain without any residual",
            expected="residuals, from which the errors come",
            remedy="Check that y and the auxiliary are different columns.",
        )


def _least_squares(
    sample: UnitSample, domains: Domains, code: NDArray[np.intp], ratio: float
) -> tuple[Floats, Floats, float]:
    shrink = (1.0 - np.sqrt(1.0 / (1.0 + domains.n * ratio)))[code]
    y = sample.y - shrink * domains.y[code]
    x = sample.x - shrink[:, None] * domains.x[code]
    beta = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], dtype=np.float64)
    gap = y - x @ beta
    return beta, x.T @ x, float(gap @ gap)


def _deviance(
    sample: UnitSample,
    domains: Domains,
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
    found = float(free * math.log(rss / free) + spread + log_det)
    return found + _adjustment(domains.n, ratio) if fit == "adjusted" else found


def _adjustment(n: Floats, ratio: float) -> float:
    """Return -2 log of Yoshimori and Lahiri's factor; infinite at a ratio of 0."""
    if ratio == 0.0:
        return math.inf
    gamma = n * ratio / (1.0 + n * ratio)
    return -2.0 / len(n) * math.log(math.atan(float(gamma.sum())))


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
    domains: Domains,
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

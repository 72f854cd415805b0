"""Confidence limits from an estimate, its standard error and degrees of freedom.

Knows nothing of where the standard error comes from.
"""

from __future__ import annotations

import math
from typing import Literal

from scipy import special, stats

from qhsink.domain.errors import TableError

IntervalKind = Literal["t", "normal", "logit", "beta", "skewed"]

Limits = tuple[float, float]

_SYMMETRIC = 1e-6
"""Skewness below which the transformation differs from none by less than rounding."""


def critical_value(
    confidence: float, *, df: float = math.inf, kind: IntervalKind = "t"
) -> float | None:
    """Return the two-sided quantile; None where ``df`` leaves none.

    Parameters
    ----------
    confidence : float
        Level in (0, 1).
    df : float
        Degrees of freedom; ``inf`` for the normal quantile.

    Raises
    ------
    TableError
        When ``confidence`` is not between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise TableError(
            f"confidence {confidence:g}",
            expected="a level between 0 and 1, such as 0.90 or 0.95",
            remedy="Correct --confidence; 95 % is written 0.95.",
        )
    upper = 0.5 + confidence / 2.0
    if kind == "normal" or math.isinf(df):
        return float(special.ndtri(upper))
    if df <= 0:
        return None
    return float(stats.t.ppf(upper, df))


def limits(
    value: float,
    se: float,
    *,
    df: float,
    n: int,
    confidence: float,
    kind: IntervalKind = "t",
    skewness: float = 0.0,
) -> Limits | None:
    """Return the confidence limits of ``value``; None where they are undefined.

    Parameters
    ----------
    value, se : float
        Estimate and standard error, in one unit. ``logit`` and ``beta`` need a
        proportion.
    df : float
        Degrees of freedom of ``se``.
    n : int
        Sample units, for ``beta``.
    skewness : float
        Third cumulant of the estimator over se cubed, for ``skewed``: see
        ``skewness.estimator_skewness``.

    Raises
    ------
    TableError
        When ``logit`` or ``beta`` is asked for something outside 0..1.

    Notes
    -----
    ``t``, ``normal``: value -+ q se. ``logit``: the same on the logit scale with
    se / (p(1-p)), as R ``survey::svyciprop(method = "logit")``. ``beta``: Korn and
    Graubard (1998) with the effective sample size corrected for ``df``, as
    ``svyciprop(method = "beta")``. At p = 0 or 1 the logit interval does not
    exist (None) and ``beta`` falls back to Clopper and Pearson on ``n``.

    ``skewed``: Hall (1992) J. R. Stat. Soc. B 54:221-228, the Studentised mean
    transformed by a monotone cubic that removes its skewness l, so that the limits
    are value - se g(+-q), g(q) = 3/l [(1 + l (q - l/6))^(1/3) - 1]. Deviations: q is
    Student's, not normal, as for ``t``; l comes from the design (strata, clusters),
    not from n values alone. Without skewness it is ``t``; without a standard error
    it does not exist (None), for a sample without variation says nothing of its own.
    """
    quantile = critical_value(confidence, df=df, kind=kind)
    if quantile is None:
        return None
    if kind in ("t", "normal"):
        return (value - quantile * se, value + quantile * se)
    if kind == "skewed":
        return _skewed(value, se, quantile, skewness) if se > 0.0 else None
    if not -1e-12 <= value <= 1.0 + 1e-12:
        raise TableError(
            f"interval {kind!r} for a mean of {value:g}",
            expected="a proportion between 0 and 1",
            remedy="Use --interval t or normal for this variable.",
        )
    share = min(max(value, 0.0), 1.0)
    if kind == "logit":
        return _logit(share, se, quantile)
    return _beta(share, se, df=df, n=n, confidence=confidence)


def _skewed(value: float, se: float, quantile: float, skewness: float) -> Limits:
    if abs(skewness) < _SYMMETRIC:
        return (value - quantile * se, value + quantile * se)

    def straighten(q: float) -> float:
        root = math.cbrt(1.0 + skewness * (q - skewness / 6.0))
        return 3.0 / skewness * (root - 1.0)

    return (value - se * straighten(quantile), value - se * straighten(-quantile))


def _logit(share: float, se: float, quantile: float) -> Limits | None:
    if share in (0.0, 1.0):
        return None
    centre = float(special.logit(share))
    half = quantile * se / (share * (1.0 - share))
    return (float(special.expit(centre - half)), float(special.expit(centre + half)))


def _beta(share: float, se: float, *, df: float, n: int, confidence: float) -> Limits:
    tail = (1.0 - confidence) / 2.0
    size = float(n)
    if se > 0.0:
        size = share * (1.0 - share) / se**2
        size *= float(stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, df)) ** 2
    elif 0.0 < share < 1.0:
        return (share, share)
    hits, misses = size * share, size * (1.0 - share)
    low = float(special.betaincinv(hits, misses + 1.0, tail)) if hits > 0 else 0.0
    high = (
        float(special.betaincinv(hits + 1.0, misses, 1.0 - tail)) if misses > 0 else 1.0
    )
    return (low, high)

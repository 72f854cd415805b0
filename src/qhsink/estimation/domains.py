"""Rows of estimates: a domain's total and mean with their intervals.

Turns moments into what a reader gets. Variances come from ``survey``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.intervals import IntervalKind, Limits, limits
from qhsink.estimation.reliability import sample_flags, strata_flags
from qhsink.estimation.skewness import estimator_skewness
from qhsink.estimation.survey import (
    Calibration,
    Design,
    Floats,
    Moments,
    StratifiedClusters,
    Uncalibrated,
    estimate_ratio,
    estimate_total,
    rescale,
)


@dataclass(frozen=True, slots=True)
class TotalEstimate:
    """One row of ``qhsink estimate total``. None where a figure is undefined."""

    domain: str | None
    """Domain level; None for the whole population."""
    n: int
    """Sample units in the domain."""
    mean: float | None
    """Mean per unit (or the ratio of totals), in the unit of y."""
    se_mean: float | None
    """Standard error of ``mean``."""
    total: float | None
    """Total, in the unit of y times units."""
    se_total: float | None
    """Standard error of ``total``."""
    ci_mean: Limits | None
    """Confidence limits of ``mean``."""
    ci_total: Limits | None
    """Confidence limits of ``total``."""
    df: float
    """Degrees of freedom: clusters minus strata within the domain."""
    method: str
    """Estimator and variance, in words."""
    flags: tuple[str, ...] = ()
    """What speaks against the interval: ``reliability``."""


@dataclass(frozen=True, slots=True)
class Level:
    """How an interval is wanted."""

    confidence: float = 0.95
    """Level in (0, 1)."""
    kind: IntervalKind = "t"
    """``t``, ``normal``, ``logit``, ``beta`` or ``skewed``."""
    rules: IntervalRules | None = None
    """By which estimates are flagged; none by default."""


def present(
    *,
    domain: str | None,
    n: int,
    mean: Moments | None,
    total: Moments | None,
    df: float,
    level: Level,
    method: str,
    units: float | None = None,
) -> TotalEstimate:
    """Return a row with intervals.

    ``logit`` and ``beta`` act on the mean; the limits of the total are those of the
    mean times total over mean, so that both tell the same. Where the mean is zero
    that is ``units``, the size that the mean is of.
    """
    ci_mean = _limits(mean, df=df, n=n, level=level)
    if level.kind in ("t", "normal", "skewed"):
        ci_total = _limits(total, df=df, n=n, level=level)
    else:
        ci_total = _scaled(ci_mean, mean, total, units)
    return TotalEstimate(
        domain=domain,
        n=n,
        mean=None if mean is None else mean.value,
        se_mean=None if mean is None else mean.se,
        total=None if total is None else total.value,
        se_total=None if total is None else total.se,
        ci_mean=ci_mean,
        ci_total=ci_total,
        df=df,
        method=method,
    )


def _scaled(
    ci_mean: Limits | None,
    mean: Moments | None,
    total: Moments | None,
    units: float | None,
) -> Limits | None:
    if ci_mean is None or mean is None or total is None:
        return None
    scale = total.value / mean.value if mean.value != 0.0 else units
    return None if scale is None else (ci_mean[0] * scale, ci_mean[1] * scale)


def _limits(
    moments: Moments | None, *, df: float, n: int, level: Level
) -> Limits | None:
    if moments is None:
        return None
    skewed = level.kind == "skewed"
    if skewed and moments.third is None:
        raise TableError(
            "a skewed interval for this method",
            expected="expansion, ratio, calibration or difference over strata and "
            "clusters: their third cumulant is known",
            remedy="Use --interval t.",
        )
    return limits(
        moments.value,
        moments.se,
        df=df,
        n=n,
        confidence=level.confidence,
        kind=level.kind,
        skewness=estimator_skewness(moments.third or 0.0, moments.variance)
        if skewed
        else 0.0,
    )


def _flags(y: Floats, level: Level) -> tuple[str, ...]:
    if level.rules is None or not y.size:
        return ()
    return sample_flags(y, kind=level.kind, rules=level.rules)


def _unseen(design: Design, y: Floats, level: Level, se: float) -> tuple[str, ...]:
    """Return the flag of a stratum that says nothing; of units, not of clusters."""
    if level.rules is None or not isinstance(design, StratifiedClusters):
        return ()
    if len(np.unique(design.cluster)) < y.size:
        return ()
    return strata_flags(y, design.stratum, design.weight, se=se)


def domain_levels(
    domain: NDArray[np.str_] | None, count: int
) -> Iterator[tuple[str | None, NDArray[np.bool_]]]:
    """Yield each domain level with the units inside, shape (n,); all without one."""
    if domain is None:
        yield None, np.ones(count, dtype=bool)
        return
    for name in sorted(set(domain.tolist())):
        yield name, domain == name


def estimate_by_domain(
    design: Design,
    y: Floats,
    *,
    calibration: Calibration | None = None,
    domain: NDArray[np.str_] | None = None,
    units: float | None = None,
    level: Level | None = None,
    method: str = "expansion",
) -> tuple[TotalEstimate, ...]:
    """Return total and mean of ``y`` for each domain level.

    Parameters
    ----------
    y : float array of shape (n,)
        Variable of interest.
    domain : label array of shape (n,), optional
        Domain of each unit. The number of units in a domain is random, so y is
        extended with zeros outside it (Saerndal et al. 1992, sec. 10.3): a subset is
        never analysed as if it had been the sample.
    units : float, optional
        Population size by which the mean of the whole is the total over it. Absent,
        and for domains, the mean is the ratio of the total to the estimated size.

    Notes
    -----
    Domain totals add to the total of the whole.
    """
    using = calibration or Uncalibrated(np.ones(len(y)))
    rows = []
    for name, inside in domain_levels(domain, len(y)):
        indicator = inside.astype(float)
        total = estimate_total(design, using, y * indicator)
        size = units
        if units is not None and name is None:
            mean: Moments | None = rescale(total, 1.0 / units)
        else:
            mean = estimate_ratio(design, using, y * indicator, indicator)
            size = estimate_total(design, using, indicator).value
        row = present(
            domain=name,
            n=int(inside.sum()),
            mean=mean,
            total=total,
            df=design.df(inside),
            level=level or Level(),
            method=method,
            units=size,
        )
        flags = _flags(y[inside], level or Level())
        if name is None and not flags and level is not None:
            flags = _unseen(design, y, level, total.se)
        rows.append(replace(row, flags=flags))
    return tuple(rows)

"""Student intervals and tail probabilities of one estimate.

Nothing here knows what is estimated; verdicts are in ``verdict``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from qhsink.domain.errors import BadInput, Refusal


def student_quantile(probability: float, df: float) -> float:
    """Return the ``probability`` quantile of Student's t; ``df = inf`` is normal.

    Raises
    ------
    BadInput
        When ``probability`` is not inside (0, 1) or ``df`` is not positive.
    """
    if not 0.0 < probability < 1.0:
        raise BadInput(
            f"probability {probability}",
            expected="a number between 0 and 1, both excluded",
            remedy="Give a confidence such as 0.90.",
        )
    _check_df(df)
    if math.isinf(df):
        return float(ndtri(probability))
    return float(stdtrit(df, probability))


def student_cdf(score: float, df: float) -> float:
    """Return P(T <= score) of Student's t; ``df = inf`` is normal."""
    _check_df(df)
    return float(ndtr(score)) if math.isinf(df) else float(stdtr(df, score))


def student_interval(
    value: float,
    se: float,
    df: float,
    confidence: float,
    *,
    bounds: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Return the two-sided interval ``value ± t(df) * se``.

    Parameters
    ----------
    value, se : float
        Estimate and its standard error, same unit.
    df : float
        Degrees of freedom of ``se``; ``inf`` for a normal interval.
    confidence : float
        Such as 0.90: 5 % in either tail.
    bounds : tuple of float, optional
        Range that the quantity can take, such as (0, 1) for a proportion. Limits
        are cut there: the cut changes no verdict, because no target lies beyond.

    Returns
    -------
    tuple of float
        Lower and upper limit, in the unit of ``value``.

    Raises
    ------
    BadInput
        When ``se`` is negative or not finite, or ``confidence`` or ``df`` is
        outside its range.
    """
    if not (math.isfinite(value) and math.isfinite(se) and se >= 0.0):
        raise BadInput(
            f"value {value} with standard error {se}",
            expected="finite numbers, the standard error not negative",
            remedy="Refuse the number where its error is unknown; unknown is not zero.",
        )
    reach = student_quantile((1.0 + confidence) / 2.0, df) * se
    low, high = value - reach, value + reach
    if bounds is None:
        return low, high
    return max(low, bounds[0]), min(high, bounds[1])


def _check_df(df: float) -> None:
    if not df > 0.0:
        raise BadInput(
            f"{df} degrees of freedom",
            expected="a positive number",
            remedy="Use at least two units in a stratum, or inf for a normal interval.",
        )


def conformal_half_width(scores: Sequence[float], confidence: float) -> float:
    """Return the half-width that covers a new unit with at least ``confidence``.

    The k-th smallest absolute residual of calibration units that the model never
    saw, k = ceil((n + 1) confidence) (split conformal prediction).

    Raises
    ------
    Refusal
        When k exceeds n: too few calibration units for that level.
    """
    rank = math.ceil((len(scores) + 1) * confidence - 1e-9)
    if rank > len(scores) or not 0.0 < confidence < 1.0:
        raise Refusal(
            f"{len(scores)} calibration units at {confidence:.0%}",
            expected=f"at least {math.ceil(confidence / (1.0 - confidence) - 1e-9)}"
            if 0.0 < confidence < 1.0
            else "a confidence between 0 and 1",
            remedy="Hold out more units, or lower the confidence.",
        )
    return sorted(abs(score) for score in scores)[rank - 1]

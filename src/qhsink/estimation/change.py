"""Change between two dates, with the covariance of the two estimates.

The same plots visited twice, or the same ensemble members applied to two dates: both
make the errors of the dates alike, and the difference sharper. Two maps trained apart
have no known covariance and are refused.

References
----------
Saerndal et al. (1992) sec. 9.9; McRoberts et al. (2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qhsink.domain.errors import Refusal
from qhsink.estimation.model_based import member_variance
from qhsink.estimation.survey import Design, Floats, Uncalibrated, estimate_total


@dataclass(frozen=True, slots=True)
class ChangeEstimate:
    """Second date minus first, with what its variance is made of."""

    value: float
    """Change, in the unit of y."""
    variance: float
    """Variance of the change."""
    variance_first: float
    """Variance of the first estimate alone."""
    variance_second: float
    """Variance of the second."""
    method: str
    """How the covariance is known."""

    @property
    def se(self) -> float:
        """Standard error of the change."""
        return math.sqrt(self.variance)

    @property
    def covariance(self) -> float:
        """Covariance of the two estimates."""
        return (self.variance_first + self.variance_second - self.variance) / 2.0


def paired_change(design: Design, first: Floats, second: Floats) -> ChangeEstimate:
    """Return the change of a total from plots measured twice.

    Parameters
    ----------
    first, second : float arrays of shape (n,)
        Values of the same units at the two dates.

    Notes
    -----
    The variance of the total of y2 - y1 under the design holds both variances and
    twice the covariance.
    """
    plain = Uncalibrated(np.ones(len(first)))
    gain = estimate_total(design, plain, second - first)
    return ChangeEstimate(
        value=gain.value,
        variance=gain.variance,
        variance_first=design.variance(first),
        variance_second=design.variance(second),
        method="paired sample",
    )


@dataclass(frozen=True, slots=True)
class MemberTotals:
    """One date's total by ensemble member."""

    ensemble: str
    """Model id and digest: what makes members of two dates the same models."""
    values: tuple[float, ...]
    """Total (or mean) by member, in member order."""
    residual_variance: float = 0.0
    """Variance from residuals, unit squared."""


def member_change(
    first: MemberTotals, second: MemberTotals, *, residual_correlation: float = 0.0
) -> ChangeEstimate:
    """Return the change of a mapped total, members kept aligned.

    Parameters
    ----------
    residual_correlation : float
        Correlation of the residuals of the two dates; 0 is on the safe side where
        they are alike.

    Raises
    ------
    Refusal
        When the dates were mapped by two ensembles: their covariance is unknown,
        and taking it for zero gives an interval of no meaning.
    """
    if first.ensemble != second.ensemble or len(first.values) != len(second.values):
        raise Refusal(
            f"change between maps of ensembles {first.ensemble!r} and "
            f"{second.ensemble!r} ({len(first.values)} and {len(second.values)} "
            "members)",
            expected="both dates mapped by the same ensemble",
            remedy="Map the earlier date again with the later model, or use a sample "
            "measured at both dates.",
        )
    one, two = np.asarray(first.values), np.asarray(second.values)
    residual = (
        first.residual_variance
        + second.residual_variance
        - 2.0
        * residual_correlation
        * math.sqrt(first.residual_variance * second.residual_variance)
    )
    return ChangeEstimate(
        value=float(np.mean(two - one)),
        variance=member_variance(two - one) + residual,
        variance_first=member_variance(one) + first.residual_variance,
        variance_second=member_variance(two) + second.residual_variance,
        method="aligned ensemble members",
    )

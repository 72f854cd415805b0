"""Shares of one estimated area in another: wetland protection, protected areas.

Both areas must be of one definition; areas themselves come from a sample.
"""

from __future__ import annotations

import math

from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.indicator import Measure


def area_share(part: Measure, rest: Measure, *, covariance: float = 0.0) -> Measure:
    """Return part / (part + rest), the share of a whole that is estimated too.

    Wetland inside protected areas (part) and outside (rest), such as two domains of
    one sample; linearised: Var = (r^2 Vp + p^2 Vr - 2 p r Cov) / (p + r)^4.

    Parameters
    ----------
    part, rest : Measure
        Areas in one unit, not negative.
    covariance : float
        Of the two areas; negative for two domains of one sample.

    Raises
    ------
    BadInput
        When units differ or an area is negative.
    Refusal
        When there is nothing of either.
    """
    p, r = part.value, rest.value
    if part.unit != rest.unit or min(p, r) < 0.0:
        raise BadInput(
            f"areas {p} {part.unit} and {r} {rest.unit}",
            expected="two areas of one unit, not negative",
            remedy="Take both from one table of one definition.",
        )
    if p + r == 0.0:
        raise Refusal(
            "neither part nor rest has any area",
            expected="a whole to take a share of",
            remedy="Leave the indicator out for this region.",
        )
    variance = (r * part.se) ** 2 + (p * rest.se) ** 2 - 2.0 * p * r * covariance
    if variance < 0.0:
        raise BadInput(
            f"covariance {covariance}",
            expected="one that the two errors allow",
            remedy="Check its unit: area squared.",
        )
    return Measure(p / (p + r), math.sqrt(variance) / (p + r) ** 2, "1")

"""IPCC Approach 1: error propagation by hand, the cross-check of every simulation.

Formulas of IPCC 2006 Guidelines volume 1 chapter 3 (equations 3.1 and 3.2; general
knowledge, not read in the primary document). They hold for uncorrelated, nearly
normal inputs of less than about 30 %; the functions say when an input is beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qhsink.domain.errors import BadInput

VALID_UP_TO = 30.0
"""Half-width of the 95 % interval [%] up to which Approach 1 is held to apply."""


def product_uncertainty(percentages: Sequence[float]) -> float:
    """Return the half-width of a product [%]: root of the sum of squares (eq. 3.1)."""
    _check(percentages)
    return math.sqrt(math.fsum(u**2 for u in percentages))


def sum_uncertainty(values: Sequence[float], percentages: Sequence[float]) -> float:
    """Return the half-width of a sum [%] (eq. 3.2).

    Raises
    ------
    BadInput
        When the sum is zero, or lengths differ.
    """
    _check(percentages)
    total = math.fsum(values)
    if len(values) != len(percentages) or total == 0.0:
        raise BadInput(
            f"{len(values)} values with sum {total}, {len(percentages)} uncertainties",
            expected="one uncertainty per value, and a sum that is not zero",
            remedy="Give absolute errors where the sum vanishes.",
        )
    parts = ((v * u) ** 2 for v, u in zip(values, percentages, strict=True))
    return math.sqrt(math.fsum(parts)) / abs(total)


def product_se(values: Sequence[float], errors: Sequence[float]) -> float:
    """Return the standard error of a product of independent factors, to first order.

    |x1 x2 ...| * sqrt(sum (se_i / x_i)^2); zero values are allowed.
    """
    terms = []
    for index, error in enumerate(errors):
        others = math.prod(v for k, v in enumerate(values) if k != index)
        terms.append((others * error) ** 2)
    return math.sqrt(math.fsum(terms))


def exact_product_se(values: Sequence[float], errors: Sequence[float]) -> float:
    """Return the exact standard error of a product of independent factors.

    sqrt(prod(x_i^2 + se_i^2) - prod(x_i^2)) (Goodman 1960), built up factor by factor
    so that no two large numbers are subtracted.
    """
    square, variance = 1.0, 0.0
    for value, error in zip(values, errors, strict=True):
        variance = variance * (value**2 + error**2) + square * error**2
        square *= value**2
    return math.sqrt(variance)


def sum_se(errors: Sequence[float]) -> float:
    """Return the standard error of a sum of independent terms."""
    return math.sqrt(math.fsum(e**2 for e in errors))


def beyond_validity(percentages: Sequence[float]) -> tuple[str, ...]:
    """Return a warning for each input too uncertain for Approach 1."""
    return tuple(
        f"input {index + 1}: {u:.1f} % is beyond the {VALID_UP_TO:.0f} % of Approach 1"
        for index, u in enumerate(percentages)
        if u > VALID_UP_TO
    )


def _check(percentages: Sequence[float]) -> None:
    bad = [u for u in percentages if not (math.isfinite(u) and u >= 0.0)]
    if bad:
        raise BadInput(
            f"uncertainty {bad[0]} %",
            expected="a finite half-width that is not negative",
            remedy="Unknown is not zero: find the error of that input.",
        )

"""How many sample units, and in which strata: sizes and allocations.

Where the units lie is ``placement``'s; estimating from them is ``survey``'s and
``area``'s.

References
----------
Cochran (1977) Sampling Techniques, sec. 5.5 to 5.9.
Olofsson et al. (2014) Remote Sens. Environ. 148:42-57, sec. 5.1.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.intervals import critical_value
from qhsink.estimation.survey import Floats

Allocation = Literal["equal", "proportional", "neyman"]

LEAST_PER_STRATUM = 2
"""One unit has no variance (Cochran 1977, sec. 5A.12)."""


def binomial_spread(share: ArrayLike) -> Floats:
    """Return the standard deviation of a yes-or-no variable: sqrt(p (1 - p)).

    Raises
    ------
    TableError
        When a share lies outside 0 to 1.
    """
    values = np.asarray(share, dtype=float)
    if np.any((values < 0.0) | (values > 1.0)):
        raise TableError(
            f"an anticipated accuracy of {values.min():g} to {values.max():g}",
            expected="shares between 0 and 1",
            remedy="Write 90 % as 0.9.",
        )
    return np.asarray(np.sqrt(values * (1.0 - values)), dtype=float)


def allocation_shares(
    kind: Allocation, weight: ArrayLike, spread: ArrayLike | None = None
) -> Floats:
    """Return the share of the sample that each stratum gets; adds to 1.

    Parameters
    ----------
    kind : {"equal", "proportional", "neyman"}
        Neyman: proportional to weight times spread, Cochran (1977) eq. 5.26.
    weight : array of shape (strata,)
        Stratum sizes, in any unit.
    spread : array of shape (strata,), optional
        Anticipated standard deviations; ``neyman`` needs them.

    Raises
    ------
    TableError
        When ``neyman`` has no positive spread.
    """
    sizes = np.asarray(weight, dtype=float)
    if kind == "equal":
        return np.full(len(sizes), 1.0 / len(sizes))
    pull = sizes
    if kind == "neyman":
        if spread is None or not np.any(np.asarray(spread) > 0.0):
            raise TableError(
                "Neyman allocation without anticipated standard deviations",
                expected="a positive spread in at least one stratum",
                remedy="Add a column sd (or users_accuracy) to the strata table.",
            )
        pull = sizes * np.asarray(spread, dtype=float)
    return np.asarray(pull / pull.sum(), dtype=float)


def size_for_standard_error(
    weight: ArrayLike,
    spread: ArrayLike,
    target_se: float,
    *,
    allocation: Allocation = "neyman",
    population: float | None = None,
) -> float:
    """Return the sample size, unrounded, for a standard error of the mean.

    Parameters
    ----------
    weight : array of shape (strata,)
        Stratum sizes; scaled to add to 1.
    spread : array of shape (strata,)
        Anticipated standard deviations, unit of y.
    target_se : float
        Standard error wanted of the stratified mean, unit of y.
    population : float, optional
        Units in the population, for the finite population correction.

    Raises
    ------
    TableError
        When the standard error wanted is not positive.

    Notes
    -----
    n = sum (W S)^2 / a / (V + sum W S^2 / N) with a the allocation: Cochran (1977)
    eq. 5.25 under Neyman allocation, which is Olofsson et al. (2014) eq. 13.
    """
    sizes = np.asarray(weight, dtype=float)
    share = sizes / sizes.sum()
    deviation = np.asarray(spread, dtype=float)
    if not target_se > 0.0:
        raise TableError(
            f"a target standard error or half-width of {target_se:g}",
            expected="a positive number",
            remedy="Correct the target.",
        )
    if not np.any(deviation > 0.0):
        return 0.0
    parts = allocation_shares(allocation, share, deviation)
    above = np.divide(
        (share * deviation) ** 2, parts, out=np.zeros_like(parts), where=parts > 0
    )
    finite = 0.0 if population is None else np.sum(share * deviation**2) / population
    return float(above.sum() / (target_se**2 + finite))


def size_for_half_width(
    weight: ArrayLike,
    spread: ArrayLike,
    half_width: float,
    *,
    confidence: float = 0.90,
    allocation: Allocation = "neyman",
    population: float | None = None,
    use_t: bool = False,
) -> float:
    """Return the sample size, unrounded, for an interval of the mean.

    Parameters
    ----------
    half_width : float
        Half the width of the confidence interval of the mean, unit of y.
    use_t : bool
        Return the least whole n that suffices with the t quantile at n minus strata
        degrees of freedom, where the CDM tool's iteration ends (methodology D9).
    """

    def size(quantile: float) -> float:
        return size_for_standard_error(
            weight,
            spread,
            half_width / quantile,
            allocation=allocation,
            population=population,
        )

    found = size(critical_value(confidence, kind="normal") or math.nan)
    if not use_t or found == 0.0:
        return found
    strata = len(np.asarray(weight))
    count = max(math.ceil(found), strata + 1)
    # The quantile falls as n grows, so the first n that suffices is the answer.
    while size(critical_value(confidence, df=count - strata) or math.nan) > count:
        count += 1
    return float(count)


def sizes_for_users_accuracy(
    accuracy: ArrayLike, half_width: float, *, confidence: float = 0.90
) -> NDArray[np.int64]:
    """Return the units each map class needs for its user's accuracy.

    n = 1 + z^2 U (1 - U) / E^2: the variance U (1 - U) / (n - 1) of Olofsson et al.
    (2014) eq. 6 solved for n; at least 2.

    Raises
    ------
    TableError
        When the half-width is not positive or an accuracy is no share.
    """
    quantile = critical_value(confidence, kind="normal") or math.nan
    if not half_width > 0.0:
        raise TableError(
            f"a half-width of {half_width:g}",
            expected="a positive share, such as 0.05",
            remedy="Correct --half-width.",
        )
    needed = 1.0 + quantile**2 * binomial_spread(accuracy) ** 2 / half_width**2
    rounded = np.ceil(np.round(needed, 9)).astype(np.int64)
    return np.maximum(rounded, LEAST_PER_STRATUM)


def allocate(
    total: int,
    share: ArrayLike,
    *,
    available: ArrayLike,
    minimum: int = LEAST_PER_STRATUM,
) -> NDArray[np.int64]:
    """Return whole sample sizes by stratum that add to ``total``.

    Parameters
    ----------
    share : array of shape (strata,)
        Wanted shares of the sample (``allocation_shares``).
    available : array of shape (strata,)
        Units in each stratum; no stratum gets more than it has.
    minimum : int
        Least units in a stratum, 2 or more. Strata below it are raised to it and
        the rest share what is left (Olofsson et al. 2014, sec. 5.1.2).

    Raises
    ------
    TableError
        When fewer than 2 units would fall in a stratum, or more than it holds.
    """
    parts = np.asarray(share, dtype=float)
    ceiling = np.floor(np.asarray(available, dtype=float)).astype(np.int64)
    _check_room(total, len(parts), ceiling, minimum)
    fixed = np.full(len(parts), -1, dtype=np.int64)
    while True:
        free = fixed < 0
        left = total - int(fixed[~free].sum())
        wanted = np.where(free, parts, 0.0)
        if wanted.sum() == 0.0:
            wanted = free.astype(float)
        wanted = left * wanted / max(wanted.sum(), 1e-300)
        over, under = free & (wanted > ceiling), free & (wanted < minimum)
        if not over.any() and not under.any():
            break
        # One kind at a time: raising some strata lowers the rest, and back.
        if under.any():
            fixed[under] = np.minimum(minimum, ceiling[under])
        else:
            fixed[over] = ceiling[over]
    result = np.where(free, np.floor(wanted + 1e-9).astype(np.int64), fixed)
    room = np.where(result < ceiling, wanted - result, -1.0)
    for index in np.argsort(-room, kind="stable")[: total - int(result.sum())]:
        result[index] += 1
    return np.asarray(result, dtype=np.int64)


def _check_room(
    total: int, strata: int, ceiling: NDArray[np.int64], minimum: int
) -> None:
    if minimum < LEAST_PER_STRATUM:
        raise TableError(
            f"a minimum of {minimum} units in a stratum",
            expected=f"at least {LEAST_PER_STRATUM}",
            remedy="One unit in a stratum leaves no variance.",
        )
    if np.any(ceiling < LEAST_PER_STRATUM):
        raise TableError(
            f"a stratum of {int(ceiling.min())} units",
            expected=f"at least {LEAST_PER_STRATUM} units to draw from",
            remedy="Merge it with a similar stratum.",
        )
    least = int(np.minimum(minimum, ceiling).sum())
    if total < least or total > int(ceiling.sum()):
        raise TableError(
            f"{total} sample units for {strata} strata",
            expected=f"between {least} (at least {minimum} in each) and "
            f"{int(ceiling.sum())} (all there are)",
            remedy="Change --n, or merge strata: fewer than 2 units in a stratum "
            "have no variance.",
        )


def anticipated_se(
    weight: ArrayLike,
    spread: ArrayLike,
    units: ArrayLike,
    *,
    available: ArrayLike | None = None,
) -> float:
    """Return the standard error of the mean that a design promises.

    Cochran (1977) eq. 5.6 with anticipated standard deviations.
    """
    sizes = np.asarray(weight, dtype=float)
    share = sizes / sizes.sum()
    drawn = np.asarray(units, dtype=float)
    open_share = 1.0
    if available is not None:
        open_share = 1.0 - drawn / np.asarray(available, dtype=float)
    variance = share**2 * np.asarray(spread, dtype=float) ** 2 * open_share / drawn
    return math.sqrt(max(float(np.sum(variance)), 0.0))

"""Change of a carbon stock by the stock-difference method.

Only for constant area, definition, pools and model: what differs between two dates
must be the carbon, not the ruler (methodology C1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qhsink.domain.carbon import Inventory
from qhsink.domain.errors import Refusal
from qhsink.domain.quantity import Quantity, quantity


@dataclass(frozen=True, slots=True)
class Change:
    """Yearly change of a stock; positive is a sink."""

    rate: Quantity
    """Change per year [t C yr-1]."""
    se: float
    """Standard error [t C yr-1]."""
    years: float
    """Years between the two dates."""
    covariance: float
    """Covariance of the two stocks that was used [(t C)^2]."""


def stock_difference(
    first: Inventory,
    second: Inventory,
    *,
    covariance: float | None = None,
    area_tolerance: float = 1e-6,
) -> Change:
    """Return (C2 - C1) / (t2 - t1), with Var = V1 + V2 - 2 Cov12.

    Parameters
    ----------
    first, second : Inventory
        Two dates of one region.
    covariance : float, optional
        Covariance of the two stocks [(t C)^2], from a paired sample. Without it the
        aligned members of both are used.
    area_tolerance : float
        Relative difference of the two areas that is still rounding.

    Raises
    ------
    Refusal
        When region, area, definition, pools or model differ, the dates are not in
        order, or no covariance can be had.
    """
    obstacle = _obstacle(first, second, area_tolerance)
    if obstacle:
        raise Refusal(
            obstacle,
            expected="two dates of one region, area, definition, pool set and model",
            remedy="Recompute both dates under one definition with one model.",
        )
    years = second.year - first.year
    shared = _member_covariance(first, second) if covariance is None else covariance
    errors = [_in_tonnes(inventory, inventory.se) for inventory in (first, second)]
    variance = errors[0] ** 2 + errors[1] ** 2 - 2.0 * shared
    if variance < -1e-9 * (errors[0] ** 2 + errors[1] ** 2):
        raise Refusal(
            f"covariance {shared:.4g} above what the two errors allow",
            expected="|covariance| at most the product of the standard errors",
            remedy="Check the unit of the covariance: (t C) squared.",
        )
    difference = (second.stock - first.stock).number("t C")
    return Change(
        rate=quantity(difference / years, "t C yr-1"),
        se=math.sqrt(max(variance, 0.0)) / years,
        years=years,
        covariance=shared,
    )


def _in_tonnes(inventory: Inventory, number: float) -> float:
    return Quantity(number, inventory.stock.unit).number("t C")


def _obstacle(first: Inventory, second: Inventory, tolerance: float) -> str:
    pairs = (
        ("region", first.region, second.region),
        ("definition", first.definition, second.definition),
        ("model or sample design", first.model, second.model),
        ("pools", sorted(first.pools), sorted(second.pools)),
    )
    for name, one, other in pairs:
        if one != other:
            return f"{name} {one} and {name} {other}"
    areas = first.area.number("ha"), second.area.number("ha")
    if not math.isclose(*areas, rel_tol=tolerance):
        return f"areas of {areas[0]:,.1f} and {areas[1]:,.1f} ha"
    if second.year <= first.year:
        return f"dates {first.year} and {second.year}"
    return ""


def _member_covariance(first: Inventory, second: Inventory) -> float:
    count = len(first.members)
    if count < 2 or count != len(second.members):
        raise Refusal(
            f"{count} and {len(second.members)} members",
            expected="aligned members of one model at both dates, or a covariance",
            remedy="Give the covariance of a paired sample, or keep the members.",
        )
    ones = [_in_tonnes(first, member) for member in first.members]
    others = [_in_tonnes(second, member) for member in second.members]
    means = math.fsum(ones) / count, math.fsum(others) / count
    products = (
        (one - means[0]) * (other - means[1])
        for one, other in zip(ones, others, strict=True)
    )
    return math.fsum(products) / (count - 1)

"""Two routes to one carbon stock, compared and never blended."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qhsink.domain.errors import Refusal
from qhsink.domain.quantity import Quantity


@dataclass(frozen=True, slots=True)
class RouteGap:
    """How far two routes to the same stock lie apart."""

    difference: Quantity
    """First route minus second [t C]."""
    ratio: float
    """First route over second."""
    se: float
    """Standard error of the difference [t C]."""
    z: float
    """Difference over its standard error."""
    agree: bool
    """Whether the difference is within ``limit`` standard errors."""


def compare_routes(
    biomass: tuple[Quantity, float],
    volume: tuple[Quantity, float],
    *,
    covariance: float = 0.0,
    limit: float = 1.644854,
) -> RouteGap:
    """Return the gap between the biomass route and the growing-stock route.

    Parameters
    ----------
    biomass, volume : tuple
        Carbon stock and its standard error [t C] by either route, same area.
    covariance : float
        Covariance of the two [(t C)^2]: positive where they share a carbon fraction.
    limit : float
        Standard errors within which they agree (1.645: 90 %).

    Raises
    ------
    Refusal
        When neither has an error, or the second route finds nothing.
    """
    one, other = biomass[0].number("t C"), volume[0].number("t C")
    variance = biomass[1] ** 2 + volume[1] ** 2 - 2.0 * covariance
    if variance <= 0.0 or other == 0.0:
        raise Refusal(
            f"routes of {one} and {other} t C with variance {variance} of the gap",
            expected="two stocks, at least one with a standard error",
            remedy="Propagate the errors of both routes first.",
        )
    se = math.sqrt(variance)
    z = (one - other) / se
    gap = biomass[0].to("t C") - volume[0].to("t C")
    return RouteGap(gap, one / other, se, z, abs(z) <= limit)

"""From areas, biomass densities and factors to a balance, one draw at a time.

A recipe names the factors it uses; a factor named by two recipes is one draw for
both, so the error of a carbon fraction is common to all pools that use it. The
volume route is another recipe of the same ecosystem and is never added to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qhsink.accounting.pools import (
    ABOVE,
    Balance,
    balance,
    below_ground,
    biomass_from_volume_line,
    carbon_of,
    over_area,
)
from qhsink.domain.carbon import Distribution, FactorTable, Stock, Uncertain
from qhsink.domain.errors import BadInput
from qhsink.domain.quantity import Quantity, quantity


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one ecosystem's carbon is made up."""

    ecosystem: str
    """Ecosystem or species group, as in the factors' ``applies_to``."""
    area: Quantity
    """Area, estimated from a sample [ha]."""
    area_se: float
    """Standard error of the area [ha]."""
    density: Quantity
    """Above-ground biomass [t d.m. ha-1] or, by the volume route, growing stock
    [m3 ha-1]."""
    density_se: float
    """Standard error of the density, in its own unit."""
    carbon_fraction: str
    """Factor id."""
    root_shoot: str | None = None
    """Factor id; None leaves roots out."""
    volume_line: tuple[str, str] | None = None
    """Factor ids of a and b in B = aV + b; roots are in it."""
    soil: str | None = None
    """Factor id of soil carbon density; None leaves soil out."""

    def __post_init__(self) -> None:
        if self.volume_line and self.root_shoot:
            raise BadInput(
                f"recipe of {self.ecosystem} with both B = aV + b and a root ratio",
                expected="one of the two: the line includes roots",
                remedy="Remove root_shoot, or volume_line.",
            )

    @property
    def area_name(self) -> str:
        """Name of the area among the sources of uncertainty."""
        return f"area of {self.ecosystem}"

    @property
    def density_name(self) -> str:
        """Name of the density among the sources of uncertainty."""
        kind = "growing stock" if self.volume_line else "biomass"
        return f"{kind} of {self.ecosystem}"

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Ids of the factors used."""
        named = (self.carbon_fraction, self.root_shoot, self.soil)
        return tuple(name for name in (*named, *(self.volume_line or ())) if name)


def sources_of_error(
    recipes: Sequence[Recipe], factors: FactorTable
) -> tuple[Uncertain, ...]:
    """Return every source of uncertainty once: areas, densities, factors shared.

    Areas and densities are truncated at zero.
    """
    sources: dict[str, Uncertain] = {}
    for recipe in recipes:
        own = (
            (recipe.area_name, recipe.area.number("ha"), recipe.area_se),
            (recipe.density_name, recipe.density.value, recipe.density_se),
        )
        for name, value, se in own:
            shape: Distribution = "truncated normal" if se else "fixed"
            sources[name] = Uncertain(name, value, se, shape, low=0.0)
        for name in recipe.factor_names:
            factor = factors.get(name, ecosystem=recipe.ecosystem)
            sources[name] = factor.uncertain
    return tuple(sources.values())


def balance_of(
    recipes: Sequence[Recipe],
    factors: FactorTable,
    *,
    draw: Mapping[str, float] | None = None,
) -> Balance:
    """Return the balance at the values given, or at one draw.

    Parameters
    ----------
    recipes : sequence of Recipe
        One per ecosystem.
    factors : FactorTable
        Units and applicability; values where ``draw`` has none.
    draw : mapping of str to float, optional
        Value by name of source (see ``sources_of_error``), in the source's unit.

    Raises
    ------
    TableError
        When a factor is unknown or is for another ecosystem.
    BadInput
        When units do not fit, or one ecosystem comes twice.
    """
    stocks = [
        stock
        for recipe in recipes
        for stock in _stocks(recipe, factors, draw if draw is not None else {})
    ]
    return balance(stocks)


def _stocks(
    recipe: Recipe, factors: FactorTable, draw: Mapping[str, float]
) -> list[Stock]:
    def factor(name: str) -> Quantity:
        known = factors.get(name, ecosystem=recipe.ecosystem)
        return quantity(draw.get(name, known.value), known.unit)

    area = quantity(draw.get(recipe.area_name, recipe.area.number("ha")), "ha")
    density = Quantity(
        draw.get(recipe.density_name, recipe.density.value), recipe.density.unit
    )
    fraction = factor(recipe.carbon_fraction)
    biomass = _biomass(recipe, density, factor)
    stocks = [over_area(carbon_of(pool, fraction), area) for pool in biomass]
    if recipe.soil:
        soil = Stock(recipe.ecosystem, frozenset({"soil"}), factor(recipe.soil))
        stocks.append(over_area(soil, area))
    return stocks


def _biomass(
    recipe: Recipe, density: Quantity, factor: Callable[[str], Quantity]
) -> list[Stock]:
    if recipe.volume_line:
        a, b = (factor(name) for name in recipe.volume_line)
        return [biomass_from_volume_line(recipe.ecosystem, density, a, b)]
    above = Stock(recipe.ecosystem, ABOVE, density.to("t d.m. ha-1"))
    if recipe.root_shoot is None:
        return [above]
    return [above, below_ground(above, factor(recipe.root_shoot))]

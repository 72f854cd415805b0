"""Biomass to carbon to CO2, pool by pool.

Two routes lead to forest biomass, from above-ground biomass and from growing stock;
they are kept apart here and compared in ``routes``. Changes are in ``change``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qhsink.domain.carbon import POOLS, Pool, Stock
from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.quantity import Quantity, quantity

CO2_PER_CARBON = quantity(44.0 / 12.0, "t CO2 (t C)-1")
"""Molar masses 44 and 12: exactly 44/12, not 3.67 (methodology C1)."""

ABOVE: frozenset[Pool] = frozenset({"above-ground"})
BELOW: frozenset[Pool] = frozenset({"below-ground"})


@dataclass(frozen=True, slots=True)
class Balance:
    """Carbon by ecosystem and pool, with its sum and what was left out."""

    rows: tuple[Stock, ...]
    """Stocks in t C, one per ecosystem and set of pools."""
    carbon: Quantity
    """Sum over rows [t C]."""
    dioxide: Quantity
    """The same as carbon dioxide [t CO2]."""
    left_out: tuple[str, ...]
    """``ecosystem: pool`` not accounted: unknown is not zero."""


def carbon_of(stock: Stock, fraction: Quantity) -> Stock:
    """Return the carbon in a stock of dry matter.

    Parameters
    ----------
    stock : Stock
        Dry matter [t d.m.] or its density [t d.m. ha-1].
    fraction : Quantity
        Carbon fraction [t C (t d.m.)-1], between 0 and 1.

    Raises
    ------
    BadInput
        When ``stock`` is no dry matter, or the fraction is outside (0, 1).
    """
    share = fraction.number("t C (t d.m.)-1")
    if not 0.0 < share < 1.0:
        raise BadInput(
            f"carbon fraction {share}",
            expected="a share between 0 and 1",
            remedy="Give t C per t of dry matter, such as 0.47.",
        )
    wanted = "t C" if stock.mass.unit.powers[4] == 0 else "t C ha-1"
    return Stock(stock.ecosystem, stock.pools, (stock.mass * fraction).to(wanted))


def dioxide_of(carbon: Quantity) -> Quantity:
    """Return carbon as carbon dioxide: times 44/12.

    Raises
    ------
    BadInput
        When ``carbon`` is not a quantity of carbon (dry matter, or CO2 already).
    """
    converted = carbon * CO2_PER_CARBON
    dry, burnt, dioxide = converted.unit.powers[:3]
    if (dry, burnt, dioxide) != (0, 0, 1):
        carbon.number("t C")  # says what it is, what was expected and the remedy
    return converted


def below_ground(above: Stock, root_shoot: Quantity) -> Stock:
    """Return below-ground biomass from above-ground biomass and a root:shoot ratio.

    Raises
    ------
    BadInput
        When ``above`` holds more than the above-ground pool: B = aV + b includes
        roots already, and a second (1 + R) would count them twice.
    """
    if above.pools != ABOVE:
        raise BadInput(
            f"a stock of {_spell(above.pools)}",
            expected="above-ground biomass alone",
            remedy="Do not apply a root:shoot ratio to biomass that includes roots.",
        )
    ratio = root_shoot.number("1")
    if ratio < 0.0:
        raise BadInput(
            f"root:shoot ratio {ratio}",
            expected="a number that is not negative",
            remedy="Correct the factor.",
        )
    return Stock(above.ecosystem, BELOW, above.mass * root_shoot)


def root_shoot_cairns(above: Quantity) -> Quantity:
    """Return R = exp(-1.085 + 0.9256 ln b) / b for b in t d.m. ha-1.

    Raises
    ------
    BadInput
        When the density is not positive.

    References
    ----------
    CDM AR-TOOL14 version 04.2, default root:shoot ratio (after Cairns et al. 1997);
    read in a third-party extract.
    """
    b = above.number("t d.m. ha-1")
    if b <= 0.0:
        raise BadInput(
            f"above-ground biomass {b} t d.m. ha-1",
            expected="a positive density",
            remedy="Leave stands without biomass out of the sum.",
        )
    return quantity(math.exp(-1.085 + 0.9256 * math.log(b)) / b, "1")


def biomass_from_expansion(
    ecosystem: str, volume: Quantity, density: Quantity, expansion: Quantity
) -> Stock:
    """Return above-ground biomass V * D * BEF (methodology C4).

    Parameters
    ----------
    ecosystem : str
        Species group.
    volume : Quantity
        Growing stock [m3] or its density [m3 ha-1].
    density : Quantity
        Basic wood density D [t d.m. m-3]; times ``expansion`` it is BCEF.
    expansion : Quantity
        Biomass expansion factor BEF, above-ground over stem [1].
    """
    mass = volume * density * quantity(expansion.number("1"), "1")
    return Stock(ecosystem, ABOVE, _dry_matter(mass))


def biomass_from_volume_line(
    ecosystem: str, volume: Quantity, a: Quantity, b: Quantity
) -> Stock:
    """Return total biomass B = a V + b, roots included (Fang et al. 2001).

    Parameters
    ----------
    ecosystem : str
        Species group.
    volume : Quantity
        Mean growing stock [m3 ha-1]; a total will not do, because ``b`` is a density.
    a : Quantity
        Slope [t d.m. m-3].
    b : Quantity
        Intercept [t d.m. ha-1]; positive, so young stands come out too high.

    Returns
    -------
    Stock
        Density of above- and below-ground biomass together [t d.m. ha-1].
    """
    volume.number("m3 ha-1")
    mass = volume * a + b.to("t d.m. ha-1")
    return Stock(ecosystem, ABOVE | BELOW, mass.to("t d.m. ha-1"))


def over_area(density: Stock, area: Quantity) -> Stock:
    """Return the stock of a density over an area: t, from t ha-1 and ha.

    Raises
    ------
    BadInput
        When the stock is no density.
    """
    area.number("ha")
    if density.mass.unit.powers[4] != -1:
        raise BadInput(
            f"{density.mass.unit.symbol} times an area",
            expected="a density, per hectare",
            remedy="A stock is already over its area.",
        )
    return Stock(density.ecosystem, density.pools, density.mass * area)


def balance(stocks: Sequence[Stock]) -> Balance:
    """Return the sum of carbon stocks, with what was left out.

    Raises
    ------
    BadInput
        When a stock is not carbon in t, or a pool of an ecosystem comes twice.
    Refusal
        When there is nothing to add.
    """
    if not stocks:
        raise Refusal(
            "no carbon stock",
            expected="at least one pool of one ecosystem",
            remedy="Bring a biomass or soil estimate.",
        )
    seen: set[tuple[str, Pool]] = set()
    for stock in stocks:
        twice = seen & {(stock.ecosystem, pool) for pool in stock.pools}
        if twice:
            name, pool = min(twice)
            raise BadInput(
                f"{pool} of {name} twice",
                expected="every pool of an ecosystem once",
                remedy="Keep one route; compare the two in accounting.routes.",
            )
        seen |= {(stock.ecosystem, pool) for pool in stock.pools}
    rows = tuple(Stock(s.ecosystem, s.pools, s.mass.to("t C")) for s in stocks)
    carbon = quantity(math.fsum(row.mass.value for row in rows), "t C")
    ecosystems = dict.fromkeys(stock.ecosystem for stock in stocks)
    missing = [(e, p) for e in ecosystems for p in POOLS if (e, p) not in seen]
    return Balance(
        rows, carbon, dioxide_of(carbon), tuple(f"{e}: {p}" for e, p in missing)
    )


def warnings_on_scope(result: Balance) -> tuple[str, ...]:
    """Return what a reader must be told about pools that were left out."""
    text = "no soil carbon in the balance of {}: soil holds most of it"
    return tuple(
        text.format(entry.removesuffix(": soil"))
        for entry in result.left_out
        if entry.endswith(": soil")
    )


def _dry_matter(mass: Quantity) -> Quantity:
    return mass.to("t d.m." if mass.unit.powers[4] == 0 else "t d.m. ha-1")


def _spell(pools: Iterable[Pool]) -> str:
    inside = set(pools)
    return " and ".join(pool for pool in POOLS if pool in inside)

"""Doubts about a carbon balance, in words: bands left, errors assumed or too wide.

They warn and change no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

from qhsink.accounting.approach1 import VALID_UP_TO
from qhsink.accounting.recipe import balance_of
from qhsink.accounting.sanity import outside_bands
from qhsink.accounting.stocks import Holding
from qhsink.domain.carbon import Band, FactorChoice
from qhsink.domain.quantity import Quantity, quantity
from qhsink.steps.carbon_chain import Chain


def band_warnings(
    chain: Chain,
    holdings: Sequence[Holding],
    chosen: Mapping[str, FactorChoice],
    *,
    region: str,
    bands: Sequence[Band],
) -> tuple[str, ...]:
    """Return which densities and totals lie outside what is plausible.

    Parameters
    ----------
    chain : Chain
        The balance.
    holdings : sequence of Holding
        Rows of the stocks table.
    chosen : mapping
        What the factors say of each ecosystem.
    region : str
        Region id, for bands of totals; empty for a part of one.
    bands : sequence of Band
        Plausible ranges.
    """
    amounts: list[tuple[str, str, Quantity]] = []
    for holding in holdings:
        group = chosen[holding.ecosystem].group
        if "biomass" in holding.entries:
            density = holding.entries["biomass"].amount
            amounts.append((f"{group}_above_density", holding.ecosystem, density))
    totals: dict[str, float] = {}
    for row in balance_of(chain.recipes, chain.factors).rows:
        group = chosen[row.ecosystem].group
        soil = row.pools == {"soil"}
        name = {
            ("tree", False): "tree_carbon",
            ("grass", False): "grass_biomass_carbon",
            ("grass", True): "grass_soil_carbon",
        }.get((group, soil))
        if name is not None:
            totals[name] = totals.get(name, 0.0) + row.mass.value
    amounts += [(n, "the sum", quantity(v, "t C")) for n, v in totals.items()]
    return tuple(
        f"{what}: {text}"
        for name, what, amount in amounts
        for text in outside_bands(name, amount, region=region, bands=bands)
    )


def flag_warnings(rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the flags that estimates in a stocks table came with.

    A total of a map that is not calibrated is not so either as carbon.

    Parameters
    ----------
    rows : sequence of mappings
        Text cells by column; those of ``flags`` may be blank or absent.
    """
    said = (
        (row["ecosystem"], row["quantity"], (row.get("flags") or "").strip())
        for row in rows
    )
    return tuple(
        f"{quantity} of {ecosystem}, as its estimate says: {flags}"
        for ecosystem, quantity, flags in said
        if flags
    )


def error_warnings(chain: Chain) -> tuple[str, ...]:
    """Return what is doubtful about the errors themselves."""
    z = NormalDist().inv_cdf(0.975)
    assumed = [
        factor.id
        for factor in chain.factors_used
        if factor.se_source.startswith("assumed")
    ]
    wide = [
        f"{source.name} ({width:.0f} %)"
        for source in chain.sources
        if (width := 100.0 * z * source.se / abs(source.value)) > VALID_UP_TO
    ]
    warnings = []
    if assumed:
        warnings.append(f"standard errors assumed, not measured: {', '.join(assumed)}")
    if wide:
        warnings.append(
            f"95 % half-width above the {VALID_UP_TO:.0f} % that Approach 1 holds "
            f"for: {', '.join(wide)}"
        )
    return tuple(warnings)

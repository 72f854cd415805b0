"""The stocks table: areas, biomass and growing stock with errors, checked at the door.

Rows come as text, from whatever file; opening files does not belong here. Every row
names its unit, and a unit names its substance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qhsink.accounting.recipe import Recipe
from qhsink.domain.carbon import FactorChoice
from qhsink.domain.errors import BadInput, Refusal, TableError
from qhsink.domain.quantity import Quantity, quantity, unit_named

Kind = Literal["area", "biomass", "growing_stock"]
Route = Literal["biomass", "growing_stock"]

COLUMNS = ("ecosystem", "quantity", "value", "se", "unit")
"""Columns of the table; ``se`` is in the same unit as ``value``."""

CANONICAL: Mapping[Kind, str] = {
    "area": "ha",
    "biomass": "t d.m. ha-1",
    "growing_stock": "m3 ha-1",
}
"""Quantities and the unit each is brought to: ``biomass`` is above-ground dry matter
per area, ``growing_stock`` stem volume per area."""

FIRST_LINE = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One row."""

    amount: Quantity
    """Value in the canonical unit of its quantity."""
    se: float
    """Standard error in the same unit."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What is known of one ecosystem."""

    ecosystem: str
    """Ecosystem or species group."""
    entries: Mapping[Kind, Entry]
    """Area, and biomass or growing stock, or both."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Routes to its biomass that the table allows."""
        known: tuple[Route, ...] = ("biomass", "growing_stock")
        return tuple(route for route in known if route in self.entries)


def read_stocks(rows: Sequence[Mapping[str, str]]) -> tuple[Holding, ...]:
    """Return the holdings of a table whose cells are text.

    Raises
    ------
    TableError
        When a column or cell is missing or odd, a row comes twice, or an ecosystem
        lacks its area or both densities.
    BadInput
        When a unit does not say of what, or is of another substance or dimension.
    """
    absent = [name for name in COLUMNS if not rows or name not in rows[0]]
    if absent:
        raise TableError(
            f"a stocks table without {', '.join(absent) if rows else 'rows'}",
            expected=f"columns {', '.join(COLUMNS)}",
            remedy="Add them; the standard error is in the unit of the value.",
        )
    found: dict[str, dict[Kind, Entry]] = {}
    for line, row in enumerate(rows, start=FIRST_LINE):
        where = f"stocks, line {line}"
        ecosystem, kind = _cell(row, "ecosystem", where), _kind(row, where)
        mine = found.setdefault(ecosystem, {})
        if kind in mine:
            raise TableError(
                f"{where}: {kind} of {ecosystem} a second time",
                expected="one row for each quantity of an ecosystem",
                remedy="Estimate one value first, from all plots together.",
            )
        mine[kind] = _entry(row, kind, where)
    return tuple(_holding(name, entries) for name, entries in found.items())


def recipe_of(
    holding: Holding, choice: FactorChoice, *, route: Route, soil: bool = True
) -> Recipe:
    """Return the recipe of a holding by one route.

    Raises
    ------
    Refusal
        When the table or the factors do not allow that route.
    """
    if route not in holding.routes:
        raise Refusal(
            f"{holding.ecosystem} by {route}",
            expected=f"a row {route!r} in the stocks table",
            remedy="Bring the estimate, or take the other route.",
        )
    by_volume = route == "growing_stock"
    if by_volume and choice.volume_line is None:
        raise Refusal(
            f"growing stock of {holding.ecosystem} without a line B = aV + b",
            expected="volume_line in its [[recipe]] of the factors",
            remedy="Split it by species group, or bring biomass.",
        )
    area, density = holding.entries["area"], holding.entries[route]
    return Recipe(
        ecosystem=holding.ecosystem,
        area=area.amount,
        area_se=area.se,
        density=density.amount,
        density_se=density.se,
        carbon_fraction=choice.carbon_fraction,
        root_shoot=None if by_volume else choice.root_shoot,
        volume_line=choice.volume_line if by_volume else None,
        soil=choice.soil if soil else None,
    )


def _cell(row: Mapping[str, str], name: str, where: str) -> str:
    text = (row[name] or "").strip()
    if not text:
        raise TableError(
            f"{where}, column {name!r}: no value",
            expected="a value in every cell",
            remedy="Unknown is not zero: estimate it, or leave the row out.",
        )
    return text


def _kind(row: Mapping[str, str], where: str) -> Kind:
    text = _cell(row, "quantity", where)
    for kind in CANONICAL:
        if text == kind:
            return kind
    raise TableError(
        f"{where}: quantity {text!r}",
        expected=f"one of {', '.join(CANONICAL)}",
        remedy="Correct the name; biomass is above-ground dry matter per area.",
    )


def _entry(row: Mapping[str, str], kind: Kind, where: str) -> Entry:
    symbol = _cell(row, "unit", where)
    value, se = (_number(row, name, where) for name in ("value", "se"))
    if value <= 0.0 or se < 0.0:
        raise TableError(
            f"{where}: {value:g} with standard error {se:g}",
            expected="a positive value and an error that is not negative",
            remedy="Leave out what does not exist; correct the sign.",
        )
    unit = CANONICAL[kind]
    try:
        unit_named(symbol)
        return Entry(
            quantity(value, symbol).to(unit), quantity(se, symbol).number(unit)
        )
    except BadInput as error:
        raise BadInput(
            f"{where}, {kind}: {error.found}",
            expected=error.expected,
            remedy=error.remedy,
        ) from error


def _number(row: Mapping[str, str], name: str, where: str) -> float:
    text = _cell(row, name, where)
    try:
        # Python reads 1_000 as a number; no other program does.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(
            f"{where}, column {name!r}: {text!r}",
            expected="a finite number",
            remedy="Write decimals with a point; the unit has its own column.",
        )
    return value


def _holding(name: str, entries: Mapping[Kind, Entry]) -> Holding:
    holding = Holding(name, entries)
    if "area" not in entries or not holding.routes:
        lacks = "area" if "area" not in entries else "biomass or growing_stock"
        raise TableError(
            f"stocks: {name} without {lacks}",
            expected="a row for the area, and one for biomass or growing_stock",
            remedy="Add the row.",
        )
    return holding

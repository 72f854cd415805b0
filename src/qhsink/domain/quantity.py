"""Units that say of what, and quantities that carry them.

Dry matter cannot pass for carbon, carbon for CO2, or g m-2 for t ha-1: a sum or a
door of the wrong kind raises. No uncertainty here: errors of factors are shared
between pools, so they are drawn together (``estimation.propagate``).
"""

from __future__ import annotations

import difflib
import functools
import math
from dataclasses import dataclass

from qhsink.domain.errors import BadInput

BASES = ("t d.m.", "t C", "t CO2", "m3", "ha", "yr")
"""Base units: dry matter, carbon, carbon dioxide, stem volume, area, time."""

Powers = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a stated substance."""

    symbol: str
    """As printed."""
    scale: float
    """Size in base units."""
    powers: Powers
    """Powers of ``BASES``."""


def _unit(symbol: str, scale: float = 1.0, **powers: int) -> tuple[str, Unit]:
    names = ("dm", "c", "co2", "m3", "ha", "yr")
    dm, c, co2, m3, ha, yr = (powers.get(name, 0) for name in names)
    return symbol, Unit(symbol, scale, (dm, c, co2, m3, ha, yr))


UNITS: dict[str, Unit] = dict(
    (
        _unit("1"),
        _unit("%", 0.01),
        _unit("yr", yr=1),
        _unit("ha", ha=1),
        _unit("m2", 1e-4, ha=1),
        _unit("km2", 100.0, ha=1),
        _unit("m3", m3=1),
        _unit("m3 ha-1", m3=1, ha=-1),
        _unit("t d.m.", dm=1),
        _unit("Mt d.m.", 1e6, dm=1),
        _unit("t d.m. ha-1", dm=1, ha=-1),
        _unit("kg d.m. ha-1", 1e-3, dm=1, ha=-1),
        _unit("g d.m. m-2", 1e-2, dm=1, ha=-1),
        _unit("t d.m. m-3", dm=1, m3=-1),
        _unit("t C", c=1),
        _unit("Mt C", 1e6, c=1),
        _unit("t C ha-1", c=1, ha=-1),
        _unit("g C m-2", 1e-2, c=1, ha=-1),
        _unit("kg C m-2", 10.0, c=1, ha=-1),
        _unit("t C yr-1", c=1, yr=-1),
        _unit("t C ha-1 yr-1", c=1, ha=-1, yr=-1),
        _unit("t C (t d.m.)-1", c=1, dm=-1),
        _unit("t CO2", co2=1),
        _unit("Mt CO2", 1e6, co2=1),
        _unit("t CO2 ha-1", co2=1, ha=-1),
        _unit("t CO2 yr-1", co2=1, yr=-1),
        _unit("t CO2 ha-1 yr-1", co2=1, ha=-1, yr=-1),
        _unit("t CO2 (t C)-1", co2=1, c=-1),
    )
)
"""Every unit that may be written; ``t ha-1`` is none: it does not say of what."""


def unit_named(symbol: str) -> Unit:
    """Return the unit written ``symbol``.

    Raises
    ------
    BadInput
        When it is not in ``UNITS``: a mass must name its substance.
    """
    if symbol in UNITS:
        return UNITS[symbol]
    near = difflib.get_close_matches(symbol, UNITS, n=3, cutoff=0.3)
    raise BadInput(
        f"unit {symbol!r}",
        expected="a unit that names its substance (d.m., C or CO2)",
        remedy=f"Did you mean one of {', '.join(repr(unit) for unit in near)}?"
        if near
        else f"Use one of {', '.join(UNITS)}.",
    )


@dataclass(frozen=True, slots=True)
class Quantity:
    """A finite number with its unit; wrong sums and wrong doors raise."""

    value: float
    """Number, in ``unit``."""
    unit: Unit
    """Its unit."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise BadInput(
                f"{self.value} {self.unit.symbol}",
                expected="a finite number",
                remedy="Leave the pool out and say why; unknown is not zero.",
            )

    def number(self, symbol: str) -> float:
        """Return the number in the unit ``symbol``.

        Raises
        ------
        BadInput
            When this is a quantity of another substance or dimension.
        """
        wanted = unit_named(symbol)
        if wanted.powers != self.unit.powers:
            raise BadInput(
                f"a quantity in {self.unit.symbol}",
                expected=f"one in {symbol}",
                remedy=_remedy(self.unit.powers, wanted.powers),
            )
        return self.value * (self.unit.scale / wanted.scale)

    def to(self, symbol: str) -> Quantity:
        """Return the same quantity in the unit ``symbol``."""
        return Quantity(self.number(symbol), unit_named(symbol))

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.value + self._alike(other), self.unit)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.value - self._alike(other), self.unit)

    def __mul__(self, other: Quantity) -> Quantity:
        powers = _sum(self.unit.powers, other.unit.powers)
        value = self.value * self.unit.scale * other.value * other.unit.scale
        return Quantity(value, _base_unit(powers))

    def __truediv__(self, other: Quantity) -> Quantity:
        inverse = _negative(other.unit.powers)
        value = self.value * self.unit.scale / (other.value * other.unit.scale)
        return Quantity(value, _base_unit(_sum(self.unit.powers, inverse)))

    def _alike(self, other: Quantity) -> float:
        if self.unit.powers != other.unit.powers:
            raise BadInput(
                f"{self.unit.symbol} and {other.unit.symbol} in one sum",
                expected="one substance and one dimension",
                remedy=_remedy(other.unit.powers, self.unit.powers),
            )
        return other.value * (other.unit.scale / self.unit.scale)


def quantity(value: float, symbol: str) -> Quantity:
    """Return ``value`` in the unit written ``symbol``."""
    return Quantity(value, unit_named(symbol))


@functools.cache
def _base_unit(powers: Powers) -> Unit:
    for known in UNITS.values():
        if known.powers == powers and known.scale == 1.0:
            return known
    parts = [
        base if power == 1 else f"({base}){power}"
        for base, power in zip(BASES, powers, strict=True)
        if power
    ]
    return Unit(" ".join(parts) or "1", 1.0, powers)


def _sum(left: Powers, right: Powers) -> Powers:
    a, b, c, d, e, f = (x + y for x, y in zip(left, right, strict=True))
    return a, b, c, d, e, f


def _negative(powers: Powers) -> Powers:
    a, b, c, d, e, f = (-power for power in powers)
    return a, b, c, d, e, f


def _remedy(found: Powers, wanted: Powers) -> str:
    dry, carbon, dioxide = range(3)
    if found[dry] and wanted[carbon]:
        return "Dry matter is not carbon: apply a carbon fraction first."
    if found[carbon] and wanted[dioxide]:
        return "Carbon is not carbon dioxide: apply 44/12 first."
    if found[dioxide] and wanted[carbon]:
        return "Carbon dioxide is not carbon: multiply by 12/44 first."
    if found[4] != wanted[4]:
        return "A density is not a stock: multiply by, or divide by, an area."
    return "Convert it with the factor that leads from one to the other."

"""What an indicator is: its definition, formula, window and needs. No arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Denominator:
    """The area or total that an indicator is divided by."""

    id: str
    """Stable identifier, such as ``land_area_2017``."""
    value: float
    """Value in ``unit``."""
    unit: str
    """Such as ``ha``."""
    source: str
    """Document and date."""
    status: str
    """``verified`` or ``unverified``."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """A definition that travels with every number computed under it."""

    id: str
    """Stable identifier."""
    name_zh: str
    """Chinese name."""
    name_en: str
    """English name."""
    definition_zh: str
    """Definition in Chinese."""
    definition_en: str
    """Definition in English."""
    formula: str
    """Formula in plain text."""
    unit: str
    """Unit of its values; ``1`` for a proportion."""
    months: tuple[int, ...]
    """Calendar months in which it may be computed; all twelve where free."""
    inputs: tuple[str, ...]
    """Names of the inputs it cannot do without."""
    source: str
    """Where the definition comes from."""
    status: str
    """``verified``, ``unverified`` or ``proposal`` (of this project)."""
    denominators: tuple[Denominator, ...] = field(default=())
    """Denominators known for it; which one was used travels with the number."""
    note: str = ""
    """What a reader must know."""

"""What an indicator is: definition, window, needs, grades. No arithmetic."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Literal

from qhsink.domain.errors import BadInput, TableError


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
    note_zh: str = ""
    """The same in Chinese."""
    short_zh: str = ""
    """Short Chinese name for tables; empty where the name is short."""
    short_en: str = ""
    """Short English name for tables; empty where the name is short."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with its standard error, before it becomes an estimate of a region."""

    value: float
    """Value in ``unit``."""
    se: float
    """Standard error in ``unit``; finite, not negative."""
    unit: str
    """Unit; ``1`` for a proportion."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.se) and self.se >= 0):
            raise BadInput(
                f"{self.value} with standard error {self.se} {self.unit}",
                expected="finite numbers, the standard error not negative",
                remedy="Refuse the number where its error is unknown.",
            )


@dataclass(frozen=True, slots=True)
class GradeScale:
    """Limits that cut a variable into named grades."""

    id: str
    """Stable identifier."""
    variable: str
    """What is graded."""
    unit: str
    """Unit of the limits."""
    limits: tuple[float, ...]
    """Ascending limits; one fewer than grades."""
    closed: Literal["left", "right"]
    """``right``: a value on a limit belongs below it; ``left``: above it."""
    names_zh: tuple[str, ...]
    """Chinese names, ascending."""
    names_en: tuple[str, ...]
    """English names, ascending."""
    source: str
    """Where the limits come from."""
    status: str
    """``verified`` or ``unverified``."""

    def __post_init__(self) -> None:
        grades = len(self.limits) + 1
        ascending = all(a < b for a, b in itertools.pairwise(self.limits))
        if not ascending or {len(self.names_zh), len(self.names_en)} != {grades}:
            raise TableError(
                f"grade scale {self.id}: {len(self.limits)} limits, "
                f"{len(self.names_zh)} Chinese and {len(self.names_en)} English names",
                expected="ascending limits and one name more than limits",
                remedy="Correct the entry in config/strata.toml.",
            )


@dataclass(frozen=True, slots=True)
class ForestRule:
    """Thresholds of a forest definition."""

    canopy: float
    """Canopy threshold, 0..1."""
    unit_area_ha: float
    """Least area of a patch, and of the unit that canopy is meant over [ha]."""
    source: str
    """Where the thresholds come from."""
    status: str
    """``verified`` or ``unverified``."""
    shrub_cover: float | None = None
    """Special shrubland has cover above it; None where shrubland is no forest."""
    precipitation_mm: float | None = None
    """... in counties with at most this mean yearly precipitation [mm]."""
    height_m: float | None = None
    """Least tree height [m]; None where the definition names none."""


@dataclass(frozen=True, slots=True)
class OfficialStatistic:
    """A published figure with its own definition and year."""

    definition: str
    """Indicator id, or the id of a definition that no indicator here has."""
    region: str
    """Region id."""
    year: int
    """Year that it was published for."""
    value: float
    """Figure in ``unit``; official figures come without an error."""
    unit: str
    """Unit."""
    source: str
    """Document and date."""
    status: str
    """``verified`` or ``unverified``."""

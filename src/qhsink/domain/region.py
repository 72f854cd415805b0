"""Regions and the leaves they are sums of. Geometry lives in ``qhsink.regions``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RegionKind = Literal[
    "province",
    "prefecture",
    "county",
    "national_park",
    "wetland",
    "nature_park",
    "priority_area",
    "lake",
    "user",
]
RegionStatus = Literal["official", "indicative", "user"]


@dataclass(frozen=True, slots=True)
class Region:
    """One area that a number can be asked for."""

    id: str
    """Stable identifier: an adcode (``632222``) or a short name (``qilian``)."""
    name_zh: str
    """Name shown to Chinese readers."""
    name_en: str
    """Name shown to English readers."""
    kind: RegionKind
    """What the region is."""
    status: RegionStatus
    """``official`` boundary, ``indicative`` stand-in, or a ``user``'s own."""
    area_ha: float
    """Area of the polygon on the equal-area grid [ha]."""
    official_area_ha: float | None
    """Area stated by the authority [ha]; None where none was found."""
    source: str
    """Where the polygon and the stated area come from."""
    licence: str
    """Licence and its standing."""
    note: str = ""
    """What a reader must know before using the number."""

    @property
    def area_gap(self) -> float | None:
        """Polygon area over stated area, minus one; None without a stated area."""
        if not self.official_area_ha:
            return None
        return self.area_ha / self.official_area_ha - 1.0

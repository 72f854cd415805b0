"""``config/gedi.toml``: which GEDI footprints are used, and why."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field

from qhsink.config.parsing import Section, parse_section, read_toml


class KeepRule(Section):
    """One property of a footprint and the range in which it is kept."""

    field: str
    """Property of the footprint."""
    least: float
    """Least value kept."""
    most: float
    """Largest value kept."""
    why: str
    """Reason and source."""
    status: str
    """``literature``, ``unverified`` or ``proposal``."""


class FootprintConfig(Section):
    """Biomass footprints (L4A)."""

    collection: str
    """Folder of tables, one per sub-orbit."""
    index: str
    """Table of their outlines and times."""
    unit: str
    """Unit of the biomass."""
    diameter_m: Annotated[float, Field(gt=0)]
    """Diameter of a footprint [m]."""
    position_sd_m: Annotated[float, Field(ge=0)]
    """Standard deviation of its place along each axis [m]."""
    season_start: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """First day of the season kept, MM-DD."""
    season_end: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """Last day of the season kept, MM-DD."""
    largest: Annotated[float, Field(gt=0)]
    """Largest biomass kept, in ``unit``."""
    source: str
    """Citation."""
    keep: tuple[KeepRule, ...]
    """What a footprint must satisfy."""


class GriddedConfig(Section):
    """Gridded biomass (L4B), for comparison."""

    image: str
    """Asset id."""
    cell_m: Annotated[float, Field(gt=0)]
    """Edge of a cell [m]."""
    first_day: date
    """First day observed."""
    last_day: date
    """Last day observed."""
    source: str
    """Citation."""


class GediConfig(Section):
    """The whole table."""

    footprints: FootprintConfig
    gridded: GriddedConfig


def load_gedi(project: Path) -> GediConfig:
    """Return ``config/gedi.toml``."""
    table = read_toml(project / "config" / "gedi.toml")
    return parse_section(GediConfig, table, where="gedi.toml")

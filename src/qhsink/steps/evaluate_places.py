"""Where a trial of the intervals takes place: its parameters and its squares.

Nothing is simulated or estimated here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import shapely
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from qhsink.config import parse_section, project_dir, read_toml
from qhsink.domain.errors import BadInput
from qhsink.grid import qinghai_albers
from qhsink.regions.database import RegionDatabase, load_database
from qhsink.twin.campaign import PlotRules
from qhsink.twin.footprints import FootprintRules

Size = Literal[
    "part", "square", "all", "target part", "target square", "target squares"
]
"""One sub-region, one square, or all squares of a world together; the same of the
squares on which every target is mapped."""

Month = Annotated[str, Field(pattern=r"^\d{4}-\d\d$")]


class GrazingTruth(BaseModel):
    """What is true of grazing in the simulated country; no statement about Qinghai."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    utilisation: Annotated[float, Field(gt=0, le=1)]
    """Share of the forage that may be eaten."""
    edible: Annotated[float, Field(gt=0, le=1)]
    """Edible share of the dry matter."""
    intake_kg: Annotated[float, Field(gt=0)]
    """Dry matter per sheep unit and day [kg]."""
    days: Annotated[float, Field(gt=0, le=366)]
    """Days of grazing in the year."""
    herd_share: Annotated[float, Field(gt=0)]
    """Actual herds over what the forage feeds."""


class TargetSquares(BaseModel):
    """Squares of the worlds in which every target is mapped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: str
    """File in ``config/`` that names the models."""
    pixel_size_m: Annotated[float, Field(gt=0)]
    """Pixel of archive and maps [m]: what the models learnt from."""
    square_m: Annotated[float, Field(gt=0)]
    """Edge of a square [m]."""
    parts: Annotated[int, Field(ge=2)]
    """Units along each edge that sinks are graded by."""
    plots_per_part: Annotated[int, Field(ge=2)]
    """Plots of such a unit."""
    factor_cv: Annotated[float, Field(ge=0, le=1)]
    """Relative error of rates and herds of forage, as they are stated."""
    grazing: GrazingTruth


class TrialSpec(BaseModel):
    """What is tried: ``config/evaluate.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    year: int
    """Year of the scenes."""
    month: Month
    """Month that is run; it must end after the peak season."""
    month_every: Annotated[int, Field(ge=1)]
    """Every how many-th world judges the month's cover beside that of the peak."""
    targets_every: Annotated[int, Field(ge=1)]
    """Every how many-th world maps all targets too, on squares of its own."""
    pixel_size_m: Annotated[float, Field(gt=0)]
    """Pixel of archive and maps [m]."""
    square_m: Annotated[float, Field(gt=0)]
    """Edge of a square [m]."""
    parts: Annotated[int, Field(ge=2)]
    """Sub-regions along each edge."""
    least_land_share: Annotated[float, Field(ge=0, le=1)]
    """A sub-region with less land is left out."""
    plots: Annotated[int, Field(ge=10)]
    """Plots of each campaign in a square."""
    campaigns: Annotated[int, Field(ge=1)]
    """Independent campaigns of each kind in a square: a world costs far more."""
    label_plots: Annotated[int, Field(ge=10)]
    """Plots of a campaign for what is rare: forest, wetland, growing stock."""
    first_phase: Annotated[int, Field(ge=10)]
    """Plots of the first phase of a two-phase campaign."""
    clusters: Annotated[int, Field(ge=2)]
    """Clusters of four plots of a cluster campaign."""
    earlier_year: int
    """Year that ``year`` is compared with."""
    further_campaigns: Annotated[int, Field(ge=1)]
    """... of the kinds in ``judge_further``."""
    least_per_stratum: Annotated[int, Field(ge=2)]
    """Least plots in a stratum."""
    bands: Annotated[int, Field(ge=1)]
    """Strata by map value."""
    lines: tuple[float, ...]
    """Targets judged, as target minus truth."""
    plots_rules: PlotRules
    footprint_rules: FootprintRules
    targets: TargetSquares

    @property
    def earlier(self) -> TrialSpec:
        """The same in ``earlier_year``, its peak alone."""
        month = f"{self.earlier_year}{self.month[4:]}"
        never = {"year": self.earlier_year, "month": month, "month_every": 1 << 40}
        return self.model_copy(update=never)

    @property
    def on_targets(self) -> TrialSpec:
        """The same on the squares where every target is mapped."""
        names = ("pixel_size_m", "square_m", "parts")
        return self.model_copy(
            update={name: getattr(self.targets, name) for name in names}
        )

    @property
    def mid_month(self) -> dt.date:
        """The day whose truth stands for the month."""
        return dt.date.fromisoformat(f"{self.month}-16")


def load_trial(path: Path | None = None) -> TrialSpec:
    """Return the trial in ``path``, or in the project's ``config/evaluate.toml``."""
    path = path or project_dir() / "config" / "evaluate.toml"
    return parse_section(TrialSpec, read_toml(path), where=path.name)


@dataclass(frozen=True, slots=True)
class Square:
    """A square cut out of a real region."""

    region: str
    """Id of the real region."""
    outline: BaseGeometry
    """In grid coordinates."""
    parts: tuple[tuple[str, BaseGeometry], ...]
    """Sub-regions, by id."""


def squares(regions: Sequence[str], trial: TrialSpec) -> tuple[Square, ...]:
    """Return one square for each real region, on whole pixels."""
    database = load_database(project_dir() / "aoi" / "qinghai.gpkg")
    return tuple(_square(name, database, trial) for name in dict.fromkeys(regions))


def _square(name: str, database: RegionDatabase, trial: TrialSpec) -> Square:
    pixel = trial.pixel_size_m
    step = trial.square_m / trial.parts
    if step % pixel:
        raise BadInput(
            f"squares of {trial.square_m:g} m in {trial.parts} parts on pixels of "
            f"{pixel:g} m",
            expected="parts whose edge is a multiple of the pixel",
            remedy="Change square_m, parts or pixel_size_m in config/evaluate.toml.",
        )
    middle = database.geometry(name, qinghai_albers()).representative_point()
    left = round((middle.x - trial.square_m / 2.0) / pixel) * pixel
    low = round((middle.y - trial.square_m / 2.0) / pixel) * pixel
    parts = tuple(
        (
            f"{name}-r{row}c{col}",
            shapely.box(
                left + col * step,
                low + row * step,
                left + (col + 1) * step,
                low + (row + 1) * step,
            ),
        )
        for row in range(trial.parts)
        for col in range(trial.parts)
    )
    whole = shapely.box(left, low, left + trial.square_m, low + trial.square_m)
    return Square(name, whole, parts)

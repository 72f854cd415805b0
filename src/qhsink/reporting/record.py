"""All that a page needs, as frozen nouns. Nothing is rendered or computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.domain.estimate import Estimate, Provenance, Verdict
from qhsink.domain.indicator import Indicator
from qhsink.domain.region import Region


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One indicator of one region: a number, or the reason why there is none.

    Raises
    ------
    ValueError
        When a row has neither number nor reason, or its parts speak of different
        things.
    """

    region: Region
    """The region asked for."""
    indicator_id: str
    """Indicator id."""
    indicator_zh: str
    """Indicator name for Chinese readers."""
    indicator_en: str
    """Indicator name for English readers."""
    estimate: Estimate | None
    """The number; None when it was refused."""
    verdict: Verdict | None
    """What the number says about a target; None where nothing was judged."""
    refusal: str | None
    """Why there is no number; beside a number, why it was not judged."""
    refusal_zh: str = ""
    """The same for Chinese readers; when empty, known reasons are put in Chinese."""
    short_zh: str = ""
    """Short Chinese name of the indicator; empty where its name is short."""
    short_en: str = ""
    """Short English name of the indicator; empty where its name is short."""

    def __post_init__(self) -> None:
        name = f"row {self.indicator_id} of {self.region.id}"
        if self.estimate is None and not self.refusal:
            msg = f"{name}: give an estimate, or the reason why there is none"
            raise ValueError(msg)
        if self.estimate is not None and (
            self.estimate.region != self.region.id
            or self.estimate.indicator != self.indicator_id
        ):
            msg = (
                f"{name}: its estimate speaks of {self.estimate.indicator} of "
                f"{self.estimate.region}"
            )
            raise ValueError(msg)
        if self.verdict and self.verdict.target.indicator != self.indicator_id:
            msg = (
                f"{name}: judged against target {self.verdict.target.id} of another "
                f"indicator, {self.verdict.target.indicator}"
            )
            raise ValueError(msg)

    @property
    def brief_zh(self) -> str:
        """Name for Chinese tables."""
        return self.short_zh or self.indicator_zh

    @property
    def brief_en(self) -> str:
        """Name for English tables."""
        return self.short_en or self.indicator_en


@dataclass(frozen=True, slots=True)
class RegionPicture:
    """The maps of one region on the analysis grid, as they will be drawn."""

    region_id: str
    """Region id."""
    values: NDArray[np.float32]
    """Mapped proportion, (y, x), 0..1; NaN where there is none."""
    spread: NDArray[np.float32] | None
    """Standard deviation over the model's members, (y, x), same unit as values."""
    n_clear: NDArray[np.uint8] | None
    """Clear observations used, (y, x)."""
    flags: NDArray[np.uint8] | None
    """Bits of ``imagery.composite.Flag``, (y, x); 0 where nothing is to be said."""
    extent: tuple[float, float, float, float]
    """Left, right, bottom, top in grid coordinates [m]."""
    outline: BaseGeometry
    """Outline of the region in grid coordinates [m]."""
    pixel_size_m: float
    """Edge of a pixel of the map that was computed [m]."""
    north_deg: float | None = None
    """True north, clockwise from the top of the picture [deg]; None when unknown:
    then the arrow is labelled as grid north."""
    period: str = ""
    """Period label of the map; empty for the report's peak season, else its month."""


@dataclass(frozen=True, slots=True)
class SceneRow:
    """One scene that was pinned, and whether it was used."""

    item_id: str
    """Item id in the catalogue."""
    acquired: str
    """Acquisition time, ISO 8601, UTC."""
    platform: str
    """Such as ``sentinel-2b``."""
    baseline: str
    """Processing baseline or collection level."""
    cloud_share: float | None
    """Cloud cover stated by the item, 0..1."""
    offset_rule: str
    """The rule that chose scale and offset, in words."""
    used: bool
    """Whether its pixels entered the maps."""
    note: str
    """Why it was left out, or what else a reader should know."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything that one page says.

    Raises
    ------
    ValueError
        When a simulated number would stand on a page that calls itself observed.
    """

    title_zh: str
    """Title for Chinese readers."""
    title_en: str
    """Title for English readers."""
    month: str
    """Period label of the monthly maps, such as ``2025-08``."""
    peak: str | None
    """Period label of the peak season, such as ``2025-peak``; None without one."""
    generated_at: str
    """ISO 8601 time of the run, given by the caller: no clock is read here."""
    provenance: Provenance
    """``simulated`` puts a banner on the page and a stamp on every picture."""
    rows: tuple[ReportRow, ...]
    """Estimates and refusals, in reading order."""
    pictures: tuple[RegionPicture, ...]
    """One per region that has maps."""
    scenes: tuple[SceneRow, ...]
    """All scenes that were pinned, left out ones included."""
    notes: tuple[str, ...]
    """Further remarks of the run."""
    run: Mapping[str, Any]
    """JSON-able provenance: code version, configuration, model, hashes, grid."""
    model_card: Mapping[str, Any]
    """JSON-able card of the model of vegetation cover."""
    definitions: tuple[Indicator, ...] = field(default=())
    """Definitions of the indicators in ``rows``."""
    further_cards: tuple[Mapping[str, Any], ...] = field(default=())
    """Cards of the models of further targets and of ecosystems."""

    def __post_init__(self) -> None:
        simulated = [
            row
            for row in self.rows
            if row.estimate is not None and row.estimate.provenance == "simulated"
        ]
        if simulated and self.provenance != "simulated":
            msg = (
                f"{simulated[0].indicator_id} of {simulated[0].region.id} is "
                "simulated: the whole report must say so"
            )
            raise ValueError(msg)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions of the rows, each once, in reading order."""
        return tuple({row.region.id: row.region for row in self.rows}.values())

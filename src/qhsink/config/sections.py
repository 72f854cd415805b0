"""``RunConfig``: every number that changes a result, and enters content keys.

Where files lie and how many threads run is in ``places`` and never does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from qhsink.config.corrections import CorrectionConfig, check_corrections
from qhsink.config.parsing import Section, Share, parse_section, read_toml
from qhsink.domain.variogram import VariogramKind
from qhsink.grid import Grid, named_crs


class GridConfig(Section):
    """The analysis grid."""

    crs: str
    """``qinghai-albers``, an EPSG code or a PROJ string; must be equal-area."""
    pixel_size_m: Annotated[float, Field(gt=0)]
    """Edge of a pixel [m]."""
    tile_px: int = 1024
    """Edge of a tile [pixels]."""
    block_px: int = 512
    """Edge of a file's internal block [pixels]."""

    def build(self) -> Grid:
        """Return the grid; GridError when it cannot carry true areas."""
        return Grid(named_crs(self.crs), self.pixel_size_m, self.tile_px, self.block_px)


class SeasonConfig(Section):
    """When the peak of growth is."""

    peak_start: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """First day of the peak window, MM-DD."""
    peak_end: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """Last day of the peak window, MM-DD."""


class LayerRules(Section):
    """Layers beyond the six bands, read where a model of the run needs them."""

    season_start: Annotated[str, Field(pattern=r"^\d\d-\d\d$")] = "06-01"
    """First day of the dates that seasonal statistics are of, MM-DD; the last is that
    of the peak, so that a run at its end is final."""
    radar_orbit: Literal["ascending", "descending"] = "descending"
    """Direction of the radar passes that are averaged; the two are never mixed."""


class MaskConfig(Section):
    """Which observations are clear (methodology B1)."""

    scl_clear: tuple[int, ...]
    """Sentinel-2 scene classes kept."""
    scl_water: int
    """Sentinel-2 scene class of water."""
    qa_reject_bits: tuple[int, ...]
    """Landsat QA_PIXEL bits of which none may be set."""
    qa_water_bit: int
    """Landsat QA_PIXEL bit of water."""
    dilation_m: Annotated[float, Field(ge=0)]
    """Distance by which cloud, shadow and snow are grown [m]."""
    snow_ndsi: float
    """NDSI above which an observation is snow."""
    snow_nir: float
    """... if its near-infrared reflectance is above this."""
    second_opinion: Annotated[str, Field(pattern=r"^(cloud-[0-9a-f]{8})?$")] = ""
    """Folder name in ``models/masks/`` of a second opinion on Sentinel-2's classes;
    empty: the classes as shipped."""


class CompositeConfig(Section):
    """How dates become one value per pixel."""

    min_clear_month: Annotated[int, Field(ge=1)]
    """Clear dates required in a monthly median."""
    min_clear_peak: Annotated[int, Field(ge=1)]
    """Clear dates required in the peak-season composite."""
    peak_quantile: Share
    """Quantile of NDVI whose date is taken at the peak."""


class OffsetGuardConfig(Section):
    """The statistical check for a scene shifted by a forgotten or doubled offset."""

    action: Literal["exclude", "warn"]
    """What happens to a scene that looks shifted."""
    shift: float
    """Reflectance shift that is looked for (1000 DN = 0.1)."""
    tolerance: float
    """Largest distance from ``shift`` that still counts as that shift."""
    dark_percentile: float
    """Percentile of red reflectance taken as the dark level [%]."""
    max_days: int
    """Neighbouring dates further apart than this are not compared [days]."""


class RegionRules(Section):
    """When a region gets a number."""

    min_valid_share: Share
    """Least share of land area with enough clear observations."""
    inside_province: bool = True
    """Whether a user's region must lie in Qinghai; false on another grid."""


class UnseenRules(Section):
    """What land without a clear date is taken to hold, where heights are read."""

    read_heights: bool
    """Whether heights are read for this alone, where no model needs the terrain."""
    band_m: Annotated[float, Field(gt=0)]
    """Height of a band [m]: land not seen holds what land seen in its band does."""
    least_pixels: Annotated[int, Field(ge=1)]
    """Pixels seen, below which a band takes the nearest band's land."""


class ModelChoice(Section):
    """Exact model ids; never ``latest``."""

    fvc: str
    """Folder in ``models/`` of the model of vegetation cover; every run has one."""
    ecosystem: str | None = None
    """... of the classifier that says which ecosystem holds where."""
    canopy_cover: str | None = None
    """... of tree canopy cover; None: not mapped. The same for those below."""
    shrub_cover: str | None = None
    agb_grass: str | None = None
    agb_forest: str | None = None
    growing_stock: str | None = None

    def of(self, target: str) -> str | None:
        """Return the model id named for ``target``; None when none is."""
        chosen: dict[str, str | None] = self.model_dump()
        return chosen.get(target)


class EstimateConfig(Section):
    """Interval and verdict level."""

    confidence: Annotated[float, Field(gt=0.5, lt=1.0)]
    """Confidence of intervals and verdicts."""


class ResidualConfig(Section):
    """What is assumed of a map's residuals where nothing shows their correlation."""

    correlation: VariogramKind = "exponential"
    """Form of the correlation."""
    range_m: Annotated[float, Field(gt=0)] = 5000.0
    """Its distance constant or range [m]: an assumption, flagged wherever used."""


class IndicatorChoice(Section):
    """Which indicators a run reports, in reading order."""

    report: tuple[str, ...]
    """Ids from ``config/indicators.toml``."""


class RunConfig(Section):
    """Everything that changes a result."""

    grid: GridConfig
    season: SeasonConfig
    layers: LayerRules = LayerRules()
    masks: MaskConfig
    composite: CompositeConfig
    corrections: CorrectionConfig = CorrectionConfig()
    offset_guard: OffsetGuardConfig
    regions: RegionRules
    unseen: UnseenRules
    models: ModelChoice
    estimate: EstimateConfig
    indicators: IndicatorChoice
    residuals: ResidualConfig = ResidualConfig()


def load_run_config(path: Path) -> RunConfig:
    """Return the frozen run configuration in ``path``."""
    config = parse_section(RunConfig, read_toml(path), where=path.name)
    check_corrections(config.corrections, where=path.name)
    return config

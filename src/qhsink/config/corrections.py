"""``[corrections]``: what is done to reflectance before dates are chosen from.

Options and the published numbers they rest on; all are off unless asked for.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from qhsink.config.parsing import Section, Share
from qhsink.domain.errors import ConfigError

FROM_SOURCE = "source"
"""Value of ``dem`` that means the terrain model of the run's own source."""


class TerrainFit(Section):
    """On what terrain light is fitted, and when it is left (methodology B3)."""

    min_slope_deg: Annotated[float, Field(ge=0, lt=90)] = 5.0
    """Least slope of a pixel that the fit uses [deg]."""
    min_ndvi: float = 0.3
    """Least NDVI of such a pixel."""
    min_cos_i: Annotated[float, Field(ge=0.05, lt=1)] = 0.1
    """Pixels lit at less than this cosine are dropped where a day is corrected."""
    min_r2: Share = 0.1
    """Least share of variance that light explains in the near infrared."""
    min_pixels: Annotated[int, Field(ge=10)] = 500
    """Least number of pixels of a fit."""
    max_pixels: Annotated[int, Field(ge=1000)] = 200_000
    """Pixels a fit uses at most."""
    max_correlation: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Bound of corr(L, cos i) that a band may keep; else the day is left."""


class KernelRow(Section):
    """Weights of the kernels in one band."""

    iso: Annotated[float, Field(gt=0)]
    vol: float
    geo: float


class BandLine(Section):
    """Landsat reflectance as a line of Sentinel-2 reflectance."""

    slope: Annotated[float, Field(gt=0)]
    offset: float


class KernelTable(Section):
    """Weights by band; the names are those of ``BANDS``."""

    blue: KernelRow
    green: KernelRow
    red: KernelRow
    nir: KernelRow
    swir16: KernelRow
    swir22: KernelRow


class LineTable(Section):
    """Lines by band; the names are those of ``BANDS``."""

    blue: BandLine
    green: BandLine
    red: BandLine
    nir: BandLine
    swir16: BandLine
    swir22: BandLine


class CorrectionConfig(Section):
    """Corrections of reflectance, each off unless asked for."""

    terrain: Literal["none", "scs+c"] = "none"
    """Terrain light: none, or SCS+C."""
    dem: str = ""
    """Raster of heights [m] or a folder of them, relative to the project folder;
    ``source`` for the terrain model that the run's own source holds."""
    view: Literal["none", "c-factor"] = "none"
    """View angle: none, or the c-factor to nadir."""
    bands: Literal["none", "sentinel-2"] = "none"
    """Landsat bands: as they are, or brought to Sentinel-2's."""
    fit: TerrainFit = TerrainFit()
    kernels: KernelTable | None = None
    """Kernel weights by band."""
    kernels_source: str = ""
    kernels_status: str = ""
    lines: LineTable | None = None
    """Landsat's band from Sentinel-2's, by band."""
    lines_source: str = ""
    lines_status: str = ""

    @property
    def heights_of_source(self) -> bool:
        """Whether heights are to come from the run's own source."""
        return self.terrain != "none" and self.dem == FROM_SOURCE

    def in_use(self) -> dict[str, Any]:
        """Return what a composite depends on: nothing of a correction that is off."""
        used: dict[str, Any] = {}
        if self.terrain != "none":
            used["terrain"] = [self.terrain, self.fit.model_dump(mode="json")]
        if self.view != "none" and self.kernels:
            used["view"] = [self.view, self.kernels.model_dump()]
        if self.bands != "none" and self.lines:
            used["bands"] = [self.bands, self.lines.model_dump()]
        return used


def check_corrections(config: CorrectionConfig, *, where: str) -> None:
    """Raise ConfigError where a correction is asked for without what it needs."""
    if config.terrain != "none" and not config.dem:
        raise ConfigError(
            f"{where}: [corrections] terrain = {config.terrain!r} without heights",
            expected='dem = a raster of heights, or "source"',
            remedy="Name a DEM (Copernicus GLO-30 serves) as `dem` in [corrections].",
        )
    for option, table, rows in (
        (config.view, "kernels", config.kernels),
        (config.bands, "lines", config.lines),
    ):
        if option != "none" and rows is None:
            raise ConfigError(
                f"{where}: {option!r} asked for without [corrections.{table}]",
                expected="the numbers that the correction rests on",
                remedy='Start the file with extends = "monitor.toml", which has them.',
            )

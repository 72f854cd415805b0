"""Parameters of the products beside Sentinel-2: terrain model, radar, Landsat.

Checks what ``config/twin.toml`` says of them; computes nothing.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A frozen table of the configuration; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Overpass(Section):
    """One acquisition date."""

    day: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """MM-DD."""
    time: Annotated[str, Field(pattern=r"^\d\d:\d\d:\d\d$")]
    """UTC time of the datatake."""

    def on(self, year: int) -> date:
        """Return the day in ``year``."""
        return date.fromisoformat(f"{year}-{self.day}")


class DemSection(Section):
    """The terrain model: posting and vertical error."""

    posting_px: Annotated[float, Field(ge=1)]
    """Posting is at most this many pixels of the archive."""
    error_smooth_m: Annotated[float, Field(ge=0)]
    """Error common to neighbours, standard deviation [m]."""
    error_range_m: Annotated[float, Field(gt=0)]
    """Lattice edge of that error [m]."""
    error_own_m: Annotated[float, Field(ge=0)]
    """Error of each posting, standard deviation [m]."""
    step_m: Annotated[float, Field(gt=0)]
    """Heights come in steps of this [m]: keeps the archive small."""
    source: str
    """Where the figures come from."""
    status: str
    """``verified`` or ``unverified``."""


class EchoSection(Section):
    """How the country scatters in one polarisation; backscatter gamma0."""

    soil_db: float
    """Dry bare soil [dB]."""
    soil_slope_db: float
    """Rise with volumetric soil moisture [dB per m3 m-3]."""
    herb_db: float
    """Dense low vegetation [dB]."""
    herb_rate: Annotated[float, Field(ge=0)]
    """Extinction per leaf area, one way."""
    forest_db: float
    """Forest too dense to look through [dB]."""
    forest_rate: Annotated[float, Field(gt=0)]
    """Two-way extinction per biomass [ha Mg-1]: saturation lies near three over it."""
    rock_db: float
    """Bare rock and scree [dB]."""
    snow_db: float
    """Wet snow [dB]."""
    water_db: float
    """Open water in a breeze [dB]."""


Orbits = Literal["both", "ascending", "descending"]
"""Directions of flight that an archive has of Sentinel-1."""


class RadarPass(Overpass):
    """One acquisition of Sentinel-1."""

    platform: Annotated[str, Field(pattern=r"^sentinel-1[ab]$")]
    """Satellite."""
    orbit: Literal["ascending", "descending"]
    """Direction of flight."""
    relative_orbit: Annotated[int, Field(ge=1, le=175)]
    """Track of the 12-day cycle."""
    wet: float
    """Soil moisture above the season's [m3 m-3]."""
    snow_line_m: float
    """Fresh snow lies above this height over the limit of vegetation [m]."""


class RadarSection(Section):
    """The radar: scattering, moisture, speckle and dates."""

    looks: Annotated[float, Field(ge=1)]
    """Equivalent number of looks of a resolution cell."""
    cell_m2: Annotated[float, Field(gt=0)]
    """Area of a resolution cell [m2]: larger pixels average over more of them."""
    incidence_deg: Annotated[float, Field(ge=29, le=46)]
    """Incidence angle on flat ground."""
    terrain: Share
    """Share of the slope's effect that terrain correction leaves."""
    noise_floor_db: float
    """Noise added to the backscatter [dB]."""
    moisture_dry: Share
    """Soil moisture where the world's soil is brightest [m3 m-3]."""
    moisture_wet: Share
    """... and where it reflects 0.6 of that."""
    dead_water: Share
    """Share of a green leaf's effect that a dead one has."""
    weather_sd: Annotated[float, Field(ge=0)]
    """Standard deviation of moisture between places on a date [m3 m-3]."""
    weather_m: Annotated[float, Field(gt=0)]
    """Lattice edge of that variation [m]."""
    source: str
    """Where the figures come from."""
    status: str
    """``verified`` or ``unverified``."""
    vv: EchoSection
    vh: EchoSection
    passes: Annotated[tuple[RadarPass, ...], Field(min_length=1)]


class LandsatSection(Section):
    """Landsat 8 and 9: coding, swath and season; errors are those of ``[sensor]``."""

    first: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """First day of the year with scenes, MM-DD."""
    last: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """Last day."""
    local_hour: Annotated[float, Field(gt=9, lt=12)]
    """Mean solar time of the pass [h]."""
    cloud: Share
    """Share of Qinghai under cloud on each date."""
    cirrus: Share
    """Share of Qinghai under cirrus."""
    snow_line_m: float
    """Fresh snow lies above this height over the limit of vegetation [m]."""
    dilated: Annotated[float, Field(ge=0)]
    """QA_PIXEL calls a rim around clouds dilated: its width in the clouds' noise."""
    swath_m: Annotated[float, Field(gt=0)]
    """Width of the swath."""
    view_edge_deg: Annotated[float, Field(ge=0, le=12)]
    """View zenith angle at its edge."""
    dn_step: Annotated[int, Field(ge=1)]
    """Coarseness of the digital number."""
    scale: Annotated[float, Field(gt=0)]
    """Reflectance per digital number."""
    offset: float
    """Reflectance at digital number 0."""
    source: str
    """Where the figures come from."""
    status: str
    """``verified`` or ``unverified``."""

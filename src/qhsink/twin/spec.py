"""The twin's parameters: ``config/twin.toml`` to frozen models and back to arrays.

Reads and checks; computes nothing about places or dates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qhsink.config import parse_section, project_dir, read_toml
from qhsink.domain.errors import ConfigError
from qhsink.twin.classes import CODES, FOREST, KEYS
from qhsink.twin.disturbance import CELL_M
from qhsink.twin.emulator import load_emulator
from qhsink.twin.ground_light import SURFACES
from qhsink.twin.habitat import Climate
from qhsink.twin.product_spec import (
    DemSection,
    LandsatSection,
    Overpass,
    RadarSection,
    Section,
    Share,
)
from qhsink.twin.recording import Instrument
from qhsink.twin.scene_class import Confusion, noise_level
from qhsink.twin.sensor import Optics
from qhsink.twin.world import World

Table = tuple[tuple[float, ...], ...]


class TypeSection(Section):
    """Traits of a class's low vegetation."""

    leaf_angle_deg: Annotated[float, Field(ge=20, le=80)]
    """Mean leaf inclination."""
    herb_mass_g_m2: Annotated[float, Field(ge=0)]
    """Aboveground dry matter per green leaf area [g m-2]."""
    rain_response: float
    """Cover gained in a year one standard deviation wetter, where cover is half."""
    harvest_days: float
    """Days by which the season ends early."""
    chlorophyll: Annotated[float, Field(ge=15, le=80)]
    """[ug cm-2]."""
    dry_matter: Annotated[float, Field(ge=0.002, le=0.02)]
    """[g cm-2]."""
    leaf_water: Annotated[float, Field(ge=0.003, le=0.03)]
    """[cm]."""
    soil_brightness: Annotated[float, Field(ge=0.5, le=1)]
    """Factor on the soil's reflectance: 1 dry."""


class StandSection(Section):
    """Traits of a wood."""

    height_m: Annotated[float, Field(gt=0)]
    """Height that old stands approach."""
    rate: Annotated[float, Field(gt=0)]
    """How fast they do [1/year]."""
    mass: Annotated[float, Field(gt=0)]
    """Aboveground biomass [Mg ha-1] at full crown cover and 1 m height."""
    wood_t_m3: Annotated[float, Field(gt=0)]
    """Basic density D [t m-3]."""
    bef: Annotated[float, Field(gt=1)]
    """Aboveground over stem biomass, BEF."""
    crown_lai: Annotated[float, Field(gt=0)]
    """Leaf area per crown area."""


class WorldSection(Section):
    """Large-scale relief and climate."""

    left_m: float
    """x of the first column of the tables [m]."""
    top_m: float
    """y of the first row [m]."""
    step_m: Annotated[float, Field(gt=0)]
    """Distance of nodes [m]."""
    dry_cm: float
    """May to September rain at moisture 0 [cm]."""
    wet_cm: float
    """... at moisture 1 [cm]."""
    limit_m: float
    """Upper limit of vegetation at ``limit_y_m`` [m]."""
    limit_y_m: float
    """y at which that limit holds [m]."""
    limit_slope: float
    """Rise of the limit per metre to the south."""
    patch_m: Annotated[float, Field(gt=0)]
    """Lattice edge of the noise that makes patches [m]."""
    patch_gain: Share
    """Weight of each finer octave of it."""
    range_m: Annotated[float, Field(gt=0)]
    """Range of the variation within a class [m]."""
    vary: Share
    """Its standard deviation where cover is half."""
    trend: float
    """Planted change of herb cover [1/year]."""
    trend_from: int
    """Year in which the trend is zero."""
    events_per_1000_km2: Annotated[float, Field(ge=0, le=15)]
    """Fires, loggings, plantings and so on from 2016 to 2028."""
    stock_scatter: Annotated[float, Field(ge=0, le=1)]
    """Standard deviation of the logarithm of stem volume around its relation."""
    types: dict[str, TypeSection]
    """Traits by class."""
    stands: dict[str, StandSection]
    """Traits of woods by class."""
    elevation_dam: Table
    """Height [10 m]."""
    relief_dam: Table
    """Standard deviation of height [10 m]."""
    rain_cm: Table
    """May to September rain [cm]."""

    def type_table(self) -> NDArray[np.float64]:
        """Return the traits by class, columns as in ``qhsink.twin.vegetation``."""
        table = np.ones((CODES, len(TypeSection.model_fields)))
        for code, key in KEYS.items():
            table[code] = list(self.types[key].model_dump().values())
        return table

    def stand_table(self) -> NDArray[np.float64]:
        """Return the traits of woods by class, columns as there."""
        table = np.ones((CODES, 5))
        for code in FOREST:
            s = self.stands[KEYS[code]]
            table[code] = [s.height_m, s.rate, s.mass, s.wood_t_m3 * s.bef, s.crown_lai]
        return table


class Spectrum(Section):
    """One plain surface."""

    source: str
    """Where the figures come from."""
    reflectance: Annotated[tuple[float, ...], Field(min_length=6, max_length=6)]
    """Reflectance by band; the same for all instruments."""


class SensorSection(Section):
    """Errors and coding of the product, and how its classification errs."""

    noise_multiplicative: Share
    """Relative error, standard deviation."""
    noise_additive: Share
    """Additive error, standard deviation [reflectance]."""
    noise_correlation: Share
    """Correlation of the errors of two bands."""
    noise_pixel_share: Share
    """Share of the error's variance that is each pixel's own."""
    terrain: Share
    """Share of terrain illumination left in the product."""
    cloud_height_m: Annotated[float, Field(gt=0)]
    """Height of clouds above ground."""
    adjacency: Share
    """Share of a cloud's light that its rim receives in the blue."""
    saturation: Annotated[float, Field(gt=0)]
    """Reflectance at which the detector saturates."""
    crown_shade: Share
    """Share of needle crowns in their own shadow."""
    leaf_shade: Share
    """... of broadleaved crowns."""
    patch_cover: Annotated[float, Field(gt=0.0, le=1.0)]
    """Nadir cover inside a patch of low vegetation."""
    patch_shade: Share
    """Share of a patch in shadow between tussocks."""
    cirrus_thin: Share
    """Cirrus thinner than this opacity is never flagged."""
    cirrus_missed: Share
    """Share of thicker cirrus that is not flagged."""
    shadow_missed: Share
    """Share of cloud shadow that is not flagged."""
    snow_as_cloud: Share
    """Share of clear snow flagged as cloud."""
    water_as_dark: Share
    """Share of clear water flagged as dark ground."""
    playa_blue: Share
    """Blue reflectance above which clear ground can be taken for cloud."""
    bright_as_cloud: Share
    """Share of such ground that is."""
    swath_m: Annotated[float, Field(gt=0)]
    """Width of the swath."""
    view_edge_deg: Annotated[float, Field(ge=0, le=12)]
    """View zenith angle at its edge."""
    dn_step: Annotated[int, Field(ge=1)]
    """Coarseness of the digital number."""
    scale: Annotated[float, Field(gt=0)]
    """Reflectance per DN."""
    offset: float
    """Reflectance at DN 0."""
    baseline: str
    """Processing baseline stated by the items."""

    def instrument(self) -> Instrument:
        """Return the numbers the compiled code takes."""
        return Instrument(
            multiplicative=self.noise_multiplicative,
            additive=self.noise_additive,
            correlation=self.noise_correlation,
            pixel_share=self.noise_pixel_share,
            terrain=self.terrain,
            cloud_height=self.cloud_height_m,
            adjacency=self.adjacency,
            saturation=self.saturation,
            crown_shade=self.crown_shade,
            leaf_shade=self.leaf_shade,
            patch_cover=self.patch_cover,
            patch_shade=self.patch_shade,
            dn_step=float(self.dn_step),
            scale=self.scale,
            offset=self.offset,
        )

    def confusion(self) -> Confusion:
        """Return the stated rates as levels of patch noise."""
        return Confusion(
            cirrus_thin=self.cirrus_thin,
            cirrus_missed=noise_level(self.cirrus_missed),
            shadow_missed=noise_level(self.shadow_missed),
            snow_as_cloud=noise_level(self.snow_as_cloud),
            water_as_dark=noise_level(self.water_as_dark),
            bright_as_cloud=noise_level(self.bright_as_cloud),
            playa=self.playa_blue,
        )


class Pass(Overpass):
    """One acquisition of Sentinel-2."""

    platform: Annotated[str, Field(pattern=r"^sentinel-2[abc]$")]
    """Satellite."""
    cloud: Share
    """Share of Qinghai under cloud."""
    cirrus: Share
    """Share of Qinghai under cirrus."""
    snow_line_m: float
    """Fresh snow lies above this height over the limit of vegetation [m]."""


class TwinSpec(Section):
    """Everything that decides the archive beside regions, seed, year and pixel."""

    world: WorldSection
    spectra: dict[str, Spectrum]
    sensor: SensorSection
    buffer_m: Annotated[float, Field(ge=0)]
    """Width simulated around a region [m]."""
    shore_m: Annotated[float, Field(ge=0)]
    """Width of a lake's shore [m]."""
    passes: Annotated[tuple[Pass, ...], Field(min_length=1)]
    dem: DemSection
    radar: RadarSection
    landsat: LandsatSection

    def build_world(self, seed: int, year: int = 2025) -> World:
        """Return the world of ``seed`` as it is in ``year``."""
        w = self.world
        climate = Climate(
            w.left_m,
            w.top_m,
            w.step_m,
            w.dry_cm,
            w.wet_cm,
            w.limit_m,
            w.limit_y_m,
            w.limit_slope,
            w.patch_m,
            w.patch_gain,
            w.range_m,
            w.vary,
            w.trend,
            float(w.trend_from),
        )
        return World(
            seed=seed,
            year=year,
            climate=climate,
            elevation=np.array(w.elevation_dam, dtype=np.float64) * 10.0,
            relief=np.array(w.relief_dam, dtype=np.float64) * 10.0,
            rain=np.array(w.rain_cm, dtype=np.float64),
            types=w.type_table(),
            stands=w.stand_table(),
            stock_scatter=w.stock_scatter,
            event_chance=w.events_per_1000_km2 * (CELL_M / 1000.0) ** 2 / 1000.0,
        )

    def optics(self, platform: str) -> Optics:
        """Return how things reflect in the bands of ``platform``."""
        rows = [self.spectra[name].reflectance for name in SURFACES]
        return Optics(load_emulator(platform), np.array(rows, dtype=np.float32))


def load_spec(path: Path | None = None) -> TwinSpec:
    """Return the parameters in ``path``, or in the project's ``config/twin.toml``.

    Raises
    ------
    ConfigError
        When a key is wrong, or a surface is missing.
    """
    path = path or project_dir() / "config" / "twin.toml"
    spec = parse_section(TwinSpec, read_toml(path), where=path.name)
    missing = [name for name in SURFACES if name not in spec.spectra]
    if missing:
        raise ConfigError(
            f"{path.name}: no [spectra.{missing[0]}]",
            expected=f"the surfaces {', '.join(SURFACES)}",
            remedy="Add the surface that is missing.",
        )
    _check_classes(spec.world, path.name)
    shapes = {
        np.shape(table)
        for table in (
            spec.world.elevation_dam,
            spec.world.relief_dam,
            spec.world.rain_cm,
        )
    }
    if len(shapes) != 1:
        raise ConfigError(
            f"{path.name}: tables of shapes {sorted(shapes)}",
            expected="the three tables of [world] in one shape",
            remedy="Correct the tables.",
        )
    return spec


def _check_classes(world: WorldSection, where: str) -> None:
    wanted = {f"types.{key}": key in world.types for key in KEYS.values()}
    wanted |= {f"stands.{KEYS[code]}": KEYS[code] in world.stands for code in FOREST}
    missing = [name for name, found in wanted.items() if not found]
    if missing:
        raise ConfigError(
            f"{where}: no [world.{missing[0]}]",
            expected="traits of every class, and of every wood",
            remedy="Add the section that is missing.",
        )

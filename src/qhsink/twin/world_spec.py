"""The world's part of ``config/twin.toml``: relief, climate, classes and woods.

What instruments see of it is in ``spec`` and ``product_spec``.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qhsink.domain.errors import ConfigError
from qhsink.twin.classes import CODES, FOREST, KEYS
from qhsink.twin.disturbance import CELL_M
from qhsink.twin.habitat import Climate
from qhsink.twin.product_spec import Section, Share
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

    def build(self, seed: int, year: int) -> World:
        """Return the world of ``seed`` as it is in ``year``."""
        return World(
            seed=seed,
            year=year,
            climate=self._climate(),
            elevation=np.array(self.elevation_dam, dtype=np.float64) * 10.0,
            relief=np.array(self.relief_dam, dtype=np.float64) * 10.0,
            rain=np.array(self.rain_cm, dtype=np.float64),
            types=self.type_table(),
            stands=self.stand_table(),
            stock_scatter=self.stock_scatter,
            event_chance=self.events_per_1000_km2 * (CELL_M / 1000.0) ** 2 / 1000.0,
        )

    def _climate(self) -> Climate:
        return Climate(
            self.left_m,
            self.top_m,
            self.step_m,
            self.dry_cm,
            self.wet_cm,
            self.limit_m,
            self.limit_y_m,
            self.limit_slope,
            self.patch_m,
            self.patch_gain,
            self.range_m,
            self.vary,
            self.trend,
            float(self.trend_from),
        )


def check_world(world: WorldSection, where: str) -> None:
    """Check that every class has its traits and that the tables fit together.

    Raises
    ------
    ConfigError
        When they do not; ``where`` names the file.
    """
    wanted = {f"types.{key}": key in world.types for key in KEYS.values()}
    wanted |= {f"stands.{KEYS[code]}": KEYS[code] in world.stands for code in FOREST}
    missing = [name for name, found in wanted.items() if not found]
    if missing:
        raise ConfigError(
            f"{where}: no [world.{missing[0]}]",
            expected="traits of every class, and of every wood",
            remedy="Add the section that is missing.",
        )
    tables = (world.elevation_dam, world.relief_dam, world.rain_cm)
    shapes = {np.shape(table) for table in tables}
    if len(shapes) != 1:
        raise ConfigError(
            f"{where}: tables of shapes {sorted(shapes)}",
            expected="the three tables of [world] in one shape",
            remedy="Correct the tables.",
        )

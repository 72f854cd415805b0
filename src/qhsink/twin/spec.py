"""The twin's parameters: ``config/twin.toml`` to frozen models and back to arrays.

Reads and checks; computes nothing about places or dates.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from qhsink.config import parse_section, project_dir, read_toml
from qhsink.domain.errors import ConfigError
from qhsink.twin.sensor import ENDMEMBERS, Instrument
from qhsink.twin.world import Climate, World

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Table = tuple[tuple[float, ...], ...]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorldSection(_Section):
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
    elevation_dam: Table
    """Height [10 m]."""
    relief_dam: Table
    """Standard deviation of height [10 m]."""
    rain_cm: Table
    """May to September rain [cm]."""


class Spectrum(_Section):
    """One endmember."""

    source: str
    """Where the figures come from."""
    shade: Share
    """Share of photometric shade mixed in (black), as in a field pixel."""
    reflectance: Annotated[tuple[float, ...], Field(min_length=6, max_length=6)]
    """Reflectance by band, before shade."""


class SensorSection(_Section):
    """Noise and coding of the product."""

    noise_common: Share
    noise_band: Share
    noise_additive: Share
    terrain: Share
    cloud_height_m: Annotated[float, Field(gt=0)]
    cirrus_missed: Share
    dn_step: Annotated[int, Field(ge=1)]
    scale: Annotated[float, Field(gt=0)]
    offset: float
    baseline: str
    """Processing baseline stated by the items."""

    def instrument(self) -> Instrument:
        """Return the numbers the compiled code takes."""
        return Instrument(
            self.noise_common,
            self.noise_band,
            self.noise_additive,
            self.terrain,
            self.cloud_height_m,
            self.cirrus_missed,
            float(self.dn_step),
            self.scale,
            self.offset,
        )


class Pass(_Section):
    """One acquisition date."""

    day: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """MM-DD."""
    time: Annotated[str, Field(pattern=r"^\d\d:\d\d:\d\d$")]
    """UTC time of the datatake."""
    platform: Annotated[str, Field(pattern=r"^sentinel-2[abc]$")]
    """Satellite."""
    cloud: Share
    """Share of Qinghai under cloud."""
    cirrus: Share
    """Share of Qinghai under cirrus."""
    snow_line_m: float
    """Fresh snow lies above this height over the limit of vegetation [m]."""

    def on(self, year: int) -> date:
        """Return the day in ``year``."""
        return date.fromisoformat(f"{year}-{self.day}")


class TwinSpec(_Section):
    """Everything that decides the archive beside regions, seed, year and pixel."""

    world: WorldSection
    spectra: dict[str, Spectrum]
    sensor: SensorSection
    buffer_m: Annotated[float, Field(ge=0)]
    """Width simulated around a region [m]."""
    shore_m: Annotated[float, Field(ge=0)]
    """Width of a lake's shore [m]."""
    passes: Annotated[tuple[Pass, ...], Field(min_length=1)]

    def build_world(self, seed: int) -> World:
        """Return the world of ``seed``."""
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
        )
        return World(
            seed,
            climate,
            np.array(w.elevation_dam, dtype=np.float64) * 10.0,
            np.array(w.relief_dam, dtype=np.float64) * 10.0,
            np.array(w.rain_cm, dtype=np.float64),
        )

    def endmembers(self) -> NDArray[np.float64]:
        """Return reflectance with shade, shape (9, 6), rows as ``ENDMEMBERS``."""
        rows = [
            np.array(self.spectra[name].reflectance) * (1.0 - self.spectra[name].shade)
            for name in ENDMEMBERS
        ]
        return np.stack(rows)


def load_spec(path: Path | None = None) -> TwinSpec:
    """Return the parameters in ``path``, or in the project's ``config/twin.toml``.

    Raises
    ------
    ConfigError
        When a key is wrong, or an endmember is missing.
    """
    path = path or project_dir() / "config" / "twin.toml"
    spec = parse_section(TwinSpec, read_toml(path), where=path.name)
    missing = [name for name in ENDMEMBERS if name not in spec.spectra]
    if missing:
        raise ConfigError(
            f"{path.name}: no [spectra.{missing[0]}]",
            expected=f"the endmembers {', '.join(ENDMEMBERS)}",
            remedy="Add the endmember that is missing.",
        )
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

"""The twin's parameters: ``config/twin.toml`` to frozen models and back to arrays.

Reads and checks; computes nothing about places or dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from qhsink.config import parse_section, project_dir, read_toml
from qhsink.domain.errors import ConfigError
from qhsink.twin.emulator import BANDS, in_bands, load_emulator
from qhsink.twin.ground_light import SURFACES
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
from qhsink.twin.spectra import BAND_NAMES, BandSet
from qhsink.twin.world import World
from qhsink.twin.world_spec import WorldSection, check_world


class Spectrum(Section):
    """One plain surface."""

    source: str
    """Where the figures come from."""
    reflectance: Annotated[tuple[float, ...], Field(min_length=6, max_length=6)]
    """Reflectance in the shared bands; the same for all instruments."""
    msi: Annotated[tuple[float, ...], Field(min_length=6, max_length=6)]
    """... in the bands of Sentinel-2 alone."""


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
        return self.world.build(seed, year)

    def optics(self, platform: str) -> Optics:
        """Return how things reflect in the six shared bands of ``platform``."""
        return self._optics(platform, "shared", range(BANDS))

    def msi_optics(self, platform: str, names: Sequence[str]) -> Optics:
        """Return ... in some of the bands that a Sentinel-2 has alone.

        ``names`` are of ``spectra.BAND_NAMES["msi"]``, in that order.
        """
        known = BAND_NAMES["msi"]
        return self._optics(platform, "msi", [known.index(name) for name in names])

    def _optics(self, platform: str, bands: BandSet, which: Sequence[int]) -> Optics:
        spectra = [self.spectra[name] for name in SURFACES]
        rows = [s.msi if bands == "msi" else s.reflectance for s in spectra]
        chosen = np.array(which, dtype=np.int64)
        surfaces = np.array(rows, dtype=np.float32)[:, chosen]
        emulator = in_bands(load_emulator(platform, bands), chosen)
        return Optics(emulator, np.ascontiguousarray(surfaces), bands, chosen)


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
    check_world(spec.world, path.name)
    return spec

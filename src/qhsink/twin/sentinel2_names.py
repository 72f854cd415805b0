"""What the ground segment calls a simulated Sentinel-2 product, and its angles.

Names, numbers, and where sun and sensor stood over a granule; items and
metadata files that state them are built elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pyproj
from numpy.typing import NDArray

from qhsink.grid import transformer
from qhsink.twin.frames import LONLAT
from qhsink.twin.granules import EDGE_M, Granule
from qhsink.twin.ground_light import view_of
from qhsink.twin.product_spec import Overpass
from qhsink.twin.sky import Light
from qhsink.twin.spec import Pass
from qhsink.twin.sun import sun_position

ORBIT = 4
"""Relative orbit of every pass."""
CYCLE = 143
"""Orbits until a track is flown again."""
ORBITS_A_DAY = CYCLE / 10.0
LAUNCHES = {
    "sentinel-2a": (date(2015, 6, 23), 140),
    "sentinel-2b": (date(2017, 3, 7), 27),
    "sentinel-2c": (date(2024, 9, 5), 114),
}
"""Launch, and the absolute orbit of relative orbit 1, modulo the cycle: of 2B and 2C as
two real items state both numbers; of 2A from general knowledge (unverified)."""
ANGLE_STEP_M = 5_000
"""Distance of the nodes of the grids of angles."""
PROCESSED_AFTER = timedelta(hours=4)


def moment(when: Overpass, year: int) -> datetime:
    """Return the datatake's start (UTC)."""
    return datetime.combine(when.on(year), time.fromisoformat(when.time), UTC)


@dataclass(frozen=True, slots=True)
class Product:
    """A granule on a date as the ground segment names it."""

    granule: Granule
    platform: str
    """Such as ``sentinel-2b``."""
    start: datetime
    """Start of the datatake (UTC)."""
    baseline: str
    """Processing baseline."""
    light: Light
    """Its swath says where the sensor stood."""
    grid: pyproj.CRS
    """CRS in which that swath lies."""

    @property
    def sensed(self) -> datetime:
        """When the granule was seen."""
        return self.start + timedelta(seconds=15)

    @property
    def made(self) -> datetime:
        """When it was processed."""
        return self.start + PROCESSED_AFTER

    @property
    def absolute_orbit(self) -> int:
        """Number of the orbit since launch, the nearest on the track."""
        launch, first = LAUNCHES[self.platform]
        about = (self.start.date() - launch).days * ORBITS_A_DAY
        place = (first + ORBIT - 1) % CYCLE
        return round((about - place) / CYCLE) * CYCLE + place

    @property
    def letter(self) -> str:
        """A, B or C."""
        return self.platform[-1].upper()

    @property
    def uri(self) -> str:
        """Name of the SAFE folder."""
        return (
            f"S2{self.letter}_MSIL2A_{_stamp(self.start)}"
            f"_N{self.baseline.replace('.', '')}_R{ORBIT:03d}"
            f"_T{self.granule.name}_{_stamp(self.made)}.SAFE"
        )

    @property
    def tile_id(self) -> str:
        """Name of the granule in the product."""
        return (
            f"S2{self.letter}_OPER_MSI_L2A_TL_QHSK_{_stamp(self.made)}"
            f"_A{self.absolute_orbit:06d}_T{self.granule.name}_N{self.baseline}"
        )

    @property
    def datatake_id(self) -> str:
        """Name of the datatake."""
        return (
            f"GS2{self.letter}_{_stamp(self.start)}"
            f"_{self.absolute_orbit:06d}_N{self.baseline}"
        )

    @property
    def datastrip_id(self) -> str:
        """Name of the datastrip."""
        return (
            f"S2{self.letter}_OPER_MSI_L2A_DS_QHSK_{_stamp(self.made)}"
            f"_S{_stamp(self.start)}_N{self.baseline}"
        )

    @property
    def sun(self) -> tuple[float, float]:
        """Zenith angle and azimuth of the sun over the granule's middle [deg]."""
        elevation, azimuth = sun_position(self.sensed, *self.granule.centre)
        return 90.0 - elevation, azimuth

    @property
    def view(self) -> tuple[float, float]:
        """Zenith angle and azimuth of the sensor there [deg]; the same in all bands."""
        x, _ = transformer(LONLAT, self.grid).transform(*self.granule.centre)
        zenith, _ = view_of(x, self.light)
        across = x / self.light.swath - math.floor(x / self.light.swath) - 0.5
        return zenith, 283.0 if across > 0.0 else 103.0

    @property
    def reflectance_conversion(self) -> float:
        """Squared inverse of the distance to the sun [au-2], as for level 1C."""
        day = self.start.timetuple().tm_yday
        distance: float = 1.0 - 0.01673 * math.cos(0.0172 * (day - 4))
        return 1.0 / (distance * distance)

    def sun_grids(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return zenith angle and azimuth of the sun [deg] every 5 km, from north-west.

        Both of shape (23, 23), as in a granule's own metadata.
        """
        nodes = np.arange(0, EDGE_M + ANGLE_STEP_M, ANGLE_STEP_M, dtype=np.float64)
        columns, rows = np.meshgrid(self.granule.left + nodes, self.granule.top - nodes)
        lon, lat = transformer(self.granule.epsg, LONLAT).transform(columns, rows)
        places = zip(lon.ravel().tolist(), lat.ravel().tolist(), strict=True)
        found = np.array([sun_position(self.sensed, *place) for place in places])
        elevation, azimuth = found.T.reshape(2, *lon.shape)
        return 90.0 - elevation, azimuth


def product_of(
    granule: Granule,
    when: Pass,
    light: Light,
    *,
    year: int,
    baseline: str,
    grid: pyproj.CRS,
) -> Product:
    """Return a granule's product of a pass."""
    start = moment(when, year)
    return Product(granule, when.platform, start, baseline, light, grid)


def _stamp(when: datetime) -> str:
    return when.strftime("%Y%m%dT%H%M%S")

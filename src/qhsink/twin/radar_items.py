"""Items of simulated Sentinel-1 RTC, as Planetary Computer's.

Builds ids and dictionaries; where files lie and what they hold is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from qhsink.twin.backscatter import looks_of
from qhsink.twin.catalog import COG, Shelf, Written, checksums, feature, iso, lattice
from qhsink.twin.frames import Frame
from qhsink.twin.orders import Item, Order
from qhsink.twin.product_spec import RadarPass

SHELF = Shelf(
    "sentinel-1-rtc",
    "Sentinel 1 Radiometrically Terrain Corrected (RTC)",
    "gamma0 in VV and VH, linear, float32, with asset keys and item fields of "
    "Planetary Computer's sentinel-1-rtc. Frames are cells of a zone, not slices of a "
    "swath, and pixels are those of the archive.",
    "sentinel-1",
)
EXTENSIONS = (
    "file/v2.1.0",
    "projection/v1.1.0",
    "raster/v1.1.0",
    "sar/v1.0.0",
    "sat/v1.0.0",
)
NODATA = -32768.0
ACROSS_M, ALONG_M = 240_000, 180_000
"""Size of a frame's cell; a real slice is some 250 by 170 km."""
SLICE = timedelta(seconds=25)
"""Duration of a slice."""
LAUNCH = {"a": date(2014, 4, 3), "b": date(2016, 4, 25)}
"""Orbits are counted from the launch of each."""
CYCLE_ORBITS, CYCLE_DAYS = 175, 12
ORBIT_SHIFT = {"a": 73, "b": 27}
"""Absolute orbit of the first track, by satellite."""
DESIGNATOR = {"a": "2014-016A", "b": "2016-025A"}


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a frame lies: a cell of a UTM zone."""

    zone: int
    """Number of the UTM zone."""
    column: int
    """``ACROSS_M`` east of the zone's origin."""
    row: int
    """``ALONG_M`` north of the equator."""

    @property
    def epsg(self) -> int:
        """EPSG code of the UTM zone (north)."""
        return 32600 + self.zone

    @property
    def outline(self) -> BaseGeometry:
        """The cell in UTM coordinates."""
        left, low = self.column * ACROSS_M, self.row * ALONG_M
        return box(left, low, left + ACROSS_M, low + ALONG_M)


def item_id_of(cell: Cell, when: RadarPass, year: int) -> str:
    """Return the id of a cell's acquisition, as a real product is called."""
    start = _start(cell, when, year)
    letter = when.platform[-1].upper()
    orbit = _orbit(when, year)
    # Real datatake numbers count up; this one tells the cells of a date apart.
    datatake = (orbit * 8 + cell.zone * 31 + cell.column * 7) % 0xFFFFFF
    stamp = "%Y%m%dT%H%M%S"
    return (
        f"S1{letter}_IW_GRDH_1SDV_{start:{stamp}}_{start + SLICE:{stamp}}"
        f"_{orbit:06d}_{datatake:06X}_rtc"
    )


def _start(cell: Cell, when: RadarPass, year: int) -> datetime:
    """Return when the slice began: 25 s later for each cell along the track."""
    first = datetime.fromisoformat(f"{when.on(year)}T{when.time}")
    along = cell.row - 22 if when.orbit == "ascending" else 22 - cell.row
    return first + along * SLICE


def _orbit(when: RadarPass, year: int) -> int:
    """Return the absolute orbit: the one on this track nearest to the date's."""
    days = (when.on(year) - LAUNCH[when.platform[-1]]).days
    about = days * CYCLE_ORBITS / CYCLE_DAYS
    first = ORBIT_SHIFT[when.platform[-1]] + when.relative_orbit - 1
    return first + round((about - first) / CYCLE_ORBITS) * CYCLE_ORBITS


def item(
    name: tuple[str, Cell, RadarPass],
    frame: Frame,
    footprint: BaseGeometry,
    files: Mapping[str, Written],
    order: Order,
) -> Item:
    """Return the item of a cell on a date; ``name`` holds its id, cell and pass."""
    item_id, cell, when = name
    start = _start(cell, when, order.year)
    properties = {
        "datetime": iso(start + SLICE / 2),
        "start_datetime": iso(start),
        "end_datetime": iso(start + SLICE),
        "created": iso(start + timedelta(hours=20)),
        "platform": when.platform.upper(),
        "constellation": "Sentinel-1",
        "gsd": order.radar_pixel,
        "proj:epsg": cell.epsg,
        **lattice(frame),
        **_product(item_id, frame),
        **_instrument(order),
        **_track(when, order.year),
        "qhsink:seed": order.world.seed,
    }
    return feature(
        item_id,
        SHELF.id,
        footprint=footprint,
        properties=properties,
        assets={
            name: _asset(name, file, order.radar_pixel) for name, file in files.items()
        },
        extensions=EXTENSIONS,
        depth=1,
    )


def _product(item_id: str, frame: Frame) -> dict[str, Any]:
    return {
        "s1:shape": [frame.width, frame.height],
        "s1:product_timeliness": "Fast-24h",
        "s1:processing_level": "1",
        "s1:resolution": "high",
        "s1:orbit_source": "RESORB",
        "s1:datatake_id": str(int(item_id.split("_")[-2], 16)),
        "s1:instrument_configuration_ID": "7",
    }


def _instrument(order: Order) -> dict[str, Any]:
    looks = looks_of(order.radar_pixel, order.spec.radar)
    return {
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:polarizations": ["VV", "VH"],
        "sar:product_type": "GRD",
        "sar:resolution_range": 20,
        "sar:resolution_azimuth": 22,
        "sar:pixel_spacing_range": order.radar_pixel,
        "sar:pixel_spacing_azimuth": order.radar_pixel,
        "sar:looks_range": 5,
        "sar:looks_azimuth": 1,
        "sar:looks_equivalent_number": round(looks, 2),
        "sar:observation_direction": "right",
    }


def _track(when: RadarPass, year: int) -> dict[str, Any]:
    return {
        "sat:orbit_state": when.orbit,
        "sat:relative_orbit": when.relative_orbit,
        "sat:absolute_orbit": _orbit(when, year),
        "sat:platform_international_designator": DESIGNATOR[when.platform[-1]],
    }


def _asset(name: str, file: Written, pixel_size: float) -> dict[str, Any]:
    receive = {"v": "vertical", "h": "horizontal"}[name[1]]
    return {
        "href": f"./{name}.tif",
        "type": COG,
        "title": f"{name.upper()}: vertical transmit, {receive} receive",
        "description": "Terrain-corrected gamma naught values of signal transmitted "
        f"with vertical polarization and received with {receive} polarization with "
        "radiometric terrain correction applied.",
        "raster:bands": [
            {
                "nodata": int(NODATA),
                "data_type": "float32",
                "spatial_resolution": pixel_size,
            }
        ],
        **checksums(file),
        "roles": ["data"],
    }

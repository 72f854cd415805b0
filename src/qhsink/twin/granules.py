"""Where Sentinel-2 granules lie: MGRS squares.

Sentinel-2 granules are 109.8 km squares on the 100 km squares of MGRS, in the square's
own UTM zone, and overlap their neighbours. Which pixels they hold is decided
elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import pyproj
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import BadInput
from qhsink.grid import transformer
from qhsink.twin.frames import Frame, project

SQUARE_M = 100_000
EDGE_M = 109_800
NATIVE_M = 60
"""Granule corners lie on multiples of 60 m, so that all product levels align."""
LEVELS_M = 20
"""An archive of this pixel size has the product's own levels: 10, 20 and 60 m."""
OVERLAP_M = 1_200.0
"""Width by which the parts that granules hold overlap."""
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_BANDS = "CDEFGHJKLMNPQRSTUVWX"

_Piece = TypeVar("_Piece", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Granule:
    """One MGRS square's product extent on the northern hemisphere."""

    zone: int
    """UTM zone."""
    easting: int
    """West edge of the 100 km square [m]."""
    northing: int
    """South edge of the 100 km square [m]."""
    pixel_size: float
    """Edge of a pixel [m]; ``LEVELS_M`` stands for all levels of the product."""

    @property
    def has_levels(self) -> bool:
        """Whether each band has the pixel size of the real product."""
        return self.pixel_size == LEVELS_M

    def at(self, level: int) -> Granule:
        """Return the granule as a band of a level ships it."""
        return replace(self, pixel_size=float(level)) if self.has_levels else self

    @property
    def epsg(self) -> int:
        """EPSG code of the UTM zone (north)."""
        return 32600 + self.zone

    @property
    def left(self) -> int:
        """West edge of the product [m]: the square's, down to a multiple of 60."""
        return self.easting // NATIVE_M * NATIVE_M

    @property
    def top(self) -> int:
        """North edge of the product [m]: the square's, up to a multiple of 60."""
        return -(-(self.northing + SQUARE_M) // NATIVE_M) * NATIVE_M

    @property
    def size(self) -> int:
        """Pixels along an edge."""
        return math.ceil(EDGE_M / self.pixel_size)

    @property
    def frame(self) -> Frame:
        """The product's raster."""
        size, pixel = self.size, self.pixel_size
        return Frame(self.epsg, self.left, self.top, size, size, pixel)

    @property
    def square(self) -> str:
        """Letters of the 100 km square, such as ``PV``."""
        column = _COLUMNS[self.zone % 3][self.easting // SQUARE_M - 1]
        shift = 5 if self.zone % 2 == 0 else 0
        return column + _ROWS[(self.northing // SQUARE_M + shift) % len(_ROWS)]

    @property
    def latitude_band(self) -> str:
        """Letter of the latitude band of the square's centre."""
        _, latitude = self.centre
        return _BANDS[min(int((latitude + 80.0) // 8.0), 19)]

    @property
    def name(self) -> str:
        """MGRS name, such as ``47SPV``."""
        return f"{self.zone:02d}{self.latitude_band}{self.square}"

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the square's centre [deg]."""
        half = SQUARE_M / 2
        lon, lat = _to_lonlat(self.epsg).transform(
            self.easting + half, self.northing + half
        )
        return float(lon), float(lat)


def granules_over(
    area: BaseGeometry, crs: pyproj.CRS, *, pixel_size: float
) -> list[tuple[Granule, BaseGeometry]]:
    """Return few granules that together cover ``area``, and what each one holds.

    Parameters
    ----------
    area : shapely geometry
        What must be covered, in ``crs``.
    crs : CRS
        The analysis grid's.
    pixel_size : float
        Edge of a pixel [m]: 20 or a multiple of 60.

    Returns
    -------
    list of (Granule, geometry in ``crs``)
        Largest part first. Parts overlap by 1.2 km.

    Notes
    -----
    Greedy: the granule that adds most comes next. The real archive ships every
    granule a swath touches, and repeats 9.8 km of pixels; that would make this one
    half as large again.
    """
    if pixel_size != LEVELS_M and (pixel_size <= 0 or pixel_size % NATIVE_M):
        raise BadInput(
            f"pixel size {pixel_size:g} m",
            expected=f"{LEVELS_M} m for the product's own levels, or a multiple of "
            f"{NATIVE_M} m",
            remedy="Give --pixel-size 20, 60, 120 or 240.",
        )
    return few_that_cover(
        area,
        {
            granule: project(granule.frame.outline, granule.epsg, crs, spacing=5_000.0)
            for granule in _candidates(area, crs, pixel_size)
        },
        least_m2=pixel_size**2,
    )


def few_that_cover(
    area: BaseGeometry, outlines: Mapping[_Piece, BaseGeometry], *, least_m2: float
) -> list[tuple[_Piece, BaseGeometry]]:
    """Return few pieces that together cover ``area``, and what each one holds.

    Greedy: the piece that adds most comes next, until none adds ``least_m2``. Parts
    overlap by ``OVERLAP_M``. Pieces that add alike follow their own text.
    """
    candidates = {piece: o.intersection(area) for piece, o in outlines.items()}
    chosen, missing = [], area
    while candidates:
        adds = {g: part.intersection(missing) for g, part in candidates.items()}
        best = max(adds, key=lambda piece: (adds[piece].area, str(piece)))
        if adds[best].area < least_m2:
            break
        whole = candidates.pop(best)
        chosen.append((best, whole.intersection(adds[best].buffer(OVERLAP_M))))
        missing = missing.difference(whole.buffer(1.0))
    return chosen


def _candidates(
    area: BaseGeometry, crs: pyproj.CRS, pixel_size: float
) -> Iterator[Granule]:
    to_lonlat = transformer(crs, 4326)
    west, south, east, north = to_lonlat.transform_bounds(*area.bounds)
    for zone in range(int((west + 180) // 6) + 1, int((east + 180) // 6) + 2):
        to_utm = transformer(4326, 32600 + zone)
        left, low, right, high = to_utm.transform_bounds(
            max(west, zone * 6 - 186), south, min(east, zone * 6 - 180), north
        )
        for e in range(int(left // SQUARE_M), int(right // SQUARE_M) + 1):
            for n in range(int(low // SQUARE_M), int(high // SQUARE_M) + 1):
                granule = Granule(zone, e * SQUARE_M, n * SQUARE_M, pixel_size)
                if _in_zone(granule):
                    yield granule


def _in_zone(granule: Granule) -> bool:
    """Whether part of the square lies in its own UTM zone, as MGRS defines squares."""
    middle = granule.northing + SQUARE_M / 2
    to_lonlat = _to_lonlat(granule.epsg)
    west, _ = to_lonlat.transform(granule.easting, middle)
    east, _ = to_lonlat.transform(granule.easting + SQUARE_M, middle)
    zone_west = granule.zone * 6.0 - 186.0
    return bool(east > zone_west and west < zone_west + 6.0)


def _to_lonlat(epsg: int) -> pyproj.Transformer:
    return transformer(epsg, 4326)

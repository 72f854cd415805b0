"""Where granules lie and where the sun stands: MGRS squares and a solar ephemeris.

Sentinel-2 granules are 109.8 km squares on the 100 km squares of MGRS, in the square's
own UTM zone, and overlap their neighbours. Which pixels they hold is decided
elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import BadInput

SQUARE_M = 100_000
EDGE_M = 109_800
NATIVE_M = 60
OVERLAP_M = 1_200.0
"""Granule corners lie on multiples of 60 m, so that all product levels align."""
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_CONTROL_M = 1_920
"""Spacing of exactly transformed points; between them the error is below 0.1 m."""


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
    """Edge of a pixel [m]."""

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
    def transform(self) -> Affine:
        """Pixel to UTM coordinates."""
        p = self.pixel_size
        return Affine(p, 0.0, self.left, 0.0, -p, self.top)

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

    @property
    def outline(self) -> BaseGeometry:
        """Product extent in UTM coordinates."""
        edge = self.size * self.pixel_size
        return box(self.left, self.top - edge, self.left + edge, self.top)

    def grid_places(
        self,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        crs: pyproj.CRS,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pixel centres in the coordinates of the analysis grid.

        Parameters
        ----------
        rows, columns : int64 arrays of shape (n,)
            Pixels of this granule.
        crs : CRS
            The analysis grid's.

        Returns
        -------
        x, y : float64 arrays of shape (n,)

        Notes
        -----
        Exact at points of a lattice fixed to the UTM zone, bilinear between them
        (error below 0.1 m), so that overlapping granules agree to the last bit.
        """
        east = self.left + (columns + 0.5) * self.pixel_size
        north = self.top - (rows + 0.5) * self.pixel_size
        first_c = math.floor(self.left / _CONTROL_M)
        first_r = math.floor((self.top - EDGE_M - self.pixel_size) / _CONTROL_M)
        count = math.ceil(EDGE_M / _CONTROL_M) + 3
        nodes_e = (first_c + np.arange(count)) * float(_CONTROL_M)
        nodes_n = (first_r + np.arange(count)) * float(_CONTROL_M)
        to_grid = transformer(self.epsg, crs)
        mesh = np.meshgrid(nodes_e, nodes_n)
        node_x, node_y = to_grid.transform(*mesh)
        u, v = east / _CONTROL_M, north / _CONTROL_M
        j, i = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        fu, fv = u - j, v - i
        j -= first_c
        i -= first_r
        return _bilinear(node_x, i, j, fu, fv), _bilinear(node_y, i, j, fu, fv)


def _bilinear(
    node: NDArray[np.float64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    fu: NDArray[np.float64],
    fv: NDArray[np.float64],
) -> NDArray[np.float64]:
    low = node[i, j] + fu * (node[i, j + 1] - node[i, j])
    high = node[i + 1, j] + fu * (node[i + 1, j + 1] - node[i + 1, j])
    found: NDArray[np.float64] = low + fv * (high - low)
    return found


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
        Edge of a pixel [m]; a multiple of 60.

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
    if pixel_size <= 0 or pixel_size % NATIVE_M:
        raise BadInput(
            f"pixel size {pixel_size:g} m",
            expected=f"a multiple of {NATIVE_M} m",
            remedy="Give --pixel-size 60, 120 or 240.",
        )
    candidates = {
        granule: _on_grid(granule, crs).intersection(area)
        for granule in _candidates(area, crs, pixel_size)
    }
    chosen, missing = [], area
    while candidates:
        adds = {g: part.intersection(missing) for g, part in candidates.items()}
        best = max(adds, key=lambda g: (adds[g].area, g.name))
        if adds[best].area < pixel_size**2:
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


def _on_grid(granule: Granule, crs: pyproj.CRS) -> BaseGeometry:
    to_grid = transformer(granule.epsg, crs)
    return shapely.transform(
        shapely.segmentize(granule.outline, 5_000.0),
        lambda points: np.column_stack(to_grid.transform(*points.T)),
    )


@lru_cache(maxsize=64)
def transformer(source: Any, target: Any) -> pyproj.Transformer:
    """Return the transformer between two CRS (EPSG code or CRS), x before y.

    Kept, because making one costs more than transforming a granule's nodes; pyproj's
    are safe to share between threads.
    """
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def _to_lonlat(epsg: int) -> pyproj.Transformer:
    return transformer(epsg, 4326)


def sun_position(
    when: datetime, longitude: float, latitude: float
) -> tuple[float, float]:
    """Return the sun's elevation and azimuth (clockwise from north) [deg].

    Low-precision formulas of the Astronomical Almanac (error about 0.01 deg, without
    refraction).
    """
    days = (when.timestamp() - 946_728_000.0) / 86_400.0
    mean_longitude = math.radians((280.460 + 0.9856474 * days) % 360.0)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360.0)
    ecliptic = mean_longitude + math.radians(
        1.915 * math.sin(anomaly) + 0.020 * math.sin(2.0 * anomaly)
    )
    tilt = math.radians(23.439 - 4e-7 * days)
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + longitude) % 360.0)
    hour = sidereal - ascension
    phi = math.radians(latitude)
    height = math.asin(
        math.sin(phi) * math.sin(declination)
        + math.cos(phi) * math.cos(declination) * math.cos(hour)
    )
    azimuth = math.atan2(
        -math.sin(hour),
        math.tan(declination) * math.cos(phi) - math.sin(phi) * math.cos(hour),
    )
    return math.degrees(height), math.degrees(azimuth) % 360.0

"""Where and when Landsat 8 and 9 look: scenes of the Worldwide Reference System 2.

A circular orbit over a turning Earth, in its 233 paths and 248 rows, and the 16-day
calendar of each path. What a scene holds is decided elsewhere.

References
----------
Landsat 8 Data Users Handbook, LSDS-1574 (inclination, 233 orbits in 16 days, paths and
rows). The longitude of path 1 and the calendar follow from real scenes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.grid import transformer
from qhsink.twin.frames import LONLAT

INCLINATION = math.radians(98.2)
PATHS, ROWS, CYCLE_DAYS = 233, 248, 16
EQUATOR_ROW = 60
"""Row of the descending pass over the equator."""
FIRST_LONGITUDE = -64.6
"""Longitude at which path 1 crosses it [deg]."""
FLATTENING = 0.00669438
"""Square of the ellipsoid's eccentricity."""
HALF_WIDTH_M, HALF_LENGTH_M = 92_500.0, 92_500.0
"""Half of a scene across and along the track."""
SEEN = (28, date(2020, 1, 14))
"""A path and a day on which Landsat 8 flew it."""
DAYS_PER_PATH = 7
"""The path to the west is flown so many days later, in the 16-day cycle."""
LATER = {"landsat-8": 0, "landsat-9": 8}
"""Days by which a satellite follows Landsat 8."""
FIRST_YEAR = {"landsat-8": 2013, "landsat-9": 2022}
"""First season of each."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A path and row."""

    path: int
    row: int

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the scene's centre [deg]."""
        return position(self.path, float(self.row))

    @property
    def epsg(self) -> int:
        """EPSG code of the centre's UTM zone (north)."""
        return 32600 + int((self.centre[0] + 180.0) // 6.0) + 1

    @property
    def outline(self) -> BaseGeometry:
        """The scene in UTM coordinates: a rectangle along the track."""
        track = [position(self.path, self.row + part) for part in (-0.5, 0.5)]
        points = np.array([*track, self.centre])
        east, north = transformer(LONLAT, self.epsg).transform(*points.T)
        along = np.array([east[1] - east[0], north[1] - north[0]])
        along /= np.hypot(*along)
        across = np.array([-along[1], along[0]])
        middle = np.array([east[2], north[2]])
        corners = [
            middle + a * HALF_LENGTH_M * along + b * HALF_WIDTH_M * across
            for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1))
        ]
        return shapely.Polygon(corners)


def position(path: int, row: float) -> tuple[float, float]:
    """Return longitude and geodetic latitude of a place on a path [deg].

    Good to 0.05 degrees; between whole rows too.
    """
    since = 2.0 * math.pi * (row - EQUATOR_ROW) / ROWS
    angle = math.pi + since
    sine = math.sin(INCLINATION) * math.sin(angle)
    geocentric = math.asin(sine)
    latitude = math.atan(math.tan(geocentric) / (1.0 - FLATTENING))
    turned = (
        math.atan2(math.cos(INCLINATION) * math.sin(angle), math.cos(angle)) - math.pi
    )
    crossing = FIRST_LONGITUDE - (path - 1) * 360.0 / PATHS
    longitude = crossing + math.degrees(turned)
    longitude -= math.degrees(since) * CYCLE_DAYS / PATHS
    return (longitude + 180.0) % 360.0 - 180.0, math.degrees(latitude)


def scenes_near(bounds: tuple[float, float, float, float]) -> Iterator[Scene]:
    """Yield the scenes whose centre lies near a box of longitudes and latitudes."""
    west, south, east, north = bounds
    for row in range(1, EQUATOR_ROW * 2):
        _, latitude = position(1, float(row))
        if not south - 1.5 <= latitude <= north + 1.5:
            continue
        for path in range(1, PATHS + 1):
            longitude, _ = position(path, float(row))
            if west - 2.0 <= longitude <= east + 2.0:
                yield Scene(path, row)


def flown(path: int, year: int, *, first: str, last: str) -> list[tuple[date, str]]:
    """Return days and satellites of a path between two days (MM-DD) of a year."""
    start, end = (date.fromisoformat(f"{year}-{day}") for day in (first, last))
    known, on = SEEN
    found = []
    for platform, later in LATER.items():
        shift = (on - start).days + (path - known) * DAYS_PER_PATH + later
        day = start + timedelta(days=shift % CYCLE_DAYS)
        while day <= end and year >= FIRST_YEAR[platform]:
            found.append((day, platform))
            day += timedelta(days=CYCLE_DAYS)
    return sorted(found)

"""Where the sun stands: a low-precision ephemeris."""

from __future__ import annotations

import math
from datetime import datetime


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

"""Where sun and sensor stood, as items state it under three vocabularies.

A catalogue's words to two pairs of angles; what they are used for is decided above.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Pair = tuple[float, float]

SUN_ZENITH = {
    "s2:mean_solar_zenith": 1.0,
    "MEAN_SOLAR_ZENITH_ANGLE": 1.0,
    "view:sun_elevation": -1.0,
    "SUN_ELEVATION": -1.0,
}
"""Properties that hold the sun's zenith angle (1) or its elevation (-1) [deg]: STAC's
view extension, Planetary Computer's Sentinel-2, Earth Engine's two products."""

SUN_AZIMUTH = (
    "s2:mean_solar_azimuth",
    "MEAN_SOLAR_AZIMUTH_ANGLE",
    "view:sun_azimuth",
    "SUN_AZIMUTH",
)
VIEW_ZENITH = (
    "view:incidence_angle",
    "MEAN_INCIDENCE_ZENITH_ANGLE_B8A",
)
VIEW_AZIMUTH = ("view:azimuth", "MEAN_INCIDENCE_AZIMUTH_ANGLE_B8A")


class Angles(NamedTuple):
    """What an item says of its directions; azimuths clockwise from true north."""

    sun: Pair | None
    """Zenith angle and azimuth of the sun [deg]; None where one is not stated."""
    view: Pair | None
    """... of the sensor. ``view:off_nadir`` is none: 0 in every Landsat item, where
    the edge of the swath is seen at 7.5 degrees."""


def read_angles(properties: Mapping[str, Any]) -> Angles:
    """Return the angles in an item's properties.

    Raises
    ------
    ValueError, TypeError
        When one is no number.
    """
    zenith = next(
        (
            float(properties[name]) if sign > 0 else 90.0 - float(properties[name])
            for name, sign in SUN_ZENITH.items()
            if properties.get(name) is not None
        ),
        None,
    )
    return Angles(
        _pair(zenith, _first(properties, SUN_AZIMUTH)),
        _pair(_first(properties, VIEW_ZENITH), _first(properties, VIEW_AZIMUTH)),
    )


def _first(properties: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    found = (properties.get(name) for name in names)
    return next((float(value) for value in found if value is not None), None)


def _pair(zenith: float | None, azimuth: float | None) -> Pair | None:
    return None if zenith is None or azimuth is None else (zenith, azimuth)

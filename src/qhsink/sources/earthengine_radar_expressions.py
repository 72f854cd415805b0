"""What Earth Engine is asked of radar: gamma nought on level ground; built, never sent.

References
----------
Vollrath, Mullissa and Reiche (2020), Angular-based radiometric slope correction for
Sentinel-1 on Google Earth Engine, Remote Sens. 12:1867: the volume model. Ulander
(1996, IEEE TGRS 34:1115) and Small (2011, IEEE TGRS 49:3081): the projected area of a
facet, of which the volume model is the case of one plane per pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import ee

from qhsink.domain.errors import SourceError
from qhsink.sources.earthengine_layer_expressions import averaged, surface

INCLINATION_DEG = 98.18
"""Of Sentinel-1's orbit (ESA, Sentinel-1 mission guide)."""

REVOLUTIONS_PER_DAY = 175.0 / 12.0
"""175 orbits in the cycle of twelve days (the same)."""

RADIAN = math.pi / 180.0


def toward_sensor(orbit: str, latitude: float) -> float:
    """Return the azimuth at which the radar stands from the ground [deg from north].

    Parameters
    ----------
    orbit : {"ascending", "descending"}
        Direction of flight. Sentinel-1 looks to its right.
    latitude : float
        Of the middle of the image [deg].

    Raises
    ------
    SourceError
        When the direction is neither.

    Notes
    -----
    The ground track of a circular orbit over the turning earth: sin of its inertial
    azimuth is cos(inclination) / cos(latitude). The article takes the mean aspect of
    the band ``angle`` instead, one more reduction over every image; at 36 degrees north
    the track's azimuth here, -13.2 degrees, is within a degree of what products state.
    """
    if orbit not in ("ascending", "descending"):
        raise SourceError(
            f"orbit direction {orbit!r} of a radar image",
            expected="ascending or descending",
            remedy="Name its system:index under `exclude` of the source.",
        )
    cosine = math.cos(math.radians(latitude))
    inertial = math.asin(math.cos(math.radians(INCLINATION_DEG)) / cosine)
    # Degrees a day along the track, less what the ground moves east.
    east = REVOLUTIONS_PER_DAY * 360.0 * math.sin(inertial) - 360.0 * cosine
    north = REVOLUTIONS_PER_DAY * 360.0 * math.cos(inertial)
    heading = math.degrees(math.atan2(east, north))
    track = heading if orbit == "ascending" else 180.0 - heading
    return (track - 90.0) % 360.0


def range_slope(dem_ids: Sequence[str], towards: float) -> ee.Image:
    """Return the slope towards the radar [rad], positive where the ground faces it.

    Parameters
    ----------
    dem_ids : sequence of str
        Asset ids of tiles of Copernicus GLO-30.
    towards : float
        Azimuth of the radar from the ground [deg from north].

    Notes
    -----
    Equation 2 of the article. Slope and aspect are taken on the tiles' own lattice,
    whose axes are north and east: elsewhere Earth Engine would take them on the lattice
    asked for, from nearest heights, as stairs, and along axes that are turned.
    """
    ground = surface(dem_ids)
    steep = ee.Terrain.slope(ground).multiply(RADIAN).tan()
    aspect = ee.Terrain.aspect(ground).multiply(RADIAN)
    facing = aspect.subtract(towards * RADIAN).cos()
    # Level ground has no aspect: its slope in range is 0.
    slope = steep.multiply(facing.unmask(0)).atan()
    own = ee.Image.load(dem_ids[0]).select(["DEM"]).projection()
    found: ee.Image = slope.reproject(own)
    return found.resample("bilinear")


def gamma_nought(
    image_id: str,
    band: str,
    dem_ids: Sequence[str],
    *,
    towards: float,
    coarser: bool,
) -> ee.Image:
    """Return gamma nought on level ground of one acquisition, in linear power.

    Parameters
    ----------
    image_id : str
        Asset id in ``COPERNICUS/S1_GRD_FLOAT``, whose numbers are sigma nought.
    band : {"vv", "vh"}
        Polarisation.
    dem_ids : sequence of str
        Asset ids of tiles of heights below it.
    towards : float
        Azimuth of the radar from the ground [deg], as ``toward_sensor``.
    coarser : bool
        Whether the lattice asked for is coarser than the image: the mean then, else
        bilinear.

    Returns
    -------
    ee.Image
        One band of that name, float32; 0 where there is none, no height is known, or
        the ground lies in layover or radar shadow.

    Notes
    -----
    gamma = sigma / cos(t) (section 2.2), then the volume model (section 2.3.1): times
    tan(90 - t) / tan(90 - t + a) = tan(t - a) / tan(t), t the angle of incidence on the
    ellipsoid (band ``angle``), a the slope in range. That is the ratio of projected
    areas of one plane; RTC sums the areas of all facets that fall into a pixel, which
    differs where slopes change within one. Layover where a >= t, shadow where
    a <= t - 90 degrees (section 2.4) are dropped.
    """
    image = ee.Image.load(image_id)
    image = image if coarser else image.resample("bilinear")
    angle = image.select(["angle"]).multiply(RADIAN)
    slope = range_slope(dem_ids, towards)
    beside = angle.subtract(slope)
    factor = beside.tan().divide(angle.tan())
    seen = beside.gt(0).And(beside.lt(math.pi / 2.0))
    gamma = image.select([band.upper()]).divide(angle.cos())
    level = gamma.multiply(factor).updateMask(seen)
    found = averaged(level, "mean") if coarser else level
    filled: ee.Image = found.unmask(0.0, False).toFloat()
    return filled.rename([band])

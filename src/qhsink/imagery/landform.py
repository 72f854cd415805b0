"""Heights to the shape of the land: slope, aspect, and how the sun meets it.

Layers of a cube, not a correction: terrain light is ``terrain``'s.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qhsink.imagery.relief import relief_of

Floats = NDArray[np.float32]

HOUR_ANGLE_DEG = -22.5
"""An hour and a half before solar noon: when Sentinel-2 and Landsat pass."""


def sun_vector(latitude: NDArray[np.float64], day: int) -> NDArray[np.float64]:
    """Return where the sun stands an hour and a half before solar noon.

    Parameters
    ----------
    latitude : (...,) float64
        North positive [deg].
    day : int
        Day of the year, 1 to 366.

    Returns
    -------
    (..., 3) float64
        Unit vector to the sun: east, north, up.

    Notes
    -----
    Declination after Cooper 1969, Solar Energy 12:333; within half a degree, the same
    for every year, so that terrain layers do not change from year to year.
    """
    tilt = math.radians(23.45) * math.sin(2.0 * math.pi * (284 + day) / 365.0)
    phi, hour = np.radians(latitude), math.radians(HOUR_ANGLE_DEG)
    towards = math.cos(tilt) * math.cos(hour)
    east = np.full(phi.shape, -math.cos(tilt) * math.sin(hour))
    north = np.cos(phi) * math.sin(tilt) - np.sin(phi) * towards
    up = np.sin(phi) * math.sin(tilt) + np.cos(phi) * towards
    return np.stack([east, north, up], axis=-1)


def landform(
    elevation: NDArray[np.floating], pixel_size: float, sun: Floats
) -> dict[str, Floats]:
    """Return the terrain layers of a lattice.

    Parameters
    ----------
    elevation : float array of shape (y + 2, x + 2)
        Heights [m], one pixel more on each side, so that a window's slopes do not
        depend on where it ends; NaN where unknown.
    pixel_size : float
        Edge of a pixel [m].
    sun : (3, y, x) float32
        Unit vector to the sun along the lattice's axes: +x, +y (to the top), up.

    Returns
    -------
    dict of str to (y, x) float32
        ``elevation`` [m]; ``slope`` [deg]; ``aspect``, downhill, clockwise from the
        lattice's +y axis [deg], 0 on level ground; ``cos_i``, cosine of the angle
        between sun and surface normal, below 0 in a slope's own shadow. NaN where a
        height in or around the pixel is missing.
    """
    relief = relief_of(elevation, pixel_size)
    right, top = relief.to_right, relief.to_top
    steep = np.degrees(np.arctan(np.hypot(right, top)))
    downhill = np.degrees(np.arctan2(-right, -top)) % 360.0
    lit = (sun[2] - right * sun[0] - top * sun[1]) * relief.cos_slope
    inner = np.asarray(elevation[1:-1, 1:-1], np.float32)
    known = np.isfinite(steep) & np.isfinite(inner)
    layers = {
        "elevation": inner,
        "slope": steep,
        "aspect": np.where(steep > 0.0, downhill, 0.0),
        "cos_i": lit,
    }
    return {
        name: np.where(known, values, np.nan).astype(np.float32)
        for name, values in layers.items()
    }

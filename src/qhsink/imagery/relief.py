"""Slopes from heights, and the angle at which the sun meets them.

Arrays in, arrays out. What light does to reflectance is ``terrain``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """Slopes of a window, along the axes of its lattice."""

    to_right: Floats
    """Rise per metre towards +x, shape (y, x); NaN where no height is known."""
    to_top: Floats
    """Rise per metre towards +y."""

    @property
    def cos_slope(self) -> Floats:
        """Cosine of the slope's angle."""
        return np.asarray(
            1.0 / np.sqrt(1.0 + self.to_right**2 + self.to_top**2), np.float32
        )


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands over a window."""

    zenith_deg: float
    """Angle from the vertical [deg]."""
    azimuth_deg: float
    """Clockwise from the lattice's +y axis [deg]: from true north less the angle by
    which the axis leaves it."""


def relief_of(elevation: NDArray[np.floating], pixel_size: float) -> Relief:
    """Return the slopes of a lattice of heights.

    Parameters
    ----------
    elevation : float array of shape (y + 2, x + 2)
        Heights [m], rows from top to bottom, one pixel more on each side; NaN where
        unknown.
    pixel_size : float
        Edge of a pixel [m].

    Returns
    -------
    Relief
        Of shape (y, x).

    Notes
    -----
    Horn (1981, Proc. IEEE 69:14): differences over two pixels, the middle row or
    column twice the weight of its neighbours.
    """
    z = np.asarray(elevation, np.float32)
    down = z[:-2] + 2.0 * z[1:-1] + z[2:]
    across = z[:, :-2] + 2.0 * z[:, 1:-1] + z[:, 2:]
    reach = np.float32(8.0 * pixel_size)
    return Relief(
        to_right=(down[:, 2:] - down[:, :-2]) / reach,
        to_top=(across[:-2] - across[2:]) / reach,
    )


def cos_incidence(relief: Relief, sun: Sun) -> Floats:
    """Return the cosine of the angle between the sun and each slope's normal.

    Returns
    -------
    float32 array of shape (y, x)
        Below 0 where a slope lies in its own shadow. Equal to cos z cos s +
        sin z sin s cos(azimuth - aspect), with the aspect downhill.
    """
    zenith, azimuth = np.radians(sun.zenith_deg), np.radians(sun.azimuth_deg)
    uphill = relief.to_right * np.sin(azimuth) + relief.to_top * np.cos(azimuth)
    lit = np.cos(zenith) - np.sin(zenith) * uphill
    return np.asarray(lit * relief.cos_slope, np.float32)

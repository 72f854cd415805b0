"""Reflectance of one view direction as seen from above: kernels and the c-factor.

Angles and numbers in, factors out; one direction per call. Which angles a scene has
is decided in ``sources``, whether it is normalised in ``steps``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT_OVER_WIDTH = 2.0
"""Height of a crown's centre over its vertical radius, h/b of LiSparse (Lucht 2000)."""


@dataclass(frozen=True, slots=True)
class KernelWeights:
    """What the reflectance of one band is made of."""

    iso: float
    """Isotropic part [reflectance]."""
    vol: float
    """Weight of the volume kernel."""
    geo: float
    """Weight of the geometric kernel."""


@dataclass(frozen=True, slots=True)
class Directions:
    """Where light comes from and where it is seen from."""

    sun_zenith_deg: float
    """Sun's angle from the vertical [deg], below 90."""
    view_zenith_deg: float
    """Sensor's angle from the vertical [deg], below 90."""
    relative_azimuth_deg: float
    """Sensor's azimuth less the sun's [deg]; 0 with the sun behind the sensor."""


def ross_thick(where: Directions) -> float:
    """Return the volume kernel: a dense canopy of small leaves.

    Roujean, Leroy and Deschamps 1992, JGR 97:20455, as Wanner, Li and Strahler 1995,
    JGR 100:21077, eq. 7: ((pi/2 - xi) cos xi + sin xi) / (cos s + cos v) - pi/4.
    """
    sun, view = math.radians(where.sun_zenith_deg), math.radians(where.view_zenith_deg)
    phase = _phase(sun, view, math.radians(where.relative_azimuth_deg))
    scattered = (math.pi / 2.0 - phase) * math.cos(phase) + math.sin(phase)
    return scattered / (math.cos(sun) + math.cos(view)) - math.pi / 4.0


def li_sparse(where: Directions) -> float:
    """Return the geometric kernel: sparse crowns and their shadows, reciprocal.

    Wanner et al. 1995, eqs. 39 to 44, in the reciprocal form of Lucht, Schaaf and
    Strahler 2000, IEEE TGRS 38:977, eqs. 39 to 44, with round crowns (b/r = 1).
    """
    sun, view = math.radians(where.sun_zenith_deg), math.radians(where.view_zenith_deg)
    turn = math.radians(where.relative_azimuth_deg)
    reach = 1.0 / math.cos(sun) + 1.0 / math.cos(view)
    distance = math.sqrt(
        max(
            math.tan(sun) ** 2
            + math.tan(view) ** 2
            - 2.0 * math.tan(sun) * math.tan(view) * math.cos(turn),
            0.0,
        )
    )
    across = math.tan(sun) * math.tan(view) * math.sin(turn)
    cos_t = HEIGHT_OVER_WIDTH * math.hypot(distance, across) / reach
    t = math.acos(min(cos_t, 1.0))
    overlap = (t - math.sin(t) * math.cos(t)) * reach / math.pi
    phase = _phase(sun, view, turn)
    lit = 0.5 * (1.0 + math.cos(phase)) / (math.cos(sun) * math.cos(view))
    return overlap - reach + lit


def _phase(sun: float, view: float, turn: float) -> float:
    """Return the angle between the two directions [rad]."""
    cosine = math.cos(sun) * math.cos(view)
    cosine += math.sin(sun) * math.sin(view) * math.cos(turn)
    return math.acos(min(max(cosine, -1.0), 1.0))


def nadir_factors(
    weights: Sequence[KernelWeights], where: Directions
) -> tuple[float, ...]:
    """Return what each band is multiplied with to look as from straight above.

    Parameters
    ----------
    weights : sequence of KernelWeights
        By band.
    where : Directions
        Directions of the acquisition.

    Notes
    -----
    The c-factor of Roy et al. 2016, RSE 176:255, eq. 6: the kernel model at nadir
    over the kernel model as seen. The sun stays where it was: HLS also moves it to
    a zenith of the latitude, which the model is not asked to do here.
    """
    above = Directions(where.sun_zenith_deg, 0.0, 0.0)
    return tuple(_reflected(w, above) / _reflected(w, where) for w in weights)


def _reflected(weights: KernelWeights, where: Directions) -> float:
    return (
        weights.iso + weights.vol * ross_thick(where) + weights.geo * li_sparse(where)
    )

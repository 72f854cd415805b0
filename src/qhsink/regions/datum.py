"""Whether a polygon was drawn on the shifted datum GCJ-02.

GCJ-02 is the obfuscated datum of Chinese web maps: in Qinghai it moves a point by
90 to 170 m to the east and north or south of it. A file cannot be asked for it; the
shift shows only where the polygon follows a boundary known in CGCS2000. Nothing is
read here, and nothing is ever "corrected": a shifted file is refused by its caller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from scipy.spatial import KDTree
from shapely.geometry.base import BaseGeometry

Datum = Literal["wgs84-like", "gcj02", "undecidable"]

STEP_M = 100.0
"""Least spacing of the points compared along the candidate's outline [m]."""

MOST_POINTS = 3_000
"""A longer outline is walked in longer steps."""

GRAIN_M = 30.0
"""Spacing of the points that stand for the known boundary [m]."""

REACH_M = 400.0
"""Farther from the known boundary than this, a point says nothing [m]."""

WIDTH_M = 100.0
"""Distance over which closeness falls off [m]: the generalisation of the reference."""

NEAR = 0.6
"""Closeness above which a point counts as running along the boundary (100 m)."""

BLOCK_M = 3_000.0
"""Length of outline taken as one independent piece in the standard error [m]."""

MIN_PIECES = 5
"""Fewer matched pieces than this decide nothing."""

MIN_SPREAD = 0.08
"""Least smaller eigenvalue of the mean of u u' (0.5 is all directions alike).

Along one straight line a shift is seen only across it, so any small misfit of the
line could pass for GCJ-02: such a match decides nothing.
"""

Z_NEEDED = 2.5
"""Standard errors by which one datum must fit better than the other."""

MOST_DRIFT_M = 75.0
"""A polygon that fits best farther away than this is not called wgs84-like [m]."""

SHARES = np.linspace(-1.0, 2.0, 25)
"""Shares of the GCJ-02 shift that are tried."""

_A = 6378245.0
"""Semi-major axis of the Krasovsky 1940 ellipsoid, on which GCJ-02 is defined [m]."""

_EE = 0.00669342162296594323
"""Its squared eccentricity."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DatumVerdict:
    """What the outline says about the datum."""

    datum: Datum
    """``wgs84-like`` (WGS84 and CGCS2000 agree within a metre), ``gcj02`` or none."""
    share_of_shift: float | None
    """Fitted shift as a share of the GCJ-02 shift: 0 is CGCS2000, 1 is GCJ-02."""
    z: float | None
    """Standard errors by which GCJ-02 fits better than CGCS2000."""
    east_m: float | None
    """Best translation from the known boundary to the candidate, eastward [m]."""
    north_m: float | None
    """The same, northward [m]."""
    matched_km: float
    """Length of outline that runs together with known boundaries [km]."""
    reason: str
    """The verdict in words."""


def gcj02_from_wgs84(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return GCJ-02 longitude and latitude of WGS84 points.

    Parameters
    ----------
    lon, lat : float array of shape (n,)
        WGS84 or CGCS2000 degrees.

    Returns
    -------
    lon, lat : float array of shape (n,)
        GCJ-02 degrees.

    Notes
    -----
    The transformation as published in open-source map code since 2013
    (``eviltransform`` and its descendants); no authority has published it. It moves
    real Amap files onto our reference within the reference's own generalisation
    (see ``docs/regions.md``).
    """
    x, y = lon - 105.0, lat - 35.0
    wave = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    root = np.sqrt(np.abs(x))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += 160.0 * np.sin(y / 12.0 * np.pi) * 2.0 / 3.0
    north += 320.0 * np.sin(y * np.pi / 30.0) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += 150.0 * np.sin(x / 12.0 * np.pi) * 2.0 / 3.0
    east += 300.0 * np.sin(x / 30.0 * np.pi) * 2.0 / 3.0
    phi = np.radians(lat)
    magic = 1.0 - _EE * np.sin(phi) ** 2
    metres_north = math.pi / 180.0 * _A * (1.0 - _EE) / magic**1.5
    metres_east = math.pi / 180.0 * _A / np.sqrt(magic) * np.cos(phi)
    return lon + east / metres_east, lat + north / metres_north


def gcj02_shift(points: Floats, crs: pyproj.CRS) -> Floats:
    """Return the shift of GCJ-02 at ``points``.

    Parameters
    ----------
    points : float array of shape (n, 2)
        Easting and northing in ``crs`` [m].
    crs : pyproj.CRS
        Projected CRS of the points.

    Returns
    -------
    float array of shape (n, 2)
        GCJ-02 position minus true position [m].
    """
    there = pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)
    lon, lat = there.transform(points[:, 0], points[:, 1], direction="INVERSE")
    x, y = there.transform(*gcj02_from_wgs84(np.asarray(lon), np.asarray(lat)))
    return np.column_stack([x, y]) - points


def recognise_datum(
    candidate: BaseGeometry, boundary: BaseGeometry, crs: pyproj.CRS
) -> DatumVerdict:
    """Judge whether ``candidate`` is shifted to GCJ-02 against known boundaries.

    Parameters
    ----------
    candidate : shapely geometry
        Polygon in ``crs``.
    boundary : shapely geometry
        Lines known in CGCS2000, in ``crs``.
    crs : pyproj.CRS
        Projected CRS in metres.

    Notes
    -----
    The outline is moved back by k times the local GCJ-02 shift, k from -1 to 2. Its
    closeness to the known boundary at each k is the mean of exp(-d²/2w²), d the
    distance of a point to the boundary and w ``WIDTH_M``: it counts what runs
    together and is deaf to what does not. The verdict needs the best k near 1 (or
    0) and the closeness there above that at 0 (or 1) by ``Z_NEEDED`` standard errors,
    from differences over pieces of ``BLOCK_M`` of outline. Fitting distances by least
    squares was tried first: with a reference generalised by hundreds of metres the
    nearest line is too often the wrong one, and k came out as low as 0.5.
    """
    points, pieces = _walk(shapely.boundary(candidate))
    line = _line(shapely.clip_by_rect(boundary, *_grown(candidate.bounds)))
    if line is None:
        return _untold(0.0, "no part of the outline runs along a known boundary")
    shift = gcj02_shift(points, crs)
    closeness = np.stack([line.closeness(points - k * shift) for k in SHARES])
    near = closeness.max(axis=0) > NEAR
    length_km = float(np.mean(near)) * float(candidate.boundary.length) / 1000.0
    if np.unique(pieces[near]).size < MIN_PIECES:
        return _untold(
            length_km,
            f"only {length_km:.1f} km of the outline run along a known boundary, too "
            "little to tell the datum",
        )
    if line.spread(points[near]) < MIN_SPREAD:
        return _untold(
            length_km,
            "the shared boundary runs in one direction only, so that a shift along it "
            "cannot be seen",
        )
    move = _translation(line, points[near])
    return _judge(closeness, pieces, move=move, shift=shift, length_km=length_km)


@dataclass(frozen=True, slots=True)
class _Line:
    """The known boundary as points close enough to stand for the line."""

    points: Floats
    """Points every ``GRAIN_M`` (n, xy) [m]."""
    tangents: Floats
    """Unit vector along the line at each (n, xy)."""
    tree: KDTree
    """Index of the points."""

    def closeness(self, points: Floats) -> Floats:
        """Return exp(-d²/2w²) of each point, 0 beyond ``REACH_M``."""
        distance, _ = self.tree.query(points, distance_upper_bound=REACH_M)
        return np.asarray(np.exp(-((distance / WIDTH_M) ** 2) / 2.0))

    def spread(self, points: Floats) -> float:
        """Return the smaller eigenvalue of the mean of u u' over matched tangents."""
        distance, index = self.tree.query(points, distance_upper_bound=REACH_M)
        unit = self.tangents[np.asarray(index)[np.isfinite(distance)]]
        return float(np.linalg.eigvalsh(unit.T @ unit / max(len(unit), 1))[0])


def _line(boundary: BaseGeometry) -> _Line | None:
    pieces = [
        _evenly(part, GRAIN_M)
        for part in shapely.get_parts(boundary)
        if part.length > 0
    ]
    if not pieces:
        return None
    points = np.concatenate([piece[0] for piece in pieces])
    tangents = np.concatenate([piece[1] for piece in pieces])
    return _Line(points, tangents, KDTree(points))


def _evenly(line: BaseGeometry, step: float) -> tuple[Floats, Floats, Floats]:
    """Return points (n, xy), unit tangents (n, xy) and way gone (n,) along a line."""
    xy = shapely.get_coordinates(line)
    leg = np.diff(xy, axis=0)
    size = np.hypot(leg[:, 0], leg[:, 1])
    xy, leg, size = xy[:-1][size > 0], leg[size > 0], size[size > 0]
    start = np.concatenate([[0.0], np.cumsum(size)])
    at = (np.arange(max(int(start[-1] // step), 1)) + 0.5) * step
    at = np.minimum(at, start[-1])
    on = np.minimum(np.searchsorted(start, at, side="right") - 1, len(size) - 1)
    unit = leg[on] / size[on, None]
    return xy[on] + unit * (at - start[on])[:, None], unit, at


def _untold(length_km: float, reason: str) -> DatumVerdict:
    return DatumVerdict("undecidable", None, None, None, None, length_km, reason)


def _walk(outline: BaseGeometry) -> tuple[Floats, NDArray[np.int64]]:
    """Return points along the outline (n, 2) and the piece each belongs to."""
    step = max(STEP_M, outline.length / MOST_POINTS)
    points, pieces, first = [], [], 0
    for line in shapely.get_parts(outline):
        found, _, at = _evenly(line, step)
        points.append(found)
        pieces.append(first + (at // BLOCK_M).astype(np.int64))
        first = int(pieces[-1][-1]) + 1
    return np.concatenate(points), np.concatenate(pieces)


def _grown(
    bounds: tuple[float, float, float, float],
) -> tuple[float, float, float, float]:
    west, south, east, north = bounds
    reach = 2.0 * REACH_M
    return west - reach, south - reach, east + reach, north + reach


def _translation(line: _Line, points: Floats) -> Floats:
    """Return the move [m] from the boundary that brings most points close."""
    some = points[:: max(1, len(points) // 400)]
    best, middle = -1.0, np.zeros(2)
    for pitch, reach in ((60.0, 4), (20.0, 2)):
        centre = middle
        for east in np.arange(-reach, reach + 1) * pitch:
            for north in np.arange(-reach, reach + 1) * pitch:
                move = centre + np.array([east, north])
                score = float(line.closeness(some - move).mean())
                if score > best:
                    best, middle = score, move
    return middle


def _judge(
    closeness: Floats,
    pieces: NDArray[np.int64],
    *,
    move: Floats,
    shift: Floats,
    length_km: float,
) -> DatumVerdict:
    share = float(SHARES[int(np.argmax(closeness.mean(axis=1)))])
    zero, one = int(np.argmin(np.abs(SHARES))), int(np.argmin(np.abs(SHARES - 1.0)))
    gain = np.bincount(
        np.unique(pieces, return_inverse=True)[1],
        weights=closeness[one] - closeness[zero],
    )
    z = float(gain.sum() / max(math.sqrt(float(np.sum(gain**2))), 1e-12))
    drift = float(np.hypot(*move))
    datum: Datum = "undecidable"
    if 0.6 <= share <= 1.6 and z >= Z_NEEDED:
        datum = "gcj02"
    elif abs(share) <= 0.4 and z <= -Z_NEEDED and drift <= MOST_DRIFT_M:
        datum = "wgs84-like"
    size = float(np.mean(np.linalg.norm(shift, axis=1)))
    reason = (
        f"over {length_km:.0f} km of shared boundary the outline fits best moved by "
        f"{move[0]:+.0f} m east and {move[1]:+.0f} m north, {share:.2f} of the GCJ-02 "
        f"shift of {size:.0f} m there: {_MEANING[datum]}"
    )
    east, north = float(move[0]), float(move[1])
    return DatumVerdict(datum, share, z, east, north, length_km, reason)


_MEANING: dict[Datum, str] = {
    "gcj02": "it was drawn on GCJ-02, the shifted datum of Chinese web maps",
    "wgs84-like": "it lies where CGCS2000 and WGS84 put it",
    "undecidable": "neither CGCS2000 nor GCJ-02 explains it clearly",
}

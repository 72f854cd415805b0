"""Polygons and the plane: projecting with densified edges, areas, polygonal parts.

Pure geometry. What a region means, and where polygons are kept, is elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import RegionError
from qhsink.domain.region import Region

EDGE_M = 2_000.0
"""Longest edge that is projected as one straight line [m].

A straight line in longitude and latitude bends by at most 6 cm over it at 39°N.
"""

DEGREE_M = 111_000.0
"""Metres in a degree of latitude, for turning ``EDGE_M`` into degrees."""

MILLIMETRE = 1e-3
"""Vertices are kept to this [m]: shared edges stay shared after projecting."""

FIXED_LATTICE = np.array(
    [[x, y] for x in (-1.5e6, -5e5, 0.0) for y in (3.2e6, 3.9e6, 4.5e6)]
)
"""Points over Qinghai on the Albers grid, where two CRS are compared [m]."""


@dataclass(frozen=True, slots=True)
class RegionShape:
    """A region and its polygon, in the CRS of whoever asked for it."""

    region: Region
    """What it is."""
    geometry: BaseGeometry
    """Polygon or multipolygon."""


def polygons_only(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygonal parts of ``geometry`` as one geometry, maybe empty."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = [
        part
        for part in shapely.get_parts(geometry, return_index=False)
        if part.geom_type in ("Polygon", "MultiPolygon")
    ]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def area_ha(geometry: BaseGeometry) -> float:
    """Return the planar area of ``geometry`` (metres) [ha]."""
    return float(geometry.area) / 10_000.0


def same_crs(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Whether two projected CRS put points of Qinghai within a tenth of a millimetre.

    A GeoPackage gives a CRS back under another name; what it does tells the truth.
    """
    if one == other:
        return True
    if not (one.is_projected and other.is_projected):
        return False
    across = pyproj.Transformer.from_crs(one, other, always_xy=True)
    x, y = across.transform(FIXED_LATTICE[:, 0], FIXED_LATTICE[:, 1])
    moved = np.column_stack([x, y]) - FIXED_LATTICE
    return bool(np.all(np.isfinite(moved)) and np.abs(moved).max() < 1e-4)


def project(
    geometry: BaseGeometry, source: pyproj.CRS, target: pyproj.CRS
) -> BaseGeometry:
    """Return ``geometry`` in ``target``, its edges densified before projecting.

    Parameters
    ----------
    geometry : shapely geometry
        In ``source``, x before y.
    source, target : pyproj.CRS
        Where it is and where it goes.

    Raises
    ------
    RegionError
        When a vertex has no place in ``target``.
    """
    flat = shapely.force_2d(geometry)
    if same_crs(source, target):
        return flat
    step = EDGE_M / DEGREE_M if source.is_geographic else EDGE_M / _metres(source)
    across = pyproj.Transformer.from_crs(source, target, always_xy=True)
    grain = MILLIMETRE if target.is_projected else MILLIMETRE / DEGREE_M
    digits = round(-np.log10(grain))

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = across.transform(xy[:, 0], xy[:, 1])
        # Rounding makes an edge shared by two polygons the same edge in both,
        # whichever way each of them walks along it.
        return np.round(np.column_stack([x, y]), digits)

    moved = shapely.transform(shapely.segmentize(flat, step), move)
    if not np.all(np.isfinite(shapely.get_coordinates(moved))):
        raise RegionError(
            f"a polygon with vertices that {target.name} cannot hold",
            expected="coordinates inside the area of the CRS that the file declares",
            remedy="Check the CRS of the file.",
        )
    return moved if moved.is_valid else polygons_only(shapely.make_valid(moved))


def _metres(crs: pyproj.CRS) -> float:
    return float(crs.axis_info[0].unit_conversion_factor) or 1.0


def geometry_digest(geometry: BaseGeometry) -> str:
    """Return the SHA-256 of the polygon, its vertices rounded to a millimetre."""
    rounded = shapely.transform(geometry, lambda xy: np.round(xy, 3) + 0.0)
    return hashlib.sha256(shapely.to_wkb(shapely.normalize(rounded))).hexdigest()

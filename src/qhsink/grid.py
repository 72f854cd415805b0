"""The one analysis grid: equal-area, fixed origin, square tiles, blocks inside.

Knows nothing of files or scenes. Every region is a set of (tile, coverage
fraction); areas on this grid are true areas, which is why a CRS that is not
equal-area is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.feature import JSONFeatureSource
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry import box, mapping
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import GridError

CHINA_BBOX = (73.0, 18.0, 135.0, 54.0)
"""Where a CRS without a stated area of use is tested [deg west, south, east, north]."""

TOLERATED_DISTORTION = 1e-6
"""Areal scale error that is still called equal-area: PROJ's own rounding, tenfold."""


def qinghai_albers() -> pyproj.CRS:
    """Return CGCS2000 Albers equal area (25°N, 47°N, 105°E), in metres."""
    conversion = pyproj.crs.coordinate_operation.AlbersEqualAreaConversion(
        latitude_false_origin=0,
        longitude_false_origin=105,
        latitude_first_parallel=25,
        latitude_second_parallel=47,
    )
    return pyproj.crs.ProjectedCRS(
        conversion, name="CGCS2000 / Albers 25-47N 105E", geodetic_crs="EPSG:4490"
    )


def transformer(
    source: pyproj.CRS | str | int, target: pyproj.CRS | str | int
) -> Transformer:
    """Return the way from one CRS to another, x before y.

    Kept: PROJ takes 60 ms to find the way to or from the Albers grid, each time, and a
    run asks for it hundreds of times. pyproj's are safe to share between threads.

    Parameters
    ----------
    source, target : pyproj.CRS, str or int
        A CRS, what PROJ reads as one, such as ``EPSG:4326``, or an EPSG code.
    """
    return _transformer(_text(source), _text(target))


def _text(crs: pyproj.CRS | str | int) -> str:
    if isinstance(crs, pyproj.CRS):
        return crs.srs
    return f"EPSG:{crs}" if isinstance(crs, int) else crs


@lru_cache(maxsize=128)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def named_crs(name: str) -> pyproj.CRS:
    """Return the CRS called ``name``: ``qinghai-albers`` or anything PROJ reads.

    Raises
    ------
    GridError
        When PROJ knows no such CRS.
    """
    if name == "qinghai-albers":
        return qinghai_albers()
    try:
        return pyproj.CRS.from_user_input(name)
    except pyproj.exceptions.CRSError as error:
        raise GridError(
            f"grid CRS {name!r}",
            expected="'qinghai-albers', an EPSG code or a PROJ string",
            remedy="Correct [grid] crs in the run configuration.",
        ) from error


def areal_distortion(crs: pyproj.CRS) -> float:
    """Return the largest |areal scale - 1| of ``crs`` over its area of use.

    The areal scale is PROJ's own, at a lattice of points; 0 for an equal-area
    projection, up to rounding. Infinite for a CRS that is not projected.
    """
    if not crs.is_projected:
        return float("inf")
    use = crs.area_of_use
    west, south, east, north = (
        (use.west, use.south, use.east, use.north) if use else CHINA_BBOX
    )
    lon, lat = np.meshgrid(
        np.linspace(west, east, 7)[1:-1], np.linspace(south, north, 7)[1:-1]
    )
    factors = pyproj.Proj(crs).get_factors(lon.ravel(), lat.ravel())
    return float(np.max(np.abs(np.asarray(factors.areal_scale) - 1.0)))


@dataclass(frozen=True, slots=True)
class Tile:
    """One square of the grid: the unit of work."""

    col: int
    """Column, counted eastward from the origin."""
    row: int
    """Row, counted southward from the origin."""
    geobox: GeoBox
    """Pixel lattice of the tile."""

    @property
    def name(self) -> str:
        """Name used in keys and file names, such as ``x-014_y0093``."""
        return f"x{self.col:+05d}_y{self.row:+05d}"

    @property
    def bounds(self) -> BaseGeometry:
        """Outline in grid coordinates."""
        edges = self.geobox.boundingbox
        return box(edges.left, edges.bottom, edges.right, edges.top)


@dataclass(frozen=True, slots=True)
class Grid:
    """An equal-area lattice with a fixed origin.

    Raises
    ------
    GridError
        When the CRS is not equal-area, or tile and block sizes do not fit.
    """

    crs: pyproj.CRS
    """Equal-area CRS, in metres."""
    pixel_size: float
    """Edge of a pixel [m]."""
    tile_px: int = 1024
    """Edge of a tile [pixels]."""
    block_px: int = 512
    """Edge of an internal block of a file [pixels]; divides ``tile_px``."""

    def __post_init__(self) -> None:
        distortion = areal_distortion(self.crs)
        if distortion > TOLERATED_DISTORTION:
            raise GridError(
                f"grid CRS {self.crs.name!r} changes areas by up to {distortion:.3g}",
                expected="an equal-area projected CRS",
                remedy="Set [grid] crs = 'qinghai-albers' or another equal-area CRS.",
            )
        if self.pixel_size <= 0 or self.tile_px % self.block_px or self.block_px % 16:
            raise GridError(
                f"grid of {self.pixel_size} m pixels, tiles of {self.tile_px} and "
                f"blocks of {self.block_px} pixels",
                expected="a positive pixel size, and blocks that divide the tile and "
                "are multiples of 16",
                remedy="Correct [grid] in the run configuration.",
            )

    @property
    def pixel_area_ha(self) -> float:
        """Area of one pixel [ha]."""
        return self.pixel_size**2 / 10_000.0

    def token(self) -> str:
        """Return the text that identifies the grid in content keys."""
        wkt = self.crs.to_wkt()
        return f"{wkt}|{self.pixel_size!r}|{self.tile_px}|{self.block_px}"

    def tile(self, col: int, row: int) -> Tile:
        """Return the tile at (``col``, ``row``); the origin is (0, 0) of the CRS."""
        edge = self.tile_px * self.pixel_size
        affine = Affine(
            self.pixel_size, 0.0, col * edge, 0.0, -self.pixel_size, -row * edge
        )
        shape = (self.tile_px, self.tile_px)
        return Tile(col, row, GeoBox(shape, affine, self.crs.to_wkt()))

    def window(self, geometry: BaseGeometry) -> GeoBox:
        """Return the smallest lattice of the grid that holds ``geometry``."""
        edge = self.pixel_size
        left, bottom, right, top = geometry.bounds
        col, row = math.floor(left / edge), math.floor(-top / edge)
        shape = (math.ceil(-bottom / edge) - row, math.ceil(right / edge) - col)
        affine = Affine(edge, 0.0, col * edge, 0.0, -edge, -row * edge)
        return GeoBox(shape, affine, self.crs.to_wkt())

    def tiles_over(self, geometry: BaseGeometry) -> Iterator[Tile]:
        """Yield the tiles that ``geometry`` (grid coordinates) shares area with."""
        edge = self.tile_px * self.pixel_size
        left, bottom, right, top = geometry.bounds
        shapely.prepare(geometry)
        for row in range(math.floor(-top / edge), math.ceil(-bottom / edge)):
            for col in range(math.floor(left / edge), math.ceil(right / edge)):
                tile = self.tile(col, row)
                if geometry.intersects(tile.bounds) and not geometry.touches(
                    tile.bounds
                ):
                    yield tile


def coverage(
    geobox: GeoBox, geometry: BaseGeometry
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the pixels that ``geometry`` covers, and how much of each.

    Parameters
    ----------
    geobox : GeoBox
        Pixel lattice of shape (y, x).
    geometry : shapely geometry
        Polygon in the coordinates of the lattice.

    Returns
    -------
    index : int64 array of shape (n,)
        Row-major pixel numbers, ascending.
    fraction : float64 array of shape (n,)
        Exact share of each pixel's area inside the polygon, in (0, 1].

    Notes
    -----
    Exact fractions from ``exactextract`` (Baston, isciences), not a point-in-pixel
    rule: with the centre rule the area of a narrow valley is off by percents. It
    returns them in single precision: each within 6e-8 of the pixel's area.
    """
    edges = geobox.boundingbox
    raster = NumPyRasterSource(
        np.zeros(geobox.shape, dtype=np.uint8),
        xmin=edges.left,
        ymin=edges.bottom,
        xmax=edges.right,
        ymax=edges.top,
    )
    feature = JSONFeatureSource(
        [{"type": "Feature", "geometry": mapping(geometry), "properties": {}}]
    )
    found = exact_extract(raster, feature, ["cell_id", "coverage"])[0]["properties"]
    index = np.asarray(found["cell_id"], dtype=np.int64)
    fraction = np.asarray(found["coverage"], dtype=np.float64)
    inside = fraction > 0.0
    order = np.argsort(index[inside], kind="stable")
    return index[inside][order], fraction[inside][order]


def crs_wkt(geobox: GeoBox) -> str:
    """Return the CRS of a lattice as WKT.

    Raises
    ------
    GridError
        When it has none.
    """
    if geobox.crs is None:
        raise GridError(
            "a lattice without a CRS",
            expected="a window of the analysis grid",
            remedy="Take the window from Grid.tile.",
        )
    return str(geobox.crs.to_wkt())

"""A raster of a product: its lattice, and where its pixels lie on the analysis grid.

Positions only. Which frames a product ships and what they hold is decided elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from numba import njit
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from qhsink.grid import transformer

Counts = NDArray[np.integer[Any]]
"""Rows or columns."""
LONLAT = 4326
"""EPSG code of geographic coordinates."""
_CONTROL = {True: 0.02, False: 1_920.0}
"""Spacing of exactly transformed points, geographic [deg] or projected [m]; between
them the error is below 0.1 m."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """Exactly transformed points of a frame, on a lattice fixed to its CRS."""

    first_row: int
    first_column: int
    spacing: float
    x: NDArray[np.float64]
    """Grid coordinate [m], nodes (row, column), rows northward."""
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frame:
    """A raster: CRS, corner and size."""

    epsg: int
    left: float
    """West edge, in units of the CRS."""
    top: float
    """North edge."""
    width: int
    """Pixels along a row."""
    height: int
    """Rows."""
    pixel_size: float
    """Edge of a pixel, in units of the CRS."""

    @property
    def transform(self) -> Affine:
        """Pixel to CRS coordinates."""
        p = self.pixel_size
        return Affine(p, 0.0, self.left, 0.0, -p, self.top)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north edge."""
        right = self.left + self.width * self.pixel_size
        return self.left, self.top - self.height * self.pixel_size, right, self.top

    @property
    def outline(self) -> BaseGeometry:
        """The raster's extent."""
        return shapely.box(*self.bounds)

    def strip(self, first: int, count: int) -> Frame:
        """Return some of the rows as a raster of its own."""
        rows = min(count, self.height - first)
        top = self.top - first * self.pixel_size
        return replace(self, top=top, height=rows)

    def burn(self, valid: BaseGeometry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows and columns of the pixels whose centre lies in ``valid``."""
        inside = rasterize(
            [(valid, 1)],
            out_shape=self.shape,
            transform=self.transform,
            dtype="uint8",
        )
        rows, columns = np.nonzero(inside)
        return rows, columns

    def fill(
        self,
        rows: Counts,
        columns: Counts,
        values: NDArray[Any],
        *,
        nodata: float,
    ) -> NDArray[Any]:
        """Return a raster of ``values`` at pixels, and ``nodata`` elsewhere."""
        raster = np.full(self.shape, nodata, dtype=values.dtype)
        raster[rows, columns] = values
        return raster

    def numbers(self, rows: Counts, columns: Counts) -> Counts:
        """Return absolute column and row in the CRS, shape (2, n): noise is theirs."""
        return np.stack(
            [
                columns + math.floor(self.left / self.pixel_size + 0.25),
                math.floor(self.top / self.pixel_size + 0.25) - rows,
            ]
        )

    def nodes(self, crs: pyproj.CRS) -> Nodes:
        """Return exactly transformed points that enclose every pixel centre."""
        spacing = _CONTROL[self.epsg == LONLAT]
        left, low, right, top = self.bounds
        first_c, first_r = math.floor(left / spacing), math.floor(low / spacing)
        columns = np.arange(first_c, math.ceil(right / spacing) + 1)
        rows = np.arange(first_r, math.ceil(top / spacing) + 1)
        mesh = np.meshgrid(columns * spacing, rows * spacing)
        x, y = transformer(self.epsg, crs).transform(*mesh)
        return Nodes(first_r, first_c, spacing, x, y)

    def places(
        self,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        crs: pyproj.CRS,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pixel centres in the coordinates of the analysis grid.

        Parameters
        ----------
        rows, columns : int64 arrays of shape (n,)
            Pixels of this frame.
        crs : CRS
            The analysis grid's.

        Returns
        -------
        x, y : float64 arrays of shape (n,)

        Notes
        -----
        Exact at points of a lattice fixed to the CRS, bilinear between them (error
        below 0.1 m), so that overlapping frames agree to the last bit.
        """
        nodes = self.nodes(crs)
        x, y = self.between(rows, columns, nodes, np.stack([nodes.x, nodes.y]))
        return x, y

    def between(
        self,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        nodes: Nodes,
        tables: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return values known at nodes, shape (k, r, c), at pixels, shape (k, n)."""
        found = np.empty((tables.shape[0], rows.size))
        corner = (self.left, self.top, self.pixel_size)
        first = (nodes.first_row, nodes.first_column)
        _interpolate(rows, columns, corner, first, nodes.spacing, tables, found)
        return found


def frame_around(
    valid: BaseGeometry, *, epsg: int, pixel_size: float, shift: float = 0.0
) -> Frame:
    """Return the smallest raster over ``valid``, its edges at multiples of a pixel.

    ``shift`` moves the edges: half a pixel gives Landsat's lattice.
    """
    west, south, east, north = ((v - shift) / pixel_size for v in valid.bounds)
    left, top = math.floor(west), math.ceil(north)
    return Frame(
        epsg,
        left * pixel_size + shift,
        top * pixel_size + shift,
        math.ceil(east) - left,
        top - math.floor(south),
        pixel_size,
    )


@njit(nogil=True, cache=True)
def _interpolate(
    rows: np.ndarray,
    columns: np.ndarray,
    corner: tuple[float, float, float],
    first: tuple[int, int],
    spacing: float,
    tables: np.ndarray,
    found: np.ndarray,
) -> None:
    """Fill values between nodes, bilinear; nothing depends on the frame's corner."""
    left, top, pixel = corner
    for k in range(rows.size):
        u = (left + (columns[k] + 0.5) * pixel) / spacing
        v = (top - (rows[k] + 0.5) * pixel) / spacing
        fu, fv = math.floor(u), math.floor(v)
        i, j = int(fv) - first[0], int(fu) - first[1]
        u -= fu
        v -= fv
        for t in range(tables.shape[0]):
            a, b = tables[t, i, j], tables[t, i, j + 1]
            c, d = tables[t, i + 1, j], tables[t, i + 1, j + 1]
            low = a + u * (b - a)
            found[t, k] = low + v * (c + u * (d - c) - low)


def project(
    geometry: BaseGeometry, source: Any, target: Any, *, spacing: float = 2_000.0
) -> BaseGeometry:
    """Return ``geometry`` in another CRS, with long edges split first."""
    move = transformer(source, target)
    return shapely.transform(
        shapely.segmentize(geometry, spacing),
        lambda points: np.column_stack(move.transform(points[:, 0], points[:, 1])),
    )

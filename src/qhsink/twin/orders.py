"""What every product of one archive is made from, and the jobs that make it.

Which products there are and how the archive is sealed is decided elsewhere.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from qhsink.twin.catalog import outline_lonlat
from qhsink.twin.frames import Frame, project
from qhsink.twin.spec import TwinSpec
from qhsink.twin.world import Landscape, World

Done = Callable[[str], None]
"""Told what was made, step by step."""
Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Terrain:
    """What the regions give: where there is something to see, and its lakes."""

    crs: pyproj.CRS
    """CRS of the analysis grid."""
    lakes: tuple[BaseGeometry, ...]
    """Real lakes, in grid coordinates."""
    shore_m: float
    """Width of a shore [m]."""

    def shore(
        self, shape: tuple[int, int], transform: Affine, crs: pyproj.CRS
    ) -> NDArray[np.uint8]:
        """Return 2 in lakes, 1 on shores, 0 elsewhere, on a raster (y, x)."""
        edge = rasterio.transform.array_bounds(*shape, transform)
        window = shapely.box(*edge)
        layers = []
        for lake in self.lakes:
            water = project(lake, self.crs, crs)
            near = water.buffer(self.shore_m)
            if near.intersects(window):
                layers += [(near, 1), (water, 2)]
        layers.sort(key=lambda layer: layer[1])
        if not layers:
            return np.zeros(shape, dtype=np.uint8)
        found: NDArray[np.uint8] = rasterize(
            layers, out_shape=shape, transform=transform, dtype="uint8"
        )
        return found


@dataclass(frozen=True, slots=True)
class Order:
    """What every product of one archive is made from."""

    folder: Path
    """Root of the archive."""
    area: BaseGeometry
    """Where there is something to see, in grid coordinates."""
    terrain: Terrain
    """Real lakes."""
    world: World
    spec: TwinSpec
    pixel_size: float
    """Edge of a pixel of the archive [m]."""

    @property
    def year(self) -> int:
        """Calendar year of the scenes."""
        return self.world.year


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The pixels of a frame that hold something, and what stands there."""

    frame: Frame
    valid: BaseGeometry
    """Their outline in the frame's CRS."""
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    x: NDArray[np.float64]
    """Grid coordinate [m], shape (n,)."""
    y: NDArray[np.float64]
    land: Landscape

    @property
    def pixel(self) -> NDArray[np.int64]:
        """Absolute column and row, shape (2, n)."""
        return self.frame.numbers(self.rows, self.columns)

    @property
    def footprint(self) -> BaseGeometry:
        """A simple outline in longitude and latitude."""
        return outline_lonlat(self.valid, pyproj.CRS(self.frame.epsg))

    def raster(self, values: NDArray[Any], *, nodata: float) -> NDArray[Any]:
        """Return the frame's raster with ``values`` at the pixels."""
        return self.frame.fill(self.rows, self.columns, values, nodata=nodata)


def survey(order: Order, part: BaseGeometry, frame: Frame) -> Ground:
    """Return what stands on the pixels of ``frame`` that lie in ``part``."""
    grid = order.terrain.crs
    valid = project(part, grid, frame.epsg).intersection(frame.outline)
    rows, columns = frame.burn(valid)
    x, y = frame.places(rows, columns, grid)
    shore = order.terrain.shore(frame.shape, frame.transform, pyproj.CRS(frame.epsg))
    land = order.world.at(x, y, shore[rows, columns])
    return Ground(frame, valid, rows, columns, x, y, land)


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of a product: can be made alone, in any order."""

    weight: float
    """How long it takes, against others."""
    steps: int
    """How often ``make`` tells of a step."""
    make: Callable[[Done], list[Item]]
    """Writes files and items, and returns the items."""


class Steps:
    """Counts finished steps across threads and tells whoever listens."""

    def __init__(
        self, total: int, listener: Callable[[int, int, str], None] | None
    ) -> None:
        self._done = 0
        self._total = total
        self._listener = listener
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        """Count one step called ``text``."""
        with self._lock:
            self._done += 1
            if self._listener is not None:
                self._listener(self._done, self._total, text)


def write_item(folder: Path, item: Mapping[str, Any]) -> Item:
    """Write an item into its folder and return it as it will be read."""
    text = json.dumps(item, indent=1, ensure_ascii=False)
    (folder / f"{item['id']}.json").write_text(text, encoding="utf-8")
    found: Item = json.loads(text)
    return found

"""What every product of one archive is made from, and the jobs that make it.

Which products there are and how the archive is sealed is decided elsewhere.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
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

from qhsink.twin.frames import Counts, Frame, project
from qhsink.twin.granules import LEVELS_M
from qhsink.twin.product_spec import Orbits
from qhsink.twin.sentinel2_items import Choice, Processing
from qhsink.twin.spec import TwinSpec
from qhsink.twin.world import Landscape, World

Done = Callable[[str], None]
"""Told what was made, step by step."""
Item = dict[str, Any]
LANDSAT_SHARE = 0.5
"""Pixel of Landsat over the archive's: 30 m in one of 60."""
STRIP_PX = 1_000_000
"""Pixels of a large frame that are simulated at a time: changes no value."""


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
    """Edge of a pixel of the archive [m]; 20 stands for the real products' own."""
    processing: Processing = "collection-1"
    """Of Sentinel-2."""
    bands: Choice = "six"
    """Of Sentinel-2."""
    orbits: Orbits = "both"
    """Of Sentinel-1."""

    @property
    def has_levels(self) -> bool:
        """Whether every product has the pixels of the real one."""
        return self.pixel_size == LEVELS_M

    @property
    def radar_pixel(self) -> float:
        """Edge of a pixel of Sentinel-1 [m]."""
        return 10.0 if self.has_levels else self.pixel_size

    @property
    def landsat_pixel(self) -> float:
        """Edge of a pixel of Landsat [m]."""
        return 30.0 if self.has_levels else self.pixel_size * LANDSAT_SHARE

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
    rows: NDArray[np.int32]
    """As small as they go: a granule has millions, and they wait through all dates."""
    columns: NDArray[np.int32]
    x: NDArray[np.float64]
    """Grid coordinate [m], shape (n,)."""
    y: NDArray[np.float64]
    land: Landscape

    @property
    def pixel(self) -> Counts:
        """Absolute column and row, shape (2, n)."""
        return self.frame.numbers(self.rows, self.columns)

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
    small = rows.astype(np.int32), columns.astype(np.int32)
    return Ground(frame, valid, *small, x, y, land)


class Strips:
    """What stands on a large frame, a strip of rows at a time: bounds memory.

    The last strip is kept, so that a frame of one strip is surveyed once for all its
    dates.
    """

    def __init__(self, order: Order, part: BaseGeometry, frame: Frame) -> None:
        self._order, self._part, self._frame = order, part, frame
        self._rows = max(STRIP_PX // frame.width, 1)
        self._kept: tuple[int, Ground] | None = None

    def record(
        self,
        see: Callable[[Ground], Sequence[NDArray[Any]]],
        *,
        nodata: Sequence[float],
    ) -> list[NDArray[Any]]:
        """Return the frame's rasters of what ``see`` finds at the pixels of a strip."""
        rasters: list[NDArray[Any]] = []
        for first in range(0, self._frame.height, self._rows):
            here = self._survey(first)
            layers = see(here)
            rasters = rasters or [
                np.full(self._frame.shape, fill, dtype=values.dtype)
                for values, fill in zip(layers, nodata, strict=True)
            ]
            for raster, values in zip(rasters, layers, strict=True):
                raster[here.rows + first, here.columns] = values
        return rasters

    def _survey(self, first: int) -> Ground:
        if self._kept is None or self._kept[0] != first:
            self._kept = None
            strip = self._frame.strip(first, self._rows)
            self._kept = first, survey(self._order, self._part, strip)
        return self._kept[1]


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

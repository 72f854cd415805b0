"""The pixels of a granule on all its dates: at one level, or at the product's own.

Simulates them and writes one band at a time. What items say of the files is decided in
``sentinel2_items``, and which dates there are in ``scenes``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyproj
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.twin.catalog import Written
from qhsink.twin.cog import write_raster, write_window
from qhsink.twin.frames import Frame, project
from qhsink.twin.granules import Granule
from qhsink.twin.levels import (
    ACROSS,
    CELL_M,
    FINE_M,
    Cells,
    Levels,
    Sight,
    expose_levels,
)
from qhsink.twin.orders import Order, survey
from qhsink.twin.sensor import expose
from qhsink.twin.sentinel2_items import SCL, SIX, Asset, beside

Layers = Mapping[str, NDArray[Any]]
"""Values of one date by asset key; at the pixels that hold something."""
PIECE = 14_000
"""Cells of 60 m looked at together, half a million fine pixels: changes no value."""


class GranulePixels(Protocol):
    """What a granule holds."""

    valid: BaseGeometry
    """Outline of its pixels, in its CRS."""
    share: float
    """Share of the granule that holds something."""

    def record(self, sights: Sequence[Sight]) -> Iterator[Layers]:
        """Yield what is recorded at each acquisition."""

    def write(self, path: Path, asset: Asset, values: NDArray[Any]) -> Written:
        """Write one layer as it comes from ``record``."""

    def coarse(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a layer as a small raster (y, x) of the granule, 0 where nothing is.

        Pixels are taken as they are, not averaged.
        """


class OneLevel:
    """A granule whose bands are all of the archive's pixel size."""

    def __init__(self, order: Order, granule: Granule, part: BaseGeometry) -> None:
        self._here = survey(order, part, granule.frame)
        self._bands = [*SIX, *beside(order.bands)]
        self.valid = self._here.valid
        self.share = self._here.rows.size / granule.size**2

    def record(self, sights: Sequence[Sight]) -> Iterator[Layers]:
        """Yield what is recorded at each acquisition."""
        here, pixel = self._here, self._here.pixel
        for sight in sights:
            seen = expose(
                here.land,
                here.x,
                here.y,
                pixel,
                sight.light,
                sight.optics[0],
                sight.instrument,
                sight.confusion,
                beside=sight.optics[1] if len(sight.optics) > 1 else None,
            )
            keys = [asset.key for asset in self._bands]
            layers = dict(zip(keys, seen.dn, strict=True)) | {SCL.key: seen.scl}
            del seen  # bounded memory: not beside the next date's
            yield layers
            del layers

    def write(self, path: Path, asset: Asset, values: NDArray[Any]) -> Written:
        """Write one layer as it comes from ``record``."""
        del asset
        here = self._here
        return write_raster(path, here.raster(values, nodata=0), here.frame, nodata=0)

    def coarse(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a layer as a small raster (y, x) of the granule, 0 where nothing is.

        Pixels are taken as they are, not averaged.
        """
        return self._here.raster(values, nodata=0)


class RealLevels:
    """A granule with bands of 10, 20 and 60 m, as the archives ship it.

    Which cells of 60 m hold something is decided once, so that all levels end together.
    """

    def __init__(self, order: Order, granule: Granule, part: BaseGeometry) -> None:
        self._order = order
        self._frame = granule.at(CELL_M).frame
        outline = project(part, order.terrain.crs, granule.epsg)
        self.valid = outline.intersection(self._frame.outline)
        self._rows, self._columns = self._frame.burn(self.valid)
        self.share = self._rows.size / self._frame.width**2
        bands = [*SIX, *beside(order.bands)]
        self._keys: dict[int, list[str]] = {}
        self._numbers: dict[int, NDArray[np.int64]] = {}
        for level in sorted({asset.level for asset in bands}):
            which = [n for n, asset in enumerate(bands) if asset.level == level]
            self._keys[level] = [bands[n].key for n in which]
            self._numbers[level] = np.array(which, dtype=np.int64)

    def record(self, sights: Sequence[Sight]) -> Iterator[Layers]:
        """Yield what is recorded at each acquisition.

        Dates wait in a file of their own: 10 m on seven dates is 80 bytes a pixel.
        """
        with tempfile.TemporaryDirectory(dir=self._order.folder) as folder:
            kept = _Kept(Path(folder), self._keys, len(sights), self._rows.size)
            for start in range(0, self._rows.size, PIECE):
                part = slice(start, start + PIECE)
                cells = self._survey(part)
                for date, sight in enumerate(sights):
                    kept.put(date, part, expose_levels(cells, sight, self._numbers))
            for date in range(len(sights)):
                yield kept.take(date)

    def write(self, path: Path, asset: Asset, values: NDArray[Any]) -> Written:
        """Write one layer as it comes from ``record``."""
        edge = CELL_M // asset.level
        top, left = int(self._rows.min()), int(self._columns.min())
        rows, columns = self._rows - top, self._columns - left
        box = np.zeros((rows.max() + 1, edge, columns.max() + 1, edge), values.dtype)
        box[rows, :, columns] = values.reshape(-1, edge, edge)
        return write_window(
            path,
            box.reshape(box.shape[0] * edge, -1),
            _finer(self._frame, asset.level),
            corner=(top * edge, left * edge),
            nodata=0,
            averaged=asset.common_name is not None,
        )

    def coarse(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a layer as a small raster (y, x) of the granule, 0 where nothing is.

        Pixels are taken as they are, not averaged.
        """
        first = values.reshape(self._rows.size, -1)[:, 0]
        return self._frame.fill(self._rows, self._columns, first, nodata=0)

    def _survey(self, part: slice) -> Cells:
        """Return what stands on some cells."""
        grid = self._order.terrain.crs
        fine = _finer(self._frame, FINE_M)
        rows, columns = self._rows[part], self._columns[part]
        down, across = np.divmod(np.arange(ACROSS**2), ACROSS)
        fine_rows = (rows[:, None] * ACROSS + down).ravel()
        fine_columns = (columns[:, None] * ACROSS + across).ravel()
        x, y = fine.places(fine_rows, fine_columns, grid)
        strip = fine.strip(int(fine_rows.min()), int(np.ptp(fine_rows)) + 1)
        shore = self._order.terrain.shore(
            strip.shape, strip.transform, pyproj.CRS(fine.epsg)
        )
        here = shore[fine_rows - fine_rows.min(), fine_columns]
        land = self._order.world.at(x, y, here)
        return Cells(self._frame.numbers(rows, columns), x, y, land)


class _Kept:
    """Recorded numbers that wait in files until all pieces of a granule are there.

    Files are mapped for a moment at a time, so that they do not fill the memory.
    """

    def __init__(
        self, folder: Path, keys: Mapping[int, Sequence[str]], dates: int, count: int
    ) -> None:
        self._folder, self._keys = folder, keys
        self._shapes = {
            level: (dates, len(keys[level]), count, _pixels(level)) for level in keys
        }
        self._classes = np.empty((dates, count, _pixels(SCL.level)), dtype=np.uint8)

    def put(self, date: int, part: slice, found: Levels) -> None:
        """Keep some cells of a date."""
        for level, numbers in found.dn.items():
            self._open(level)[date, :, part] = numbers
        self._classes[date, part] = found.scl

    def take(self, date: int) -> Layers:
        """Return a date's layers."""
        layers: dict[str, NDArray[Any]] = {SCL.key: self._classes[date]}
        for level, keys in self._keys.items():
            layers |= dict(zip(keys, self._open(level)[date], strict=True))
        return layers

    def _open(self, level: int) -> NDArray[np.uint16]:
        path, shape = self._folder / f"{level}.dat", self._shapes[level]
        mode: Literal["r+", "w+"] = "r+" if path.exists() else "w+"
        return np.memmap(path, dtype=np.uint16, mode=mode, shape=shape)


def _pixels(level: int) -> int:
    """Return the pixels of a cell at a level."""
    return int((CELL_M // level) ** 2)


def _finer(frame: Frame, level: int) -> Frame:
    """Return the frame of 60 m in pixels of a level."""
    edge = CELL_M // level
    return replace(
        frame,
        width=frame.width * edge,
        height=frame.height * edge,
        pixel_size=float(level),
    )

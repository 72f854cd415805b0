"""Tiles of the store to one picture per region, at the size that a page shows."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.features import geometry_mask
from rasterio.transform import from_origin

from qhsink.grid import transformer
from qhsink.reporting.record import RegionPicture
from qhsink.steps.map_bands import NODATA, SCALE
from qhsink.steps.plan import RunPlan
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.store import Store

MAX_EDGE_PX = 900
"""Longest edge of a picture [pixels]: what a page shows, not what was computed."""


def region_picture(
    plan: RunPlan,
    region_id: str,
    outcomes: Sequence[TileOutcome],
    tiles: Collection[str],
) -> RegionPicture | None:
    """Return the picture of a region's latest map; None when it has none.

    The peak season's map is shown when there is one, else the month's.
    """
    kind = plan.kinds[-1] if plan.kinds else "month"
    done = [
        outcome
        for outcome in outcomes
        if outcome.kind == kind and outcome.tile in tiles and outcome.error is None
    ]
    if not done:
        return None
    outline = plan.region_geometry(region_id)
    lattice = _Lattice(outline.bounds, plan.grid.pixel_size)
    store = Store(plan.setup.settings.store)
    values, spread = lattice.empty(np.uint16, NODATA), lattice.empty(np.uint16, NODATA)
    n_clear, flags = lattice.empty(np.uint8, 0), lattice.empty(np.uint8, 0)
    for outcome in done:
        folder = store.folder_of("maps", outcome.keys["maps"])
        lattice.paste(folder / "fvc.tif", (values, spread))
        lattice.paste(folder / "quality.tif", (n_clear, flags))
    outside = geometry_mask([outline], values.shape, lattice.transform)
    return RegionPicture(
        region_id=region_id,
        values=_physical(values, outside),
        spread=_physical(spread, outside),
        n_clear=np.where(outside, 0, n_clear).astype(np.uint8),
        flags=np.where(outside, 0, flags).astype(np.uint8),
        extent=lattice.extent,
        outline=outline,
        pixel_size_m=plan.grid.pixel_size,
        north_deg=_north(outline.centroid.x, outline.centroid.y, plan.grid.crs),
    )


class _Lattice:
    """A coarse lattice over a region, onto which tiles are pasted by nearest pixel."""

    def __init__(
        self, bounds: tuple[float, float, float, float], pixel_size: float
    ) -> None:
        left, bottom, right, top = bounds
        edge = max(right - left, top - bottom)
        step = max(1, math.ceil(edge / (pixel_size * MAX_EDGE_PX)))
        self.size = pixel_size * step
        self.left = math.floor(left / self.size) * self.size
        self.top = math.ceil(top / self.size) * self.size
        self.width = max(1, math.ceil((right - self.left) / self.size))
        self.height = max(1, math.ceil((self.top - bottom) / self.size))
        self.transform = from_origin(self.left, self.top, self.size, self.size)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top [m]."""
        return (
            self.left,
            self.left + self.width * self.size,
            self.top - self.height * self.size,
            self.top,
        )

    def empty(self, dtype: type[np.generic], fill: int) -> NDArray[np.generic]:
        """Return an array of the lattice's shape filled with ``fill``."""
        return np.full((self.height, self.width), fill, dtype=dtype)

    def paste(self, path: Path, layers: tuple[NDArray[np.generic], ...]) -> None:
        """Read the part of ``path`` on the lattice into ``layers``, one per band."""
        with rasterio.open(path) as file:
            edges = file.bounds
            cols = self._span(edges.left - self.left, edges.right - self.left)
            rows = self._span(self.top - edges.top, self.top - edges.bottom)
            x = self.left + (np.arange(*cols) + 0.5) * self.size
            y = self.top - (np.arange(*rows) + 0.5) * self.size
            col = np.clip(((x - edges.left) / file.res[0]).astype(int), 0, None)
            row = np.clip(((edges.top - y) / file.res[1]).astype(int), 0, None)
            window = (slice(max(rows[0], 0), rows[1]), slice(max(cols[0], 0), cols[1]))
            keep_row, keep_col = np.arange(*rows) >= 0, np.arange(*cols) >= 0
            for number, layer in enumerate(layers, start=1):
                data = file.read(number, resampling=Resampling.nearest)
                target = layer[window]
                part = data[np.ix_(row[keep_row], col[keep_col])]
                height, width = target.shape
                target[:] = part[:height, :width]

    def _span(self, start: float, stop: float) -> tuple[int, int]:
        """Return the lattice cells whose centre lies in [start, stop)."""
        return (
            math.ceil(start / self.size - 0.5),
            math.ceil(stop / self.size - 0.5),
        )


def _physical(
    stored: NDArray[np.generic], outside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    values = stored.astype(np.float32) * np.float32(SCALE)
    values[(stored == NODATA) | outside] = np.nan
    return values


def _north(x: float, y: float, crs: pyproj.CRS) -> float:
    """Return true north at a point, clockwise from grid north [deg]."""
    to_lonlat = transformer(crs, "EPSG:4326")
    lon, lat = to_lonlat.transform(x, y)
    there = to_lonlat.transform(lon, lat + 0.01, direction="INVERSE")
    return math.degrees(math.atan2(there[0] - x, there[1] - y))

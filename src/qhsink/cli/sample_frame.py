"""The sampling frame of ``sample design``: polygons or a strata raster, as strata.

Reads regions and rasters and counts their units. How many units to draw is
``estimation.design``'s, where in a polygon ``estimation.placement``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import rasterio.features
import rasterio.windows
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.config import project_dir
from qhsink.domain.errors import GridError, RegionError, TableError
from qhsink.estimation.placement import (
    Draw,
    cells_in,
    draw_random,
    draw_ranks,
    ranks_to_cells,
)
from qhsink.grid import TOLERATED_DISTORTION, areal_distortion, qinghai_albers
from qhsink.regions.database import load_database
from qhsink.regions.shapes import project
from qhsink.regions.vector_file import read_vector

WHOLE = "all"
"""Name of the only stratum where there is no stratification."""

_BLOCK_PX = 2048

Drawer = Callable[[str, int, np.random.Generator], Draw]


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that can be drawn, by stratum."""

    crs: pyproj.CRS
    """Equal-area CRS of the coordinates."""
    available: dict[str, float]
    """Units by stratum."""
    unit_area_ha: float
    """Area of a unit [ha]."""
    draw: Drawer
    """Draw so many units from a stratum."""
    source: str
    """Where the frame comes from, for the record."""
    polygons: dict[str, BaseGeometry] | None = None
    """Polygons by stratum in ``crs``; None for a raster."""


def region_polygons(
    region: str | None, path: Path | None, field: str | None
) -> tuple[dict[str, BaseGeometry], str]:
    """Return polygons by stratum on the equal-area grid, and where they come from.

    Raises
    ------
    RegionError
        When the region or the file's field is unknown, or there is no polygon.
    """
    crs = qinghai_albers()
    if region is not None:
        database = load_database(project_dir() / "aoi" / "qinghai.gpkg")
        return {WHOLE: database.geometry(region, crs)}, f"region {region}"
    if path is None:
        raise TableError(
            "no region to draw from",
            expected="--region ID, --region-file FILE or --strata-raster FILE",
            remedy="Add one of them.",
        )
    found = read_vector(path)
    names = [WHOLE] * len(found.frame)
    if field is not None:
        if field not in found.frame.columns:
            present = ", ".join(c for c in found.frame.columns if c != "geometry")
            raise RegionError(
                f"{path.name} has no field {field!r} (fields present: {present})",
                expected="the field that names the stratum of each polygon",
                remedy="Correct --strata-field.",
            )
        names = [str(value).strip() for value in found.frame[field]]
    parts: dict[str, list[BaseGeometry]] = {}
    for name, geometry in zip(names, found.frame.geometry, strict=True):
        parts.setdefault(name, []).append(project(geometry, found.crs, crs))
    joined = {name: shapely.union_all(shapes) for name, shapes in parts.items()}
    if any(shape.area == 0.0 for shape in joined.values()):
        raise RegionError(
            f"{path.name}: a stratum without area",
            expected="polygons",
            remedy="Give polygons, not points or lines.",
        )
    return joined, path.name


def polygon_frame(
    polygons: dict[str, BaseGeometry], unit_m: float, source: str
) -> Frame:
    """Return the frame of square cells of ``unit_m`` metres in ``polygons``."""

    def draw(name: str, count: int, rng: np.random.Generator) -> Draw:
        return draw_random(polygons[name], count, cell_m=unit_m, rng=rng)

    return Frame(
        crs=qinghai_albers(),
        available={name: cells_in(shape, unit_m) for name, shape in polygons.items()},
        unit_area_ha=unit_m**2 / 1e4,
        draw=draw,
        source=source,
        polygons=polygons,
    )


def raster_frame(
    path: Path, inside: BaseGeometry | None, inside_crs: pyproj.CRS
) -> Frame:
    """Return the frame of the pixels of a strata raster, one stratum per value.

    Parameters
    ----------
    inside : shapely geometry, optional
        Polygon whose pixels (by their centre) make up the frame.

    Raises
    ------
    GridError
        When the raster is not on an equal-area CRS: its pixels would not be equally
        likely per hectare.
    TableError
        When it cannot be read or holds no stratum.
    """
    try:
        with rasterio.open(path) as source:
            crs = _equal_area(source.crs, path)
            transform = source.transform
            mask = None if inside is None else project(inside, inside_crs, crs)
            counts = [_count(block) for _, block in _blocks(source, mask)]
    except rasterio.errors.RasterioIOError as error:
        raise TableError(
            f"{path}: {error}",
            expected="a raster of whole numbers, one per stratum",
            remedy="Check --strata-raster.",
        ) from error
    values = sorted({value for block in counts for value in block})
    if not values:
        raise TableError(
            f"{path}: no stratum inside the region",
            expected="whole numbers other than nodata",
            remedy="Check raster and region.",
        )

    def draw(name: str, count: int, rng: np.random.Generator) -> Draw:
        per_block = [block.get(int(name), 0) for block in counts]
        return _draw_pixels(path, mask, int(name), per_block, count, rng)

    return Frame(
        crs=crs,
        available={
            str(value): float(sum(block.get(value, 0) for block in counts))
            for value in values
        },
        unit_area_ha=abs(transform.a * transform.e) / 1e4,
        draw=draw,
        source=path.name,
    )


def _equal_area(found: Any, path: Path) -> pyproj.CRS:
    crs = None if found is None else pyproj.CRS.from_user_input(found)
    if crs is None or areal_distortion(crs) > TOLERATED_DISTORTION:
        raise GridError(
            f"{path.name} is on {crs.name if crs else 'no CRS'}",
            expected="an equal-area CRS, on which every pixel has the same area",
            remedy="Warp it to CGCS2000 Albers with nearest neighbour.",
        )
    return crs


def _blocks(
    source: Any, mask: BaseGeometry | None
) -> Iterator[tuple[rasterio.windows.Window, NDArray[np.int64]]]:
    """Yield windows with their labels; -1 outside, where there is no stratum."""
    for top in range(0, source.height, _BLOCK_PX):
        for left in range(0, source.width, _BLOCK_PX):
            window = rasterio.windows.Window(
                left,
                top,
                min(_BLOCK_PX, source.width - left),
                min(_BLOCK_PX, source.height - top),
            )
            band = source.read(1, window=window, masked=True)
            labels = np.ma.filled(band.astype(np.int64), -1)
            if mask is not None:
                outside = rasterio.features.geometry_mask(
                    [mask], labels.shape, source.window_transform(window)
                )
                labels[outside] = -1
            yield window, labels


def _count(labels: NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(labels[labels >= 0], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _draw_pixels(
    path: Path,
    mask: BaseGeometry | None,
    value: int,
    per_block: list[int],
    count: int,
    rng: np.random.Generator,
) -> Draw:
    available = sum(per_block)
    ranks = draw_ranks(available, count, rng)
    first = np.cumsum([0, *per_block])
    xs, ys = [], []
    with rasterio.open(path) as source:
        for number, (window, labels) in enumerate(_blocks(source, mask)):
            here = ranks[(ranks >= first[number]) & (ranks < first[number + 1])]
            if not len(here):
                continue
            flat = ranks_to_cells(labels, value, here - first[number])
            rows, cols = np.divmod(flat, labels.shape[1])
            x, y = source.window_transform(window) * (cols + 0.5, rows + 0.5)
            xs.append(x)
            ys.append(y)
    return Draw(
        x=np.concatenate(xs),
        y=np.concatenate(ys),
        probability=count / available,
        available=float(available),
    )

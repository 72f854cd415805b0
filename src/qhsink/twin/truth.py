"""The truth beside the archive: maps on the analysis grid and region means.

For judging estimates only: nothing in the pipeline may read it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from qhsink.twin.scenes import Terrain, write_cog
from qhsink.twin.world import ECOSYSTEMS, SNOW, WATER, World

NODATA = -1.0
QUANTUM = 1024.0
"""Cover is kept in steps of 1/1024: finer than it means, and half the bytes."""
_ROWS = 256


def write_truth(
    folder: Path,
    region_id: str,
    geometry: BaseGeometry,
    *,
    terrain: Terrain,
    world: World,
    pixel_size: float,
) -> dict[str, Any]:
    """Write a region's true maps and return its means.

    Parameters
    ----------
    folder : Path
        Folder of all truth; the region gets its own below it.
    region_id : str
        Region id.
    geometry : shapely geometry
        The region, in grid coordinates.
    terrain, world
        What the scenes are made from.
    pixel_size : float
        Edge of a pixel [m]; pixel edges are multiples of it.

    Returns
    -------
    dict
        Means over the pixels whose centre lies in the region.
    """
    left, bottom, right, top = geometry.bounds
    column, row = math.floor(left / pixel_size), math.ceil(top / pixel_size)
    shape = (
        row - math.floor(bottom / pixel_size),
        math.ceil(right / pixel_size) - column,
    )
    transform = Affine(
        pixel_size, 0.0, column * pixel_size, 0.0, -pixel_size, row * pixel_size
    )
    inside = rasterize(
        [(geometry, 1)], out_shape=shape, transform=transform, dtype="uint8"
    )
    shore = terrain.shore(shape, transform, terrain.crs)
    cover = np.full(shape, NODATA, dtype=np.float32)
    canopy = np.full(shape, NODATA, dtype=np.float32)
    kind = np.zeros(shape, dtype=np.uint8)
    for first in range(0, shape[0], _ROWS):  # bounded memory, whatever the region
        part = slice(first, first + _ROWS)
        rows, columns = np.nonzero(inside[part])
        x = np.asarray(transform.c + (columns + 0.5) * pixel_size, dtype=np.float64)
        y = np.asarray(
            transform.f - (rows + first + 0.5) * pixel_size, dtype=np.float64
        )
        land = world.at(x, y, shore[part][rows, columns])
        cover[part][rows, columns] = np.round(land.fvc_peak * QUANTUM) / QUANTUM
        canopy[part][rows, columns] = np.round(land.canopy * QUANTUM) / QUANTUM
        kind[part][rows, columns] = land.ecosystem
    place = folder / region_id
    place.mkdir(parents=True)
    crs = terrain.crs.to_wkt()
    for name, values, nodata, predictor in (
        ("fvc_peak", cover, NODATA, 3),
        ("canopy_cover", canopy, NODATA, 3),
        ("ecosystem", kind, 0, 2),
    ):
        write_cog(
            place / f"{name}.tif",
            values,
            transform=transform,
            crs=crs,
            nodata=nodata,
            predictor=predictor,
        )
    return _means(cover, canopy, kind, pixel_size)


def _means(
    cover: np.ndarray[Any, Any],
    canopy: np.ndarray[Any, Any],
    kind: np.ndarray[Any, Any],
    pixel_size: float,
) -> dict[str, Any]:
    inside = kind > 0
    land = inside & (kind != WATER)
    green = land & (kind != SNOW)
    hectares = pixel_size**2 / 10_000.0
    areas = np.bincount(kind[inside], minlength=max(ECOSYSTEMS) + 1) * hectares
    return {
        "area_ha": round(float(inside.sum()) * hectares, 2),
        "fvc_peak_mean": _mean(cover, inside),
        "fvc_peak_mean_without_water": _mean(cover, land),
        "fvc_peak_mean_without_water_and_ice": _mean(cover, green),
        "canopy_cover_mean": _mean(canopy, inside),
        "ecosystem_ha": {
            ECOSYSTEMS[code][0]: round(float(areas[code]), 2) for code in ECOSYSTEMS
        },
    }


def _mean(values: np.ndarray[Any, Any], where: np.ndarray[Any, Any]) -> float | None:
    return (
        round(float(values[where].mean(dtype=np.float64)), 6) if where.any() else None
    )


def legend() -> dict[str, Any]:
    """Return what the numbers in the truth's maps mean."""
    return {
        "fvc_peak": "fractional green cover at the peak of the season, 0..1",
        "canopy_cover": "tree crown cover, 0..1",
        "ecosystem": {
            str(code): {"en": english, "zh": chinese}
            for code, (english, chinese) in ECOSYSTEMS.items()
        },
    }

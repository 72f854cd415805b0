"""The truth beside the archive: maps on the analysis grid, region means, events.

For judging estimates only: nothing in the pipeline may read it. What is true is
decided in ``qhsink.twin.ground``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pyogrio
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from qhsink.twin.classes import CODES, ECOSYSTEMS, GRASSLAND, SNOW, WATER
from qhsink.twin.cog import write_cog
from qhsink.twin.ground import ground_on
from qhsink.twin.orders import Terrain
from qhsink.twin.world import World

_ROWS = 128
MONTHS = (5, 6, 7, 8, 9)
"""Months whose 15th has maps."""


class Layer(NamedTuple):
    """How one map of the truth is kept."""

    field: str
    """Field of ``Ground``."""
    scale: float
    """Value of one digital number."""
    dtype: str
    unit: str
    meaning: str

    @property
    def nodata(self) -> int:
        """The largest number says: outside the region."""
        return 0 if self.dtype == "uint8" and self.scale == 1.0 else self.top

    @property
    def top(self) -> int:
        """Return the largest digital number."""
        return int(np.iinfo(self.dtype).max)


LAYERS = {
    "fvc_peak": Layer("fvc", 0.0005, "uint16", "1", "green cover at the peak"),
    "canopy_cover": Layer("canopy_cover", 0.001, "uint16", "1", "tree crown cover"),
    "shrub_cover": Layer("shrub_cover", 0.001, "uint16", "1", "shrub crown cover"),
    "lai": Layer("lai", 0.005, "uint16", "m2 m-2", "green leaf area at the peak"),
    "agb_grass": Layer(
        "agb_grass", 0.5, "uint16", "g DM m-2", "living herbs at the peak"
    ),
    "agb_forest": Layer("agb_forest", 0.05, "uint16", "Mg DM ha-1", "trees"),
    "growing_stock": Layer(
        "growing_stock", 0.05, "uint16", "m3 ha-1", "stems of arbor forest"
    ),
    "elevation": Layer("elevation", 1.0, "uint16", "m", "height"),
    "ecosystem": Layer("ecosystem", 1.0, "uint8", "code", "class at the peak"),
}
"""Maps at the year's peak season, by file name."""

MONTHLY = {
    "fvc": Layer("fvc", 0.005, "uint8", "1", "green cover on the 15th of the month"),
    "lai": Layer("lai", 0.04, "uint8", "m2 m-2", "green leaf area on that day"),
    "agb_grass": Layer("agb_grass", 4.0, "uint8", "g DM m-2", "living herbs then"),
}
"""Maps of each of ``MONTHS``, by the start of the file name: what the season changes.
Crowns and trees change by events alone, from the date in ``events.gpkg`` on."""


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
    inside, transform = _lattice(geometry, pixel_size)
    numbers = _survey(inside, transform, terrain=terrain, world=world)
    place = folder / region_id
    place.mkdir(parents=True)
    crs = terrain.crs.to_wkt()
    for name, (layer, values) in numbers.items():
        raster = np.full(inside.shape, layer.nodata, dtype=layer.dtype)
        raster[inside] = values
        write_cog(
            place / f"{name}.tif",
            raster,
            transform=transform,
            crs=crs,
            nodata=layer.nodata,
            scale=layer.scale,
            unit=layer.unit,
        )
    return _means(numbers, pixel_size)


def _lattice(
    geometry: BaseGeometry, pixel_size: float
) -> tuple[NDArray[np.bool_], Affine]:
    """Return which pixels lie in a region, and their transform on the grid."""
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
    return inside == 1, transform


def _survey(
    inside: NDArray[np.bool_], transform: Affine, *, terrain: Terrain, world: World
) -> dict[str, tuple[Layer, NDArray[Any]]]:
    """Return digital numbers of every map at the pixels inside, in row order."""
    kept: dict[str, list[NDArray[Any]]] = {}
    layers = _all_layers()
    shore = terrain.shore(inside.shape, transform, terrain.crs)
    for first in range(0, inside.shape[0], _ROWS):  # bounded memory
        part = slice(first, first + _ROWS)
        rows, columns = np.nonzero(inside[part])
        x = np.asarray(transform.c + (columns + 0.5) * transform.a, dtype=np.float64)
        y = np.asarray(
            transform.f + (rows + first + 0.5) * transform.e, dtype=np.float64
        )
        land = world.at(x, y, shore[part][rows, columns])
        peak = ground_on(land)
        for name, layer in LAYERS.items():
            values = getattr(peak, layer.field)
            kept.setdefault(name, []).append(_numbers(values, layer))
        for month in MONTHS:
            day = dt.date(world.year, month, 15).timetuple().tm_yday
            then = ground_on(land, float(day))
            for name, layer in MONTHLY.items():
                values = _numbers(getattr(then, layer.field), layer)
                kept.setdefault(f"{name}_{month:02d}", []).append(values)
    # One map at a time: all of them twice would be half a gigabyte of a large region.
    return {name: (layers[name], np.concatenate(kept.pop(name))) for name in list(kept)}


def _all_layers() -> dict[str, Layer]:
    """Return the maps of the peak and of the months, by file name."""
    months = {
        f"{name}_{month:02d}": layer
        for name, layer in MONTHLY.items()
        for month in MONTHS
    }
    return LAYERS | months


def _numbers(values: NDArray[Any], layer: Layer) -> NDArray[Any]:
    """Return digital numbers of a field; the largest is kept for nodata."""
    steps = np.rint(values / layer.scale)
    numbers: NDArray[Any] = np.clip(steps, 0, layer.top - 1).astype(layer.dtype)
    return numbers


def write_events(
    path: Path, world: World, regions: Sequence[tuple[str, BaseGeometry]], crs: Any
) -> None:
    """Write the events that meet the regions as a GeoPackage in grid coordinates."""
    found: dict[tuple[float, ...], dict[str, Any]] = {}
    for name, shape in regions:
        for event in world.events_over(shape.bounds):
            if not event.outline.intersects(shape):
                continue
            row = found.setdefault(
                event.outline.bounds,
                {
                    "kind": event.kind,
                    "kind_zh": event.kind_zh,
                    "date": event.date.isoformat(),
                    "severity": event.severity,
                    "area_ha": round(event.outline.area / 1e4, 2),
                    "regions": [],
                    "geometry": event.outline,
                },
            )
            row["regions"].append(name)
    rows = [found[key] | {"regions": " ".join(found[key]["regions"])} for key in found]
    columns = ["kind", "kind_zh", "date", "severity", "area_ha", "regions", "geometry"]
    table = gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=crs)
    path.parent.mkdir(parents=True, exist_ok=True)
    # GeoPackage stamps the time of writing: the archive follows from the seed alone.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        table.to_file(
            path,
            layer="events",
            driver="GPKG",
            engine="pyogrio",
            geometry_type="Polygon",
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _means(
    numbers: Mapping[str, tuple[Layer, NDArray[Any]]], pixel_size: float
) -> dict[str, Any]:
    """Return a region's means and totals, one map in memory at a time."""

    def values(name: str) -> NDArray[np.float64]:
        layer, found = numbers[name]
        return np.asarray(found * layer.scale, dtype=np.float64)

    kind = numbers["ecosystem"][1]
    land, grassland = kind != WATER, np.isin(kind, GRASSLAND)
    everywhere = np.ones(kind.size, dtype=np.bool_)
    hectares = pixel_size**2 / 10_000.0
    areas = np.bincount(kind, minlength=CODES) * hectares
    cover, herbs = values("fvc_peak"), values("agb_grass")
    totals = {
        "agb_grass_t": herbs.sum() * hectares * 0.01,
        "agb_forest_t": values("agb_forest").sum() * hectares,
        "growing_stock_m3": values("growing_stock").sum() * hectares,
    }
    return {
        "area_ha": round(kind.size * hectares, 2),
        "fvc_peak_mean": _mean(cover, everywhere),
        "fvc_peak_mean_without_water": _mean(cover, land),
        "fvc_peak_mean_without_water_and_ice": _mean(cover, land & (kind != SNOW)),
        "fvc_peak_mean_grassland": _mean(cover, grassland),
        "canopy_cover_mean": _mean(values("canopy_cover"), everywhere),
        "shrub_cover_mean": _mean(values("shrub_cover"), everywhere),
        "lai_mean": _mean(values("lai"), everywhere),
        "agb_grass_mean_grassland": _mean(herbs, grassland),
        **{name: round(float(total), 2) for name, total in totals.items()},
        "ecosystem_ha": {
            ECOSYSTEMS[code][0]: round(float(areas[code]), 2) for code in ECOSYSTEMS
        },
    }


def _mean(values: NDArray[Any], where: NDArray[np.bool_]) -> float | None:
    return (
        round(float(values[where].mean(dtype=np.float64)), 6) if where.any() else None
    )


def legend() -> dict[str, Any]:
    """Return what the maps hold and what their numbers mean."""
    return {
        "layers": {
            name: {
                "meaning": layer.meaning,
                "unit": layer.unit,
                "scale": layer.scale,
                "nodata": layer.nodata,
            }
            for name, layer in _all_layers().items()
        },
        "events": "events.gpkg: from its date on the pixels inside show an event",
        "ecosystem": {
            str(code): {"en": english, "zh": chinese}
            for code, (english, chinese) in ECOSYSTEMS.items()
        },
    }

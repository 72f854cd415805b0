"""One granule of the archive: simulate its dates and write their files.

Which granules there are and how the archive is sealed is decided elsewhere.
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

from qhsink.store import file_digest
from qhsink.twin import catalog
from qhsink.twin.granules import Granule, sun_position, transformer
from qhsink.twin.sensor import expose
from qhsink.twin.sky import Light, cirrus_field, cloud_field
from qhsink.twin.spec import Pass, TwinSpec
from qhsink.twin.world import World

MIDDLE = (98.5, 36.5)
"""Longitude and latitude at which one sun serves the whole archive [deg]."""

PROVINCE_M = (-1_450_000.0, 3_350_000.0, -150_000.0, 4_300_000.0)
"""Where the shares of cloud and cirrus in the configuration hold (grid bounds) [m]."""

COG_OPTIONS = {
    "driver": "COG",
    "compress": "deflate",
    "level": 1,
    "predictor": 2,
    "blocksize": 512,
    "overview_resampling": "nearest",
    "sparse_ok": True,
    "num_threads": 1,
}


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


def project(
    geometry: BaseGeometry, source: Any, target: Any, *, spacing: float = 2_000.0
) -> BaseGeometry:
    """Return ``geometry`` in another CRS, with long edges split first."""
    move = transformer(source, target)
    return shapely.transform(
        shapely.segmentize(geometry, spacing),
        lambda points: np.column_stack(move.transform(points[:, 0], points[:, 1])),
    )


def lights(spec: TwinSpec, *, seed: int, year: int) -> list[Light]:
    """Return sun, clouds and season of every pass.

    Clouds lie where a noise field exceeds the quantile that gives the pass's share
    over a lattice across the province, whatever regions are asked for.
    """
    left, low, right, high = PROVINCE_M
    mesh = np.meshgrid(np.linspace(left, right, 97), np.linspace(low, high, 71))
    x, y = mesh[0].ravel(), mesh[1].ravel()
    found = []
    for number, when in enumerate(spec.passes):
        taken = catalog.moment(when, year)
        elevation, azimuth = sun_position(taken, *MIDDLE)
        sky = seed * 1_009 + number * 17
        # Grid north leaves true north by Albers' convergence, below 4 degrees here.
        turn = np.radians(azimuth)
        found.append(
            Light(
                float(taken.timetuple().tm_yday),
                float(np.sin(turn)),
                float(np.cos(turn)),
                float(np.sin(np.radians(elevation))),
                float(np.quantile(cloud_field(x, y, sky), 1.0 - when.cloud)) - 0.05,
                float(np.quantile(cirrus_field(x, y, sky), 1.0 - when.cirrus)),
                when.snow_line_m,
                sky,
                spec.sensor.swath_m,
                spec.sensor.view_edge_deg,
            )
        )
    return found


def write_granule(  # noqa: PLR0913 - everything a granule is made from
    folder: Path,
    granule: Granule,
    part: BaseGeometry,
    *,
    terrain: Terrain,
    world: World,
    spec: TwinSpec,
    year: int,
    skies: Sequence[Light],
    step_done: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Simulate ``part`` of a granule into ``folder``; return its dates' items."""
    valid = project(part, terrain.crs, granule.epsg).intersection(granule.outline)
    shape = (granule.size, granule.size)
    inside = rasterize(
        [(valid, 1)], out_shape=shape, transform=granule.transform, dtype="uint8"
    )
    rows, columns = np.nonzero(inside)
    flat = rows * granule.size + columns
    x, y = granule.grid_places(rows, columns, terrain.crs)
    shore = terrain.shore(shape, granule.transform, pyproj.CRS(granule.epsg))
    land = world.at(x, y, shore[rows, columns])
    pixel = np.stack(
        [
            columns + int(granule.left // granule.pixel_size),
            int(granule.top // granule.pixel_size) - rows,
        ]
    )
    footprint = catalog.outline_lonlat(valid, pyproj.CRS(granule.epsg))
    instrument, confusion = spec.sensor.instrument(), spec.sensor.confusion()
    coding = {
        "scale": spec.sensor.scale,
        "offset": spec.sensor.offset,
        "baseline": spec.sensor.baseline,
        "seed": world.seed,
    }
    items = []
    for when, light in zip(spec.passes, skies, strict=True):
        optics = spec.optics(when.platform)
        seen = expose(land, x, y, pixel, light, optics, instrument, confusion)
        place = folder / granule.name / catalog.item_id(granule, when, year)
        files = _write_files(place, granule, flat, [*seen.dn, seen.scl])
        counts = np.bincount(seen.scl, minlength=12) / max(seen.scl.size, 1)
        items.append(
            _write_item(
                place,
                catalog.item(
                    granule,
                    when,
                    year=year,
                    footprint=footprint,
                    shares=dict(enumerate(counts.tolist())),
                    nodata_share=1.0 - flat.size / inside.size,
                    files=files,
                    coding=coding,
                ),
            )
        )
        step_done(f"{granule.name} {when.on(year)}")
    return items


def _write_item(place: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (place / f"{document['id']}.json").write_text(text, encoding="utf-8")
    return dict(document)


def _write_files(
    place: Path,
    granule: Granule,
    flat: NDArray[np.int64],
    layers: Sequence[NDArray[np.generic]],
) -> dict[str, catalog.Written]:
    place.mkdir(parents=True)
    written = {}
    for asset, values in zip(catalog.ASSETS, layers, strict=True):
        raster = np.zeros(granule.size * granule.size, dtype=values.dtype)
        raster[flat] = values
        path = place / f"{asset.file}.tif"
        write_cog(
            path,
            raster.reshape(granule.size, granule.size),
            transform=granule.transform,
            crs=f"EPSG:{granule.epsg}",
            nodata=0,
        )
        written[asset.key] = catalog.Written(path.stat().st_size, file_digest(path))
    return written


def write_cog(
    path: Path,
    values: NDArray[Any],
    *,
    transform: Affine,
    crs: str,
    nodata: float,
    **options: Any,
) -> None:
    """Write one band (y, x) as a cloud-optimised GeoTIFF."""
    # One GDAL environment per thread: rasterio's is thread-local.
    with (
        rasterio.Env(GDAL_CACHEMAX=64),
        rasterio.open(
            path,
            "w",
            **(COG_OPTIONS | options),
            height=values.shape[0],
            width=values.shape[1],
            count=1,
            dtype=values.dtype,
            crs=crs,
            transform=transform,
            nodata=nodata,
        ) as file,
    ):
        file.write(values, 1)


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


def pass_days(passes: Sequence[Pass], year: int) -> tuple[Any, Any]:
    """Return the first and last day of ``passes``."""
    days = sorted(when.on(year) for when in passes)
    return days[0], days[-1]

"""The simulated country as the Copernicus DEM shows it: tiles of one degree, float32.

Heights are the world's own with a stated error; canopies and houses, which the real
surface model shows, are left out. What the relief is like is decided in ``terrain``.

References
----------
Copernicus Digital Elevation Model product handbook, AO/1-9422/18/I-LG (tiles, names,
half-pixel edges; vertical accuracy).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyproj
import shapely
from numba import njit
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.twin.catalog import COG, Shelf, Written, checksums, feature, lattice
from qhsink.twin.cog import FLOAT_PREDICTOR, write_raster
from qhsink.twin.frames import LONLAT, Counts, Frame, project
from qhsink.twin.noise import OCTAVE_SD, gradient_noise, random_pair, table_value
from qhsink.twin.orders import Done, Item, Job, Order, write_item
from qhsink.twin.places import CHUNK
from qhsink.twin.product_spec import DemSection
from qhsink.twin.terrain import RELIEF_ROOM, fill_heights
from qhsink.twin.world import World

SHELF = Shelf(
    "cop-dem-glo-30",
    "Copernicus DEM GLO-30",
    "Heights of the simulated terrain on the tiles, with the names and item fields of "
    "Earth Search's cop-dem-glo-30; NaN outside the regions and their surroundings. "
    "Postings are as coarse as the archive's pixels ask for. Bare ground: no canopy.",
    "copernicus-dem",
)
RELEASED = "2021-04-22T00:00:00Z"
"""Date that real items carry."""
ARCSEC_M = 30.92
"""Length of an arc second of latitude [m]."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A square degree."""

    north: int
    """Latitude of the south edge [deg]."""
    east: int
    """Longitude of the west edge [deg]."""
    posting: int
    """Distance of postings [arc seconds]; divides 3600."""

    @property
    def name(self) -> str:
        """Name of the real product."""
        return f"Copernicus_DSM_COG_10_N{self.north:02d}_00_E{self.east:03d}_00_DEM"

    @property
    def frame(self) -> Frame:
        """The raster: the first posting lies on the north-west corner."""
        edge, count = self.posting / 3600.0, 3600 // self.posting
        half = edge / 2.0
        return Frame(
            LONLAT, self.east - half, self.north + 1 + half, count, count, edge
        )


def jobs(order: Order) -> list[Job]:
    """Return one job a tile."""
    posting = posting_for(order.pixel_size, order.spec.dem)
    lonlat = project(order.area, order.terrain.crs, LONLAT)
    west, south, east, north = lonlat.bounds
    tiles = [
        Tile(lat, lon, posting)
        for lat in range(math.floor(south), math.floor(north) + 1)
        for lon in range(math.floor(west), math.floor(east) + 1)
    ]
    parts = [(tile, lonlat.intersection(tile.frame.outline)) for tile in tiles]
    # A square degree is some ten thousand square kilometres.
    return [
        Job(part.area * 1e10, 1, partial(_make, order, tile, part))
        for tile, part in parts
        if part.area > 0.0
    ]


def posting_for(pixel_size: float, rules: DemSection) -> int:
    """Return the posting [arc seconds] that suits an archive's pixel [m].

    The largest divisor of a degree's 3600 that is at most ``posting_px`` pixels.
    """
    most = max(rules.posting_px * pixel_size / ARCSEC_M, 1.0)
    return max(n for n in range(1, int(most) + 1) if 3600 % n == 0)


def _make(order: Order, tile: Tile, part: BaseGeometry, done: Done) -> list[Item]:
    """Write a tile and its item."""
    place = order.folder / SHELF.id / tile.name
    place.mkdir(parents=True)
    frame = tile.frame
    rows, columns = frame.burn(part)
    values = heights(frame, rows, columns, order.terrain.crs, order.world)
    values = _with_error(values, frame.numbers(rows, columns), tile, order)
    file = write_raster(
        place / f"{tile.name}.tif",
        frame.fill(rows, columns, values.astype(np.float32), nodata=math.nan),
        frame,
        nodata=math.nan,
        predictor=FLOAT_PREDICTOR,
    )
    item = _item(tile, part, file, order)
    done(tile.name)
    return [write_item(place, item)]


def heights(
    frame: Frame,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    crs: pyproj.CRS,
    world: World,
) -> NDArray[np.float64]:
    """Return the true height [m] at pixels of a frame, shape (n,).

    Notes
    -----
    Large-scale height and its spread, on nodes 50 km apart, are taken between the
    frame's own nodes, 2 km apart (error below 0.5 m).
    """
    nodes, climate = frame.nodes(crs), world.climate
    corner = (climate.left, climate.top, climate.step)
    wide = [
        _sample(t, nodes.x, nodes.y, corner) for t in (world.elevation, world.relief)
    ]
    x, y, base, rough = frame.between(
        rows, columns, nodes, np.stack([nodes.x, nodes.y, *wide])
    )
    found = np.empty(rows.size)
    _fill_heights(x, y, base, rough, world.seed, found)
    return found


@njit(nogil=True, cache=True)
def _sample(
    table: np.ndarray, x: np.ndarray, y: np.ndarray, corner: tuple[float, float, float]
) -> np.ndarray:
    found = np.empty(x.shape)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            found[i, j] = table_value(
                table, x[i, j], y[i, j], corner[0], corner[1], corner[2]
            )
    return found


@njit(nogil=True, cache=True)
def _fill_heights(
    x: np.ndarray,
    y: np.ndarray,
    base: np.ndarray,
    rough: np.ndarray,
    seed: int,
    found: np.ndarray,
) -> None:
    room = np.empty((RELIEF_ROOM, CHUNK))
    for start in range(0, x.size, CHUNK):
        part = slice(start, min(start + CHUNK, x.size))
        fill_heights(x[part], y[part], base[part], rough[part], seed, room, found[part])


def _with_error(
    values: NDArray[np.float64], number: Counts, tile: Tile, order: Order
) -> NDArray[np.float64]:
    """Return heights as the product has them: with its errors, in its steps."""
    rules, found = order.spec.dem, np.empty(values.size)
    cell = rules.error_range_m / (tile.posting * ARCSEC_M)
    smooth = rules.error_smooth_m / OCTAVE_SD
    scale = (cell, smooth, rules.error_own_m, rules.step_m)
    _fill_error(values, number, scale, order.world.seed, found)
    return found


@njit(nogil=True, cache=True)
def _fill_error(
    values: np.ndarray,
    number: np.ndarray,
    scale: tuple[float, float, float, float],
    seed: int,
    found: np.ndarray,
) -> None:
    """Fill heights with a smooth error and each posting's own, in steps."""
    cell, smooth, own, step = scale
    for k in range(values.size):
        i, j = number[0, k], number[1, k]
        single, _ = random_pair(i, j, seed + 951)
        error = smooth * gradient_noise(i / cell, j / cell, seed + 950) + own * single
        found[k] = step * math.floor((values[k] + error) / step + 0.5)


def _item(tile: Tile, part: BaseGeometry, file: Written, order: Order) -> Item:
    frame, rules = tile.frame, order.spec.dem
    gsd = round(tile.posting * ARCSEC_M / 10.0) * 10
    properties = {
        "datetime": RELEASED,
        "created": RELEASED,
        "platform": "tandem-x",
        "gsd": gsd,
        "proj:epsg": LONLAT,
        **lattice(frame),
        "proj:centroid": {"lat": tile.north + 0.5, "lon": tile.east + 0.5},
        "grid:code": f"CDEM-N{tile.north:02d}E{tile.east:03d}",
        "qhsink:seed": order.world.seed,
        "qhsink:vertical_error_m": round(
            math.hypot(rules.error_smooth_m, rules.error_own_m), 3
        ),
    }
    asset = {
        "href": f"./{tile.name}.tif",
        "type": COG,
        "title": "Data",
        "raster:bands": [
            {
                "sampling": "point",
                "data_type": "float32",
                "spatial_resolution": gsd,
                "unit": "meter",
            }
        ],
        **checksums(file),
        "roles": ["data"],
    }
    return feature(
        tile.name,
        SHELF.id,
        footprint=shapely.orient_polygons(part.convex_hull),
        properties=properties,
        assets={"data": asset},
        extensions=(
            "projection/v1.1.0",
            "grid/v1.1.0",
            "raster/v1.1.0",
            "file/v2.1.0",
        ),
        depth=1,
    )

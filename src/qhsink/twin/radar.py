"""Sentinel-1 RTC of the archive: which frames, their dates and files.

What a pixel scatters is decided in ``backscatter``, what an item says in
``radar_items``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from qhsink.grid import transformer
from qhsink.twin.backscatter import Beam, from_db, looks_of, scatter
from qhsink.twin.catalog import outline_lonlat
from qhsink.twin.cog import FLOAT_PREDICTOR, write_raster
from qhsink.twin.frames import LONLAT, frame_around, project
from qhsink.twin.granules import OVERLAP_M, few_that_cover
from qhsink.twin.orders import Done, Ground, Item, Job, Order, Strips, write_item
from qhsink.twin.product_spec import RadarPass, RadarSection
from qhsink.twin.radar_items import (
    ACROSS_M,
    ALONG_M,
    NODATA,
    SHELF,
    Cell,
    item,
    item_id_of,
)
from qhsink.twin.sensor import places

HEADING = {"ascending": -13.0, "descending": 193.0}
"""Azimuth of flight near 36 N [deg]; the radar looks to its right."""
POLARISATIONS = ("vv", "vh")
BLOCK = 200_000
"""Pixels handled at a time: bounds memory, changes no value."""


def jobs(order: Order) -> list[Job]:
    """Return one job a frame: all its dates."""
    outlines = {
        cell: project(outline, cell.epsg, order.terrain.crs)
        for cell, outline in _cells(order)
    }
    parts = few_that_cover(order.area, outlines, least_m2=order.radar_pixel**2)
    dates = len(_passes(order))
    return [
        Job(part.area * dates / 4.0, dates, partial(_make, order, cell, part))
        for cell, part in parts
    ]


def _passes(order: Order) -> list[tuple[int, RadarPass]]:
    """Return the passes asked for, with their number among all: their draws are its."""
    return [
        (number, when)
        for number, when in enumerate(order.spec.radar.passes)
        if order.orbits in ("both", when.orbit)
    ]


def _cells(order: Order) -> Iterator[tuple[Cell, BaseGeometry]]:
    """Yield the cells near the area, each with what its own zone leaves of it."""
    to_lonlat = transformer(order.terrain.crs, LONLAT)
    west, south, east, north = to_lonlat.transform_bounds(*order.area.bounds)
    for zone in range(int((west + 180) // 6) + 1, int((east + 180) // 6) + 2):
        edge = zone * 6.0 - 186.0
        # A little beyond the zone, so that the parts of two zones overlap.
        near = box(max(west, edge) - 0.05, south, min(east, edge + 6.0) + 0.05, north)
        strip = project(near, LONLAT, 32600 + zone, spacing=0.05)
        left, low, right, high = strip.bounds
        for column in range(int(left // ACROSS_M), int(right // ACROSS_M) + 1):
            for row in range(int(low // ALONG_M), int(high // ALONG_M) + 1):
                cell = Cell(zone, column, row)
                shown = cell.outline.buffer(OVERLAP_M).intersection(strip)
                if not shown.is_empty:
                    yield cell, shown


def _make(order: Order, cell: Cell, part: BaseGeometry, done: Done) -> list[Item]:
    """Simulate ``part`` of a cell on all dates; return the items."""
    valid = project(part, order.terrain.crs, cell.epsg)
    frame = frame_around(valid, epsg=cell.epsg, pixel_size=order.radar_pixel)
    strips, rules = Strips(order, part, frame), order.spec.radar
    items = []
    for number, when in _passes(order):
        item_id = item_id_of(cell, when, order.year)
        place = order.folder / SHELF.id / item_id
        place.mkdir(parents=True)
        see = partial(
            _record,
            day=float(when.on(order.year).timetuple().tm_yday),
            snow_line=when.snow_line_m,
            beam=beam_of(order, when, number),
            rules=rules,
        )
        layers = strips.record(see, nodata=(NODATA, NODATA))
        files = {
            name: write_raster(
                place / f"{name}.tif",
                values,
                frame,
                nodata=NODATA,
                predictor=FLOAT_PREDICTOR,
            )
            for name, values in zip(POLARISATIONS, layers, strict=True)
        }
        footprint = outline_lonlat(valid, cell.epsg)
        made = item((item_id, cell, when), frame, footprint, files, order)
        items.append(write_item(place, made))
        done(f"{cell.zone} {when.on(order.year)} radar")
    return items


def _record(
    here: Ground, *, day: float, snow_line: float, beam: Beam, rules: RadarSection
) -> Sequence[np.ndarray[Any, Any]]:
    """Return what a strip scatters on a date."""
    pixel = here.pixel
    found = np.empty((2, here.x.size), dtype=np.float32)
    for start in range(0, here.x.size, BLOCK):
        part = slice(start, start + BLOCK)
        found[:, part] = scatter(
            places(here.land, part),
            here.x[part],
            here.y[part],
            pixel[:, part],
            day=day,
            snow_line=snow_line,
            beam=beam,
            rules=rules,
        )
    return [_shortened(values) for values in found]


def _shortened(values: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    """Return values with the last eleven bits of the mantissa rounded off.

    The error is below 0.013 % and the file a third smaller: speckle has no pattern
    that a compressor could use.
    """
    bits = values.view(np.uint32)
    return ((bits + np.uint32(0x400)) & np.uint32(0xFFFFF800)).view(np.float32)


def beam_of(order: Order, when: RadarPass, number: int) -> Beam:
    """Return geometry, moisture and noise of a date."""
    rules = order.spec.radar
    # The radar stands to the left of where it looks to: 90 degrees left of flight.
    towards = math.radians(HEADING[when.orbit] - 90.0)
    return Beam(
        look_x=math.sin(towards),
        look_y=math.cos(towards),
        cos_incidence=math.cos(math.radians(rules.incidence_deg)),
        terrain=rules.terrain,
        noise=from_db(rules.noise_floor_db),
        looks=looks_of(order.radar_pixel, rules),
        dry=rules.moisture_dry,
        span=rules.moisture_wet - rules.moisture_dry,
        wet=when.wet,
        weather=rules.weather_sd,
        weather_m=rules.weather_m,
        seed=order.world.seed * 1_009 + 3_000 + 7 * number,
    )

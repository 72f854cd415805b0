"""Landsat 8/9 level 2 of the archive: a scene's dates, their bands and quality bits.

The instrument is ``sensor``'s with Landsat's bands and coding; what it takes for clear
is turned into QA_PIXEL here.

References
----------
Landsat 8-9 Collection 2 level 2 science product guide, LSDS-1619 (scale, offset,
QA_PIXEL and QA_RADSAT bits).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.grid import transformer
from qhsink.twin.catalog import outline_lonlat
from qhsink.twin.cog import write_raster
from qhsink.twin.frames import LONLAT, frame_around, project
from qhsink.twin.granules import few_that_cover
from qhsink.twin.landsat_items import ASSETS, SHELF, Acquisition, item
from qhsink.twin.orders import Done, Ground, Item, Job, Order, Strips, write_item
from qhsink.twin.recording import Instrument
from qhsink.twin.scene_class import (
    SCL_CIRRUS,
    SCL_HIGH,
    SCL_MEDIUM,
    SCL_SHADOW,
    SCL_SNOW,
    SCL_UNCLASSIFIED,
    SCL_WATER,
)
from qhsink.twin.scenes import Overhead, light_of
from qhsink.twin.sensor import Exposure, expose
from qhsink.twin.sky import Light, cloud_field
from qhsink.twin.wrs import Scene, flown, scenes_near

FILL, CLEAR_LAND, CLEAR_WATER = 1, 21_824, 21_952
DILATED, DILATED_WATER = 21_762, 21_890
CLOUD, SHADOW, SNOW, CIRRUS = 22_280, 23_888, 30_048, 54_596
"""Values of QA_PIXEL with the bits and confidences that real scenes hold together."""
CLOUD_BIT = 8
"""QA_PIXEL's bit 3."""

_QUALITY = np.full(12, CLEAR_LAND, dtype=np.uint16)
_QUALITY[[SCL_MEDIUM, SCL_HIGH]] = CLOUD
_QUALITY[SCL_UNCLASSIFIED] = DILATED
_QUALITY[SCL_SHADOW] = SHADOW
_QUALITY[SCL_CIRRUS] = CIRRUS
_QUALITY[SCL_SNOW] = SNOW
_QUALITY[SCL_WATER] = CLEAR_WATER


def jobs(order: Order) -> list[Job]:
    """Return one job a scene: all its dates."""
    grid, rules = order.terrain.crs, order.spec.landsat
    bounds = transformer(grid, LONLAT).transform_bounds(*order.area.bounds)
    outlines = {
        scene: project(scene.outline, scene.epsg, grid) for scene in scenes_near(bounds)
    }
    pixel = order.landsat_pixel
    found = []
    for scene, part in few_that_cover(order.area, outlines, least_m2=pixel**2):
        days = flown(scene.path, order.year, first=rules.first, last=rules.last)
        dates = [Acquisition(scene, day, platform) for day, platform in days]
        weight = part.area * len(dates) * (order.pixel_size / pixel) ** 2
        make = partial(_make, order, scene, part, dates)
        found.append(Job(weight, len(dates), make))
    return found


def _make(
    order: Order,
    scene: Scene,
    part: BaseGeometry,
    dates: list[Acquisition],
    done: Done,
) -> list[Item]:
    """Simulate ``part`` of a scene on all dates; return the items."""
    pixel = order.landsat_pixel
    valid = project(part, order.terrain.crs, scene.epsg)
    frame = frame_around(valid, epsg=scene.epsg, pixel_size=pixel, shift=pixel / 2.0)
    strips = Strips(order, part, frame)
    nodata = [FILL if asset.key == "qa_pixel" else 0 for asset in ASSETS]
    items = []
    for seen in dates:
        see = partial(record, seen=seen, light=light_on(seen, order), order=order)
        layers = strips.record(see, nodata=nodata)
        place = order.folder / SHELF.id / seen.item_id
        place.mkdir(parents=True)
        files = {
            asset.key: write_raster(
                place / f"{seen.product}_{asset.file}.TIF",
                values,
                frame,
                nodata=fill,
            )
            for asset, values, fill in zip(ASSETS, layers, nodata, strict=True)
        }
        quality_bits = layers[6][layers[6] != FILL]
        made = item(
            seen,
            frame,
            footprint=outline_lonlat(valid, scene.epsg),
            cloud_share=float(np.mean(quality_bits & CLOUD_BIT > 0)),
            files=files,
            rules=order.spec.landsat,
            seed=order.world.seed,
        )
        items.append(write_item(place, made))
        done(f"{seen.item_id}")
    return items


def light_on(seen: Acquisition, order: Order) -> Light:
    """Return sun, sky and season of an acquisition."""
    rules, day = order.spec.landsat, seen.day.timetuple().tm_yday
    return light_of(
        Overhead(
            taken=seen.taken(rules.local_hour),
            cloud=rules.cloud,
            cirrus=rules.cirrus,
            snow_line=rules.snow_line_m,
            swath=rules.swath_m,
            view_edge=rules.view_edge_deg,
        ),
        seed=order.world.seed * 1_009 + 5_000 + 17 * day,
    )


def record(
    here: Ground, *, seen: Acquisition, light: Light, order: Order
) -> list[NDArray[np.uint16]]:
    """Return six bands, QA_PIXEL and QA_RADSAT at the pixels, each of shape (n,)."""
    sensor, rules = order.spec.sensor, order.spec.landsat
    instrument = sensor.instrument()._replace(
        dn_step=float(rules.dn_step), scale=rules.scale, offset=rules.offset
    )
    exposure = expose(
        here.land,
        here.x,
        here.y,
        here.pixel,
        light,
        order.spec.optics(seen.platform),
        instrument,
        sensor.confusion(),
    )
    near = cloud_field(here.x, here.y, light.seed) > light.cloud_level - rules.dilated
    return [
        *exposure.dn,
        quality(exposure.scl, near),
        saturation(exposure, instrument),
    ]


def quality(
    scl: NDArray[np.uint8], near_cloud: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """Return QA_PIXEL: the classes with their confusion, and a rim around clouds."""
    found: NDArray[np.uint16] = _QUALITY[scl]
    found[near_cloud & (found == CLEAR_LAND)] = DILATED
    found[near_cloud & (found == CLEAR_WATER)] = DILATED_WATER
    return found


def saturation(exposure: Exposure, instrument: Instrument) -> NDArray[np.uint16]:
    """Return QA_RADSAT: bit 1 for band 2 to bit 6 for band 7."""
    full = (instrument.saturation - instrument.offset) / instrument.scale
    # Numbers come in steps: the largest may lie half a step below.
    is_full = exposure.dn >= min(full, 65_535.0) - instrument.dn_step / 2.0
    bits = np.uint16(2) << np.arange(is_full.shape[0], dtype=np.uint16)
    found: NDArray[np.uint16] = (is_full * bits[:, None]).sum(axis=0).astype(np.uint16)
    return found

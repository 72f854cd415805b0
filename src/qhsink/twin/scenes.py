"""Sentinel-2 L2A of the archive: simulate a granule's dates and write their files.

Which granules there are and how the archive is sealed is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.twin import sentinel2_items
from qhsink.twin.catalog import outline_lonlat
from qhsink.twin.granule_pixels import GranulePixels, Layers, OneLevel, RealLevels
from qhsink.twin.granules import Granule, granules_over
from qhsink.twin.levels import Sight
from qhsink.twin.orders import Done, Item, Job, Order, write_item
from qhsink.twin.sentinel2_items import SCL, SIX, Coding
from qhsink.twin.sentinel2_metadata import (
    THUMBNAIL_PX,
    write_metadata,
    write_thumbnail,
)
from qhsink.twin.sentinel2_names import moment, product_of
from qhsink.twin.sky import Light, cirrus_field, cloud_field
from qhsink.twin.spec import Pass, TwinSpec
from qhsink.twin.sun import sun_position

MIDDLE = (98.5, 36.5)
"""Longitude and latitude at which one sun serves the whole archive [deg]."""

PROVINCE_M = (-1_450_000.0, 3_350_000.0, -150_000.0, 4_300_000.0)
"""Where the shares of cloud and cirrus in the configuration hold (grid bounds) [m]."""


def jobs(order: Order) -> list[Job]:
    """Return one job a granule, or two at the product's own levels: of its dates."""
    parts = granules_over(order.area, order.terrain.crs, pixel_size=order.pixel_size)
    skies = lights(order.spec, seed=order.world.seed, year=order.year)
    passes = sentinel2_items.passes_in(order.spec.passes, order.year)
    dates = list(zip(passes, skies, strict=True))
    found = []
    for granule, part in parts:
        # A small region lies in one granule: both workers then have half of it.
        groups = [dates[::2], dates[1::2]] if granule.has_levels else [dates]
        for group in filter(None, groups):
            make = partial(_make, order, granule, part, group)
            found.append(Job(part.area * len(group), len(group), make))
    return found


@dataclass(frozen=True, slots=True)
class Overhead:
    """Sky and geometry of an acquisition."""

    taken: datetime
    """When (UTC)."""
    cloud: float
    """Share of Qinghai under cloud."""
    cirrus: float
    """Share of Qinghai under cirrus."""
    snow_line: float
    """Fresh snow lies above this height over the limit of vegetation [m]."""
    swath: float
    """Width of the swath [m]."""
    view_edge: float
    """View zenith angle at its edge [deg]."""


def lights(spec: TwinSpec, *, seed: int, year: int) -> list[Light]:
    """Return sun, clouds and season of every pass of Sentinel-2."""
    sensor = spec.sensor
    return [
        light_of(
            Overhead(
                taken=moment(when, year),
                cloud=when.cloud,
                cirrus=when.cirrus,
                snow_line=when.snow_line_m,
                swath=sensor.swath_m,
                view_edge=sensor.view_edge_deg,
            ),
            seed=seed * 1_009 + number * 17,
        )
        for number, when in enumerate(spec.passes)
    ]


def light_of(over: Overhead, *, seed: int) -> Light:
    """Return sun, clouds and season of an acquisition; ``seed`` is the sky's.

    Clouds lie where a noise field exceeds the quantile that gives their share over a
    lattice across the province, whatever regions are asked for.
    """
    left, low, right, high = PROVINCE_M
    mesh = np.meshgrid(np.linspace(left, right, 97), np.linspace(low, high, 71))
    x, y = mesh[0].ravel(), mesh[1].ravel()
    elevation, azimuth = sun_position(over.taken, *MIDDLE)
    # Grid north leaves true north by Albers' convergence, below 4 degrees here.
    turn = np.radians(azimuth)
    return Light(
        day=float(over.taken.timetuple().tm_yday),
        sun_x=float(np.sin(turn)),
        sun_y=float(np.cos(turn)),
        cos_zenith=float(np.sin(np.radians(elevation))),
        cloud_level=float(np.quantile(cloud_field(x, y, seed), 1.0 - over.cloud))
        - 0.05,
        cirrus_level=float(np.quantile(cirrus_field(x, y, seed), 1.0 - over.cirrus)),
        snow_line=over.snow_line,
        seed=seed,
        swath=over.swath,
        view_edge=over.view_edge,
    )


def _make(
    order: Order,
    granule: Granule,
    part: BaseGeometry,
    dates: Sequence[tuple[Pass, Light]],
    done: Done,
) -> list[Item]:
    """Simulate ``part`` of a granule on some dates; return the items."""
    sensor = order.spec.sensor
    kind = RealLevels if granule.has_levels else OneLevel
    pixels: GranulePixels = kind(order, granule, part)
    coding = sentinel2_items.coding_of(order.processing, sensor)
    footprint = outline_lonlat(pixels.valid, granule.epsg)
    sights = [
        _sight(order, when, light, coding, steps=granule.has_levels)
        for when, light in dates
    ]
    items = []
    recorded = pixels.record(sights)
    for when, light in dates:  # `zip` would keep a date's layers while the next is made
        layers = next(recorded)
        product = product_of(
            granule,
            when,
            light,
            year=order.year,
            baseline=coding.baseline,
            grid=order.terrain.crs,
        )
        name = sentinel2_items.item_id(product, coding.shelf)
        place = order.folder / coding.shelf.id / granule.name / name
        place.mkdir(parents=True)
        files = {
            asset.key: pixels.write(
                place / f"{asset.file}.tif", asset, layers[asset.key]
            )
            for asset in (*SIX, *sentinel2_items.beside(order.bands), SCL)
        }
        shares = _shares(layers[SCL.key], pixels.share)
        files |= write_metadata(
            place,
            product,
            shares,
            coding=(coding.scale, coding.stated),
            outlines=(footprint, pixels.valid),
        )
        files |= write_thumbnail(place, _true_colour(pixels, layers, coding))
        item = sentinel2_items.item(
            product,
            footprint=footprint,
            shares=shares,
            files=files,
            coding=coding,
            seed=order.world.seed,
        )
        items.append(write_item(place, item))
        done(f"{granule.name} {when.on(order.year)}")
        del layers
    return items


def _true_colour(
    pixels: GranulePixels, layers: Layers, coding: Coding
) -> NDArray[np.float64]:
    """Return red, green and blue reflectance of a granule, coarse, shape (3, y, x)."""
    found = []
    for key in ("red", "green", "blue"):
        wide = pixels.coarse(layers[key])
        # Few pixels before they become floats: a granule of these is 80 MB.
        rows, columns = (
            np.arange(THUMBNAIL_PX) * n // THUMBNAIL_PX for n in wide.shape
        )
        dn = wide[np.ix_(rows, columns)].astype(np.float64)
        found.append(np.where(dn > 0.0, dn * coding.scale + coding.offset, 0.0))
    return np.stack(found)


def _sight(
    order: Order, when: Pass, light: Light, coding: Coding, *, steps: bool
) -> Sight:
    """Return bands, sun and instrument of a pass; ``steps``: of the real numbers."""
    spec = order.spec
    instrument = spec.sensor.instrument()._replace(offset=coding.offset)
    more = [asset.key for asset in sentinel2_items.beside(order.bands)]
    optics = [spec.optics(when.platform)]
    if more:
        optics.append(spec.msi_optics(when.platform, more))
    if steps:
        instrument = instrument._replace(dn_step=1.0)
    return Sight(light, optics, instrument, spec.sensor.confusion())


def _shares(scl: NDArray[np.uint8], covered: float) -> dict[int, float]:
    """Return the share of valid pixels by class; at 0 that of the granule without."""
    counts = np.bincount(scl.ravel(), minlength=12) / max(scl.size, 1)
    return dict(enumerate(counts.tolist())) | {0: 1.0 - covered}

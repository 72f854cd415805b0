"""Sentinel-2 L2A of the archive: simulate a granule's dates and write their files.

Which granules there are and how the archive is sealed is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.twin import sentinel2_items
from qhsink.twin.catalog import Written, outline_lonlat
from qhsink.twin.cog import write_raster
from qhsink.twin.granules import Granule, granules_over
from qhsink.twin.orders import (
    Done,
    Ground,
    Item,
    Job,
    Order,
    survey,
    write_item,
)
from qhsink.twin.sensor import expose
from qhsink.twin.sentinel2_items import SCL, SIX, Asset
from qhsink.twin.sky import Light, cirrus_field, cloud_field
from qhsink.twin.spec import TwinSpec
from qhsink.twin.sun import sun_position

MIDDLE = (98.5, 36.5)
"""Longitude and latitude at which one sun serves the whole archive [deg]."""

PROVINCE_M = (-1_450_000.0, 3_350_000.0, -150_000.0, 4_300_000.0)
"""Where the shares of cloud and cirrus in the configuration hold (grid bounds) [m]."""


def jobs(order: Order) -> list[Job]:
    """Return one job a granule: all its dates."""
    parts = granules_over(order.area, order.terrain.crs, pixel_size=order.pixel_size)
    skies = lights(order.spec, seed=order.world.seed, year=order.year)
    dates = len(order.spec.passes)
    return [
        Job(part.area * dates, dates, partial(_make, order, granule, part, skies))
        for granule, part in parts
    ]


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
                taken=sentinel2_items.moment(when, year),
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
    skies: Sequence[Light],
    done: Done,
) -> list[Item]:
    """Simulate ``part`` of a granule on all dates; return the items."""
    spec, here = order.spec, survey(order, part, granule.frame)
    pixel, share = here.pixel, here.rows.size / granule.size**2
    coding = sentinel2_items.coding_of(order.processing, spec.sensor)
    instrument = spec.sensor.instrument()._replace(offset=coding.offset)
    confusion = spec.sensor.confusion()
    footprint = outline_lonlat(here.valid, here.frame.epsg)
    more = [asset.key for asset in sentinel2_items.beside(order.bands)]
    assets = [*SIX, *sentinel2_items.beside(order.bands), SCL]
    items = []
    passes = sentinel2_items.passes_in(spec.passes, order.year)
    for when, light in zip(passes, skies, strict=True):
        seen = expose(
            here.land,
            here.x,
            here.y,
            pixel,
            light,
            spec.optics(when.platform),
            instrument,
            confusion,
            beside=spec.msi_optics(when.platform, more) if more else None,
        )
        name = sentinel2_items.item_id(granule, when, order.year, coding.shelf)
        place = order.folder / coding.shelf.id / granule.name / name
        files = _write_files(place, here, assets, [*seen.dn, seen.scl])
        counts = np.bincount(seen.scl, minlength=12) / max(seen.scl.size, 1)
        counts[0] = 1.0 - share
        item = sentinel2_items.item(
            granule,
            when,
            year=order.year,
            footprint=footprint,
            shares=dict(enumerate(counts.tolist())),
            files=files,
            coding=coding,
            seed=order.world.seed,
        )
        items.append(write_item(place, item))
        done(f"{granule.name} {when.on(order.year)}")
    return items


def _write_files(
    place: Path,
    here: Ground,
    assets: Sequence[Asset],
    layers: Sequence[NDArray[np.generic]],
) -> Mapping[str, Written]:
    place.mkdir(parents=True)
    return {
        asset.key: write_raster(
            place / f"{asset.file}.tif",
            here.raster(values, nodata=0),
            here.frame,
            nodata=0,
        )
        for asset, values in zip(assets, layers, strict=True)
    }

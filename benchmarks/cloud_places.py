"""Places of simulated worlds as Sentinel-2 and Landsat see them, with what is true.

What second opinions on clouds are trained and judged on (``cloud_opinion``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.imagery.departures import RADIUS
from qhsink.twin.landsat import quality
from qhsink.twin.scenes import PROVINCE_M, Overhead, light_of, lights
from qhsink.twin.sensor import Instrument, expose
from qhsink.twin.sky import (
    CIRRUS,
    COVER,
    SHADE,
    SKY_ROOM,
    Light,
    cloud_field,
    fill_sky,
)
from qhsink.twin.spec import TwinSpec, load_spec
from qhsink.twin.state import canopy_on
from qhsink.twin.world import Landscape

LAKES = 0.02
"""Share of the places put into a lake."""
KINDS = (
    ("cloud", "cloud, opacity above 0.06"),
    ("cirrus", "cirrus, opacity above 0.1"),
    ("shadow", "cloud shadow, depth above 0.3"),
    ("snow", "snow on more than 0.1 of the pixel"),
    ("playa", "clear and bright: blue above 0.16, no snow"),
    ("clear", "other clear ground"),
)
"""What a place truly is, the first that fits."""
PEAK = (dt.date(2025, 7, 15), dt.date(2025, 8, 31))
"""Days that a run puts into one window."""
SENTINEL_M, LANDSAT_M = 20.0, 30.0
"""Pixels [m]."""
REVISIT = 8
"""Days between two passes of Landsat 8 and 9 together."""


EDGE = 2 * RADIUS + 1
"""Pixels along the edge of the square around each place that a review looks at."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Places on the dates of one window of a run, each in a square of its own.

    The squares lie side by side, so that a review of the whole finds in each square's
    middle what it would find at the place.
    """

    reflectance: NDArray[np.int16]
    """(time, 6, EDGE, n EDGE), times 10 000."""
    mask: NDArray[np.uint16]
    """(time, EDGE, n EDGE), as shipped."""
    kind: NDArray[np.int64]
    """(time, n), number in ``KINDS`` of the middle."""

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Obscured or snowy: not to be used."""
        return self.kind < 4


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Places of one world."""

    spec: TwinSpec
    land: Landscape
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    pixel: NDArray[np.int64]


Taken = tuple[dt.date, NDArray[np.int16], NDArray[np.uint16], NDArray[np.int64]]
"""Day, reflectance and mask in squares, kind."""


def sentinel_windows(places: int, seed: int) -> list[Window]:
    """Return what Sentinel-2 sees of a world: the peak season, and other days alone."""
    here = _draw(places, seed, SENTINEL_M)
    sensor, taken = here.spec.sensor, []
    skies = lights(here.spec, seed=seed, year=2025)
    for when, light in zip(here.spec.passes, skies, strict=True):
        seen = _observe(here, light, when.platform, sensor.instrument())
        value, scl, kind = seen
        taken.append((when.on(2025), value, scl.astype(np.uint16), kind))
    return _windows(taken)


def landsat_windows(places: int, seed: int) -> list[Window]:
    """Return what Landsat 8 and 9 see of a world, every eighth day of its season."""
    here = _draw(places, seed, LANDSAT_M)
    rules, taken = here.spec.landsat, []
    instrument = here.spec.sensor.instrument()._replace(
        dn_step=float(rules.dn_step), scale=rules.scale, offset=rules.offset
    )
    first, last = (
        dt.date.fromisoformat(f"2025-{day}") for day in (rules.first, rules.last)
    )
    for number in range((last - first).days // REVISIT + 1):
        day = first + dt.timedelta(REVISIT * number)
        light = _landsat_light(here.spec, day, seed)
        platform = ("landsat-8", "landsat-9")[number % 2]
        value, scl, kind = _observe(here, light, platform, instrument)
        near = cloud_field(here.x, here.y, light.seed).reshape(scl.shape)
        mask = quality(scl, near > light.cloud_level - rules.dilated)
        taken.append((day, value, mask, kind))
    return _windows(taken)


def _landsat_light(spec: TwinSpec, day: dt.date, seed: int) -> Light:
    rules = spec.landsat
    # Local solar time of 98.5 deg east.
    hour = rules.local_hour - 98.5 / 15.0
    taken = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(hours=hour)
    over = Overhead(
        taken=taken,
        cloud=rules.cloud,
        cirrus=rules.cirrus,
        snow_line=rules.snow_line_m,
        swath=rules.swath_m,
        view_edge=rules.view_edge_deg,
    )
    return light_of(over, seed=seed * 1_009 + 5_000 + 17 * day.timetuple().tm_yday)


def middle(squares: NDArray[Any]) -> NDArray[Any]:
    """Return the middle of each square of (..., EDGE, n EDGE), shape (..., n)."""
    return squares[..., RADIUS, RADIUS::EDGE]


def _draw(places: int, seed: int, pixel_m: float) -> _Places:
    spec, rng = load_spec(), np.random.default_rng(seed)
    left, low, right, high = PROVINCE_M
    x, y = rng.uniform(left, right, places), rng.uniform(low, high, places)
    lake = np.where(rng.random(places) < LAKES, 2, 0).astype(np.uint8)
    pixel = rng.integers(0, 10**6, (2, places)).astype(np.int64)
    step = np.arange(EDGE) - RADIUS
    down, right_ = (mesh[:, None, :] for mesh in np.meshgrid(step, step, indexing="ij"))
    shape = (EDGE, places, EDGE)

    def square(middles: NDArray[Any], steps: NDArray[Any], size: float) -> NDArray[Any]:
        return np.broadcast_to(middles[:, None] + size * steps, shape).ravel()

    x, y = square(x, right_, pixel_m), square(y, -down, pixel_m)
    shore = np.broadcast_to(lake[:, None], shape).ravel()
    numbers = np.stack(
        [square(pixel[0], right_, 1).astype(int), square(pixel[1], down, 1).astype(int)]
    )
    land = spec.build_world(seed, 2025).at(x, y, shore)
    return _Places(spec, land, x, y, numbers)


def _observe(
    here: _Places, light: Light, platform: str, instrument: Instrument
) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.int64]]:
    """Return reflectance, scene class and true kind of every place on one date."""
    sensor, places = here.spec.sensor, here.x.size
    seen = expose(
        here.land,
        here.x,
        here.y,
        here.pixel,
        light,
        here.spec.optics(platform),
        instrument,
        sensor.confusion(),
    )
    overhead, room = np.empty((4, places)), np.empty((SKY_ROOM, places))
    fill_sky(here.x, here.y, light, sensor.cloud_height_m, room, overhead)
    value = (seen.dn * instrument.scale + instrument.offset) * 10_000
    snow = canopy_on(here.land, light.day, snow_line=light.snow_line).snow
    tests = (
        overhead[COVER] > 0.06,
        overhead[CIRRUS] > 0.1,
        overhead[SHADE] > 0.3,
        snow > 0.1,
        value[0] > 1600,
    )
    kind = np.select(tests, range(len(tests)), default=len(tests))
    squares = (EDGE, -1)
    return (
        np.rint(value).astype(np.int16).reshape(6, *squares),
        seen.scl.reshape(squares),
        middle(kind.reshape(squares)),
    )


def _windows(taken: Sequence[Taken]) -> list[Window]:
    """Return the dates as a run puts them together."""
    groups = [[entry] for entry in taken if not PEAK[0] <= entry[0] <= PEAK[1]]
    groups.append([entry for entry in taken if PEAK[0] <= entry[0] <= PEAK[1]])
    return [
        Window(*(np.stack([entry[k] for entry in group]) for k in (1, 2, 3)))
        for group in groups
    ]

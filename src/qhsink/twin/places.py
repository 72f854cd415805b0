"""The landscape at places: smooth fields, then the rules of ``habitat`` on them.

Places come in chunks, so that a field's noise runs along a row. Events, seasons and
dates are not known here.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qhsink.twin.classes import PLAYA, ROCK, SNOW, WATER
from qhsink.twin.disturbance import EventGrid, event_at
from qhsink.twin.habitat import (
    Climate,
    bare,
    healthy_cover,
    open_land,
    thinned,
    vary,
    wood,
    woods,
)
from qhsink.twin.noise import fill_fractal, random_pair, smoothstep, table_value
from qhsink.twin.phenology import rain_anomaly
from qhsink.twin.terrain import (
    CREST,
    HEIGHT,
    RELIEF_ROOM,
    RIVER,
    SLOPE_X,
    SLOPE_Y,
    fill_relief,
)
from qhsink.twin.vegetation import (
    AGE,
    CROWN,
    CROWN_LAI,
    HEALTHY,
    HERB,
    RAIN,
    SCATTER,
    SHRUBS,
    VIGOUR,
    WET,
    split_cover,
)

RANGE_CELL = 1.60
"""Lattice edge of the within-type noise over its stated range: a test of the variogram
holds it."""
CHUNK = 256
"""Places handled at a time: their noise stays in the cache; changes no value."""
BASE, ROUGH, MOIST, WIDE, FINE, SOAK, SOD, LUSH = range(8)
"""Rows of ``_fill_fields``: the tables' height, its spread and rain, and noise."""


@njit(nogil=True, cache=True)
def _fill_fields(
    x: np.ndarray,
    y: np.ndarray,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
    climate: Climate,
    seed: int,
    room: np.ndarray,
    fields: np.ndarray,
) -> None:
    """Fill what varies smoothly over the country, shape (8, n)."""
    left, top, node = climate.left, climate.top, climate.step
    span = climate.wet_cm - climate.dry_cm
    elevation, rough, rain = tables
    for p in range(x.size):
        fields[BASE, p] = table_value(elevation, x[p], y[p], left, top, node)
        fields[ROUGH, p] = table_value(rough, x[p], y[p], left, top, node)
        fallen = table_value(rain, x[p], y[p], left, top, node)
        fields[MOIST, p] = (fallen - climate.dry_cm) / span
    cell, gain = climate.patch_m, climate.patch_gain
    fill_fractal(x, y, 8.5 * cell, 4, gain, seed + 530, room, fields[WIDE][: x.size])
    fill_fractal(x, y, cell, 4, gain, seed + 540, room, fields[FINE][: x.size])
    fill_fractal(x, y, 2.7 * cell, 3, 0.5, seed + 550, room, fields[SOAK][: x.size])
    fill_fractal(x, y, 1.8 * cell, 4, gain, seed + 570, room, fields[SOD][: x.size])
    lattice = RANGE_CELL * climate.range_m
    fill_fractal(x, y, lattice, 2, 0.5, seed + 560, room, fields[LUSH][: x.size])


@njit(nogil=True, cache=True)
def fill_landscape(  # noqa: PLR0913, PLR0917 - compiled code takes numbers
    x: np.ndarray,
    y: np.ndarray,
    shore: np.ndarray,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    climate: Climate,
    year: int,
    seed: int,
    grid: EventGrid,
    floats: np.ndarray,
    layers: np.ndarray,
    kinds: np.ndarray,
    event: np.ndarray,
) -> None:
    """Fill terrain and soil (6, n), layers (8, n), class and event of n places."""
    elevation, rough, rain, types, stands = tables
    room, ground = np.empty((RELIEF_ROOM, CHUNK)), np.empty((5, CHUNK))
    fields = np.empty((8, CHUNK))
    for start in range(0, x.size, CHUNK):
        part = slice(start, min(start + CHUNK, x.size))
        near, far = x[part], y[part]
        _fill_fields(near, far, (elevation, rough, rain), climate, seed, room, fields)
        fill_relief(near, far, fields[BASE], fields[ROUGH], seed, room, ground)
        _fill_places(
            near,
            far,
            shore[part],
            fields,
            ground,
            types,
            stands,
            climate,
            year,
            seed,
            floats[:, part],
            layers[:, part],
            kinds[part],
        )
        for k in range(start, part.stop):
            event[k] = event_at(x[k], y[k], grid)


@njit(nogil=True, cache=True)
def _fill_places(  # noqa: PLR0913, PLR0917 - compiled code takes numbers
    x: np.ndarray,
    y: np.ndarray,
    shore: np.ndarray,
    fields: np.ndarray,
    ground: np.ndarray,
    types: np.ndarray,
    stands: np.ndarray,
    climate: Climate,
    year: int,
    seed: int,
    floats: np.ndarray,
    layers: np.ndarray,
    kinds: np.ndarray,
) -> None:
    """Decide what grows at each place and how densely."""
    for k in range(x.size):
        px, py = x[k], y[k]
        height, gx, gy = ground[HEIGHT, k], ground[SLOPE_X, k], ground[SLOPE_Y, k]
        crest, river = ground[CREST, k], ground[RIVER, k]
        steep = math.sqrt(gx * gx + gy * gy)
        northness = -gy / math.sqrt(1.0 + steep * steep)
        wide, fine, rain = fields[WIDE, k], fields[FINE, k], fields[MOIST, k]
        base = fields[BASE, k]
        moisture = min(rain, 1.0) * 0.74
        moisture += 0.22 * wide + 0.05 * fine
        moisture += 0.30 * (0.37 - crest) + 0.35 * northness
        limit = climate.limit_m + climate.limit_slope * (climate.limit_y - py)
        above = height - limit + 160.0 * fine
        patch = 0.6 * wide + 0.5 * fine
        aridity = min(max(1.0 - rain, 0.0), 1.0)
        degraded = 0.0
        kind = bare(shore[k], above, steep, aridity, base, river, wide)
        if kind == 0:
            below = limit - height
            kind = wood(below, height, steep, northness, moisture, rain, river, patch)
        if kind == 0:
            wet_ground = 0.5 * fields[SOAK, k] + 0.9 * (0.37 - crest)
            degraded = smoothstep(0.50, 0.85, fields[SOD, k])
            kind = open_land(
                shore[k],
                height,
                steep,
                moisture,
                rain,
                wet_ground,
                river,
                patch,
                degraded,
            )
        vigour = 2.5 * fields[LUSH, k]
        wet = rain_anomaly(px, py, year, seed)
        own, _ = random_pair(math.floor(px / 120.0), math.floor(py / 120.0), seed + 580)
        crown, shrub, age = woods(kind, patch, vigour, wide)
        response = types[kind, RAIN]
        healthy = healthy_cover(kind, moisture)
        if kind != ROCK:
            healthy *= 1.0 - 0.75 * smoothstep(-450.0, 50.0, above)
        cover = healthy * thinned(kind, degraded)
        if kind not in (SNOW, WATER, PLAYA):
            healthy = vary(kind, healthy, vigour, wet, response, year, climate)
            cover = vary(kind, cover, vigour, wet, response, year, climate)
        herb, whole = split_cover(
            kind, cover, healthy, crown, shrub, stands[kind, CROWN_LAI]
        )
        layers[CROWN, k] = crown
        layers[SHRUBS, k] = shrub
        layers[HERB, k] = herb
        layers[HEALTHY, k] = whole
        layers[AGE, k] = max(age + (year - 2020), 1.0) if crown > 0.0 else 0.0
        layers[WET, k] = wet
        layers[VIGOUR, k] = vigour
        layers[SCATTER, k] = own
        _fill_soil(k, kind, above, moisture, wide, fine, ground, floats)
        kinds[k] = kind


@njit(nogil=True, cache=True)
def _fill_soil(
    k: int,
    kind: int,
    above: float,
    moisture: float,
    wide: float,
    fine: float,
    ground: np.ndarray,
    floats: np.ndarray,
) -> None:
    """Fill a place's terrain, litter and the brightness of its soil."""
    dryness = min(max(1.0 - moisture, 0.0), 1.0)
    flat = 0.0 if kind == WATER else 1.0
    floats[0, k] = ground[HEIGHT, k]
    floats[1, k] = ground[SLOPE_X, k] * flat
    floats[2, k] = ground[SLOPE_Y, k] * flat
    floats[3, k] = above
    floats[4, k] = min(max(0.50 - 0.25 * dryness + 0.15 * fine, 0.05), 0.8)
    bright = min(max(0.15 + 0.65 * dryness + 0.25 * wide, 0.0), 1.0)
    floats[5, k] = 1.0 if kind == PLAYA else bright

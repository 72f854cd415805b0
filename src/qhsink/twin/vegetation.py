"""What stands on a place on a date: layers, leaf area, biomass and stem volume.

From the year's potential (``qhsink.twin.world``), the events until the date and the
season. Cover, leaf area, biomass and stock follow from one another here, so that no
map of the truth contradicts another. Light and files are not known here.

References
----------
Growing stock from biomass: ``V = AGB / (D BEF)``, the inverse of the inventory
relation of methodology C4, with lognormal scatter of mean one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.classes import (
    BLACK_SOIL,
    BROADLEAF,
    FOREST,
    MARSH,
    PLAYA,
    ROCK,
    SHRUB,
    SNOW,
    WATER,
)
from qhsink.twin.disturbance import apply_event
from qhsink.twin.leaves import TREE_ANGLE, lai_of_cover, leaf_cover
from qhsink.twin.noise import smoothstep
from qhsink.twin.phenology import growth

CROWN, SHRUBS, HERB, HEALTHY, AGE, WET, VIGOUR, SCATTER = range(8)
"""Rows of ``layers``: crown cover of the pixel; shrubs' share of the open ground; green
cover of herbs between shrubs at the year's peak, and what it would be if healthy; age
of the stand [year]; rain anomaly of the year; vigour and scatter of stem volume, both
of mean 0 and variance about 1."""

ANGLE, HERB_MASS, RAIN, HARVEST, CHLOROPHYLL, DRY_MATTER, LEAF_WATER, MOIST = range(8)
"""Columns of ``types``: see ``TypeSection`` in ``qhsink.twin.spec``."""
HEIGHT, RATE, MASS, VOLUME_MASS, CROWN_LAI = range(5)
"""Columns of ``stands``: see ``StandSection``."""

(
    FVC,
    CANOPY_COVER,
    SHRUB_COVER,
    LAI,
    AGB_GRASS,
    AGB_FOREST,
    GROWING_STOCK,
) = range(7)
"""Rows of the truth."""

SHRUB_LEAF_COVER = 0.92
"""Green cover inside a shrub's crown at the peak."""
ARBOR_CANOPY = 0.20
"""Crown cover from which woodland is arbor forest, 乔木林 (methodology A1)."""


class Rules(NamedTuple):
    """Tables that compiled code reads: by class, and the events in reach."""

    year: int
    types: NDArray[np.float64]
    """Shape (16, 8)."""
    stands: NDArray[np.float64]
    """Shape (16, 5)."""
    stock_scatter: float
    """Standard deviation of the logarithm of stem volume around its relation."""
    events: NDArray[np.float64]
    """Shape (m, 9); one row at least."""


@njit(nogil=True, cache=True)
def shares(kind: int, herb: float, crown: float) -> tuple[float, float]:
    """Return a pixel's shares of water and of bare rock."""
    if kind == WATER:
        return 1.0, 0.0
    if kind == ROCK:
        return 0.0, 0.92
    if kind == MARSH:
        return 0.35 * (1.0 - herb) * (1.0 - crown), 0.0
    return 0.0, 0.0


@njit(nogil=True, cache=True)
def _season(
    elevation: float, day: float, wet: float, harvest: float
) -> tuple[float, float]:
    """Return grown and dead shares; a negative day means the year's peak."""
    return (1.0, 0.0) if day < 0.0 else growth(elevation, day, wet, harvest)


@njit(nogil=True, cache=True)
def _stand(
    kind: int, layers: np.ndarray, stands: np.ndarray, scatter: float
) -> tuple[float, float]:
    """Return aboveground biomass [Mg ha-1] and stem volume [m3 ha-1] of trees."""
    if layers[CROWN] <= 0.0:
        return 0.0, 0.0
    row = stands[kind]
    height = row[HEIGHT] * (1.0 + 0.10 * layers[VIGOUR])
    height *= (1.0 - math.exp(-row[RATE] * layers[AGE])) ** 1.3
    biomass = row[MASS] * layers[CROWN] * height**1.4
    if layers[CROWN] < ARBOR_CANOPY:
        return biomass, 0.0
    error = math.exp(scatter * layers[SCATTER] - 0.5 * scatter * scatter)
    return biomass, biomass / row[VOLUME_MASS] * error


@njit(nogil=True, cache=True)
def _on_date(
    k: int,
    rules: Rules,
    day: float,
    ecosystem: np.ndarray,
    event: np.ndarray,
    rows: np.ndarray,
    layers: np.ndarray,
) -> int:
    """Fill a place's layers for a date and return its class then."""
    for i in range(layers.size):
        layers[i] = rows[i, k]
    if event[k] < 0:
        return int(ecosystem[k])
    changing = layers[CROWN : AGE + 1]
    when = 213.0 if day < 0.0 else day
    kind: int = apply_event(
        rules.events[event[k]], rules.year, when, ecosystem[k], changing
    )
    return kind


@njit(nogil=True, cache=True)
def fill_truth(
    rules: Rules,
    day: float,
    elevation: np.ndarray,
    ecosystem: np.ndarray,
    event: np.ndarray,
    rows: np.ndarray,
    kinds: np.ndarray,
    truth: np.ndarray,
) -> None:
    """Fill the class and the truth of n places; a negative day means the peak.

    ``truth`` has one row (cover alone), three (tree and shrub crowns too) or seven.
    """
    layers = np.empty(rows.shape[0])
    for k in range(ecosystem.size):
        kind = _on_date(k, rules, day, ecosystem, event, rows, layers)
        kinds[k] = kind
        if kind in (WATER, SNOW):
            truth[:, k] = 0.0
            continue
        row = rules.types[kind]
        grown, dead = _season(elevation[k], day, layers[WET], row[HARVEST])
        crown, shrub, herb = layers[CROWN], layers[SHRUBS], layers[HERB]
        water, rock = shares(kind, herb, crown)
        ground = max(1.0 - water - rock - crown, 0.0)
        low = shrub * SHRUB_LEAF_COVER + (1.0 - shrub) * herb
        tree_lai = rules.stands[kind, CROWN_LAI]
        if kind == BROADLEAF:
            tree_lai *= grown * (1.0 - dead)
        live = 1.0 - dead
        truth[FVC, k] = ground * low * grown * live + crown * leaf_cover(
            tree_lai, TREE_ANGLE
        )
        if truth.shape[0] == 1:
            continue
        truth[CANOPY_COVER, k] = crown
        truth[SHRUB_COVER, k] = ground * shrub
        if truth.shape[0] == 3:
            continue
        truth[LAI, k] = (
            ground * lai_of_cover(low * grown, row[ANGLE]) * live + crown * tree_lai
        )
        truth[AGB_GRASS, k] = (
            ground
            * (1.0 - shrub)
            * lai_of_cover(herb * grown, row[ANGLE])
            * live
            * row[HERB_MASS]
            * math.exp(0.15 * layers[VIGOUR] - 0.01125)
        )
        biomass, volume = _stand(kind, layers, rules.stands, rules.stock_scatter)
        truth[AGB_FOREST, k] = biomass
        truth[GROWING_STOCK, k] = volume


@njit(nogil=True, cache=True)
def fill_state(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    rules: Rules,
    day: float,
    snow_line: float,
    elevation: np.ndarray,
    above: np.ndarray,
    litter: np.ndarray,
    bright: np.ndarray,
    ecosystem: np.ndarray,
    event: np.ndarray,
    rows: np.ndarray,
    state: np.ndarray,
) -> None:
    """Fill the rows of ``CanopyState`` for n places on a day."""
    layers = np.empty(rows.shape[0])
    for k in range(ecosystem.size):
        kind = _on_date(k, rules, day, ecosystem, event, rows, layers)
        row = rules.types[kind]
        grown, dead = _season(elevation[k], day, layers[WET], row[HARVEST])
        crown, shrub, herb = layers[CROWN], layers[SHRUBS], layers[HERB]
        water, rock = shares(kind, herb, crown)
        low = shrub * SHRUB_LEAF_COVER + (1.0 - shrub) * herb
        tree_lai = rules.stands[kind, CROWN_LAI]
        if kind == BROADLEAF:
            tree_lai *= grown * (1.0 - dead)
        vigour = min(max(layers[VIGOUR], -2.0), 2.0)
        state[0, k] = lai_of_cover(low * grown, row[ANGLE])
        state[1, k] = row[ANGLE]
        state[2, k] = row[CHLOROPHYLL] * (1.0 + 0.10 * vigour)
        state[3, k] = row[DRY_MATTER] * (1.0 - 0.05 * vigour)
        state[4, k] = row[LEAF_WATER] * (1.0 + 0.05 * layers[WET])
        state[5, k] = dead
        state[6, k] = 0.1 if kind == BLACK_SOIL else bright[k]
        state[7, k] = row[MOIST]
        state[8, k] = 0.0 if kind in (ROCK, PLAYA, BLACK_SOIL) else litter[k]
        state[9, k] = crown
        state[10, k] = tree_lai
        state[11, k] = 1.0 if kind == BROADLEAF else 0.0
        fresh = smoothstep(snow_line, snow_line + 220.0, above[k])
        state[12, k] = 1.0 if kind == SNOW else fresh
        state[13, k] = water
        state[14, k] = rock


@njit(nogil=True, cache=True)
def split_cover(
    kind: int,
    cover: float,
    healthy: float,
    crown: float,
    shrub: float,
    crown_lai: float,
) -> tuple[float, float]:
    """Return herb cover between shrubs, and its healthy value, that give a pixel cover.

    The inverse of the composition in ``fill_truth`` at the peak.
    """
    if kind == ROCK:
        return min(cover / 0.08, 0.9), min(healthy / 0.08, 0.9)
    if kind == MARSH:
        # cover = (1 - 0.35 (1 - herb)) herb, solved for herb
        herb = (-0.65 + math.sqrt(0.4225 + 1.4 * cover)) / 0.7
        return herb, herb
    if kind in FOREST:
        cover = (cover - crown * leaf_cover(crown_lai, TREE_ANGLE)) / (1.0 - crown)
        return min(max(cover, 0.05), 0.95), min(max(cover, 0.05), 0.95)
    if kind == SHRUB:
        cover = (cover - shrub * SHRUB_LEAF_COVER) / (1.0 - shrub)
        return min(max(cover, 0.05), 0.95), min(max(cover, 0.05), 0.95)
    return cover, healthy

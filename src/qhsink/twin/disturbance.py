"""Known changes at known places and dates: fire, logging, planting, degradation, cure.

Each cell of a lattice over the country holds one event or none, decided by a hash
and by what grows at its centre; an event never leaves its cell, so any window sees
the same events. How a class is found, and files, are not known here.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from shapely.geometry import Polygon

from qhsink.twin.classes import (
    ALPINE_DESERT,
    BLACK_SOIL,
    FOREST,
    MEADOW,
    SHRUB,
    SPRUCE,
    STEPPE,
    TEMPERATE_STEPPE,
)
from qhsink.twin.noise import lattice_hash

CELL_M = 8_000.0
"""Edge of the lattice's cells [m]."""
FIRST_YEAR, YEARS = 2016, 13
"""Events happen from 2016 to 2028."""

FIRE, LOGGING, PLANTING, DEGRADATION, RESTORATION = 1, 2, 3, 4, 5
KINDS = {
    FIRE: ("fire", "火灾"),
    LOGGING: ("logging", "采伐"),
    PLANTING: ("planting", "造林"),
    DEGRADATION: ("degradation", "草原退化"),
    RESTORATION: ("restoration", "草原修复"),
}
"""Code of an event to its English and Chinese name."""

GRAZED = (MEADOW, STEPPE, TEMPERATE_STEPPE)
PLANTABLE = (*GRAZED, BLACK_SOIL)
CURABLE = (*PLANTABLE, ALPINE_DESERT)

X, Y, RADIUS, TURN2, TURN3, KIND, YEAR, DAY, SEVERITY = range(9)
"""Columns of an event."""


class EventGrid(NamedTuple):
    """Events of a rectangle of cells, as compiled code takes them."""

    first_column: int
    first_row: int
    cell: NDArray[np.int32]
    """Row of ``events`` by cell (row, column), or -1."""
    events: NDArray[np.float64]
    """Shape (m, 9)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, for people."""

    kind: str
    """English name in ``KINDS``."""
    kind_zh: str
    date: dt.date
    """From this day on the pixels show it."""
    severity: float
    """Share of cover taken or given, 0..1."""
    outline: Polygon
    """Where, in grid coordinates."""


@njit(nogil=True, cache=True)
def outline_radius(angle: float, radius: float, turn2: float, turn3: float) -> float:
    """Return an event's reach [m] in a direction: a wobbly circle."""
    return radius * (
        1.0
        + 0.25 * math.cos(2.0 * angle + turn2)
        + 0.12 * math.cos(3.0 * angle + turn3)
    )


@njit(nogil=True, cache=True)
def event_at(x: float, y: float, grid: EventGrid) -> int:
    """Return the row of the event whose outline holds the place, or -1."""
    column = math.floor(x / CELL_M) - grid.first_column
    row = math.floor(y / CELL_M) - grid.first_row
    found = grid.cell[row, column]
    if found < 0:
        return -1
    event = grid.events[found]
    dx, dy = x - event[X], y - event[Y]
    far = math.sqrt(dx * dx + dy * dy)
    if far > 1.4 * event[RADIUS]:
        return -1
    reach = outline_radius(
        math.atan2(dy, dx), event[RADIUS], event[TURN2], event[TURN3]
    )
    return found if far <= reach else -1


@njit(nogil=True, cache=True)
def _share(bits: np.uint64, shift: int) -> float:
    return float((bits >> np.uint64(shift)) & np.uint64(0xFFFF)) / 65_536.0


@njit(nogil=True, cache=True)
def propose(
    first_column: int, first_row: int, shape: tuple[int, int], chance: float, seed: int
) -> np.ndarray:
    """Return one proposal a cell, shape (cells, 10): nine columns and the draw.

    The draw, uniform in 0..1, chooses the kind; it is -1 where nothing happens.
    """
    found = np.empty((shape[0] * shape[1], 10))
    for k in range(found.shape[0]):
        column, row = first_column + k % shape[1], first_row + k // shape[1]
        bits = lattice_hash(column, row, seed + 990)
        more = lattice_hash(column, row, seed + 991)
        found[k, X] = (column + 0.28 + 0.44 * _share(bits, 0)) * CELL_M
        found[k, Y] = (row + 0.28 + 0.44 * _share(bits, 16)) * CELL_M
        found[k, RADIUS] = 350.0 + 1150.0 * _share(bits, 32) ** 2
        found[k, TURN2] = 2.0 * math.pi * _share(more, 0)
        found[k, TURN3] = 2.0 * math.pi * _share(more, 8)
        found[k, KIND] = 0.0
        found[k, YEAR] = FIRST_YEAR + math.floor(YEARS * _share(more, 16))
        found[k, DAY] = 121.0 + math.floor(150.0 * _share(more, 32))
        found[k, SEVERITY] = 0.5 + 0.45 * _share(more, 48)
        last = lattice_hash(column, row, seed + 992)
        happens = _share(bits, 48) < chance
        found[k, 9] = _share(last, 0) if happens else -1.0
    return found


def kind_of(ecosystem: int, draw: float, *, treeline_m: float) -> int:
    """Return what happens to an ecosystem, or 0: nothing.

    Parameters
    ----------
    ecosystem : int
        Class at the event's centre.
    draw : float
        Uniform in 0..1.
    treeline_m : float
        Height of the upper limit of trees above the place [m].
    """
    if ecosystem in FOREST:
        return FIRE if draw < 0.5 else LOGGING
    if ecosystem == SHRUB:
        return FIRE
    if ecosystem in GRAZED:
        if draw < 0.3 and treeline_m > 0.0:
            return PLANTING
        return DEGRADATION if draw < 0.75 else RESTORATION
    return RESTORATION if ecosystem in (BLACK_SOIL, ALPINE_DESERT) else 0


@njit(nogil=True, cache=True)
def apply_event(
    event: np.ndarray,
    year: int,
    day: float,
    kind: int,
    layers: np.ndarray,
) -> int:
    """Change a place's layers by an event and return its class after it.

    Parameters
    ----------
    event : float64 array of shape (9,)
        The event.
    year, day : int, float
        The date.
    kind : int
        Class before it.
    layers : float64 array of shape (5,)
        Covers of trees, shrubs and herbs (each of its own layer, 0..1), the healthy
        cover of herbs, and the stand's age [year]; changed in place.
    """
    past = (year - event[YEAR]) + (day - event[DAY]) / 365.25
    if past < 0.0:
        return kind
    what, severity = int(event[KIND]), event[SEVERITY]
    tree = kind in FOREST
    if what == FIRE and (tree or kind == SHRUB):
        layers[0] *= 1.0 - severity * math.exp(-past / 45.0)
        layers[1] *= 1.0 - severity * math.exp(-past / 12.0)
        layers[2] *= 1.0 - 0.8 * severity * math.exp(-past / 1.5)
    elif what == LOGGING and tree:
        layers[0] *= 1.0 - severity * math.exp(-past / 50.0)
        layers[2] *= 1.0 - 0.3 * severity * math.exp(-past / 2.0)
    elif what == PLANTING and kind in PLANTABLE:
        layers[0] = 0.65 * severity * (1.0 - math.exp(-past / 12.0))
        layers[4] = past + 4.0
        return SPRUCE
    elif what == DEGRADATION and kind in GRAZED:
        left = 1.0 - severity * (1.0 - math.exp(-past / 1.5))
        layers[2] *= left
        return BLACK_SOIL if kind == MEADOW and left < 0.55 else kind
    elif what == RESTORATION and kind in CURABLE:
        lift = severity * (1.0 - math.exp(-past / 2.0))
        layers[2] += max(layers[3] - layers[2], 0.0) * lift
        return MEADOW if kind == BLACK_SOIL and lift > 0.6 else kind
    return kind


def outline(event: NDArray[np.float64]) -> Polygon:
    """Return an event's outline in grid coordinates."""
    angle = np.linspace(0.0, 2.0 * np.pi, 120, endpoint=False)
    reach = np.array(
        [outline_radius(a, event[RADIUS], event[TURN2], event[TURN3]) for a in angle]
    )
    return Polygon(
        np.column_stack(
            [event[X] + reach * np.cos(angle), event[Y] + reach * np.sin(angle)]
        )
    )


def describe(event: NDArray[np.float64]) -> Event:
    """Return an event with names, date and outline."""
    english, chinese = KINDS[int(event[KIND])]
    first = dt.date(int(event[YEAR]), 1, 1)
    return Event(
        kind=english,
        kind_zh=chinese,
        date=first + dt.timedelta(days=int(event[DAY]) - 1),
        severity=round(float(event[SEVERITY]), 3),
        outline=outline(event),
    )

"""The simulated country: which ecosystem stands where, and how well it grows.

A place is a point of the analysis grid's CRS; its landscape depends on nothing but
its coordinates, the seed, the year and ``config/twin.toml``, and on whether it lies
in a real lake. No sensor, day or file is known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.twin import disturbance
from qhsink.twin.classes import (
    ALPINE_DESERT,
    BLACK_SOIL,
    BROADLEAF,
    CROPLAND,
    ECOSYSTEMS,
    FOREST,
    GRASSLAND,
    JUNIPER,
    MARSH,
    MEADOW,
    PLAYA,
    ROCK,
    SHRUB,
    SNOW,
    SPRUCE,
    STEPPE,
    TEMPERATE_STEPPE,
    WATER,
)
from qhsink.twin.disturbance import EventGrid
from qhsink.twin.habitat import Climate
from qhsink.twin.places import fill_landscape
from qhsink.twin.vegetation import (
    CANOPY_COVER,
    FVC,
    RAIN,
    SHRUB_COVER,
    Rules,
    fill_truth,
)

__all__ = [
    "ALPINE_DESERT",
    "BLACK_SOIL",
    "BROADLEAF",
    "CROPLAND",
    "ECOSYSTEMS",
    "FOREST",
    "GRASSLAND",
    "JUNIPER",
    "MARSH",
    "MEADOW",
    "PLAYA",
    "ROCK",
    "SHRUB",
    "SNOW",
    "SPRUCE",
    "STEPPE",
    "TEMPERATE_STEPPE",
    "WATER",
    "Climate",
    "Landscape",
    "World",
]

PEAK = -1.0
"""In place of a day: the peak of the year's season."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """What is at each of n places in a year; arrays of shape (n,) or (rows, n)."""

    elevation: NDArray[np.float32]
    """Height [m]."""
    slope_x: NDArray[np.float32]
    """Rise per metre towards +x."""
    slope_y: NDArray[np.float32]
    """Rise per metre towards +y."""
    above_limit: NDArray[np.float32]
    """Height above the upper limit of vegetation [m], roughened."""
    litter: NDArray[np.float32]
    """Share of the ground between green leaves covered by litter, 0..1."""
    bright: NDArray[np.float32]
    """Share of bright soil in the bare soil, 0..1."""
    layers: NDArray[np.float32]
    """The year's potential before events: rows as in ``qhsink.twin.vegetation``."""
    potential: NDArray[np.uint8]
    """Class before events."""
    event: NDArray[np.int32]
    """Row of ``rules.events`` that reaches the place in any year, or -1."""
    ecosystem: NDArray[np.uint8]
    """One of ``ECOSYSTEMS``, at the year's peak season."""
    fvc_peak: NDArray[np.float32]
    """Fractional green cover at the peak of the season, 0..1."""
    canopy: NDArray[np.float32]
    """Tree crown cover at that time, 0..1."""
    shrub: NDArray[np.float32]
    """Shrub crown cover at that time, 0..1."""
    rules: Rules
    """What turns layers into state: tables, year, events."""


@dataclass(frozen=True, slots=True)
class World:
    """A country from a seed, in a year."""

    seed: int
    year: int
    """Calendar year: rain anomaly, trend and events follow it."""
    climate: Climate
    elevation: NDArray[np.float64]
    """Large-scale height [m], nodes (y, x)."""
    relief: NDArray[np.float64]
    """Standard deviation of height around a node [m], nodes (y, x)."""
    rain: NDArray[np.float64]
    """Growing-season rain [cm], nodes (y, x)."""
    types: NDArray[np.float64]
    """Traits by class: see ``qhsink.twin.vegetation``."""
    stands: NDArray[np.float64]
    """Traits of woods by class."""
    stock_scatter: float
    """Standard deviation of the logarithm of stem volume around its relation."""
    event_chance: float
    """Chance of an event in a lattice cell."""

    def in_year(self, year: int) -> World:
        """Return the same country in another year."""
        return replace(self, year=year)

    def without_weather(self) -> World:
        """Return the same country as if the rain of every year were the usual."""
        types = self.types.copy()
        types[:, RAIN] = 0.0
        return replace(self, types=types)

    def at(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        shore: NDArray[np.uint8],
    ) -> Landscape:
        """Return the landscape at places.

        Parameters
        ----------
        x, y : float64 arrays of shape (n,)
            Grid coordinates [m].
        shore : uint8 array of shape (n,)
            2 in a real lake, 1 on its shore, 0 elsewhere.
        """
        return self._landscape(x, y, shore, self._events(x, y))

    def events_over(
        self, bounds: tuple[float, float, float, float]
    ) -> list[disturbance.Event]:
        """Return all events whose cell meets a box (left, low, right, high) [m]."""
        left, low, right, high = bounds
        grid = self._events(np.array([left, right]), np.array([low, high]))
        return [
            disturbance.describe(grid.events[row]) for row in grid.cell[grid.cell >= 0]
        ]

    def _landscape(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        shore: NDArray[np.uint8],
        grid: EventGrid,
    ) -> Landscape:
        n = x.size
        floats = np.empty((6, n), dtype=np.float32)
        layers = np.empty((8, n), dtype=np.float32)
        kinds, event = np.empty(n, dtype=np.uint8), np.empty(n, dtype=np.int32)
        tables = (self.elevation, self.relief, self.rain, self.types, self.stands)
        fill_landscape(
            x,
            y,
            shore,
            tables,
            self.climate,
            self.year,
            self.seed,
            grid,
            floats,
            layers,
            kinds,
            event,
        )
        rules = Rules(
            self.year, self.types, self.stands, self.stock_scatter, grid.events
        )
        truth = np.empty((3, n), dtype=np.float32)
        now = np.empty(n, dtype=np.uint8)
        fill_truth(rules, PEAK, floats[0], kinds, event, layers, now, truth)
        return Landscape(
            elevation=floats[0],
            slope_x=floats[1],
            slope_y=floats[2],
            above_limit=floats[3],
            litter=floats[4],
            bright=floats[5],
            layers=layers,
            potential=kinds,
            event=event,
            ecosystem=now,
            fvc_peak=truth[FVC],
            canopy=truth[CANOPY_COVER],
            shrub=truth[SHRUB_COVER],
            rules=rules,
        )

    def _events(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> EventGrid:
        """Return the events of the cells that hold places; what grows decides them."""
        if x.size == 0:
            return _no_events(0, 0, (1, 1))
        cell = disturbance.CELL_M
        left, low = math.floor(x.min() / cell), math.floor(y.min() / cell)
        shape = (
            math.floor(y.max() / cell) - low + 1,
            math.floor(x.max() / cell) - left + 1,
        )
        drawn = disturbance.propose(left, low, shape, self.event_chance, self.seed)
        empty = _no_events(left, low, shape)
        held = np.flatnonzero(drawn[:, 9] >= 0.0)
        at = drawn[held]
        centre = self._landscape(
            np.ascontiguousarray(at[:, 0]),
            np.ascontiguousarray(at[:, 1]),
            np.zeros(held.size, dtype=np.uint8),
            empty,
        )
        room = -900.0 - centre.above_limit
        at[:, disturbance.KIND] = [
            disturbance.kind_of(int(kind), draw, treeline_m=float(below))
            for kind, draw, below in zip(centre.potential, at[:, 9], room, strict=True)
        ]
        happens = at[:, disturbance.KIND] > 0
        if not happens.any():
            return empty
        empty.cell.ravel()[held[happens]] = np.arange(happens.sum(), dtype=np.int32)
        return empty._replace(events=np.ascontiguousarray(at[happens, :9]))


def _no_events(left: int, low: int, shape: tuple[int, int]) -> EventGrid:
    return EventGrid(left, low, np.full(shape, -1, np.int32), np.zeros((1, 9)))

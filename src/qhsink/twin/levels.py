"""One acquisition at the levels of the real product: 10, 20 and 60 m of one scene.

The country is looked at in pixels of 10 m. What would be seen of them is averaged to
the pixels of each band, which get errors and digital numbers of their own; the scene
class is judged at 20 m, as in the real product. Which band has which level, frames and
files are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.emulator import BANDS, CHUNK
from qhsink.twin.frames import Counts
from qhsink.twin.recording import (
    Instrument,
    draws_of,
    fill_errors,
    fill_smooth,
    turns_of,
    write_codes,
)
from qhsink.twin.scene_class import Confusion
from qhsink.twin.seen import OVERHEAD, BandLight, fill_overhead, fill_seen, scratch
from qhsink.twin.sensor import Optics, class_of, places
from qhsink.twin.sky import SKY_ROOM, Light
from qhsink.twin.state import canopy_on
from qhsink.twin.world import Landscape

CELL_M, FINE_M, CLASS_M = 60, 10, 20
"""Coarsest and finest level, and that of the scene classes [m]."""
ACROSS = CELL_M // FINE_M
"""Fine pixels along the edge of a cell."""
BLOCK = 1_400
"""Cells handled at a time: bounds memory, changes no value."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Whole pixels of the coarsest level, and the fine pixels in them.

    Arrays of fine pixels go cell by cell, in a cell from north to south, and in a row
    from west to east.
    """

    number: Counts
    """Absolute column and row of each cell in its UTM zone, shape (2, cells)."""
    x: NDArray[np.float64]
    """Grid coordinate of the fine pixels [m], shape (36 cells,)."""
    y: NDArray[np.float64]
    land: Landscape
    """Of the fine pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """What the instrument recorded of some cells."""

    dn: dict[int, NDArray[np.uint16]]
    """By level [m]: shape (bands, cells, pixels of a cell), bands as asked for."""
    scl: NDArray[np.uint8]
    """Scene class at 20 m, shape (cells, 9)."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Bands, sun and instrument of an acquisition."""

    light: Light
    optics: Sequence[Optics]
    """Of the six shared bands and, where there are more, of Sentinel-2's own."""
    instrument: Instrument
    confusion: Confusion

    def turns_and_draws(
        self, which: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return what the errors of some bands follow from."""
        turns = np.hstack([turns_of(o.bands, o.chosen) for o in self.optics])
        draws = np.hstack([draws_of(o.bands, o.chosen) for o in self.optics])
        return np.ascontiguousarray(turns[:, which]), draws[which]


def expose_levels(
    cells: Cells, sight: Sight, bands: dict[int, NDArray[np.int64]]
) -> Levels:
    """Return what one acquisition records at each level.

    Parameters
    ----------
    cells : Cells
        The places.
    sight : Sight
        What looks at them.
    bands : dict of int to int64 array
        By level [m], the bands it ships: numbers in the order of ``sight.optics``.

    Notes
    -----
    A pixel of 20 m is the mean of its four of 10 m, before errors; light adds up, so
    that is what an instrument of 20 m would see. Errors are drawn for each level's own
    pixels; their smooth part is the same field at all levels.
    """
    count = cells.number.shape[1]
    dn = {
        level: np.empty((which.size, count, (CELL_M // level) ** 2), dtype=np.uint16)
        for level, which in bands.items()
    }
    scl = np.empty((count, (CELL_M // CLASS_M) ** 2), dtype=np.uint8)
    for start in range(0, count, BLOCK):
        part = slice(start, min(start + BLOCK, count))
        fine = slice(part.start * ACROSS**2, part.stop * ACROSS**2)
        seen, over = _look(cells, fine, sight)
        for level in dn | {CLASS_M: None}:
            shipped = bands.get(level, np.empty(0, dtype=np.int64))
            found, classes = _record(cells, part, sight, level, shipped, (seen, over))
            if level in dn:
                dn[level][:, part] = found.reshape(shipped.size, part.stop - start, -1)
            if level == CLASS_M:
                scl[part] = classes.reshape(part.stop - start, -1)
    return Levels(dn, scl)


def pixels_of(cells: Counts, level: int) -> NDArray[np.int64]:
    """Return absolute column and row of cells' pixels at a level, shape (2, n)."""
    edge = CELL_M // level
    rows, columns = np.divmod(np.arange(edge * edge), edge)
    # Rows are counted northward.
    return np.stack(
        [
            (cells[0][:, None] * edge + columns).ravel(),
            (cells[1][:, None] * edge - rows).ravel(),
        ]
    )


def _look(
    cells: Cells, fine: slice, sight: Sight
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return reflectance without errors (bands, n) and overhead (7, n) of pixels."""
    land, light = places(cells.land, fine), sight.light
    state = canopy_on(land, light.day, snow_line=light.snow_line)
    bands = tuple(optics.under(light) for optics in sight.optics)
    seen = np.empty((sum(b.sky.size for b in bands), land.elevation.size))
    over = np.empty((OVERHEAD, land.elevation.size))
    _fill_look(
        cells.x[fine],
        cells.y[fine],
        (land.slope_x, land.slope_y),
        np.stack([getattr(state, f.name) for f in fields(state)]),
        light,
        bands,
        sight.instrument,
        seen,
        over,
    )
    return seen, over


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_look(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    slopes: tuple[np.ndarray, np.ndarray],
    state: np.ndarray,
    light: Light,
    sets: tuple[BandLight, ...],
    instrument: Instrument,
    seen: np.ndarray,
    over: np.ndarray,
) -> None:
    """Fill reflectance and overhead of n pixels."""
    room, blue_sky = scratch(sets[0].net), sets[0].sky[0]
    for first in range(0, x.size, CHUNK):
        part = slice(first, min(first + CHUNK, x.size))
        near, far, above = x[part], y[part], over[:, part]
        fill_overhead(
            near, far, slopes, state, first, light, sets[0].sky[3], instrument,
            room.sky, above,
        )  # fmt: skip
        done = 0
        for bands in sets:
            end = done + bands.sky.size
            fill_seen(
                near, slopes, state, first, light, bands, blue_sky, instrument, above,
                room, seen[done:end, part],
            )  # fmt: skip
            done = end


def _record(
    cells: Cells,
    part: slice,
    sight: Sight,
    level: int,
    shipped: NDArray[np.int64],
    look: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Return digital numbers of some cells at a level, and classes where they are."""
    factor, judged = level // FINE_M, level == CLASS_M
    # Classes are judged from the six bands, whichever are shipped at this level.
    which = np.union1d(np.arange(BANDS), shipped) if judged else shipped
    fine = slice(part.start * ACROSS**2, part.stop * ACROSS**2)
    place = np.stack([cells.x[fine], cells.y[fine]])
    rho, (x, y) = _mean(look[0][which], factor), _mean(place, factor)
    over = _mean(look[1], factor) if judged else np.empty((0, x.size))
    dn = np.empty((which.size, x.size), dtype=np.uint16)
    scl = np.zeros(x.size, dtype=np.uint8)
    _fill_record(
        x,
        y,
        pixels_of(cells.number[:, part], level),
        rho,
        over,
        sight.light,
        *sight.turns_and_draws(which),
        sight.instrument,
        sight.confusion,
        dn,
        scl,
    )
    return dn[np.searchsorted(which, shipped)], scl


def _mean(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Return means over squares of ``factor`` fine pixels, cell by cell."""
    if factor == 1:
        return np.ascontiguousarray(values)
    edge = ACROSS // factor
    found = np.empty((values.shape[0], values.shape[1] // factor**2))
    _fill_mean(
        values.reshape(-1, edge, factor, edge, factor), found.reshape(-1, edge * edge)
    )
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_mean(values: np.ndarray, found: np.ndarray) -> None:
    """Fill means, shape (k, edge squared), of values (k, edge, f, edge, f)."""
    count, edge, factor = values.shape[0], values.shape[1], values.shape[2]
    for k in range(count):
        for i in range(edge):
            for j in range(edge):
                total = 0.0
                for di in range(factor):
                    for dj in range(factor):
                        total += values[k, i, di, j, dj]
                found[k, i * edge + j] = total / (factor * factor)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_record(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    pixel: np.ndarray,
    seen: np.ndarray,
    over: np.ndarray,
    light: Light,
    turns: np.ndarray,
    draws: np.ndarray,
    instrument: Instrument,
    confusion: Confusion,
    dn: np.ndarray,
    scl: np.ndarray,
) -> None:
    """Fill digital numbers and, where ``over`` has rows, classes of n pixels."""
    smooth, room = np.empty((4, CHUNK)), np.empty((SKY_ROOM, CHUNK))
    rho, errors = np.empty(seen.shape[0]), np.empty((2, seen.shape[0]))
    for first in range(0, x.size, CHUNK):
        part = slice(first, min(first + CHUNK, x.size))
        fill_smooth(x[part], y[part], light.seed, room, smooth)
        for k in range(part.start, part.stop):
            for b in range(rho.size):
                rho[b] = seen[b, k]
            fill_errors(
                smooth, k - first, pixel[0, k], pixel[1, k], light.seed, instrument,
                turns, draws, errors,
            )  # fmt: skip
            full = write_codes(rho, errors, instrument, dn, k)
            if over.shape[0] > 0:
                scl[k] = class_of(
                    x[k], y[k], light.seed, over[:, k], full, rho, confusion
                )

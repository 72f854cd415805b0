"""The simulated instrument: a landscape on a date to digital numbers and classes.

What would be seen (``seen``), with the instrument's errors, saturation, quantisation
and its idea of each pixel. Pixels are independent of their neighbours: all that is
spatial comes from functions of place. Files and dates are not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.emulator import BANDS, CHUNK, Emulator
from qhsink.twin.frames import Counts
from qhsink.twin.recording import (
    Instrument,
    draws_of,
    fill_errors,
    fill_smooth,
    turns_of,
    write_codes,
)
from qhsink.twin.scene_class import (
    SCL_SATURATED,
    Confusion,
    ground_class,
    sky_class,
)
from qhsink.twin.seen import (
    HIDDEN,
    LIT,
    OVERHEAD,
    WET,
    BandLight,
    fill_overhead,
    fill_seen,
    scratch,
)
from qhsink.twin.sky import CIRRUS, COVER, SHADE, Light
from qhsink.twin.spectra import CENTRES_UM, CIRRUS_VEIL, BandSet, sky_share
from qhsink.twin.state import canopy_on
from qhsink.twin.world import Landscape

BLOCK = 50_000
"""Pixels handled at a time: bounds memory, changes no value. No power of two, so that
a pixel's values do not share a cache set."""


@dataclass(frozen=True, slots=True, eq=False)
class Optics:
    """How things reflect in some bands of an instrument."""

    emulator: Emulator
    """Canopies, soils and litter."""
    surfaces: NDArray[np.float32]
    """Plain surfaces, shape (4, bands), rows as ``ground_light.SURFACES``."""
    bands: BandSet
    """The set the bands are of."""
    chosen: NDArray[np.int64]
    """Which of the set's bands, shape (bands,)."""

    def under(self, light: Light) -> BandLight:
        """Return what compiled code needs of the bands under a sun."""
        centres = np.array(CENTRES_UM[self.bands])[self.chosen]
        return BandLight(
            self.emulator.network,
            self.emulator.soils,
            self.emulator.litter,
            self.surfaces,
            sky_share(centres, light.cos_zenith),
            np.array(CIRRUS_VEIL[self.bands])[self.chosen],
            turns_of(self.bands, self.chosen),
            draws_of(self.bands, self.chosen),
        )


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the instrument recorded at n places."""

    dn: NDArray[np.uint16]
    """Digital numbers, shape (bands, n): the six of ``domain.scene.BANDS`` in that
    order, then those asked for beside them."""
    scl: NDArray[np.uint8]
    """Scene class, shape (n,); decided by those six."""


def expose(  # noqa: PLR0913 - a pixel, what lights it and what looks at it
    land: Landscape,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    pixel: Counts,
    light: Light,
    optics: Optics,
    instrument: Instrument,
    confusion: Confusion,
    *,
    beside: Optics | None = None,
) -> Exposure:
    """Return what one acquisition records.

    Parameters
    ----------
    land : Landscape
        The places.
    x, y : float64 arrays of shape (n,)
        Their grid coordinates [m].
    pixel : integer array of shape (2, n)
        Absolute column and row of each pixel in its UTM zone: noise is theirs.
    light : Light
        Sun, clouds, season and swath.
    optics : Optics
        Canopies and surfaces in the six shared bands.
    instrument : Instrument
        Errors and coding.
    confusion : Confusion
        How the scene classification errs.
    beside : Optics, optional
        More bands of the same instrument; without influence on the six.
    """
    bands = [one.under(light) for one in (optics, beside) if one is not None]
    dn = np.empty((sum(b.sky.size for b in bands), x.size), dtype=np.uint16)
    scl = np.empty(x.size, dtype=np.uint8)
    for start in range(0, x.size, BLOCK):
        part = slice(start, start + BLOCK)
        here = places(land, part)
        state = canopy_on(here, light.day, snow_line=light.snow_line)
        _fill_exposure(
            x[part],
            y[part],
            pixel[:, part].astype(np.int64),
            (here.slope_x, here.slope_y),
            np.stack([getattr(state, f.name) for f in fields(state)]),
            light,
            tuple(bands),
            instrument,
            confusion,
            dn[:, part],
            scl[part],
        )
    return Exposure(dn, scl)


def places(land: Landscape, part: slice) -> Landscape:
    """Return some of the places of ``land``."""
    arrays: dict[str, Any] = {
        f.name: value[..., part]
        for f in fields(land)
        if isinstance(value := getattr(land, f.name), np.ndarray)
    }
    return replace(land, **arrays)


@njit(nogil=True, cache=True, error_model="numpy")
def class_of(
    x: float,
    y: float,
    seed: int,
    over: np.ndarray,
    full: bool,
    rho: np.ndarray,
    confusion: Confusion,
) -> int:
    """Return the scene class of a pixel that was recorded as ``rho``.

    ``over`` is its column of ``fill_overhead`` and ``full`` whether a band saturated.
    """
    cloud, shade, cirrus = over[COVER], over[SHADE], over[CIRRUS]
    seen: int = sky_class(x, y, seed, cloud, shade, cirrus, confusion)
    if seen != 0:
        return seen
    if full:
        return SCL_SATURATED
    ground: int = ground_class(
        x, y, seed, over[HIDDEN], over[WET], over[LIT], rho, confusion
    )
    return ground


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_exposure(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    pixel: np.ndarray,
    slopes: tuple[np.ndarray, np.ndarray],
    state: np.ndarray,
    light: Light,
    sets: tuple[BandLight, ...],
    instrument: Instrument,
    confusion: Confusion,
    dn: np.ndarray,
    scl: np.ndarray,
) -> None:
    room = scratch(sets[0].net)
    seen, smooth = np.empty((BANDS, CHUNK)), np.empty((4, CHUNK))
    over = np.empty((OVERHEAD, CHUNK))
    for first in range(0, x.size, CHUNK):
        count = min(CHUNK, x.size - first)
        part = slice(first, first + count)
        fill_overhead(
            x[part], y[part], slopes, state, first, light, sets[0].sky[3], instrument,
            room.sky, over,
        )  # fmt: skip
        fill_smooth(x[part], y[part], light.seed, room.sky, smooth)
        done = 0
        for bands in sets:
            size = bands.sky.size
            rho, errors = np.empty(size), np.empty((2, size))
            fill_seen(
                x[part], slopes, state, first, light, bands, sets[0].sky[0],
                instrument, over, room, seen,
            )  # fmt: skip
            for p in range(count):
                k = first + p
                for b in range(size):
                    rho[b] = seen[b, p]
                fill_errors(
                    smooth, p, pixel[0, k], pixel[1, k], light.seed, instrument,
                    bands.turns, bands.draws, errors,
                )  # fmt: skip
                full = write_codes(rho, errors, instrument, dn[done:], k)
                if done == 0:
                    scl[k] = class_of(
                        x[k], y[k], light.seed, over[:, p], full, rho, confusion
                    )
            done += size

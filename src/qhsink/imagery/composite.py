"""Many dates to one value per pixel: the monthly median and the peak-season date.

Which observations are clear belongs to ``masking``; the loops to ``kernels``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.scene import BANDS
from qhsink.imagery.corrections import Correction
from qhsink.imagery.encoding import NODATA
from qhsink.imagery.kernels import (
    median_lanes,
    peak_dates,
    pick_dates,
    sorting_network,
)


class Flag(IntFlag):
    """Bits of ``Composite.flags``."""

    TOO_FEW = 1
    """Fewer clear dates than asked for: reflectance is nodata."""
    WATER = 2
    """Most of the clear dates call it water."""
    SNOW_SEEN = 4
    """Snow on at least one date; those dates are not in the composite."""
    NO_DATA = 8
    """No date at all holds an observation here, clear or not."""
    OUTSIDE_AREA = 16
    """In the flags of a map, never of a composite: the pixel is outside the model's
    area of applicability."""


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """One value per pixel and band, and how it came about."""

    reflectance: NDArray[np.int16]
    """Reflectance times 10 000, shape (6, y, x) in the order of ``BANDS``; -32768."""
    n_clear: NDArray[np.uint8]
    """Clear dates, shape (y, x); 255 means 255 or more."""
    flags: NDArray[np.uint8]
    """Bits of ``Flag``, shape (y, x)."""
    corrections: tuple[Correction, ...] = ()
    """What was done to the reflectance it was chosen from, day by day."""
    further: NDArray[np.int16] | None = None
    """Further bands of the same dates, shape (band, y, x), as ``reflectance``; kept
    apart, since few models need them."""


def median_composite(
    reflectance: NDArray[np.int16],
    clear: NDArray[np.bool_],
    water: NDArray[np.bool_],
    *,
    min_clear: int,
    snow: NDArray[np.bool_] | None = None,
) -> Composite:
    """Return the median over clear dates, band by band.

    Parameters
    ----------
    reflectance : int16 array of shape (time, 6, y, x)
        Reflectance times 10 000; -32768 where there is none.
    clear, water : bool arrays of shape (time, y, x)
        From ``classify_observations``.
    min_clear : int
        Clear dates required; with fewer the pixel is nodata and flagged.
    snow : bool array of shape (time, y, x), optional
        Sets ``Flag.SNOW_SEEN``.

    Notes
    -----
    Of an even number of dates, the mean of the two middle values, a half rounded to
    the even neighbour (0.00005 reflectance at most), so that rounding does not
    bias. Bands are taken apart, so the six values may stem from different dates.
    """
    dates, bands, rows, cols = reflectance.shape
    out = np.empty((bands, rows, cols), dtype=np.int16)
    count = np.empty((rows, cols), dtype=np.uint8)
    median_lanes(
        np.ascontiguousarray(reflectance).reshape(dates, bands, rows * cols),
        np.ascontiguousarray(clear).reshape(dates, rows * cols),
        NODATA,
        min_clear,
        sorting_network(dates),
        out.reshape(bands, -1),
        count.reshape(-1),
    )
    flags = _flags(reflectance, clear, water, snow, count, min_clear)
    return Composite(out, count, flags)


def peak_composite(
    reflectance: NDArray[np.int16],
    clear: NDArray[np.bool_],
    water: NDArray[np.bool_],
    *,
    min_clear: int,
    quantile: float,
    snow: NDArray[np.bool_] | None = None,
    further: NDArray[np.int16] | None = None,
) -> Composite:
    """Return each pixel's date at the NDVI ``quantile`` among its clear dates.

    Parameters
    ----------
    reflectance, clear, water, min_clear, snow
        As in ``median_composite``.
    quantile : float
        Between 0 and 1; 0.9 in methodology B2.
    further : int16 array of shape (time, band, y, x), optional
        Further bands of the same dates. They have no say in which date is taken.

    Notes
    -----
    All six bands come from one date, so that indices of them are real. Nearest
    rank: of n clear dates ordered by (NDVI, date), number ceil(quantile * n), at
    least 1. With 0.9 that is the highest of up to nine dates, the second highest of
    10 to 19. It therefore rises with n, as every high order statistic does: for n
    independent normal errors of sd s the maximum lies 0.56 s above the mean at n = 2,
    0.85 s at 3, 1.27 s at 6, 1.49 s at 9 (David & Nagaraja, Order Statistics, 2003).
    ``n_clear`` is kept so that this can be modelled; years with different n must
    not be compared without it.
    """
    dates, bands, rows, cols = reflectance.shape
    held = np.ascontiguousarray(reflectance)
    count = np.empty((rows, cols), dtype=np.uint8)
    date = np.empty(rows * cols, dtype=np.int16)
    peak_dates(
        held.reshape(dates, bands, rows * cols),
        np.ascontiguousarray(clear).reshape(dates, rows * cols),
        NODATA,
        min_clear,
        quantile,
        (BANDS.index("red"), BANDS.index("nir")),
        date,
        count.reshape(-1),
    )
    flags = _flags(reflectance, clear, water, snow, count, min_clear)
    more = None if further is None else _on_dates(further, date)
    return Composite(_on_dates(held, date), count, flags, further=more)


def _on_dates(numbers: NDArray[np.int16], date: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the numbers of each pixel's own date, shape (band, y, x)."""
    dates, bands, rows, cols = numbers.shape
    out = np.empty((bands, rows, cols), dtype=np.int16)
    pick_dates(
        np.ascontiguousarray(numbers).reshape(dates, bands, rows * cols),
        date,
        NODATA,
        out.reshape(bands, -1),
    )
    return out


def _flags(
    reflectance: NDArray[np.int16],
    clear: NDArray[np.bool_],
    water: NDArray[np.bool_],
    snow: NDArray[np.bool_] | None,
    count: NDArray[np.uint8],
    min_clear: int,
) -> NDArray[np.uint8]:
    """Return the flags of every pixel."""
    wet = np.zeros(count.shape, dtype=np.int16)
    seen = np.zeros(count.shape, dtype=np.bool_)
    for t in range(reflectance.shape[0]):
        wet += clear[t] & water[t]
        seen |= reflectance[t, 0] != NODATA
    flags = np.where(count < max(min_clear, 1), np.uint8(Flag.TOO_FEW), np.uint8(0))
    flags |= np.where(2 * wet > count, np.uint8(Flag.WATER), np.uint8(0))
    flags |= np.where(seen, np.uint8(0), np.uint8(Flag.NO_DATA))
    if snow is not None:
        flags |= np.where(snow.any(axis=0), np.uint8(Flag.SNOW_SEEN), np.uint8(0))
    return flags

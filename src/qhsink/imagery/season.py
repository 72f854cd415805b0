"""The course of green over a season: NDVI by date, and what its months say.

Which observations are clear belongs to ``masking``; the peak's date to ``composite``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.scene import BANDS
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.imagery.kernels import median_lanes, sorting_network

Numbers = NDArray[np.int16]


def clear_ndvi(
    reflectance: Numbers, clear: NDArray[np.bool_], *, floor: float
) -> Numbers:
    """Return the NDVI of each clear observation.

    Parameters
    ----------
    reflectance : int16 array of shape (time, 6, y, x)
        Reflectance times 10 000; -32768 where there is none.
    clear : bool array of shape (time, y, x)
        From ``classify_observations``.
    floor : float
        Reflectance that lower ones are raised to.

    Returns
    -------
    int16 array of shape (time, y, x)
        NDVI times 10 000, -32768 where it is not clear.
    """
    red, nir = BANDS.index("red"), BANDS.index("nir")
    out = np.full(clear.shape, NODATA, dtype=np.int16)
    for day, seen in enumerate(clear):
        numbers = reflectance[day, [red, nir]]
        known = seen & (numbers != NODATA).all(axis=0)
        low, high = np.maximum(numbers.astype(np.float32), np.float32(floor * SCALE))
        ndvi = np.rint((high - low) / (high + low) * np.float32(SCALE))
        np.copyto(out[day], ndvi.astype(np.int16), where=known)
    return out


def season_statistics(ndvi: Numbers, months: Sequence[int]) -> Numbers:
    """Return greatest, least and mean NDVI of the months of a season.

    Parameters
    ----------
    ndvi : int16 array of shape (time, y, x)
        From ``clear_ndvi``.
    months : sequence of int
        Calendar month of each date.

    Returns
    -------
    int16 array of shape (3, y, x)
        NDVI times 10 000, -32768 where no date is clear.

    Notes
    -----
    Each month counts once, with the median of its clear dates, however many there
    are: neither a month of many passes nor one date under thin cloud decides. A month
    without a clear date is left out.
    """
    shape = ndvi.shape[1:]
    greatest = np.full(shape, NODATA, dtype=np.int16)
    least = np.full(shape, NODATA, dtype=np.int16)
    total = np.zeros(shape, dtype=np.int32)
    held = np.zeros(shape, dtype=np.int32)
    for month in sorted(set(months)):
        days = [day for day, of in enumerate(months) if of == month]
        middle = _median(ndvi[days])
        known = middle != NODATA
        np.maximum(greatest, middle, out=greatest)
        np.copyto(least, middle, where=known & ((held == 0) | (middle < least)))
        total += np.where(known, middle, 0)
        held += known
    mean = np.rint(total / np.maximum(held, 1)).astype(np.int16)
    return np.stack([greatest, least, np.where(held > 0, mean, np.int16(NODATA))])


def _median(ndvi: Numbers) -> Numbers:
    dates, pixels = len(ndvi), ndvi[0].size
    out = np.empty((1, pixels), dtype=np.int16)
    median_lanes(
        np.ascontiguousarray(ndvi).reshape(dates, 1, pixels),
        np.ascontiguousarray(ndvi != NODATA).reshape(dates, pixels),
        NODATA,
        1,
        sorting_network(dates),
        out,
        np.empty(pixels, dtype=np.uint8),
    )
    return out.reshape(ndvi.shape[1:])

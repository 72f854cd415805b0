"""How each observation of a window departs from its pixel's other clear dates.

What a departure means is judged in ``second_opinion``.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from qhsink.imagery.encoding import NODATA
from qhsink.imagery.kernels import median_lanes, sorting_network

LEAST_DATES = 3
"""Clear dates of a pixel that make a comparison."""

RADIUS = 2
"""Departures are means over squares of 2 ``RADIUS`` + 1 pixels: haze is smooth, what
changes on the ground from pixel to pixel is not."""

MOST = 1_000
"""Departures beyond this count as this [reflectance times 10 000]: the edge of a cloud
must not drown its neighbours."""

Floats = NDArray[np.float32]


def reference(
    reflectance: NDArray[np.int16], clear: NDArray[np.bool_]
) -> NDArray[np.int16]:
    """Return each band's median over a pixel's clear dates, shape (6, y, x).

    ``reflectance`` of shape (time, 6, y, x), C-ordered, ``clear`` (time, y, x);
    ``NODATA`` where there are fewer than ``LEAST_DATES``. An observation called clear
    is among its own references: of three dates one may be veiled, and the median still
    is one of clear ground.
    """
    dates, bands, rows, cols = reflectance.shape
    out = np.empty((bands, rows * cols), dtype=np.int16)
    count = np.empty(rows * cols, dtype=np.uint8)
    median_lanes(
        reflectance.reshape(dates, bands, -1),
        clear.reshape(dates, -1),
        NODATA,
        LEAST_DATES,
        sorting_network(max(dates, 1)),
        out,
        count,
    )
    return out.reshape(bands, rows, cols)


def departures(
    reflectance: NDArray[np.int16],
    medians: NDArray[np.int16],
    counted: NDArray[np.bool_],
) -> Floats:
    """Return reflectance less its median, smoothed, shape (6, y, x); NaN where none.

    Parameters
    ----------
    reflectance : int16 array of shape (6, y, x)
        One date, times 10 000.
    medians : int16 array of shape (6, y, x)
        From ``reference``.
    counted : bool array of shape (y, x)
        Pixels that enter the means. A pixel without one in its square, or without a
        median, has no departure.
    """
    known = counted & (medians[0] != NODATA)
    out = np.empty(reflectance.shape, np.float32)
    _departures(reflectance, medians, known, out)
    out[:, medians[0] == NODATA] = np.nan
    return out


@numba.njit(nogil=True, cache=True)
def _departures(
    reflectance: NDArray[np.int16],
    medians: NDArray[np.int16],
    known: NDArray[np.bool_],
    out: Floats,
) -> None:
    bands, rows, cols = reflectance.shape
    ones = np.empty((rows, cols + 2 * RADIUS), np.float32)
    _padded_ones(known, ones)
    number = np.empty((rows, cols), np.float32)
    _box_sum(ones, number)
    for y in range(rows):
        row = number[y]
        for x in range(cols):
            row[x] = np.float32(1e-4) / row[x] if row[x] > 0 else np.float32(np.nan)
    values = np.zeros((rows, cols + 2 * RADIUS), np.float32)
    for band in range(bands):
        for y in range(rows):
            one, other = reflectance[band, y], medians[band, y]
            row, used = values[y, RADIUS : RADIUS + cols], known[y]
            for x in range(cols):
                apart = np.float32(one[x]) - np.float32(other[x])
                apart = min(max(apart, np.float32(-MOST)), np.float32(MOST))
                row[x] = apart if used[x] else np.float32(0.0)
        _box_sum(values, out[band])
        for y in range(rows):
            row, share = out[band, y], number[y]
            for x in range(cols):
                row[x] *= share[x]


@numba.njit(nogil=True, cache=True)
def _padded_ones(known: NDArray[np.bool_], ones: Floats) -> None:
    ones[:] = 0.0
    for y in range(known.shape[0]):
        row = ones[y, RADIUS : RADIUS + known.shape[1]]
        for x in range(known.shape[1]):
            row[x] = known[y, x]


@numba.njit(nogil=True, cache=True)
def _box_sum(padded: Floats, out: Floats) -> None:
    """Write the sums over squares; ``padded`` has ``RADIUS`` zeros on both sides."""
    rows, cols = out.shape
    along = np.zeros((rows + 2 * RADIUS, cols), np.float32)
    for y in range(rows):
        row = along[y + RADIUS]
        for step in range(2 * RADIUS + 1):
            shifted = padded[y, step : step + cols]
            for x in range(cols):
                row[x] += shifted[x]
    out[:] = 0.0
    for y in range(rows):
        row = out[y]
        for step in range(2 * RADIUS + 1):
            beside = along[y + step]
            for x in range(cols):
                row[x] += beside[x]

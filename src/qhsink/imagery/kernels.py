"""Compiled loops over pixels: classification, the temporal median, the peak date.

Each releases the GIL and runs on one thread: the caller's Dask workers are the
parallelism. Pixels lie in lanes of ``LANES``, so that int16 comparisons vectorise.
Meaning, flags and checks belong to ``masking`` and ``composite``.
"""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

LANES = 256
"""Pixels worked on together: seven dates of six bands stay in the first cache."""

EMPTY = 32767
"""Sorts behind every reflectance; never a value of a clear observation."""

USABLE, GROW, WATER, SNOW = 1, 2, 4, 8
"""Bits of a mask table: may be clear, is grown, is water, is snow."""


@cache
def sorting_network(length: int) -> NDArray[np.int64]:
    """Return the comparisons that sort ``length`` values, shape (n, 2).

    Batcher's odd-even merge sort (Knuth, TAOCP 3, 5.2.2, algorithm M), which works
    for any length.
    """
    pairs = []
    top = 1 << max(length - 1, 0).bit_length()
    p = top // 2
    while p > 0:
        q, r, d = top // 2, 0, p
        while d > 0:
            pairs += [(i, i + d) for i in range(length - d) if i & p == r]
            d, q, r = q - p, q // 2, p
        p //= 2
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@numba.njit(nogil=True, cache=True)
def gather(
    numbers: NDArray[np.uint16], index: NDArray[np.int32], out: NDArray[np.uint16]
) -> None:
    """Write ``numbers[index]`` into ``out`` where ``index`` is not negative.

    ``numbers`` of shape (n,), ``index`` and ``out`` of shape (y, x).
    """
    rows, cols = index.shape
    for y in range(rows):
        for x in range(cols):
            if index[y, x] >= 0:
                out[y, x] = numbers[index[y, x]]


@numba.njit(nogil=True, cache=True)
def rescale_into(
    numbers: NDArray[np.uint16],
    take: NDArray[np.bool_],
    nodata: int,
    gain: float,
    bias: float,
    out: NDArray[np.int16],
) -> None:
    """Write ``round(numbers * gain + bias)`` into ``out`` where ``take``.

    All of shape (y, x). Digital numbers equal to ``nodata`` leave ``out`` as it is;
    results are kept within -32767..32766, clear of both markers.
    """
    rows, cols = numbers.shape
    for y in range(rows):
        for x in range(cols):
            if take[y, x] and numbers[y, x] != nodata:
                value = np.rint(np.float32(numbers[y, x]) * gain + bias)
                out[y, x] = np.int16(min(max(value, -32767.0), 32766.0))


@numba.njit(nogil=True, cache=True)
def classify(
    reflectance: NDArray[np.int16],
    mask: NDArray[np.uint16],
    table: NDArray[np.uint8],
    limits: tuple[int, int],
    snow_ndsi: float,
    snow_nir: float,
    out: NDArray[np.uint8],
) -> None:
    """Write the bits USABLE, GROW, WATER, SNOW of each observation of one date.

    ``reflectance`` of shape (6, pixels) in the order of ``BANDS``, ``mask`` and
    ``out`` of shape (pixels,), ``table`` of shape (65536,). Outside ``limits``
    (inclusive, in any band) nothing is usable.
    """
    low, high = limits
    for i in range(mask.size):
        bits = table[mask[i]]
        for band in range(6):
            if reflectance[band, i] < low or reflectance[band, i] > high:
                bits = bits & np.uint8(~USABLE & 0xFF)
        green, swir = np.float32(reflectance[1, i]), np.float32(reflectance[4, i])
        total = green + swir
        bright = reflectance[3, i] > snow_nir
        icy = total > 0 and green - swir > snow_ndsi * total
        if bits & USABLE and not bits & WATER and bright and icy:
            bits = bits | np.uint8(SNOW)
        if bits & SNOW:
            bits = (bits | np.uint8(GROW)) & np.uint8(~USABLE & 0xFF)
        out[i] = bits


@numba.njit(nogil=True, cache=True)
def median_lanes(
    reflectance: NDArray[np.int16],
    clear: NDArray[np.bool_],
    nodata: int,
    min_clear: int,
    network: NDArray[np.int64],
    out: NDArray[np.int16],
    count: NDArray[np.uint8],
) -> None:
    """Write the median of the clear dates and their number, per pixel.

    ``reflectance`` (time, band, pixels), ``clear`` (time, pixels), ``out``
    (band, pixels), ``count`` (pixels,). A date counts when it is clear and no band
    is nodata. Of two middle values the mean, a half to the even neighbour.
    """
    dates, bands, pixels = reflectance.shape
    lanes = np.full((max(dates, 1), LANES), EMPTY, dtype=np.int16)
    valid = np.zeros((max(dates, 1), LANES), dtype=np.bool_)
    number = np.zeros(LANES, dtype=np.int32)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        _count_valid(reflectance, clear, nodata, start, width, valid, number)
        for band in range(bands):
            _load(reflectance, band, start, width, valid, lanes)
            _sort(network, lanes)
            _middle(lanes, number, nodata, min_clear, out[band, start : start + width])
        for i in range(width):
            count[start + i] = np.uint8(min(number[i], 255))


@numba.njit(nogil=True, cache=True)
def _count_valid(
    reflectance: NDArray[np.int16],
    clear: NDArray[np.bool_],
    nodata: int,
    start: int,
    width: int,
    valid: NDArray[np.bool_],
    number: NDArray[np.int32],
) -> None:
    # Rows are cut out of C-ordered arrays: a slice of the whole would be strided,
    # and strided loops do not vectorise.
    marker = np.int16(nodata)
    number[:] = 0
    for t in range(clear.shape[0]):
        row, seen = valid[t], clear[t, start : start + width]
        for i in range(width):
            row[i] = seen[i]
        for band in range(reflectance.shape[1]):
            values = reflectance[t, band, start : start + width]
            for i in range(width):
                row[i] &= values[i] != marker
        for i in range(width):
            number[i] += row[i]


@numba.njit(nogil=True, cache=True)
def _load(
    reflectance: NDArray[np.int16],
    band: int,
    start: int,
    width: int,
    valid: NDArray[np.bool_],
    lanes: NDArray[np.int16],
) -> None:
    for t in range(reflectance.shape[0]):
        values = reflectance[t, band, start : start + width]
        row, lane = valid[t], lanes[t]
        for i in range(width):
            lane[i] = values[i] if row[i] else np.int16(EMPTY)


@numba.njit(nogil=True, cache=True)
def _sort(network: NDArray[np.int64], lanes: NDArray[np.int16]) -> None:
    for k in range(network.shape[0]):
        a, b = lanes[network[k, 0]], lanes[network[k, 1]]
        for i in range(LANES):
            x, y = a[i], b[i]
            a[i] = min(x, y)
            b[i] = max(x, y)


@numba.njit(nogil=True, cache=True)
def _middle(
    lanes: NDArray[np.int16],
    number: NDArray[np.int32],
    nodata: int,
    min_clear: int,
    out: NDArray[np.int16],
) -> None:
    for i in range(out.size):
        n = number[i]
        if n < min_clear or n == 0:
            out[i] = np.int16(nodata)
        else:
            total = np.int32(lanes[(n - 1) // 2, i]) + np.int32(lanes[n // 2, i])
            half = total >> 1
            out[i] = np.int16(half + (total & 1 & half))


@numba.njit(nogil=True, cache=True)
def peak_dates(
    reflectance: NDArray[np.int16],
    clear: NDArray[np.bool_],
    nodata: int,
    min_clear: int,
    quantile: float,
    red_nir: tuple[int, int],
    date: NDArray[np.int16],
    count: NDArray[np.uint8],
) -> None:
    """Write each pixel's clear date at the nearest rank of the NDVI ``quantile``.

    Shapes as in ``median_lanes``; ``date`` (pixels,) gets the number of the date, -1
    where there is none. Ranks are 1..n by (NDVI, date); the one taken is
    ceil(quantile * n), at least 1. NDVI with no positive denominator ranks lowest.
    """
    dates, _, pixels = reflectance.shape
    ndvi = np.zeros((max(dates, 1), LANES), dtype=np.float32)
    valid = np.zeros((max(dates, 1), LANES), dtype=np.bool_)
    number = np.zeros(LANES, dtype=np.int32)
    chosen = np.zeros(LANES, dtype=np.int32)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        _count_valid(reflectance, clear, nodata, start, width, valid, number)
        _load_ndvi(reflectance, red_nir, start, width, ndvi)
        _choose(ndvi, valid, number, min_clear, quantile, width, chosen)
        for i in range(width):
            count[start + i] = np.uint8(min(number[i], 255))
            date[start + i] = np.int16(chosen[i])


@numba.njit(nogil=True, cache=True)
def pick_dates(
    numbers: NDArray[np.int16],
    date: NDArray[np.int16],
    nodata: int,
    out: NDArray[np.int16],
) -> None:
    """Write each pixel's numbers on its date, ``nodata`` where the date is -1.

    ``numbers`` (time, band, pixels), ``date`` (pixels,), ``out`` (band, pixels).
    """
    for band in range(out.shape[0]):
        for i in range(date.size):
            t = date[i]
            out[band, i] = numbers[t, band, i] if t >= 0 else np.int16(nodata)


@numba.njit(nogil=True, cache=True)
def _load_ndvi(
    reflectance: NDArray[np.int16],
    red_nir: tuple[int, int],
    start: int,
    width: int,
    ndvi: NDArray[np.float32],
) -> None:
    red, nir = red_nir
    for t in range(reflectance.shape[0]):
        low = reflectance[t, red, start : start + width]
        high = reflectance[t, nir, start : start + width]
        row = ndvi[t]
        for i in range(width):
            x, y = np.float32(low[i]), np.float32(high[i])
            total = x + y
            safe = total if total > 0 else np.float32(1.0)
            row[i] = (y - x) / safe if total > 0 else np.float32(-np.inf)


@numba.njit(nogil=True, cache=True)
def _choose(
    ndvi: NDArray[np.float32],
    valid: NDArray[np.bool_],
    number: NDArray[np.int32],
    min_clear: int,
    quantile: float,
    width: int,
    chosen: NDArray[np.int32],
) -> None:
    """Write the date at the rank, -1 where there are too few."""
    ordered = np.empty(ndvi.shape[0], dtype=np.float32)
    dates = np.empty(ndvi.shape[0], dtype=np.int32)
    for i in range(width):
        if number[i] < min_clear or number[i] == 0:
            chosen[i] = -1
            continue
        n = 0
        for t in range(ndvi.shape[0]):
            if valid[t, i]:
                value, k = ndvi[t, i], n
                while k > 0 and ordered[k - 1] > value:
                    ordered[k], dates[k] = ordered[k - 1], dates[k - 1]
                    k -= 1
                ordered[k], dates[k] = value, t
                n += 1
        # The tolerance keeps 0.9 * 10 at rank 9: it is 9.000000000000002 in binary.
        rank = max(int(np.ceil(quantile * n - 1e-9)), 1)
        chosen[i] = dates[rank - 1]

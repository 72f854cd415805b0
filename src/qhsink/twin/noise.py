"""Gradient noise as a function of coordinates, compiled: any window alone agrees.

Every value is a hash of integer lattice coordinates and a seed, so nothing depends
on where a window begins, on the order of work or on a random generator's state.
Nothing here knows what the noise is used for.

References
----------
Perlin, K. (2002) Improving noise, SIGGRAPH (quintic fade). Musgrave, F. K. (1994)
Procedural fractal terrains, in Ebert et al., Texturing and Modeling, ch. 16 (ridged
multifractal). The integer finalizer is MurmurHash3's ``fmix64`` (Appleby, public
domain).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

DIRECTIONS = 64
_ANGLE = 2.0 * np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
_GX, _GY = np.cos(_ANGLE), np.sin(_ANGLE)
_A, _B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_M1, _M2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S33, _LOW = np.uint64(33), np.uint64(DIRECTIONS - 1)
_MASK16, _UNIT = np.uint64(0xFFFF), 1.0 / 65_535.0
_S16, _S32, _S48 = np.uint64(16), np.uint64(32), np.uint64(48)
_SPREAD = math.sqrt(6.0)
Corners = tuple[float, float, float, float, float, float, float, float]
SCALE = 1.6
"""Brings one octave's standard deviation near ``OCTAVE_SD``, its range to -1..1."""
OCTAVE_SD = 0.4
"""Standard deviation of one octave of gradient noise."""


@njit(nogil=True, cache=True, inline="always")
def lattice_hash(i: int, j: int, seed: int) -> np.uint64:
    """Return 64 well-mixed bits of two integers and a seed."""
    h = np.uint64(seed) * _M1 ^ np.uint64(i) * _A ^ np.uint64(j) * _B
    h ^= h >> _S33
    h *= _M1
    h ^= h >> _S33
    h *= _M2
    return h ^ (h >> _S33)


@njit(nogil=True, cache=True)
def gradient_noise(x: float, y: float, seed: int) -> float:
    """Return smooth noise with unit lattice at (x, y), about -1..1, mean 0."""
    fx, fy = math.floor(x), math.floor(y)
    corners = _corners(int(fx), int(fy), seed)
    return _between(corners, x - fx, y - fy)


@njit(nogil=True, cache=True)
def _corners(i: int, j: int, seed: int) -> Corners:
    """Return the gradients at the corners of a lattice cell."""
    a = lattice_hash(i, j, seed) & _LOW
    b = lattice_hash(i + 1, j, seed) & _LOW
    c = lattice_hash(i, j + 1, seed) & _LOW
    d = lattice_hash(i + 1, j + 1, seed) & _LOW
    return _GX[a], _GY[a], _GX[b], _GY[b], _GX[c], _GY[c], _GX[d], _GY[d]


@njit(nogil=True, cache=True, inline="always")
def _between(corners: Corners, u: float, v: float) -> float:
    """Return the noise at (u, v) of a cell, 0..1 each."""
    na = corners[0] * u + corners[1] * v
    nb = corners[2] * (u - 1.0) + corners[3] * v
    nc = corners[4] * u + corners[5] * (v - 1.0)
    nd = corners[6] * (u - 1.0) + corners[7] * (v - 1.0)
    su = u * u * u * (u * (u * 6.0 - 15.0) + 10.0)
    sv = v * v * v * (v * (v * 6.0 - 15.0) + 10.0)
    low = na + su * (nb - na)
    value: float = SCALE * (low + sv * (nc + su * (nd - nc) - low))
    return value


@njit(nogil=True, cache=True)
def fill_noise(x: np.ndarray, y: np.ndarray, seed: int, found: np.ndarray) -> None:
    """Fill ``gradient_noise`` of n places, three times faster than one by one.

    Neighbouring pixels mostly share a cell of the lattice: each run of them is one
    loop without a branch.
    """
    start = 0
    while start < x.size:
        fx, fy = math.floor(x[start]), math.floor(y[start])
        end = start + 1
        while end < x.size and fx <= x[end] < fx + 1.0 and fy <= y[end] < fy + 1.0:
            end += 1
        corners = _corners(int(fx), int(fy), seed)
        part_x, part_y, part = x[start:end], y[start:end], found[start:end]
        for p in range(part.size):
            part[p] = _between(corners, part_x[p] - fx, part_y[p] - fy)
        start = end


@njit(nogil=True, cache=True)
def fill_fractal(
    x: np.ndarray,
    y: np.ndarray,
    cell: float,
    octaves: int,
    gain: float,
    seed: int,
    room: np.ndarray,
    found: np.ndarray,
) -> None:
    """Fill a sum of octaves of noise, the coarsest of ``cell`` metres; about -1..1.

    Each octave is turned by 37 degrees, so that no lattice direction shows. ``room``
    is scratch of shape (3 or more, n).
    """
    px, py, noise = room[0][: x.size], room[1][: x.size], room[2][: x.size]
    for p in range(x.size):
        px[p], py[p], found[p] = x[p] / cell, y[p] / cell, 0.0
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        fill_noise(px, py, seed + octave, noise)
        for p in range(x.size):
            found[p] += weight * noise[p]
        _turn(px, py, 11.3, -7.7)
        norm += weight * weight
        weight *= gain
    for p in range(x.size):
        found[p] /= math.sqrt(norm)


@njit(nogil=True, cache=True)
def _turn(px: np.ndarray, py: np.ndarray, shift_x: float, shift_y: float) -> None:
    """Double, turn by 37 degrees and shift places, for the next octave."""
    for p in range(px.size):
        u, v = px[p], py[p]
        px[p] = 1.597 * u - 1.204 * v + shift_x
        py[p] = 1.204 * u + 1.597 * v + shift_y


@njit(nogil=True, cache=True)
def fill_ridges(
    x: np.ndarray,
    y: np.ndarray,
    cell: float,
    octaves: int,
    seed: int,
    room: np.ndarray,
    found: np.ndarray,
) -> None:
    """Fill ridged multifractal noise, 0 in valleys to about 1 on crests.

    ``room`` is scratch of shape (4 or more, n).
    """
    px, py, noise, last = (
        room[0][: x.size],
        room[1][: x.size],
        room[2][: x.size],
        room[3][: x.size],
    )
    for p in range(x.size):
        px[p], py[p], found[p], last[p] = x[p] / cell, y[p] / cell, 0.0, 1.0
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        fill_noise(px, py, seed + octave, noise)
        for p in range(x.size):
            ridge = 1.0 - min(abs(noise[p]), 1.0)
            last[p] = ridge * ridge * min(1.0, 1.4 * last[p])
            found[p] += weight * last[p]
        _turn(px, py, 3.1, 5.9)
        norm += weight
        weight *= 0.58
    for p in range(x.size):
        found[p] /= norm


@njit(nogil=True, cache=True)
def fractal_noise(
    x: float, y: float, cell: float, octaves: int, gain: float, seed: int
) -> float:
    """Return ``fill_fractal`` at a single place."""
    found = np.empty(1)
    place_x, place_y, room = np.full(1, x), np.full(1, y), np.empty((3, 1))
    fill_fractal(place_x, place_y, cell, octaves, gain, seed, room, found)
    value: float = found[0]
    return value


@njit(nogil=True, cache=True)
def random_pair(i: int, j: int, seed: int) -> tuple[float, float]:
    """Return two independent numbers of mean 0 and variance 1, within 2.45.

    Triangular: sums of two 16-bit uniforms cut from one hash. Light tails on purpose,
    so that noise never makes an outlier of a clear pixel.
    """
    h = lattice_hash(i, j, seed)
    one = float(h & _MASK16) + float((h >> _S16) & _MASK16)
    two = float((h >> _S32) & _MASK16) + float((h >> _S48) & _MASK16)
    return _SPREAD * (one * _UNIT - 1.0), _SPREAD * (two * _UNIT - 1.0)


@njit(nogil=True, cache=True)
def smoothstep(low: float, high: float, value: float) -> float:
    """Return 0 below ``low``, 1 above ``high``, smooth between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(nogil=True, cache=True)
def table_value(
    table: np.ndarray, x: float, y: float, left: float, top: float, step: float
) -> float:
    """Return a table (y, x) at a place, by cubic convolution (Catmull-Rom), clamped."""
    column, row = (x - left) / step, (top - y) / step
    i, j = math.floor(row), math.floor(column)
    w0, w1 = _cubic(column - j + 1.0), _cubic(column - j)
    w2, w3 = _cubic(column - j - 1.0), _cubic(column - j - 2.0)
    last = table.shape[1] - 1
    c0, c1 = min(max(j - 1, 0), last), min(max(j, 0), last)
    c2, c3 = min(max(j + 1, 0), last), min(max(j + 2, 0), last)
    total = 0.0
    for di in range(-1, 3):
        r = min(max(i + di, 0), table.shape[0] - 1)
        along = w0 * table[r, c0] + w1 * table[r, c1]
        along += w2 * table[r, c2] + w3 * table[r, c3]
        total += _cubic(row - (i + di)) * along
    return total


@njit(nogil=True, cache=True)
def _cubic(distance: float) -> float:
    d = abs(distance)
    if d >= 2.0:
        return 0.0
    if d >= 1.0:
        return ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return (1.5 * d - 2.5) * d * d + 1.0

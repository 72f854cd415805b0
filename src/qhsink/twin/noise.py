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
SCALE = 1.6
"""Brings the standard deviation of one octave near 0.4, its range near -1..1."""


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
    i, j = int(fx), int(fy)
    u, v = x - fx, y - fy
    a = lattice_hash(i, j, seed) & _LOW
    b = lattice_hash(i + 1, j, seed) & _LOW
    c = lattice_hash(i, j + 1, seed) & _LOW
    d = lattice_hash(i + 1, j + 1, seed) & _LOW
    na = _GX[a] * u + _GY[a] * v
    nb = _GX[b] * (u - 1.0) + _GY[b] * v
    nc = _GX[c] * u + _GY[c] * (v - 1.0)
    nd = _GX[d] * (u - 1.0) + _GY[d] * (v - 1.0)
    su = u * u * u * (u * (u * 6.0 - 15.0) + 10.0)
    sv = v * v * v * (v * (v * 6.0 - 15.0) + 10.0)
    low = na + su * (nb - na)
    value: float = SCALE * (low + sv * (nc + su * (nd - nc) - low))
    return value


@njit(nogil=True, cache=True)
def fractal_noise(
    x: float, y: float, cell: float, octaves: int, gain: float, seed: int
) -> float:
    """Return a sum of octaves of noise, the coarsest of ``cell`` metres; about -1..1.

    Each octave is turned by 37 degrees, so that no lattice direction shows.
    """
    px, py = x / cell, y / cell
    total, weight, norm = 0.0, 1.0, 0.0
    for octave in range(octaves):
        total += weight * gradient_noise(px, py, seed + octave)
        norm += weight * weight
        weight *= gain
        px, py = 1.597 * px - 1.204 * py + 11.3, 1.204 * px + 1.597 * py - 7.7
    return total / math.sqrt(norm)


@njit(nogil=True, cache=True)
def ridged_noise(x: float, y: float, cell: float, octaves: int, seed: int) -> float:
    """Return ridged multifractal noise, 0 in valleys to about 1 on crests."""
    px, py = x / cell, y / cell
    total, weight, norm, last = 0.0, 1.0, 0.0, 1.0
    for octave in range(octaves):
        ridge = 1.0 - min(abs(gradient_noise(px, py, seed + octave)), 1.0)
        ridge = ridge * ridge * min(1.0, 1.4 * last)
        total += weight * ridge
        norm += weight
        last = ridge
        weight *= 0.58
        px, py = 1.597 * px - 1.204 * py + 3.1, 1.204 * px + 1.597 * py + 5.9
    return total / norm


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
    total = 0.0
    for di in range(-1, 3):
        wi = _cubic(row - (i + di))
        r = min(max(i + di, 0), table.shape[0] - 1)
        for dj in range(-1, 3):
            c = min(max(j + dj, 0), table.shape[1] - 1)
            total += wi * _cubic(column - (j + dj)) * table[r, c]
    return total


@njit(nogil=True, cache=True)
def _cubic(distance: float) -> float:
    d = abs(distance)
    if d >= 2.0:
        return 0.0
    if d >= 1.0:
        return ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return (1.5 * d - 2.5) * d * d + 1.0

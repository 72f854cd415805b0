"""What an instrument does to reflectance: its errors, saturation and coding.

Pixels are independent of their neighbours but for smooth fields of error, which are
functions of place. What lies on the ground is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.emulator import BANDS
from qhsink.twin.noise import OCTAVE_SD, fill_noise, random_pair
from qhsink.twin.spectra import BandSet

NOISE_RANGE_M = 9_000.0
"""Range of the errors that atmospheric correction leaves [m]."""
_SHIFT = np.array([[0.0, 0.0], [0.31, 0.17], [0.53, 0.29], [0.71, 0.67]])
"""Shifts of the four smooth fields of error, in their range: no two share a node."""
_DRAWS: Mapping[BandSet, int] = {"shared": 910, "msi": 920}
"""First seed of the bands' own draws: a set's errors do not depend on another's."""
_BETWEEN: Mapping[BandSet, float] = {"shared": 0.0, "msi": 0.5}
"""Where a set's bands lie between the shared ones in the plane of two fields."""


def turns_of(bands: BandSet, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return where a band's own smooth error lies in the plane of two fields.

    Sine and cosine, shape (2, bands); of variance 1. Over a set's bands the products
    average to zero, so that errors correlate as stated on average.
    """
    angles = 2.0 * np.pi * (np.arange(BANDS) + _BETWEEN[bands]) / BANDS
    turns: NDArray[np.float64] = np.stack([np.sin(angles), np.cos(angles)])
    return np.ascontiguousarray(turns[:, chosen])


def draws_of(bands: BandSet, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number whose half is a band's draw, and whose oddness which of it."""
    numbers: NDArray[np.int64] = _DRAWS[bands] + chosen
    return numbers


class Instrument(NamedTuple):
    """Errors and coding of the product."""

    multiplicative: float
    """Standard deviation of the relative error."""
    additive: float
    """Standard deviation of the additive error [reflectance]."""
    correlation: float
    """Correlation of the errors of two bands."""
    pixel_share: float
    """Share of the error's variance that is each pixel's own; the rest is smooth."""
    terrain: float
    """Share of terrain illumination left in the product, 0..1."""
    cloud_height: float
    """Height of clouds above ground [m], for the shadow's displacement."""
    adjacency: float
    """Share of a cloud's light that its rim receives, 0..1."""
    saturation: float
    """Reflectance at which the detector saturates."""
    crown_shade: float
    """Share of needle crowns in their own shadow, 0..1."""
    leaf_shade: float
    """... of broadleaved crowns."""
    patch_cover: float
    """Nadir cover inside a patch of low vegetation: sparser ground is patches of this
    cover with bare ground between, so that a pixel's gap fraction stays the true one.
    """
    patch_shade: float
    """Share of a patch in shadow between tussocks, which a flat canopy lacks, 0..1."""
    dn_step: float
    """Coarseness of the digital number [DN]."""
    scale: float
    """Reflectance per DN."""
    offset: float
    """Reflectance at DN 0."""


@njit(nogil=True, cache=True, error_model="numpy")
def fill_smooth(
    x: np.ndarray, y: np.ndarray, seed: int, room: np.ndarray, smooth: np.ndarray
) -> None:
    """Fill the four smooth fields that errors are made of, shape (4, n)."""
    u, v = room[0][: x.size], room[1][: x.size]
    for field in range(4):
        for p in range(x.size):
            a, b = x[p] / NOISE_RANGE_M, y[p] / NOISE_RANGE_M
            if field % 2 == 1:
                a, b = b, a
            u[p], v[p] = a + _SHIFT[field, 0], b + _SHIFT[field, 1]
        fill_noise(u, v, seed + 900 + field, smooth[field][: x.size])


@njit(nogil=True, cache=True, error_model="numpy")
def fill_errors(  # noqa: PLR0913, PLR0917 - compiled code takes numbers
    smooth_fields: np.ndarray,
    place: int,
    column: int,
    row: int,
    seed: int,
    instrument: Instrument,
    turns: np.ndarray,
    draws: np.ndarray,
    errors: np.ndarray,
) -> None:
    """Fill relative and additive error of each band, standardised, shape (2, bands).

    One part common to the bands, one that turns from band to band in a plane of two
    fields; both smooth in space (``fill_smooth``), and a pixel's own part on top.
    """
    bands = errors.shape[1]
    own = math.sqrt(instrument.pixel_share)
    smooth = math.sqrt(1.0 - instrument.pixel_share) / OCTAVE_SD
    alike, apart = (
        math.sqrt(instrument.correlation),
        math.sqrt(1.0 - instrument.correlation),
    )
    one, two = smooth_fields[0, place], smooth_fields[1, place]
    sine, cosine = smooth_fields[2, place], smooth_fields[3, place]
    pixel_one, pixel_two = random_pair(column, row, seed + 909)
    first, second, drawn = 0.0, 0.0, -1
    for b in range(bands):
        odd = draws[b] % 2
        if draws[b] - odd != drawn:
            drawn = draws[b] - odd
            first, second = random_pair(column, row, seed + drawn)
        single = first if odd == 0 else second
        s, c = turns[0, b], turns[1, b]
        errors[0, b] = smooth * (alike * one + apart * (s * sine + c * cosine))
        errors[1, b] = smooth * (alike * two + apart * (c * sine - s * cosine))
        errors[0, b] += own * (alike * pixel_one + apart * single)
        errors[1, b] += own * (alike * pixel_two - apart * single)


@njit(nogil=True, cache=True, error_model="numpy")
def write_codes(
    rho: np.ndarray,
    errors: np.ndarray,
    instrument: Instrument,
    dn: np.ndarray,
    column: int,
) -> bool:
    """Add errors to ``rho``, saturate, write digital numbers; whether it saturated."""
    full = False
    for b in range(rho.size):
        value = rho[b] * (1.0 + instrument.multiplicative * errors[0, b])
        value += instrument.additive * errors[1, b]
        full = full or value >= instrument.saturation
        rho[b] = min(value, instrument.saturation)
        code = (rho[b] - instrument.offset) / instrument.scale
        code = instrument.dn_step * math.floor(code / instrument.dn_step + 0.5)
        dn[b, column] = int(min(max(code, 1.0), 65535.0))
    return full

"""Canopy reflectance without the canopy model: a small network fitted to 4SAIL.

Evaluates the network that ``python -m benchmarks.canopy_table`` fits to simulations of
PROSPECT-D and 4SAIL; ``emulator.card.md`` beside it says from what and how well. Which
pixel holds which canopy, and what lies over it, is decided elsewhere.

For each band the network gives three numbers of the canopy alone: its reflectance over
black ground *a*, its two-way transmittance *t* and its reflectance seen from below *r*.
Over ground of reflectance *p* the pixel reflects ``a + t p / (1 - r p)``: the adding
method, so that any soil or litter can lie below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.domain.errors import BadInput
from qhsink.twin.spectra import HEADS, BandSet

WEIGHTS: Mapping[BandSet, Path] = {
    "shared": Path(__file__).with_name("emulator.npz"),
    "msi": Path(__file__).with_name("emulator_msi.npz"),
}
"""The network of each set of bands."""
BANDS, FEATURES = 6, 11
"""Bands of a set, and inputs of the network."""
CHUNK = 256
"""Pixels that go through the network together: fits the cache, changes no value."""

RANGES = {
    "lai": (0.0, 8.0),
    "leaf_angle": (20.0, 80.0),
    "chlorophyll": (15.0, 80.0),
    "dry_matter": (0.002, 0.020),
    "leaf_water": (0.003, 0.030),
    "senescent": (0.0, 1.0),
    "sun_zenith": (10.0, 70.0),
    "view_zenith": (0.0, 12.0),
    "relative_azimuth": (0.0, 180.0),
}
"""Inputs in order, with the range the network has seen; beyond it they are clipped."""


class Network(NamedTuple):
    """Weights of one instrument, float32, as the compiled code takes them."""

    shift: NDArray[np.float32]
    """Mean of the features, shape (11,)."""
    scale: NDArray[np.float32]
    """One over their standard deviation, shape (11,)."""
    first: NDArray[np.float32]
    """Shape (11, h)."""
    first_bias: NDArray[np.float32]
    second: NDArray[np.float32]
    """Shape (h, h)."""
    second_bias: NDArray[np.float32]
    last: NDArray[np.float32]
    """Shape (h, 3 bands): a, t, r of each band."""
    last_bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Emulator:
    """The network of one instrument and the ground spectra in its bands."""

    network: Network
    soils: NDArray[np.float32]
    """Reflectance of dry soils from dark to bright, shape (soils, bands)."""
    litter: NDArray[np.float32]
    """Reflectance of grass litter, shape (bands,)."""


@lru_cache(maxsize=8)
def load_emulator(platform: str, bands: BandSet = "shared") -> Emulator:
    """Return the emulator of a platform such as ``sentinel-2c`` in a set of bands.

    Raises
    ------
    BadInput
        The platform has no spectral response here.
    """
    heads = HEADS[bands]
    if platform not in heads:
        raise BadInput(
            f"platform {platform!r}",
            expected=", ".join(heads),
            remedy="Name one of these in config/twin.toml.",
        )
    head = heads.index(platform)
    with np.load(WEIGHTS[bands]) as stored:
        network = Network(
            shift=stored["shift"],
            scale=stored["scale"],
            first=stored["first"],
            first_bias=stored["first_bias"],
            second=stored["second"],
            second_bias=stored["second_bias"],
            last=np.ascontiguousarray(stored["last"][head]),
            last_bias=stored["last_bias"][head],
        )
        return Emulator(network, stored["soils"][head], stored["litter"][head])


def in_bands(emulator: Emulator, chosen: NDArray[np.int64]) -> Emulator:
    """Return the emulator of some of its bands: the same values, fewer sums."""
    net = emulator.network
    terms = (3 * chosen[:, None] + np.arange(3)).ravel()
    network = net._replace(
        last=np.ascontiguousarray(net.last[:, terms]),
        last_bias=np.ascontiguousarray(net.last_bias[terms]),
    )
    soils = np.ascontiguousarray(emulator.soils[:, chosen])
    return Emulator(network, soils, np.ascontiguousarray(emulator.litter[chosen]))


def canopy_reflectance(
    inputs: NDArray[np.float32], ground: NDArray[np.float32], emulator: Emulator
) -> NDArray[np.float32]:
    """Return the reflectance of canopies over ground.

    Parameters
    ----------
    inputs : float32 array of shape (n, 9)
        In the order and units of ``RANGES``; angles in degrees.
    ground : float32 array of shape (n, bands)
        Reflectance below the canopy.
    emulator : Emulator
        Of the instrument.

    Returns
    -------
    float32 array of shape (n, bands)
    """
    out = np.empty(ground.shape, dtype=np.float32)
    _fill_reflectance(inputs, ground, emulator.network, out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def fill_features(  # noqa: PLR0913, PLR0917 - compiled code takes numbers
    lai: float,
    leaf_angle: float,
    chlorophyll: float,
    dry_matter: float,
    leaf_water: float,
    senescent: float,
    cos_sun: float,
    view_zenith: float,
    cos_azimuth: float,
    found: np.ndarray,
    column: int,
) -> None:
    """Fill a column of the network's features; angles in degrees, cosines as such."""
    lai = min(max(lai, 0.0), 8.0)
    dead = min(max(senescent, 0.0), 1.0)
    found[0, column] = math.exp(-0.5 * lai)
    found[1, column] = lai
    found[2, column] = min(max(leaf_angle, 20.0), 80.0)
    found[3, column] = math.log(min(max(chlorophyll, 15.0), 80.0))
    found[4, column] = min(max(dry_matter, 0.002), 0.020)
    found[5, column] = math.sqrt(min(max(leaf_water, 0.003), 0.030))
    found[6, column] = dead
    found[7, column] = dead * dead
    found[8, column] = min(max(cos_sun, 0.342), 0.985)
    found[9, column] = min(max(view_zenith, 0.0), 12.0)
    found[10, column] = found[9, column] * cos_azimuth


@njit(nogil=True, cache=True, error_model="numpy")
def _layer(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, out: np.ndarray
) -> None:
    """Fill ``out`` (h, pixels) with ``weight.T @ x + bias``, four inputs at a time.

    Each pixel's sum runs in one fixed order, whatever its neighbours are.
    """
    count, pixels = x.shape
    fours = count - count % 4
    for h in range(weight.shape[1]):
        row, start = out[h], bias[h]
        for p in range(pixels):
            row[p] = start
        for i in range(0, fours, 4):
            w0, w1 = weight[i, h], weight[i + 1, h]
            w2, w3 = weight[i + 2, h], weight[i + 3, h]
            x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
            for p in range(pixels):
                row[p] = row[p] + w0 * x0[p] + w1 * x1[p] + w2 * x2[p] + w3 * x3[p]
        for i in range(fours, count):
            w0, x0 = weight[i, h], x[i]
            for p in range(pixels):
                row[p] += w0 * x0[p]


@njit(nogil=True, cache=True, error_model="numpy")
def _bend(x: np.ndarray) -> None:
    """Replace x by the algebraic sigmoid x / sqrt(1 + x^2)."""
    unit = np.float32(1.0)
    for h in range(x.shape[0]):
        row = x[h]
        for p in range(row.size):
            row[p] = row[p] / np.sqrt(unit + row[p] * row[p])


@njit(nogil=True, cache=True, error_model="numpy")
def fill_terms(
    features: np.ndarray,
    net: Network,
    one: np.ndarray,
    two: np.ndarray,
    terms: np.ndarray,
) -> None:
    """Fill a, t, r of each band, shape (3 bands, pixels), from features (11, pixels).

    ``one`` and ``two`` are scratch of shape (h, pixels); features are standardised in
    place.
    """
    unit, pixels = np.float32(1.0), features.shape[1]
    for p in range(pixels):
        terms[0, p] = unit - features[0, p] * np.sqrt(features[0, p])
    leafy = terms[0].copy()
    for i in range(features.shape[0]):
        row, shift, scale = features[i], net.shift[i], net.scale[i]
        for p in range(pixels):
            row[p] = (row[p] - shift) * scale
    _layer(features, net.first, net.first_bias, one)
    _bend(one)
    _layer(one, net.second, net.second_bias, two)
    _bend(two)
    _layer(two, net.last, net.last_bias, terms)
    # No leaves: nothing reflected, all let through, exactly.
    for b in range(terms.shape[0] // 3):
        for p in range(pixels):
            terms[3 * b, p] *= leafy[p]
            terms[3 * b + 1, p] = unit - leafy[p] * terms[3 * b + 1, p]
            terms[3 * b + 2, p] *= leafy[p]


@njit(nogil=True, cache=True, error_model="numpy")
def over_ground(terms: np.ndarray, band: int, column: int, ground: float) -> float:
    """Return reflectance of a canopy over ground of a reflectance."""
    a, t, r = (
        terms[3 * band, column],
        terms[3 * band + 1, column],
        terms[3 * band + 2, column],
    )
    value: float = a + t * ground / (1.0 - r * ground)
    return value


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_reflectance(
    inputs: np.ndarray, ground: np.ndarray, net: Network, out: np.ndarray
) -> None:
    shape = (net.first.shape[1], CHUNK)
    features = np.zeros((FEATURES, CHUNK), dtype=np.float32)
    one, two = np.empty(shape, np.float32), np.empty(shape, np.float32)
    terms = np.empty((3 * ground.shape[1], CHUNK), np.float32)
    for start in range(0, inputs.shape[0], CHUNK):
        end = min(start + CHUNK, inputs.shape[0])
        for k in range(start, end):
            v = inputs[k]
            fill_features(
                v[0], v[1], v[2], v[3], v[4], v[5], math.cos(math.radians(v[6])),
                v[7], math.cos(math.radians(v[8])), features, k - start,
            )  # fmt: skip
        fill_terms(features, net, one, two, terms)
        for k in range(start, end):
            for b in range(out.shape[1]):
                out[k, b] = over_ground(terms, b, k - start, ground[k, b])

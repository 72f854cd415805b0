"""Simulated pixels with known green cover: what a physics-trained model learns from.

PROSPECT-D and 4SAIL through the twin's emulator. Training on them is
``benchmarks.three_ways``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping.samples import Samples
from qhsink.twin.emulator import RANGES, Emulator, canopy_reflectance, load_emulator

Doubles = NDArray[np.float64]

BANDS = ("green", "red", "nir", "swir16", "swir22")
"""Bands of a simulated pixel: those that Landsat and Sentinel-2 share."""
NOISE = (0.02, 0.01)
"""Relative and absolute error of simulated reflectance, this project's choice."""


def canopy_cover(lai: Doubles, leaf_angle: Doubles) -> Doubles:
    """Return the share of ground hidden by leaves seen from straight above.

    Parameters
    ----------
    lai : (n,) float
        Leaf area index.
    leaf_angle : (n,) float
        Mean leaf angle [degree] of ellipsoidally distributed leaves.

    References
    ----------
    Campbell 1990, Agric. For. Meteorol. 49:173, equation 16 (shape from mean angle,
    9.65 (3 + x)^-1.65); Campbell and Norman 1998, An Introduction to Environmental
    Biophysics, equation 15.4 (extinction, here at zenith angle zero).
    """
    x = (np.radians(leaf_angle) / 9.65) ** (-1 / 1.65) - 3
    extinction = x / (x + 1.774 * (x + 1.182) ** -0.733)
    return np.asarray(1 - np.exp(-extinction * lai))


def simulate(count: int, *, seed: int) -> Samples:
    """Return simulated pixels under Landsat 8 with their green cover.

    PROSPECT-D and 4SAIL through the twin's emulator: a canopy of green and dead leaves
    over mixed soil and litter, on part of the pixel, bare ground on the rest.

    Parameters
    ----------
    count : int
        Pixels.
    seed : int
        Seed of everything drawn.
    """
    rng = np.random.default_rng(seed)
    emulator = load_emulator("landsat-8")
    inputs = _draw_canopies(rng, count)
    ground = _draw_ground(rng, count, emulator)
    share = np.where(rng.random(count) < 0.5, 1.0, rng.random(count))
    canopy = canopy_reflectance(inputs, ground, emulator).astype(np.float64)
    pixel = share[:, None] * canopy + (1 - share[:, None]) * ground
    relative, absolute = NOISE
    pixel *= 1 + rng.normal(0, relative, pixel.shape)
    pixel = np.maximum(pixel + rng.normal(0, absolute, pixel.shape), 0.001)
    lai, angle, dead = (inputs[:, k].astype(np.float64) for k in (0, 1, 5))
    cover = share * (1 - dead) * canopy_cover(lai, angle)
    bands = dict(zip(BANDS, pixel.T[1:], strict=True))
    return Samples(bands, cover)


def _draw_canopies(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Draw over the emulator's ranges; thin and green canopies more often."""
    low, high = np.array(list(RANGES.values())).T
    u = rng.random((count, len(RANGES)))
    u[:, 0] **= 2.0
    u[:, 5] = np.where(rng.random(count) < 0.5, 0.15 * u[:, 5], u[:, 5])
    return (low + u * (high - low)).astype(np.float32)


def _draw_ground(
    rng: np.random.Generator, count: int, emulator: Emulator
) -> NDArray[np.float32]:
    """Draw soils from dark to bright, wet or dry, under more or less litter."""
    soils = emulator.soils
    place = rng.random(count) * (len(soils) - 1)
    first = place.astype(np.int64)
    part = (place - first)[:, None]
    soil = (1 - part) * soils[first] + part * soils[first + 1]
    soil = soil * rng.uniform(0.5, 1.0, (count, 1))
    litter = rng.uniform(0.0, 0.9, (count, 1))
    return np.asarray((1 - litter) * soil + litter * emulator.litter, np.float32)

"""A second opinion on whether each observation is obscured, from its reflectances.

A small perceptron beside the product's own classes. It takes back what they call
clear and is not, and gives back bright ground that they call cloud. How it was trained
and is stored is not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.domain.scene import BANDS
from qhsink.imagery.kernels import GROW, LANES, USABLE

FEATURES = (
    *BANDS,
    "(nir - red) / (nir + red)",
    "(green - swir16) / (green + swir16)",
    "(blue - red) / (blue + red)",
)
"""What the perceptron sees; sums below ``LEAST_SUM`` are raised to it."""

LEAST_SUM = 0.02
"""Least sum that a difference is divided by [reflectance]."""

SCL_RESCUED = 8
"""Scene class from which clear ground is given back: medium probability of cloud.
Thick cloud (9), cirrus (10) and shadow (3) stay as they are."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SecondOpinion:
    """A perceptron with one rectified hidden layer, and when it is listened to."""

    id: str
    """Folder name, such as ``cloud-1a2b3c4d``."""
    center: Floats
    """(F,) subtracted from the features."""
    scale: Floats
    """(F,) they are then divided by."""
    hidden: Floats
    """(F, H) weights of the hidden layer."""
    hidden_bias: Floats
    """(H,)."""
    output: Floats
    """(H,) weights of the output, whose logistic is the probability of obscured."""
    output_bias: float
    reject: float
    """An observation called clear is dropped above this probability."""
    rescue: float
    """Ground called cloud (``SCL_RESCUED``) is clear below this probability."""

    def __post_init__(self) -> None:
        count = len(FEATURES)
        shapes = [self.center.shape, self.scale.shape, self.hidden.shape[:1]]
        fits = shapes == [(count,)] * 3 and (
            self.hidden.shape[1:] == self.hidden_bias.shape == self.output.shape
        )
        if not fits or not 0.0 < self.rescue <= self.reject < 1.0:
            raise ModelError(
                f"a second opinion of shapes {shapes}, limits {self.rescue:g} and "
                f"{self.reject:g}",
                expected=f"{count} features, and 0 < rescue <= reject < 1",
                remedy="Train it again with `python -m benchmarks.cloud_opinion`.",
            )


def review(
    opinion: SecondOpinion,
    reflectance: NDArray[np.int16],
    scl: NDArray[np.uint16],
    bits: NDArray[np.uint8],
) -> None:
    """Change the bits of one date where the second opinion differs.

    Parameters
    ----------
    opinion : SecondOpinion
        The opinion.
    reflectance : int16 array of shape (6, pixels)
        Reflectance times 10 000 in the order of ``BANDS``.
    scl : uint16 array of shape (pixels,)
        Sentinel-2 scene classes.
    bits : uint8 array of shape (pixels,)
        From ``kernels.classify``; changed in place. What is dropped is not grown;
        what is given back no longer grows.
    """
    weights, bias = folded(opinion)
    _review(
        reflectance,
        scl,
        weights,
        bias,
        opinion.output,
        (
            _logit(opinion.reject) - opinion.output_bias,
            _logit(opinion.rescue) - opinion.output_bias,
        ),
        bits,
    )


def obscured(opinion: SecondOpinion, reflectance: NDArray[np.int16]) -> Floats:
    """Return the probability of obscured for each pixel of (6, pixels), plainly.

    The formula without the lanes of ``review``: what training and tests compare with.
    """
    seen = (features_of(reflectance) - opinion.center[:, None]) / opinion.scale[:, None]
    hidden = np.maximum(opinion.hidden.T @ seen + opinion.hidden_bias[:, None], 0.0)
    logit = opinion.output @ hidden + np.float32(opinion.output_bias)
    return np.asarray(1.0 / (1.0 + np.exp(-logit)), np.float32)


def features_of(reflectance: NDArray[np.int16]) -> Floats:
    """Return the features of (6, pixels) reflectance, shape (F, pixels)."""
    bands = reflectance.astype(np.float32) * np.float32(1e-4)
    blue, green, red, nir, swir16, _ = bands

    def contrast(one: Floats, other: Floats) -> Floats:
        total = np.maximum(one + other, np.float32(LEAST_SUM))
        return np.asarray((one - other) / total, np.float32)

    ratios = contrast(nir, red), contrast(green, swir16), contrast(blue, red)
    return np.concatenate([bands, np.stack(ratios)])


def folded(opinion: SecondOpinion) -> tuple[Floats, Floats]:
    """Return the hidden layer with centre and scale inside: (H, F) and (H,)."""
    weights = (opinion.hidden / opinion.scale[:, None]).astype(np.float64)
    bias = opinion.hidden_bias - opinion.center.astype(np.float64) @ weights
    return np.ascontiguousarray(weights.T, np.float32), bias.astype(np.float32)


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


@numba.njit(nogil=True, cache=True, fastmath=True)
def _review(
    reflectance: NDArray[np.int16],
    scl: NDArray[np.uint16],
    weights: Floats,
    bias: Floats,
    output: Floats,
    limits: tuple[float, float],
    bits: NDArray[np.uint8],
) -> None:
    seen = np.empty((weights.shape[1], LANES), np.float32)
    unit, total = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    reject, rescue = np.float32(limits[0]), np.float32(limits[1])
    for start in range(0, scl.size, LANES):
        width = min(LANES, scl.size - start)
        _fill_seen(reflectance, start, width, seen)
        _sum_units(seen, weights, bias, output, unit, total)
        for i in range(width):
            k = start + i
            if bits[k] & USABLE:
                if total[i] > reject:
                    bits[k] &= np.uint8(~USABLE & 0xFF)
            elif scl[k] == SCL_RESCUED and total[i] < rescue:
                bits[k] = np.uint8((bits[k] | USABLE) & ~GROW & 0xFF)


@numba.njit(nogil=True, cache=True, fastmath=True)
def _sum_units(
    seen: Floats,
    weights: Floats,
    bias: Floats,
    output: Floats,
    unit: Floats,
    total: Floats,
) -> None:
    total[:] = 0.0
    for h in range(weights.shape[0]):
        unit[:] = bias[h]
        for f in range(weights.shape[1]):
            weight, row = weights[h, f], seen[f]
            for i in range(LANES):
                unit[i] += weight * row[i]
        for i in range(LANES):
            total[i] += output[h] * max(unit[i], np.float32(0.0))


@numba.njit(nogil=True, cache=True, fastmath=True)
def _fill_seen(
    reflectance: NDArray[np.int16], start: int, width: int, seen: Floats
) -> None:
    least = np.float32(LEAST_SUM)
    for band in range(6):
        values, row = reflectance[band, start : start + width], seen[band]
        for i in range(width):
            row[i] = values[i] * np.float32(1e-4)
    blue, green, red, nir, swir = seen[0], seen[1], seen[2], seen[3], seen[4]
    for i in range(width):
        seen[6, i] = (nir[i] - red[i]) / max(nir[i] + red[i], least)
        seen[7, i] = (green[i] - swir[i]) / max(green[i] + swir[i], least)
        seen[8, i] = (blue[i] - red[i]) / max(blue[i] + red[i], least)

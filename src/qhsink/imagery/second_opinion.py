"""A second opinion on whether each observation is obscured, beside the product's own.

It takes back what the product's classes call clear and is not, and gives back bright
ground that they call cloud. One perceptron judges an observation by its reflectances
alone, a second one also by how they differ from the pixel's own clear dates: a veil of
thin cirrus is too faint for the first. How they were trained and are stored is not
known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.domain.scene import BANDS, MaskKind
from qhsink.imagery.departures import LEAST_DATES, departures, reference
from qhsink.imagery.kernels import GROW, LANES, USABLE
from qhsink.imagery.perceptron import Perceptron, sum_units

ALONE = (
    *BANDS,
    "(nir - red) / (nir + red)",
    "(green - swir16) / (green + swir16)",
    "(blue - red) / (blue + red)",
)
"""What the first perceptron sees; sums below ``LEAST_SUM`` are raised to it."""

COMPARED = (*ALONE, *(f"{band} less its median, smoothed" for band in BANDS))
"""What the second one sees: also the departures from the pixel's clear dates."""

LEAST_SUM = 0.02
"""Least sum that a difference is divided by [reflectance]."""

RESCUED: Mapping[MaskKind, tuple[int, int]] = {
    "scl": (0xFFFF, 8),
    "qa_pixel": (0b11_1111, 0b1000),
}
"""Bits of a mask looked at, and what they must be where clear ground may be given
back. Scene class 8, medium probability of cloud: thick cloud (9), cirrus (10) and
shadow (3) stay. Of QA_PIXEL cloud (bit 3) alone: fill, dilated cloud, cirrus, shadow
and snow (bits 0, 1, 2, 4, 5) stay."""

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats, Floats, tuple[float, float]]
"""Folded weights and bias, output weights, limits of the sum."""


@dataclass(frozen=True, slots=True, eq=False)
class SecondOpinion:
    """One or two perceptrons on the masks of one kind of product."""

    id: str
    """Folder name, such as ``cloud-1a2b3c4d``."""
    alone: Perceptron
    """Sees one observation: ``ALONE``."""
    kind: MaskKind
    """Masks that it may review; on others nothing was trained."""
    compared: Perceptron | None = None
    """Sees ``COMPARED`` where a pixel has ``LEAST_DATES`` clear dates."""

    def __post_init__(self) -> None:
        parts: list[tuple[Perceptron, tuple[str, ...]]] = [(self.alone, ALONE)]
        if self.compared is not None:
            parts.append((self.compared, COMPARED))
        for part, features in parts:
            if not part.fits or part.center.shape != (len(features),):
                raise ModelError(
                    f"a second opinion of {part.center.size} features, limits "
                    f"{part.rescue:g} and {part.reject:g}",
                    expected=f"{len(features)} features, and 0 < rescue <= reject < 1",
                    remedy="Train it again with `python -m benchmarks.cloud_opinion`.",
                )


def review(
    opinion: SecondOpinion,
    reflectance: NDArray[np.int16],
    mask: NDArray[np.uint16],
    bits: NDArray[np.uint8],
    limits: tuple[int, int],
) -> None:
    """Change the bits of all dates of a window where the second opinion differs.

    Parameters
    ----------
    opinion : SecondOpinion
        The opinion, on masks of this kind.
    reflectance : int16 array of shape (time, 6, y, x)
        Reflectance times 10 000 in the order of ``BANDS``, C-ordered.
    mask : uint16 array of shape (time, y, x)
        Scene classes or QA_PIXEL.
    bits : uint8 array of shape (time, y, x)
        From ``kernels.classify``, C-ordered; changed in place. What is dropped is not
        grown; what is given back no longer grows.
    limits : tuple of int
        Reflectance outside (inclusive, any band) is never given back.
    """
    alone = _layer(opinion.alone)
    compared, medians = alone, None
    clear = (bits & USABLE) != 0
    if opinion.compared is not None and len(bits) >= LEAST_DATES:
        compared = _layer(opinion.compared)
        medians = reference(reflectance, clear)
    nowhere = np.full((1, bits[0].size), np.nan, np.float32)
    for t in range(len(bits)):
        rescued = may_be_rescued(mask[t], opinion.kind)
        apart = nowhere
        if medians is not None:
            apart = departures(reflectance[t], medians, clear[t] | rescued)
        _review(
            reflectance[t].reshape(len(BANDS), -1),
            apart.reshape(len(apart), -1),
            rescued.reshape(-1),
            alone,
            compared,
            limits,
            bits[t].reshape(-1),
        )


def may_be_rescued(mask: NDArray[np.uint16], kind: MaskKind) -> NDArray[np.bool_]:
    """Return where the product's cloud may be given back as clear ground."""
    looked, value = RESCUED[kind]
    return np.asarray((mask & looked) == value, np.bool_)


def features_of(reflectance: NDArray[np.int16], apart: Floats | None = None) -> Floats:
    """Return ``ALONE`` of (6, n) reflectance, or ``COMPARED`` with (6, n) departures.

    Shape (F, n).
    """
    bands = reflectance.astype(np.float32) * np.float32(1e-4)
    blue, green, red, nir, swir16, _ = bands

    def contrast(one: Floats, other: Floats) -> Floats:
        total = np.maximum(one + other, np.float32(LEAST_SUM))
        return np.asarray((one - other) / total, np.float32)

    ratios = contrast(nir, red), contrast(green, swir16), contrast(blue, red)
    found = np.concatenate([bands, np.stack(ratios)])
    return found if apart is None else np.concatenate([found, apart])


def _layer(part: Perceptron) -> Layer:
    weights, bias = part.folded()
    return weights, bias, np.ascontiguousarray(part.output, np.float32), part.limits


@numba.njit(nogil=True, cache=True)
def _review(
    reflectance: NDArray[np.int16],
    apart: Floats,
    rescued: NDArray[np.bool_],
    alone: Layer,
    compared: Layer,
    limits: tuple[int, int],
    bits: NDArray[np.uint8],
) -> None:
    seen = np.empty((9 + 6, LANES), np.float32)
    unit = np.empty(LANES, np.float32)
    plain, other = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    for start in range(0, bits.size, LANES):
        width = min(LANES, bits.size - start)
        known = np.isfinite(apart[0, start : start + width])
        _fill_seen(reflectance, start, width, seen)
        # Mostly all pixels of a lane are judged by the same of the two.
        if not known.all():
            sum_units(seen[:9], alone[0], alone[1], alone[2], unit, plain)
        if known.any():
            for band in range(6):
                seen[9 + band, :width] = apart[band, start : start + width]
            sum_units(seen, compared[0], compared[1], compared[2], unit, other)
        for i in range(width):
            k = start + i
            total = other[i] if known[i] else plain[i]
            bounds = compared[3] if known[i] else alone[3]
            given_back = rescued[k] and _within(reflectance, k, limits)
            bits[k] = _judged(bits[k], given_back, total, bounds)


@numba.njit(nogil=True, cache=True)
def _judged(bits: int, rescued: bool, total: float, bounds: tuple[float, float]) -> int:
    """Return the bits of one observation after the verdict."""
    if bits & USABLE:
        return bits & ~USABLE & 0xFF if total > bounds[0] else bits
    return (bits | USABLE) & ~GROW & 0xFF if rescued and total < bounds[1] else bits


@numba.njit(nogil=True, cache=True)
def _within(
    reflectance: NDArray[np.int16], pixel: int, limits: tuple[int, int]
) -> bool:
    for band in range(6):
        value = reflectance[band, pixel]
        if value < limits[0] or value > limits[1]:
            return False
    return True


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

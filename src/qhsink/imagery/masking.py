"""Which observations are clear, and which show water or snow.

Scene class and QA rules, snow by NDSI, growth of cloud, shadow and snow edges. How
dates are combined belongs to ``composite``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.domain.scene import BANDS, MaskKind
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.imagery.kernels import GROW, SNOW, USABLE, WATER, classify
from qhsink.imagery.second_opinion import SecondOpinion, review

SCL_GROWN = (3, 8, 9, 10, 11)
"""Sentinel-2 classes whose edges are grown: shadow, cloud, cirrus, snow."""

SCL_SNOW = 11
"""Sentinel-2 class of snow and ice."""

QA_GROWN = (2, 3, 4, 5)
"""QA_PIXEL bits whose edges are grown: cirrus, cloud, shadow, snow.

Not bit 1, dilated cloud, which is grown already; nor bit 0, fill.
"""

QA_SNOW = 5
"""QA_PIXEL bit of snow."""

SCL_PREFERENCE = (4, 5, 6, 7, 2, 11, 10, 3, 8, 9, 1)
"""Sentinel-2 classes from the one most wanted to the one least; 0 is no data."""

QA_FLAWS = (1, 2, 3, 4, 5)
"""QA_PIXEL bits that make an observation less wanted; bit 0 is fill."""

NEVER = 255
"""Rank of a pixel that holds no observation."""


@dataclass(frozen=True, slots=True)
class MaskRules:
    """The rules of methodology B1, for one grid."""

    scl_clear: tuple[int, ...]
    """Sentinel-2 scene classes kept."""
    scl_water: int
    """Sentinel-2 scene class of water."""
    qa_reject_bits: tuple[int, ...]
    """Landsat QA_PIXEL bits of which none may be set."""
    qa_water_bit: int
    """Landsat QA_PIXEL bit of water."""
    dilation_m: float
    """Distance by which cloud, shadow and snow are grown [m]."""
    snow_ndsi: float
    """NDSI above which an observation is snow."""
    snow_nir: float
    """... if its near-infrared reflectance is above this."""
    pixel_size_m: float
    """Edge of a pixel of the grid [m]."""
    second_opinion: str = ""
    """Id of the opinion that ``classify_observations`` is to be handed; empty: none."""

    @property
    def dilation_px(self) -> int:
        """Pixels grown: at least the distance asked for."""
        return math.ceil(self.dilation_m / self.pixel_size_m - 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What each observation shows; boolean arrays of shape (time, y, x)."""

    clear: NDArray[np.bool_]
    """Land or water seen clearly, in every band."""
    water: NDArray[np.bool_]
    """Called water by the mask, clear or not."""
    snow: NDArray[np.bool_]
    """Snow by the mask or by NDSI; never clear."""


def classify_observations(
    reflectance: NDArray[np.int16],
    mask: NDArray[np.uint16],
    kind: MaskKind,
    rules: MaskRules,
    *,
    opinion: SecondOpinion | None = None,
) -> Observations:
    """Return which observations are clear, water or snow.

    Parameters
    ----------
    reflectance : int16 array of shape (time, 6, y, x)
        Reflectance times ``SCALE`` in the order of ``BANDS``; ``NODATA`` where none.
    mask : uint16 array of shape (time, y, x)
        Scene classes or QA_PIXEL, as ``kind`` says.
    kind : {"scl", "qa_pixel"}
        Which rule reads the mask.
    rules : MaskRules
        The rules.
    opinion : SecondOpinion, optional
        Reviews the product's classes before edges are grown, all dates together.

    Raises
    ------
    ModelError
        When the opinion was trained on masks of another kind.

    Notes
    -----
    Snow: NDSI = (green - swir16) / (green + swir16) above ``snow_ndsi``, near
    infrared above ``snow_nir``, not water. Reflectance above 1 is dropped, and for
    Landsat below 0 too (methodology B1); Sentinel-2 keeps small negative values,
    which deep shade has after the offset. Growth uses a square of 2 r + 1 pixels, a
    little more than the disc of radius r. SCL 2 (dark) is not kept: telling
    terrain shade from cloud shadow needs a DEM.
    """
    dates, _, rows, cols = reflectance.shape
    limits = (0 if kind == "qa_pixel" else NODATA + 1, SCALE)
    table = _mask_table(kind, rules)
    bits = np.empty((dates, rows, cols), dtype=np.uint8)
    for t in range(dates):
        classify(
            np.ascontiguousarray(reflectance[t]).reshape(len(BANDS), -1),
            np.ascontiguousarray(mask[t]).reshape(-1),
            table,
            limits,
            rules.snow_ndsi,
            rules.snow_nir * SCALE,
            bits[t].reshape(-1),
        )
    if opinion is not None:
        _check_kind(opinion, kind)
        stack = np.ascontiguousarray(reflectance)
        review(opinion, stack, mask, bits, limits)
    grown = grow((bits & GROW) != 0, rules.dilation_px)
    clear = ((bits & USABLE) != 0) & ~grown
    return Observations(clear, (bits & WATER) != 0, (bits & SNOW) != 0)


def _check_kind(opinion: SecondOpinion, kind: MaskKind) -> None:
    if opinion.kind != kind:
        raise ModelError(
            f"second opinion {opinion.id} on masks of kind {kind}",
            expected=f"{opinion.kind}, on which it was trained",
            remedy="Name one for this product as second_opinion in [masks], or none: "
            '"".',
        )


def quality_rank(mask: NDArray[np.uint16], kind: MaskKind) -> NDArray[np.uint8]:
    """Return how much an observation is wanted: 0 most, ``NEVER`` no observation.

    Used where granules of one day overlap, so that a clear pixel of one is not
    hidden by a cloudy one of the other. An order of the product's classes, not of
    the run's rules: the stack read is the same whatever is later called clear.
    """
    table: NDArray[np.uint8] = np.full(65536, NEVER, dtype=np.uint8)
    if kind == "scl":
        table[list(SCL_PREFERENCE)] = np.arange(len(SCL_PREFERENCE))
    else:
        values = np.arange(65536)
        flaws = sum((values >> bit) & 1 for bit in QA_FLAWS)
        table[:] = np.where(values & 1, NEVER, flaws)
    return table[mask]


def grow(hit: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Return ``hit`` grown by ``radius`` pixels along the last two axes (a square).

    Shifted ORs: 4 r passes over booleans, several times faster than a morphology
    routine that visits a footprint.
    """
    wide = hit.copy()
    for step in range(1, radius + 1):
        wide[..., step:] |= hit[..., :-step]
        wide[..., :-step] |= hit[..., step:]
    tall = wide.copy()
    for step in range(1, radius + 1):
        tall[..., step:, :] |= wide[..., :-step, :]
        tall[..., :-step, :] |= wide[..., step:, :]
    return tall


def _mask_table(kind: MaskKind, rules: MaskRules) -> NDArray[np.uint8]:
    """Return the bits of every value a mask pixel can have, shape (65536,)."""
    values = np.arange(65536)
    if kind == "scl":
        usable = np.isin(values, rules.scl_clear)
        grown = np.isin(values, SCL_GROWN)
        water, snow = values == rules.scl_water, values == SCL_SNOW
    else:
        usable = ~_any_bit(values, rules.qa_reject_bits)
        grown = _any_bit(values, QA_GROWN) & ~_any_bit(values, (0,))
        water = _any_bit(values, (rules.qa_water_bit,)) & ~_any_bit(values, (0,))
        snow = _any_bit(values, (QA_SNOW,)) & ~_any_bit(values, (0,))
    bits = USABLE * usable + GROW * grown + WATER * water + SNOW * snow
    return np.asarray(bits, dtype=np.uint8)


def _any_bit(values: NDArray[np.int64], bits: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.asarray((values & sum(1 << bit for bit in bits)) != 0, dtype=np.bool_)

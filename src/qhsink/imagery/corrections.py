"""What has been done to reflectance between reading and choosing, and only once.

The noun that remembers, and corrections that are one line per band. Terrain light is
``terrain``, view angles are ``brdf``; what is asked for is decided in ``steps``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import BadInput
from qhsink.domain.scene import BANDS
from qhsink.imagery.encoding import NODATA, SCALE

Kind = Literal["terrain", "view", "bands"]


@dataclass(frozen=True, slots=True)
class Correction:
    """What one correction did to one day."""

    kind: Kind
    """Terrain light, view angle, or Landsat bands to Sentinel-2's."""
    day: str
    """Solar day, ISO."""
    made: bool
    """Whether reflectance was changed."""
    note: str
    """With which numbers, or why not."""


@dataclass(frozen=True, slots=True)
class Line:
    """Reflectance as a line of another reflectance: slope times it plus offset."""

    slope: float
    offset: float
    """[reflectance]."""

    def inverse(self) -> Line:
        """Return the line that leads back."""
        return Line(1.0 / self.slope, -self.offset / self.slope)


def refuse_twice(done: Iterable[Correction], kind: Kind) -> None:
    """Raise BadInput where a correction of this kind was made or tried already."""
    if any(entry.kind == kind for entry in done):
        raise BadInput(
            f"reflectance that the correction of {kind} has seen already",
            expected="each correction once, before dates are chosen from",
            remedy="Correct the stack as it was read, not a composite.",
        )


def apply_lines(
    reflectance: NDArray[np.int16], lines: Sequence[Line]
) -> NDArray[np.int16]:
    """Return reflectance with one line per band applied; ``NODATA`` stays.

    Parameters
    ----------
    reflectance : int16 array of shape (6, y, x)
        Reflectance times ``SCALE`` in the order of ``BANDS``.
    lines : sequence of Line
        By band.
    """
    out = np.empty_like(reflectance)
    for band, line in zip(range(len(BANDS)), lines, strict=True):
        value = reflectance[band] * np.float32(line.slope)
        value = np.rint(value + np.float32(line.offset * SCALE))
        kept = np.clip(value, NODATA + 1, 32766).astype(np.int16)
        out[band] = np.where(reflectance[band] == NODATA, np.int16(NODATA), kept)
    return out

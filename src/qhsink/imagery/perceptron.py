"""A small perceptron over pixels: its weights, its formula, its compiled sum.

What goes in and what is done with the answer belongs to ``second_opinion``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from qhsink.imagery.kernels import LANES

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Perceptron:
    """One rectified hidden layer, and when its answer is listened to."""

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
    """Ground called cloud is clear below this probability."""

    @property
    def fits(self) -> bool:
        """Whether shapes agree and 0 < rescue <= reject < 1."""
        width = self.center.shape
        shapes = self.scale.shape == width == self.hidden.shape[:1] and (
            self.hidden.shape[1:] == self.hidden_bias.shape == self.output.shape
        )
        return shapes and 0.0 < self.rescue <= self.reject < 1.0

    @property
    def limits(self) -> tuple[float, float]:
        """Reject and rescue as sums over the units, without the output's bias."""
        reject, rescue = (math.log(p / (1.0 - p)) for p in (self.reject, self.rescue))
        return reject - self.output_bias, rescue - self.output_bias

    def chance(self, features: Floats) -> Floats:
        """Return the probability of obscured for features of shape (F, n), plainly.

        The formula without lanes: what training and tests compare with.
        """
        seen = (features - self.center[:, None]) / self.scale[:, None]
        hidden = np.maximum(self.hidden.T @ seen + self.hidden_bias[:, None], 0.0)
        logit = self.output @ hidden + np.float32(self.output_bias)
        with np.errstate(over="ignore"):  # exp of 89 is infinite, and the chance 0
            return np.asarray(1.0 / (1.0 + np.exp(-logit)), np.float32)

    def folded(self) -> tuple[Floats, Floats]:
        """Return the hidden layer with centre and scale inside: (H, F) and (H,)."""
        weights = (self.hidden / self.scale[:, None]).astype(np.float64)
        bias = self.hidden_bias - self.center.astype(np.float64) @ weights
        return np.ascontiguousarray(weights.T, np.float32), bias.astype(np.float32)


@numba.njit(nogil=True, cache=True, fastmath=True)
def sum_units(
    seen: Floats,
    weights: Floats,
    bias: Floats,
    output: Floats,
    unit: Floats,
    total: Floats,
) -> None:
    """Write the output's sum for ``LANES`` pixels into ``total``.

    ``seen`` of shape (F, LANES), ``weights`` (H, F), ``bias`` and ``output`` (H,);
    ``unit`` and ``total`` (LANES,), the first of them scratch.
    """
    total[:] = 0.0
    for h in range(weights.shape[0]):
        unit[:] = bias[h]
        for f in range(weights.shape[1]):
            weight, row = weights[h, f], seen[f]
            for i in range(LANES):
                unit[i] += weight * row[i]
        for i in range(LANES):
            total[i] += output[h] * max(unit[i], np.float32(0.0))

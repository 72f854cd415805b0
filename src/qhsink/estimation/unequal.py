"""Designs with unequal inclusion probabilities, by their joint probabilities or not.

Each is a ``survey.Design``: it says what the variance of a weighted total is. How
the probabilities came about does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.survey import Codes, Floats


@dataclass(frozen=True, slots=True)
class YatesGrundy:
    """A fixed-size sample whose joint inclusion probabilities are known."""

    weight: Floats
    """1 / inclusion probability, shape (n,)."""
    joint: Floats
    """Joint inclusion probabilities, shape (n, n). The diagonal is not used, but
    tells an order other than the sample's where it holds the units' own."""

    def __post_init__(self) -> None:
        count = len(self.weight)
        off = ~np.eye(count, dtype=bool)
        square = self.joint.shape == (count, count)
        if not square or not np.allclose(self.joint[off], self.joint.T[off]):
            raise TableError(
                f"joint probabilities of shape {self.joint.shape} for {count} units",
                expected="one symmetric row and column per sample unit, in the "
                "sample's order",
                remedy="Correct --joint-prob.",
            )
        if not np.all((self.joint[off] > 0.0) & (self.joint[off] <= 1.0)):
            raise TableError(
                "a joint inclusion probability that is not in (0, 1]",
                expected="every pair of units can be drawn together",
                remedy="Leave out --joint-prob to use the with-replacement variance: "
                "a systematic sample has no unbiased variance.",
            )

        own, prob = np.diag(self.joint), 1.0 / self.weight
        same = np.allclose(np.sort(own), np.sort(prob), rtol=1e-3, atol=0.0)
        if same and not np.allclose(own, prob, rtol=1e-3, atol=0.0):
            raise TableError(
                "joint probabilities in another order than the sample",
                expected="a diagonal that is the column of --prob, unit by unit",
                remedy="Sort --joint-prob as the sample.",
            )

    def variance(self, linear: Floats) -> float:
        """Return the Yates-Grundy variance of the weighted total of ``linear``.

        Sum over pairs of (p_i p_j - p_ij) / p_ij (y_i / p_i - y_j / p_j)^2: Yates
        and Grundy (1953); Cochran (1977) sec. 9A.7; Saerndal et al. (1992) sec. 2.8.
        Not below zero: a negative value, possible in an odd sample, is refused.
        """
        expanded = self.weight * linear
        prob = 1.0 / self.weight
        # The diagonal terms vanish, whatever the diagonal of the table holds.
        joint = np.where(np.eye(len(prob), dtype=bool), 1.0, self.joint)
        factor = (np.outer(prob, prob) - joint) / joint
        gaps = (expanded[:, None] - expanded[None, :]) ** 2
        total = 0.5 * float(np.sum(factor * gaps))
        if total < -1e-9 * float(np.sum(expanded**2)):
            raise TableError(
                f"a Yates-Grundy variance of {total:g}",
                expected="joint probabilities with p_ij <= p_i p_j for most pairs",
                remedy="Check the joint probabilities, or use the with-replacement "
                "variance.",
            )
        return max(total, 0.0)

    def df(self, inside: NDArray[np.bool_]) -> float:
        """Return units minus one."""
        return float(np.sum(inside)) - 1.0


@dataclass(frozen=True, slots=True)
class HajekBerger:
    """A fixed-size, high-entropy sample without replacement, strata allowed."""

    weight: Floats
    """1 / inclusion probability, shape (n,)."""
    stratum: Codes
    """Stratum code of each unit, shape (n,)."""

    def variance(self, linear: Floats) -> float:
        """Return Hajek's approximation of the Yates-Grundy variance.

        Sum of n / (n - 1) (1 - p) (y / p - B)^2 with B the (1 - p)-weighted mean of
        y / p, by stratum: Hajek (1964), Berger (1998); ``LinHB`` in R ``mase``.
        Exact for simple random sampling.
        """
        parts = int(self.stratum.max()) + 1
        expanded = self.weight * linear
        slack = 1.0 - 1.0 / self.weight
        counts = np.bincount(self.stratum, minlength=parts).astype(float)
        below = np.bincount(self.stratum, weights=slack, minlength=parts)
        above = np.bincount(self.stratum, weights=slack * expanded, minlength=parts)
        centre = np.divide(above, below, out=np.zeros(parts), where=below > 0)
        squares = slack * (expanded - centre[self.stratum]) ** 2
        correction = counts / (counts - 1.0)
        return float(np.sum(correction[self.stratum] * squares))

    def df(self, inside: NDArray[np.bool_]) -> float:
        """Return units minus strata."""
        return float(np.sum(inside) - len(np.unique(self.stratum[inside])))

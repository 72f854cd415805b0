"""Variance of a systematic sample on a square lattice, from neighbours.

A lattice spreads over the area, so it errs less than a random sample of its size;
taken as random, its interval is too wide. Drawing one is ``placement``'s.

References
----------
D'Orazio (2003) J. Agric. Biol. Environ. Stat. 8:280-295.
Cochran (1977) Sampling Techniques, sec. 8.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.survey import Floats

Index = NDArray[np.int64]

_STEPS = ((0, 1), (1, 0))
"""Neighbours in a row and in a column; each pair once."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """A systematic sample with a random start, as a ``survey.Design``."""

    weight: Floats
    """Units that each sample unit stands for, all alike, shape (n,)."""
    first: Index
    """One unit of every pair of neighbours, shape (pairs,)."""
    second: Index
    """The other."""

    def variance(self, linear: Floats) -> float:
        """Return the variance of the weighted total of ``linear``, shape (n,).

        n times half the mean squared difference of neighbours: the variance of a
        random sample times Geary's contiguity ratio (D'Orazio 2003), without finite
        population correction. Equal in expectation to the random one where values
        have no order; on the safe side of the truth where they vary smoothly, for a
        lattice errs less still.
        """
        values = self.weight * linear
        gaps = values[self.first] - values[self.second]
        return float(len(linear) * np.mean(gaps**2) / 2.0)

    def df(self, inside: NDArray[np.bool_]) -> float:
        """Return units less one."""
        return float(np.sum(inside) - 1)


def lattice_sample(row: Index, column: Index, *, population: float) -> Lattice:
    """Return the design of a lattice.

    Parameters
    ----------
    row, column : integer arrays of shape (n,)
        Place of each unit on the lattice, counted in steps of the sample: neighbours
        differ by 1.
    population : float
        Units in the frame.

    Raises
    ------
    TableError
        When two units share a place, or fewer pairs are neighbours than units: the
        steps are not counted in units of the sample, or the area is a thread.
    """
    places = {place: unit for unit, place in enumerate(_places(row, column))}
    if len(places) < len(row):
        raise TableError(
            f"{len(row)} units at {len(places)} places of a lattice",
            expected="one unit at a place",
            remedy="Give rows and columns in steps of the sample.",
        )
    pairs = [
        (unit, places[r + down, c + right])
        for (r, c), unit in places.items()
        for down, right in _STEPS
        if (r + down, c + right) in places
    ]
    if len(pairs) < len(row):
        raise TableError(
            f"{len(pairs)} pairs of neighbours among {len(row)} units",
            expected="a lattice over an area: at least as many pairs as units",
            remedy="Give rows and columns in steps of the sample, or treat the sample "
            "as random.",
        )
    first, second = np.asarray(pairs, dtype=np.int64).T
    return Lattice(np.full(len(row), population / len(row)), first, second)


def _places(row: Index, column: Index) -> Iterator[tuple[int, int]]:
    yield from zip(row.tolist(), column.tolist(), strict=True)

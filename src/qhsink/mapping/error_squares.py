"""Pixels of known truth, as squares and blocks of the errors of a mapped quantity.

What errors of totals are fitted to (``residual_field``); the model saw none of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]

BLOCK_M = 600.0
"""Edge of the blocks that pixels are averaged over [m]."""


WITHIN_M = (900.0, 1430.0, 2260.0, 3590.0, 5680.0, 9000.0)
"""Upper ends of the distance classes within a square [m]; the last is open."""


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSquares:
    """q squares of simulated worlds; quantities in the target's unit."""

    pairs: Doubles
    """(q, c) pairs of blocks of a square, by class of their distance."""
    apart: Doubles
    """(q, c) sum of the distances of these pairs [m]."""
    true_true: Doubles
    """(q, c) sum of the products of the truths of these pairs."""
    true_mapped: Doubles
    """(q, c) of the truth of one and the map of the other, both ways."""
    mapped_mapped: Doubles
    """(q, c) of the maps of both."""
    x: Doubles
    """(q,) mean place of a square [m]."""
    y: Doubles
    """(q,)."""
    members: Doubles
    """(q, K) mean mapped quantity by member."""
    truth: Doubles
    """(q,) mean true quantity."""
    world: NDArray[np.int64]
    """(q,) world of each square."""

    @property
    def mapped(self) -> Doubles:
        """(q,) mean mapped quantity."""
        return np.asarray(self.members.mean(axis=1))

    @property
    def error(self) -> Doubles:
        """(q,) mean error, truth less map."""
        return np.asarray(self.truth - self.mapped)

    @property
    def product(self) -> Doubles:
        """(q, c) sum of the products of the errors of the pairs, truth less map."""
        return self.true_true - self.true_mapped + self.mapped_mapped

    def times(self, ratio: float) -> ErrorSquares:
        """Return the squares as if the map said ``ratio`` times as much everywhere."""
        return replace(
            self,
            true_mapped=ratio * self.true_mapped,
            mapped_mapped=ratio**2 * self.mapped_mapped,
            members=ratio * self.members,
        )

    def take(self, chosen: NDArray[np.bool_]) -> ErrorSquares:
        """Return some of the squares."""
        parts = {
            field.name: getattr(self, field.name)[chosen] for field in fields(self)
        }
        return ErrorSquares(**parts)


def error_squares(
    x_m: ArrayLike,
    y_m: ArrayLike,
    members: ArrayLike,
    truth: ArrayLike,
    *,
    square: ArrayLike,
    world: ArrayLike,
) -> ErrorSquares:
    """Return the squares that pixels lie in.

    Parameters
    ----------
    x_m, y_m : array of shape (n,)
        Places of pixels in grid coordinates [m]: all land of the squares.
    members : array of shape (n, K)
        The whole quantity by member: zero on land that is given to another ecosystem.
    truth : array of shape (n,)
        The same, true: zero on land that is of another ecosystem.
    square, world : int array of shape (n,)
        Square and world of each pixel; worlds are independent of each other.
    """
    x, y = np.asarray(x_m, float), np.asarray(y_m, float)
    value, true = np.asarray(members, float), np.asarray(truth, float)
    place = np.column_stack([world, square, x // BLOCK_M, y // BLOCK_M])
    names, at = np.unique(place.astype(np.int64), axis=0, return_inverse=True)
    squares, home = np.unique(names[:, :2], axis=0, return_inverse=True)
    at, home = at.ravel(), home.ravel()
    inside = home[at]

    def mean(column: Doubles, of: NDArray[np.intp]) -> Doubles:
        return np.asarray(np.bincount(of, weights=column) / np.bincount(of))

    blocks = np.stack(
        [mean(column, at) for column in (x, y, true, value.mean(axis=1))], axis=1
    )
    near = np.stack([_pairs(blocks[home == one]) for one in range(len(squares))])
    return ErrorSquares(
        pairs=near[:, 0],
        apart=near[:, 1],
        true_true=near[:, 2],
        true_mapped=near[:, 3],
        mapped_mapped=near[:, 4],
        x=mean(x, inside),
        y=mean(y, inside),
        members=np.stack([mean(column, inside) for column in value.T], axis=1),
        truth=mean(true, inside),
        world=squares[:, 0],
    )


def _pairs(blocks: Doubles) -> Doubles:
    """Return pairs of blocks (x, y, truth, map) of a square by class of distance.

    Their number, and the sums of distances and of three products: (5, c).
    """
    i, j = np.triu_indices(len(blocks), 1)
    apart = np.hypot(*(blocks[i, :2] - blocks[j, :2]).T)
    at = np.searchsorted(np.array(WITHIN_M), apart)
    true, mapped = blocks[:, 2], blocks[:, 3]
    parts = (
        np.ones(len(apart)),
        apart,
        true[i] * true[j],
        true[i] * mapped[j] + mapped[i] * true[j],
        mapped[i] * mapped[j],
    )
    return np.stack([np.bincount(at, p, minlength=len(WITHIN_M) + 1) for p in parts])

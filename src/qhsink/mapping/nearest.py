"""Distance to the nearest of some thousand points, for millions of pixels.

An exact k-d tree whose leaves are scanned as short vectors. Each query starts from
the answer of the one before: neighbouring pixels look alike, so most of the tree
is never entered. What the distance means is ``qhsink.mapping.applicability``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEAF = 32
"""Points per leaf: four vectors of eight; 16 and 8 were measured slower."""
AXES = 2
"""Leading axes that nodes split; put those of greatest variance first. More cost
bookkeeping that prunes little: the leaves hold all axes."""
FAR = np.float32(1e18)
"""Coordinate of the filling of a leaf: its square is finite and never the least."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A balanced k-d tree in one array per kind of thing; node i has 2i and 2i + 1."""

    axis: NDArray[np.int32]
    """(L,) axis that each inner node splits; node 0 is not used."""
    cut: Floats
    """(L,) coordinate of the split."""
    leaves: Floats
    """(L, D, LEAF) coordinates of the points of each leaf."""


def build_tree(points: NDArray[np.float64]) -> Tree:
    """Return the tree of (n, D) ``points``, n at least 1.

    Each node is split at the median of the wider of its leading axes.
    """
    depth = max(0, int(np.ceil(np.log2(len(points) / LEAF))))
    count = 1 << depth
    axis, cut = np.zeros(count, np.int32), np.zeros(count, np.float32)
    parts = [np.arange(len(points))]
    for level in range(depth):
        halves = []
        for place, rows in enumerate(parts, start=1 << level):
            widest = int(np.argmax(np.ptp(points[rows, :AXES], axis=0)))
            order = rows[np.argsort(points[rows, widest], kind="stable")]
            middle = len(order) // 2
            axis[place] = widest
            cut[place] = points[order[middle - 1 : middle + 1], widest].mean()
            halves += [order[:middle], order[middle:]]
        parts = halves
    leaves = np.full((count, points.shape[1], LEAF), FAR, np.float32)
    for number, rows in enumerate(parts):
        leaves[number, :, : len(rows)] = points[rows].T
    return Tree(axis, cut, leaves)


def nearest_distance(tree: Tree, queries: Floats) -> Floats:
    """Return the Euclidean distance of (D, n) ``queries`` to their nearest point.

    In single precision; NaN for a query with NaN.
    """
    known = np.isfinite(queries.sum(axis=0))
    if not known.all():  # the loop is compiled as if there were no NaN
        queries = np.where(known, queries, np.float32(0))
    out = np.asarray(_search(queries, tree.axis, tree.cut, tree.leaves))
    out[~known] = np.nan
    return out


@njit(nogil=True, cache=True, fastmath=True)
def _search(  # noqa: C901, PLR0912 - one compiled loop; calls would cost time
    queries: Floats, axis: NDArray[np.int32], cut: Floats, leaves: Floats
) -> Floats:  # pragma: no cover - compiled
    """Depth first, nearer half first, bounds after Arya and Mount 1993, DCC, 271."""
    width, count = queries.shape
    few = min(AXES, width)
    inner, size = leaves.shape[0], leaves.shape[2]
    out = np.empty(count, np.float32)
    waiting = np.empty(64, np.int32)
    bound = np.empty(64, np.float32)
    gaps = np.empty((64, few), np.float32)
    gap = np.empty(few, np.float32)
    total = np.empty(size, np.float32)
    last = leaves[0, :, 0].copy()
    for i in range(count):
        best = np.float32(0)
        for k in range(width):
            step = queries[k, i] - last[k]
            best += step * step
        waiting[0], bound[0] = 1, 0
        gaps[0] = 0
        depth = 1
        while depth > 0:
            depth -= 1
            if bound[depth] >= best:
                continue
            node, least = waiting[depth], bound[depth]
            for k in range(few):
                gap[k] = gaps[depth, k]
            while node < inner:
                k = axis[node]
                step = queries[k, i] - cut[node]
                right = 1 if step >= 0 else 0
                beyond = least - gap[k] * gap[k] + step * step
                if beyond < best:
                    waiting[depth], bound[depth] = 2 * node + 1 - right, beyond
                    for q in range(few):
                        gaps[depth, q] = gap[q]
                    gaps[depth, k] = step
                    depth += 1
                node = 2 * node + right
            leaf = node - inner
            for j in range(size):
                total[j] = 0
            for k in range(width):
                at = queries[k, i]
                for j in range(size):
                    step = leaves[leaf, k, j] - at
                    total[j] += step * step
            nearest = total[0]
            for j in range(1, size):
                nearest = min(nearest, total[j])
            if nearest < best:
                best = nearest
                j = 0
                while total[j] != nearest:
                    j += 1
                for k in range(width):
                    last[k] = leaves[leaf, k, j]
        out[i] = np.sqrt(best)
    return out

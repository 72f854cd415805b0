"""Samples of other than simple and stratified designs, drawn from a frame of pixels.

Clusters of plots, and plots whose chances follow a size. Simple, stratified and
systematic samples are ``campaign``'s; what is measured is not known here.

References
----------
Hartley and Rao (1962) Ann. Math. Stat. 33:350-374: randomised systematic sampling.
Midzuno (1952) Ann. Inst. Stat. Math. 3:99-107; Sen (1953) J. Indian Soc. Agric. Stat.
5:119-127: one unit by size, the others at random.
"""

from __future__ import annotations

import numpy as np

from qhsink.domain.errors import TableError
from qhsink.twin.campaign import Drawn, Floats, Index, draw_simple

CLUSTER_STEP = 5
"""Pixels between the plots of a cluster, along both axes."""


def draw_clusters(
    rows: Index, columns: Index, count: int, rng: np.random.Generator
) -> tuple[Drawn, Index, int]:
    """Return the pixels of ``count`` clusters, their cluster codes, and the frame.

    A cluster is the corners of a square of ``CLUSTER_STEP`` pixels; clusters divide the
    lattice without overlap. One that water or the edge cuts has fewer plots.

    Returns
    -------
    drawn : Drawn
        All pixels of the clusters drawn.
    cluster : int64 array of shape (n,)
        Code of each pixel's cluster.
    frame : int
        Clusters to draw from.
    """
    span = 2 * CLUSTER_STEP
    places = np.column_stack(
        [rows // span, columns // span, rows % CLUSTER_STEP, columns % CLUSTER_STEP]
    )
    code = np.unique(places, axis=0, return_inverse=True)[1].ravel()
    frame = int(code.max()) + 1
    chosen = draw_simple(frame, count, rng).index
    index = np.flatnonzero(np.isin(code, chosen)).astype(np.int64)
    stratum = np.zeros(index.size, dtype=np.intp)
    drawn = Drawn(index, stratum, np.array([float(rows.size)]))
    return drawn, code[index].astype(np.int64), frame


def draw_proportional(
    size: Floats, count: int, rng: np.random.Generator
) -> tuple[Index, Floats]:
    """Return ``count`` pixels with chances in proportion to size, and the chances.

    Systematic steps through the pixels in random order (Hartley and Rao 1962).

    Raises
    ------
    TableError
        When a pixel would be drawn for certain.
    """
    prob = count * size / size.sum()
    if prob.max() >= 1.0:
        raise TableError(
            f"a chance of {prob.max():.3g} among {count} plots",
            expected="chances below 1",
            remedy="Draw fewer plots, or let sizes differ less.",
        )
    order = rng.permutation(size.size)
    reached = np.cumsum(prob[order])
    steps = rng.random() + np.arange(count)
    picked = order[
        np.searchsorted(reached, steps, side="right").clip(max=size.size - 1)
    ]
    index = np.sort(picked).astype(np.int64)
    return index, prob[index]


def draw_midzuno(
    size: Floats, count: int, rng: np.random.Generator
) -> tuple[Index, Floats]:
    """Return ``count`` pixels, the first by size and the others at random; chances.

    Chances follow from the scheme: share z of size gives (n-1)/(N-1) + (N-n)/(N-1) z.
    """
    pixels, share = size.size, size / size.sum()
    first = int(rng.choice(pixels, p=share))
    others = rng.choice(pixels - 1, size=count - 1, replace=False)
    index = np.sort(np.append(others + (others >= first), first)).astype(np.int64)
    prob = (count - 1 + (pixels - count) * share[index]) / (pixels - 1)
    return index, prob


def midzuno_joint(size: Floats, index: Index, count: int) -> Floats:
    """Return the joint chances of the pixels ``index`` drawn, shape (n, n).

    (n-1)/(N-1) [(N-n)/(N-2) (z_i + z_j) + (n-2)/(N-2)]; the chances on the diagonal.
    """
    pixels, share = size.size, (size / size.sum())[index]
    both = share[:, None] + share[None, :]
    joint = (count - 1) / (pixels - 1) * ((pixels - count) * both + count - 2)
    joint /= pixels - 2
    np.fill_diagonal(joint, (count - 1 + (pixels - count) * share) / (pixels - 1))
    return np.asarray(joint, dtype=np.float64)

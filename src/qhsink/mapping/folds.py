"""Which samples are held out together.

A fold never splits a group. What makes a group is the caller's knowledge of how the
samples were taken: two rules for samples without coordinates, blocks and distance
matching for samples with them. Reading samples does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import KDTree
from scipy.stats import ks_2samp, wasserstein_distance

from qhsink.domain.errors import TableError

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]
Clustering = Literal["hierarchical", "kmeans"]

CUTS = 100
"""Numbers of clusters that ``knndm`` tries, at most (as CAST)."""
NO_CLUSTERING = 0.05
"""p-value from which training points count as not clustered (as CAST)."""
EXACT_TEST = 400
"""Points up to which that test is exact."""


def consecutive_runs(count: int, *, length: int) -> Ints:
    """Return groups of ``length`` consecutive rows.

    The only trace of sampling order in a table without sites, dates or coordinates.
    It keeps together what was entered together, and nothing when rows were shuffled:
    ``row_autocorrelation`` tells which.
    """
    return np.arange(count, dtype=np.int64) // length


def spectral_clusters(
    reflectance: NDArray[np.float64], *, clusters: int, seed: int
) -> Ints:
    """Return groups of samples with alike spectra.

    Repeat visits of one site and neighbouring sites look alike from space, so holding
    out whole clusters of log reflectance keeps them together. It also takes away
    the nearest training samples, so that the scores are pessimistic.

    Parameters
    ----------
    reflectance : (n, bands) float
        Reflectance above zero.
    clusters : int
        Number of k-means clusters.
    seed : int
        Seed of k-means.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - not needed to predict

    model = KMeans(clusters, n_init=4, random_state=seed)
    return np.asarray(model.fit_predict(np.log(reflectance)), np.int64)


def deal_folds(groups: Ints, *, folds: int, seed: int) -> Ints:
    """Return the fold of each sample: whole groups, dealt at random, sizes balanced.

    Parameters
    ----------
    groups : (n,) int
        Group of each sample.
    folds : int
        Number of folds.
    seed : int
        Seed of the order in which groups of equal size are dealt.
    """
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    fold_of = np.empty(len(names), np.int64)
    load = np.zeros(folds, np.int64)
    for group in order:
        fold_of[group] = np.argmin(load)
        load[fold_of[group]] += sizes[group]
    return fold_of[place]


def row_autocorrelation(values: NDArray[np.float64], *, lag: int) -> float:
    """Return the correlation of ``values`` with themselves ``lag`` rows later."""
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


@dataclass(frozen=True, slots=True, eq=False)
class NearestNeighbourFolds:
    """Folds whose held-out points are as far from training as the map is."""

    folds: Ints
    """(n,) fold of each training point, from 0."""
    clusters: int | None
    """Clusters that were merged into the folds; None for random folds."""
    distance: float
    """Wasserstein-1 distance of ``between`` and ``to_map``, in their unit."""
    alone: Doubles
    """(n,) distance of each training point to the nearest other (Gj)."""
    between: Doubles
    """(n,) distance of each training point to the nearest of another fold (Gj*)."""
    to_map: Doubles
    """(m,) distance of each prediction point to the nearest training point (Gij)."""


def knndm(
    train: Doubles,
    prediction: Doubles,
    *,
    folds: int,
    seed: int,
    clustering: Clustering = "hierarchical",
    max_share: float = 0.5,
) -> NearestNeighbourFolds:
    """Return folds by k-fold nearest neighbour distance matching.

    Clusters of training points, cut at many numbers of clusters and merged into
    ``folds``; kept is the cut for which distances between folds are distributed most
    like those from the map to the training points. Where the training points are
    no more clustered than the map asks for, folds are random.

    Parameters
    ----------
    train : (n, 2) float
        Training points, projected [m].
    prediction : (m, 2) float
        Points that stand for the area to be mapped [m], such as a regular grid.
    folds : int
        Number of folds.
    seed : int
        Seed of k-means and of random folds.
    clustering : {"hierarchical", "kmeans"}
        Ward's linkage, which is deterministic, or k-means.
    max_share : float
        Greatest share of the training points in one fold.

    Raises
    ------
    TableError
        When there are too few points, or every cut leaves a fold too large.

    Notes
    -----
    Linnenbrink, Mila, Ludwig and Meyer 2024, Geosci. Model Dev. 17:5897, as CAST 1.1
    does it: 100 numbers of clusters, evenly spaced in their logarithm from ``folds``
    to n - 2; clusters ordered along the first principal axis and dealt in turn, those
    of n / folds points or more kept whole; random folds where a one-sided
    Kolmogorov-Smirnov test at 5 % finds no clustering. Deviations: Euclidean
    distance alone; k-means is scikit-learn's, which may name another number of
    clusters for the same folds.
    """
    if len(train) < folds + 2 or len(prediction) == 0:
        raise TableError(
            f"{len(train)} training and {len(prediction)} prediction points",
            expected=f"at least {folds + 2} and 1 for {folds} folds",
            remedy="Add points, or ask for fewer folds.",
        )
    alone = np.asarray(KDTree(train).query(train, k=2)[0])[:, 1]
    to_map = np.asarray(KDTree(train).query(prediction)[0])
    if _as_far_alone(alone, to_map):
        places = np.random.default_rng(seed).permutation(len(train))
        chosen, count = places.astype(np.int64) % folds, None
    else:
        chosen, count = _best_cut(
            train, to_map, folds, max_share, _cutter(train, clustering, seed)
        )
    between = distance_between(train, chosen)
    gap = float(wasserstein_distance(between, to_map))
    return NearestNeighbourFolds(chosen, count, gap, alone, between, to_map)


def _as_far_alone(alone: Doubles, to_map: Doubles) -> bool:
    """Return whether training points are no nearer to each other than the map is."""
    # The exact distribution cannot be computed for many points and is not needed.
    many = max(len(alone), len(to_map)) > EXACT_TEST
    method: Literal["asymp", "exact"] = "asymp" if many else "exact"
    test = ks_2samp(alone, to_map, alternative="greater", method=method)
    return bool(test.pvalue >= NO_CLUSTERING)


def distance_between(points: Doubles, folds: Ints) -> Doubles:
    """Return the distance of each of (n, 2) points to the nearest of another fold."""
    out = np.empty(len(points))
    for fold in np.unique(folds):
        here = folds == fold
        out[here] = np.asarray(KDTree(points[~here]).query(points[here])[0])
    return out


def _best_cut(
    train: Doubles,
    to_map: Doubles,
    folds: int,
    max_share: float,
    cut: Callable[[int], Ints],
) -> tuple[Ints, int]:
    tries = np.exp(np.linspace(np.log(folds), np.log(len(train) - 2), CUTS))
    middle = train - train.mean(axis=0)
    along = middle @ np.linalg.svd(middle, full_matrices=False)[2][0]
    best: tuple[float, Ints, int] | None = None
    for count in dict.fromkeys(np.rint(tries).astype(int).tolist()):
        merged = _merge(cut(count), along, folds)
        if np.bincount(merged).max() > max_share * len(train):
            continue
        gap = float(wasserstein_distance(distance_between(train, merged), to_map))
        if best is None or gap < best[0] - 1e-12:
            best = gap, merged, count
    if best is None:
        raise TableError(
            f"every division holds more than {max_share:.0%} of the points in a fold",
            expected=f"{folds} folds of at most that share",
            remedy="Ask for more folds or allow a greater share.",
        )
    return best[1], best[2]


def _cutter(train: Doubles, clustering: Clustering, seed: int) -> Callable[[int], Ints]:
    if clustering == "hierarchical":
        tree = linkage(train, "ward")
        return lambda count: np.asarray(
            fcluster(tree, count, "maxclust"), dtype=np.int64
        )
    from sklearn.cluster import KMeans  # noqa: PLC0415 - not needed to predict

    return lambda count: np.asarray(
        KMeans(count, n_init=10, random_state=seed).fit_predict(train), np.int64
    )


def _merge(clusters: Ints, along: Doubles, folds: int) -> Ints:
    """Return folds: large clusters alone, the others dealt along the axis."""
    names, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    middle = np.bincount(place, weights=along) / sizes
    order = np.argsort(middle, kind="stable")
    large = order[sizes[order] >= len(clusters) / folds]
    small = order[sizes[order] < len(clusters) / folds]
    fold_of = np.empty(len(names), np.int64)
    fold_of[large] = np.arange(len(large))
    if len(small):
        dealt = np.arange(len(small)) % (folds - len(large))
        fold_of[small] = len(large) + dealt
    return fold_of[place]


def leave_group_out(groups: Sequence[object]) -> Ints:
    """Return folds that each hold out one group: a county, a year, a campaign.

    Raises
    ------
    TableError
        When there is one group only.
    """
    labels = np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    if len(labels) == 0 or labels.max() == 0:
        raise TableError(
            "samples of a single group",
            expected="at least two, so that one can be held out",
            remedy="Name another column, or use spatial blocks.",
        )
    return labels.astype(np.int64)


def spatial_blocks(points: Doubles, *, edge: float) -> Ints:
    """Return the square block of each of (n, 2) projected points [m].

    Parameters
    ----------
    points : (n, 2) float
        Projected coordinates [m].
    edge : float
        Edge of a block [m], at least the range of the residual correlation
        (``qhsink.mapping.residual_variogram``).
    """
    cells = np.floor(points / edge).astype(np.int64)
    return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)

"""Which samples are held out together.

A fold never splits a group. What makes a group is the caller's knowledge of how the
samples were taken; two rules for samples without coordinates are here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


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

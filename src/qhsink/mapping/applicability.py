"""Does a pixel resemble the training data? The area of applicability.

Dissimilarity index and threshold after Meyer and Pebesma 2021, Methods Ecol. Evol.
12:1620, as CAST 1.1 computes them. Inside the area the cross-validated error may be
expected to hold; outside nothing is known of it. Files are ``qhsink.registry``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from qhsink.domain.errors import ModelError
from qhsink.mapping.features import fill_features, locate_bands
from qhsink.mapping.layers import layer_step
from qhsink.mapping.nearest import Tree, build_tree, nearest_distance

Doubles = NDArray[np.float64]

BLOCK = 4_096
"""Pixels per pass over a map; rows per pass over the training points are fewer."""
DOUBT = 1e-5
"""Share of the threshold within which single precision does not decide: ten times
its error where features are near the training data."""
REMEDY = "Correct the training table."


@dataclass(frozen=True)  # without slots: the trees are cached on the instance
class Applicability:
    """The training side of the dissimilarity index, fitted."""

    predictors: Doubles
    """(n, F) training predictors, in their own units."""
    center: Doubles
    """(F,) their means."""
    scale: Doubles
    """(F,) their standard deviations (ddof=1)."""
    weights: Doubles
    """(F,) importance of each predictor, not negative, any unit."""
    mean_distance: float
    """Mean distance between training points, scaled and weighted."""
    training: Doubles
    """(n,) training dissimilarity: to the nearest point of another fold."""
    threshold: float
    """Greatest dissimilarity inside the area of applicability."""

    def dissimilarity(self, x: ArrayLike) -> Doubles:
        """Return the dissimilarity index of (n, F) predictors ``x``.

        Exact, in double precision whatever ``x`` is of; NaN where a predictor is NaN.

        Raises
        ------
        ModelError
            When the number of predictors differs.
        """
        values = np.asarray(x, np.float64)
        if values.ndim != 2 or values.shape[1] != self.center.size:
            raise ModelError(
                f"predictors of shape {values.shape}",
                expected=f"(n, {self.center.size})",
                remedy="Give the predictors that the model was trained on.",
            )
        out = np.full(len(values), np.nan)
        known = np.isfinite(values).all(axis=1)
        if known.any():
            moved = (values[known] - self.center) * (self.weights / self.scale)
            out[known] = self._tree.query(moved)[0] / self.mean_distance
        return out

    def is_inside(self, index: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each dissimilarity is at most the threshold; NaN is not."""
        return np.asarray(np.asarray(index) <= self.threshold)

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree((self.predictors - self.center) * (self.weights / self.scale))

    @cached_property
    def _turned(self) -> tuple[NDArray[np.float32], NDArray[np.float32], Tree]:
        """Return matrix and shift of predictors to index units, and the tree there.

        Turned to principal axes, widest first, which changes no distance.
        """
        units = self.weights / self.scale / self.mean_distance
        points = (self.predictors - self.center) * units
        turn = np.linalg.svd(points, full_matrices=False)[2].T
        matrix = units[:, None] * turn
        shift = (self.center @ matrix)[:, None]
        turned = matrix.T.astype(np.float32), shift.astype(np.float32)
        return *turned, build_tree(points @ turn)

    def map_dissimilarity(
        self,
        names: tuple[str, ...],
        reflectance: NDArray[np.int16],
        band_names: tuple[str, ...],
        index: NDArray[np.int64],
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return index and insideness of the pixels ``index`` of a window.

        Parameters
        ----------
        names : tuple of str
            Feature names, in the order of ``predictors``.
        reflectance : (band, y, x) int16
            Surface reflectance times 10 000.
        band_names : tuple of str
            Name of each band.
        index : (n,) int
            Row-major numbers of pixels with data in every band needed, as
            ``Prediction.index`` has them.

        Returns
        -------
        dissimilarity : (n,) float32
            Searched in single precision: within 1e-5 of ``dissimilarity`` for
            predictors within ten standard deviations.
        inside : (n,) bool
            As ``is_inside(dissimilarity(...))``: decided in double precision where
            single precision is too near the threshold.
        """
        where = locate_bands(names, band_names)
        flat = reflectance.reshape(len(reflectance), -1)
        matrix, shift, tree = self._turned
        out = np.empty(len(index), np.float32)
        inside = np.empty(len(index), bool)
        step = {name: layer_step(name) for name in where}
        for start in range(0, len(index), BLOCK):
            pixels = index[start : start + BLOCK]
            part = slice(start, start + len(pixels))
            bands = {n: flat[row, pixels] * step[n] for n, row in where.items()}
            rows = np.empty((len(names), len(pixels)), np.float32)
            fill_features(bands, names, rows)
            out[part] = nearest_distance(tree, _moved(rows, matrix, shift))
            inside[part] = self.is_inside(out[part])
            near = np.abs(out[part] - self.threshold) <= DOUBT * (1 + self.threshold)
            doubtful = np.flatnonzero(near)
            exact = self.dissimilarity(rows[:, doubtful].T)
            inside[start + doubtful] = self.is_inside(exact)
        return out, inside


def fit(
    predictors: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    folds: ArrayLike | None = None,
) -> Applicability:
    """Return the threshold and the training dissimilarity of a training set.

    Parameters
    ----------
    predictors : (n, F) array
        Training predictors, float32 or float64, finite.
    weights : (F,) array, optional
        Importance of each predictor. Negative ones count as zero; when none is
        positive, all count as one. Default: all one.
    folds : (n,) array, optional
        Cross-validation fold of each point: its training dissimilarity is to the
        nearest point of another fold. Default: to the nearest other point.

    Raises
    ------
    ModelError
        When predictors are not finite, constant or fewer than three, or when
        weights or folds do not fit them.

    Notes
    -----
    Meyer and Pebesma 2021, sections 2.2 and 2.3, with CAST's later threshold: the
    upper quartile of the training dissimilarity plus 1.5 interquartile ranges, at
    most its maximum (the paper takes the whisker, the greatest value below that
    limit). Deviations from CAST: a constant predictor is refused, not dropped;
    categorical predictors and folds that overlap are not provided for; no local
    point density.
    """
    x = _checked(np.asarray(predictors, np.float64))
    importance = _importance(weights, x.shape[1])
    center, scale = x.mean(axis=0), x.std(axis=0, ddof=1)
    points = (x - center) * (importance / scale)
    distance = _mean_distance(points)
    training = _nearest_elsewhere(points, _labels(folds, len(x))) / distance
    low, high = np.quantile(training, [0.25, 0.75])
    threshold = min(high + 1.5 * (high - low), training.max())
    return Applicability(
        x, center, scale, importance, distance, training, float(threshold)
    )


def describe(fitted: Applicability, names: tuple[str, ...]) -> dict[str, object]:
    """Return what a card says of the area of applicability, JSON-able."""
    share = float(fitted.is_inside(fitted.training).mean())
    total = fitted.weights.sum()
    weights: Mapping[str, float] = dict(
        zip(names, (fitted.weights / total).round(4).tolist(), strict=True)
    )
    return {
        "threshold": round(fitted.threshold, 4),
        "mean_distance": round(fitted.mean_distance, 4),
        "training_inside": round(share, 4),
        "weights": weights,
    }


def _moved(
    rows: NDArray[np.float32], matrix: NDArray[np.float32], shift: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (F, n) features in index units along the tree's axes, (D, n)."""
    moved: NDArray[np.float32] = matrix @ rows
    moved -= shift
    return moved


def _checked(x: Doubles) -> Doubles:
    if x.ndim != 2 or len(x) < 3 or not np.isfinite(x).all():
        raise ModelError(
            f"training predictors of shape {x.shape}, "
            f"{int((~np.isfinite(x)).sum())} of them not finite",
            expected="(n, F) finite numbers, n at least 3",
            remedy=REMEDY,
        )
    constant = np.flatnonzero(np.ptp(x, axis=0) == 0)
    if constant.size:
        raise ModelError(
            f"predictor {constant[0] + 1} of {x.shape[1]} is constant",
            expected="predictors that vary: distance is in standard deviations",
            remedy="Leave it out.",
        )
    return x


def _importance(weights: ArrayLike | None, count: int) -> Doubles:
    if weights is None:
        return np.ones(count)
    given = np.asarray(weights, np.float64)
    if given.shape != (count,) or not np.isfinite(given).all():
        raise ModelError(
            f"weights {given.tolist()}",
            expected=f"{count} finite numbers, one per predictor",
            remedy="Give the importance of each predictor, in their order.",
        )
    positive = np.maximum(given, 0)
    return positive if positive.any() else np.ones(count)


def _labels(folds: ArrayLike | None, count: int) -> NDArray[np.int64]:
    if folds is None:
        return np.arange(count)
    given = np.asarray(folds)
    labels = np.unique(given, return_inverse=True)[1]
    if given.shape != (count,) or labels.max() == 0:
        raise ModelError(
            f"folds of shape {given.shape} with {int(labels.max()) + 1} labels",
            expected=f"{count} labels of at least two folds",
            remedy="Give the fold of each training point.",
        )
    return labels


def _mean_distance(points: Doubles) -> float:
    """Return the mean over points of their mean distance to all others."""
    step = max(1, 4_000_000 // len(points))
    total = sum(
        float(cdist(points[start : start + step], points).sum())
        for start in range(0, len(points), step)
    )
    return total / (len(points) * (len(points) - 1))


def _nearest_elsewhere(points: Doubles, labels: NDArray[np.int64]) -> Doubles:
    """Return the distance of each point to the nearest one with another label."""
    if len(np.unique(labels)) == len(points):
        return np.asarray(KDTree(points).query(points, k=2)[0])[:, 1]
    out = np.empty(len(points))
    for label in np.unique(labels):
        here = labels == label
        out[here] = KDTree(points[~here]).query(points[here])[0]
    return out

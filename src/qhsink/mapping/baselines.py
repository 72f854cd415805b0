"""Regressors that a shipped model has to beat.

Each is fitted and asked through one small interface, on the same folds as the
ensemble. They are never used on maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Predictor = Callable[[Doubles], Doubles]
Fit = Callable[[Doubles, Doubles, int], Predictor]
"""(features (n, F), target (n,), seed) to a function of features (m, F)."""

TREES = (
    "random forest",
    "extra trees",
    "histogram gradient boosting",
    "quantile forest, median",
)
"""The tree ensembles among the baselines."""


def dimidiate(ndvi: Doubles, *, soil: float, full: float, power: int) -> Doubles:
    """Return fractional cover by the dimidiate pixel model.

    Parameters
    ----------
    ndvi : (n,) float
        Normalised difference vegetation index.
    soil, full : float
        NDVI of bare soil and of full cover.
    power : int
        1 for the linear model, 2 for Carlson and Ripley's.

    References
    ----------
    Gutman and Ignatov 1998, Int. J. Remote Sens. 19:1533 (linear).
    Carlson and Ripley 1997, Remote Sens. Environ. 62:241 (quadratic).
    """
    scaled = np.clip((ndvi - soil) / (full - soil), 0.0, 1.0)
    return np.asarray(scaled**power)


def _dimidiate_percentiles(power: int, ndvi: int) -> Fit:
    def fit(features: Doubles, target: Doubles, seed: int) -> Predictor:
        del target, seed
        soil, full = np.percentile(features[:, ndvi], [5, 95])
        return lambda x: dimidiate(
            x[:, ndvi], soil=float(soil), full=float(full), power=power
        )

    return fit


def _dimidiate_fitted(power: int, ndvi: int) -> Fit:
    def fit(features: Doubles, target: Doubles, seed: int) -> Predictor:
        del seed
        from scipy.optimize import least_squares  # noqa: PLC0415 - training only

        def residual(ends: Doubles) -> Doubles:
            x = features[:, ndvi]
            return dimidiate(x, soil=ends[0], full=ends[1], power=power) - target

        soil, full = least_squares(residual, [0.1, 0.8]).x
        return lambda x: dimidiate(
            x[:, ndvi], soil=float(soil), full=float(full), power=power
        )

    return fit


def _linear(ndvi: int, valid: tuple[float, float]) -> Fit:
    def fit(features: Doubles, target: Doubles, seed: int) -> Predictor:
        del seed
        slope, level = np.polyfit(features[:, ndvi], target, 1)
        return lambda x: np.clip(level + slope * x[:, ndvi], *valid)

    return fit


def _forest(features: Doubles, target: Doubles, seed: int) -> Predictor:
    return _predictor(_grow_forest(features, target, seed))


def _grow_forest(features: Doubles, target: Doubles, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 - training only

    model: Any = RandomForestRegressor(
        200, min_samples_leaf=3, max_features=0.5, random_state=seed, n_jobs=1
    )
    return model.fit(features, target)


def _extra_trees(features: Doubles, target: Doubles, seed: int) -> Predictor:
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415 - training only

    model: Any = ExtraTreesRegressor(
        200, min_samples_leaf=3, max_features=1.0, random_state=seed, n_jobs=1
    )
    return _predictor(model.fit(features, target))


def _quantile_forest(features: Doubles, target: Doubles, seed: int) -> Predictor:
    """Fit a quantile regression forest and predict its median.

    Notes
    -----
    Meinshausen 2006, J. Mach. Learn. Res. 7:983, equations 4 to 6, on scikit-learn's
    random forest. Deviation: leaves weigh all training samples, not each tree's
    bootstrap sample. Written here because the weights are twenty lines on what is
    installed; the package ``quantile-forest`` would be a compiled dependency of a
    baseline alone.
    """
    forest = _grow_forest(features, target, seed)
    order = np.argsort(target, kind="stable")
    ranked, leaves = target[order], forest.apply(features[order])

    def predict(x: Doubles) -> Doubles:
        out = [
            ranked[(weights.cumsum(axis=1) < 0.5).sum(axis=1)]
            for weights in _leaf_weights(leaves, forest.apply(x))
        ]
        return np.concatenate(out)

    return predict


def _leaf_weights(train: NDArray[Any], asked: NDArray[Any]) -> Iterator[Doubles]:
    """Yield (rows, n) weights of the training samples for 500 samples at a time.

    Parameters
    ----------
    train, asked : (n, trees) and (m, trees) int
        Leaf of each sample in each tree.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - training only

    starts = np.concatenate([[0], np.cumsum(train.max(axis=0) + 1)])
    width = int(starts[-1])

    def marked(leaves: NDArray[Any]) -> Any:
        ones = np.ones(leaves.size)
        ends = np.arange(len(leaves) + 1) * leaves.shape[1]
        place = (leaves + starts[:-1]).ravel()
        return csr_array((ones, place, ends), (len(leaves), width))

    members = marked(train)
    sizes = np.maximum(members.sum(axis=0), 1.0)
    shares = (members / sizes).T.tocsr()
    for start in range(0, len(asked), 500):
        found = marked(asked[start : start + 500]) @ shares
        yield found.toarray() / train.shape[1]


def _boosting(features: Doubles, target: Doubles, seed: int) -> Predictor:
    from sklearn.ensemble import (  # noqa: PLC0415 - training only
        HistGradientBoostingRegressor,
    )

    model: Any = HistGradientBoostingRegressor(
        max_iter=200, learning_rate=0.05, max_leaf_nodes=15, random_state=seed
    )
    with threadpoolctl.threadpool_limits(1):  # sums in one order: reproducible
        return _predictor(model.fit(features, target))


def _predictor(model: Any) -> Predictor:
    def predict(features: Doubles) -> Doubles:
        with threadpoolctl.threadpool_limits(1):
            return np.asarray(model.predict(features), np.float64)

    return predict


def type_mean(target: Doubles, stratum: Ints, asked: Ints) -> Doubles:
    """Return the mean of the stratum of each sample asked for.

    Parameters
    ----------
    target, stratum : (n,)
        Of the training samples.
    asked : (m,) int
        Strata; one without training samples gets the mean of all.
    """
    out = np.full(len(asked), target.mean())
    for name in np.unique(stratum):
        out[asked == name] = target[stratum == name].mean()
    return out


def baselines(
    feature_names: tuple[str, ...], *, valid: tuple[float, float] = (0.0, 1.0)
) -> Mapping[str, Fit]:
    """Return the regressors to beat, by name.

    Parameters
    ----------
    feature_names : tuple of str
        Columns of the features; without NDVI among them only the trees remain.
    valid : (float, float)
        Valid range of the target. The dimidiate models are for cover, 0 to 1, alone.
    """
    found: dict[str, Fit] = {
        "random forest": _forest,
        "extra trees": _extra_trees,
        "histogram gradient boosting": _boosting,
        "quantile forest, median": _quantile_forest,
    }
    if "ndvi" not in feature_names:
        return found
    ndvi = feature_names.index("ndvi")
    found["linear on NDVI"] = _linear(ndvi, valid)
    if valid == (0.0, 1.0):
        for power, shape in ((1, "linear"), (2, "quadratic")):
            found[f"dimidiate, {shape}, NDVI percentiles 5/95"] = (
                _dimidiate_percentiles(power, ndvi)
            )
        for power, shape in ((1, "linear"), (2, "quadratic")):
            found[f"dimidiate, {shape}, endmembers fitted"] = _dimidiate_fitted(
                power, ndvi
            )
    return found

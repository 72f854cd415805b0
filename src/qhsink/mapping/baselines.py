"""Regressors that a shipped model has to beat.

Each is fitted and asked through one small interface, on the same folds as the
ensemble. They are never used on maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Predictor = Callable[[Doubles], Doubles]
Fit = Callable[[Doubles, Doubles, int], Predictor]
"""(features (n, F), target (n,), seed) to a function of features (m, F)."""


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


def _linear(ndvi: int) -> Fit:
    def fit(features: Doubles, target: Doubles, seed: int) -> Predictor:
        del seed
        slope, level = np.polyfit(features[:, ndvi], target, 1)
        return lambda x: np.clip(level + slope * x[:, ndvi], 0.0, 1.0)

    return fit


def _forest(features: Doubles, target: Doubles, seed: int) -> Predictor:
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 - training only

    model: Any = RandomForestRegressor(
        200, min_samples_leaf=3, max_features=0.5, random_state=seed, n_jobs=1
    )
    return _predictor(model.fit(features, target))


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


def baselines(feature_names: tuple[str, ...]) -> Mapping[str, Fit]:
    """Return the regressors to beat, by name, for features that include NDVI."""
    ndvi = feature_names.index("ndvi")
    return {
        "random forest": _forest,
        "histogram gradient boosting": _boosting,
        "linear on NDVI": _linear(ndvi),
        "dimidiate, linear, NDVI percentiles 5/95": _dimidiate_percentiles(1, ndvi),
        "dimidiate, quadratic, NDVI percentiles 5/95": _dimidiate_percentiles(2, ndvi),
        "dimidiate, linear, endmembers fitted": _dimidiate_fitted(1, ndvi),
        "dimidiate, quadratic, endmembers fitted": _dimidiate_fitted(2, ndvi),
    }

"""Out-of-fold predictions of an ensemble and of its rivals, on the same folds.

How folds are made is ``qhsink.mapping.folds``, what predictions are worth
``qhsink.mapping.validation``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping.baselines import Predictor, baselines, type_mean
from qhsink.mapping.ensemble import predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.fitting import fit_ensemble
from qhsink.mapping.folds import deal_folds
from qhsink.mapping.samples import Recipe, Samples

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Report = Callable[[str], None]

ENSEMBLE = "ensemble"
"""Name of the ensemble among the models compared."""
TYPE_MEAN = "type mean"
"""Name of the mean of a sample's stratum among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Out-of-fold predictions of the ensemble and of every rival."""

    folds: Ints
    """(n,) fold of each sample."""
    groups: int
    """Number of groups that were dealt."""
    predictions: Mapping[str, Doubles]
    """(n,) out-of-fold prediction by model name."""
    spread: Doubles
    """(n,) standard deviation over members of the ensemble."""
    seconds_per_mpx: Mapping[str, float]
    """CPU seconds per million samples, by model name, least over folds; measured."""
    title: str = ""
    """What was held out together, in words."""


def compare(
    samples: Samples,
    recipe: Recipe,
    groups: Ints,
    *,
    report: Report,
    title: str,
    folds: Ints | None = None,
    rivals: bool = True,
) -> Comparison:
    """Return out-of-fold predictions of the ensemble and of its rivals.

    Parameters
    ----------
    samples : Samples
        All observations.
    recipe : Recipe
        What to train.
    groups : (n,) int
        Group of each sample: members are drawn by group, and folds dealt.
    report : callable
        Told in words what is being done.
    title : str
        What is held out together, for the report and the card.
    folds : (n,) int, optional
        Fold of each sample, where it does not follow from the groups.
    rivals : bool
        Whether the baselines are fitted too.
    """
    if folds is None:
        folds = deal_folds(groups, folds=recipe.folds, seed=recipe.seed)
    out: dict[str, Doubles] = {}
    spread = np.empty(len(samples.target))
    seconds: dict[str, float] = {}
    names = np.unique(folds)
    for number, fold in enumerate(names, 1):
        report(f"{title}: fold {number} of {len(names)}")
        here, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        known = samples.take(rest)
        fitted = _fit_all(known, recipe, groups[rest], salt=number, rivals=rivals)
        features = feature_matrix(samples.take(here).reflectance, recipe.features)
        for name, predict in fitted.items():
            found, cost = _timed(predict, features)
            seconds[name] = min(cost, seconds.get(name, cost))
            out.setdefault(name, np.empty(len(folds)))[here] = found[:, 0]
            if name == ENSEMBLE:
                spread[here] = found[:, 1]
        if rivals and samples.stratum is not None and known.stratum is not None:
            means = type_mean(known.target, known.stratum, samples.stratum[here])
            out.setdefault(TYPE_MEAN, np.empty(len(folds)))[here] = means
    return Comparison(folds, len(np.unique(groups)), out, spread, seconds, title)


def _fit_all(
    samples: Samples, recipe: Recipe, groups: Ints, *, salt: int, rivals: bool
) -> dict[str, Predictor]:
    """Return predictors of (m, 1) values, (m, 2) with the spread for the ensemble."""
    ensemble = fit_ensemble(samples, recipe, groups, salt=salt)

    def of_members(features: Doubles) -> Doubles:
        members = predict_members(ensemble, features.astype(np.float32))
        return np.stack([members.mean(axis=1), members.std(axis=1, ddof=1)], axis=1)

    fitted: dict[str, Predictor] = {ENSEMBLE: of_members}
    if rivals:
        features = feature_matrix(samples.reflectance, recipe.features)
        table = features.astype(np.float64)
        others = baselines(recipe.features, valid=recipe.valid_range)
        for name, fit in others.items():
            fitted[name] = _column(fit(table, samples.target, recipe.seed % 2**31))
    return fitted


def _column(predict: Predictor) -> Predictor:
    return lambda features: predict(features)[:, None]


def _timed(predict: Predictor, features: NDArray[np.float32]) -> tuple[Doubles, float]:
    """Return the predictions, and CPU seconds per million on a larger batch."""
    many = np.tile(features, (1 + 8_000 // len(features), 1)).astype(np.float64)
    start = time.process_time()
    predict(many)
    seconds = (time.process_time() - start) / len(many) * 1e6
    return predict(features.astype(np.float64)), seconds

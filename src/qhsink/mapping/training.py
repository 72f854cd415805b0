"""Train an ensemble: judge it on every kind of folds its samples allow, then fit it.

Seeded and single-threaded. Reading tables, cards and folders do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qhsink.domain.training_rules import TrainingRules
from qhsink.domain.variogram import Variogram
from qhsink.mapping import applicability
from qhsink.mapping.applicability import Applicability
from qhsink.mapping.comparison import ENSEMBLE, Comparison, Report, compare
from qhsink.mapping.ensemble import Ensemble, limit_inner_threads, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.fitting import Doubles, Ints, fit_ensemble
from qhsink.mapping.folds import row_autocorrelation, spectral_clusters
from qhsink.mapping.layers import LAYERS
from qhsink.mapping.samples import Recipe, Samples
from qhsink.mapping.schemes import (
    Scheme,
    main_scheme,
    other_schemes,
    random_scheme,
    residual_variogram,
)
from qhsink.mapping.search import Search, search_settings
from qhsink.mapping.validation import permutation_importance

__all__ = [
    "ENSEMBLE",
    "Comparison",
    "Recipe",
    "Samples",
    "Trained",
    "compare",
    "fit_area",
    "fit_ensemble",
    "train",
]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted ensemble and the evidence about it."""

    recipe: Recipe
    ensemble: Ensemble
    runs: Comparison
    """Cross-validation over groups of samples: those given, else spatial blocks, else
    runs of consecutive rows. Members are drawn by the same groups."""
    clusters: Comparison
    """Cross-validation over spectral clusters."""
    further: Mapping[str, Comparison]
    """Other kinds of folds, of the ensemble alone, by name: ``random``, and what the
    samples allow of ``blocks``, ``region``, ``year`` and ``distance`` (kNNDM)."""
    autocorrelation: float
    """Lag-one correlation of the target along the rows."""
    applicability: Applicability
    """Where the scores over groups may be expected to hold."""
    variogram: Variogram | None = None
    """Of the residuals out of the groups' folds; None without places, or where too
    few samples are near each other."""
    search: Search | None = None
    """How the recipe's settings were chosen; None where they were stated."""


def train(
    samples: Samples,
    recipe: Recipe,
    *,
    report: Report,
    map_points: Doubles | None = None,
    search: TrainingRules | None = None,
) -> Trained:
    """Cross-validate and fit the ensemble that ships.

    Parameters
    ----------
    samples : Samples
        All observations.
    recipe : Recipe
        What to train.
    report : callable
        Told in words what is being done.
    map_points : (m, 2) float, optional
        Points that stand for the area to be mapped [m], for the folds by distance.
        Default: a grid over the rectangle around the samples.
    search : TrainingRules, optional
        Choose hidden layers and penalty from these by the folds that decide.
        Default: the recipe states them.
    """
    limit_inner_threads()
    by_chance = _judge(samples, recipe, random_scheme(samples, recipe), report)
    residual = samples.target - by_chance.predictions[ENSEMBLE]
    main = main_scheme(samples, recipe, residual)
    searched = None
    if search is not None:
        stated = recipe
        recipe, searched = search_settings(samples, recipe, main, search, report=report)
        if recipe != stated:
            by_chance = _judge(samples, recipe, random_scheme(samples, recipe), report)
    spectrum = [v for n, v in samples.reflectance.items() if LAYERS[n].is_reflectance]
    stack = np.stack(spectrum, axis=1)
    alike = spectral_clusters(stack, clusters=recipe.clusters, seed=recipe.seed)
    runs = compare(samples, recipe, main.groups, report=report, title=main.title)
    hard = compare(samples, recipe, alike, report=report, title="spectral clusters")
    schemes = other_schemes(samples, recipe, main, residual, map_points, report=report)
    further = {
        name: _judge(samples, recipe, scheme, report)
        for name, scheme in schemes.items()
    }
    report(f"fitting {recipe.members} members on all {len(samples.target)} samples")
    ensemble = fit_ensemble(samples, recipe, main.groups)
    lag_one = row_autocorrelation(samples.target, lag=1)
    area = fit_area(samples, ensemble, runs.folds, seed=recipe.seed)
    further["random"] = by_chance
    known = None
    if samples.points is not None:
        errors = samples.target - runs.predictions[ENSEMBLE]
        known = residual_variogram(samples.points, errors)
    return Trained(
        recipe, ensemble, runs, hard, further, lag_one, area, known, searched
    )


def fit_area(
    samples: Samples, ensemble: Ensemble, folds: Ints, *, seed: int
) -> Applicability:
    """Return the area of applicability of an ensemble.

    Features are weighted by permutation importance: the growth of the ensemble's
    RMSE on its training data.

    Parameters
    ----------
    samples : Samples
        What it was trained on.
    ensemble : Ensemble
        The model.
    folds : (n,) int
        Fold of each sample in the cross-validation whose scores are meant.
    seed : int
        Seed of the shuffles.
    """
    features = feature_matrix(samples.reflectance, ensemble.features).astype(np.float64)
    weights = permutation_importance(
        lambda x: np.asarray(
            predict_members(ensemble, x.astype(np.float32)).mean(axis=1), np.float64
        ),
        features,
        samples.target,
        seed=seed,
    )
    return applicability.fit(features, weights=weights, folds=folds)


def _judge(
    samples: Samples, recipe: Recipe, scheme: Scheme, report: Report
) -> Comparison:
    return compare(
        samples,
        recipe,
        scheme.groups,
        report=report,
        title=scheme.title,
        folds=scheme.folds,
        rivals=False,
    )

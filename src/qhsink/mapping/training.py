"""Fit an ensemble, and judge it beside its baselines on grouped folds.

Seeded and single-threaded. Scikit-learn is imported only when something is fitted.
Reading tables, cards and folders do not belong here.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.mapping import applicability
from qhsink.mapping.applicability import Applicability
from qhsink.mapping.baselines import Predictor, baselines
from qhsink.mapping.ensemble import (
    Ensemble,
    Layer,
    limit_inner_threads,
    predict_members,
)
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.folds import (
    consecutive_runs,
    deal_folds,
    row_autocorrelation,
    spectral_clusters,
)
from qhsink.mapping.validation import permutation_importance

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Report = Callable[[str], None]

ENSEMBLE = "ensemble"
"""Name of the ensemble among the models compared."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the data that decides what training makes."""

    target: str = "fvc"
    """What is predicted."""
    unit: str = "1"
    """Its unit."""
    low: float = 0.0
    """Least valid value."""
    high: float = 1.0
    """Greatest valid value."""
    features: tuple[str, ...] = ("ndvi", "ndmi", "nbr", "ngrdi", "ndti", "brightness")
    """Feature names."""
    members: int = 16
    """Members K."""
    hidden: tuple[int, ...] = (15, 15)
    """Width of each hidden layer: 15 and the constant for the bias make 16."""
    penalty: float = 0.01
    """L2 penalty of the weights (``alpha``)."""
    rate: float = 0.005
    """Adam's learning rate."""
    batch: int = 64
    """Samples per gradient step."""
    epochs: int = 60
    """Passes over the data."""
    folds: int = 5
    """Folds of the cross-validation."""
    run_length: int = 20
    """Consecutive rows that form a group."""
    clusters: int = 60
    """Spectral clusters of the second, harder cross-validation."""
    seed: int = 20250815
    """Seed of everything random."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Field observations with the reflectance seen above them."""

    reflectance: Mapping[str, Doubles]
    """(n,) reflectance 0..1 by qhsink band name."""
    target: Doubles
    """(n,) observed value."""
    groups: Ints | None = None
    """(n,) samples that stay together, such as a site's; None when it is not known:
    then spatial blocks do where coordinates are known, else runs of consecutive
    rows."""
    x_m: Doubles | None = None
    """(n,) easting in an equal-area projection [m]; with ``y_m`` or not at all."""
    y_m: Doubles | None = None
    """(n,) northing [m]."""
    year: Ints | None = None
    """(n,) year of observation."""
    region: Ints | None = None
    """(n,) number of the region, such as a county."""
    stratum: Ints | None = None
    """(n,) number of the vegetation type or stratum."""
    weight: Doubles | None = None
    """(n,) positive weight of each sample in the fit, any unit; None for equal."""

    def __post_init__(self) -> None:
        if (self.x_m is None) != (self.y_m is None):
            raise TableError(
                "one coordinate without the other",
                expected="x_m and y_m, or neither",
                remedy="Give both.",
            )
        for field in fields(self)[1:]:
            values = getattr(self, field.name)
            if values is not None and len(values) != len(self.target):
                raise TableError(
                    f"{len(values)} values of {field.name} for {len(self.target)} "
                    "observations",
                    expected="one of each per observation",
                    remedy="Take them from the same rows.",
                )

    def take(self, rows: Ints) -> Samples:
        """Return the samples at ``rows``, every known field with them."""
        known = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        bands = {name: values[rows] for name, values in self.reflectance.items()}
        picked = {
            name: None if values is None else values[rows]
            for name, values in known.items()
        }
        return replace(self, reflectance=bands, **picked)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Out-of-fold predictions of the ensemble and of every baseline."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted ensemble and the evidence about it."""

    recipe: Recipe
    ensemble: Ensemble
    runs: Comparison
    """Cross-validation over runs of consecutive rows."""
    clusters: Comparison
    """Cross-validation over spectral clusters."""
    autocorrelation: float
    """Lag-one correlation of the target along the rows."""
    applicability: Applicability
    """Where the scores over runs of rows may be expected to hold."""


def train(samples: Samples, recipe: Recipe, *, report: Report) -> Trained:
    """Cross-validate and fit the ensemble that ships.

    Parameters
    ----------
    samples : Samples
        All observations.
    recipe : Recipe
        What to train.
    report : callable
        Told in words what is being done.
    """
    limit_inner_threads()
    groups = samples.groups
    if groups is None:
        groups = consecutive_runs(len(samples.target), length=recipe.run_length)
    stack = np.stack(list(samples.reflectance.values()), axis=1)
    clusters = spectral_clusters(stack, clusters=recipe.clusters, seed=recipe.seed)
    runs = compare(samples, recipe, groups, report=report, title="groups")
    hard = compare(samples, recipe, clusters, report=report, title="spectral clusters")
    report(f"fitting {recipe.members} members on all {len(samples.target)} samples")
    ensemble = fit_ensemble(samples, recipe, groups)
    lag_one = row_autocorrelation(samples.target, lag=1)
    area = fit_area(samples, ensemble, runs.folds, seed=recipe.seed)
    return Trained(recipe, ensemble, runs, hard, lag_one, area)


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


def fit_ensemble(
    samples: Samples, recipe: Recipe, groups: Ints, *, salt: int = 0
) -> Ensemble:
    """Fit every member on its own bootstrap sample of whole groups.

    Fitted in double precision, so that linear algebra that rounds differently moves
    the weights far less than single precision would, and kept in single.

    Parameters
    ----------
    samples : Samples
        Observations.
    recipe : Recipe
        What to train.
    groups : (n,) int
        Group of each sample; a member draws groups with replacement.
    salt : int
        Tells fits of one recipe apart (0 for the one that ships, else the fold).
    """
    features = feature_matrix(samples.reflectance, recipe.features).astype(np.float64)
    center, scale = features.mean(axis=0), features.std(axis=0)
    scaled = (features - center) / scale
    fitted = [
        _fit_member(scaled, samples.target, groups, recipe, (salt, member))
        for member in range(recipe.members)
    ]
    layers = []
    for depth in range(len(recipe.hidden) + 1):
        weights = np.stack([coefs[depth] for coefs, _ in fitted])
        bias = np.stack([intercepts[depth] for _, intercepts in fitted])
        layers.append(Layer(weights.astype(np.float32), bias.astype(np.float32)))
    return Ensemble(
        recipe.target,
        recipe.unit,
        recipe.features,
        center.astype(np.float32),
        scale.astype(np.float32),
        tuple(layers),
        recipe.low,
        recipe.high,
    )


def compare(
    samples: Samples, recipe: Recipe, groups: Ints, *, report: Report, title: str
) -> Comparison:
    """Return out-of-fold predictions of the ensemble and all baselines.

    Parameters
    ----------
    samples : Samples
        All observations.
    recipe : Recipe
        What to train.
    groups : (n,) int
        Group of each sample: folds are dealt and members drawn by group.
    report : callable
        Told in words what is being done.
    title : str
        What the groups are, for the report.
    """
    folds = deal_folds(groups, folds=recipe.folds, seed=recipe.seed)
    names = (ENSEMBLE, *baselines(recipe.features))
    predictions = {name: np.empty(len(samples.target)) for name in names}
    spread = np.empty(len(samples.target))
    seconds: dict[str, float] = {}
    for fold in range(recipe.folds):
        report(f"{title}: fold {fold + 1} of {recipe.folds}")
        here = np.flatnonzero(folds == fold)
        rest = np.flatnonzero(folds != fold)
        fitted = _fit_all(samples.take(rest), recipe, groups[rest], salt=fold + 1)
        features = feature_matrix(samples.take(here).reflectance, recipe.features)
        for name, predict in fitted.items():
            out, cost = _timed(predict, features)
            seconds[name] = min(cost, seconds.get(name, cost))
            predictions[name][here] = out[:, 0]
            if name == ENSEMBLE:
                spread[here] = out[:, 1]
    return Comparison(folds, len(np.unique(groups)), predictions, spread, seconds)


def _fit_all(
    samples: Samples, recipe: Recipe, groups: Ints, *, salt: int
) -> dict[str, Predictor]:
    """Return predictors of (m, 1) values, (m, 2) with the spread for the ensemble."""
    ensemble = fit_ensemble(samples, recipe, groups, salt=salt)

    def of_members(features: Doubles) -> Doubles:
        members = predict_members(ensemble, features.astype(np.float32))
        return np.stack([members.mean(axis=1), members.std(axis=1, ddof=1)], axis=1)

    features = feature_matrix(samples.reflectance, recipe.features).astype(np.float64)
    fitted: dict[str, Predictor] = {ENSEMBLE: of_members}
    for name, fit in baselines(recipe.features).items():
        fitted[name] = _column(fit(features, samples.target, recipe.seed % 2**31))
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


def _fit_member(
    scaled: Doubles,
    target: Doubles,
    groups: Ints,
    recipe: Recipe,
    stream: tuple[int, int],
) -> tuple[list[Doubles], list[Doubles]]:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - training only
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415 - training only

    rng = np.random.default_rng((recipe.seed, *stream))
    rows = _draw_groups(groups, rng)
    model = MLPRegressor(
        hidden_layer_sizes=recipe.hidden,
        activation="relu",
        alpha=recipe.penalty,
        learning_rate_init=recipe.rate,
        batch_size=min(recipe.batch, len(rows)),
        max_iter=recipe.epochs,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        # The number of passes is fixed by the recipe; it is not meant to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scaled[rows], target[rows])
    return model.coefs_, model.intercepts_


def _draw_groups(groups: Ints, rng: np.random.Generator) -> Ints:
    """Return the rows of as many groups as there are, drawn with replacement."""
    names = np.unique(groups)
    drawn = rng.choice(names, len(names))
    return np.concatenate([np.flatnonzero(groups == name) for name in drawn])

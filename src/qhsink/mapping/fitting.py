"""Fit an ensemble: every member on its own bootstrap sample of whole groups.

Seeded and single-threaded. Scikit-learn is imported only when something is fitted.
Judging what was fitted is ``qhsink.mapping.comparison``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping.ensemble import Ensemble, Layer
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.samples import Recipe, Samples

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

LEARNT_MEAN, LEARNT_SD = 0.5, 0.25
"""The target as the network sees it while it learns: penalty and learning rate then
mean the same whatever its unit."""


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What all members of an ensemble learn from."""

    features: Doubles
    """(n, F), standardised."""
    target: Doubles
    """(n,) transformed, then brought to the mean and deviation above."""
    groups: Ints
    """(n,)."""
    weight: Doubles | None
    """(n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """One fitted perceptron."""

    coefs: list[Doubles]
    """(inputs, outputs) of each layer."""
    intercepts: list[Doubles]
    """(outputs,) of each layer."""
    unseen: Ints
    """Rows it was not fitted on; all rows when it saw every one."""
    residual: Doubles
    """Observed minus fitted on these, on the scale of ``_Task.target``."""


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

    Notes
    -----
    A logged target is turned back with a smearing factor of each member, Duan 1983,
    J. Am. Stat. Assoc. 78:605: the mean of exp(residual). Deviations: residuals are
    those of samples that the member was not fitted on, since those it was fitted on
    are too small; and they are weighted by exp(fitted), which is the ratio estimator
    of Snowdon 1991, Can. J. For. Res. 21:720, so that totals are right even where
    residuals depend on the prediction (unweighted, four simulated log-normal worlds
    came out 3 % off to either side, weighted within 2 %). Single values stay biased
    where the spread of residuals changes with the prediction.
    """
    features = feature_matrix(samples.reflectance, recipe.features).astype(np.float64)
    learnt = samples.target
    if recipe.transform == "log1p":
        learnt = np.log1p(learnt)
    middle, unit = float(learnt.mean()), float(learnt.std()) / LEARNT_SD or 1.0
    center, scale = features.mean(axis=0), features.std(axis=0)
    task = _Task(
        (features - center) / scale,
        (learnt - middle) / unit + LEARNT_MEAN,
        groups,
        samples.weight,
    )
    fitted = [_fit_member(task, recipe, (salt, k)) for k in range(recipe.members)]
    layers = _layers(fitted, shift=middle - LEARNT_MEAN * unit, unit=unit)
    smearing = None
    if recipe.transform == "log1p":
        smearing = np.array([_smearing(m, task, unit) for m in fitted], np.float32)
    return Ensemble(
        target=recipe.target,
        unit=recipe.unit,
        features=recipe.features,
        center=center.astype(np.float32),
        scale=scale.astype(np.float32),
        layers=layers,
        low=recipe.low,
        high=recipe.high,
        transform=recipe.transform,
        smearing=smearing,
    )


def _layers(fitted: list[_Member], *, shift: float, unit: float) -> tuple[Layer, ...]:
    """Return the layers of all members; the last one gives the target's own unit."""
    layers = []
    last = len(fitted[0].coefs) - 1
    for depth in range(last + 1):
        weights = np.stack([member.coefs[depth] for member in fitted])
        bias = np.stack([member.intercepts[depth] for member in fitted])
        if depth == last:
            weights, bias = weights * unit, bias * unit + shift
        layers.append(Layer(weights.astype(np.float32), bias.astype(np.float32)))
    return tuple(layers)


def _smearing(member: _Member, task: _Task, unit: float) -> float:
    fitted = (task.target[member.unseen] - member.residual) * unit
    weight = np.exp(fitted - fitted.max())
    if task.weight is not None:
        weight *= task.weight[member.unseen]
    return float(np.average(np.exp(member.residual * unit), weights=weight))


def _fit_member(task: _Task, recipe: Recipe, stream: tuple[int, int]) -> _Member:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - training only
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415 - training only

    rng = np.random.default_rng((recipe.seed, *stream))
    rows = _draw_groups(task.groups, rng)
    model = MLPRegressor(
        hidden_layer_sizes=recipe.hidden,
        activation="relu",
        alpha=recipe.penalty,
        learning_rate_init=recipe.rate,
        batch_size=min(recipe.batch, len(rows)),
        max_iter=recipe.epochs,
        random_state=int(rng.integers(2**31)),
    )
    weight = None if task.weight is None else task.weight[rows]
    with warnings.catch_warnings():
        # The number of passes is fixed by the recipe; it is not meant to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(task.features[rows], task.target[rows], sample_weight=weight)
    unseen = np.setdiff1d(np.arange(len(task.target)), rows)
    if not len(unseen):
        unseen = np.arange(len(task.target))
    residual = task.target[unseen] - model.predict(task.features[unseen])
    return _Member(model.coefs_, model.intercepts_, unseen, residual)


def _draw_groups(groups: Ints, rng: np.random.Generator) -> Ints:
    """Return the rows of as many groups as there are, drawn with replacement."""
    names = np.unique(groups)
    drawn = rng.choice(names, len(names))
    return np.concatenate([np.flatnonzero(groups == name) for name in drawn])

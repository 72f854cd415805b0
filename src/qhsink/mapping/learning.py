"""Learning curve: how the error falls as samples are added.

Judged on the folds of the cross-validation; those are made elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping.ensemble import predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.training import Recipe, Samples, fit_ensemble
from qhsink.mapping.validation import score

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Shares of the training side of a fold that are learnt from."""
MEMBERS = 4
"""Members of each ensemble fitted: fewer than in the model, to be quick."""
LEAST = 10
"""Samples that anything is fitted on."""


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """Out-of-fold scores of ensembles that learnt from so many samples."""

    samples: int
    """Samples learnt from, mean over folds."""
    r2: float
    """1 - SSE/SST over all samples."""
    rmse: float
    """Root mean squared error, in the target's unit."""


def learning_curve(
    samples: Samples, recipe: Recipe, folds: NDArray[np.int64]
) -> tuple[LearningPoint, ...]:
    """Return the scores reached with growing shares of the samples.

    Parameters
    ----------
    samples : Samples
        All observations.
    recipe : Recipe
        What is trained; ``MEMBERS`` members at most are fitted.
    folds : (n,) int
        Fold of each sample in the cross-validation.

    Notes
    -----
    Each share is drawn from the training side of every fold at random, one within
    the next. A curve that still falls at its end says that more plots would help.
    """
    small = replace(recipe, members=min(recipe.members, MEMBERS))
    order = np.random.default_rng(recipe.seed).permutation(len(samples.target))
    points = []
    for step, share in enumerate(SHARES):
        predicted = np.empty(len(samples.target))
        counts = []
        for fold in np.unique(folds):
            rest = order[folds[order] != fold]
            rows = np.sort(rest[: round(share * len(rest))])
            counts.append(len(rows))
            if len(rows) < LEAST:
                break
            here = np.flatnonzero(folds == fold)
            salt = 1000 * (step + 1) + int(fold)
            predicted[here] = _predict(samples, small, rows, here, salt)
        if min(counts) >= LEAST:
            found = score(samples.target, predicted)
            mean = round(float(np.mean(counts)))
            points.append(LearningPoint(mean, found.r2, found.rmse))
    return tuple(points)


def _predict(
    samples: Samples,
    recipe: Recipe,
    rows: NDArray[np.int64],
    here: NDArray[np.int64],
    salt: int,
) -> NDArray[np.float64]:
    """Return predictions ``here`` by an ensemble that learnt from ``rows``."""
    learnt = samples.take(rows)
    groups = np.arange(len(rows)) if learnt.groups is None else learnt.groups
    ensemble = fit_ensemble(learnt, recipe, groups.astype(np.int64), salt=salt)
    features = feature_matrix(samples.take(here).reflectance, recipe.features)
    return np.asarray(predict_members(ensemble, features).mean(axis=1), np.float64)

"""Settings of an ensemble chosen by the folds that decide.

How folds are made is ``qhsink.mapping.schemes``; what is tried is configured.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.training_rules import TrainingRules
from qhsink.mapping.comparison import ENSEMBLE, Report, compare
from qhsink.mapping.samples import Recipe, Samples
from qhsink.mapping.schemes import Scheme

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One setting, judged out of fold with few members."""

    hidden: tuple[int, ...]
    """Width of each hidden layer."""
    penalty: float
    """L2 penalty of the weights."""
    rmse: float
    """Root mean squared error, in the target's unit."""
    gain: float
    """Mean squared error of the recipe's own setting less this one's, as a share of the
    former; mean of folds."""
    gain_se: float
    """Standard error of ``gain``, from the folds' differences."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was tried, and what was chosen."""

    title: str
    """What was held out together."""
    members: int
    """Members of each candidate."""
    candidates: tuple[Candidate, ...]
    """Least error first."""
    chosen: Candidate
    """The setting of the ensemble that ships."""


def search_settings(
    samples: Samples,
    recipe: Recipe,
    scheme: Scheme,
    rules: TrainingRules,
    *,
    report: Report,
) -> tuple[Recipe, Search]:
    """Return the recipe with the settings that do best, and the evidence.

    Parameters
    ----------
    samples, recipe
        As in training; the recipe's own setting is one of the candidates.
    scheme : Scheme
        The folds that decide: the same for all candidates, as are bootstrap samples
        and starting weights.
    rules : TrainingRules
        What is tried.
    report : callable
        Told in words what is being done.

    Notes
    -----
    The setting of least error is chosen where it beats the recipe's own by more than
    the standard error of their difference over folds; else the recipe stands. That is
    the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984,
    Classification and Regression Trees, section 3.4.3) on paired differences, with
    the recipe's own setting in the place of the simplest. Folds differ in size: the
    difference is that of their mean squared errors, each fold counted once. The scores
    of the chosen one on these folds are a little too good, being the best of several.
    """
    own_setting = recipe.hidden, recipe.penalty
    grid = dict.fromkeys((own_setting, *itertools.product(rules.hidden, rules.penalty)))
    errors: dict[tuple[tuple[int, ...], float], tuple[float, Doubles]] = {}
    for number, (hidden, penalty) in enumerate(grid, 1):
        tried = replace(recipe, hidden=hidden, penalty=penalty, members=rules.members)
        found = compare(
            samples,
            tried,
            scheme.groups,
            report=_nothing,
            title=scheme.title,
            folds=scheme.folds,
            rivals=False,
        )
        square = np.square(found.predictions[ENSEMBLE] - samples.target)
        by_fold = np.bincount(found.folds, weights=square) / np.bincount(found.folds)
        rmse = float(np.sqrt(square.mean()))
        errors[hidden, penalty] = rmse, by_fold
        report(f"candidate {number} of {len(grid)}: {hidden}, {penalty:g}: {rmse:.4g}")
    own = errors[own_setting][1]
    candidates = [
        _judged(hidden, penalty, rmse, (own - by_fold) / own.mean())
        for (hidden, penalty), (rmse, by_fold) in errors.items()
    ]
    stands, best = candidates[0], min(candidates, key=lambda one: -one.gain)
    chosen = best if best.gain > best.gain_se else stands
    ordered = tuple(sorted(candidates, key=lambda one: one.rmse))
    search = Search(scheme.title, rules.members, ordered, chosen)
    return replace(recipe, hidden=chosen.hidden, penalty=chosen.penalty), search


def _judged(
    hidden: tuple[int, ...], penalty: float, rmse: float, gains: Doubles
) -> Candidate:
    error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    return Candidate(hidden, penalty, rmse, float(gains.mean()), float(error))


def _nothing(text: str) -> None:
    """Tell no fold of a candidate: there are too many."""
    del text

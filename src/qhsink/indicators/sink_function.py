"""Five-grade carbon-sink function from density, rate and stability together.

A proposal of this project: no official rule was found (methodology F4). Weights are
arguments, and ``weight_sensitivity`` says how much the grade hangs on them. Grades of
one quantity are in ``grades``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import BadInput
from qhsink.domain.indicator import Measure
from qhsink.indicators.grades import LEAST_PROBABILITY, QUANTILES, SinkGrade

WEIGHTS: Mapping[str, float] = {"density": 0.5, "rate": 0.3, "stability": 0.2}
"""Default weights of methodology F4."""

Floats = NDArray[np.float64]


def function_grade(
    components: Mapping[str, Measure],
    references: Mapping[str, Sequence[float]],
    *,
    rng: np.random.Generator,
    weights: Mapping[str, float] = WEIGHTS,
    draws: int = 4000,
) -> SinkGrade:
    """Return grade and class probabilities of the weighted score.

    Each component becomes its rank within the reference units of the same ecosystem
    type (0..1); the score is their weighted mean, cut at 0.2, 0.4, 0.6 and 0.8.
    Probabilities are shares of normal draws of the components, independent.

    Parameters
    ----------
    components : mapping of str to Measure
        Such as ``density`` [t C ha-1], ``rate`` [t C ha-1 yr-1] and ``stability``
        [1], where more is better.
    references : mapping of str to sequence of float
        Values of the reference units, same names and units.
    rng : numpy.random.Generator
        Source of the draws.
    weights : mapping of str to float
        Not negative; scaled to a sum of one.
    draws : int
        A probability is known to about 0.5 / sqrt(draws).

    Raises
    ------
    BadInput
        When names differ, a reference is empty, or no weight is positive.
    """
    names, shares = _checked(components, references, weights)
    ranks = np.stack(
        [
            _rank(
                rng.normal(components[name].value, components[name].se, draws),
                references[name],
            )
            for name in names
        ]
    )
    grades = np.digitize(shares @ ranks, QUANTILES, right=True)
    counts = np.bincount(grades, minlength=len(QUANTILES) + 1) / draws
    best = int(np.argmax(counts))
    likely = counts[best] >= LEAST_PROBABILITY
    return SinkGrade(best + 1 if likely else None, tuple(float(c) for c in counts))


def weight_sensitivity(
    components: Mapping[str, Measure],
    references: Mapping[str, Sequence[float]],
    *,
    rng: np.random.Generator,
    weights: Mapping[str, float] = WEIGHTS,
    draws: int = 4000,
) -> float:
    """Return the share of all possible weights that give the grade of ``weights``.

    Weights are drawn uniformly over the simplex; components are at their values. 1
    means that the grade does not hang on the weights.
    """
    names, shares = _checked(components, references, weights)
    ranks = np.array(
        [
            _rank(np.array([components[name].value]), references[name])[0]
            for name in names
        ]
    )
    own = np.digitize(shares @ ranks, QUANTILES, right=True)
    others = rng.dirichlet(np.ones(len(names)), draws) @ ranks
    return float((np.digitize(others, QUANTILES, right=True) == own).mean())


def _checked(
    components: Mapping[str, Measure],
    references: Mapping[str, Sequence[float]],
    weights: Mapping[str, float],
) -> tuple[list[str], Floats]:
    names = sorted(components)
    given = np.array([weights.get(name, -1.0) for name in names])
    complete = set(components) == set(references) == set(weights)
    filled = all(len(references[name]) > 0 for name in references)
    if not (complete and filled and (given >= 0.0).all() and given.sum() > 0.0):
        raise BadInput(
            f"components {names}, references {sorted(references)}, weights "
            f"{dict(weights)}",
            expected="the same names in all three, references, weights not negative",
            remedy="Give reference units and a weight for every component.",
        )
    return names, given / given.sum()


def _rank(values: Floats, reference: Sequence[float]) -> Floats:
    """Return mid-ranks of values in the reference, 0..1."""
    ordered = np.sort(np.asarray(reference, dtype=float))
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + up_to) / (2.0 * ordered.size))

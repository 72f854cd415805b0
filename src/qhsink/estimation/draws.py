"""Draws of uncertain inputs: one per member, shared by everything that uses them.

Distributions are taken at normal scores, so that inputs can be correlated; what is
done with the draws is in ``propagate``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from qhsink.domain.carbon import Uncertain
from qhsink.domain.errors import BadInput

Floats = NDArray[np.float64]
Draws = dict[str, Floats]
Correlation = Mapping[tuple[str, str], float]


def draw_members(
    inputs: Sequence[Uncertain],
    count: int,
    *,
    seed: int,
    batch: int = 0,
    correlation: Correlation | None = None,
) -> Draws:
    """Return ``count`` draws of every input, by name.

    Each input has a random stream of its own, named by the input: adding a factor
    to a table leaves the draws of the others as they were.

    Parameters
    ----------
    inputs : sequence of Uncertain
        Names must be distinct.
    count : int
        Number of members.
    seed, batch : int
        Equal seeds give equal draws.
    correlation : mapping of (name, name) to float, optional
        Correlation of the underlying normal scores (Gaussian copula): the
        correlation itself for normal inputs.

    Returns
    -------
    dict of str to ndarray, shape (count,)
        In the unit of each input.

    Raises
    ------
    BadInput
        When a name comes twice, or the correlations cannot all hold.
    """
    scores = _scores([u.name for u in inputs], count, seed=seed, batch=batch)
    if correlation:
        scores = _correlated(scores, correlation)
    return {u.name: quantile_at(u, scores[u.name]) for u in inputs}


def quantile_at(source: Uncertain, score: Floats) -> Floats:
    """Return the quantiles of an input at the probabilities of normal scores.

    Lognormal and uniform have the input's mean and standard error; a truncated
    normal has them before truncation, which moves its mean inwards.
    """
    value, se = source.value, source.se
    if source.distribution == "lognormal":
        spread = math.sqrt(math.log1p((se / value) ** 2))
        return np.asarray(np.exp(math.log(value) - spread**2 / 2 + spread * score))
    if source.distribution == "uniform":
        return np.asarray(value + se * math.sqrt(3.0) * (2.0 * ndtr(score) - 1.0))
    if source.distribution == "truncated normal":
        below, above = (ndtr((x - value) / se) for x in (source.low, source.high))
        return np.asarray(value + se * ndtri(below + (above - below) * ndtr(score)))
    return value + se * score


def _scores(names: Sequence[str], count: int, *, seed: int, batch: int) -> Draws:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise BadInput(
            f"input {min(repeated)!r} twice",
            expected="every source of uncertainty once",
            remedy="Draw it once and let everything share it.",
        )
    return {
        name: np.random.default_rng(
            [seed, batch, zlib.crc32(name.encode())]
        ).standard_normal(count)
        for name in names
    }


def _correlated(scores: Draws, correlation: Correlation) -> Draws:
    names = list(scores)
    matrix = np.eye(len(names))
    for (one, other), value in correlation.items():
        if one not in scores or other not in scores:
            raise BadInput(
                f"correlation of {one!r} and {other!r}",
                expected=f"names among {', '.join(names)}",
                remedy="Name inputs that are drawn.",
            )
        row, column = names.index(one), names.index(other)
        matrix[row, column] = matrix[column, row] = value
    try:
        lower = np.linalg.cholesky(matrix + 1e-12 * np.eye(len(names)))
    except np.linalg.LinAlgError as error:
        raise BadInput(
            f"correlations {dict(correlation)}",
            expected="a positive definite matrix",
            remedy="Correct the correlations; they cannot all hold at once.",
        ) from error
    mixed = lower @ np.stack([scores[name] for name in names])
    return dict(zip(names, mixed, strict=True))

"""What a training made again is beside what ships: digest, weights or predictions.

Where linear algebra rounds differently, weights differ: cards promise how well
predictions then agree, and this is where the promise is tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.imagery.second_opinion import SecondOpinion
from qhsink.mapping.ecosystem import class_probabilities, halves_alike
from qhsink.mapping.ensemble import Ensemble, predict_members
from qhsink.mapping.side_by_side import prediction_gap
from qhsink.registry import Model, load_model
from qhsink.registry.opinions import load_opinion

ROUNDING = 1e-6
"""How far the numbers of an opinion, all of order one, may be off by rounding."""
DECIDED = 0.99
"""Share of observations on which opinions learnt on two kernels of linear algebra must
decide alike. Chosen: measured were 0.997 to 0.9995 (Haswell and SkylakeX)."""
DRAWN = 4000
"""Observations, each feature drawn from a normal distribution as wide as the samples',
that models with other weights are compared on."""


def compare_models(shipped: tuple[Path, str], made: tuple[Path, str]) -> str:
    """Return in words how a model made again is beside the one that ships.

    Parameters
    ----------
    shipped, made : (Path, str)
        Folder of models and id. A remark with ``OTHER`` in it breaks a promise.

    Raises
    ------
    ModelError
        When one of them is missing or damaged.
    """
    if made[1] == shipped[1]:
        return "same digest"
    return compare_loaded(load_model(*shipped), load_model(*made))


def compare_opinions(shipped: tuple[Path, str], made: tuple[Path, str]) -> str:
    """Return the same of second opinions on masks."""
    if made[1] == shipped[1]:
        return "same digest"
    one, other = load_opinion(*shipped), load_opinion(*made)
    pairs = list(zip(_weights(one), _weights(other), strict=True))
    if all(np.array_equal(here, there) for here, there in pairs):
        return "same weights; its card names the code of the twin, which has changed"
    # Sums are taken in another order where BLAS has another number of threads.
    if all(np.allclose(here, there, rtol=0.0, atol=ROUNDING) for here, there in pairs):
        return f"weights within {ROUNDING:g}: sums were rounded otherwise"
    return _decided(one, other)


def _decided(one: SecondOpinion, other: SecondOpinion) -> str:
    """Return how often two opinions with other weights drop and give back alike."""
    rng, shares = np.random.default_rng(0), []
    for part, beside in ((one.alone, other.alone), (one.compared, other.compared)):
        if part is None or beside is None:
            if part is not beside:
                return "OTHER MODEL: one of them compares no dates"
            continue
        drawn = rng.standard_normal((part.center.size, DRAWN))
        seen = part.center[:, None] + part.scale[:, None] * drawn
        chances = [p.chance(seen.astype(np.float32)) for p in (part, beside)]
        for limit in ("reject", "rescue"):
            said = [
                chance > getattr(p, limit)
                for p, chance in zip((part, beside), chances, strict=True)
            ]
            shares.append(float(np.mean(said[0] == said[1])))
    told = f"decisions alike on {min(shares):.2%}, {DECIDED:.0%} asked"
    return f"{'other weights; ' if min(shares) >= DECIDED else 'OTHER: '}{told}"


def compare_loaded(shipped: Model, made: Model) -> str:
    """Return how far a model with another digest is from the one that ships.

    The digest covers what rounds otherwise under another kernel of linear algebra;
    the card promises that predictions agree within a tolerance.
    """
    one, other = shipped.ensemble, made.ensemble
    if one.features != other.features or one.members != other.members:
        return "OTHER MODEL: features or members differ"
    if all(
        np.array_equal(here.weights, there.weights)
        and np.array_equal(here.bias, there.bias)
        for here, there in zip(one.layers, other.layers, strict=True)
    ):
        return "same weights; what the digest also covers rounds otherwise here"
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((DRAWN, len(one.features)))
    drawn = (one.center + one.scale * spread).astype(np.float32)
    if one.outputs > 1:
        return _classed(one, other, drawn)
    gap = prediction_gap(one, other, drawn.astype(np.float64)).most
    allowed = shipped.card["science"].get("tolerance")
    if allowed is None or gap > allowed:
        return f"OTHER PREDICTIONS: {gap:.3g} apart at most, allowed {allowed}"
    return f"another digest; predictions {gap:.3g} apart at most, {allowed:g} allowed"


def _classed(one: Ensemble, other: Ensemble, drawn: NDArray[np.float32]) -> str:
    """Return how often two classifiers class alike, beside two halves of the first.

    The card promises that they agree at least as well as the halves.
    """
    first, second = (
        class_probabilities(predict_members(e, drawn), classes=e.outputs).argmax(axis=1)
        for e in (one, other)
    )
    alike = float(np.mean(first == second))
    asked = halves_alike(one, drawn, weight=np.ones(len(drawn)))
    told = f"{alike:.2%} classed alike, {asked or 1.0:.2%} by halves of the shipped one"
    return f"{'other weights; ' if alike >= (asked or 1.0) else 'OTHER: '}{told}"


def _weights(opinion: SecondOpinion) -> list[Any]:
    """Return every number of both perceptrons."""
    parts = [part for part in (opinion.alone, opinion.compared) if part is not None]
    return [getattr(part, name) for part in parts for name in part.__slots__]

"""Training tables from the twin: pixels of simulated worlds, and what is true there.

For targets without open training data. What was learnt here is marked as simulated in
card, maps and every page. Fitting is ``train``'s; the worlds are ``twin_pixels``'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.config import Settings
from qhsink.config.train_twin import TwinTraining, load_twin_training
from qhsink.domain.errors import BadInput
from qhsink.domain.model_target import ModelTarget
from qhsink.domain.scene import BANDS
from qhsink.mapping.features import required_bands
from qhsink.mapping.layers import raised
from qhsink.mapping.training import Samples
from qhsink.steps.train_tables import TrainingData, with_provenance
from qhsink.steps.twin_pixels import (
    Report,
    TwinPixels,
    read_worlds,
)

LEAST = 200
"""Training pixels of a target, at least."""

_SOURCE = {
    "title": "Pixels of simulated worlds, and their truth",
    "citation": "The twin of this project: docs/twin.md.",
    "licence": "Apache-2.0",
}
_FOLDS = (
    "Five folds of whole squares, dealt at random; a square is one place in every "
    "world, so that no place is on both sides."
)
_LIMITS = (
    "Squares lie tens of kilometres apart in one simulated country: they test other "
    "places of the twin, and nothing real. Worlds that no model was trained on are in "
    "docs/models.md."
)


def twin_data(
    target: ModelTarget,
    folder: Path,
    settings: Settings,
    *,
    features: Sequence[str],
    seed: int,
    report: Report,
) -> TrainingData:
    """Return training pixels of a target from the worlds of the twin.

    Parameters
    ----------
    target : ModelTarget
        Pixels are of its ecosystems alone.
    folder : Path
        Where the archives of the worlds lie; those not there are built.
    settings : Settings
        Store and threads.
    features : sequence of str
        What the model will read.
    seed : int
        Seed of the choice of pixels.
    report : callable
        Told in words what is being done.

    Raises
    ------
    BadInput
        When too few pixels are of the target's ecosystems.
    """
    spec = load_twin_training()
    pixels = read_worlds(
        spec, spec.train_seeds, folder, settings=settings, report=report
    )
    spoken = np.flatnonzero(np.isin(pixels.ecosystem, target.ecosystems))
    if len(spoken) < LEAST:
        raise BadInput(
            f"{len(spoken)} pixels of {', '.join(target.ecosystems)} in the worlds of "
            "config/train_twin.toml",
            expected=f"at least {LEAST}",
            remedy="Add regions or worlds there.",
        )
    rng = np.random.default_rng((seed, 1))
    chosen = pixels.take(_spread(pixels, spoken, spec.samples, rng))
    values = np.clip(chosen.truth[target.id], target.low, target.high)
    samples = Samples(needed_layers(chosen, features), values, groups=chosen.square)
    told = {
        "definition": {
            "en": target.reference_en,
            "zh": target.reference_zh,
            "evidence": "the truth of a simulated world, exact by construction.",
        },
        "grouping": f"squares of {spec.square_m / 1000:g} km",
        "fold_rule": _FOLDS,
        "fold_limits": _LIMITS,
    }
    return TrainingData(samples, told | describe_twin(spec, samples, target), ())


def needed_layers(
    pixels: TwinPixels, features: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return the six bands and what else features are made of, as features take them.

    The logarithm of a reflectance below zero is none.
    """
    names = dict.fromkeys((*BANDS, *required_bands(features)))
    return raised({name: pixels.layers[name] for name in names})


def describe_twin(
    spec: TwinTraining, samples: Samples, target: ModelTarget | None
) -> dict[str, Any]:
    """Return source and domain of what was learnt on the twin, for a card."""
    worlds = ", ".join(str(seed) for seed in spec.train_seeds)
    spoken = "all ecosystems" if target is None else ", ".join(target.ecosystems)
    source = _SOURCE | {
        "rows": f"worlds {worlds}, {len(spec.regions)} squares of "
        f"{spec.square_m / 1000:g} km in each, pixels of {spec.pixel_size_m:g} m",
        "sha256": _digest(samples),
    }
    domain = (
        f"the simulated country of the twin in {spec.year}, {spoken}, peak-season "
        f"composites at {spec.pixel_size_m:g} m."
    )
    return with_provenance({"source": source, "domain": domain}, "simulated")


def _digest(samples: Samples) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(samples.reflectance.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values, "<f8").tobytes())
    digest.update(np.ascontiguousarray(samples.target, "<f8").tobytes())
    return digest.hexdigest()


def _spread(
    pixels: TwinPixels,
    among: NDArray[np.intp],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return up to ``count`` pixels, as many from each square and world as there are.

    Squares with fewer pixels than their part give all; the others share what is left.
    """
    place = pixels.seed[among] * 10_000 + pixels.square[among]
    order = rng.permutation(len(among))
    rank = np.empty(len(among), np.int64)
    for name in np.unique(place):
        mine = order[place[order] == name]
        rank[mine] = np.arange(len(mine))
    first = np.argsort(rank[order], kind="stable")[:count]
    return np.sort(among[order[first]])


def spread_land(
    pixels: TwinPixels,
    classes: Sequence[str],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return up to ``count`` pixels of all classes, spread over squares and worlds.

    Each class is drawn as often as it is: drawing as many of a rare one as of a common
    one, and shifting the probabilities back, was less often right on land of both.
    """
    among = np.flatnonzero(np.isin(pixels.ecosystem, list(classes)))
    return _spread(pixels, among, count, rng)

"""What each group of layers is worth to each target, on worlds that no model saw.

Part of ``python -m benchmarks.models_page``. Small ensembles, so that the table is
made in minutes: it compares groups, and says nothing of the models that ship.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.config.train_twin import SIX_BANDS, TwinTraining
from qhsink.domain.model_target import ModelTarget
from qhsink.mapping.ecosystem import (
    LOGIT_BOUND,
    TARGET,
    choose_class,
    class_probabilities,
    fit_classifier,
)
from qhsink.mapping.ensemble import Ensemble, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.training import Recipe, Samples, fit_ensemble
from qhsink.mapping.validation import Scores, score
from qhsink.steps.train_ecosystem import BATCH, HIDDEN
from qhsink.steps.train_twin import needed_layers, spread_land
from qhsink.steps.twin_pixels import TwinPixels

BEYOND: Mapping[str, tuple[str, ...]] = {
    "six bands": (),
    "+ terrain": ("elevation", "slope", "northness", "eastness"),
    "+ seasonal": ("ndvi_max", "ndvi_min", "ndvi_mean"),
    "+ radar": ("vv", "vh"),
    "+ red edge": ("rededge1", "rededge2", "rededge3", "ireci"),
    "+ terrain and radar": (
        *("elevation", "slope", "northness", "eastness"),
        *("vv", "vh"),
    ),
    "all": (
        *("elevation", "slope", "northness", "eastness"),
        *("ndvi_max", "ndvi_min", "ndvi_mean"),
        *("vv", "vh", "rededge1", "rededge2", "rededge3", "ireci"),
    ),
}
"""Features beside those of the six bands, by column of the table."""
MEMBERS = 4
"""Members of each ensemble."""
EPOCHS = 30
"""Passes of the classifiers, as of the one that ships."""
JUDGED = 20_000
"""Pixels of a target that are judged, drawn at random."""
SEED = 20251201


@dataclass(frozen=True, slots=True)
class Worlds:
    """Pixels to learn from, and pixels of other worlds to judge on."""

    learnt: TwinPixels
    unseen: TwinPixels
    spec: TwinTraining


def features_with(spec: TwinTraining, group: str) -> tuple[str, ...]:
    """Return the features of the six bands with those of a group."""
    return (*spec.features[SIX_BANDS], *BEYOND[group])


def score_target(worlds: Worlds, target: ModelTarget, group: str) -> Scores:
    """Return what a small ensemble with a group of layers is worth, unseen."""
    features = features_with(worlds.spec, group)
    rng = np.random.default_rng((SEED, 1))
    rows = spread_land(worlds.learnt, target.ecosystems, worlds.spec.samples, rng)
    chosen = worlds.learnt.take(rows)
    values = np.clip(chosen.truth[target.id], target.low, target.high)
    layers = needed_layers(chosen, features)
    samples = Samples(layers, values, groups=chosen.square)
    recipe = Recipe(
        target=target.id,
        unit=target.unit,
        low=target.low,
        high=target.high,
        transform=target.transform,
        features=features,
        members=MEMBERS,
    )
    ensemble = fit_ensemble(samples, recipe, chosen.square)
    own = np.flatnonzero(np.isin(worlds.unseen.ecosystem, target.ecosystems))
    judged = worlds.unseen.take(np.random.default_rng(SEED).permutation(own)[:JUDGED])
    found = _predicted(ensemble, judged).mean(axis=1)
    return score(judged.truth[target.id], found.astype(np.float64))


def right_shares(worlds: Worlds, classes: tuple[str, ...], group: str) -> list[float]:
    """Return how often a classifier with a group of layers is right, unseen.

    The share of all land, then producer's and user's accuracy of forest and shrubland.
    """
    features = features_with(worlds.spec, group)
    rng = np.random.default_rng((SEED, 2))
    rows = spread_land(worlds.learnt, classes, worlds.spec.land_samples, rng)
    chosen = worlds.learnt.take(rows)
    truth = np.array([float(classes.index(str(c))) for c in chosen.ecosystem])
    recipe = Recipe(
        target=TARGET,
        unit="logit",
        low=-LOGIT_BOUND,
        high=LOGIT_BOUND,
        features=features,
        members=MEMBERS,
        hidden=HIDDEN,
        batch=BATCH,
        epochs=EPOCHS,
    )
    learnt = worlds.learnt.ecosystem
    held = [float((learnt == name).sum()) for name in classes]
    samples = Samples(needed_layers(chosen, features), truth, groups=chosen.square)
    model = fit_classifier(samples, recipe, priors=[h / sum(held) for h in held])
    logits = _predicted(model, worlds.unseen)
    probability = class_probabilities(logits, classes=len(classes))
    given = np.array(classes)[choose_class(probability, range(len(classes)), tie=0.0)]
    true = worlds.unseen.ecosystem
    shares = [float((given == true).mean())]
    for name in ("forest", "shrubland"):
        both = float(((given == name) & (true == name)).sum())
        shares += [both / (true == name).sum(), both / max((given == name).sum(), 1)]
    return shares


def _predicted(ensemble: Ensemble, pixels: TwinPixels) -> NDArray[np.float32]:
    return predict_members(ensemble, feature_matrix(pixels.layers, ensemble.features))


def table_lines(
    worlds: Worlds, targets: tuple[ModelTarget, ...], classes: tuple[str, ...]
) -> Iterator[str]:
    """Yield the section in Markdown."""
    held = {
        f for f in BEYOND if _has_layers(worlds.unseen, features_with(worlds.spec, f))
    }
    groups = [group for group in BEYOND if group in held]
    yield "### What each group of layers is worth"
    yield ""
    yield (
        f"Ensembles of {MEMBERS} members with the features of the six bands and those "
        "named, on the same pixels of the training worlds, judged on the unseen ones: "
        "R² (RMSE). Differences of two or three hundredths are within what another "
        "draw of pixels and weights changes. Last rows: classifiers by the most "
        "probable class; share of all land that is right, and producer's / user's "
        "accuracy."
    )
    yield ""
    yield f"| | {' | '.join(groups)} |"
    yield "|---" * (len(groups) + 1) + "|"
    for target in targets:
        scores = [score_target(worlds, target, group) for group in groups]
        digits = 3 if target.unit == "1" else 1
        cells = [f"{s.r2:.2f} ({s.rmse:.{digits}f})" for s in scores]
        yield f"| {target.id} [{target.unit}] | {' | '.join(cells)} |"
    shares = [right_shares(worlds, classes, group) for group in groups]
    yield f"| ecosystem, right | {' | '.join(f'{s[0]:.1%}' for s in shares)} |"
    for row, name in enumerate(("forest", "shrubland")):
        cells = [f"{s[1 + 2 * row]:.2f} / {s[2 + 2 * row]:.2f}" for s in shares]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def _has_layers(pixels: TwinPixels, features: tuple[str, ...]) -> bool:
    try:
        needed_layers(pixels, features)
    except KeyError:
        return False
    return True

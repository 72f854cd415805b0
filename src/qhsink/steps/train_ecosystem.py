"""Train the ecosystem classifier on the twin, judge it on held-out squares, store it.

``qhsink train ecosystem --twin DIR``. Regressors are ``train``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.config import Settings, load_model_targets
from qhsink.config.train_twin import load_twin_training
from qhsink.domain.errors import BadInput
from qhsink.domain.model_target import ModelTargets
from qhsink.mapping.card.classes import describe_classes
from qhsink.mapping.ecosystem import (
    LOGIT_BOUND,
    TARGET,
    choose_class,
    class_probabilities,
    fit_classifier,
    halves_alike,
)
from qhsink.mapping.ensemble import Ensemble, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.folds import deal_folds
from qhsink.mapping.training import Recipe, Samples
from qhsink.registry import save_model
from qhsink.steps.train import MadeModel, make_writable, models_folder, versions
from qhsink.steps.train_request import TrainRequest, features_of
from qhsink.steps.train_twin import describe_twin, needed_layers, spread_land
from qhsink.steps.twin_pixels import Report, read_worlds

LEAST_SHARE = 0.005
"""A class with a lesser share of clear land is left out: water and snow are masked
before, and what slips through is too odd to learn from."""
HIDDEN = (31, 31)
"""Widths of the hidden layers."""
BATCH = 128
"""Samples per gradient step: six times as many samples as a regressor has."""
TENTHS = 10

Floats = NDArray[np.float32]


def train_ecosystem(
    request: TrainRequest, settings: Settings, *, report: Report
) -> MadeModel:
    """Train, judge and write the classifier; return it.

    Parameters
    ----------
    request : TrainRequest
        Its ``twin`` names the folder of the worlds.
    settings : Settings
        Places and threads.
    report : callable
        Told in words what is being done.

    Raises
    ------
    BadInput
        Without ``--twin``, or when the folder of models cannot be written to.
    """
    if request.twin is None:
        raise BadInput(
            f"nothing to train {TARGET} on",
            expected="--twin DIR: classes are learnt from simulated worlds alone",
            remedy="Add --twin work/twin/train.",
        )
    folder = models_folder(request, settings)
    make_writable(folder)
    table = load_model_targets(settings.project)
    learnt = gather_classes(request, settings, report=report)
    samples, classes, priors = learnt.samples, learnt.classes, learnt.priors
    recipe = Recipe(
        target=TARGET,
        unit="logit",
        low=-LOGIT_BOUND,
        high=LOGIT_BOUND,
        features=learnt.features,
        members=request.members,
        hidden=HIDDEN,
        batch=BATCH,
        epochs=request.epochs,
        seed=request.seed,
    )
    probability = _out_of_fold(samples, learnt.square, recipe, priors, report)
    assigned = choose_class(probability, range(len(classes)), tie=table.tie)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (samples.target.astype(np.int64), assigned), 1)
    science = describe_classes(
        recipe,
        classes,
        priors=priors,
        confusion=confusion,
        reliability=_reliability(probability, samples.target),
        data=describe_twin(load_twin_training(), samples, None)
        | _words(table, classes),
    )
    report(f"fitting the classifier on all {len(samples.target)} samples")
    ensemble = fit_classifier(samples, recipe, priors=priors)
    run = {
        "versions": versions(),
        "command": request.command(),
        "cpu_ms_per_mpx": {},
        "halves_alike": learnt.agreement(ensemble),
    }
    model_id = save_model(folder, ensemble, {"science": science, "run": run})
    return MadeModel(model_id, folder / model_id, {}, "simulated")


@dataclass(frozen=True, slots=True, eq=False)
class ClassSamples:
    """What a classifier learns from."""

    samples: Samples
    """``target`` is the number of the class."""
    square: NDArray[np.int64]
    """Place of each sample, (n,)."""
    features: tuple[str, ...]
    classes: tuple[str, ...]
    """Ids, in order of precedence."""
    priors: list[float]
    """Share of clear land of each class."""

    def agreement(self, ensemble: Ensemble) -> float | None:
        """Return the share of the samples' land that halves of a model class alike."""
        number = self.samples.target.astype(np.int64)
        weight = np.asarray(self.priors) / np.bincount(number)
        features = feature_matrix(self.samples.reflectance, self.features)
        alike = halves_alike(ensemble, features, weight=weight[number])
        return None if alike is None else round(alike, 4)


def gather_classes(
    request: TrainRequest, settings: Settings, *, report: Report
) -> ClassSamples:
    """Return samples of every class that is common enough, from the twin's worlds."""
    spec, table = load_twin_training(), load_model_targets(settings.project)
    pixels = read_worlds(
        spec,
        spec.train_seeds,
        Path(str(request.twin)),
        settings=settings,
        report=report,
    )
    held = {e.id: int((pixels.ecosystem == e.id).sum()) for e in table.ecosystems}
    least = LEAST_SHARE * len(pixels.x)
    classes = tuple(name for name, count in held.items() if count >= least)
    total = sum(held[name] for name in classes)
    rng = np.random.default_rng((request.seed, 2))
    chosen = pixels.take(spread_land(pixels, classes, spec.land_samples, rng))
    number = {name: place for place, name in enumerate(classes)}
    truth = np.array([float(number[str(name)]) for name in chosen.ecosystem])
    features = features_of(request, TARGET, settings.project)
    return ClassSamples(
        Samples(needed_layers(chosen, features), truth, groups=chosen.square),
        chosen.square,
        features,
        classes,
        [held[name] / total for name in classes],
    )


def _out_of_fold(
    samples: Samples,
    groups: NDArray[np.int64],
    recipe: Recipe,
    priors: list[float],
    report: Report,
) -> Floats:
    folds = deal_folds(groups, folds=recipe.folds, seed=recipe.seed)
    found = np.empty((len(folds), len(priors)), np.float32)
    for fold in range(recipe.folds):
        report(f"squares: fold {fold + 1} of {recipe.folds}")
        here, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        model = fit_classifier(samples.take(rest), recipe, priors=priors, salt=fold + 1)
        features = feature_matrix(samples.take(here).reflectance, recipe.features)
        logits = predict_members(model, features)
        found[here] = class_probabilities(logits, classes=len(priors))
    return found


def _reliability(
    probability: Floats, truth: NDArray[np.float64]
) -> list[tuple[float, float, int]]:
    """Return mean greatest probability, share right and count, by tenth of it."""
    best = probability.max(axis=1)
    right = probability.argmax(axis=1) == truth
    parts = np.array_split(np.argsort(best, kind="stable"), TENTHS)
    return [
        (float(best[part].mean()), float(right[part].mean()), len(part))
        for part in parts
    ]


def _words(table: ModelTargets, classes: tuple[str, ...]) -> dict[str, Any]:
    chosen = [entry for entry in table.ecosystems if entry.id in classes]
    return {
        "definition": {
            "en": " ".join(
                f"{e.name_en.capitalize()}: {e.definition_en}" for e in chosen
            ),
            "zh": "".join(f"{e.name_zh}：{e.definition_zh}" for e in chosen),
        },
        "precedence": "One class holds per pixel: of the classes whose probability "
        f"comes within {table.tie:g} of the greatest, the first of "
        f"{', '.join(classes)}.",
        "fold_rule": "Five folds of whole squares, dealt at random; a square is one "
        "place in every world.",
        "fold_limits": "They test other places of the twin, and nothing real.",
    }

"""The models of a run beside that of cover, loaded and held against their targets.

What they predict is ``steps.target_maps``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from qhsink.config import RunConfig, load_model_targets
from qhsink.domain.errors import ModelError
from qhsink.domain.model_target import ModelTarget, ModelTargets
from qhsink.mapping.features import required_bands
from qhsink.registry import Model, load_model
from qhsink.steps.map_indicators import ECOSYSTEM, reported_targets


@dataclass(frozen=True, slots=True, eq=False)
class TargetModels:
    """The models of a run beside that of vegetation cover."""

    table: ModelTargets
    """Targets and ecosystem classes."""
    ecosystem: Model
    """Says which ecosystem holds where."""
    models: Mapping[str, Model]
    """Model by target id, in the order they are reported."""

    @property
    def codes(self) -> tuple[int, ...]:
        """Map codes of the classifier's classes, in its order."""
        known = {entry.id: entry.code for entry in self.table.ecosystems}
        return tuple(known[name] for name in self.ecosystem.card["science"]["classes"])


def load_target_models(config: RunConfig, project: Path) -> TargetModels | None:
    """Return the models that a run's report needs beside cover; None for none.

    Raises
    ------
    ConfigError
        When a target is to be mapped without an ecosystem classifier.
    ModelError
        When a model is missing, damaged, of another target or unit, or names a feature
        that is not declared.
    """
    targets = reported_targets(config)
    named = tuple((name, config.models.of(name) or "") for name in targets)
    classifier = config.models.of(ECOSYSTEM)
    if not named or classifier is None:
        return None
    return _load(project, named, classifier)


@lru_cache(maxsize=4)
def _load(
    project: Path, named: tuple[tuple[str, str], ...], classifier: str
) -> TargetModels:
    table = load_model_targets(project)
    folder = project / "models"
    ecosystem = load_model(folder, classifier)
    models = {name: load_model(folder, model_id) for name, model_id in named}
    for model in (ecosystem, *models.values()):
        required_bands(model.ensemble.features)
    _check_classes(ecosystem, table)
    for name, model in models.items():
        _check_target(model, table.get(name))
    return TargetModels(table, ecosystem, models)


def _check_target(model: Model, target: ModelTarget) -> None:
    made = model.ensemble
    if (made.target, made.unit, made.outputs) != (target.id, target.unit, 1):
        several = f", {made.outputs} values at a time" if made.outputs > 1 else ""
        raise ModelError(
            f"model {model.id} gives {made.target} in {made.unit}{several}",
            expected=f"{target.id} in {target.unit}",
            remedy="Correct [models], or train the model for this target.",
        )


def _check_classes(model: Model, table: ModelTargets) -> None:
    order = [entry.id for entry in table.ecosystems]
    classes = list(model.card["science"].get("classes", ()))
    if not classes or classes != [name for name in order if name in classes]:
        raise ModelError(
            f"model {model.id} with classes {', '.join(classes) or 'none'}",
            expected=f"classes among {', '.join(order)}, in that order of precedence",
            remedy="Name an ecosystem model made with the present classes.",
        )
    if model.ensemble.columns % len(classes):
        raise ModelError(
            f"model {model.id} with {model.ensemble.columns} logits for "
            f"{len(classes)} classes",
            expected="a logit of every class from every member",
            remedy="Name another, or train it again.",
        )

"""Which models a run's maps are made with, and whether they learnt from real data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from qhsink.config import RunConfig, Settings
from qhsink.registry import load_model
from qhsink.steps.map_indicators import ECOSYSTEM, reported_targets


def run_models(config: RunConfig) -> tuple[str, ...]:
    """Return the ids of the models whose maps a run makes.

    Cover's, and those of further targets that are reported, with the classifier that
    says where they are mapped. A model that is named and not used does not count.

    Raises
    ------
    ConfigError
        When a target is to be mapped without an ecosystem classifier.
    """
    targets = reported_targets(config)
    further = (*targets, ECOSYSTEM) if targets else ()
    named = (config.models.of(name) for name in further)
    return config.models.fvc, *(model_id for model_id in named if model_id is not None)


def learnt_from_simulated(config: RunConfig, settings: Settings) -> bool:
    """Return whether a model of the run learnt from simulated data.

    Raises
    ------
    ModelError
        When a model is absent or damaged.
    """
    folder = settings.project / "models"
    return any(_is_simulated(folder, name) for name in run_models(config))


@cache
def _is_simulated(folder: Path, model_id: str) -> bool:
    return load_model(folder, model_id).simulated

"""Which models a run's maps are made with, and whether they learnt from real data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from qhsink.config import RunConfig, Settings
from qhsink.registry import load_model


def run_models(config: RunConfig) -> tuple[str, ...]:
    """Return the ids of the models whose maps a run makes."""
    return (config.models.fvc,)


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

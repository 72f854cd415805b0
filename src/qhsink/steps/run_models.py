"""Which models a run's maps are made with, what they read and what they learnt."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from qhsink.config import RunConfig, Settings
from qhsink.domain.errors import ModelError
from qhsink.mapping.features import required_bands
from qhsink.mapping.layers import GROUPS, Group, groups_of, layers_of
from qhsink.registry import load_model
from qhsink.steps.map_indicators import ECOSYSTEM, reported_targets
from qhsink.steps.request import Setup


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


def groups_by_model(
    config: RunConfig, settings: Settings
) -> dict[str, tuple[Group, ...]]:
    """Return the layers beyond the six bands that each model of a run needs, by id.

    Raises
    ------
    ModelError
        When a model is absent or damaged, or names a feature that is not declared.
    """
    folder = settings.project / "models"
    return {name: _groups(folder, name) for name in run_models(config)}


@cache
def _groups(folder: Path, model_id: str) -> tuple[Group, ...]:
    return groups_of(required_bands(load_model(folder, model_id).ensemble.features))


def needed_groups(setup: Setup, kind: str) -> tuple[Group, ...]:
    """Return the layers beyond the six bands that a composite's maps are made of.

    The terrain too where land that was not seen is to be told by its height.

    Raises
    ------
    ModelError
        When the model of cover needs layers that a month's composite has not.
    """
    heights: set[Group] = {"terrain"} if setup.config.unseen.read_heights else set()
    by_model = groups_by_model(setup.config, setup.settings)
    cover = setup.config.models.fvc
    if kind == "peak":
        needed = {group for groups in by_model.values() for group in groups} | heights
        return tuple(group for group in GROUPS if group in needed)
    beyond = [group for group in by_model[cover] if group != "terrain"]
    if beyond:
        raise ModelError(
            f"model {cover} needs {', '.join(layers_of(beyond[0]))} for a month's map",
            expected="six bands and terrain: the season is not over, and a median has "
            "no date",
            remedy="Report fvc_peak without fvc_month, or name another model.",
        )
    return tuple(g for g in GROUPS if g in heights.union(by_model[cover]))

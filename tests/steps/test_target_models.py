"""Models that are whole and yet answer another question are refused by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qhsink.cli.twin import DEMO_PRODUCTS
from qhsink.config import load_model_targets, load_run_config
from qhsink.domain.errors import ModelError
from qhsink.mapping.ensemble import Ensemble, Layer
from qhsink.mapping.features import required_bands
from qhsink.mapping.layers import groups_of
from qhsink.registry import list_models, load_model
from qhsink.steps.target_models import _check_classes, _check_target


@pytest.fixture
def table(project_folder):
    return load_model_targets(project_folder)


@pytest.fixture
def classifier(project_folder):
    folder = project_folder / "models"
    (name,) = (name for name in list_models(folder) if name.startswith("ecosystem-"))
    return load_model(folder, name)


def answering(target, unit, *, members, outputs):
    """An ensemble of one layer that gives ``outputs`` numbers a member."""
    layer = Layer(
        np.ones((members, 1, outputs), np.float32), np.ones((members, outputs), "f4")
    )
    one = np.ones(1, np.float32)
    return Ensemble(
        target, unit, ("ndvi",), one, one, (layer,), -1.0, 1.0, outputs=outputs
    )


def test_the_classifier_that_ships_gives_a_logit_of_every_class(classifier, table):
    _check_classes(classifier, table)


@pytest.mark.parametrize(
    ("members", "outputs"), [(6, 1), (1, 6), (5, 6)], ids=["older", "one", "several"]
)
def test_logits_may_be_of_one_network_or_of_several(
    classifier, table, members, outputs
):
    made = answering("ecosystem", "logit", members=members, outputs=outputs)
    _check_classes(dataclasses.replace(classifier, ensemble=made), table)


def test_logits_that_are_not_those_of_the_classes_are_refused(classifier, table):
    made = answering("ecosystem", "logit", members=2, outputs=5)
    other = dataclasses.replace(classifier, ensemble=made)
    with pytest.raises(ModelError, match="with 10 logits for 6 classes"):
        _check_classes(other, table)


def test_a_model_of_several_values_is_no_map_of_one(classifier, table):
    made = answering("fvc", "1", members=4, outputs=3)
    other = dataclasses.replace(classifier, ensemble=made)
    with pytest.raises(ModelError, match="gives fvc in 1, 3 values at a time"):
        _check_target(other, table.get("fvc"))


def test_the_default_archive_holds_every_layer_that_the_demonstrations_models_read(
    project_folder,
):
    product = {"rededge": "s2", "season": "s2", "terrain": "dem", "radar": "s1"}
    config = load_run_config(project_folder / "config" / "demo-targets.toml")
    needed = set()
    for model_id in filter(None, config.models.model_dump().values()):
        features = load_model(project_folder / "models", model_id).ensemble.features
        needed |= {product[group] for group in groups_of(required_bands(features))}
    assert needed == {"s2", "dem", "s1"}
    assert needed <= set(DEMO_PRODUCTS.split(","))

"""Which models a run uses, and that one of simulated training marks the run."""

from __future__ import annotations

import numpy as np
import pytest

from qhsink.config import Settings, load_run_config
from qhsink.mapping.ensemble import Ensemble, Layer
from qhsink.registry import list_models, load_model, save_model
from qhsink.steps.run_models import learnt_from_simulated, run_models


@pytest.fixture(scope="module")
def shipped(project_folder):
    """The shipped model of cover."""
    folder = project_folder / "models"
    (model_id,) = [name for name in list_models(folder) if name.startswith("fvc-")]
    return load_model(folder, model_id)


@pytest.fixture(scope="module")
def config(project_folder):
    return load_run_config(project_folder / "config" / "monitor.toml")


def with_models(config, report=None, **named):
    models = config.models.model_copy(update=named)
    indicators = config.indicators.model_copy(update={"report": report or ()})
    return config.model_copy(update={"models": models, "indicators": indicators})


def test_a_model_counts_only_where_its_map_is_reported(config):
    named = {"agb_grass": "agb_grass-00000001", "ecosystem": "ecosystem-00000002"}
    plain = with_models(config, ("fvc_peak",), fvc="fvc-00000003", **named)
    assert run_models(plain) == ("fvc-00000003",)
    used = with_models(config, ("fvc_peak", "agb_grass_map"), fvc="fvc-3", **named)
    assert run_models(used) == ("fvc-3", "agb_grass-00000001", "ecosystem-00000002")


def save(folder, shipped, **science):
    layers = (Layer(np.ones((2, 1, 1), np.float32), np.zeros((2, 1), np.float32)),)
    one = np.ones(1, np.float32)
    made = Ensemble("fvc", "1", ("ndvi",), one, one, layers, 0.0, 1.0)
    card = {
        "run": shipped.card["run"],
        "science": {**shipped.card["science"], **science},
    }
    return save_model(folder, made, card)


@pytest.mark.parametrize("provenance", ["observed", "simulated"])
def test_simulated_training_marks_the_run(config, shipped, tmp_path, provenance):
    model_id = save(tmp_path / "models", shipped, provenance=provenance)
    settings = Settings(project=tmp_path, store=tmp_path / "store")
    run = with_models(config, fvc=model_id)
    assert learnt_from_simulated(run, settings) == (provenance == "simulated")


def test_the_shipped_model_of_cover_learnt_from_measurements(shipped):
    assert not shipped.simulated

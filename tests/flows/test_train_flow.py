"""The training flow's own logic: what it asks of the steps, and in which order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from flows import train as flow_module
from qhsink.config import load_settings
from qhsink.steps.train_request import TrainRequest

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("prefect")]


@pytest.fixture
def calls(monkeypatch):
    """The steps replaced by notes of what they were asked."""
    found = []
    data = SimpleNamespace(samples=SimpleNamespace(target=np.zeros(7)))

    def gather(request, settings, *, report):
        report("told")
        found.append(("gather", request, settings))
        return data

    def run_training(request, settings, *, report):
        report("told")
        found.append(("run_training", request, settings))
        return SimpleNamespace(id="fvc-00000000")

    monkeypatch.setattr(flow_module.steps, "gather", gather)
    monkeypatch.setattr(flow_module.steps, "run_training", run_training)
    quiet = SimpleNamespace(info=lambda text: found.append(("log", text)))
    monkeypatch.setattr(flow_module, "get_run_logger", lambda: quiet)
    return found


def test_each_task_passes_the_request_on_and_gives_back_little(calls):
    request = TrainRequest("fvc", plots="plots.gpkg", source="earth-search")
    settings = load_settings().model_dump(mode="python")
    read = flow_module.read_features.fn(request.to_json(), settings)
    made = flow_module.fit_model.fn(request.to_json(), settings)
    assert (read, made) == (7, "fvc-00000000")
    steps = [call for call in calls if call[0] != "log"]
    assert [(name, asked) for name, asked, _ in steps] == [
        ("gather", request),
        ("run_training", request),
    ]
    assert all(places == load_settings() for _, _, places in steps)
    assert ("log", "told") in calls


def test_the_flow_asks_for_what_the_command_would(monkeypatch, tmp_path):
    asked = []
    for name in ("read_features", "fit_model"):
        monkeypatch.setattr(
            flow_module,
            name,
            lambda request, settings: asked.append((request, settings)),
        )
    flow_module.train.fn(
        "agb_grass",
        plots="plots.csv",
        store=str(tmp_path),
        options={"members": 4, "plot_m": 30.0},
    )
    wanted = TrainRequest("agb_grass", plots="plots.csv", members=4, plot_m=30.0)
    assert [request for request, _ in asked] == [wanted.to_json()] * 2
    assert asked[0][1]["store"] == tmp_path

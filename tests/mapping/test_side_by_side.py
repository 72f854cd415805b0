from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from qhsink.cli.models import models
from qhsink.domain.errors import ModelError
from qhsink.mapping.side_by_side import comparable, compare_cards, prediction_gap
from qhsink.registry import Model, list_models, load_model, save_model

SHIPPED = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def shipped() -> Model:
    (model_id,) = (name for name in list_models(SHIPPED) if name.startswith("fvc-"))
    return load_model(SHIPPED, model_id)


def raised(model: Model, by: float):
    """The ensemble of ``model``, its output bias raised."""
    *hidden, last = model.ensemble.layers
    last = replace(last, bias=last.bias + np.float32(by))
    return replace(model.ensemble, layers=(*hidden, last))


def test_a_model_differs_from_itself_in_nothing(shipped):
    science = shipped.card["science"]
    assert not any(line.differs for line in compare_cards(science, science))
    assert comparable(science, science)
    x = shipped.applicability.predictors
    assert prediction_gap(shipped.ensemble, shipped.ensemble, x).most == 0


def test_the_gap_of_a_raised_bias_is_that_bias_where_nothing_is_clipped(shipped):
    x = shipped.applicability.predictors
    gap = prediction_gap(shipped.ensemble, raised(shipped, 0.01), x)
    assert gap.count == len(x)
    assert 0.009 < gap.mean <= 0.01
    assert gap.most == pytest.approx(0.01, abs=1e-6)


def test_other_folds_or_other_data_make_scores_incomparable(shipped):
    science = shipped.card["science"]
    for change in (("recipe", "seed", 1), ("source", "sha256", "0" * 64)):
        other = copy.deepcopy(science)
        other[change[0]][change[1]] = change[2]
        assert not comparable(science, other)
        assert sum(line.differs for line in compare_cards(science, other)) == 1


def test_models_of_different_targets_are_not_compared(shipped):
    other = copy.deepcopy(shipped.card["science"])
    other["model"]["target"] = "agb_grass"
    with pytest.raises(ModelError, match="could replace each other"):
        compare_cards(shipped.card["science"], other)


def test_models_of_different_features_have_no_gap(shipped):
    turned = replace(shipped.ensemble, features=shipped.ensemble.features[::-1])
    with pytest.raises(ModelError, match="the same features"):
        prediction_gap(shipped.ensemble, turned, shipped.applicability.predictors)


def test_the_command_marks_what_differs(shipped, tmp_path):
    science = copy.deepcopy(shipped.card["science"])
    science["recipe"]["seed"] = 7
    first = save_model(tmp_path, shipped.ensemble, shipped.card)
    second = save_model(
        tmp_path,
        raised(shipped, 0.01),
        {**shipped.card, "science": science},
        applicability=shipped.applicability,
    )
    where = ("--models-dir", str(tmp_path))
    done = CliRunner().invoke(models, ["compare", first, second, *where])
    assert done.exit_code == 0, done.output
    assert any(line.startswith("* seed") for line in done.output.splitlines())
    assert any(line.startswith("  samples") for line in done.output.splitlines())
    assert "do not say which" in done.output
    assert "at most 0.0100" in done.output


def test_classifiers_are_compared_by_share_of_land_right_and_class_by_class():
    (name,) = (name for name in list_models(SHIPPED) if name.startswith("ecosystem-"))
    science = load_model(SHIPPED, name).card["science"]
    other = copy.deepcopy(dict(science))
    other["by_class"][0]["users_accuracy"] = 0.5
    changed = [line for line in compare_cards(science, other) if line.differs]
    assert [line.name for line in changed] == ["user's accuracy, forest"]
    assert changed[0].second == "0.5000"

"""Settings chosen by the folds that decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qhsink.config.training import load_training_rules
from qhsink.domain.errors import BadInput
from qhsink.domain.training_rules import TrainingRules
from qhsink.mapping.card import describe_training, render_card
from qhsink.mapping.samples import Recipe, Samples
from qhsink.mapping.schemes import main_scheme
from qhsink.mapping.search import search_settings
from qhsink.mapping.training import train
from qhsink.steps.train_request import TrainRequest

pytest.importorskip("sklearn")

QUICK = Recipe(members=3, epochs=15, folds=3, run_length=5, clusters=5, seed=7)
RULES = TrainingRules(
    search=True, hidden=((6,), (12,)), penalty=(0.01, 30.0), members=2, status="test"
)
DATA = {
    "definition": {"en": "x", "zh": "x", "evidence": "x"},
    "domain": "x",
    "fold_rule": "x",
    "fold_limits": "x",
    "source": {
        "title": "x", "citation": "x", "licence": "x", "rows": "x", "sha256": "x",
    },
}  # fmt: skip


def silent(text):
    del text


def world(count=150, *, seed=0) -> Samples:
    """Mixtures of green, dry and bare, in places of a few hundred kilometres."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([0.7, 0.7, 0.7], count)
    ends = np.array(
        [
            [0.08, 0.05, 0.45, 0.22, 0.10],
            [0.14, 0.18, 0.30, 0.36, 0.26],
            [0.16, 0.22, 0.28, 0.38, 0.34],
        ]
    )
    pixels = shares @ ends * rng.normal(1, 0.03, (count, 1))
    names = ("green", "red", "nir", "swir16", "swir22")
    x, y = rng.uniform(0, 3e5, (2, count))
    bands = dict(zip(names, pixels.T, strict=True))
    return Samples(bands, shares[:, 0], x_m=x, y_m=y)


def search(samples, recipe, rules=RULES):
    scheme = main_scheme(samples, recipe, np.zeros(len(samples.target)))
    return search_settings(samples, recipe, scheme, rules, report=silent)


@pytest.fixture(scope="module")
def bad():
    """A recipe whose own setting learns next to nothing."""
    return replace(QUICK, hidden=(2,), penalty=300.0)


@pytest.fixture(scope="module")
def found(bad):
    return search(world(), bad)


def test_a_setting_that_does_better_is_chosen(found, bad):
    recipe, evidence = found
    assert recipe == replace(
        bad, hidden=evidence.chosen.hidden, penalty=evidence.chosen.penalty
    )
    assert recipe.penalty == 0.01
    assert evidence.chosen.gain > evidence.chosen.gain_se


def test_every_candidate_is_told_and_the_least_error_comes_first(found):
    candidates = found[1].candidates
    assert len(candidates) == 5  # four of the grid and the recipe's own
    errors = [one.rmse for one in candidates]
    assert errors == sorted(errors)


def test_the_recipes_own_setting_gains_nothing_on_itself(found, bad):
    own = [one for one in found[1].candidates if one.hidden == bad.hidden]
    assert [(one.gain, one.gain_se) for one in own] == [(0.0, 0.0)]


def test_the_recipe_stands_where_nothing_beats_it():
    rules = replace(RULES, hidden=((12,),), penalty=(30.0, 300.0))
    recipe = replace(QUICK, hidden=(12,), penalty=0.01)
    kept, evidence = search(world(), recipe, rules)
    assert kept == recipe
    assert evidence.chosen.gain == 0.0


def test_the_same_samples_choose_the_same(found, bad):
    assert search(world(), bad) == found


def test_spatial_blocks_decide_where_places_are_known_and_groups_where_given(found):
    assert found[1].title.startswith("spatial blocks")
    given = replace(world(), groups=np.arange(150) // 10)
    rules = replace(RULES, hidden=((6,),), penalty=(0.01,))
    assert search(given, QUICK, rules)[1].title == "groups"


def test_a_training_ships_what_was_chosen_and_its_card_shows_the_table(bad):
    samples = world()
    rules = replace(RULES, hidden=((6,),), penalty=(0.01,))
    trained = train(samples, bad, report=silent, search=rules)
    assert trained.recipe.hidden == (6,)
    assert trained.ensemble.layers[0].weights.shape[2] == 6
    science = describe_training(trained, samples, data=DATA)
    assert science["recipe"]["hidden"] == [6]
    assert len(science["search"]["candidates"]) == 2
    run = {"cpu_ms_per_mpx": trained.runs.seconds_per_mpx, "versions": {}}
    card = {"id": "x", "digest": "x", "science": science, "run": run | {"command": ""}}
    text = render_card(card)
    assert "## Settings tried" in text
    assert "| 6 | 0.01 |" in text
    assert text.count("chosen |") == 1


def test_models_that_ship_are_not_searched_for_and_a_search_is_bounded(
    project_folder,
):
    """Fits: candidates x folds x members, against three kinds of folds and the last."""
    rules, recipe = load_training_rules(project_folder), Recipe()
    assert not rules.search
    assert recipe.hidden in rules.hidden
    assert recipe.penalty in rules.penalty
    tried = len(rules.hidden) * len(rules.penalty) * recipe.folds * rules.members
    assert tried <= (3 * recipe.folds + 1) * recipe.members


@pytest.mark.parametrize(
    ("wanted", "said"),
    [(True, " --search"), (False, " --no-search"), (None, "")],
    ids=["search", "no search", "as configured"],
)
def test_the_command_that_makes_a_model_again_says_whether_to_search(wanted, said):
    command = TrainRequest("fvc", search=wanted).command()
    assert command.endswith("--epochs 60" + said)


@pytest.mark.parametrize(
    "change",
    [{"hidden": ()}, {"hidden": ((0,),)}, {"penalty": ()}, {"members": 1}],
    ids=["no sizes", "an empty layer", "no penalties", "one member"],
)
def test_a_grid_that_cannot_be_fitted_is_refused(change):
    with pytest.raises(BadInput, match="a search over"):
        replace(RULES, **change)

"""What stands at the top of a card: promises that the model does not keep."""

from __future__ import annotations

import copy
import json

import pytest

from qhsink.config import load_run_config
from qhsink.mapping.card import render_card
from qhsink.mapping.card.promises import ALL_KEPT, broken_promises
from qhsink.registry import list_models, load_model


@pytest.fixture
def card(project_folder):
    """The card of the shipped cover model, which keeps all; free to be changed."""
    config = load_run_config(project_folder / "config" / "demo.toml")
    folder = project_folder / "models" / config.models.fvc
    return json.loads((folder / "card.json").read_text(encoding="utf-8"))


def broken(card):
    return broken_promises(card["science"], card["run"]["cpu_ms_per_mpx"])


def rival(card, r2):
    card["science"]["validation"]["runs"]["models"]["extra trees"]["r2"] = r2


def test_a_model_that_keeps_all_says_so_before_anything_else(card):
    assert broken(card) == ()
    text = render_card(card)
    assert text.index(ALL_KEPT) < text.index("## Data")


@pytest.mark.parametrize(("over", "told"), [(0.0099, False), (0.0101, True)])
def test_a_rival_better_by_more_than_a_hundredth_is_told(card, over, told):
    models = card["science"]["validation"]["runs"]["models"]
    rival(card, models["ensemble"]["r2"] + over)
    assert any("(extra trees)" in one.en for one in broken(card)) == told
    assert (ALL_KEPT in render_card(card)) != told


@pytest.mark.parametrize(("times", "told"), [(20.1, False), (19.9, True)])
def test_a_member_less_than_twenty_times_as_fast_as_trees_is_told(card, times, told):
    cost = card["run"]["cpu_ms_per_mpx"]
    members = card["science"]["recipe"]["members"]
    for name in ("random forest", "extra trees", "histogram gradient boosting"):
        cost[name] = times * cost["ensemble"] / members
    rival(card, 0.5)
    assert any("times as fast" in one.en for one in broken(card)) == told


def test_intervals_that_hold_too_few_or_too_many_are_told_by_kind_of_folds(card):
    kinds = card["science"]["validation"]
    kinds["clusters"]["interval_coverage"] = 0.849
    kinds["runs"]["shipped_coverage"] = 0.951
    (found,) = broken(card)
    assert "95.1%" in found.en
    assert "spectral clusters 84.9%" in found.en


def test_tenths_out_of_bounds_are_counted_unless_they_are_small(card):
    rows = card["science"]["validation"]["runs"]["by_predicted"]
    rows[0]["coverage"], rows[4]["coverage"] = 0.80, 0.99
    (found,) = broken(card)
    assert "in 2 tenths" in found.en
    assert "2 组" in found.zh
    small = copy.deepcopy(card)
    small["science"]["validation"]["runs"]["by_predicted"][9]["count"] = 29
    assert broken(small) == ()


def test_a_model_compared_with_no_trees_says_so(card):
    models = card["science"]["validation"]["runs"]["models"]
    for name in [name for name in models if name not in ("ensemble", "linear on NDVI")]:
        del models[name]
    assert [one.en for one in broken(card)] == [
        "It was compared with no ensemble of trees."
    ]


def test_every_shipped_card_shows_what_a_card_must(project_folder):
    folder = project_folder / "models"
    for model_id in list_models(folder):
        card = load_model(folder, model_id).card
        if "classes" in card["science"]:
            continue
        text, page = (
            (folder / model_id / n).read_text() for n in ("card.md", "card.html")
        )
        told = "NOT KEPT of what is promised" in text
        assert told == bool(broken(card)) == ("Promises not kept" in page)
        for section in (
            "## Cross-validation", "## By what is held out", "**Saturation.**",
            "## Error by tenth of predicted value", "## Prediction interval",
            "Where it does not hold 85 to 95 %:", "## Learning curve", "## Importance",
            "## Area of applicability", "R² of this one is", "times as fast as",
        ):  # fmt: skip
            assert section in text, (model_id, section)
        for picture in (
            "Observed against predicted",
            "Permutation importance",
            "Learning curve",
            "Applicability: dissimilarity",
        ):
            assert picture in page, (model_id, picture)

from __future__ import annotations

import json

import numpy as np
import pytest

from qhsink.domain.variogram import variogram_from
from qhsink.mapping.card import describe_training, interval_rule, measured_cost
from qhsink.mapping.card.results import (
    section_folds,
    section_interval,
    section_results,
)
from qhsink.mapping.ensemble import predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.training import ENSEMBLE, Recipe, Samples, Trained, train
from qhsink.mapping.validation import score

pytest.importorskip("sklearn")
COUNT = 240


@pytest.fixture(scope="module")
def plots() -> Samples:
    """Log-normal biomass at places, in years, regions and types."""
    rng = np.random.default_rng(4)
    green = rng.random(COUNT)
    bands = {
        "green": 0.15 - 0.08 * green,
        "red": 0.20 - 0.15 * green,
        "nir": 0.25 + 0.20 * green,
        "swir16": 0.35 - 0.15 * green,
        "swir22": 0.30 - 0.20 * green,
    }
    noisy = {
        name: values + rng.normal(0, 0.004, COUNT) for name, values in bands.items()
    }
    x, y = rng.uniform(0, 200_000, (2, COUNT))
    mass = np.exp(3 + 2 * green + rng.normal(0, 0.4, COUNT))
    kinds = (green * 3).astype(np.int64)
    return Samples(
        noisy, mass, x_m=x, y_m=y, year=2020 + np.arange(COUNT) % 3,
        region=(x // 70_000).astype(np.int64), stratum=kinds,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(plots) -> Trained:
    recipe = Recipe(
        "agb_grass", "g m-2", 0, 1000, "log1p",
        members=3, epochs=40, batch=16, folds=2, clusters=8, seed=5,
    )  # fmt: skip
    return train(plots, recipe, report=lambda _: None)


@pytest.fixture(scope="module")
def science(made, plots) -> dict:
    told = describe_training(made, plots, data={"definition": {"en": "", "zh": ""}})
    return json.loads(json.dumps(told))


def test_samples_with_places_and_dates_are_judged_on_every_kind_of_folds(science):
    kinds = science["validation"]
    assert list(kinds) == ["runs", "clusters", "region", "year", "distance", "random"]
    assert science["grouping"].startswith("spatial blocks of ")
    assert kinds["region"]["folds"] == kinds["year"]["folds"] == 3
    for part in kinds.values():
        assert part["models"][ENSEMBLE]["r2"] > 0.3
        assert 0 < part["interval_coverage"] <= 1
        assert 0 < part["shipped_coverage"] <= 1


def test_a_training_that_is_not_asked_to_search_says_nothing_of_it(science):
    assert "search" not in science


def test_rivals_are_judged_on_the_folds_that_decide(science):
    models = science["validation"]["runs"]["models"]
    assert {"type mean", "extra trees", "quantile forest, median"} <= set(models)
    assert not any("dimidiate" in name for name in models)
    assert list(science["validation"]["random"]["models"]) == [ENSEMBLE]


def test_a_card_of_a_logged_target_holds_its_factors_and_tolerance(science, made):
    np.testing.assert_allclose(science["smearing"], made.ensemble.smearing, atol=5e-5)
    assert all(0.9 < factor < 1.3 for factor in science["smearing"])
    assert science["tolerance"] == 5.0


def test_the_mean_of_predictions_is_near_that_of_the_plots(made, plots):
    x = feature_matrix(plots.reflectance, made.ensemble.features)
    mean = predict_members(made.ensemble, x).mean(dtype=float)
    assert mean == pytest.approx(plots.target.mean(), rel=0.06)


def test_the_card_holds_the_variogram_that_estimates_read(science, made):
    found = variogram_from(science["residual_variogram"])
    assert found.range_m == pytest.approx(made.variogram.range_m, rel=1e-3)
    assert found.sill == pytest.approx(made.variogram.sill, rel=1e-3)
    assert "**Residuals in space.**" in "\n".join(section_folds(science))


def test_scores_in_the_card_are_those_of_the_predictions(science, made, plots):
    found = score(plots.target, made.further["year"].predictions[ENSEMBLE])
    told = science["validation"]["year"]["models"][ENSEMBLE]
    assert told["slope"] == pytest.approx(found.slope, abs=5e-5)
    assert told["rmse"] == pytest.approx(found.rmse, abs=5e-5)


def test_the_card_says_how_far_from_the_best_and_how_much_faster(science, made):
    text = "\n".join(section_results(science, measured_cost(made)))
    assert "short: " in text
    assert "| type mean | " in text
    slow = dict.fromkeys(science["validation"]["runs"]["models"], 100.0)
    told = "\n".join(section_results(science, slow))
    assert "One member predicts 3 times as fast" in told
    assert "**not kept** (at least 20 is asked)" in told


def test_the_card_tells_random_folds_from_honest_ones(science):
    text = "\n".join(section_folds(science))
    assert "single samples at random (only to show how much it flatters) | 2 |" in text
    assert "each of 3 regions in turn | 3 |" in text
    assert "**Saturation.**" in text
    level = {**science, "saturation": {"observed": 61.5, "predicted": None}}
    told = "\n".join(section_folds(level))
    assert "Predicted rises with observed up to 61.5 and is level above" in told
    assert "observed rises with predicted to the end" in told


def test_the_card_says_where_intervals_fail(science):
    part = science["validation"]["year"]
    changed = {**part, "interval_coverage": 0.7}
    rows = [{**row, "count": 40} for row in part["by_predicted"]]
    rows[3] = {**rows[3], "coverage": 0.6, "low": 1.5, "high": 2.5}
    changed["by_predicted"] = rows
    spoilt = {**science, "validation": {**science["validation"], "year": changed}}
    text = "\n".join(section_interval(spoilt))
    assert "* each of 3 years in turn, all samples: 70.0%" in text
    assert "* each of 3 years in turn, predicted 1.500 to 2.500: 60.0%" in text
    assert "tenths of 24 samples are too few to tell" in text


def test_the_rule_in_the_card_gives_its_coverage_again(science, made, plots):
    rule, kind = interval_rule(science), made.further["year"]
    mean = kind.predictions[ENSEMBLE]
    held = np.abs(plots.target - mean) <= rule.half_width(mean, kind.spread)
    told = science["validation"]["year"]["shipped_coverage"]
    assert told == pytest.approx(held.mean(), abs=0.01)

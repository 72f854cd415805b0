"""Training tables from simulated worlds: which pixels, and what is said of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.models_page import BEGIN, END, replace_section
from qhsink.config import load_model_targets, load_settings
from qhsink.config.residual_fields import load_residual_worlds
from qhsink.config.train_twin import DEMO_SEED, load_twin_training
from qhsink.domain.errors import BadInput, ConfigError
from qhsink.domain.scene import BANDS
from qhsink.registry import check_model
from qhsink.steps import train_twin
from qhsink.steps.train import run_training
from qhsink.steps.train_ecosystem import train_ecosystem
from qhsink.steps.train_request import TrainRequest
from qhsink.steps.train_twin import spread_land, twin_data
from qhsink.steps.twin_pixels import (
    ECOSYSTEM_OF,
    TRUTHS,
    TwinPixels,
    read_worlds,
)
from qhsink.twin.classes import ECOSYSTEMS

pytestmark = pytest.mark.xdist_group("runs")


WIDE = ("ndvi", "slope", "vh", "ndvi_min", "rededge1")
"""A feature of each group of layers."""


def silent(_text):
    """Say nothing."""


@pytest.fixture(scope="module")
def tiny(project_folder):
    """Two worlds of two squares on coarse pixels."""
    spec = load_twin_training(project_folder / "config" / "train_twin.toml")
    return spec.model_copy(
        update={
            "train_seeds": (101, 102),
            "pixel_size_m": 240.0,
            "square_m": 9600.0,
            "every": 1,
            "regions": ("632221", "632324"),
        }
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(scope="module")
def pixels(tiny, worlds):
    settings = load_settings(store=worlds / "store")
    return read_worlds(
        tiny, tiny.train_seeds, worlds / "twin", settings=settings, report=silent
    )


def test_no_world_serves_two_purposes(project_folder):
    spec = load_twin_training(project_folder / "config" / "train_twin.toml")
    seeds = [*spec.train_seeds, *spec.test_seeds, DEMO_SEED]
    assert len(set(seeds)) == len(seeds)


def test_training_on_the_demonstrations_world_is_refused(tmp_path, project_folder):
    text = (project_folder / "config" / "train_twin.toml").read_text()
    path = tmp_path / "train_twin.toml"
    path.write_text(text.replace("[101,", "[2025,"))
    with pytest.raises(ConfigError, match="other worlds for training"):
        load_twin_training(path)


def test_every_class_of_the_twin_belongs_to_a_declared_ecosystem(project_folder):
    known = {entry.id for entry in load_model_targets(project_folder).ecosystems}
    assert set(ECOSYSTEM_OF) == set(ECOSYSTEMS)
    assert set(ECOSYSTEM_OF.values()) <= known


def test_pixels_lie_in_their_squares_with_truth_and_layers(pixels):
    assert set(pixels.truth) == set(TRUTHS)
    assert set(pixels.seed) == {101, 102}
    for number in (0, 1):
        mine = pixels.square == number
        assert np.ptp(pixels.x[mine]) <= 9600
    assert (pixels.truth["canopy_cover"][pixels.ecosystem == "grassland"] == 0).all()
    assert 0 < np.median(pixels.layers["nir"]) < 0.6


def test_the_composite_says_what_is_true_there(pixels):
    """Greener is denser: were rows and places mixed up, nothing would go together."""
    red, nir = pixels.layers["red"], pixels.layers["nir"]
    ndvi = (nir - red) / (nir + red)
    assert np.corrcoef(ndvi, pixels.truth["fvc"])[0, 1] > 0.8


def test_what_was_read_is_kept(tiny, worlds, pixels):
    told = []
    again = read_worlds(
        tiny,
        tiny.train_seeds,
        worlds / "twin",
        settings=load_settings(store=worlds / "store"),
        report=told.append,
    )
    assert not told
    np.testing.assert_array_equal(again.x, pixels.x)


def made_up(squares):
    count = len(squares)
    nothing = np.zeros(count)
    return TwinPixels(
        {"nir": nothing}, {"fvc": nothing}, np.full(count, "forest"), nothing, nothing,
        np.full(count, 101), np.asarray(squares),
    )  # fmt: skip


def test_pixels_are_spread_evenly_and_small_squares_give_all():
    pixels = made_up([0] * 500 + [1] * 500 + [2] * 4)
    rng = np.random.default_rng(1)
    chosen = spread_land(pixels, ("forest",), 104, rng)
    count = np.bincount(pixels.square[chosen])
    assert count.tolist() == [50, 50, 4]
    assert len(set(chosen)) == 104


@pytest.fixture
def small(monkeypatch, tiny):
    """The module trains on the tiny worlds."""
    spec = tiny.model_copy(update={"samples": 400, "land_samples": 600})
    monkeypatch.setattr(train_twin, "load_twin_training", lambda: spec)
    monkeypatch.setattr("qhsink.steps.train_ecosystem.load_twin_training", lambda: spec)
    return spec


def test_samples_are_of_the_targets_ecosystems_and_say_that_they_are_simulated(
    small, worlds, pixels, project_folder
):
    target = load_model_targets(project_folder).get("agb_grass")
    settings = load_settings(store=worlds / "store")
    data = twin_data(
        target, worlds / "twin", settings, features=WIDE, seed=1, report=silent
    )
    assert data.told["provenance"] == "simulated"
    assert data.told["domain"].startswith("SIMULATED TRAINING DATA")
    assert len(data.samples.target) == 400
    assert data.samples.target.min() > 0
    assert (data.samples.reflectance["blue"] >= 0.001).all()


def test_a_target_that_stands_nowhere_is_refused(small, worlds, pixels, project_folder):
    target = load_model_targets(project_folder).get("agb_grass")
    nowhere = dataclasses.replace(target, ecosystems=("snow_ice",))
    settings = load_settings(store=worlds / "store")
    with pytest.raises(BadInput, match="0 pixels of snow_ice"):
        twin_data(
            nowhere,
            worlds / "twin",
            settings,
            features=WIDE,
            seed=1,
            report=silent,
        )


def three_kinds_of_land():
    """Ten squares, each with forest, grassland and bare ground well apart."""
    rng = np.random.default_rng(5)
    kinds = {"forest": (0.02, 0.30), "grassland": (0.06, 0.35), "bare": (0.25, 0.30)}
    names = np.tile(np.repeat(list(kinds), 40), 10)
    count = len(names)
    red, nir = (np.array([kinds[n][k] for n in names]) for k in (0, 1))
    layers = {name: 0.1 + 0.01 * rng.standard_normal(count) for name in BANDS}
    layers |= {"red": red + 0.003 * rng.standard_normal(count), "nir": nir}
    return TwinPixels(
        layers, {}, names, np.zeros(count), np.zeros(count), np.full(count, 101),
        np.repeat(np.arange(10), 120),
    )  # fmt: skip


def test_a_classifier_is_trained_stored_and_marked(monkeypatch, tmp_path):
    pixels = three_kinds_of_land()
    monkeypatch.setattr(
        "qhsink.steps.train_ecosystem.read_worlds", lambda *_, **__: pixels
    )
    request = TrainRequest(
        "ecosystem",
        twin="worlds",
        out=str(tmp_path),
        epochs=20,
        features=load_twin_training().features["six_bands"],
    )
    made = train_ecosystem(request, load_settings(), report=silent)
    again = train_ecosystem(request, load_settings(), report=silent)
    assert made.id == again.id
    card = check_model(tmp_path, made.id).card["science"]
    assert card["classes"] == ["forest", "grassland", "bare"]
    assert card["accuracy"] > 0.99
    text = (made.folder / "card.md").read_text(encoding="utf-8")
    assert "SIMULATED TRAINING DATA" in text
    assert "Producer's accuracy" in text
    assert "qhsink train ecosystem --twin worlds" in text
    alike = check_model(tmp_path, made.id).card["run"]["halves_alike"]
    assert 0.9 < alike <= 1.0
    assert f"give {alike:.1%} of the land of the samples the same class" in text


def test_ecosystems_are_not_learnt_without_worlds(tmp_path):
    request = TrainRequest("ecosystem", out=str(tmp_path))
    with pytest.raises(BadInput, match="nothing to train ecosystem on"):
        train_ecosystem(request, load_settings(), report=silent)


def test_worlds_and_plots_at_once_are_refused(tmp_path):
    request = TrainRequest("agb_grass", plots="a.csv", twin="b", out=str(tmp_path))
    with pytest.raises(BadInput, match="--plots and --twin at once"):
        run_training(request, load_settings(), report=silent)


def test_the_generated_section_of_the_page_is_replaced_and_nothing_else():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replace_section(page, f"{BEGIN}\nnew\n{END}") == page.replace("old", "new")
    with pytest.raises(ValueError, match="without the marks"):
        replace_section("nothing", "new")


def test_worlds_for_errors_of_totals_are_no_others(tmp_path):
    found = load_residual_worlds()
    judged = (*found.judge_seeds, *found.landscape_judge_seeds)
    seeds = [*load_twin_training().train_seeds, *found.fitted, *judged]
    assert len(set(seeds)) == len(seeds)
    path = tmp_path / "residual_fields.toml"
    near = "landscape_m = 1e5\nlandscape_judge_seeds = [306]\n"
    rest = f"{near}judge_seeds = [305]\nlandscape_fit_seeds = "
    path.write_text(f"squares = 12\nfit_seeds = [301, 302, {seeds[0]}]\n{rest}[307]\n")
    with pytest.raises(ConfigError, match="other worlds for models, for fields"):
        load_residual_worlds(path)
    path.write_text(f"squares = 12\nfit_seeds = [301, 302, 303]\n{rest}[301]\n")
    with pytest.raises(ConfigError, match="other worlds for models, for fields"):
        load_residual_worlds(path)
    path.write_text(f"squares = 99\nfit_seeds = [301, 302, 303]\n{rest}[307]\n")
    with pytest.raises(ConfigError, match="99 squares in 36 regions"):
        load_residual_worlds(path)
    path.write_text(f"squares = 32\nfit_seeds = [301, 302, 303]\n{rest}[307]\n")
    with pytest.raises(ConfigError, match="32 squares in a landscape with room for 12"):
        load_residual_worlds(path)

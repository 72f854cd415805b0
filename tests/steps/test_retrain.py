"""Training all that ships again: what is trained, what is kept, what is compared."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from benchmarks import retrain
from benchmarks.retrained import compare_loaded, compare_opinions
from qhsink.config import load_run_config, load_settings
from qhsink.registry import load_model
from qhsink.registry.files import read_arrays
from qhsink.registry.opinions import save_opinion


@pytest.fixture
def settings(tmp_path):
    return load_settings(store=tmp_path / "store")


def test_all_that_the_configuration_names_is_trained_by_its_cards_own_command(settings):
    works = retrain.shipped_models(settings)
    config = load_run_config(settings.project / "config" / "demo-targets.toml")
    named = {k: v for k, v in config.models.model_dump().items() if v}
    assert {w.name: w.shipped for w in works if w.name != retrain.OPINION} == named
    masks = {path.name for path in (settings.project / "models" / "masks").iterdir()}
    assert {w.shipped for w in works if w.name == retrain.OPINION} == masks
    assert works[0].name == "ecosystem", "the worlds are built once, by the first"
    for work in works:
        if work.name != retrain.OPINION:
            assert work.command[:2] == ("train", work.name)
            assert ("--twin" in work.command) == (work.name != "fvc")


@pytest.fixture
def trained(monkeypatch, settings):
    """Trainings that copy what ships, and a list of what was run."""
    run = []

    def copied(work, settings, *, worlds, out, workers):
        run.append((work.name, workers))
        kind = "masks" if work.name == retrain.OPINION else "."
        source = settings.project / "models" / kind / work.shipped
        target = retrain._folder(out, work, work.shipped)
        shutil.copytree(source, target, dirs_exist_ok=True)
        return work.shipped, 12.0

    monkeypatch.setattr(retrain, "_train", copied)
    return run


def call(settings, tmp_path):
    places = {"worlds": tmp_path / "worlds", "out": tmp_path / "models"}
    return list(retrain.retrain_all(settings, **places, jobs=2))


def test_a_second_call_finds_what_the_first_one_made(settings, tmp_path, trained):
    found = call(settings, tmp_path)
    assert {one.remark for one in found} == {"same digest"}
    assert trained[0] == ("ecosystem", 2)
    assert {workers for _, workers in trained[1:]} == {1}
    count = len(trained)
    again = call(settings, tmp_path)
    assert len(trained) == count
    assert all(one.found and one.cpu_s == 12.0 for one in again)
    shutil.rmtree(tmp_path / "models" / found[1].made)
    call(settings, tmp_path)
    assert trained[count:] == [(found[1].work.name, 1)]


def test_the_time_is_told_in_minutes_of_two_cores(settings, tmp_path, trained):
    found = call(settings, tmp_path)
    told = list(retrain.lines(found, 61.0))
    assert len(told) == len(found) + 1
    cost = f"{12 * len(found)} cpu-s = {len(found) / 10:.1f} min of two cores"
    assert told[-1] == f"{cost}; took 61 s"


def test_the_same_weights_of_a_mask_under_another_code_of_the_twin_are_the_same(
    settings, tmp_path, trained
):
    opinion, other = (
        o for o in call(settings, tmp_path) if o.work.name == retrain.OPINION
    )
    assert {opinion.work.command[-1], other.work.command[-1]} == {"scl", "qa_pixel"}
    shipped = settings.project / "models" / "masks", opinion.made
    assert compare_opinions(shipped, shipped) == "same digest"
    arrays = read_arrays(
        settings.project / "models" / "masks" / opinion.made, "weights.npz"
    )
    parts = {
        "alone": {k: v for k, v in arrays.items() if not k.startswith("compared_")},
        "compared": {
            k.removeprefix("compared_"): v
            for k, v in arrays.items()
            if k.startswith("compared_")
        },
    }
    folder, kind = tmp_path / "models" / "masks", opinion.work.command[-1]
    made = save_opinion(folder, kind, parts, science={"twin": "new"})
    assert made != opinion.made
    assert compare_opinions(shipped, (folder, made)).startswith("same weights")
    for moved, remark in (
        (4e-7, "weights within 1e-06"),
        (1e-4, "other weights; decisions alike on 99."),
        (1e-1, "OTHER: decisions alike on"),
    ):
        off = {
            name: part | {"center": part["center"] + np.float32(moved)}
            for name, part in parts.items()
        }
        made = save_opinion(folder, kind, off, science={"twin": f"moved {moved}"})
        assert compare_opinions(shipped, (folder, made)).startswith(remark)


def test_a_training_that_fails_ends_the_command_with_its_log(settings, tmp_path):
    work = retrain.Work("fvc", "fvc-00000000", ("train", "fvc", "--members", "none"))
    (tmp_path / "models").mkdir()
    with pytest.raises(SystemExit, match="failed; see"):
        retrain.retrain(
            work, settings, worlds=tmp_path, out=tmp_path / "models", workers=1
        )
    log = (tmp_path / "models" / "fvc-00000000.log").read_text()
    assert "Invalid value for '--members'" in log


@pytest.fixture
def cover(settings):
    config = load_run_config(settings.project / "config" / "demo.toml")
    return load_model(settings.project / "models", config.models.fvc)


def moved(model, shift):
    """The model with another digest, whose predictions are higher by ``shift``."""
    *hidden, last = model.ensemble.layers
    bias = last.bias + np.float32(shift)
    layers = (*hidden, dataclasses.replace(last, bias=bias))
    ensemble = dataclasses.replace(model.ensemble, layers=layers)
    return dataclasses.replace(model, ensemble=ensemble, digest="0" * 64)


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (0.0, "same weights"),
        (0.004, "predictions 0.004 apart at most, 0.005 allowed"),
        (0.006, "OTHER PREDICTIONS: 0.006 apart"),
    ],
    ids=["the same weights", "within the card's tolerance", "beyond it"],
)
def test_another_digest_is_judged_by_weights_and_predictions(cover, shift, said):
    assert said in compare_loaded(cover, moved(cover, shift))


def test_a_model_of_other_features_is_another_model(cover, settings):
    config = load_run_config(settings.project / "config" / "demo-targets.toml")
    other = load_model(settings.project / "models", config.models.agb_grass)
    assert compare_loaded(cover, other).startswith("OTHER MODEL")


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (0.003, "other weights; 9"),
        (0.3, "OTHER: "),
    ],
    ids=["moved as by rounding", "moved further than from another start"],
)
def test_a_classifier_is_judged_by_what_its_own_halves_agree_on(settings, noise, said):
    config = load_run_config(settings.project / "config" / "demo-targets.toml")
    shipped = load_model(settings.project / "models", config.models.ecosystem)
    rng = np.random.default_rng(3)
    layers = tuple(
        dataclasses.replace(
            layer,
            weights=layer.weights
            + noise * rng.standard_normal(layer.weights.shape).astype(np.float32),
        )
        for layer in shipped.ensemble.layers
    )
    ensemble = dataclasses.replace(shipped.ensemble, layers=layers)
    found = compare_loaded(shipped, dataclasses.replace(shipped, ensemble=ensemble))
    assert found.startswith(said)
    assert "by halves of the shipped one" in found

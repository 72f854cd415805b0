from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qhsink.cli.models import models
from qhsink.cli.train import train
from qhsink.config import load_model_targets
from qhsink.config.train_twin import load_twin_training
from qhsink.domain.errors import BadInput, ModelError, TableError
from qhsink.mapping import comparison
from qhsink.mapping.applicability import fit
from qhsink.mapping.card import TOLERANCE, interval_rule
from qhsink.mapping.ensemble import Ensemble, Layer, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.folds import consecutive_runs
from qhsink.mapping.training import Recipe, fit_ensemble
from qhsink.registry import (
    MAX_BYTES,
    MODEL_ID,
    check_model,
    list_models,
    load_model,
    read_table,
    save_model,
    tables,
)
from qhsink.registry.files import digest_of, pack
from qhsink.registry.folders import _arrays_of, _shape_of
from qhsink.steps.train_tables import TABLE, TRANSECT_COLUMN, read_samples

SHIPPED = Path(__file__).resolve().parents[1] / "models"


def shipped_cover() -> str:
    """The one model of vegetation cover; other targets learnt from the twin."""
    (model_id,) = (name for name in list_models(SHIPPED) if name.startswith("fvc-"))
    return model_id


@pytest.fixture(scope="module")
def shipped_card() -> dict:
    model_id = shipped_cover()
    return dict(load_model(SHIPPED, model_id).card)


def make_ensemble(seed: int = 0) -> Ensemble:
    rng = np.random.default_rng(seed)
    layers = tuple(
        Layer(
            rng.normal(size=(4, size, out)).astype(np.float32),
            rng.normal(size=(4, out)).astype(np.float32),
        )
        for size, out in ((2, 3), (3, 1))
    )
    center, scale = np.zeros(2, np.float32), np.ones(2, np.float32)
    return Ensemble("fvc", "1", ("ndvi", "nbr"), center, scale, layers, 0.0, 1.0)


@pytest.fixture
def saved(tmp_path, shipped_card) -> tuple[Path, str]:
    return tmp_path, save_model(tmp_path, make_ensemble(), shipped_card)


def test_saved_model_comes_back_as_it_was(saved):
    folder, model_id = saved
    model = load_model(folder, model_id)
    assert model.id == model_id == f"fvc-{model.digest[:8]}"
    assert model.ensemble.features == ("ndvi", "nbr")
    x = np.random.default_rng(1).random((50, 2), dtype=np.float32)
    np.testing.assert_array_equal(
        predict_members(model.ensemble, x), predict_members(make_ensemble(), x)
    )
    assert check_model(folder, model_id).digest == model.digest


def test_saving_again_changes_no_byte(saved, shipped_card):
    folder, model_id = saved
    before = {p.name: p.read_bytes() for p in (folder / model_id).iterdir()}
    assert save_model(folder, make_ensemble(), shipped_card) == model_id
    elsewhere = folder / "elsewhere"
    assert save_model(elsewhere, make_ensemble(), shipped_card) == model_id
    for place in (folder, elsewhere):
        after = {p.name: p.read_bytes() for p in (place / model_id).iterdir()}
        assert after == before
    assert list_models(folder) == (model_id,)


def test_other_weights_or_other_science_is_another_model(saved, shipped_card):
    folder, model_id = saved
    other = save_model(folder, make_ensemble(1), shipped_card)
    science = {**shipped_card["science"], "domain": "elsewhere"}
    third = save_model(folder, make_ensemble(), {**shipped_card, "science": science})
    timed = {**shipped_card, "run": {**shipped_card["run"], "command": "make it"}}
    assert len({model_id, other, third}) == 3
    assert save_model(folder / "new", make_ensemble(), timed) == model_id


def test_a_loaded_model_gives_the_half_width_of_its_interval(saved, shipped_card):
    model = load_model(*saved)
    mean, spread = np.array([0.1, 0.6]), np.array([0.02, 0.03])
    np.testing.assert_array_equal(
        model.interval.half_width(mean, spread),
        interval_rule(shipped_card["science"]).half_width(mean, spread),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda rule: {"factor": rule["factor"][:-1]},
        lambda rule: {"edges": rule["edges"][::-1]},
        lambda rule: {"residual_sd": [-1.0, *rule["residual_sd"][1:]]},
        lambda rule: {"factor": ["2", *rule["factor"][1:]]},
        lambda _: {"edges": None},
        lambda _: {"confidence": 90},
    ],
    ids=[
        "a bin lacks its factor", "edges run downwards", "a negative width", "a text",
        "no edges", "confidence in per cent",
    ],
)  # fmt: skip
def test_a_rule_that_gives_no_width_is_refused_though_the_digest_is_right(
    tmp_path, shipped_card, change
):
    rule = shipped_card["science"]["interval"]
    science = {**shipped_card["science"], "interval": {**rule, **change(rule)}}
    model_id = save_model(
        tmp_path, make_ensemble(), {**shipped_card, "science": science}
    )
    with pytest.raises(ModelError, match=f"model {model_id} is damaged.*interval rule"):
        load_model(tmp_path, model_id)


def test_a_logged_model_comes_back_with_its_factors(tmp_path, shipped_card):
    factors = np.array([1.0, 1.1, 1.2, 1.3], np.float32)
    logged = replace(make_ensemble(), transform="log1p", smearing=factors, high=400.0)
    model_id = save_model(tmp_path, logged, shipped_card)
    found = load_model(tmp_path, model_id).ensemble
    assert found.transform == "log1p"
    np.testing.assert_array_equal(found.smearing, factors)
    replace_weights(tmp_path / model_id, smearing=factors[:2])
    with pytest.raises(ModelError, match=f"model {model_id} is damaged"):
        load_model(tmp_path, model_id)


def test_a_classifier_comes_back_with_its_outputs(tmp_path, shipped_card):
    one = make_ensemble()
    *hidden, last = one.layers
    wide = Layer(np.repeat(last.weights, 3, axis=2), np.repeat(last.bias, 3, axis=1))
    three = replace(one, layers=(*hidden, wide), outputs=3)
    model_id = save_model(tmp_path, three, shipped_card)
    assert load_model(tmp_path, model_id).ensemble.outputs == 3
    assert load_model(tmp_path, model_id).card["science"]["model"]["outputs"] == 3


def test_a_folder_of_the_first_format_still_loads(tmp_path, shipped_card):
    arrays, science = _arrays_of(make_ensemble()), dict(shipped_card["science"])
    science["model"] = _shape_of(make_ensemble())
    del science["model"]["transform"]
    digest = digest_of(arrays, {}, science)
    folder = tmp_path / f"fvc-{digest[:8]}"
    folder.mkdir()
    (folder / "weights.npz").write_bytes(pack(arrays))
    card = {"format": 1, "id": folder.name, "digest": digest, "science": science}
    (folder / "card.json").write_text(json.dumps({**card, "run": {}}))
    model = check_model(tmp_path, folder.name)
    assert model.ensemble.transform == "identity"
    x = np.random.default_rng(1).random((5, 2), dtype=np.float32)
    np.testing.assert_array_equal(
        predict_members(model.ensemble, x), predict_members(make_ensemble(), x)
    )


@pytest.fixture
def fitted_area():
    return fit(np.random.default_rng(3).random((30, 2)), weights=(2, 1))


def test_the_area_of_applicability_comes_back_as_it_was(
    tmp_path, shipped_card, fitted_area
):
    plain = save_model(tmp_path, make_ensemble(), shipped_card)
    area = {"applicability": fitted_area}
    model_id = save_model(tmp_path, make_ensemble(), shipped_card, **area)
    assert model_id != plain
    assert load_model(tmp_path, plain).applicability is None
    found = load_model(tmp_path, model_id).applicability
    new = np.random.default_rng(4).random((20, 2)) * 2
    np.testing.assert_array_equal(
        found.dissimilarity(new), fitted_area.dissimilarity(new)
    )
    np.testing.assert_array_equal(found.training, fitted_area.training)
    assert found.threshold == fitted_area.threshold


def change_threshold(folder: Path) -> None:
    with np.load(folder / "applicability.npz") as file:
        kept = dict(file)
    kept["limits"] = kept["limits"] * 2
    np.savez(folder / "applicability.npz", **kept)


def narrow_predictors(folder: Path) -> None:
    with np.load(folder / "applicability.npz") as file:
        kept = {name: values.astype(np.float32) for name, values in file.items()}
    np.savez(folder / "applicability.npz", **kept)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change_threshold, "digest"),
        (narrow_predictors, "is not finite float64"),
        (lambda folder: (folder / "applicability.npz").unlink(), "digest"),
        (lambda f: (f / "applicability.npz").write_bytes(b"no"), "applicability.npz"),
    ],
    ids=["another threshold", "another type", "taken away", "no archive"],
)
def test_a_tampered_area_is_an_error_that_names_the_model(
    tmp_path, shipped_card, fitted_area, spoil, said
):
    area = {"applicability": fitted_area}
    model_id = save_model(tmp_path, make_ensemble(), shipped_card, **area)
    spoil(tmp_path / model_id)
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path, model_id)
    assert model_id in str(caught.value)
    assert said in str(caught.value)


def test_an_area_of_other_features_does_not_fit(tmp_path, shipped_card):
    other = fit(np.random.default_rng(3).random((30, 3)))
    model_id = save_model(tmp_path, make_ensemble(), shipped_card, applicability=other)
    with pytest.raises(ModelError, match="does not fit the model's features"):
        load_model(tmp_path, model_id)


def test_the_shipped_model_knows_where_it_may_be_applied():
    model_id = shipped_cover()
    model = load_model(SHIPPED, model_id)
    said = model.card["science"]["applicability"]
    assert said["threshold"] == pytest.approx(model.applicability.threshold, abs=5e-5)
    samples, _ = read_samples(SHIPPED / TABLE, column=TRANSECT_COLUMN)
    x = feature_matrix(samples.reflectance, model.ensemble.features)
    np.testing.assert_array_equal(x, model.applicability.predictors)
    again = fit(x, weights=model.applicability.weights, folds=None)
    assert again.mean_distance == pytest.approx(model.applicability.mean_distance)
    flat = {name: np.array([0.9, 0.001]) for name in samples.reflectance}
    odd = feature_matrix(flat, model.ensemble.features)
    index = model.applicability.dissimilarity(odd)
    assert not model.applicability.is_inside(index).any()


def test_a_failed_save_leaves_nothing(tmp_path, shipped_card):
    with pytest.raises(TypeError):
        save_model(
            tmp_path, make_ensemble(), shipped_card, pictures={"a.png": "no bytes"}
        )
    assert list(tmp_path.iterdir()) == []


def edit_card(folder: Path, change) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def replace_weights(folder: Path, **arrays) -> None:
    with np.load(folder / "weights.npz") as file:
        kept = dict(file)
    np.savez(folder / "weights.npz", **{**kept, **arrays})


def drop_last_layer(folder: Path) -> None:
    with np.load(folder / "weights.npz") as file:
        kept = {name: file[name] for name in file.files if not name.endswith("_1")}
    np.savez(folder / "weights.npz", **kept)


def swell(folder: Path) -> None:
    with zipfile.ZipFile(folder / "weights.npz", "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.npy", bytes(MAX_BYTES + 1))


def claim_vast_shape(folder: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }"
    padded = header.ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded
    with zipfile.ZipFile(folder / "weights.npz", "w") as file:
        file.writestr("scale.npy", array + bytes(16))


TAMPERED = {
    "a weight changed": lambda f: replace_weights(
        f, scale=np.array([1, 1.001], np.float32)
    ),
    "an array added": lambda f: replace_weights(f, extra=np.ones(3, np.float32)),
    "double precision": lambda f: replace_weights(f, scale=np.ones(2)),
    "weights not finite": lambda f: replace_weights(
        f, scale=np.array([np.nan, 1], np.float32)
    ),
    "a pickled object": lambda f: replace_weights(
        f, scale=np.array([{"a": 1}], object)
    ),
    "a layer gone": drop_last_layer,
    "weights unpack too large": swell,
    "weights truncated": lambda f: (f / "weights.npz").write_bytes(
        (f / "weights.npz").read_bytes()[:200]
    ),
    "weights are no archive": lambda f: (f / "weights.npz").write_bytes(b"no"),
    "weights file too large": lambda f: (f / "weights.npz").write_bytes(
        bytes(MAX_BYTES + 1)
    ),
    "weights missing": lambda f: (f / "weights.npz").unlink(),
    "score improved": lambda f: edit_card(
        f,
        lambda c: c["science"]["validation"]["runs"]["models"]["ensemble"].update(
            r2=0.99
        ),
    ),
    "valid range changed": lambda f: edit_card(
        f, lambda c: c["science"]["model"].update(high=2.0)
    ),
    "digest replaced": lambda f: edit_card(f, lambda c: c.update(digest="0" * 64)),
    "card of another format": lambda f: edit_card(f, lambda c: c.update(format=99)),
    "card without science": lambda f: edit_card(f, lambda c: c.pop("science")),
    "card is no JSON": lambda f: (f / "card.json").write_text("{"),
    "card is nested too deep": lambda f: (f / "card.json").write_text("[" * 100_000),
    "array claims a vast shape": claim_vast_shape,
    "card is a list": lambda f: (f / "card.json").write_text("[]"),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_tampered_model_is_refused_by_name(saved, tamper):
    folder, model_id = saved
    tamper(folder / model_id)
    with pytest.raises(ModelError, match=f"model {model_id} is damaged or foreign"):
        load_model(folder, model_id)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(["weights.npz", "card.json"]),
    place=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255),
)
def test_any_changed_byte_is_refused_or_changes_nothing(saved, name, place, flip):
    folder, model_id = saved
    path = folder / model_id / name
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[int(place * len(spoilt))] ^= flip
    path.write_bytes(bytes(spoilt))
    try:
        with pytest.raises(ModelError, match=model_id):
            refuse_unless_alike(folder, model_id)
    finally:
        path.write_bytes(whole)


def refuse_unless_alike(folder: Path, model_id: str) -> None:
    """Pass ModelError on; raise one, too, when what was loaded predicts the same.

    A byte may lie in an unused field of the archive or outside the digest.
    """
    model = load_model(folder, model_id)
    x = np.full((1, 2), 0.3, np.float32)
    np.testing.assert_array_equal(
        predict_members(model.ensemble, x), predict_members(make_ensemble(), x)
    )
    raise ModelError(f"{model_id} alike", expected="this", remedy="None needed.")


def test_card_whose_run_part_is_spoilt_is_found_by_check(saved):
    folder, model_id = saved
    edit_card(folder / model_id, lambda c: c.update(run=[]))
    with pytest.raises(ModelError, match=f"model {model_id} is damaged"):
        check_model(folder, model_id)


def test_folder_that_cannot_be_written_is_refused_before_training(tmp_path):
    table = write_table(tmp_path / "plots.csv")
    blocked = tmp_path / "plots.csv" / "models"
    done = run_train("--table", str(table), "--out", str(blocked))
    assert isinstance(done.exception, BadInput)
    assert "cannot be written to" in str(done.exception)
    assert "fold" not in done.output


def test_model_under_another_name_is_refused(saved):
    folder, model_id = saved
    (folder / model_id).rename(folder / "fvc-00000000")
    with pytest.raises(ModelError, match="model fvc-00000000 is damaged or foreign"):
        load_model(folder, "fvc-00000000")


def test_card_in_words_that_differs_is_found_by_check_alone(saved):
    folder, model_id = saved
    path = folder / model_id / "card.md"
    path.write_text(path.read_text().replace("0.8", "0.9"))
    assert load_model(folder, model_id).id == model_id
    with pytest.raises(ModelError, match=r"card\.md differs"):
        check_model(folder, model_id)


@pytest.mark.parametrize("wrong", ["fvc-ffffffff", "latest", "../fvc-00000000", ""])
def test_unknown_id_lists_the_models_there(saved, wrong):
    folder, model_id = saved
    with pytest.raises(ModelError, match=rf"no model .*there: {model_id}\)"):
        load_model(folder, wrong)


def test_folder_without_models_says_so(tmp_path):
    assert list_models(tmp_path / "absent") == ()
    with pytest.raises(ModelError, match=r"there: none\).*qhsink train fvc"):
        load_model(tmp_path, "fvc-00000000")


def test_shipped_models_are_whole_small_and_named_by_the_configuration():
    names = list_models(SHIPPED)
    config = SHIPPED.parent / "config"
    configured = "".join(
        (config / file).read_text() for file in ("monitor.toml", "demo-targets.toml")
    )
    for name in names:
        assert f'{name.rpartition("-")[0]} = "{name}"' in configured
    for name in names:
        assert MODEL_ID.fullmatch(name)
        check_model(SHIPPED, name)
        size = sum(p.stat().st_size for p in (SHIPPED / name).iterdir())
        assert size < 2_000_000


def simulated_models():
    """Every shipped model that learnt from the twin, by id."""
    found = [load_model(SHIPPED, name) for name in list_models(SHIPPED)]
    return [pytest.param(model, id=model.id) for model in found if model.simulated]


@pytest.mark.parametrize("model", simulated_models())
def test_a_model_of_the_twin_is_what_the_configuration_would_train_now(model):
    made, target = model.ensemble, model.ensemble.target
    assert made.features == load_twin_training().features_of(target)
    table = load_model_targets(SHIPPED.parent)
    if target == "ecosystem":
        assert made.outputs == len(model.card["science"]["classes"])
        return
    known = table.get(target)
    stated = (known.unit, known.low, known.high, known.transform)
    assert (made.unit, made.low, made.high, made.transform) == stated


@pytest.mark.parametrize("model", simulated_models())
def test_a_model_of_the_twin_keeps_up_with_the_best_on_the_same_folds(model):
    science = model.card["science"]
    if "classes" in science:
        pytest.skip("classes are not compared with trees")
    rows = science["validation"]["runs"]["models"]
    best = max(row["r2"] for row in rows.values())
    assert best - rows["ensemble"]["r2"] <= 0.01


def test_shipped_model_beats_every_baseline_on_both_kinds_of_folds(shipped_card):
    for kind in ("runs", "clusters"):
        scores = dict(shipped_card["science"]["validation"][kind]["models"])
        ours = scores.pop("ensemble")
        assert ours["r2"] >= 0.81
        assert len(scores) == 9
        for name, row in scores.items():
            assert ours["r2"] > row["r2"], name
            assert ours["rmse"] < row["rmse"], name


def test_shipped_card_says_that_it_keeps_up_with_the_best_and_is_faster():
    model_id = shipped_cover()
    text = (SHIPPED / model_id / "card.md").read_text()
    assert "kept (at most 0.01 is asked)" in text
    assert "kept (at least 20 is asked)" in text
    assert "not kept" not in text


def test_random_folds_are_in_the_shipped_card_for_what_they_are(shipped_card):
    kinds = shipped_card["science"]["validation"]
    assert list(kinds) == ["runs", "clusters", "random"]
    flattered = kinds["random"]["models"]["ensemble"]["r2"]
    assert flattered >= kinds["clusters"]["models"]["ensemble"]["r2"]


def test_shipped_intervals_hold_what_they_promise(shipped_card):
    science = shipped_card["science"]
    for kind in ("runs", "clusters"):
        part = science["validation"][kind]
        assert 0.88 <= part["interval_coverage"] <= 0.92
        assert all(0.85 <= row["coverage"] <= 0.95 for row in part["by_predicted"])
    rule = interval_rule(science)
    width = rule.half_width(np.array([0.02, 0.6]), np.array([0.01, 0.03]))
    assert 0.03 < width[0] < width[1] < 0.35


def test_definition_holds_in_the_shipped_table():
    columns = ("pv", "npv", "bare", "pg")
    table = read_table(SHIPPED / TABLE, columns)
    total = table["pv"] + table["npv"] + table["bare"]
    assert len(table) == 3937
    assert int((total - 1).abs().le(0.01).sum()) == 3935
    assert not (table["pg"] > table["pv"]).any()
    equal = np.isclose(table["pg"], table["pv"]) & (table["pg"] > 0)
    assert int(equal.sum()) == 339


def test_shipped_table_holds_the_values_of_its_source(shared_dir):
    text = shared_dir / "data" / "fractionalcover3_field_sites" / "training_data.json"
    source = json.loads(text.read_text())
    names = {"pv": "pv", "green": "b2", "red": "b3", "nir": "b4", "swir22": "b7"}
    table = read_table(SHIPPED / TABLE, tuple(names))
    for ours, theirs in names.items():
        original = [source[theirs][str(row)] for row in range(len(table))]
        np.testing.assert_array_equal(table[ours], original)


def test_shipped_model_tells_meadow_from_desert():
    model_id = shipped_cover()
    ensemble = load_model(SHIPPED, model_id).ensemble
    pixels = {  # dense meadow, sparse steppe, bare desert
        "green": np.array([0.07, 0.12, 0.20]),
        "red": np.array([0.04, 0.15, 0.26]),
        "nir": np.array([0.42, 0.25, 0.31]),
        "swir16": np.array([0.19, 0.31, 0.38]),
        "swir22": np.array([0.08, 0.24, 0.34]),
    }
    mean = predict_members(ensemble, feature_matrix(pixels, ensemble.features)).mean(1)
    assert mean[0] > 0.7
    assert 0.05 < mean[1] < 0.4
    assert mean[2] < 0.08


def write_table(path: Path, count: int = 260) -> Path:
    rng = np.random.default_rng(0)
    cover = rng.random(count)
    columns = {
        "pv": cover,
        "green": 0.15 - 0.08 * cover,
        "red": 0.20 - 0.15 * cover,
        "nir": 0.25 + 0.20 * cover,
        "swir16": 0.35 - 0.15 * cover,
        "swir22": 0.30 - 0.20 * cover,
    }
    noisy = {
        name: np.clip(values + rng.normal(0, 0.004, count), 0.01, 1)
        for name, values in columns.items()
    }
    rows = np.stack(list(noisy.values()), axis=1)
    np.savetxt(path, rows, delimiter=",", header=",".join(noisy), comments="")
    return path


@pytest.fixture
def few_rivals(monkeypatch):
    """Compare with the linear models alone: forests take seconds."""
    full = comparison.baselines

    def quick(*arguments, **options):
        found = full(*arguments, **options)
        return {name: fit for name, fit in found.items() if "linear" in name}

    monkeypatch.setattr(comparison, "baselines", quick)


def run_train(*arguments: str):
    return CliRunner().invoke(train, ["fvc", *arguments])


def test_reduced_training_twice_gives_the_same_digest(tmp_path, few_rivals):
    pytest.importorskip("sklearn")
    table = write_table(tmp_path / "plots.csv")
    found = []
    for name in ("one", "two"):
        out = tmp_path / name
        done = run_train(
            *("--table", str(table), "--members", "2", "--epochs", "3"),
            *("--out", str(out)),
        )
        assert done.exit_code == 0, done.output
        (model_id,) = list_models(out)
        found.append(check_model(out, model_id))
        assert (out / model_id / "validation.png").read_bytes()[:4] == b"\x89PNG"
        assert "Permutation importance" in (out / model_id / "card.html").read_text()
    assert found[0].digest == found[1].digest
    card = found[0].card
    assert "A user's table" in card["science"]["source"]["title"]
    assert "Australia" not in json.dumps(card["science"])
    assert str(tmp_path) not in json.dumps(card)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.replace("pv,", "cover,", 1), "without column 'pv'"),
        (
            lambda _: "pv,green,red,nir,swir16,swir22\n" + "True,0,0,0,0,0\n" * 260,
            "row 2: pv = 'True'; expected a finite number",
        ),
        (lambda t: t + "x,1,1,1,1,1\n", "row 262: pv = 'x'; expected a finite"),
        (lambda t: t + "40,1,1,1,1,1\n", "1 with pv outside 0..1 or reflectance"),
        (lambda t: "\n".join(t.splitlines()[:50]), "49 distinct rows"),
        (lambda _: "", "cannot be read"),
    ],
    ids=[
        "column missing",
        "true is no number",
        "no number",
        "percent",
        "too few rows",
        "empty",
    ],
)
def test_unusable_table_is_refused_before_training(tmp_path, spoil, message):
    path = write_table(tmp_path / "plots.csv")
    path.write_text(spoil(path.read_text()))
    done = run_train("--table", str(path), "--out", str(tmp_path))
    assert isinstance(done.exception, TableError)
    assert message in str(done.exception)
    assert list_models(tmp_path) == ()


def packed_bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(b"pv\n" + b"1\n" * 10**6))


def packed_torn(path: Path) -> None:
    content = gzip.compress(b"pv\n" + b"0.5\n" * 99)
    path.write_bytes(content[: len(content) // 2])


def packed_garbled(path: Path) -> None:
    content = bytearray(gzip.compress(b"pv,green\n1,2\n" * 999, mtime=0))
    content[12:30] = bytes(18)
    path.write_bytes(content)


def not_packed(path: Path) -> None:
    path.write_bytes(b"pv,green\n1,2\n")


@pytest.mark.parametrize(
    "spoil",
    [packed_bomb, packed_torn, packed_garbled, not_packed],
    ids=["unpacks to too much", "torn", "garbled", "no gzip at all"],
)
def test_a_packed_table_is_read_without_trust(tmp_path, monkeypatch, spoil):
    monkeypatch.setattr(tables, "MAX_UNPACKED", 10**6)
    path = tmp_path / "plots.csv.gz"
    spoil(path)
    with pytest.raises(TableError, match=r"plots\.csv\.gz cannot be read"):
        read_table(path, ("pv",))


def test_values_filled_in_from_a_column_that_is_no_band_are_reported(tmp_path):
    path = write_table(tmp_path / "plots.csv")
    table = pd.read_csv(path)
    table["height"] = np.random.default_rng(0).uniform(0, 1, len(table))
    filled = np.arange(len(table)) % 3 == 0
    table.loc[filled, "pv"] = 0.05 + 0.7 * table.loc[filled, "height"]
    table.to_csv(path, index=False)
    _, found = read_samples(path, column="pv")
    (doubt,) = found["doubts"]
    assert f"{filled.sum()} of {len(table)} values of column 'pv'" in doubt
    assert "'height'" in doubt


def add_columns(path: Path, sites: int, *, copied: bool = False) -> Path:
    table = pd.read_csv(path).rename(columns={"pv": "cover"})
    if copied:
        table["swir22"] = 0.02 + 0.8 * table["swir16"]
    table["site"] = [f"site {row % sites}" for row in range(len(table))]
    table.to_csv(path, index=False)
    return path


def test_a_table_is_trained_with_its_own_target_and_groups(tmp_path, few_rivals):
    table = add_columns(write_table(tmp_path / "plots.csv"), 13, copied=True)
    done = run_train(
        *("--table", str(table), "--target", "cover", "--group", "site"),
        *("--members", "2", "--epochs", "3", "--out", str(tmp_path)),
    )
    assert done.exit_code == 0, done.output
    assert "column 'swir16' is 1.25 times 'swir22' plus -0.025" in done.output
    (model_id,) = list_models(tmp_path)
    card = check_model(tmp_path, model_id).card
    assert card["science"]["validation"]["runs"]["groups"] == 13
    assert "(column cover)" in card["science"]["definition"]["en"]
    text = (tmp_path / model_id / "card.md").read_text()
    assert "5 folds over 13 groups of column site" in text
    assert "it looks computed, not measured" in text
    assert "--target cover --group site" in text


@pytest.mark.parametrize(
    ("sites", "asked", "said"),
    [
        (4, "site", "column 'site': 0 gaps and 4 groups"),
        (9, "county", "column 'county': absent"),
    ],
)
def test_groups_that_make_no_folds_are_refused(tmp_path, sites, asked, said):
    table = add_columns(write_table(tmp_path / "plots.csv"), sites)
    done = run_train(
        *("--table", str(table), "--target", "cover", "--group", asked),
        *("--out", str(tmp_path)),
    )
    assert isinstance(done.exception, TableError)
    assert said in str(done.exception)


def test_a_band_is_no_target(tmp_path):
    table = write_table(tmp_path / "plots.csv")
    done = run_train("--table", str(table), "--target", "nir")
    assert isinstance(done.exception, BadInput)
    assert "a band or layer that the model reads" in str(done.exception)


def test_a_group_without_a_table_is_refused():
    done = run_train("--group", "site")
    assert done.exit_code == 2
    assert "name one" in done.output


def test_the_shipped_table_holds_no_computed_looking_column():
    _, source = read_samples(SHIPPED / TABLE, column=TRANSECT_COLUMN)
    assert "doubts" not in source


def test_models_can_be_listed_shown_and_checked(saved):
    folder, model_id = saved
    where = ("--models-dir", str(folder))
    listed = CliRunner().invoke(models, ["list", *where]).output
    assert listed.startswith(f"{model_id}  4 members  R2 0.8")
    shown = CliRunner().invoke(models, ["show", model_id, *where]).output
    assert shown.strip() == (folder / model_id / "card.md").read_text().strip()
    checked = CliRunner().invoke(models, ["check", model_id, *where]).output
    assert checked.startswith(f"{model_id}: whole; digest ")
    same = run_train("--check", model_id, "--out", str(folder)).output
    assert same == checked


def refit_shipped(shipped_card: dict) -> Ensemble:
    samples, _ = read_samples(SHIPPED / TABLE, column=TRANSECT_COLUMN)
    known = shipped_card["science"]["recipe"]
    names = tuple(entry["name"] for entry in shipped_card["science"]["features"])
    recipe = replace(
        Recipe(**{**known, "hidden": tuple(known["hidden"])}), features=names
    )
    groups = consecutive_runs(len(samples.target), length=recipe.run_length)
    return fit_ensemble(samples, recipe, groups)


@pytest.mark.slow
def test_refitting_the_shipped_model_gives_its_predictions(shipped_card):
    model_id = shipped_cover()
    shipped = load_model(SHIPPED, model_id).ensemble
    again = refit_shipped(shipped_card)
    samples, _ = read_samples(SHIPPED / TABLE, column=TRANSECT_COLUMN)
    features = feature_matrix(samples.reflectance, shipped.features)
    gap = predict_members(again, features).mean(1) - predict_members(
        shipped, features
    ).mean(1)
    assert np.abs(gap).max() <= TOLERANCE


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_retraining_in_full_gives_the_shipped_digest_or_its_predictions(
    tmp_path, shipped_card
):
    done = run_train("--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    (again,) = list_models(tmp_path)
    shipped = shipped_cover()
    if again != shipped:
        samples, _ = read_samples(SHIPPED / TABLE, column=TRANSECT_COLUMN)
        one, two = (
            load_model(folder, name).ensemble
            for folder, name in ((SHIPPED, shipped), (tmp_path, again))
        )
        features = feature_matrix(samples.reflectance, one.features)
        gap = predict_members(one, features).mean(1) - predict_members(
            two, features
        ).mean(1)
        assert np.abs(gap).max() <= TOLERANCE

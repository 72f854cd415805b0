"""Second opinions on disk: complete, verified, never a pickle."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qhsink.config import load_run_config
from qhsink.domain.errors import ConfigError, ModelError
from qhsink.imagery.second_opinion import ALONE, COMPARED
from qhsink.registry.opinions import load_opinion, save_opinion
from qhsink.steps.compositing import composite_key


def weights(width):
    rng = np.random.default_rng(0)
    arrays = {
        "center": np.zeros(width),
        "scale": np.ones(width),
        "hidden": rng.normal(size=(width, 3)),
        "hidden_bias": np.zeros(3),
        "output": rng.normal(size=3),
        "limits": [0.25, 0.75, 0.5],
    }
    return {name: np.asarray(v, np.float32) for name, v in arrays.items()}


SIMULATED = {"provenance": "simulated"}


@pytest.fixture
def saved(tmp_path):
    parts = {"alone": weights(len(ALONE)), "compared": weights(len(COMPARED))}
    name = save_opinion(tmp_path, "qa_pixel", parts, science=SIMULATED)
    return tmp_path, name, parts


def test_what_was_saved_is_loaded(saved):
    folder, name, parts = saved
    found = load_opinion(folder, name)
    assert (found.id, found.kind) == (name, "qa_pixel")
    for part in ("alone", "compared"):
        read = getattr(found, part)
        np.testing.assert_array_equal(read.hidden, parts[part]["hidden"])
        assert (read.output_bias, read.reject, read.rescue) == (0.25, 0.75, 0.5)


def test_one_that_compares_nothing_is_another(saved):
    folder, name, parts = saved
    plain = {"alone": parts["alone"]}
    other = save_opinion(folder, "qa_pixel", plain, science=SIMULATED)
    assert other != name
    assert load_opinion(folder, other).compared is None


def test_the_same_again_is_the_same_folder(saved):
    folder, name, parts = saved
    assert save_opinion(folder, "qa_pixel", parts, science=SIMULATED) == name
    assert save_opinion(folder, "scl", parts, science=SIMULATED) != name
    other = {"provenance": "else"}
    assert save_opinion(folder, "qa_pixel", parts, science=other) != name


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "weights.npz").write_bytes(b"PK nothing"),
        lambda f: np.savez(f / "weights.npz", hidden=np.array([{}], object)),
        lambda f: (f / "card.json").write_text("{}"),
        lambda f: _edit(f, lambda card: card["science"].update(provenance="observed")),
        lambda f: _edit(f, lambda card: card.update(format=9)),
        lambda f: _edit(f, lambda card: card["science"].update(masks="fmask")),
    ],
    ids=[
        "bytes",
        "a pickle",
        "no card",
        "another claim",
        "another format",
        "unknown masks",
    ],
)
def test_a_damaged_folder_is_refused_by_name(saved, damage):
    folder, name, _ = saved
    damage(folder / name)
    with pytest.raises(ModelError, match=name):
        load_opinion(folder, name)


def _edit(folder, change):
    card = json.loads((folder / "card.json").read_text("utf-8"))
    change(card)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


@pytest.mark.parametrize("name", ["cloud-12345678", "../models", "fvc-c6dd2fab"])
def test_an_unknown_one_is_refused_with_those_that_are_there(saved, name):
    folder, there, _ = saved
    with pytest.raises(ModelError, match=f"there: {there}"):
        load_opinion(folder, name)


def test_the_shipped_ones_load(project_folder):
    folder = project_folder / "models" / "masks"
    names = [path.name for path in folder.iterdir()]
    found = [load_opinion(folder, name) for name in names]
    assert [opinion.id for opinion in found] == names
    assert {(o.kind, o.compared is not None) for o in found} == {
        ("scl", True),
        ("qa_pixel", True),
    }


def test_the_option_is_part_of_the_composites_key_and_must_be_an_id(
    project_folder, tmp_path
):
    parent = (project_folder / "config" / "monitor.toml").as_posix()
    digests = []
    for name in ("", "cloud-12345678"):
        path = tmp_path / "run.toml"
        path.write_text(f'extends = "{parent}"\n[masks]\nsecond_opinion = "{name}"\n')
        config = load_run_config(path)
        grid = config.grid.build()
        key = composite_key([], config, grid=grid, tile="t", kind="peak")
        digests.append(key.digest)
    assert digests[0] != digests[1]
    path.write_text(f'extends = "{parent}"\n[masks]\nsecond_opinion = "latest"\n')
    with pytest.raises(ConfigError, match=r"masks.second_opinion = 'latest'"):
        load_run_config(path)

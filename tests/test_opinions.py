"""Second opinions on disk: complete, verified, never a pickle."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qhsink.config import load_run_config
from qhsink.domain.errors import ConfigError, ModelError
from qhsink.imagery.second_opinion import FEATURES
from qhsink.registry.opinions import load_opinion, save_opinion
from qhsink.steps.compositing import composite_key


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(0)
    width = len(FEATURES)
    arrays = {
        "center": np.zeros(width),
        "scale": np.ones(width),
        "hidden": rng.normal(size=(width, 3)),
        "hidden_bias": np.zeros(3),
        "output": rng.normal(size=3),
        "limits": [0.25, 0.75, 0.5],
    }
    arrays = {name: np.asarray(v, np.float32) for name, v in arrays.items()}
    name = save_opinion(tmp_path, arrays, science={"provenance": "simulated"})
    return tmp_path, name, arrays


def test_what_was_saved_is_loaded(saved):
    folder, name, arrays = saved
    found = load_opinion(folder, name)
    assert found.id == name
    np.testing.assert_array_equal(found.hidden, arrays["hidden"])
    assert (found.output_bias, found.reject, found.rescue) == (0.25, 0.75, 0.5)


def test_the_same_again_is_the_same_folder(saved):
    folder, name, arrays = saved
    assert save_opinion(folder, arrays, science={"provenance": "simulated"}) == name
    assert save_opinion(folder, arrays, science={"provenance": "else"}) != name


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "weights.npz").write_bytes(b"PK nothing"),
        lambda f: np.savez(f / "weights.npz", hidden=np.array([{}], object)),
        lambda f: (f / "card.json").write_text("{}"),
        lambda f: _edit(f, lambda card: card["science"].update(provenance="observed")),
        lambda f: _edit(f, lambda card: card.update(format=9)),
    ],
    ids=["bytes", "a pickle", "no card", "another claim", "another format"],
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
    assert names
    assert [load_opinion(folder, name).id for name in names] == names


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

"""Configuration is frozen, complete and says what is wrong with it."""

from __future__ import annotations

import pickle
import shutil

import pytest

from qhsink.config import (
    load_model_targets,
    load_run_config,
    load_settings,
    load_sources,
    load_targets,
    project_dir,
)
from qhsink.domain.errors import ConfigError, QhsinkError, Refusal, SourceError


@pytest.fixture
def project(tmp_path, project_folder):
    shutil.copytree(project_folder / "config", tmp_path / "config")
    return tmp_path


def edit(project, name, old, new):
    path = project / "config" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["monitor.toml", "demo.toml", "demo-targets.toml", "landsat.toml", "coarse.toml"],
)
def test_every_run_configuration_shipped_is_complete(project_folder, name):
    config = load_run_config(project_folder / "config" / name)
    assert config.grid.build().pixel_size == config.grid.pixel_size_m


def test_every_target_and_the_classifier_may_be_named_under_models(project_folder):
    targets = [target.id for target in load_model_targets(project_folder).targets]
    choice = load_run_config(project_folder / "config" / "demo-targets.toml").models
    assert set(type(choice).model_fields) == {*targets, "ecosystem"}
    assert all(choice.of(name) for name in (*targets, "ecosystem"))
    assert choice.of("no_such_target") is None


def test_models_of_real_scenes_learnt_from_real_plots(project_folder):
    """A model of the twin may only be named for the twin's own archive."""
    for name in ("monitor.toml", "landsat.toml"):
        choice = load_run_config(project_folder / "config" / name).models
        assert {k for k, v in choice.model_dump().items() if v} == {"fvc"}


def test_the_production_pixel_is_one_that_the_sensors_have(project_folder):
    config = load_run_config(project_folder / "config" / "monitor.toml")
    assert config.grid.pixel_size_m in {10.0, 20.0, 30.0}


def test_every_source_names_a_run_configuration_that_exists(project_folder):
    for source in load_sources(project_folder).values():
        assert (project_folder / "config" / source.run_config).is_file()


def test_every_source_and_target_shipped_is_read(project_folder):
    assert {"demo", "earth-search"} <= set(load_sources(project_folder))
    targets = {target.id: target for target in load_targets(project_folder)}
    assert len(targets) == len(load_targets(project_folder))
    policy = [t for t in targets.values() if t.kind == "policy" and t.year == 2025]
    values = {t.indicator: t.value for t in policy}
    assert values["cvcg"] == pytest.approx(0.585)
    assert values["growing_stock"] == pytest.approx(53e6)


def test_what_a_file_extends_lies_beneath_it(project_folder):
    demo = load_run_config(project_folder / "config" / "demo.toml")
    monitor = load_run_config(project_folder / "config" / "monitor.toml")
    assert demo.grid.pixel_size_m != monitor.grid.pixel_size_m
    assert demo.models == monitor.models


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pixel_size_m", "pixel_sise_m", "Did you mean 'pixel_size_m'?"),
        ("[season]", "[seasson]", "Did you mean 'season'?"),
        ("min_valid_share = 0.6", "min_valid_share = 6", "less than or equal to 1"),
        ("confidence = 0.90", "", "'estimate.confidence' is missing"),
        ("tile_px = 1024", "tile_px = 'big'", "valid integer"),
        ("[grid]", "[grid", "valid TOML"),
    ],
    ids=[
        "a misspelt key",
        "a misspelt section",
        "a share above one",
        "a missing key",
        "a word for a number",
        "a broken file",
    ],
)
def test_one_line_says_what_is_wrong_with(project, old, new, said):
    edit(project, "monitor.toml", old, new)
    with pytest.raises(ConfigError) as caught:
        load_run_config(project / "config" / "monitor.toml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "monitor.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(project):
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_run_config(project / "config" / "nowhere.toml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'extends = "own.toml"', "own.toml -> own.toml"),
        (b'extends = "next.toml"', "own.toml -> next.toml -> own.toml"),
        (b"extends = 5", "extends = 5"),
        (b"[grid]\ncrs = '\xd6\xd0'", "byte 14 is not UTF-8"),
        (None, "Is a directory"),
    ],
    ids=["itself", "in a circle", "a number", "GBK text", "a folder"],
)
def test_a_file_that_cannot_be_read_through_is_one_line(project, content, said):
    own = project / "config" / "own.toml"
    if content is None:
        own.mkdir()
    else:
        own.write_bytes(content)
        own.with_name("next.toml").write_text('extends = "own.toml"')
    with pytest.raises(ConfigError) as caught:
        load_run_config(own)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_target_with_an_unknown_key_is_named(project):
    edit(project, "targets.toml", "baseline_year", "baselin_year")
    with pytest.raises(ConfigError, match="Did you mean 'baseline_year'"):
        load_targets(project)


def test_the_project_folder_may_be_named_by_the_environment(
    project, monkeypatch, tmp_path
):
    monkeypatch.setenv("QHSINK_HOME", str(project))
    assert project_dir() == project
    assert load_settings().store == project / "work" / "store"
    monkeypatch.setenv("QHSINK_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="QHSINK_HOME"):
        project_dir()


@pytest.mark.parametrize("kind", [ConfigError, SourceError, Refusal])
def test_an_error_says_found_expected_and_remedy(kind):
    error = kind("a stone", expected="bread", remedy="Bake.")
    assert str(error) == "a stone; expected bread. Bake."
    assert isinstance(error, QhsinkError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), type(again)) == (str(error), kind)

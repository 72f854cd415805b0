"""Targets of regressors: what the shipped table says, and what is refused."""

from __future__ import annotations

import shutil

import pytest

from qhsink.config import load_model_targets
from qhsink.domain.errors import BadInput, ConfigError
from qhsink.domain.model_target import UINT16_VALUES


@pytest.fixture
def project(tmp_path, project_folder):
    (tmp_path / "config").mkdir()
    name = "model_targets.toml"
    shutil.copy(project_folder / "config" / name, tmp_path / "config" / name)
    return tmp_path


def edit(project, old, new):
    path = project / "config" / "model_targets.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_six_targets_have_unit_range_and_definition(project_folder):
    table = load_model_targets(project_folder)
    units = {target.id: target.unit for target in table.targets}
    assert units == {
        "fvc": "1",
        "canopy_cover": "1",
        "shrub_cover": "1",
        "agb_grass": "g DM m-2",
        "agb_forest": "Mg DM ha-1",
        "growing_stock": "m3 ha-1",
    }
    for target in table.targets:
        assert target.reference_zh
        assert target.reference_en
        assert target.map_step * UINT16_VALUES >= target.high


def test_grass_biomass_is_a_peak_season_target(project_folder):
    grass = load_model_targets(project_folder).get("agb_grass")
    assert grass.in_season("07-15")
    assert grass.in_season("08-31")
    assert not grass.in_season("07-14")
    assert not grass.in_season("09-01")
    assert grass.composites == ("peak",)


def test_wetland_stands_before_grassland_so_that_marsh_is_counted_once(project_folder):
    order = [entry.id for entry in load_model_targets(project_folder).ecosystems]
    assert order.index("wetland") < order.index("grassland")


def test_trees_and_herbs_share_no_ecosystem(project_folder):
    table = load_model_targets(project_folder)
    trees, herbs = table.get("agb_forest"), table.get("agb_grass")
    assert not set(trees.ecosystems) & set(herbs.ecosystems)
    assert table.codes_of(trees.ecosystems) == (1,)


def test_an_unknown_target_is_refused_with_those_known(project_folder):
    with pytest.raises(BadInput, match=r"'agb'; expected one of fvc, canopy_cover"):
        load_model_targets(project_folder).get("agb")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("high = 1.0", "high = -1.0", "0 <= low < high"),
        ("high = 1500.0", "high = 1e9", "65 534 steps"),
        ('season_start = "07-15"', 'season_start = "7-15"', "MM-DD"),
        ('season_start = "07-15"', 'season_start = "09-15"', "ends after it starts"),
        ('transform = "log1p"', 'transform = "cube"', "'log1p'"),
        ('ecosystems = ["shrubland"]', 'ecosystems = ["jungle"]', "jungle"),
        ("code = 2", "code = 1", "each code once"),
        ('id = "shrubland"', 'id = "forest"', "'forest' twice"),
        ('area_id = "arbor_area"', "", "area_from without area_id"),
        ("map_step =", "map_stepp =", "Did you mean 'map_step'?"),
        ("[precedence]", "[precedense]", "unknown table 'precedense'"),
        ("tie = 0.0", "tie = 5", "less than or equal to 1"),
    ],
    ids=[
        "a range that is upside down",
        "a range that no map can hold",
        "a day that is no day",
        "a season that ends before it starts",
        "an unknown transform",
        "an unknown ecosystem",
        "a code used twice",
        "a class named twice",
        "a limit without an area",
        "a misspelt key",
        "a misspelt table",
        "a tie above one",
    ],
)
def test_one_line_says_what_is_wrong_with(project, old, new, said):
    edit(project, old, new)
    with pytest.raises(ConfigError) as caught:
        load_model_targets(project)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "model_targets.toml" in str(caught.value)

"""``qhsink carbon``: a table to a balance, its uncertainty, its page."""

from __future__ import annotations

import json
import math
import re

import pytest
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.config import load_factor_choices, load_factors
from qhsink.domain.errors import BadInput, ConfigError, Refusal, TableError

HEAD = "ecosystem,quantity,value,se,unit\n"
GRASS = "grassland,area,395000,4000,km2\ngrassland,biomass,68.8,5,g d.m. m-2\n"
SPRUCE = (
    "picea,area,300000,9000,ha\npicea,biomass,110,6,t d.m. ha-1\n"
    "picea,growing_stock,130,8,m3 ha-1\n"
)


@pytest.fixture
def carbon(tmp_path):
    """Run the command on a table; return its text and its JSON."""

    def run(table, *options):
        (tmp_path / "stocks.csv").write_text(HEAD + table, encoding="utf-8")
        done = CliRunner().invoke(
            cli,
            [
                "carbon", "--stocks", str(tmp_path / "stocks.csv"),
                "--json", str(tmp_path / "out.json"), "--draws", "1000",
                "--tolerance", "0.15", *options,
            ],
            standalone_mode=False,
        )  # fmt: skip
        if done.exception is not None:
            raise done.exception
        return done.stdout, json.loads((tmp_path / "out.json").read_text("utf-8"))

    return run


def test_the_chain_by_hand(carbon, project_folder):
    """39.5e6 ha * 0.688 t/ha * 0.45, roots 5.8 times that, 44/12."""
    _, found = carbon(GRASS, "--no-soil", "--draws", "8000")
    above = 39.5e6 * 0.688 * 0.45
    values = {row["pools"]: row["carbon_t"] for row in found["pools"]}
    assert values["above-ground"] == pytest.approx(above, rel=1e-12)
    assert values["below-ground"] == pytest.approx(5.8 * above, rel=1e-12)
    assert found["carbon_t"] == pytest.approx(6.8 * above, rel=1e-12)
    assert found["co2_t"] == pytest.approx(6.8 * above * 44 / 12, rel=1e-12)
    relative = [0.4 / 39.5, 5 / 68.8, 0.018 / 0.45, 1.16 / 6.8]
    by_hand = 6.8 * above * math.sqrt(sum(r**2 for r in relative))
    assert found["approach_1"]["se_carbon_t"] == pytest.approx(by_hand, rel=1e-6)
    assert found["monte_carlo"]["se_carbon_t"] == pytest.approx(by_hand, rel=0.05)
    assert "grassland: soil" in found["left_out"]


def test_limits_have_settled_and_shares_name_the_roots(carbon):
    _, found = carbon(GRASS, "--no-soil", "--tolerance", "0.04")
    spread = found["monte_carlo"]
    assert spread["numerical_error_t"] <= spread["tolerance_t"]
    low, high = spread["ci_carbon_t"]
    assert low < found["carbon_t"] < high
    first = found["contributions"][0]
    assert first["name"] == "rs_grass"
    assert first["total"] == pytest.approx((1.16 / 6.8) ** 2 / 0.0363, rel=0.15)
    assert first["low"] < found["carbon_t"] < first["high"]


def test_two_routes_are_compared_and_never_added(carbon):
    text, both = carbon(SPRUCE)
    _, one = carbon(SPRUCE, "--route", "growing_stock")
    (row,) = both["routes"]
    assert both["carbon_t"] == pytest.approx(row["biomass_carbon_t"], rel=1e-12)
    assert one["carbon_t"] == pytest.approx(row["growing_stock_carbon_t"], rel=1e-12)
    assert row["difference_t"] == pytest.approx(both["carbon_t"] - one["carbon_t"])
    # Area and carbon fraction are common: the gap is surer than if they were not.
    apart = math.hypot(row["biomass_se_t"], row["growing_stock_se_t"])
    assert row["difference_se_t"] < 0.95 * apart
    assert "routes, picea" in text
    assert [r["pools"] for r in one["pools"]] == ["above-ground + below-ground"]


def test_a_deduction_is_applied_only_when_asked_for(carbon):
    assert carbon(GRASS)[1]["deductions"] == []
    _, found = carbon(GRASS, "--deduct", "art_trees_2")
    (row,) = found["deductions"]
    spread = found["monte_carlo"]
    half = (spread["ci_co2_t"][1] - spread["ci_co2_t"][0]) / 2 / found["co2_t"]
    assert row["rate"] == pytest.approx(0.524417 / 1.645006 * half, rel=1e-9)
    with pytest.raises(Refusal, match="an interval at 95%"):
        carbon(GRASS, "--deduct", "art_trees_2", "--confidence", "0.95")
    with pytest.raises(Refusal, match="is off"):
        carbon(GRASS, "--deduct", "ccer_14_001")
    with pytest.raises(BadInput, match="deduction 'art'"):
        carbon(GRASS, "--deduct", "art")


def test_a_number_a_hundred_times_too_large_is_warned_of_and_kept(carbon):
    text, found = carbon(GRASS.replace("g d.m. m-2", "t d.m. ha-1"), "--no-soil")
    assert any("outside the plausible" in warning for warning in found["warnings"])
    assert found["carbon_t"] == pytest.approx(39.5e6 * 68.8 * 0.45 * 6.8, rel=1e-12)
    assert "check the units" in text


def test_totals_of_the_province_are_held_against_its_bands(carbon):
    small = GRASS.replace("395000,4000", "3950,40")
    here, there = (carbon(small, *o)[1] for o in ((), ("--region", "630000")))
    assert not any("grass_biomass_carbon" in w for w in here["warnings"])
    assert any("grass_biomass_carbon" in w for w in there["warnings"])


def test_flags_of_estimates_stand_among_the_warnings_of_every_output(carbon, tmp_path):
    """A map's total that no plot stands behind is not calibrated as carbon either."""
    columns = HEAD.replace("unit\n", "unit,flags\n")
    rows = GRASS.replace("km2\n", "km2,\n").replace("m-2\n", "m-2,not calibrated\n")
    (tmp_path / "flagged.csv").write_text(columns + rows, encoding="utf-8")
    out = tmp_path / "flagged.json"
    page = tmp_path / "flagged.html"
    told = ["--stocks", str(tmp_path / "flagged.csv"), "--html", str(page)]
    asked = ["carbon", *told, "--draws", "1000", "--tolerance", "0.15"]
    text = CliRunner().invoke(cli, asked, standalone_mode=False).stdout
    CliRunner().invoke(cli, [*asked, "--json", str(out)], standalone_mode=False)
    said = "biomass of grassland, as its estimate says: not calibrated"
    assert f"warning: {said}" in text
    assert json.loads(out.read_text("utf-8"))["warnings"][0] == said
    html = page.read_text("utf-8")
    assert said in html
    assert "地上生物量密度的估计带有标记：未经本地地面样地校准" in html
    _, plain = carbon(GRASS)
    assert not any("as its estimate says" in one for one in plain["warnings"])


def test_equal_seeds_give_equal_limits_whatever_the_order_of_rows(carbon):
    one, turned = (carbon(table)[1] for table in (GRASS + SPRUCE, SPRUCE + GRASS))
    assert turned["monte_carlo"]["ci_carbon_t"] == pytest.approx(
        one["monte_carlo"]["ci_carbon_t"], rel=1e-12
    )


@pytest.mark.parametrize(
    ("table", "kind", "words"),
    [
        (GRASS.replace("g d.m. m-2", "g m-2"), BadInput, "names its substance"),
        (GRASS.replace("grassland", "gras"), TableError, "ecosystem 'gras'"),
        (GRASS.replace("68.8,5,", "68.8,,"), TableError, "Unknown is not zero"),
        ("", TableError, "without rows"),
    ],
)
def test_a_wrong_table_ends_in_one_line(carbon, table, kind, words):
    with pytest.raises(kind) as caught:
        carbon(table)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_page_is_whole_says_what_it_is_not_and_loads_nothing(carbon, tmp_path):
    page = tmp_path / "page.html"
    carbon(GRASS + SPRUCE, "--simulated", "--html", str(page), "--deduct", "vcs_afolu")
    text = page.read_text(encoding="utf-8")
    assert "碳储量估计不等于减排量或碳信用" in text
    assert "模拟数据" in text
    assert text.count('role="img"') == 9
    assert not re.search(r'(src|href)="(?!data:)', text)
    for name in ("草本根茎比", "枯死木", "云杉林", "vcs_afolu", "蓄积量途径"):
        assert name in text


def test_every_recipe_names_factors_that_apply_to_its_ecosystem(project_folder):
    factors = load_factors(project_folder)
    choices = load_factor_choices(project_folder)
    assert {"grassland", "shrubland", "picea"} <= set(choices)
    for choice in choices.values():
        names = [choice.carbon_fraction, choice.root_shoot, choice.soil]
        for name in (*names, *(choice.volume_line or ())):
            if name is not None:
                assert factors.get(name, ecosystem=choice.id).id == name


def test_another_factor_file_is_used_and_its_faults_are_named(
    carbon, project_folder, tmp_path
):
    text = (project_folder / "config" / "factors.toml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("value = 0.45\n", "value = 0.40\n"), encoding="utf-8")
    _, found = carbon(GRASS, "--no-soil", "--factors", str(mine))
    assert found["carbon_t"] == pytest.approx(39.5e6 * 0.688 * 0.40 * 6.8, rel=1e-12)
    mine.write_text(text.replace("root_shoot =", "root_shot =", 1), encoding="utf-8")
    with pytest.raises(ConfigError, match="root_shoot"):
        carbon(GRASS, "--factors", str(mine))

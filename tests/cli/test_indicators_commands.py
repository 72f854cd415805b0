"""``qhsink indicators``: definitions, composite cover from plots, trends."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.domain.errors import BadInput, Refusal, TableError

PLOTS = """county,type,cover,date
632324,meadow,0.80,2025-08-01
632324,meadow,0.70,2025-08-01
632324,meadow,0.75,2025-08-02
632324,steppe,0.40,2025-07-20
632324,steppe,0.50,2025-07-20
632522,steppe,0.55,2025-07-20
632522,steppe,0.50,2025-07-20
"""
AREAS = (
    "county,type,area_ha\n632324,meadow,500000\n632324,steppe,20000\n"
    "632522,steppe,300000\n"
)


def call(*arguments):
    done = CliRunner().invoke(
        cli, ["indicators", *map(str, arguments)], standalone_mode=False
    )
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture
def cvcg(tmp_path):
    """Run the command on two tables; return its text and its JSON."""

    def run(*options, plots=PLOTS, areas=AREAS, year=2025):
        (tmp_path / "plots.csv").write_text(plots, encoding="utf-8")
        (tmp_path / "areas.csv").write_text(areas, encoding="utf-8")
        text = call(
            "cvcg", "--plots", tmp_path / "plots.csv", "--areas",
            tmp_path / "areas.csv", "--year", year, "--json", tmp_path / "o.json",
            *options,
        )  # fmt: skip
        return text, json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))

    return run


def test_cover_is_weighted_by_type_then_county_by_hand(cvcg):
    _, found = cvcg()
    county, other = found["counties"]
    meadow, steppe = 0.75, 0.45
    assert county["value"] == pytest.approx((50 * meadow + 2 * steppe) / 52, rel=1e-12)
    se_meadow, se_steppe = 0.05 / math.sqrt(3), math.sqrt(0.005) / math.sqrt(2)
    by_hand = math.hypot(50 * se_meadow, 2 * se_steppe) / 52
    assert county["se"] == pytest.approx(by_hand, rel=1e-9)
    whole = found["whole"]
    joined = (52 * county["value"] + 30 * other["value"]) / 82
    assert whole["value"] == pytest.approx(joined, rel=1e-12)
    assert whole["se"] == pytest.approx(
        math.hypot(52 * county["se"], 30 * other["se"]) / 82, rel=1e-12
    )
    assert whole["n"] == 7
    assert whole["area_ha"] == 820_000
    # Satterthwaite: between the least and the sum of the parts' degrees.
    assert 1 <= whole["df"] <= 4


def test_part_of_the_province_gets_no_verdict(cvcg):
    text, found = cvcg()
    assert found["whole"]["region"] == "part of 630000"
    assert found["verdict"] is None
    assert len(found["missing_counties"]) == 43
    assert "for the whole province" in text


def test_the_province_is_judged_and_plots_still_needed_are_given(cvcg):
    near = PLOTS.replace("0.80", "0.66").replace("0.70", "0.58").replace("0.75", "0.62")
    text, found = cvcg("--complete", plots=near)
    assert found["verdict"]["target"] == "cvcg_2025"
    assert found["verdict"]["outcome"] == "not distinguishable"
    assert found["further_plots"] > 0
    assert "plots that would settle it" in text
    assert found["required_yearly_rise"] is None
    clear = cvcg("--complete")[1]
    assert clear["verdict"]["outcome"] == "met"
    assert clear["further_plots"] is None


def test_before_the_year_of_the_target_a_yearly_rise_is_given(cvcg):
    _, found = cvcg("--complete", plots=PLOTS.replace("2025-", "2023-"), year=2023)
    rise = (0.585 - found["whole"]["value"]) / 2
    assert found["required_yearly_rise"] == pytest.approx(rise, rel=1e-12)


def test_a_target_without_a_number_is_no_matter_of_one_year(cvcg):
    _, found = cvcg("--complete", "--target", "cvcg_2030")
    assert found["verdict"]["outcome"] == "refused"
    assert "trend" in found["verdict"]["reason"]
    with pytest.raises(BadInput, match="target 'cvcg_2031'"):
        cvcg("--target", "cvcg_2031")


@pytest.mark.parametrize(
    ("plots", "areas", "kind", "words"),
    [
        (PLOTS.replace("0.80", "80"), AREAS, TableError, "percentages by 100"),
        (PLOTS.replace("2025-08-02", "2025-06-02"), AREAS, Refusal, "months 7, 8"),
        (PLOTS.replace("2025-08-02", "2024-08-02"), AREAS, TableError, "one year"),
        (PLOTS.replace("2025-08-02", "2 Aug"), AREAS, TableError, "YYYY-MM-DD"),
        (PLOTS + "632522,desert,0.1,2025-08-01\n", AREAS, TableError, "one plot in"),
        (PLOTS, AREAS + "632522,meadow,5\n", TableError, "an area and no plots"),
        (PLOTS, AREAS.replace("632522", "632523"), TableError, "632523 / steppe"),
        (PLOTS, AREAS + "632522,steppe,5\n", TableError, "twice"),
        (PLOTS, AREAS.replace("300000", "-1"), TableError, "a positive area"),
        (PLOTS.replace("cover", "fvc"), AREAS, TableError, "no column 'cover'"),
    ],
)
def test_wrong_tables_are_refused_in_words(cvcg, plots, areas, kind, words):
    with pytest.raises(kind) as caught:
        cvcg(plots=plots, areas=areas)
    assert words in str(caught.value)


def test_definitions_are_listed_and_shown_with_their_targets():
    listed = call("list")
    assert "草原综合植被盖度" in listed
    shown = call("show", "cvcg")
    assert "cvcg_2025" in shown
    assert "months: 7, 8" in shown
    with pytest.raises(BadInput, match="Did you mean 'cvcg'"):
        call("show", "cvgc")


def test_a_steady_rise_is_judged_by_its_trend(tmp_path):
    path = tmp_path / "series.csv"
    values = [0.570, 0.571, 0.575, 0.578, 0.580, 0.585]
    rows = "\n".join(f"{2020 + k},{v}" for k, v in enumerate(values))
    path.write_text(f"year,value\n{rows}\n", encoding="utf-8")
    text = call("trend", "--series", path, "--target", "cvcg_2030", "--json", "-")
    assert json.loads(text)["verdict"]["outcome"] == "met"
    with pytest.raises(BadInput, match="one without a number"):
        call("trend", "--series", path, "--target", "cvcg_2025")
    path.write_text("year,value\n2020,1\n2021,2\n", encoding="utf-8")
    with pytest.raises(Refusal, match="a trend over 2 years"):
        call("trend", "--series", path)
    path.write_text("year,value\n2020.5,1\n2021,2\n", encoding="utf-8")
    with pytest.raises(TableError, match="whole years"):
        call("trend", "--series", path)

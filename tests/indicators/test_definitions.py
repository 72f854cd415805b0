"""Definitions as code: the shipped tables hold together, and windows are kept."""

from __future__ import annotations

import pytest

from qhsink.config import load_indicators, load_official, load_targets
from qhsink.domain.errors import ConfigError, Refusal
from qhsink.domain.period import parse_month, peak_season
from qhsink.indicators.definitions import admit

REQUIRED = {
    "fvc_month",
    "fvc_peak",
    "cvcg",
    "forest_cover_national",
    "forest_cover_fao",
    "growing_stock",
    "wetland_area",
    "wetland_protection_rate",
    "degraded_grassland",
    "black_soil",
    "sandy_land",
    "forage_yield",
    "carrying_capacity",
    "carbon_stock",
    "carbon_change",
    "sink_grade",
    "sink_state",
}


@pytest.fixture(scope="module")
def indicators(project_folder):
    return load_indicators(project_folder)


def test_every_indicator_of_the_issue_is_defined(indicators):
    assert set(indicators) >= REQUIRED


def test_every_definition_says_what_it_is_in_both_languages(indicators):
    for one in indicators.values():
        assert one.definition_zh.endswith("。"), one.id
        assert one.definition_en.endswith("."), one.id
        assert one.formula, one.id
        assert one.source, one.id
        assert set(one.months) <= set(range(1, 13)), one.id
        assert one.inputs, one.id
        assert one.status in {"verified", "unverified", "proposal"}, one.id
        for land in one.denominators:
            assert land.source, one.id


def test_every_target_is_for_a_defined_indicator_in_its_unit(
    indicators, project_folder
):
    for target in load_targets(project_folder):
        assert indicators[target.indicator].unit == target.unit, target.id
        assert target.valid_from < target.valid_to, target.id
        assert target.source, target.id


def test_the_three_policy_targets_of_2025(project_folder):
    targets = {target.id: target for target in load_targets(project_folder)}
    assert targets["forest_cover_2025"].value == 0.08
    assert targets["growing_stock_2025"].value == 5.3e7
    assert targets["cvcg_2025"].value == 0.585
    assert targets["fvc_peak_reference_2025"].kind == "reference"
    assert targets["fvc_peak_reference_2025"].scope == "*"


def test_targets_of_2030_have_no_number(project_folder):
    later = [t for t in load_targets(project_folder) if t.year == 2030]
    assert len(later) == 3
    assert all(target.value is None for target in later)


def test_official_figures_of_one_definition_agree_in_unit(project_folder, indicators):
    for figure in load_official(project_folder):
        known = indicators.get(figure.definition)
        assert known is None or known.unit == figure.unit, figure


def test_composite_cover_without_plots_is_refused_and_says_so(indicators):
    with pytest.raises(Refusal, match="cvcg needs plots"):
        admit(
            indicators["cvcg"],
            period=peak_season(2025, start="07-15", end="08-31"),
            available={"fvc_map", "grassland_type_areas"},
        )


def test_composite_cover_with_plots_is_admitted_at_the_peak(indicators):
    admit(
        indicators["cvcg"],
        period=peak_season(2025, start="07-15", end="08-31"),
        available={"plots", "grassland_type_areas"},
    )


def test_an_indicator_outside_its_window_is_refused(indicators):
    with pytest.raises(Refusal, match=r"asked for 2025-05.*months 7, 8"):
        admit(
            indicators["fvc_peak"],
            period=parse_month("2025-05"),
            available={"fvc_map"},
        )


def test_a_monthly_map_mean_is_free_of_season(indicators):
    for month in ("2025-01", "2025-08", "2024-02"):
        admit(indicators["fvc_month"], period=parse_month(month), available={"fvc_map"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[indicator]]\nid = "a"\nnam_zh = "x"\n', "unknown key 'nam_zh'"),
        ('[[indicator]]\nid = "a"\n', "is missing"),
        (
            '[[indicator]]\nid = "a"\ndenominators = [{ id = "b", valu = 1.0 }]\n',
            "denominators: unknown key 'valu'",
        ),
    ],
)
def test_a_wrong_definition_file_is_a_config_error(tmp_path, text, words):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "indicators.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_indicators(tmp_path)


def test_one_id_twice_is_a_config_error(tmp_path, project_folder):
    text = (project_folder / "config" / "targets.toml").read_text()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "targets.toml").write_text(text + text)
    with pytest.raises(ConfigError, match="twice"):
        load_targets(tmp_path)


def test_every_indicator_has_its_row_in_the_documentation(indicators, project_folder):
    page = (project_folder / "docs" / "indicators.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows} == set(indicators)
    for row in rows:
        one = indicators[row.split("`")[1]]
        assert all(f"`{name}`" in row for name in one.inputs), one.id


@pytest.mark.parametrize("day", ["2025-13-01", "soon", "2020-01-01"])
def test_a_validity_that_is_no_interval_is_a_config_error(
    tmp_path, project_folder, day
):
    text = (project_folder / "config" / "targets.toml").read_text()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "targets.toml").write_text(
        text.replace('valid_to = "2025-12-31"', f'valid_to = "{day}"')
    )
    with pytest.raises(ConfigError, match="forest_cover_2025: valid from"):
        load_targets(tmp_path)

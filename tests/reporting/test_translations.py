"""Texts that arise in English reach a Chinese reader in Chinese, figures and all."""

from __future__ import annotations

import json
import re

import pytest

from qhsink.config import load_indicators, load_targets
from qhsink.regions.database import load_database
from qhsink.reporting import translations, wording
from qhsink.sources.offsets import SENTINEL2_RULES
from qhsink.steps import hybrid, residuals, target_estimates

ENGLISH = re.compile(r"[A-Za-z]{3,}")
NAMES = {
    "PyPI", "pygeo", "Natural", "Earth", "Ramsar", "eling", "zhaling", "Landsat",
    "Sentinel", "boa", "offset", "applied",
}  # fmt: skip


def leftovers(text):
    """English words that no Chinese professional would keep."""
    return set(ENGLISH.findall(text)) - NAMES


@pytest.fixture(scope="module")
def regions(project_folder):
    return load_database(project_folder / "aoi" / "qinghai.gpkg").regions


def test_every_source_of_a_shipped_region_is_told_in_chinese(regions):
    for region in regions:
        told = translations.source_in_chinese(region.source)
        assert told, region.source
        assert not leftovers(told), told
        assert translations.licence_in_chinese(region.licence)


def test_every_note_of_a_shipped_region_is_told_in_chinese(regions):
    for region in regions:
        if not region.note:
            continue
        told = translations.note_in_chinese(region.note)
        assert told, region.note
        if "又称" not in told:
            assert not leftovers(told), told


def test_what_an_indicator_says_in_english_it_says_in_chinese(project_folder):
    for indicator in load_indicators(project_folder).values():
        assert translations.definition_source_in_chinese(indicator.source)
        assert bool(indicator.note) == bool(indicator.note_zh), indicator.id


def test_every_target_names_its_source_in_chinese(project_folder):
    for target in load_targets(project_folder):
        assert not leftovers(target.source_zh), target.id
        assert target.source_zh, target.id


@pytest.mark.parametrize(
    "flag",
    [
        residuals.NOT_CALIBRATED,
        residuals.ASSUMED,
        residuals.STILL_RISING,
        residuals.BIASED,
        target_estimates.MAP_OF_CLASSES,
        target_estimates.CORRECTED,
        target_estimates.LEARNT_SIMULATED,
        target_estimates.LEARNT_PREDICTIONS,
        hybrid.RESIDUALS_LEFT_OUT,
    ],
)
def test_every_flag_of_a_run_is_told_in_chinese(flag):
    words = wording.flag_words(flag)
    assert words.zh != flag
    assert not leftovers(words.zh) - {"GEDI"}, words.zh


def test_figures_of_a_note_are_those_of_the_english_text():
    note = "Name given by position, unverified. Cut at the province boundary: 38% lies "
    told = translations.note_in_chinese(note + "outside.")
    assert told == "名称按位置判定，未核实。已按省界裁切，省外部分占 38%。"


def test_a_note_of_which_a_part_is_unknown_is_left_as_it_came():
    assert translations.note_in_chinese("Indicative boundary. Here be dragons.") == ""


@pytest.mark.parametrize("rule", sorted({rule.text for rule in SENTINEL2_RULES}))
def test_every_rule_of_reflectance_is_told_in_chinese(rule):
    told = translations.rule_in_chinese(f"sentinel-2 baseline 05.11: {rule}")
    assert told.startswith("Sentinel-2 处理基线 05.11：")
    assert not leftovers(told), told


def test_a_shifted_scene_is_told_with_its_figures():
    note = (
        "looks shifted by +0.098 in reflectance against 3 neighbouring dates: an "
        "offset forgotten or taken twice"
    )
    told = translations.scene_note_in_chinese(note)
    assert "+0.098" in told
    assert "3 个日期" in told


def test_the_domain_of_every_shipped_model_is_told_in_chinese(project_folder):
    cards = sorted((project_folder / "models").glob("*/card.json"))
    assert cards
    for path in cards:
        science = json.loads(path.read_text(encoding="utf-8"))["science"]
        told = translations.domain_in_chinese(science["domain"])
        assert told, path.parent.name
        assert ("模拟" in told) == (science.get("provenance") == "simulated")


@pytest.mark.parametrize(
    "tell",
    [
        translations.source_in_chinese,
        translations.definition_source_in_chinese,
        translations.licence_in_chinese,
        translations.note_in_chinese,
        translations.rule_in_chinese,
        translations.scene_note_in_chinese,
        translations.domain_in_chinese,
    ],
)
def test_an_unknown_text_is_left_as_it_came(tell):
    assert tell("Something else.") == ""

"""The page of the trial in both languages: what intervals hold, and its notes."""

from __future__ import annotations

import html
import re

import pandas as pd
import pytest

from qhsink.reporting.coverage import write_coverage_page
from qhsink.reporting.coverage_chinese import chinese_words
from qhsink.reporting.coverage_names import MODES_ZH
from qhsink.reporting.coverage_trial import TargetTrial, Trial
from qhsink.reporting.coverage_words import NOTES, REMARKS
from qhsink.steps.evaluate_result import Result
from qhsink.twin.scoring import summarise

FIGURE = re.compile(r"\d+(?:\.\d+)?")
COMMAND = re.compile(r"`[^`]+`")
CITED = re.compile(r"[A-Z][\w']+(?= (?:et al\. )?\d{4})")
"""Whom a year belongs to, or the last of them."""


def told():
    """Each text in both languages, with what it is of."""
    zh = chinese_words()
    remarks = ((mode, zh["remarks"].get(mode, ""), REMARKS[mode]) for mode in REMARKS)
    notes = zip(zh["notes"], NOTES, strict=False)
    return [
        *(pytest.param(said, en, id=mode) for mode, said, en in remarks),
        *(pytest.param(said, en, id=en[:30]) for said, en in notes),
    ]


def page(folder, *, modes=tuple(REMARKS), size="square", lie=None):
    rows = [
        Result("u", size, "fvc_peak", mode, 9, 0.5, 0.5, 0.1, 8.0).to_row()
        for mode in modes
    ]
    facts = Trial(
        worlds=5, failed=0, regions=("632221", "632324"), lie=lie, lie_worlds=0,
        square_km=14.4, part_km=4.8, plots=60, tracks=10, campaigns=5,
        further_campaigns=2, label_plots=300, pixel_m=120.0,
        targets=TargetTrial(1, 9.0, 1.5, 60.0), code="abc",
    )  # fmt: skip
    empty = pd.DataFrame()
    summary = summarise(pd.DataFrame(rows).assign(world=1))
    write_coverage_page(summary, empty, empty, empty, facts, folder)
    return html.unescape((folder / "coverage.html").read_text(encoding="utf-8"))


def test_every_remark_and_name_of_a_mode_is_told_in_chinese_and_none_is_left_over():
    remarks = chinese_words()["remarks"]
    assert sorted(set(REMARKS) - set(remarks)) == []
    assert sorted(set(REMARKS) - set(MODES_ZH)) == []
    assert sorted((set(remarks) | set(MODES_ZH)) - set(REMARKS)) == []
    assert list(remarks) == list(REMARKS)


def test_every_note_is_told_in_chinese_and_none_is_left_over():
    notes = chinese_words()["notes"]
    lacking = [note[:40] for note in NOTES[len(notes) :]]
    assert lacking == []
    assert notes[len(NOTES) :] == []


@pytest.mark.parametrize(("zh", "en"), told())
def test_figures_commands_and_citations_are_the_same_in_both_languages(zh, en):
    assert re.search(r"[\u4e00-\u9fff].*。$", zh)
    assert set(FIGURE.findall(zh)) == set(FIGURE.findall(en))
    assert set(COMMAND.findall(zh)) == set(COMMAND.findall(en))
    assert [name for name in CITED.findall(en) if name not in zh] == []


def test_the_page_shows_each_remark_and_note_in_chinese_before_english(tmp_path):
    shown, zh = page(tmp_path), chinese_words()
    pairs = [(zh["remarks"][mode], REMARKS[mode]) for mode in REMARKS]
    for said, en in [*pairs, *zip(zh["notes"], NOTES, strict=True)]:
        both = f'{said}<br><small lang="en">{en}</small>'
        assert both.replace("`", "") in shown


def test_a_remark_not_known_in_chinese_is_shown_in_english(tmp_path, monkeypatch):
    monkeypatch.delitem(chinese_words()["remarks"], "model")
    shown = page(tmp_path, modes=("model",))
    assert f"<dd>{REMARKS['model']}</dd>" in shown


def test_the_markdown_stays_english(tmp_path):
    page(tmp_path)
    text = (tmp_path / "coverage.md").read_text(encoding="utf-8")
    assert not re.search(r"[\u4e00-\u9fff]", text)
    assert all(f"* {note}" in text for note in NOTES)


def test_the_page_says_in_both_languages_what_is_broken_and_how_many_squares(tmp_path):
    shown = page(tmp_path, modes=("stratified plots",), size="all", lie="roadside")
    assert "样地仅在路旁 · roadside" in shown
    assert "415 km²<br><small>2 块合计 · in 2</small>" in shown

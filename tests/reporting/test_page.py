"""The page: complete, bilingual, honest about simulation, closed to the network."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from PIL import Image

from qhsink.domain.estimate import Verdict
from qhsink.indicators.verdict import judge
from qhsink.reporting import digits
from qhsink.reporting.grouping import by_region, count_outcomes
from qhsink.reporting.page import render_page, write_page


def read(page):
    """The page as a tree: fails unless every element is closed and escaped."""
    return ET.fromstring(page.split("\n", 1)[1])  # noqa: S314 - our own page


def text_of(page):
    """What a reader sees, without style."""
    tree = read(page)
    tree.remove(tree.find("head"))
    return " ".join("".join(tree.itertext()).split())


@pytest.fixture(scope="session")
def simulated_page(simulated_report):
    return render_page(simulated_report)


@pytest.fixture(scope="session")
def observed_page(observed_report):
    return render_page(observed_report)


def test_the_page_is_well_formed_html(simulated_page):
    assert simulated_page.startswith("<!DOCTYPE html>")
    assert read(simulated_page).tag == "html"
    open_tags = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag, attrs):  # noqa: ARG002 - signature
            open_tags.append(tag)

        def handle_startendtag(self, tag, attrs):  # noqa: ARG002 - signature
            assert tag in {"meta", "img", "input", "br", "line", "circle"}

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Balance().feed(simulated_page)
    assert open_tags == []


def test_the_page_loads_nothing_and_runs_nothing(simulated_page):
    tree = read(simulated_page)
    loaded = [e.get("src") for e in tree.iter() if e.get("src")]
    assert len(loaded) == 12
    assert all(src.startswith("data:image/png;base64,") for src in loaded)
    assert not [e for e in tree.iter() if e.tag in {"script", "link", "iframe", "a"}]
    assert "url(" not in simulated_page
    assert "@import" not in simulated_page
    assert "default-src 'none'" in simulated_page


def test_every_picture_is_a_png_of_sensible_size(simulated_page):
    for image in read(simulated_page).iter("img"):
        png = base64.b64decode(image.get("src").partition(",")[2])
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.format == "PNG"
            assert 400 <= picture.width <= 1100
        assert image.get("alt")
        assert len(png) < 400_000


def test_a_simulated_page_says_so_before_anything_else(simulated_page):
    seen = text_of(simulated_page)
    assert seen.startswith("模拟数据")
    assert "cannot be used, reported or judged as a verified number" in seen
    assert "【模拟】" in read(simulated_page).find("head/title").text


def test_an_observed_page_has_no_banner(observed_page):
    assert "模拟数据" not in observed_page
    assert "SIMULATED" not in observed_page
    assert "【模拟】" not in observed_page
    assert 'class="banner"' not in observed_page


def test_an_observed_page_refuses_a_simulated_number(simulated_report):
    with pytest.raises(ValueError, match="the whole report must say so"):
        dataclasses.replace(simulated_report, provenance="observed")


def lines_of(page):
    """The lines of the table of numbers, by region and then indicator."""
    bodies = read(page).findall(".//table[@id='estimates']/tbody")
    return [[line for line in body if line.get("class") is None] for body in bodies]


def test_the_numbers_of_the_main_table_are_those_of_the_record(observed_report):
    groups = by_region(observed_report.rows)
    tables = lines_of(render_page(observed_report))
    assert [len(lines) for lines in tables] == [len(group.given) for group in groups]
    for line, row in zip(
        (line for lines in tables for line in lines),
        (row for group in groups for row in group.given),
        strict=True,
    ):
        words = "".join(line.itertext())
        value, half = map(float, re.search(r"([\d.]+) ± ([\d.]+) %", words).groups())
        low, high = map(float, re.search(r"([\d.]+) – ([\d.]+) %", words).groups())
        estimate = row.estimate
        assert value == pytest.approx(100 * estimate.value, abs=0.05)
        assert half == pytest.approx(100 * estimate.half_width, abs=0.05)
        assert low == pytest.approx(100 * estimate.low, abs=0.05)
        assert high == pytest.approx(100 * estimate.high, abs=0.05)
        assert f"{value}% ± {half}%" in words
        assert f"{low}%～{high}%" in words
        assert f"{estimate.area_ha:,.0f} ha" in words
        assert f"{estimate.area_ha / 1e4:.2f} 万公顷" in words
        assert digits.share_text(estimate.valid_share) in words
        if row.verdict:
            assert f"{100 * row.verdict.target.value:.1f} %" in words
            assert f"{row.verdict.p_met:.3f}" in words


def test_numbers_stand_below_their_region_and_each_region_once(observed_report):
    page = read(render_page(observed_report))
    heads = page.findall(".//table[@id='estimates']/tbody/tr[@class='region']")
    assert ["".join(head.itertext()).split()[0] for head in heads] == [
        region.name_zh for region in observed_report.regions
    ]


def test_a_flag_is_explained_once_and_pointed_at_by_number(observed_report):
    page = read(render_page(observed_report))
    (note,) = page.findall(".//ol[@class='footnotes']/li[@value='1']")[:1]
    assert "未经本地地面样地校准" in "".join(note.itertext())
    marks = page.findall(".//table[@id='estimates']//span[@class='mark']")
    given = [row for row in observed_report.rows if row.estimate]
    assert [mark.text for mark in marks] == ["1"] * len(given)


def test_every_verdict_is_a_sentence_that_can_be_quoted(observed_report):
    page = read(render_page(observed_report))
    said = [
        "".join(li.itertext()) for li in page.findall(".//ul[@class='sentences']/li")
    ]
    judged = [row for row in observed_report.rows if row.verdict]
    assert len(said) == len(judged)
    for text, row in zip(said, judged, strict=True):
        assert text.startswith(row.region.name_zh)
        assert f"概率为 {row.verdict.p_met:.3f}" in text


def test_every_interval_graphic_is_named_for_readers_who_do_not_see_it(observed_page):
    drawn = read(observed_page).findall(".//svg[@role='img']")
    assert len(drawn) == 3
    assert all(re.search(r"[\d.]+ ± [\d.]+ %", s.get("aria-label")) for s in drawn)


def test_hand_written_cells_of_the_first_row(observed_page):
    """0.5632 and 1.6448536 x 0.0109 = 0.01793: 56.3 ± 1.8 %, 54.5 – 58.1 %."""
    seen = text_of(observed_page)
    for cell in ["56.3 ± 1.8 %", "54.5 – 58.1 %", "58.5 %", "0.023", "157.27 万公顷"]:
        assert cell in seen


def test_an_indicative_region_shows_its_gap_to_the_official_area(observed_page):
    """1 621 345.6 / 1 583 900 - 1 = +2.4 %; 104 432 / 64 920 - 1 = +60.9 %."""
    seen = text_of(observed_page)
    assert "+2.4 %" in seen
    assert "+60.9 %" in seen
    assert "1,583,900 ha" in seen


def test_every_refusal_is_on_the_page_with_its_reason(observed_report, observed_page):
    seen = text_of(observed_page)
    for row in observed_report.rows:
        if row.refusal:
            assert row.refusal.removeprefix(f"{row.indicator_id} ") in seen
    assert "有效（无云）观测不足" in seen
    assert "缺少必要输入" in seen
    assert "陆地面积中仅 41.0% 有足够的有效（无云）观测" in seen


def test_regions_refused_for_one_reason_share_a_line(observed_page):
    table = read(observed_page).find(".//table[@class='stack refusals']/tbody")
    lines = ["".join(line.itertext()) for line in table]
    assert len(lines) == 2
    assert "all 3 regions" in lines[1]


def test_a_reference_line_is_never_called_met(observed_page):
    seen = text_of(observed_page)
    assert "高于参考线" in seen
    assert "✓ 达标" not in seen
    assert "✗ 未达标" not in seen


@pytest.mark.parametrize(
    ("outcome", "zh", "style"),
    [
        ("met", "达标", "met"),
        ("not met", "未达标", "unmet"),
        ("not distinguishable", "不可区分", "open"),
    ],
)
def test_a_policy_verdict_has_colour_and_words(observed_report, outcome, zh, style):
    row = observed_report.rows[0]
    target = dataclasses.replace(row.verdict.target, kind="policy")
    judged = dataclasses.replace(row, verdict=Verdict(target, outcome, 0.4, 0.90))
    report = dataclasses.replace(observed_report, rows=(judged,), pictures=())
    line = lines_of(render_page(report))[0][0]
    badge = line.find("td[4]/span[2]")
    assert badge.get("class") == f"badge {style}"
    assert zh in "".join(badge.itertext())


def test_a_number_that_was_not_judged_says_why(observed_report):
    why = "target forest_cover_2025 of another scope; expected 630000. Name one."
    row = dataclasses.replace(observed_report.rows[0], verdict=None, refusal=why)
    report = dataclasses.replace(observed_report, rows=(row,), pictures=())
    line = lines_of(render_page(report))[0][0]
    words = "".join(line.itertext())
    assert "56.3 ± 1.8 %" in words
    assert "未作判定" in words
    assert why in words


def test_the_rule_of_the_verdict_is_the_one_that_judges(observed_report, observed_page):
    """At 90 % two-sided, met is claimed from P = 95 % on: ``indicators.verdict``."""
    seen = text_of(observed_page)
    assert "at or above the target (P ≥ 95 %)" in seen
    assert "whole interval is below it (P ≤ 5 %)" in seen
    row = observed_report.rows[0]
    line = row.estimate.value - 1.6448536 * row.estimate.se
    for shift, outcome in [(-1e-6, "met"), (1e-6, "not distinguishable")]:
        target = dataclasses.replace(row.verdict.target, value=line + shift)
        verdict = judge(row.estimate, target, confidence=0.90)
        assert verdict.outcome == outcome
        shown = digits.probability_text(verdict.p_met, confidence=0.90)
        assert (float(shown) >= 0.95) == (outcome == "met")


def test_the_source_of_every_target_is_on_the_page(observed_report, observed_page):
    for row in observed_report.rows:
        if row.verdict:
            assert row.verdict.target.source in text_of(observed_page)


def test_outcomes_are_counted_by_hand(observed_report):
    assert count_outcomes(observed_report.rows) == {
        "met": 0,
        "not met": 0,
        "not distinguishable": 0,
        "reference": 3,
        "no target": 1,
        "refused": 4,
    }


def test_both_languages_are_on_the_page(observed_report, observed_page):
    tree = read(observed_page)
    zh = " ".join("".join(e.itertext()) for e in tree.iter() if e.get("lang") == "zh")
    en = " ".join("".join(e.itertext()) for e in tree.iter() if e.get("lang") == "en")
    assert observed_report.title_zh in zh
    assert observed_report.title_en in en
    for row in observed_report.rows:
        assert row.region.name_zh in zh
        assert row.region.name_en in en
        assert row.indicator_zh in zh
        assert row.indicator_en in en
    for definition in observed_report.definitions:
        assert definition.definition_zh in zh
        assert definition.definition_en in en
    assert not re.search("[\u4e00-\u9fff]", en.replace("中", ""))


def test_no_reader_meets_nan_none_or_inf(simulated_page):
    pattern = r"\b(nan|NaN|None|inf|null|NaT|Undefined)\b"
    assert not re.search(pattern, text_of(simulated_page))


def test_scenes_model_and_provenance_are_all_there(observed_report, observed_page):
    seen = text_of(observed_page)
    for scene in observed_report.scenes:
        assert scene.item_id in seen
        assert scene.offset_rule in seen
        assert scene.note in seen
    for mark in ["5d" * 32, "7f" * 32, "1a2b3c4d" * 8, "0f3a9c1d2e4b5a69", "0.0947"]:
        assert mark in seen


def test_a_model_is_listed_with_the_record_its_totals_errors_rest_on(observed_report):
    known = {"agb_grass": "agb_grass-11112222", "shrub_cover": "shrub_cover-33334444"}
    digest = "0123456789abcdef" * 4
    report = dataclasses.replace(
        observed_report,
        further_cards=tuple({"id": name, "science": {}} for name in known.values()),
        run={
            "further_models": {t: {"id": n, "digest": "d"} for t, n in known.items()},
            "residual_records": {
                "agb_grass": {"id": "agb_grass-11112222+eco-5", "digest": digest},
                "shrub_cover": None,
            },
        },
    )
    tree = read(render_page(report))
    (section,) = [e for e in tree.iter("section") if e.get("id") == "model"]
    rows = {" ".join("".join(row.itertext()).split()) for row in section.iter("tr")}
    (grass,) = [row for row in rows if known["agb_grass"] in row]
    (shrub,) = [row for row in rows if known["shrub_cover"] in row]
    assert "agb_grass-11112222+eco-5" in grass
    assert digest[:12] in grass
    assert "无记录" in shrub
    assert "no record" in shrub


def test_the_page_says_what_the_interval_leaves_out(observed_page):
    seen = text_of(observed_page)
    assert "域偏移" in seen
    assert "neither a credit nor a verification" in seen
    assert "只反映模型参数误差" in seen
    assert "未经本地地面样地校准" in seen


def test_hostile_names_stay_text(hostile_report):
    page = render_page(hostile_report)
    tree = read(page)
    assert not list(tree.iter("script"))
    assert not list(tree.iter("img"))
    assert len(list(tree.iter("style"))) == 1
    seen = html.unescape(text_of(page))
    assert '<script>alert("x")</script>' in seen
    assert "a & b <b> txt" in seen
    assert "\u202e" not in page
    assert "\x00" not in page


def test_a_run_without_any_number_still_makes_a_page(observed_report):
    rows = tuple(row for row in observed_report.rows if row.refusal)
    report = dataclasses.replace(
        observed_report,
        rows=rows,
        pictures=(),
        scenes=(),
        definitions=(),
        model_card={},
        run={},
        peak=None,
    )
    seen = text_of(render_page(report))
    assert "没有任何区域给出数值" in seen
    assert "41.0% of the land" in seen


def test_the_same_record_gives_the_same_bytes(observed_report, observed_page, tmp_path):
    write_page(observed_report, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == observed_page.encode()


@pytest.mark.parametrize(
    "change",
    [{"estimate": None}, {"indicator_id": "fvc_month"}],
    ids=["neither number nor reason", "a number of another indicator"],
)
def test_a_row_that_contradicts_itself_is_refused(observed_report, change):
    with pytest.raises(ValueError, match="row fvc"):
        dataclasses.replace(observed_report.rows[0], **change)


def test_a_verdict_on_another_indicators_target_is_refused(observed_report):
    row = observed_report.rows[0]
    other = dataclasses.replace(row.verdict.target, indicator="cvcg")
    with pytest.raises(ValueError, match="another indicator, cvcg"):
        dataclasses.replace(row, verdict=Verdict(other, "met", 0.9, 0.9))

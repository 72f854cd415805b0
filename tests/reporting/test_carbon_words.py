"""A carbon balance in words: factors, doubts and masses, figures and all."""

from __future__ import annotations

import pytest

from qhsink.config import load_factors
from qhsink.reporting import carbon_words
from qhsink.reporting.tornado import tornado


def test_every_shipped_factor_has_a_name_in_both_languages(project_folder):
    for factor in load_factors(project_folder).factors:
        words = carbon_words.source_words(factor.id)
        assert words.zh != factor.id
        assert words.zh.isprintable()
        assert factor.id.split("_")[-1] not in words.zh or "1m" in factor.id


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("rs_grass", "草本根茎比", "root:shoot ratio, grass"),
        ("area of picea", "云杉林面积", "area, picea"),
        (
            "soc_grassland_1m",
            "草原土壤有机碳密度（0～1 m）",
            "soil carbon to 1 m, grassland",
        ),
        ("mine", "mine", "mine"),
    ],
)
def test_a_source_of_error_is_named(name, zh, en):
    words = carbon_words.source_words(name)
    assert (words.zh, words.en) == (zh, en)


@pytest.mark.parametrize(
    ("text", "zh"),
    [
        (
            "no soil carbon in the balance of picea: soil holds most of it",
            "云杉林未计土壤碳，而土壤占其碳储量的大部分。",
        ),
        (
            "standard errors assumed, not measured: rs_grass, rs_picea",
            "下列参数的标准误为假设值，并非实测：草本根茎比、云杉林根茎比。",
        ),
        (
            "95 % half-width above the 30 % that Approach 1 holds for: rs_grass (39 %)",
            (
                "下列来源的95%相对半宽超过 30%，超出 IPCC 方法一的适用条件："
                "草本根茎比（39%）。"
            ),
        ),
        (
            (
                "the sum: grass_biomass_carbon of 1.2e+05 t C is outside the plausible "
                "1e+07 to 9e+07 (a source); check the units"
            ),
            (
                "合计：草原生物量碳储量为 1.2e+05 t C，超出合理范围 1e+07～9e+07，"
                "请检查单位。"
            ),
        ),
        ("here be dragons", ""),
    ],
)
def test_a_doubt_is_told_in_chinese_with_its_own_figures(text, zh):
    assert carbon_words.warning_in_chinese(text) == zh


@pytest.mark.parametrize(
    ("tonnes", "spread", "zh", "en"),
    [
        (64_606_438.0, 4_750_705.0, "6,460 万吨", "64.6 Mt"),
        (294_787.0, 22_712.0, "29.5 万吨", "0.295 Mt"),
        (812.4, 31.0, "812 吨", "812 t"),
    ],
)
def test_a_mass_shows_two_digits_of_its_error(tonnes, spread, zh, en):
    words = carbon_words.mass_words(tonnes, spread)
    assert (words.zh, words.en) == (zh, en)


def test_bars_of_a_tornado_stand_by_hand():
    """Sums of 80 and 140 about 100, 4 % of 60 on each side: 80 stands at 3.7 %."""
    rows = [
        {"name": "small", "total": 0.1, "low": 95.0, "high": 110.0},
        {"name": "large", "total": 0.9, "low": 80.0, "high": 140.0},
    ]
    chart = tornado(rows, centre=100.0)
    assert [bar.name for bar in chart.bars] == ["large", "small"]
    assert chart.bars[0].low == pytest.approx(100 * 2.4 / 64.8, abs=0.01)
    assert chart.bars[0].high == pytest.approx(100 * 62.4 / 64.8, abs=0.01)
    assert chart.centre == pytest.approx(100 * 22.4 / 64.8, abs=0.01)
    assert [value for _, value in chart.ticks] == [80, 100, 120, 140]
    assert chart.step == 20

"""Reasons of refusals for Chinese readers: their kind, and the known ones in full.

A refusal is raised in English where the number would have been computed; the figures
in the Chinese text are taken from it, never looked up again. A reason that is not
known here is shown as it came.
"""

from __future__ import annotations

import re

from qhsink.reporting.wording import Words

_REASONS = (
    (
        ("valid share", "valid area", "clear observation", "clear date", "cloud"),
        Words("有效（无云）观测不足", "too few clear observations"),
    ),
    (
        ("asked for", "out of season", "expected months", "expected a month"),
        Words("不在计算时段内", "outside its season"),
    ),
    (("no scene of",), Words("时段内无影像", "no scene in the period")),
    (("could not be read",), Words("影像无法读取", "scenes cannot be read")),
    ((" needs ", " lacks "), Words("缺少必要输入", "a required input is absent")),
    (("is of the ecosystems",), Words("区域内无此生态系统", "no such ecosystem here")),
    (("target", "baseline"), Words("缺少目标或基准", "no target or baseline")),
    (
        ("boundary", "geometry", "outside", "crs"),
        Words("边界或范围不可用", "the boundary cannot be used"),
    ),
)


def reason_kind(refusal: str) -> Words:
    """Return the kind of reason that a refusal speaks of.

    What was found and the first words of what was expected are looked at, not what
    to do: a remedy may name the season without the season being the reason.
    """
    found, _, rest = refusal.partition("; expected ")
    text = f"{found}; expected {rest[:10]}".lower()
    for marks, words in _REASONS:
        if any(mark in text for mark in marks):
            return words
    return Words("见原因说明", "see the reason")


_INPUTS = {
    "fvc_map": "植被覆盖度图",
    "canopy_cover_map": "郁闭度图（未配置模型）",
    "shrub_cover_map": "灌木覆盖度图（未配置模型）",
    "agb_grass_map": "草地地上生物量图（未配置模型）",
    "agb_forest_map": "森林地上生物量图（未配置模型）",
    "growing_stock_map": "乔木林蓄积量图（未配置模型）",
    "plots": "生长盛期地面样地",
    "grassland_type_areas": "分县分类型的官方草原面积",
    "forest_area_estimate": "由参考样本得出的森林面积估计",
    "land_area": "土地面积及其来源",
    "tree_height": "树高",
    "arbor_area_estimate": "乔木林面积估计",
    "volume_plots": "蓄积量样地",
    "wetland_area_estimate": "由参考样本得出的湿地面积估计",
    "protected_areas": "自然保护地边界",
    "protected_areas_official": "自然保护地官方边界",
    "treatment_records": "治理台账",
    "grassland_area": "草原面积",
    "yield_plots": "产草量样地",
    "biomass_estimate": "生物量估计",
    "factors": "换算系数",
}

_FULL = (
    (
        (
            r"(?P<share>[\d.]+ ?%) of the land of \S+ has enough clear observations; "
            r"expected at least (?P<least>[\d.]+ ?%)"
        ),
        "陆地面积中仅 {share} 有足够的有效（无云）观测，要求至少 {least}。",
    ),
    (
        (
            r"no scene of (?P<period>\S+) for \S+; expected at least one between "
            r"(?P<start>\S+) and (?P<end>[\d-]+)"
        ),
        "{period} 时段内（{start} 至 {end}）没有影像。",
    ),
    (
        r"no pixel of \S+ is of the ecosystems of the target",
        "生态系统图上该区域没有此项对应的生态系统；图上没有，不等于确定为零。",
    ),
    (
        r"(?P<bad>\d+) of (?P<all>\d+) tiles of \S+ could not be read",
        "{all} 个图幅中有 {bad} 个影像无法读取，该区域不给数值。",
    ),
    (
        (
            r"\S+ for (?P<month>\S+); expected a month that ends on or after "
            r"(?P<end>[\d-]+)"
        ),
        "{month} 时生长盛期尚未结束，须选 {end} 当日或之后结束的月份。",
    ),
    (
        r"\S+ asked for (?P<month>\S+); expected months (?P<months>[\d, ]+\d)",
        "{month} 不在该指标的计算月份（{months} 月）之内。",
    ),
)


def reason_in_chinese(refusal: str) -> str:
    """Return a known refusal in Chinese with its own figures; empty when unknown."""
    needs = re.match(r"\S+ needs (?P<names>[a-z_0-9]+(?: and [a-z_0-9]+)*);", refusal)
    if needs:
        names = [_INPUTS.get(name, name) for name in needs["names"].split(" and ")]
        return f"缺少必要输入：{'、'.join(names)}。"
    for pattern, text in _FULL:
        found = re.match(pattern, refusal)
        if found:
            return text.format(**found.groupdict())
    return ""

"""Names and doubts of a carbon balance in Chinese and English. No number is made here.

What is not known is shown as it came, never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from qhsink.reporting.digits import decimals_for, number_text
from qhsink.reporting.wording import Words, flag_words

POOLS = {
    "above-ground": "地上生物量",
    "below-ground": "地下生物量",
    "dead wood": "枯死木",
    "litter": "枯落物",
    "soil": "土壤有机碳",
}
"""Chinese names of the pools."""

ECOSYSTEMS = {
    "grassland": "草原",
    "alpine_meadow": "高寒草甸",
    "alpine_steppe": "高寒草原",
    "shrubland": "灌丛",
    "picea": "云杉林",
    "abies": "冷杉林",
    "sabina": "圆柏林",
    "larix": "落叶松林",
    "pinus_tabuliformis": "油松林",
    "betula": "桦木林",
    "populus": "杨树林",
    "mixed_forest": "混交林",
    "forest": "森林",
}
"""Chinese names of the ecosystems; another is shown by its id."""

_GROUPS = ECOSYSTEMS | {
    "tree": "乔木",
    "conifer": "针叶树",
    "broadleaf": "阔叶树",
    "grass": "草本",
    "shrub": "灌木",
}
_FACTORS = (
    (r"cf_(?P<of>\w+)", "{of}含碳率", "carbon fraction, {of}"),
    (r"rs_(?P<of>\w+)", "{of}根茎比", "root:shoot ratio, {of}"),
    (r"density_(?P<of>\w+)", "{of}木材基本密度", "basic wood density, {of}"),
    (r"expansion_(?P<of>\w+)", "{of}生物量扩展因子", "biomass expansion factor, {of}"),
    (
        r"fang_(?P<ab>[ab])_(?P<of>\w+)",
        "{of}蓄积量—生物量方程系数 {ab}",
        "coefficient {ab} of biomass on growing stock, {of}",
    ),
    (
        r"soc_(?P<of>\w+)_1m",
        "{of}土壤有机碳密度（0～1 m）",
        "soil carbon to 1 m, {of}",
    ),
    (r"area of (?P<of>\w+)", "{of}面积", "area, {of}"),
    (r"biomass of (?P<of>\w+)", "{of}地上生物量密度", "above-ground biomass, {of}"),
    (
        r"growing[_ ]stock of (?P<of>\w+)",
        "{of}单位面积蓄积量",
        "growing stock per area, {of}",
    ),
)
"""Pattern of a source's name, and what it is; the last one of a pattern's groups is
whose."""

_QUANTITIES = {
    "tree_above_density": "乔木地上生物量密度",
    "shrub_above_density": "灌木地上生物量密度",
    "grass_above_density": "草本地上生物量密度",
    "tree_carbon": "乔木林生物量碳储量",
    "grass_biomass_carbon": "草原生物量碳储量",
    "grass_soil_carbon": "草原土壤碳储量",
}


def ecosystem_words(name: str) -> Words:
    """Return an ecosystem in both languages."""
    return Words(ECOSYSTEMS.get(name, name), name.replace("_", " "))


def pool_words(pools: str) -> Words:
    """Return pools joined by ``+`` in both languages."""
    zh = "、".join(POOLS.get(pool, pool) for pool in pools.split(" + "))
    return Words(zh, pools)


def left_out_words(entry: str) -> Words:
    """Return ``ecosystem: pool`` in both languages."""
    ecosystem, _, pool = entry.partition(": ")
    return Words(
        f"{ecosystem_words(ecosystem).zh}{POOLS.get(pool, pool)}",
        f"{ecosystem_words(ecosystem).en}: {pool}",
    )


def source_words(name: str) -> Words:
    """Return what a source of error is: a factor by its id, or a row of the table."""
    for pattern, zh, en in _FACTORS:
        found = re.fullmatch(pattern, name)
        if found:
            parts = found.groupdict()
            of = parts.pop("of")
            return Words(
                zh.format(of=_GROUPS.get(of, of), **parts),
                en.format(of=of.replace("_", " "), **parts),
            )
    return Words(name, name)


def warning_in_chinese(text: str) -> str:
    """Return a warning of a carbon balance in Chinese; empty when it is not known."""
    for pattern, tell in _WARNINGS:
        found = re.fullmatch(pattern, text)
        if found:
            return tell(found.groupdict())
    return ""


def _assumed(parts: Mapping[str, str]) -> str:
    return f"下列参数的标准误为假设值，并非实测：{_sources(parts['names'])}。"


def _wide(parts: Mapping[str, str]) -> str:
    return (
        f"下列来源的95%相对半宽超过 {parts['most']}%，超出 IPCC 方法一的适用条件："
        f"{_sources(parts['names'])}。"
    )


def _flagged(parts: Mapping[str, str]) -> str:
    flags = "、".join(flag_words(flag).zh for flag in parts["flags"].split("; "))
    return f"{source_words(parts['source']).zh}的估计带有标记：{flags}。"


def _no_soil(parts: Mapping[str, str]) -> str:
    return f"{ecosystem_words(parts['of']).zh}未计土壤碳，而土壤占其碳储量的大部分。"


def _band(parts: Mapping[str, str]) -> str:
    what = "合计" if parts["what"] == "the sum" else ecosystem_words(parts["what"]).zh
    name = _QUANTITIES.get(parts["name"], parts["name"])
    return (
        f"{what}：{name}为 {parts['number']} {parts['unit']}，超出合理范围 "
        f"{parts['low']}～{parts['high']}，请检查单位。"
    )


def _sources(names: str) -> str:
    said = []
    for name in names.split(", "):
        source, bracket, width = name.partition(" (")
        told = f"（{width.removesuffix(')').replace(' ', '')}）" if bracket else ""
        said.append(source_words(source).zh + told)
    return "、".join(said)


_WARNINGS: tuple[tuple[str, Callable[[Mapping[str, str]], str]], ...] = (
    (r"no soil carbon in the balance of (?P<of>\w+): .+", _no_soil),
    (r"(?P<source>.+), as its estimate says: (?P<flags>.+)", _flagged),
    (r"standard errors assumed, not measured: (?P<names>.+)", _assumed),
    (
        (
            r"95 % half-width above the (?P<most>\d+) % that Approach 1 holds for: "
            r"(?P<names>.+)"
        ),
        _wide,
    ),
    (
        (
            r"(?P<what>[\w ]+): (?P<name>\w+) of (?P<number>\S+) (?P<unit>.+) is "
            r"outside the plausible (?P<low>\S+) to (?P<high>\S+) \(.+\); "
            r"check the units"
        ),
        _band,
    ),
)


def mass_words(tonnes: float, spread: float) -> Words:
    """Return a mass to two digits of ``spread`` [t], such as its standard error."""
    return Words(
        _scaled(tonnes, spread, (1e4, " 万吨"), " 吨", 1e4),
        _scaled(tonnes, spread, (1e6, " Mt"), " t", 1e5),
    )


def spread_words(spread: float, tonnes: float) -> Words:
    """Return a spread [t] in the unit that ``mass_words`` gives ``tonnes``."""
    return Words(
        _scaled(spread, spread, (1e4, " 万吨"), " 吨", 0.0 if tonnes >= 1e4 else 1e99),
        _scaled(spread, spread, (1e6, " Mt"), " t", 0.0 if tonnes >= 1e5 else 1e99),
    )


def _scaled(
    tonnes: float, spread: float, large: tuple[float, str], small: str, least: float
) -> str:
    scale, unit = large if abs(tonnes) >= least else (1.0, small)
    decimals = decimals_for(spread / scale, least=-9, most=3)
    return number_text(tonnes / scale, decimals=decimals) + unit

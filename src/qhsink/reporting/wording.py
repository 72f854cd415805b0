"""Words of the page in Chinese and English. No number is formatted here.

Codes that a reader meets (verdicts, inference modes, flags, card fields) are looked
up; what is not known is shown as it came, never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from qhsink.domain.estimate import Verdict


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages."""

    zh: str
    """For Chinese readers."""
    en: str
    """For English readers."""


@dataclass(frozen=True, slots=True)
class OutcomeWords:
    """How a verdict reads and looks."""

    words: Words
    """The verdict."""
    style: str
    """CSS class: met, unmet, open, above, below, none."""
    sign: str
    """Mark beside the colour, so that colour alone decides nothing."""


_POLICY = {
    "met": OutcomeWords(Words("达标", "met"), "met", "✓"),
    "not met": OutcomeWords(Words("未达标", "not met"), "unmet", "✗"),
    "not distinguishable": OutcomeWords(
        Words("不可区分", "not distinguishable"), "open", "≈"
    ),
}

_REFERENCE = {
    "met": OutcomeWords(Words("高于参考线", "above the reference"), "above", "▲"),
    "not met": OutcomeWords(Words("低于参考线", "below the reference"), "below", "▼"),
    "not distinguishable": OutcomeWords(
        Words("与参考线不可区分", "not distinguishable from the reference"),
        "open",
        "≈",
    ),
}

UNJUDGED = {
    "no target": OutcomeWords(Words("无目标值", "no target"), "none", "·"),
    "refused": OutcomeWords(Words("未作判定", "not judged"), "none", "–"),
}
"""Rows that no line was held against."""

NO_VERDICT = OutcomeWords(Words("无目标值", "no target"), "none", "·")
"""For a row that was judged against nothing."""


def outcome_words(verdict: Verdict | None) -> OutcomeWords:
    """Return how ``verdict`` reads; a reference line is never called met."""
    if verdict is None:
        return NO_VERDICT
    if verdict.outcome in UNJUDGED:
        return UNJUDGED[verdict.outcome]
    table = _REFERENCE if verdict.target.kind == "reference" else _POLICY
    return table[verdict.outcome]


_MODES = {
    "model": Words(
        "模型：标准误为模型集成成员之间的离散，只反映模型参数误差",
        "model: the standard error is the spread of the ensemble's members, "
        "parameter error only",
    ),
    "model-based": Words(
        "基于模型的推断：标准误含模型参数误差和空间相关残差",
        "model-based: the standard error holds parameter error and spatially "
        "correlated residuals",
    ),
    "hybrid": Words(
        "混合推断：标准误含样本簇抽样误差和模型误差",
        "hybrid: the standard error holds sampling of clusters and model error",
    ),
    "model-assisted": Words(
        "模型辅助推断：由概率样本校正地图，标准误来自抽样设计",
        "model-assisted: a probability sample corrects the map; the standard error "
        "comes from the design",
    ),
    "design": Words(
        "基于设计的推断：标准误来自概率样本",
        "design-based: the standard error comes from the probability sample",
    ),
}

_MODE_ALIASES = {
    "model_based": "model-based",
    "assisted": "model-assisted",
    "model_assisted": "model-assisted",
    "design-based": "design",
    "design_based": "design",
    "stratified": "design",
}


def mode_words(mode: str) -> Words:
    """Return what the standard error of an inference mode contains."""
    name = mode.strip().lower()
    return _MODES.get(_MODE_ALIASES.get(name, name), Words(mode, mode))


_BRIEF_MODES = {
    "model": Words("模型", "model"),
    "model-based": Words("基于模型", "model-based"),
    "hybrid": Words("混合推断", "hybrid"),
    "model-assisted": Words("模型辅助", "model-assisted"),
    "design": Words("基于设计", "design-based"),
}


def brief_mode_words(mode: str) -> Words:
    """Return the name of an inference mode."""
    name = mode.strip().lower()
    return _BRIEF_MODES.get(_MODE_ALIASES.get(name, name), Words(mode, mode))


_FLAGS = {
    "not calibrated": Words(
        "未经本地地面样地校准", "not calibrated with local field plots"
    ),
    "residual correlation assumed": Words(
        "残差空间相关为假设值，未经标定", "residual correlation assumed, not measured"
    ),
    "residual range not reached": Words(
        "残差变程超出样地间距，误差可能偏小",
        "residuals are correlated further than the plots reach: the error may be too "
        "small",
    ),
    "map differs from plots": Words(
        "地图与样地存在系统偏差，本值未校正", "map and plots differ; not corrected here"
    ),
    "ecosystem error left out": Words(
        "未计生态系统图误差", "errors of the ecosystem map are not in the interval"
    ),
    "map corrected by simulated worlds": Words(
        "总量已按模拟世界中“真值与制图总量之比”校正",
        "the total is the map's times the ratio found on simulated worlds",
    ),
    "model trained on gedi predictions": Words(
        "模型以 GEDI 生物量预测值训练（非实测）；其共同误差未计入区间",
        "model trained on GEDI predictions, not measured trees; the error they share "
        "is not in the interval",
    ),
    "residual error left out": Words(
        "未计残差误差", "errors of single predictions are not in the interval"
    ),
    "error of the footprints' own model left out": Words(
        "未计光斑自身模型误差",
        "the error that the footprints' values share is not in the interval",
    ),
    "model trained on simulated data": Words(
        "模型以模拟数据训练", "model trained on simulated data"
    ),
    "indicative boundary": Words(
        "边界为示意，非官方界线", "indicative boundary, not the official one"
    ),
    "map": Words(
        "遥感地图均值，非地面样地口径", "mean of a map, not the plot-based definition"
    ),
}


def flag_words(flag: str) -> Words:
    """Return a flag in both languages; an unknown one reads as it came."""
    name = flag.strip().lower().replace("_", " ")
    return _FLAGS.get(name, Words(flag, flag))


_FLAG_NOTES = {
    "not calibrated": Words(
        "区间未用本地地面样地检验，实际误差可能大于或小于所示；以概率样本布设的样地可校正并"
        "检验（qhsink estimate region）。",
        "The interval was not checked against local field plots: the true error may be "
        "larger or smaller. A probability sample of plots corrects and checks it "
        "(qhsink estimate region).",
    ),
    "residual correlation assumed": Words(
        "图上误差在空间上的相关（变程和方差）取假设值，并非实测；实际变程更长时，区间应更宽。",
        "How far errors of the map are alike in space (range, variance) is assumed, "
        "not measured; were the range longer, the interval would be wider.",
    ),
    "ecosystem error left out": Words(
        "生态系统图把像元归错类别所带来的误差未计入，区间因此偏窄。",
        "Pixels that the map of ecosystems puts into a wrong class are not accounted "
        "for: the interval is too narrow.",
    ),
    "map corrected by simulated worlds": Words(
        "在未参与训练的多个模拟世界上，真值与制图总量之比一致偏离 1，本值已乘以该比值"
        "（地图本身未改动，因此像元相加不等于本值）；真实土地上的偏差可能不同。",
        "On simulated worlds that no model saw, mapped totals are off by a common "
        "ratio; this number is the map's times that ratio (the map is as it was: its "
        "pixels do not add up to it). On real land the map may be off otherwise.",
    ),
    "residual range not reached": Words(
        "样地间距不足以看到残差相关的终点，区间可能偏窄。",
        "The plots lie too close together to see where residuals stop being alike: the "
        "interval may be too narrow.",
    ),
    "map differs from plots": Words(
        "样地表明地图整体偏高或偏低，本值未作校正；可用概率样本校正（qhsink estimate "
        "region）。",
        "Plots show the map to read too high or too low; this number is not corrected. "
        "qhsink estimate region corrects it with a probability sample.",
    ),
    "residual error left out": Words(
        "只计抽样误差和模型参数误差，单点残差未计入，区间偏窄。",
        "Sampling and the model's parameters are in the interval, errors of single "
        "places are not: it is too narrow.",
    ),
    "model trained on simulated data": Words(
        "模型只学过模拟数据，用于真实区域的可靠性未知；由它得出的数字不得引用、上报或考核。",
        "The model learnt from simulated data alone. What it says about a real place "
        "is unknown; its numbers may not be quoted, reported or judged.",
    ),
}


def flag_note(flag: str) -> Words:
    """Return what a flag means for a reader; empty where its name says it."""
    return _FLAG_NOTES.get(flag.strip().lower().replace("_", " "), Words("", ""))


STATUS = {
    "estimate": Words("监测估计值，未经核证", "estimate, not verified"),
    "design_verified": Words("已由概率样本检验", "verified by a probability sample"),
    "vvb_verified": Words("已由第三方核证", "verified by a third party"),
}
"""``Estimate.status`` in words."""

REGION_STATUS = {
    "official": Words("官方行政界线", "official boundary"),
    "indicative": Words("示意边界（非官方）", "indicative boundary, not official"),
    "user": Words("用户提供边界", "user's own boundary"),
}
"""``Region.status`` in words."""

REGION_KIND = {
    "province": Words("省", "province"),
    "prefecture": Words("市州", "prefecture"),
    "county": Words("县（市、区、行委）", "county"),
    "national_park": Words("国家公园", "national park"),
    "wetland": Words("湿地", "wetland"),
    "nature_park": Words("草原自然公园", "grassland nature park"),
    "priority_area": Words("重点区域", "priority area"),
    "lake": Words("湖泊", "lake"),
    "user": Words("用户区域", "user's region"),
}
"""``Region.kind`` in words."""

PICTURES = {
    "cover": Words("植被覆盖度（FVC，%）", "fractional vegetation cover (FVC, %)"),
    "quality": Words(
        "像元质量与模型适用域", "pixel quality and the model's area of applicability"
    ),
    "spread": Words(
        "模型成员离散（标准差，百分点）",
        "spread of the model's members (SD, percentage points)",
    ),
    "count": Words("每像元有效（无云）观测次数", "clear observations per pixel"),
}
"""Names of a region's pictures."""

DEFINITION_STATUS = {
    "verified": Words("定义已按所列来源核对", "definition read in the source named"),
    "unverified": Words(
        "定义来自一般知识，未核对原文", "general knowledge, original not read"
    ),
    "proposal": Words("本项目提出，无官方规定", "proposed here; no official rule"),
}
"""``Indicator.status`` in words."""

LIMITS = (
    Words(
        "“±”为所注置信水平下区间的半宽，只包含“推断方式”一栏所列的误差；"
        "未列出的误差不在其中。",
        "“±” is half the width of the interval at the stated confidence. It holds the "
        "errors named under the mode of inference, and no others.",
    ),
    Words(
        "模型方式不含：地面样地抽样误差，训练样地与青海草原之间的差异（域偏移），"
        "残余的大气、地形和云影影响，以及边界本身的误差。",
        "A model-only interval does not hold: sampling error of field plots; the "
        "difference between the training sites and Qinghai's grassland (domain "
        "shift); what is left of atmosphere, terrain and cloud shadow; errors of the "
        "boundary itself.",
    ),
    Words(
        "遥感植被覆盖度均值与“草原综合植被盖度”（地面样地、按草原类型面积加权）是两个指标，"
        "不能互相代替，也不能用前者判定后者的目标。",
        "The mean of a cover map and the composite vegetation cover of grassland "
        "(plots, weighted by type area) are two indicators. One does not stand for "
        "the other, nor is it judged by the other's target.",
    ),
    Words(
        "无有效观测的陆地：凡读取地形的，按同一高程带内已观测陆地取值，否则视同其余陆地；"
        "由此产生的误差未计入区间。有效面积比说明有多大部分是实际看到的。",
        "Land without enough clear observations is taken to hold what land seen at its "
        "height does where the terrain is read, else to be like the rest; what that "
        "errs by is in no interval. The valid share says how much was seen.",
    ),
    Words(
        "“不可区分”不等于未达标：在该置信水平下，现有数据分不清是否达标。",
        "“Not distinguishable” is not “not met”: at that confidence the data cannot "
        "tell.",
    ),
    Words(
        "本页不是碳信用，也不是核证结论：未评估基准线、额外性、泄漏和持久性。",
        "This page is neither a credit nor a verification: baseline, additionality, "
        "leakage and permanence were not assessed.",
    ),
)
"""What every reader is told about the numbers."""

"""What the trial of the intervals says in words: modes, readings, notes.

Figures are laid out in ``coverage``, ``coverage_text`` and ``coverage_verdicts``.
"""

from __future__ import annotations

from collections.abc import Mapping

from qhsink.reporting.coverage_sample_words import SAMPLE_REMARKS
from qhsink.reporting.coverage_target_words import TARGET_NAMES, TARGET_REMARKS

REMARKS: Mapping[str, str] = {
    "model": (
        "holds the error of the model's parameters only; what a model trained "
        "elsewhere gets wrong everywhere in a region is not in it. Carries the flag "
        "“not calibrated” in every output."
    ),
    "model + correlated residuals": (
        "what a run reports: adds the error of single pixels, correlated over an "
        "assumed range, for the training data have no places to measure it. It still "
        "leaves out the model's transfer to another place. Flagged."
    ),
    "naive: pixel mean, RMSE/√N": (
        "treats every pixel's error as its own: not offered by qhsink, shown as what "
        "is commonly done."
    ),
    "simple random plots": "plots alone; no map.",
    "systematic plots, neighbours": (
        "a lattice with a random start, its variance from differences of neighbours "
        "(D'Orazio 2003)."
    ),
    "systematic plots, as if random": (
        "variance as if drawn at random: too wide where cover varies smoothly. Flagged."
    ),
    "stratified plots": "strata by map value; plots decide.",
    "difference (map)": "the map's mean less its mean error at the plots.",
    "regression (map)": (
        "GREG with intercept and slope on the map; refused where the slope hangs on a "
        "few plots, as where the map saturates."
    ),
    "plots of the sub-region alone": (
        "few plots each; sub-regions with one plot or none have no interval."
    ),
    "small area: synthetic": (
        "as if sub-regions differed by their map means alone. The variance between "
        "sub-regions is fitted so that it is never 0 (Yoshimori and Lahiri 2014), with "
        "Student's quantile for the few sub-regions it comes from; by REML and a "
        "normal quantile it covered 83 %, for REML often finds all alike."
    ),
    "small area: GREG by domain": (
        "as few plots as the sub-region has; its t has as few degrees of freedom."
    ),
    "small area: EBLUP": (
        "shares strength between sub-regions; the interval is normal around a "
        "variance estimated from few sub-regions."
    ),
    "simple random plots, t": (
        "trees stand on a few of the plots, so the sampling distribution is skewed and "
        "the variance small where the estimate is small: Student's interval misses the "
        "truth above it ten times as often as below. Flagged where fewer than 30 plots "
        "have trees and most have none."
    ),
    "simple random plots, skewed": (
        "the same plots with Hall's transformation, which takes the skewness out (Hall "
        "1992). The error of the allometric equation is in both. A campaign that met "
        "no tree has no interval: unknown is not zero."
    ),
    "hybrid (lidar tracks)": (
        "tracks as clusters, model members for the model's error, Hall's "
        "transformation for the skewed track totals. Flagged below 8 tracks."
    ),
    "hybrid (lidar tracks), t": (
        "the same tracks with Student's interval: not offered by qhsink."
    ),
    "area from stratified labels": (
        "share of meadow from interpreted plots in map strata, normal interval "
        "(Olofsson et al. 2014, Stehman 2014)."
    ),
    "share, logit interval": "the same plots by `estimate total --interval logit`.",
    "regression (map, elevation)": (
        "GREG with two auxiliaries of a simple random sample."
    ),
    "ratio (map)": "the ratio estimator of a simple random sample.",
    "post-stratified by map": (
        "a simple random sample weighted to the sizes of the map's strata; one of so "
        "few pixels that fewer than 5 plots are expected joins another beforehand."
    ),
    "stratified, combined ratio (map)": "one ratio over strata by map value.",
    "stratified, separate ratio (map)": "one ratio in each of them.",
    "two-phase, strata by map": (
        "300 places seen on the map, of which the plots are drawn by stratum."
    ),
    "two-phase, regression (map)": "the same places, plots drawn at random of them.",
    "clusters of 4 plots": "15 clusters, each one unit of the sample.",
    "unequal probabilities": (
        "plots drawn by map value (Horvitz and Thompson); Hájek's approximation, for "
        "pairs' probabilities are not known."
    ),
    "unequal probabilities, Yates-Grundy": (
        "one plot by map value and the others at random (Midzuno), so that pairs' "
        "probabilities are known."
    ),
    "simple random labels": (
        "300 interpreted plots in a square, by `indicators forest` or `wetland`. "
        "Labels are right: what interpreters get wrong is in no interval. Flagged "
        "where fewer than 30 plots show it; refused where none does."
    ),
    "labels in map strata": (
        "as many plots, stratified by a map that lies two pixels off (Olofsson et al. "
        "2014). The few plots that the map missed weigh most. Flagged where plots of "
        "a stratum are all alike and one unlike them would outweigh the error: 0 of 20 "
        "such intervals of forest covered, 4 of 52 of wetland, for the sample missed "
        "what the map missed."
    ),
    "labels in map strata, logit": "the same by `estimate total --interval logit`.",
    "labels in map strata, edges apart": (
        "the same with a stratum around what is mapped, where most omissions lie "
        "(Olofsson et al. 2020). Flagged likewise, on the safe side: here nothing is "
        "missed far from edges, but no sample of that size can tell."
    ),
    "labels in map strata, edges apart, logit": "the same with a logit interval.",
    "post-stratified labels": (
        "the simple random labels weighted to the areas of the map's two classes."
    ),
    "post-stratified labels, logit": "the same with a logit interval.",
    "ratio to mapped labels": "the ratio of what is seen to what is mapped.",
    "simple random labels, skewed": (
        "stem volume with Hall's transformation. The error of the volume equation, 5 % "
        "for all plots, is in no interval of growing stock."
    ),
    "labels in map strata, skewed": "the same in map strata.",
    "labels in map strata, edges apart, skewed": "the same with edges apart.",
    "plots by type and county": (
        "plots at random within grassland types of every county, weighed by surveyed "
        "areas, by `indicators cvcg`; areas count as known."
    ),
    "graded plots": (
        "300 plots graded by cover as it was read, by `indicators grades`. A reading "
        "errs by 0.06, nearly as much as a grade is wide: plots near a limit change "
        "grade, and more of them one way than the other. Flagged. Black-soil land: "
        "bare share of alpine meadow, and the slope where it is black soil. Sandy "
        "land: steppe, alpine desert and playa count as sandy surface here."
    ),
    "graded plots, read without error": (
        "the same plots with their true cover: what is missing above."
    ),
    "plots measured twice": (
        "plots found again after five years; the covariance of the years is in the "
        "interval. The planted trend, rain and events are the truth."
    ),
    "plots measured twice, taken as two samples": (
        "the same plots without their covariance: not offered by qhsink. Flagged."
    ),
    "members aligned": (
        "the maps of both years by one ensemble, `estimate change --members`: what the "
        "model gets wrong in both years cancels, what differs does not. Flagged."
    ),
    "calibrated map": (
        "`estimate calibrated`: a line from the map to 60 plots of the square, its "
        "nine sub-regions as counties. The variance of counties around the line is "
        "fitted so that it is never 0; by moments, which often find all alike, it "
        "covered 83 % on four worlds where this covers 89 %."
    ),
    **SAMPLE_REMARKS,
    **TARGET_REMARKS,
}
"""What each mode's interval holds, and what it leaves out."""

READINGS: Mapping[str, str] = {
    "covers": "合格",
    "too narrow": "偏窄",
    "too wide": "偏宽",
    "too narrow, within chance": "偏窄（或属偶然）",
    "too wide, within chance": "偏宽（或属偶然）",
    "no estimate": "无估计",
}
"""What coverage says, in Chinese."""

CLASS_READINGS: Mapping[str, str] = {
    "as sure as it says": "与所称相符",
    "too sure": "过于肯定",
    "too sure, within chance": "过于肯定（或属偶然）",
    "none named": "未给出",
}
"""What named classes say, in Chinese."""

NAMES: Mapping[str, tuple[str, str]] = {
    "fvc_peak": ("生长盛期植被覆盖度均值", "mean peak vegetation cover"),
    "fvc_month": ("月度植被覆盖度均值", "mean vegetation cover of the month"),
    "agb_grass": ("草本地上生物量 g/m²", "herb biomass, g m⁻²"),
    "agb_forest": ("林木地上生物量 t/hm²", "tree biomass, Mg ha⁻¹"),
    "meadow_share": ("草甸面积占比", "share of meadow"),
    "forest_cover": ("森林覆盖率", "forest cover, national definition"),
    "growing_stock": ("单位面积蓄积量 m³/hm²", "growing stock, m³ ha⁻¹"),
    "wetland_share": ("湿地面积占比", "share of wetland"),
    "cvcg": ("草原综合植被盖度", "composite grassland cover (CVCG)"),
    "degraded_share": ("退化草地占比", "degraded share of grassland"),
    "herbs_per_cover": ("单位覆盖度草本生物量 g/m²", "herb biomass per cover, g m⁻²"),
    "overall_accuracy": ("总体精度", "overall accuracy of a map of forest"),
    "users_accuracy": ("用户精度", "user's accuracy of forest"),
    "producers_accuracy": ("制图精度", "producer's accuracy of forest"),
    "wetland_protection_rate": ("湿地保护率", "wetland protection rate"),
    "black_soil_share": ("黑土滩各级占比", "black-soil land by grade, share"),
    "black_soil_slope_share": ("黑土滩各坡度级占比", "black-soil land by slope, share"),
    "sandy_share": ("沙化土地各类占比", "sandy land by grade, share"),
    "fvc_trend": ("盛期植被覆盖度年变化趋势", "trend of mean peak cover, per year"),
    "fvc_change": ("盛期植被覆盖度五年变化", "change of mean peak cover in five years"),
    **TARGET_NAMES,
}

NOTES = (
    (
        "The bias of the model alone is no evidence about Qinghai. Two constants of "
        "the twin's sensor (patchiness and shade of sparse vegetation within a pixel, "
        "`patch_cover` and `patch_shade` in `config/twin.toml`) were set while looking "
        "at the shipped model's maps; with the plain canopy the same model read 0.26 "
        "too high and covered 0 %. The missing error source is the model's transfer to "
        "a place it was not trained for, and no spread of an ensemble holds it: that "
        "is why every model-only estimate says “not calibrated”."
    ),
    (
        "The probability samples do not depend on those constants: plots are read on "
        "the ground, and the map only helps."
    ),
    (
        "A flagged interval claims nothing. Where some estimates of a line carry a "
        "flag, the line counts the others, and says how many were flagged."
    ),
    (
        "Not in the trial: forest by the FAO's definition, which counts otherwise by "
        "the same estimator; `carbon --route growing_stock`, whose lines are not of "
        "the twin's trees; the change of carbon, which no command makes; registers "
        "without an error. What is offered, and what tries it, is listed in "
        "`tests/twin/test_twin_inventory.py`."
    ),
)
"""What a reader must know before the figures, whatever they are."""

LIES: Mapping[str, tuple[str, str]] = {
    "none": ("无", "nothing is broken"),
    "thin-cloud": ("薄云未被掩膜", "thin cloud over every scene that no mask knows"),
    "wrong-offset": ("一景偏移量错误", "one date's scenes lack the stated offset"),
    "missing-type": (
        "训练样本缺少一类",
        "the commonest type was never in training: the map reads 0.20 too high there",
    ),
    "roadside": ("样地仅在路旁", "simple random plots only near the road"),
    "biased-plots": ("观测者读数偏高", "observers read cover 0.08 too high"),
}
"""Assumptions broken on purpose."""

LIE_MODES = ("model", "simple random plots", "difference (map)", "regression (map)")
"""Modes shown for worlds that lie."""

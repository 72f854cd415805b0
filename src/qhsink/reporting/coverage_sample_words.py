"""What the trial says in words of further samples: accuracies, kinds, grades, trends.

Part of ``coverage_words``, which has the other modes.
"""

from __future__ import annotations

from collections.abc import Mapping

SAMPLE_REMARKS: Mapping[str, str] = {
    "simple random labels, accuracies": (
        "overall, user's and producer's accuracy of a map of forest that lies two "
        "pixels off, by `estimate area --fpc` from 300 labels, logit interval: normal "
        "ones of the same samples cover 75 to 86 %. Refused where the sample met no "
        "case of one kind."
    ),
    "labels in map strata, accuracies": (
        "the same with the map's classes as strata (Olofsson et al. 2014). Up to a "
        "third of the pixels mapped as forest are sampled: without the correction "
        "for that (`--fpc`) user's accuracy covered 96 %. Flagged where plots of a "
        "stratum are all alike and one unlike them would outweigh the error."
    ),
    "labels in map strata, edges apart, accuracies": (
        "the same with edges apart (Stehman 2014)."
    ),
    "simple random labels, beta": (
        "forest cover by `estimate total --interval beta` (Korn and Graubard 1998): "
        "holds at few plots with forest too."
    ),
    "simple random labels, logit": "the same plots with a logit interval.",
    "simple random labels, normal": (
        "the same with a normal interval: as Student's at 300 plots, and flagged "
        "likewise."
    ),
    "labels in map strata, beta": (
        "plots in map strata with a beta interval; flagged as with every other."
    ),
    "labels in map strata, normal": "the same with a normal interval.",
    "labels in map strata, edges apart, beta": (
        "plots in map strata, edges apart, with a beta interval."
    ),
    "labels in map strata, edges apart, normal": "the same with a normal interval.",
    "simple random labels, rate": (
        "share of wetland in the square's western half, taken as protected, by "
        "`indicators wetland`: Student's interval of a ratio of two areas. Wetland is "
        "rare and clumped, so that one half is met by few plots or none: flagged below "
        "30 in either."
    ),
    "labels by map and protection, rate": (
        "the same with mapped wetland inside and outside, what is near it, and the "
        "rest as strata. Flagged likewise, and where plots of a stratum are all alike "
        "and one of wetland there would outweigh the error."
    ),
    "the same plots every year, ten years": (
        "yearly means of 60 plots through `indicators trend`: Theil and Sen's slope, "
        "its interval the slopes that Mann and Kendall's test does not reject. It is "
        "held against what cover gained a year by the planted trend and events, rain "
        "left aside: the scatter between years, rain's and plots', is in the interval; "
        "what the plots err by in every year alike is not."
    ),
    "the same plots every year, five years": (
        "the same over the fewest years allowed: hardly ever tells a rise."
    ),
    "difference (map), by sub-region": (
        "`estimate total --domain`, the map's mean of every sub-region known: few "
        "plots each, as alone."
    ),
    "regression (map), by sub-region": (
        "the same with a slope fitted to all plots of the square."
    ),
    "regression (map) of the square, sub-regions as domains": (
        "the map's mean known of the square alone: helps a sub-region little, and as "
        "few plots tell its error as it has itself, the slope's not counted."
    ),
    "ratio of two totals": (
        "herb biomass over cover, both from the plots, `estimate total --method ratio` "
        "without a known total."
    ),
    "small area: synthetic, REML": (
        "`estimate small-area --fit reml`. Flagged where it finds all sub-regions "
        "alike: such intervals of a map that errs by sub-region cover 62 %."
    ),
    "small area: EBLUP, REML": (
        "the same fit, flagged likewise. Prasad and Rao's error is on the safe side "
        "where sub-regions differ little and the fit still finds a difference."
    ),
    "small area: synthetic, ML": (
        "`--fit ml`: finds them alike oftener. Flagged likewise."
    ),
    "small area: EBLUP, ML": "the same fit, flagged and on the safe side likewise.",
}
"""What each mode of ``evaluate_samples`` holds, and what it leaves out."""

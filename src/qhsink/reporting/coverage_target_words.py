"""What the trial says in words where every target is mapped: totals, carbon, sinks.

Part of ``coverage_words``, which has the other modes and indicators.
"""

from __future__ import annotations

from collections.abc import Mapping

TARGET_REMARKS: Mapping[str, str] = {
    "map total, as reported": (
        "what a run reports of a target: the spread of the members, and the errors of "
        "value and ecosystem together, correlated as they were on worlds that no "
        "model saw. Of simulated models on simulated land; how a model does on land "
        "unlike what it learnt from is not in it. Flagged in every output."
    ),
    "map total, members alone": (
        "the same total with the members' spread alone: not offered by qhsink where "
        "the errors of a pair of models are on record."
    ),
    "map along lidar tracks": (
        "`estimate hybrid` on the run's own map: the tracks' sampling, the members and "
        "the map's errors over the square. Flagged, for these come from elsewhere."
    ),
    "map corrected by lidar tracks": (
        "`estimate hybrid --value`: biomass of the footprints less the map's, along 10 "
        "tracks; the map's errors drop out. Holds the error that all footprints share, "
        "as it is stated. The map's errors come in few clumps, which ten tracks may "
        "all miss: flagged below 30 tracks."
    ),
    "clipped plots by type and county": (
        "`indicators forage`: plots clipped at random within grassland types, weighed "
        "by surveyed areas. Capacity and stocking hold the errors that are stated of "
        "rates and herds, here 5 % each, and that is how far they are off; they are "
        "printed with a standard error, judged here by the normal distribution."
    ),
    "carbon of plots: sum": (
        "`qhsink carbon` on areas and biomass of 300 plots: errors of both and of all "
        "factors, by simulation; ecosystems with fewer than 30 plots are left out of "
        "estimate and truth. True factors are drawn from the distributions that "
        "`config/factors.toml` states: whether these are right is not judged, nor are "
        "the pools that no factor speaks of. Limits at 90 % alone."
    ),
    "carbon of plots: forest, above-ground": "area, biomass and carbon fraction.",
    "carbon of plots: forest, below-ground": "the same with the root ratio.",
    "carbon of plots: grassland, above-ground": "area, biomass and carbon fraction.",
    "carbon of plots: grassland, below-ground": "the same with the root ratio.",
    "carbon of plots: grassland, soil": (
        "area times the factors' soil density: what soil a square truly holds beside "
        "the mean of its kind is not in it."
    ),
    "by density": (
        "`indicators sink-grade`: 20 plots in a unit of herbs' carbon, limits from the "
        "true density of a square's units. A probability of the estimate alone is "
        "surer than right where the error is wide against the units' spread, for it "
        "does not know that units far from the middle are rare: flagged there. Of the "
        "others it is surer than right by some five points, for so few plots' own "
        "errors are skewed and lean with the estimate."
    ),
    "by density and rate": (
        "the same with the change of five years, by plots found again, which varies "
        "less than it is known. Flagged for that."
    ),
    "states of units judged together": (
        "`indicators sink-state` of the same changes at a false discovery rate of "
        "10 %: of the changes named, how many have the right sign."
    ),
}
"""What each mode's interval holds, and what it leaves out."""

TARGET_NAMES: Mapping[str, tuple[str, str]] = {
    "arbor_area_map": ("乔木林面积占比（遥感图）", "share of arbor forest, of the map"),
    "canopy_cover_map": ("乔木林冠覆盖度（遥感图）", "tree canopy cover, of the map"),
    "shrub_cover_map": ("灌木覆盖度（遥感图）", "shrub cover, of the map"),
    "agb_grass_map": (
        "草地地上生物量总量（遥感图），每公顷土地 t",
        "herb biomass of the map, Mg per ha of land",
    ),
    "agb_forest_map": (
        "林木地上生物量总量（遥感图），每公顷土地 t",
        "tree biomass of the map, Mg per ha of land",
    ),
    "growing_stock_map": (
        "蓄积量总量（遥感图），每公顷土地 m³",
        "growing stock of the map, m³ per ha of land",
    ),
    "forage_yield": ("产草量，每公顷草地 t", "forage, Mg per ha of grassland"),
    "carrying_capacity": (
        "合理载畜量，每公顷草地羊单位",
        "carrying capacity, sheep units per ha of grassland",
    ),
    "overstocking": ("超载率", "stocking over capacity, less one"),
    "carbon_stock": ("碳储量，每公顷土地 t C", "carbon, t C per ha of land"),
    "sink_grade": ("碳汇功能等级", "sink grade"),
    "sink_state": ("碳汇动态", "sink state"),
}
"""Indicators in both languages."""

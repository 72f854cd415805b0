"""Every estimator is in the trial of the intervals, or its absence is argued for.

Whatever the command line and ``qhsink.estimation`` offer is listed here by code: a new
command, method, kind of interval or estimator fails until a row of the trial names it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest

from qhsink.cli.carbon import carbon
from qhsink.cli.estimate import estimate
from qhsink.cli.indicators import indicators
from qhsink.config import load_indicators
from qhsink.estimation.intervals import IntervalKind
from qhsink.reporting.coverage_words import REMARKS

LABELS = (
    "simple random labels",
    "labels in map strata",
    "labels in map strata, edges apart",
)
SMALL = ("small area: synthetic", "small area: GREG by domain", "small area: EBLUP")
RATES = ("simple random labels, rate", "labels by map and protection, rate")
CLIPPED = ("clipped plots by type and county",)
MAPPED = ("map total, as reported", "map total, members alone")
GRADED = ("graded plots", "graded plots, read without error")

TRIED: dict[str, tuple[str, ...]] = {
    "estimate area": (
        "area from stratified labels",
        *(f"{mode}, accuracies" for mode in LABELS),
    ),
    "estimate total": ("simple random plots, skewed", "ratio of two totals"),
    "estimate total --method srs": ("simple random labels, beta",),
    "estimate total --method stratified": ("labels in map strata, beta",),
    "estimate total --method poststratified": ("post-stratified by map",),
    "estimate total --method ratio": ("ratio (map)", "ratio of two totals"),
    "estimate total --method regression": (
        "regression (map, elevation)",
        "regression (map), by sub-region",
        "regression (map) of the square, sub-regions as domains",
    ),
    "estimate total --method difference": ("difference (map), by sub-region",),
    "estimate total --method two-phase": (
        "two-phase, strata by map",
        "two-phase, regression (map)",
    ),
    "estimate total --method cluster": ("clusters of 4 plots",),
    "estimate total --method ht": (
        "unequal probabilities",
        "unequal probabilities, Yates-Grundy",
    ),
    "estimate total --interval t": ("simple random labels",),
    "estimate total --interval normal": tuple(f"{mode}, normal" for mode in LABELS),
    "estimate total --interval logit": tuple(f"{mode}, logit" for mode in LABELS),
    "estimate total --interval beta": tuple(f"{mode}, beta" for mode in LABELS),
    "estimate total --interval skewed": tuple(f"{mode}, skewed" for mode in LABELS),
    "estimate total --residuals g-weighted": ("regression (map, elevation)",),
    "estimate total --residuals plain": ("regression (map), by sub-region",),
    "estimate total --ratio combined": ("stratified, combined ratio (map)",),
    "estimate total --ratio separate": ("stratified, separate ratio (map)",),
    "estimate region": ("difference (map)", "regression (map)"),
    "estimate region --method difference": ("difference (map)",),
    "estimate region --method regression": ("regression (map)",),
    "estimate small-area": SMALL,
    "estimate small-area --fit adjusted": SMALL,
    "estimate small-area --fit reml": (f"{SMALL[0]}, REML", f"{SMALL[2]}, REML"),
    "estimate small-area --fit ml": (f"{SMALL[0]}, ML", f"{SMALL[2]}, ML"),
    "estimate change": ("plots measured twice", "members aligned"),
    "estimate model": ("model", "model + correlated residuals"),
    "estimate hybrid": (
        "hybrid (lidar tracks)",
        "map along lidar tracks",
        "map corrected by lidar tracks",
    ),
    "estimate calibrated": ("calibrated map",),
    "indicators cvcg": ("plots by type and county",),
    "indicators forest": LABELS,
    "indicators forest --definition national": LABELS,
    "indicators wetland": (*LABELS, *RATES),
    "indicators grades": GRADED,
    "indicators grades degraded_grassland": GRADED,
    "indicators grades black_soil": GRADED,
    "indicators grades sandy_land": GRADED,
    "indicators trend": (
        "the same plots every year, ten years",
        "the same plots every year, five years",
    ),
    "indicators forage": CLIPPED,
    "indicators sink-grade": ("by density", "by density and rate"),
    "indicators sink-state": ("states of units judged together",),
    "carbon": ("carbon of plots: sum",),
    "carbon --route either": ("carbon of plots: sum",),
    "carbon --route biomass": ("carbon of plots: forest, above-ground",),
    "arbor_area_map": MAPPED,
    "canopy_cover_map": MAPPED,
    "shrub_cover_map": MAPPED,
    "agb_grass_map": MAPPED,
    "agb_forest_map": (*MAPPED, "map corrected by lidar tracks"),
    "growing_stock_map": MAPPED,
    "forage_yield": CLIPPED,
    "carrying_capacity": CLIPPED,
    "carbon_stock": ("carbon of plots: sum",),
    "sink_grade": ("by density", "by density and rate"),
    "sink_state": ("states of units judged together",),
    "fvc_peak": ("model + correlated residuals", "difference (map)"),
    "fvc_month": ("model + correlated residuals", "difference (map)"),
    "cvcg": ("plots by type and county",),
    "forest_cover_national": LABELS,
    "growing_stock": (*LABELS, "simple random labels, skewed"),
    "wetland_area": LABELS,
    "wetland_protection_rate": RATES,
    "degraded_grassland": GRADED,
    "black_soil": GRADED,
    "sandy_land": GRADED,
    "area.estimate_area": ("area from stratified labels",),
    "assisted.assisted_mean": ("regression (map)",),
    "assisted.difference_by_domain": ("difference (map)",),
    "change.member_change": ("members aligned",),
    "change.paired_change": ("plots measured twice",),
    "domains.estimate_by_domain": ("plots of the sub-region alone",),
    "hybrid.hybrid_mean": ("hybrid (lidar tracks)",),
    "hybrid.mean_of_clusters": ("map corrected by lidar tracks",),
    "small_area.eblup": ("small area: EBLUP",),
    "small_area.greg_by_domain": ("small area: GREG by domain",),
    "small_area.synthetic": ("small area: synthetic",),
    "total.estimate_totals": ("clusters of 4 plots",),
}
"""What is offered, and modes of the trial that try it."""

NO_COMMAND = "defined, and made by no command"
OTHER_TREES = "lines of volume to biomass that are not of the twin's trees"
ANOTHER_RULE = "the same estimator under another definition of what is counted"
RECORDS = "from official records: no estimate, no interval"
PART = "a step of estimators that are tried"
UNTRIED: dict[str, str] = {
    "estimate model --variogram exponential": "shape of an error that is flagged",
    "estimate model --variogram spherical": "shape of an error that is flagged",
    "indicators list": "tells definitions",
    "indicators show": "tells definitions",
    "indicators forest --definition fao": ANOTHER_RULE,
    "carbon --route growing_stock": OTHER_TREES,
    "forest_cover_fao": ANOTHER_RULE,
    "protected_area_share": RECORDS,
    "national_park_share": RECORDS,
    "sandy_land_treated": RECORDS,
    "carbon_change": NO_COMMAND,
    "domains.present": PART,
    "draws.draw_members": PART,
    "intervals.limits": PART,
    "model_based.cluster_mean": PART,
    "model_based.hybrid_variance": PART,
    "model_based.model_variance": PART,
    "strata_means.part_means": PART,
    "survey.estimate_ratio": PART,
    "survey.estimate_total": PART,
    "survey.rescale": PART,
    "survey.weighted_mean": PART,
    "total_assisted.difference": PART,
    "total_assisted.ratio": PART,
    "total_assisted.regression": PART,
    "total_rows.estimate_rows": PART,
    "two_phase.double_regression": PART,
}
"""What is offered and not tried by itself, and why."""

HAVE_INTERVALS = ("Estimate", "Mean", "Moments", "Limits", "Variance", "Draws")
"""Words in the name of what an estimator returns."""


def commands(group: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield the commands of a group, or the command itself."""
    if not isinstance(group, click.Group):
        yield str(group.name), group
        return
    for name, command in group.commands.items():
        yield f"{group.name} {name}", command


def choices() -> Iterator[str]:
    """Yield every choice between estimators that a command leaves to its user."""
    for group in (estimate, indicators, carbon):
        for name, command in commands(group):
            for option in command.params:
                if isinstance(option.type, click.Choice):
                    word = option.opts[0] if option.opts[0].startswith("--") else ""
                    for choice in option.type.choices:
                        yield " ".join(filter(None, (name, word, choice)))


def estimators(folder: Path) -> Iterator[str]:
    """Yield the public functions that return an estimate, by module."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                made = ast.unparse(node.returns) if node.returns else ""
                if any(word in made for word in HAVE_INTERVALS):
                    yield f"{path.stem}.{node.name}"


@pytest.fixture(scope="module")
def offered(project_folder) -> set[str]:
    """Everything that yields an interval, or chooses how."""
    names = {
        name for group in (estimate, indicators, carbon) for name, _ in commands(group)
    }
    names |= set(choices())
    names |= set(load_indicators(project_folder))
    return names | set(estimators(project_folder / "src" / "qhsink" / "estimation"))


def test_whatever_yields_an_interval_is_tried_or_argued_away(offered):
    left = offered - set(TRIED) - set(UNTRIED)
    # Choices within a command that is not tried need no argument of their own.
    assert sorted(n for n in left if n.split(" --")[0] not in UNTRIED) == []


def test_the_lists_name_nothing_that_is_gone_and_nothing_twice(offered):
    assert sorted((set(TRIED) | set(UNTRIED)) - offered) == []
    assert sorted(set(TRIED) & set(UNTRIED)) == []


def test_the_modes_named_are_those_of_the_trial():
    named = {mode for modes in TRIED.values() for mode in modes}
    assert sorted(named - set(REMARKS)) == []
    assert all(TRIED.values())


def test_every_kind_of_interval_can_be_asked_for_and_is_tried():
    kinds = {f"estimate total --interval {kind}" for kind in get_args(IntervalKind)}
    assert kinds <= set(TRIED)

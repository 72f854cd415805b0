"""Every inference mode on one world, each estimate beside its truth.

Counting the rows belongs to ``twin.scoring``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from qhsink.config import project_dir
from qhsink.config.reliability import load_interval_rules
from qhsink.steps.evaluate_calibrated import calibrated_parts
from qhsink.steps.evaluate_change import member_changes, paired_plots
from qhsink.steps.evaluate_cvcg import composite_cover
from qhsink.steps.evaluate_forest import label_plots
from qhsink.steps.evaluate_map import from_map, map_of_all
from qhsink.steps.evaluate_parts import small_areas
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import (
    assisted_plots,
    draw_plots,
    simple_plots,
    stratified_plots,
    systematic_plots,
)
from qhsink.steps.evaluate_result import COVER, MONTH, Result, judged
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import total_plots
from qhsink.steps.evaluate_trees import tree_plots, tree_tracks
from qhsink.steps.evaluate_world import WorldRun
from qhsink.twin import lies
from qhsink.twin.campaign import PlotRules, Truth


def judge_world(
    sites: Sequence[Site],
    truth: Truth,
    *,
    trial: TrialSpec,
    map_rmse: float,
    rng: np.random.Generator,
    lie: lies.Lie | None = None,
) -> list[Result]:
    """Return every estimate of a world beside its truth.

    Parameters
    ----------
    map_rmse : float
        Out-of-fold error of one pixel, from the model's card.
    """
    rules = trial.plots_rules
    if lie == "biased-plots":
        rules = lies.biased_observers(rules)
    results = [row for site in sites for row in from_map(site, trial, map_rmse)]
    results += map_of_all(sites, trial, map_rmse)
    for _ in range(trial.campaigns):
        results += _campaigns(sites, truth, trial, rules, rng, lie)
    return [judged(row, trial.lines) for row in results]


def judge_month(
    sites: Sequence[Site],
    truth: Truth,
    *,
    trial: TrialSpec,
    map_rmse: float,
    rng: np.random.Generator,
) -> list[Result]:
    """Return the estimates of the month's cover beside its truth.

    The estimators are those of the peak; herbs, trees and areas are of the peak alone.
    """
    rules = trial.plots_rules
    results = [row for site in sites for row in from_map(site, trial, map_rmse)]
    for _ in range(trial.campaigns):
        for site in sites:
            results += simple_plots(draw_plots(site, truth, trial, rules, rng, None))
            sampled = stratified_plots(site, truth, trial, rules, rng)
            results += assisted_plots([sampled], "square")
    return [
        judged(dataclasses.replace(row, indicator=MONTH), trial.lines)
        for row in results
        if row.indicator == COVER
    ]


def judge_further(run: WorldRun, *, trial: TrialSpec, seed: int) -> list[Result]:
    """Return what further kinds of campaigns give, each beside its truth.

    They draw from other generators than those of ``judge_world``: adding a kind here
    leaves their plots as they were.
    """
    rng = np.random.default_rng([seed, 20_251_130])
    results: list[Result] = []
    rules = load_interval_rules(project_dir())
    truths = run.earlier_truth, run.truth
    for _ in range(trial.further_campaigns):
        for site in run.sites:
            results += total_plots(site, run.truth, trial, rules, rng)
            results += paired_plots(site, truths, trial, rng)
            results += calibrated_parts(site, run.truth, trial, rng)
        results += composite_cover(run.sites, run.truth, trial, rng)
    labelled = judge_labels(run.sites, run.truth, trial=trial, seed=seed)
    return labelled + [judged(row, trial.lines) for row in results]


def judge_labels(
    sites: Sequence[Site], truth: Truth, *, trial: TrialSpec, seed: int
) -> list[Result]:
    """Return what campaigns of labels give: they need no map of the run."""
    rng = np.random.default_rng([seed, 20_251_201])
    rules = load_interval_rules(project_dir())
    return [
        judged(row, trial.lines)
        for _ in range(trial.further_campaigns)
        for site in sites
        for row in label_plots(site, truth, trial, rules, rng)
    ]


def judge_maps_of_change(
    before: Sequence[Site], after: Sequence[Site], trial: TrialSpec, model: str
) -> list[Result]:
    """Return the change that the maps of two years show, beside its truth."""
    return list(member_changes(before, after, trial, model))


def _campaigns(
    sites: Sequence[Site],
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
    lie: lies.Lie | None,
) -> Iterator[Result]:
    """Yield what one campaign of each kind gives in every square."""
    interval_rules = load_interval_rules(project_dir())
    strata = []
    for site in sites:
        sampled = draw_plots(site, truth, trial, rules, rng, lie)
        yield from simple_plots(sampled)
        yield from tree_plots(sampled, rules, interval_rules)
        yield from small_areas(sampled, trial)
        yield from systematic_plots(site, truth, trial, rules, rng)
        strata.append(stratified_plots(site, truth, trial, rules, rng))
        yield from assisted_plots(strata[-1:], "square")
        yield from tree_tracks(site, truth, trial, rng, interval_rules)
    yield from assisted_plots(strata, "all")

"""Every inference mode on one world, each estimate beside its truth.

Counting the rows belongs to ``twin.scoring``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from qhsink.estimation.model_based import hybrid_variance
from qhsink.steps.evaluate_map import from_map, map_of_all
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import (
    assisted_plots,
    simple_plots,
    stratified_plots,
    systematic_plots,
)
from qhsink.steps.evaluate_result import TREES, Result, judged
from qhsink.steps.evaluate_world import Site
from qhsink.twin import lies
from qhsink.twin.campaign import PlotRules, Truth
from qhsink.twin.footprints import shoot


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


def _campaigns(
    sites: Sequence[Site],
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
    lie: lies.Lie | None,
) -> Iterator[Result]:
    """Yield what one campaign of each kind gives in every square."""
    strata = []
    for site in sites:
        yield from simple_plots(site, truth, trial, rules, rng, lie)
        yield from systematic_plots(site, truth, trial, rules, rng)
        strata.append(stratified_plots(site, truth, trial, rules, rng))
        yield from assisted_plots(strata[-1:], "square")
        yield from _footprints(site, truth, trial, rng)
    yield from assisted_plots(strata, "all")


def _footprints(
    site: Site, truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield tree biomass by hybrid inference from tracks."""
    true = site.ground.agb_forest.astype(np.float64)
    if float(np.mean(true > 0.0)) < 0.02:
        return
    table, members = shoot(
        truth, site.square.outline.bounds, rules=trial.footprint_rules, rng=rng
    )
    good = table["quality_flag"].to_numpy() == 1
    tracks, code = np.unique(table["track"].to_numpy()[good], return_inverse=True)
    totals = np.stack([np.bincount(code, weights=member[good]) for member in members])
    value, spread = hybrid_variance(totals, np.bincount(code).astype(np.float64))
    yield Result(
        f"square-{site.square.region}",
        "square",
        TREES,
        "hybrid (lidar tracks)",
        int(good.sum()),
        float(true.mean()),
        value,
        spread.se,
        float(tracks.size - 1),
    )

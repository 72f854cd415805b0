"""What else field and interpreted samples give in a trial, each beside its truth.

Accuracies of maps, further kinds of interval, protected wetland, graded land, trends,
sub-regions. They draw from a generator of their own: adding one leaves the plots of
``evaluate_modes`` as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from qhsink.config import project_dir
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.reliability import IntervalRules
from qhsink.steps.evaluate_accuracy import map_accuracies
from qhsink.steps.evaluate_domains import domain_plots
from qhsink.steps.evaluate_graded import graded_land
from qhsink.steps.evaluate_kinds import shares_by_kind
from qhsink.steps.evaluate_labels import MAP_SHIFT_M, Labels, is_forest, is_marsh
from qhsink.steps.evaluate_parts import other_fits
from qhsink.steps.evaluate_places import Square, TrialSpec
from qhsink.steps.evaluate_protected import protection_rate
from qhsink.steps.evaluate_result import FOREST, Result, judged
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_trend import Years, yearly_plots, years_of
from qhsink.steps.evaluate_world import lakes_near
from qhsink.twin.campaign import Truth


def judge_samples(
    sites: Sequence[Site],
    truth: Truth,
    places: Sequence[Square],
    *,
    trial: TrialSpec,
    seed: int,
) -> list[Result]:
    """Return the rows of one world.

    Parameters
    ----------
    places : sequence of Square
        All of the world's, for their lakes.
    """
    rng = np.random.default_rng([seed, 20_251_202])
    rules = load_interval_rules(project_dir())
    years = years_of(seed, trial, lakes_near(places))
    # A verdict does not ask for the kind of interval: those of shares are judged once.
    return [
        row if row.indicator == FOREST else judged(row, trial.lines)
        for site in sites
        for row in _of_site(site, (truth, years), trial, rules, rng)
    ]


def _of_site(
    site: Site,
    known: tuple[Truth, Years],
    trial: TrialSpec,
    rules: IntervalRules,
    rng: np.random.Generator,
) -> Iterator[Result]:
    truth, years = known
    there = truth(site.x + MAP_SHIFT_M, site.y + MAP_SHIFT_M)
    forest = Labels(is_forest(site.ground), is_forest(there))
    marsh = Labels(is_marsh(site.ground), is_marsh(there))
    for _ in range(trial.further_campaigns):
        yield from map_accuracies(site, forest, is_forest, truth, trial, rng)
        yield from shares_by_kind(site, forest, is_forest, truth, trial, rules, rng)
        yield from protection_rate(site, marsh, truth, trial, rng)
        yield from graded_land(site, truth, trial, rng)
        yield from domain_plots(site, truth, trial, rules, rng)
        yield from other_fits(site, truth, trial, rng)
        yield from yearly_plots(site, years, trial, rng)

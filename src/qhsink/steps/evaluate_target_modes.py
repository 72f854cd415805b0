"""All that is judged in a world whose every target is mapped, each beside its truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qhsink.steps.evaluate_carbon import carbon_of_plots
from qhsink.steps.evaluate_forage import forage_plots
from qhsink.steps.evaluate_places import TrialSpec, squares
from qhsink.steps.evaluate_result import Result
from qhsink.steps.evaluate_sinks import sink_units
from qhsink.steps.evaluate_target_rows import hybrid_on_map, map_totals
from qhsink.steps.evaluate_targets import run_targets


def judge_targets(
    seed: int, regions: Sequence[str], trial: TrialSpec, folder: Path
) -> list[Result]:
    """Return what a run with every target, and plots beside it, say of a world.

    Draws from a generator of its own: the other estimates of the world stay as they
    were.
    """
    on_targets = trial.on_targets
    run = run_targets(seed, squares(regions, on_targets), trial, folder)
    rng = np.random.default_rng([seed, 20_251_202])
    results = [*map_totals(run), *hybrid_on_map(run, trial, rng)]
    truths = run.earlier_truth, run.truth
    for _ in range(trial.further_campaigns):
        results += forage_plots(run.sites, run.truth, on_targets, rng)
    for site in run.sites:
        results += carbon_of_plots(site, run.truth, on_targets, rng)
    results += sink_units(run.sites, truths, on_targets, rng)
    return results

"""One world of the trial from its archive to its rows: every mode, in turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from qhsink.config import project_dir
from qhsink.registry import load_model
from qhsink.steps.evaluate_modes import (
    judge_further,
    judge_maps_of_change,
    judge_month,
    judge_world,
)
from qhsink.steps.evaluate_places import TrialSpec, squares
from qhsink.steps.evaluate_samples import judge_samples
from qhsink.steps.evaluate_target_modes import judge_targets
from qhsink.steps.evaluate_targets import judges_targets
from qhsink.steps.evaluate_world import run_world
from qhsink.twin.lies import Lie


def world_rows(
    regions: Sequence[str],
    lie: Lie | None,
    trial: TrialSpec,
    seed: int,
    scratch: Path,
) -> pd.DataFrame:
    """Return every estimate of one world beside its truth.

    Parameters
    ----------
    regions : sequence of str
        Real regions that squares are cut out of.
    lie : str or None
        Assumption that the world breaks; such a world is judged by the modes shown for
        lies alone.
    seed : int
        Of the world.
    scratch : Path
        Empty folder for archives and runs.

    Raises
    ------
    QhsinkError
        When the world gives nothing.
    """
    places = squares(regions, trial)
    run = run_world(seed, places, trial=trial, folder=scratch, lie=lie)
    model = load_model(project_dir() / "models", run.plan.setup.config.models.fvc)
    rmse = float(
        model.card["science"]["validation"]["runs"]["models"]["ensemble"]["rmse"]
    )
    rng = np.random.default_rng([seed, 20_250_801])
    results = judge_world(
        run.sites, run.truth, trial=trial, map_rmse=rmse, rng=rng, lie=lie
    )
    results += judge_month(
        run.months, run.month_truth, trial=trial, map_rmse=rmse, rng=rng
    )
    if lie is None:
        results += judge_further(run, trial=trial, seed=seed)
        results += judge_samples(run.sites, run.truth, places, trial=trial, seed=seed)
    if lie is None and run.months:
        (scratch / "earlier").mkdir()
        before = run_world(
            seed, places, trial=trial.earlier, folder=scratch / "earlier"
        )
        results += judge_maps_of_change(before.sites, run.sites, trial, model.id)
    if lie is None and judges_targets(seed, trial):
        (scratch / "targets").mkdir()
        results += judge_targets(seed, regions, trial, scratch / "targets")
    frame = pd.DataFrame([result.to_row() for result in results])
    return frame.assign(world=seed, excluded=len(run.plan.excluded))

"""The trial of the intervals: many worlds, one row file each, a killed run goes on.

Composes worlds and modes and keeps their rows; what a world is and how estimates are
made is in ``evaluate_world`` and ``evaluate_modes``, counting in ``twin.scoring``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from qhsink.config import load_run_config, project_dir
from qhsink.domain.errors import BadInput, QhsinkError
from qhsink.registry import load_model
from qhsink.reporting.coverage import Trial, write_coverage_page
from qhsink.steps.evaluate_modes import judge_world
from qhsink.steps.evaluate_places import TrialSpec, load_trial, squares
from qhsink.steps.evaluate_world import run_world
from qhsink.store import Key, code_version, make_key
from qhsink.twin.lies import Lie
from qhsink.twin.scoring import summarise, wrong_verdicts

PACKAGES = (
    "qhsink.domain", "qhsink.grid", "qhsink.sources", "qhsink.imagery",
    "qhsink.mapping", "qhsink.estimation", "qhsink.indicators", "qhsink.steps",
    "qhsink.twin",
)  # fmt: skip

DEFAULT_REGIONS = ("632221", "632324", "632626")
"""Mountain forest and meadow, grassland, dry steppe: Menyuan, Henan, Madoi."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be tried."""

    worlds: int
    """How many; their seeds are ``first_seed``, ``first_seed`` + 1, ..."""
    regions: tuple[str, ...] = DEFAULT_REGIONS
    """Real regions that squares are cut out of."""
    lie: Lie | None = None
    """Which assumption is broken."""
    first_seed: int = 1
    trial: TrialSpec | None = None
    """``config/evaluate.toml`` when None."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a trial left behind."""

    rows: pd.DataFrame
    """Every estimate beside its truth."""
    summary: pd.DataFrame
    verdicts: pd.DataFrame
    failed: dict[int, str]
    """Worlds that gave nothing, with the reason; a later run tries them again."""
    out: Path


def evaluate(
    order: Order,
    out: Path,
    *,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Try the intervals on many worlds and write the page and the tables.

    Parameters
    ----------
    out : Path
        Folder of the results. ``worlds/`` keeps the rows of finished worlds under
        their content keys, so a killed run goes on where it stopped and a changed
        program starts afresh.
    workers : int
        Processes.

    Raises
    ------
    BadInput
        When no world or region is asked for, or every world failed.
    """
    if order.worlds < 1 or not order.regions:
        raise BadInput(
            f"{order.worlds} worlds over {len(order.regions)} regions",
            expected="at least one of each",
            remedy="Correct --worlds or --region.",
        )
    trial = order.trial or load_trial()
    (out / "worlds").mkdir(parents=True, exist_ok=True)
    files = {
        seed: out / "worlds" / f"{seed}-{_key(order, trial, seed).short}.parquet"
        for seed in range(order.first_seed, order.first_seed + order.worlds)
    }
    failed = _fill(order, trial, files, workers, on_progress)
    done = [pd.read_parquet(path) for path in files.values() if path.is_file()]
    if not done:
        raise BadInput(
            f"no world gave an estimate: {next(iter(failed.values()))}",
            expected="at least one that runs",
            remedy="Mend what the reason names, then run again.",
        )
    rows = pd.concat(done, ignore_index=True)
    summary, verdicts = summarise(rows), wrong_verdicts(rows, trial.lines)
    rows.to_parquet(out / "estimates.parquet", index=False)
    summary.to_parquet(out / "coverage.parquet", index=False)
    verdicts.to_parquet(out / "verdicts.parquet", index=False)
    facts = Trial(
        worlds=len(done),
        failed=len(failed),
        regions=order.regions,
        lie=order.lie,
        square_km=trial.square_m / 1000.0,
        part_km=trial.square_m / trial.parts / 1000.0,
        plots=trial.plots,
        campaigns=trial.campaigns,
        pixel_m=trial.pixel_size_m,
        range_km=trial.correlation_range_m / 1000.0,
        code=code_version(*PACKAGES),
    )
    write_coverage_page(summary, verdicts, facts, out)
    return Evaluation(rows, summary, verdicts, failed, out)


def _key(order: Order, trial: TrialSpec, seed: int) -> Key:
    return make_key(
        "trial",
        code=code_version(*PACKAGES),
        params={
            "trial": trial.model_dump(mode="json"),
            "regions": list(order.regions),
            "lie": order.lie,
            "seed": seed,
            "config": json.loads(
                load_run_config(
                    project_dir() / "config" / "demo.toml"
                ).model_dump_json()
            ),
            "twin": (project_dir() / "config" / "twin.toml").read_text("utf-8"),
        },
    )


def _fill(
    order: Order,
    trial: TrialSpec,
    files: dict[int, Path],
    workers: int,
    on_progress: Progress | None,
) -> dict[int, str]:
    """Make the row files that are missing; return the worlds that failed."""
    missing = [seed for seed, path in files.items() if not path.is_file()]
    ready = len(files) - len(missing)
    failed: dict[int, str] = {}
    work = partial(_try_world, order, trial, files)
    for number, (seed, fault) in enumerate(_each(work, missing, workers), start=1):
        if fault:
            failed[seed] = fault
        if on_progress is not None:
            said = f"world {seed}" + (f" failed: {fault}" if fault else "")
            on_progress(ready + number, len(files), said)
    return failed


def _each(
    work: Callable[[int], tuple[int, str]], seeds: Sequence[int], workers: int
) -> Iterator[tuple[int, str]]:
    if workers == 1 or len(seeds) < 2:
        yield from map(work, seeds)
        return
    # Spawned, not forked: numba's and GDAL's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(seeds)), mp_context=context) as pool:
        for job in as_completed([pool.submit(work, seed) for seed in seeds]):
            yield job.result()


def _try_world(
    order: Order, trial: TrialSpec, files: dict[int, Path], seed: int
) -> tuple[int, str]:
    """Write the rows of one world; return its seed and why it failed, if so."""
    path = files[seed]
    scratch = Path(tempfile.mkdtemp(prefix=f"world-{seed}-", dir=path.parent))
    try:
        rows = world_rows(order, trial, seed, scratch)
        aside = scratch / "rows.parquet"
        rows.to_parquet(aside, index=False)
        os.replace(aside, path)  # noqa: PTH105 - complete or absent
    except QhsinkError as error:
        return seed, str(error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return seed, ""


def world_rows(
    order: Order, trial: TrialSpec, seed: int, scratch: Path
) -> pd.DataFrame:
    """Return every estimate of one world beside its truth."""
    places = squares(order.regions, trial)
    run = run_world(seed, places, trial=trial, folder=scratch, lie=order.lie)
    model = load_model(project_dir() / "models", run.plan.setup.config.models.fvc)
    rmse = float(
        model.card["science"]["validation"]["runs"]["models"]["ensemble"]["rmse"]
    )
    results = judge_world(
        run.sites,
        run.truth,
        trial=trial,
        map_rmse=rmse,
        rng=np.random.default_rng([seed, 20_250_801]),
        lie=order.lie,
    )
    frame = pd.DataFrame([result.to_row() for result in results])
    return frame.assign(world=seed, excluded=len(run.plan.excluded))

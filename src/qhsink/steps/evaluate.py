"""The trial of the intervals: many worlds, one row file each, a killed run goes on.

Composes worlds and modes and keeps their rows; what a world is and how estimates are
made is in ``evaluate_world`` and ``evaluate_modes``, counting in ``twin.scoring``.
"""

from __future__ import annotations

import dataclasses
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

import pandas as pd

from qhsink.config import load_run_config, project_dir
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import BadInput, QhsinkError
from qhsink.reporting.coverage import write_coverage_page
from qhsink.reporting.coverage_trial import TargetTrial, Trial
from qhsink.steps.evaluate_places import TrialSpec, load_trial
from qhsink.steps.evaluate_rows import world_rows
from qhsink.steps.evaluate_targets import judges_targets, targets_inputs
from qhsink.store import Key, code_version, make_key
from qhsink.twin.lies import LIES, Lie
from qhsink.twin.scoring import (
    summarise,
    summarise_classes,
    summarise_lies,
    wrong_verdicts,
)

PACKAGES = (
    "qhsink.domain", "qhsink.grid", "qhsink.sources", "qhsink.imagery",
    "qhsink.mapping", "qhsink.estimation", "qhsink.indicators", "qhsink.steps",
    "qhsink.twin", "qhsink.accounting",
)  # fmt: skip

DEFAULT_REGIONS = ("632221", "632324", "632626")
"""Mountain forest and meadow, grassland, dry steppe: Menyuan, Henan, Madoi."""

HONEST = "none"
"""The lie of worlds that do not lie."""

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
    lie_worlds: int = 0
    """Worlds of each lie to be tried beside, with the first seeds."""
    first_seed: int = 1
    trial: TrialSpec | None = None
    """``config/evaluate.toml`` when None."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a trial left behind."""

    rows: pd.DataFrame
    """Every estimate beside its truth."""
    summary: pd.DataFrame
    classes: pd.DataFrame
    """Of grades and states: how often a class that is named is the true one."""
    verdicts: pd.DataFrame
    lies: pd.DataFrame
    """What each lie did; empty where none was asked for."""
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
    jobs = _jobs(order, trial, out / "worlds")
    faults = _fill(trial, jobs, workers, on_progress)
    honest = [job for job in jobs if job.order.lie == order.lie]
    failed = {job.seed: faults[job.path] for job in honest if job.path in faults}
    rows = _rows(honest, next(iter(failed.values()), ""))
    summary, verdicts = summarise(rows), wrong_verdicts(rows, trial.lines)
    classes = summarise_classes(rows)
    lies = _lies(order, jobs)
    for name, table in (
        ("estimates", rows),
        ("coverage", summary),
        ("classes", classes),
        ("verdicts", verdicts),
        ("lies", lies),
    ):
        table.to_parquet(out / f"{name}.parquet", index=False)
    facts = Trial(
        worlds=int(rows["world"].nunique()),
        failed=len(failed),
        regions=order.regions,
        lie=order.lie,
        lie_worlds=order.lie_worlds,
        square_km=trial.square_m / 1000.0,
        part_km=trial.square_m / trial.parts / 1000.0,
        plots=trial.plots,
        tracks=trial.footprint_rules.tracks,
        campaigns=trial.campaigns,
        further_campaigns=trial.further_campaigns,
        label_plots=trial.label_plots,
        pixel_m=trial.pixel_size_m,
        targets=TargetTrial(
            worlds=int(rows.loc[rows["size"] == "target square", "world"].nunique()),
            square_km=trial.targets.square_m / 1000.0,
            part_km=trial.targets.square_m / trial.targets.parts / 1000.0,
            pixel_m=trial.targets.pixel_size_m,
        ),
        code=code_version(*PACKAGES),
    )
    write_coverage_page(summary, classes, verdicts, lies, facts, out)
    return Evaluation(rows, summary, classes, verdicts, lies, failed, out)


@dataclass(frozen=True, slots=True)
class _Job:
    """One world to be tried."""

    order: Order
    seed: int
    path: Path
    """Its row file."""


def _jobs(order: Order, trial: TrialSpec, folder: Path) -> list[_Job]:
    """Return the worlds of an order, then those of the lies beside it."""
    orders = [order]
    if order.lie_worlds:
        few = min(order.lie_worlds, order.worlds)
        orders += [
            dataclasses.replace(order, lie=lie, worlds=few, lie_worlds=0)
            for lie in LIES
        ]
    return [
        _Job(one, seed, folder / f"{seed}-{_key(one, trial, seed).short}.parquet")
        for one in orders
        for seed in range(one.first_seed, one.first_seed + one.worlds)
    ]


def _rows(jobs: Sequence[_Job], fault: str) -> pd.DataFrame:
    done = [pd.read_parquet(job.path) for job in jobs if job.path.is_file()]
    if not done:
        raise BadInput(
            f"no world gave an estimate: {fault}",
            expected="at least one that runs",
            remedy="Mend what the reason names, then run again.",
        )
    return pd.concat(done, ignore_index=True)


def _lies(order: Order, jobs: Sequence[_Job]) -> pd.DataFrame:
    """Return what the lies did to the worlds that were also tried without."""
    last = order.first_seed + order.lie_worlds
    tables = [
        pd.read_parquet(job.path).assign(lie=job.order.lie or HONEST)
        for job in jobs
        if job.seed < last and job.path.is_file()
    ]
    if not tables:
        return pd.DataFrame(columns=["lie", "mode"])
    return summarise_lies(pd.concat(tables, ignore_index=True), honest=HONEST)


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
            "rules": dataclasses.asdict(load_interval_rules(project_dir())),
            **_targets_inputs(order, trial, seed),
        },
    )


def _targets_inputs(order: Order, trial: TrialSpec, seed: int) -> dict[str, object]:
    """Return what else a world rests on whose every target is mapped."""
    if order.lie is not None or not judges_targets(seed, trial):
        return {}
    return {"targets": targets_inputs(trial)}


def _fill(
    trial: TrialSpec,
    jobs: Sequence[_Job],
    workers: int,
    on_progress: Progress | None,
) -> dict[Path, str]:
    """Make the row files that are missing; return why some could not be."""
    missing = [job for job in jobs if not job.path.is_file()]
    ready = len(jobs) - len(missing)
    faults: dict[Path, str] = {}
    work = partial(_try_world, trial)
    for number, (job, fault) in enumerate(_each(work, missing, workers), start=1):
        if fault:
            faults[job.path] = fault
        if on_progress is not None:
            said = f"world {job.seed}" + (f", {job.order.lie}" if job.order.lie else "")
            said += f" failed: {fault}" if fault else ""
            on_progress(ready + number, len(jobs), said)
    return faults


def _each(
    work: Callable[[_Job], tuple[_Job, str]], jobs: Sequence[_Job], workers: int
) -> Iterator[tuple[_Job, str]]:
    if workers == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    # Spawned, not forked: numba's and GDAL's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        running = [pool.submit(work, job) for job in jobs]
        try:
            for done in as_completed(running):
                yield done.result()
        except BaseException:
            # What nobody foresaw ends the trial now, not after all other worlds.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _try_world(trial: TrialSpec, job: _Job) -> tuple[_Job, str]:
    """Write the rows of one world; return it and why it failed, if so."""
    prefix = f"world-{job.path.stem}-"
    for left in job.path.parent.glob(f"{prefix}*"):  # by a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=job.path.parent))
    try:
        order = job.order
        rows = world_rows(order.regions, order.lie, trial, job.seed, scratch)
        aside = scratch / "rows.parquet"
        rows.to_parquet(aside, index=False)
        os.replace(aside, job.path)  # noqa: PTH105 - complete or absent
    except QhsinkError as error:
        return job, str(error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return job, ""

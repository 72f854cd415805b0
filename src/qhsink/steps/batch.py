"""Many tiles at once: one Dask task each, and word of each that is done.

Progress is told through the logger ``qhsink.progress``, so that a terminal, a log
file and an orchestrator can all follow a run without the steps knowing them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import dask.config
from dask.base import compute
from dask.delayed import delayed

from qhsink.config import RunConfig, Settings
from qhsink.steps.tile_jobs import TileJob
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.steps.tiles import compute_tile

progress = logging.getLogger("qhsink.progress")


def compute_tiles(
    jobs: Sequence[TileJob], config: RunConfig, settings: Settings
) -> list[TileOutcome]:
    """Return the outcome of every job, ``settings.workers`` at a time.

    Dask's threads run the tiles: what a tile spends its time in (GDAL, numba, BLAS)
    releases Python's lock. A ``dask.distributed`` client that is active in the
    process takes the tasks instead, and the store must then be shared.
    """
    # Bound first: dask would search every field of a job for nested tasks.
    tasks = [delayed(partial(_told, job, config, settings))() for job in jobs]
    scheduler = None if _active_client() else "threads"
    done: tuple[TileOutcome, ...] = compute(
        *tasks, scheduler=scheduler, num_workers=settings.workers
    )
    return list(done)


def _told(job: TileJob, config: RunConfig, settings: Settings) -> TileOutcome:
    outcome = compute_tile(job, config, settings)
    how = "failed" if outcome.error else "computed" if outcome.made else "reused"
    progress.info(
        "%s %s %s", outcome.kind, outcome.tile, how, extra={"outcome": outcome}
    )
    return outcome


def _active_client() -> bool:
    return str(dask.config.get("scheduler", None)) == "dask.distributed"

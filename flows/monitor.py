"""The monthly flow: regions and a month in, a published report out.

Coarse tasks that pass keys, never arrays. Dask computes inside a task; Prefect
schedules, retries and shows. The audit record is ``run.json``, not Prefect's
database. No science and no file format belongs here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from flows.faults import is_transient
from qhsink.config import Settings, load_settings
from qhsink.steps import monitor as steps
from qhsink.steps.publish import Published
from qhsink.steps.request import RunRequest
from qhsink.steps.tile_outcome import TileOutcome


# The store is the one cache: Prefect's is off.
@task(
    name="plan",
    cache_policy=NO_CACHE,
    retries=1,
    retry_delay_seconds=5,
    retry_condition_fn=is_transient,
)
def plan_run(request: dict[str, Any], settings: dict[str, Any]) -> str:
    """Pin regions and scenes; return the plan's digest."""
    return steps.prepare(RunRequest.from_json(request), Settings(**settings))


@task(
    name="tiles",
    cache_policy=NO_CACHE,
    retries=1,
    retry_delay_seconds=5,
    retry_condition_fn=is_transient,
)
def compute_batch(
    plan: str, tiles: list[tuple[int, int]], settings: dict[str, Any]
) -> list[TileOutcome]:
    """Make composites, maps and ledger rows of a batch of tiles; return keys."""
    return steps.run_batch(plan, tiles, Settings(**settings))


@task(name="results", cache_policy=NO_CACHE)
def publish_results(
    plan: str, outcomes: list[TileOutcome], settings: dict[str, Any]
) -> Published:
    """Sum the ledger, judge the estimates, write the page."""
    return steps.conclude(plan, outcomes, Settings(**settings))


def _last_month() -> str:
    """Return the month before the scheduled start, in Qinghai's time."""
    start = flow_run.scheduled_start_time.astimezone(ZoneInfo("Asia/Shanghai"))
    return f"{start.replace(day=1) - timedelta(days=1):%Y-%m}"


@flow(name="monitor", validate_parameters=False)
def monitor(
    month: str = "last",
    regions: Sequence[str] = ("630000",),
    source: str = "earth-search",
    config: str | None = None,
    out: str | None = None,
    models: Sequence[tuple[str, str]] = (),
    store: str | None = None,
    workers: int = 2,
    plan: str | None = None,
) -> Published:
    """Monitor ``regions`` in ``month``.

    Parameters
    ----------
    month : str
        ``YYYY-MM``; the word ``last`` means the month before the one in which the
        run was scheduled to start.
    regions : sequence of str
        Region ids or vector files.
    source, config, out, models, store, workers
        As the options of ``qhsink monitor``.
    plan : str, optional
        Digest of a plan that is already stored.
    """
    request = RunRequest(
        month=_last_month() if month == "last" else month,
        regions=tuple(regions),
        source=source,
        config=config,
        out=out,
        models=tuple((target, model) for target, model in models),
    )
    places = load_settings(store=Path(store) if store else None, workers=workers)
    settings = places.model_dump(mode="python")
    digest = plan or plan_run(request.to_json(), settings)
    outcomes: list[TileOutcome] = []
    for batch in steps.batches(steps.load_plan(digest, places)):
        outcomes += compute_batch(digest, batch, settings)
    return publish_results(digest, outcomes, settings)

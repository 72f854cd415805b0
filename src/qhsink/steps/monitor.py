"""The monthly run as four steps that pass keys: plan, tiles, estimates, results.

Written so that any process can carry on: everything between steps is in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from qhsink.config import Settings
from qhsink.registry import load_model
from qhsink.steps.batch import compute_tiles
from qhsink.steps.estimates import gather_ledger, report_rows
from qhsink.steps.guard import exclude_shifted
from qhsink.steps.plan import RunPlan, make_plan
from qhsink.steps.plan_file import plan_token, read_plan, write_plan
from qhsink.steps.publish import Published, publish
from qhsink.steps.request import RunRequest, set_up
from qhsink.steps.target_models import load_target_models
from qhsink.steps.tile_jobs import TileJob, tile_jobs
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.store import Key, Store, code_version, make_key

BATCH = 32
"""Tiles per orchestrated task: coarse, so that the orchestrator costs little."""


def prepare(request: RunRequest, settings: Settings) -> str:
    """Check the request, pin its scenes, store the plan; return the plan's digest."""
    setup = set_up(request, settings)
    load_model(settings.project / "models", setup.config.models.fvc)  # or say so now
    load_target_models(setup.config, settings.project)
    plan = exclude_shifted(make_plan(setup))
    key = _plan_key(plan)
    Store(settings.store).get(key, lambda folder: write_plan(plan, folder))
    return key.digest


def _plan_key(plan: RunPlan) -> Key:
    code = code_version(
        "qhsink.steps.plan",
        "qhsink.steps.plan_file",
        "qhsink.steps.plan_regions",
        "qhsink.steps.plan_sources",
        "qhsink.regions",
        "qhsink.sources",
    )
    return make_key("plan", code=code, params={"plan": plan_token(plan)})


def load_plan(digest: str, settings: Settings) -> RunPlan:
    """Return a stored plan."""
    return read_plan(Store(settings.store).folder_of("plan", digest), settings)


def count_jobs(digest: str, settings: Settings) -> int:
    """Return how many tile jobs a stored plan holds."""
    return sum(1 for _ in tile_jobs(load_plan(digest, settings)))


def batches(plan: RunPlan) -> list[list[tuple[int, int]]]:
    """Return the plan's tiles as lists of (col, row), ``BATCH`` at most in each."""
    tiles = list(dict.fromkeys((job.col, job.row) for job in tile_jobs(plan)))
    return [tiles[start : start + BATCH] for start in range(0, len(tiles), BATCH)]


def run_batch(
    digest: str, tiles: Sequence[tuple[int, int]], settings: Settings
) -> list[TileOutcome]:
    """Compute the composites, maps and ledger rows of some tiles of a plan."""
    plan = load_plan(digest, settings)
    wanted = {(col, row) for col, row in tiles}
    jobs = [job for job in tile_jobs(plan) if (job.col, job.row) in wanted]
    return compute_tiles(jobs, plan.setup.config, settings)


def conclude(
    digest: str, outcomes: Sequence[TileOutcome], settings: Settings
) -> Published:
    """Sum the ledger, judge the estimates and publish the results of a plan."""
    plan = load_plan(digest, settings)
    ledger = gather_ledger(plan, outcomes)
    region_tiles = tiles_by_region(plan, tuple(tile_jobs(plan)))
    rows = report_rows(plan, ledger, region_tiles)
    return publish(
        plan,
        outcomes,
        ledger,
        rows,
        region_tiles=region_tiles,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def tiles_by_region(
    plan: RunPlan, jobs: Sequence[TileJob]
) -> Mapping[str, frozenset[str]]:
    """Return the names of the tiles that each region lies on."""
    on_tile: dict[str, set[str]] = {}
    for job in jobs:
        name = plan.grid.tile(job.col, job.row).name
        for leaf, _ in job.leaves:
            on_tile.setdefault(leaf, set()).add(name)
    return {
        region.id: frozenset().union(
            *(on_tile.get(leaf, set()) for leaf in plan.leaves.members[region.id])
        )
        for region in plan.regions
    }


def run_monitor(request: RunRequest, settings: Settings) -> Published:
    """Carry out a run in this process, without an orchestrator."""
    digest = prepare(request, settings)
    plan = load_plan(digest, settings)
    outcomes = [
        outcome
        for batch in batches(plan)
        for outcome in run_batch(digest, batch, settings)
    ]
    return conclude(digest, outcomes, settings)

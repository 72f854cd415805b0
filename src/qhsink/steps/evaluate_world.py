"""One simulated world through the real steps: squares, archive, maps, ledger, truth.

Ends with what a judge needs of each square: the map, the ledger's sums, and the truth
on the same pixels. Campaigns and estimators are not known here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.config import Settings, project_dir
from qhsink.estimation.ledger import sum_region
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.steps.estimates import gather_ledger, report_rows
from qhsink.steps.evaluate_places import Square, TrialSpec
from qhsink.steps.evaluate_request import TrialRun, ask_run
from qhsink.steps.evaluate_site import Site, lay_beside, misread_type, whole_id
from qhsink.steps.monitor import (
    batches,
    load_plan,
    prepare,
    run_batch,
    tiles_by_region,
)
from qhsink.steps.plan import MAP_INDICATORS, Kind, RunPlan
from qhsink.steps.request import RunRequest
from qhsink.steps.tile_jobs import tile_jobs
from qhsink.twin import lies
from qhsink.twin.archive import build_archive
from qhsink.twin.campaign import Floats, Truth
from qhsink.twin.ground import Ground, truth_at
from qhsink.twin.spec import load_spec
from qhsink.twin.world import World


@dataclass(frozen=True, slots=True)
class WorldRun:
    """A world after the run."""

    plan: RunPlan
    """What was pinned and what was excluded."""
    truth: Truth
    """The truth at any place."""
    sites: tuple[Site, ...]
    """At the peak."""
    months: tuple[Site, ...]
    """The same squares in the month; none where the month is not judged."""
    month_truth: Truth
    """The truth at the middle of the month."""
    earlier_truth: Truth
    """The truth at the peak of the trial's earlier year."""


def run_world(
    seed: int,
    places: Sequence[Square],
    *,
    trial: TrialSpec,
    folder: Path,
    lie: lies.Lie | None = None,
) -> WorldRun:
    """Simulate a world, run the monthly steps on it, and lay truth beside the maps.

    Parameters
    ----------
    seed : int
        Seed of the world.
    places : sequence of Square
        Where.
    folder : Path
        Empty folder for archive, store and configuration; the caller removes it.
    lie : str, optional
        Which assumption is broken on the way.
    """
    lakes = lakes_near(places)
    catalogue = build_archive(
        folder / "archive",
        regions=[(f"square-{p.region}", p.outline) for p in places],
        lakes=lakes,
        seed=seed,
        year=trial.year,
        pixel_size_m=trial.pixel_size_m,
        workers=1,
    )
    _lie_in_scenes(catalogue.parent, seed, lie)
    settings = Settings(project=project_dir(), store=folder / "store", workers=1)
    judged = _kinds(seed, trial)
    request = _request(catalogue, places, trial, folder, judged)
    digest = prepare(request, settings)
    plan = load_plan(digest, settings)
    outcomes = [o for b in batches(plan) for o in run_batch(digest, b, settings)]
    ledger = gather_ledger(plan, outcomes)
    jobs = tuple(tile_jobs(plan))
    rows = report_rows(plan, ledger, tiles_by_region(plan, jobs))
    truths = {
        "peak": truth_of(seed, trial.year, lakes),
        "month": truth_of(seed, trial.year, lakes, date=trial.mid_month),
        "earlier": truth_of(seed, trial.earlier_year, lakes),
    }
    found: dict[str, list[Site]] = {"peak": [], "month": []}
    for kind in judged:
        here = [outcome for outcome in outcomes if outcome.kind == kind]
        reported = {
            row.region.id: row
            for row in rows
            if MAP_INDICATORS[row.indicator_id] == kind
        }
        for place in places:
            names = [whole_id(place), *(name for name, _ in place.parts)]
            site = lay_beside(place, here, plan, truths[kind], trial)
            site = dataclasses.replace(
                site,
                sums={
                    n: sum_region(ledger.rows[kind], plan.leaves.members[n])
                    for n in names
                },
                reported={n: reported[n] for n in names},
            )
            found[kind].append(misread_type(site) if lie == "missing-type" else site)
    return WorldRun(
        plan,
        truths["peak"],
        tuple(found["peak"]),
        tuple(found["month"]),
        truths["month"],
        truths["earlier"],
    )


def _kinds(seed: int, trial: TrialSpec) -> tuple[Kind, ...]:
    """Return what a world judges: the month costs a composite and a map more."""
    return ("peak", "month") if seed % trial.month_every == 0 else ("peak",)


def lakes_near(places: Sequence[Square]) -> tuple[BaseGeometry, ...]:
    """Return the real lakes around some squares, in grid coordinates."""
    database = load_database(project_dir() / "aoi" / "qinghai.gpkg")
    near = shapely.union_all([p.outline for p in places]).buffer(20_000.0)
    lakes = (
        database.geometry(region.id, qinghai_albers())
        for region in database.regions
        if region.kind == "lake"
    )
    return tuple(lake for lake in lakes if lake.intersects(near))


def _lie_in_scenes(archive: Path, seed: int, lie: lies.Lie | None) -> None:
    if lie == "thin-cloud":
        lies.veil_scenes(archive, seed=seed)
    elif lie == "wrong-offset":
        days = sorted(
            {path.parent.name.split("_")[2][:8] for path in archive.rglob("SCL.tif")}
        )
        lies.shift_scene(archive, day=days[len(days) // 2])


def truth_of(
    seed: int,
    year: int,
    lakes: Sequence[BaseGeometry],
    *,
    date: dt.date | None = None,
    rain: bool = True,
) -> Truth:
    """Return the truth of a world as a function of place, its real lakes included.

    At the peak of ``year``, or on ``date``; without ``rain`` as in a year whose rain
    is the usual.
    """
    spec = load_spec()
    world = spec.build_world(seed)
    if not rain:
        world = world.without_weather()
    return partial(_truth, world, (year, date), tuple(lakes), spec.shore_m)


def _truth(
    world: World,
    when: tuple[int, dt.date | None],
    lakes: tuple[BaseGeometry, ...],
    shore_m: float,
    x: Floats,
    y: Floats,
) -> Ground:
    shore = np.zeros(x.size, dtype=np.uint8)
    for lake in lakes:
        shore[shapely.contains_xy(lake.buffer(shore_m), x, y) & (shore == 0)] = 1
        shore[shapely.contains_xy(lake, x, y)] = 2
    return truth_at(world, x, y, year=when[0], date=when[1], shore=shore)


def _request(
    catalogue: Path,
    places: Sequence[Square],
    trial: TrialSpec,
    folder: Path,
    kinds: Sequence[Kind],
) -> RunRequest:
    run = TrialRun(
        extends="demo.toml",
        pixel_size_m=trial.pixel_size_m,
        tile_px=128,
        indicators=[f"fvc_{kind}" for kind in kinds],
        month=trial.month,
    )
    regions = {
        "squares": [(whole_id(place), place.outline) for place in places],
        "parts": [part for place in places for part in place.parts],
    }
    return ask_run(run, catalogue, regions, folder)

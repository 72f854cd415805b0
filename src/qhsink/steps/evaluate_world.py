"""One simulated world through the real steps: squares, archive, maps, ledger, truth.

Ends with what a judge needs of each square: the map, the ledger's sums, and the truth
on the same pixels. Campaigns and estimators are not known here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.windows import from_bounds
from shapely.geometry.base import BaseGeometry

from qhsink.config import Settings, project_dir
from qhsink.estimation.ledger import RegionSums, sum_region
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.reporting.record import ReportRow
from qhsink.steps.estimates import gather_ledger, report_rows
from qhsink.steps.evaluate_places import Square, TrialSpec
from qhsink.steps.monitor import (
    batches,
    load_plan,
    prepare,
    run_batch,
    tiles_by_region,
)
from qhsink.steps.plan import RunPlan, tile_jobs
from qhsink.steps.rasters import NODATA, SCALE
from qhsink.steps.request import RunRequest
from qhsink.steps.tiles import TileOutcome
from qhsink.store import Store
from qhsink.twin import lies
from qhsink.twin.archive import build_archive
from qhsink.twin.campaign import Floats, Index, Truth
from qhsink.twin.ground import Ground, truth_at
from qhsink.twin.spec import load_spec
from qhsink.twin.world import WATER, World


@dataclass(frozen=True, slots=True)
class Site:
    """A square after the run: map and truth on its land pixels."""

    square: Square
    x: Floats
    """Pixel centres [m], shape (n,); land only."""
    y: Floats
    """... along y."""
    rows: Index
    """Row on the square's lattice."""
    columns: Index
    """Column."""
    part: NDArray[np.str_]
    """Id of the sub-region."""
    predicted: Floats
    """Map value; NaN where the run gave none, shape (n,)."""
    ground: Ground
    """The truth."""
    sums: Mapping[str, RegionSums]
    """Ledger sums by id of square and sub-region."""
    reported: Mapping[str, ReportRow]
    """The run's own row for mean peak cover, by id."""

    @property
    def cover(self) -> Floats:
        """True peak cover, shape (n,)."""
        return self.ground.fvc.astype(np.float64)


@dataclass(frozen=True, slots=True)
class WorldRun:
    """A world after the run."""

    plan: RunPlan
    """What was pinned and what was excluded."""
    truth: Truth
    """The truth at any place."""
    sites: tuple[Site, ...]


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
    lakes = _lakes_near(places)
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
    request = _request(catalogue, places, trial, folder)
    digest = prepare(request, settings)
    plan = load_plan(digest, settings)
    outcomes = [o for b in batches(plan) for o in run_batch(digest, b, settings)]
    ledger = gather_ledger(plan, outcomes)
    jobs = tuple(tile_jobs(plan))
    rows = report_rows(plan, ledger, tiles_by_region(plan, jobs))
    reported = {row.region.id: row for row in rows}
    truth = truth_of(seed, trial.year, lakes)
    frame = ledger.rows["peak"]
    found = []
    for place in places:
        names = [_whole_id(place), *(name for name, _ in place.parts)]
        sums = {n: sum_region(frame, plan.leaves.members[n]) for n in names}
        site = _site(place, outcomes, plan, truth, trial)
        kept = {n: reported[n] for n in names}
        found.append(dataclasses.replace(site, sums=sums, reported=kept))
    if lie == "missing-type":
        found = [_misread_type(site) for site in found]
    return WorldRun(plan, truth, tuple(found))


def _lakes_near(places: Sequence[Square]) -> tuple[BaseGeometry, ...]:
    database = load_database(project_dir() / "aoi" / "qinghai.gpkg")
    near = shapely.union_all([p.outline for p in places]).buffer(20_000.0)
    lakes = (
        database.geometry(region.id, qinghai_albers())
        for region in database.regions
        if region.kind == "lake"
    )
    return tuple(lake for lake in lakes if lake.intersects(near))


def _whole_id(place: Square) -> str:
    return f"square-{place.region}"


def _lie_in_scenes(archive: Path, seed: int, lie: lies.Lie | None) -> None:
    if lie == "thin-cloud":
        lies.veil_scenes(archive, seed=seed)
    elif lie == "wrong-offset":
        days = sorted(
            {path.parent.name.split("_")[2][:8] for path in archive.rglob("SCL.tif")}
        )
        lies.shift_scene(archive, day=days[len(days) // 2])


def truth_of(seed: int, year: int, lakes: Sequence[BaseGeometry]) -> Truth:
    """Return the truth of a world as a function of place, its real lakes included."""
    spec = load_spec()
    return partial(_truth, spec.build_world(seed), year, tuple(lakes), spec.shore_m)


def _truth(
    world: World,
    year: int,
    lakes: tuple[BaseGeometry, ...],
    shore_m: float,
    x: Floats,
    y: Floats,
) -> Ground:
    shore = np.zeros(x.size, dtype=np.uint8)
    for lake in lakes:
        shore[shapely.contains_xy(lake.buffer(shore_m), x, y) & (shore == 0)] = 1
        shore[shapely.contains_xy(lake, x, y)] = 2
    return truth_at(world, x, y, year=year, shore=shore)


def _request(
    catalogue: Path, places: Sequence[Square], trial: TrialSpec, folder: Path
) -> RunRequest:
    demo = (project_dir() / "config" / "demo.toml").as_posix()
    config = folder / "trial.toml"
    pixel = trial.pixel_size_m
    config.write_text(
        f'extends = "{demo}"\n[grid]\npixel_size_m = {pixel}\ntile_px = 128\n'
        f"block_px = 128\n[masks]\ndilation_m = {pixel}\n"
        "[regions]\ninside_province = false\nmin_valid_share = 0.6\n"
        '[indicators]\nreport = ["fvc_peak"]\n',
        encoding="utf-8",
    )
    # Two files: features of one file may not cover each other.
    wholes = [(_whole_id(place), place.outline) for place in places]
    parts = [part for place in places for part in place.parts]
    for name, shapes in (("squares", wholes), ("parts", parts)):
        ids = [shape_id for shape_id, _ in shapes]
        gpd.GeoDataFrame(
            {"id": ids, "name": ids},
            geometry=[outline for _, outline in shapes],
            crs=qinghai_albers().to_wkt(),
        ).to_file(folder / f"{name}.gpkg")
    return RunRequest(
        month=trial.month,
        regions=(str(folder / "squares.gpkg"), str(folder / "parts.gpkg")),
        source=str(catalogue),
        config=str(config),
        out=str(folder / "out"),
    )


def _site(
    place: Square,
    outcomes: Sequence[TileOutcome],
    plan: RunPlan,
    truth: Truth,
    trial: TrialSpec,
) -> Site:
    pixel = trial.pixel_size_m
    edge = round(trial.square_m / pixel)
    left, _, _, top = place.outline.bounds
    rows, columns = (a.ravel() for a in np.indices((edge, edge)))
    x = np.asarray(left + (columns + 0.5) * pixel, dtype=np.float64)
    y = np.asarray(top - (rows + 0.5) * pixel, dtype=np.float64)
    ground = truth(x, y)
    land = ground.ecosystem != WATER
    predicted = _read_map(place, outcomes, plan, edge).ravel()
    part_px = edge // trial.parts
    part = np.array(
        [
            f"{place.region}-r{trial.parts - 1 - row // part_px}c{col // part_px}"
            for row, col in zip(rows, columns, strict=True)
        ]
    )
    fields = {
        field.name: getattr(ground, field.name)[land]
        for field in dataclasses.fields(ground)
    }
    return Site(
        square=place,
        x=x[land],
        y=y[land],
        rows=rows[land].astype(np.int64),
        columns=columns[land].astype(np.int64),
        part=part[land],
        predicted=predicted[land],
        ground=Ground(**fields),
        sums={},
        reported={},
    )


def _read_map(
    place: Square, outcomes: Sequence[TileOutcome], plan: RunPlan, edge: int
) -> Floats:
    """Return the map on the square's lattice; NaN where there is no value."""
    store = Store(plan.setup.settings.store)
    values = np.full((edge, edge), np.nan)
    for outcome in outcomes:
        if outcome.error is not None:
            continue
        path = store.folder_of("maps", outcome.keys["maps"]) / "fvc.tif"
        with rasterio.open(path) as file:
            if not shapely.box(*file.bounds).intersects(place.outline):
                continue
            window = from_bounds(*place.outline.bounds, transform=file.transform)
            dn = file.read(
                1, window=window.round(), boundless=True, fill_value=NODATA
            ).astype(np.float64)
        values = np.where(dn == NODATA, values, dn * SCALE)
    return values


def _misread_type(site: Site) -> Site:
    """Return the site with a map that never learned one ecosystem."""
    code = lies.unseen_type(site.ground.ecosystem)
    wrong = site.ground.ecosystem == code
    predicted = site.predicted + lies.TYPE_SHIFT * wrong
    seen = np.isfinite(site.predicted)
    sums, reported = {}, {}
    for name, old in site.sums.items():
        inside = seen if name == _whole_id(site.square) else seen & (site.part == name)
        share = float(wrong[inside].mean()) if inside.any() else 0.0
        rise = lies.TYPE_SHIFT * share
        sums[name] = dataclasses.replace(
            old, members_ha=old.members_ha + rise * old.land_ha
        )
        row = site.reported[name]
        if row.estimate is not None:
            shifted = dataclasses.replace(
                row.estimate,
                value=row.estimate.value + rise,
                low=row.estimate.low + rise,
                high=row.estimate.high + rise,
            )
            row = dataclasses.replace(row, estimate=shifted)
        reported[name] = row
    return dataclasses.replace(site, predicted=predicted, sums=sums, reported=reported)

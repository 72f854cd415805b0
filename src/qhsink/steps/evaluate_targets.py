"""A simulated world with every target mapped: its run, published, and its squares.

Smaller squares than those of the other trials, on the pixels that the models learnt
from, and the scenes with every layer that they read. What is estimated from a run is
in ``evaluate_target_rows``, what plots give beside it in ``evaluate_carbon`` and
``evaluate_sinks``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from qhsink.config import RunConfig, Settings, load_run_config, project_dir
from qhsink.config.residual_fields import load_residual_worlds
from qhsink.config.train_twin import load_twin_training
from qhsink.domain.model_target import ModelTarget, ModelTargets
from qhsink.mapping.layers import Group
from qhsink.steps.evaluate_places import Square, TargetSquares, TrialSpec
from qhsink.steps.evaluate_request import TrialRun, ask_run
from qhsink.steps.evaluate_site import Site, lay_beside, whole_id
from qhsink.steps.evaluate_world import lakes_near, truth_of
from qhsink.steps.map_indicators import TARGET_INDICATORS
from qhsink.steps.monitor import batches, conclude, load_plan, prepare, run_batch
from qhsink.steps.publish import Published
from qhsink.steps.request import RunRequest
from qhsink.steps.run_models import groups_by_model
from qhsink.steps.twin_pixels import ECOSYSTEM_OF
from qhsink.store import file_digest
from qhsink.twin.archive import build_archive
from qhsink.twin.campaign import Floats, Truth
from qhsink.twin.classes import CODES

ALL = "all-squares"
"""Id of the region that is every square of a world together."""
COVER_INDICATOR = "fvc_peak"


@dataclass(frozen=True, slots=True)
class TargetsRun:
    """A world after the run that maps every target."""

    published: Published
    """What the run left, its rows as they are reported."""
    sites: tuple[Site, ...]
    """Squares; map and spread are those of cover."""
    truth: Truth
    """The truth at any place, at the peak."""
    earlier_truth: Truth
    """... of the trial's earlier year."""
    squares: TargetSquares
    """How large."""


def judges_targets(seed: int, trial: TrialSpec) -> bool:
    """Whether a world judges the maps of all targets: one that none learnt from."""
    if seed % trial.targets_every:
        return False
    learnt = {*load_twin_training().train_seeds, *load_residual_worlds().fitted}
    return seed not in learnt


def targets_config(trial: TrialSpec) -> RunConfig:
    """Return the configuration whose models are tried."""
    return load_run_config(project_dir() / "config" / trial.targets.config)


def targets_inputs(trial: TrialSpec) -> Mapping[str, object]:
    """Return what such a world rests on beside code and trial, for its content key.

    Models are named by their digest in the configuration; the errors of their totals,
    the targets' table and the factors are files.
    """
    project = project_dir()
    files = [
        *(project / "config" / name for name in _TABLES),
        *sorted((project / "models" / "residuals").rglob("*.json")),
    ]
    return {
        "config": json.loads(targets_config(trial).model_dump_json()),
        "files": {
            file.relative_to(project).as_posix(): file_digest(file) for file in files
        },
    }


_TABLES = ("factors.toml", "model_targets.toml")


def run_targets(
    seed: int, places: Sequence[Square], trial: TrialSpec, folder: Path
) -> TargetsRun:
    """Simulate a world, run the monthly steps with every target, and publish.

    Parameters
    ----------
    places : sequence of Square
        From ``squares(regions, trial.on_targets)``.
    folder : Path
        Empty folder for archive, store and results; the caller removes it.
    """
    lakes = lakes_near(places)
    settings = Settings(project=project_dir(), store=folder / "store", workers=1)
    by_model = groups_by_model(targets_config(trial), settings)
    read = {group for groups in by_model.values() for group in groups}
    catalogue = build_archive(
        folder / "archive",
        regions=[(whole_id(p), p.outline) for p in places],
        lakes=lakes,
        seed=seed,
        year=trial.year,
        pixel_size_m=trial.targets.pixel_size_m,
        products=products_for(read),
        bands="red-edge" if "rededge" in read else "six",
        workers=1,
    )
    digest = prepare(_request(catalogue, places, trial, folder), settings)
    plan = load_plan(digest, settings)
    outcomes = [o for b in batches(plan) for o in run_batch(digest, b, settings)]
    truth = truth_of(seed, trial.year, lakes)
    return TargetsRun(
        published=conclude(digest, outcomes, settings),
        sites=tuple(
            lay_beside(place, outcomes, plan, truth, trial.on_targets)
            for place in places
        ),
        truth=truth,
        earlier_truth=truth_of(seed, trial.earlier_year, lakes),
        squares=trial.targets,
    )


def products_for(read: set[Group]) -> tuple[str, ...]:
    """Return the products that layers beside the six bands are made of."""
    made_of: Mapping[Group, str] = {"terrain": "dem", "radar": "s1"}
    return ("s2", *(name for group, name in made_of.items() if group in read))


def true_quantity(site: Site, indicator: str, table: ModelTargets) -> Floats:
    """Return what is true of an indicator's quantity on a site's land, shape (n,).

    Zero on land of other ecosystems than the target's, as the indicator is defined.
    """
    chosen = TARGET_INDICATORS[indicator]
    target = table.get(chosen.target)
    known: NDArray[np.floating] = getattr(site.ground, target.id)
    value = np.where(_own_land(site, target), known.astype(np.float64), 0.0)
    if chosen.rows == target.id or target.area_from is None:
        return value
    return (value >= target.area_from).astype(np.float64)


def _own_land(site: Site, target: ModelTarget) -> NDArray[np.bool_]:
    own = [ECOSYSTEM_OF.get(code, "") in target.ecosystems for code in range(CODES)]
    return np.asarray(own)[site.ground.ecosystem]


def _request(
    catalogue: Path, places: Sequence[Square], trial: TrialSpec, folder: Path
) -> RunRequest:
    run = TrialRun(
        extends=trial.targets.config,
        pixel_size_m=trial.targets.pixel_size_m,
        tile_px=256,
        indicators=[COVER_INDICATOR, *TARGET_INDICATORS],
        month=trial.month,
    )
    wholes = [(whole_id(place), place.outline) for place in places]
    regions = {"squares": wholes}
    if len(places) > 1:
        union = shapely.union_all([place.outline for place in places])
        regions["all"] = [(ALL, union)]
    return ask_run(run, catalogue, regions, folder)

"""Which files of a tile's artifacts a run publishes, and what is in their bands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from qhsink.domain.estimate import Provenance
from qhsink.registry import Model, load_model
from qhsink.reporting.catalogue import MapBand
from qhsink.steps.map_bands import cover_bands, target_bands
from qhsink.steps.map_indicators import ECOSYSTEM
from qhsink.steps.plan import Kind, RunPlan
from qhsink.steps.target_models import load_target_models
from qhsink.steps.target_rasters import (
    ECOSYSTEM_FILE,
    PROBABILITY_FILE,
    ecosystem_bands,
    probability_bands,
)
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.store import Store

QUALITY_BANDS = (
    MapBand("n_clear", "clear observations", "1", "uint8"),
    MapBand("flags", "bits of imagery.composite.Flag", "1", "uint8"),
)


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of the store that becomes a map of the run."""

    name: str
    """What it is of, such as ``fvc``; its file name begins with it."""
    kind: Kind
    """Composite it is made from."""
    source: Path
    """File in the store."""
    bands: tuple[MapBand, ...]
    """In file order."""
    model: str
    """Model id."""
    learnt: Provenance
    """What that model learnt from."""
    scenes: tuple[str, ...]
    """Item ids of the scenes it is derived from."""
    key: str
    """Content key of its artifact."""


def published_files(plan: RunPlan, outcome: TileOutcome) -> Iterator[PublishedFile]:
    """Yield the maps of a tile that has no error."""
    config, settings = plan.setup.config, plan.setup.settings
    fvc = _model(settings.project / "models", config.models.fvc)
    folder, meta = _artifact(plan, "maps", outcome.keys["maps"])
    cover = cover_bands(known=meta["applicability"], interval=fvc.interval)
    named = {"fvc": cover, "quality": QUALITY_BANDS}
    for name, bands in named.items():
        file = name, folder / f"{name}.tif"
        yield _file(outcome, "maps", fvc, file, bands, meta)
    yield from _further_files(plan, outcome)


def _further_files(plan: RunPlan, outcome: TileOutcome) -> Iterator[PublishedFile]:
    config, settings = plan.setup.config, plan.setup.settings
    further = load_target_models(config, settings.project)
    if further is None or ECOSYSTEM not in outcome.keys:
        return
    model = further.ecosystem
    folder, meta = _artifact(plan, "ecosystem", outcome.keys[ECOSYSTEM])
    classes = tuple(model.card["science"]["classes"])
    files = {
        ECOSYSTEM_FILE: ecosystem_bands(),
        PROBABILITY_FILE: probability_bands(classes),
    }
    for name, held in files.items():
        file = Path(name).stem, folder / name
        yield _file(outcome, ECOSYSTEM, model, file, held, meta)
    for target, model in further.models.items():
        key = f"maps/{target}"
        folder, meta = _artifact(plan, "target_maps", outcome.keys[key])
        held = target_bands(
            further.table.get(target),
            known=meta["applicability"],
            interval=model.interval,
        )
        file = target, folder / f"{target}.tif"
        yield _file(outcome, key, model, file, held, meta)


@lru_cache(maxsize=4)
def _model(folder: Path, model_id: str) -> Model:
    return load_model(folder, model_id)


def _artifact(plan: RunPlan, step: str, digest: str) -> tuple[Path, dict[str, Any]]:
    folder = Store(plan.setup.settings.store).folder_of(step, digest)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return folder, manifest["meta"]


def _file(
    outcome: TileOutcome,
    key: str,
    model: Model,
    named: tuple[str, Path],
    bands: tuple[MapBand, ...],
    meta: dict[str, Any],
) -> PublishedFile:
    kind: Kind = "peak" if outcome.kind == "peak" else "month"
    return PublishedFile(
        name=named[0],
        kind=kind,
        source=named[1],
        bands=bands,
        model=model.id,
        learnt="simulated" if model.simulated else "observed",
        scenes=tuple(meta["scenes"]),
        key=outcome.keys[key],
    )

"""The results of a run: maps with STAC items, tables, provenance, one page.

Written aside and renamed into place, so a folder of results is whole or absent.
Maps are linked from the store where the file system allows, else copied.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from qhsink.config import load_indicators
from qhsink.domain.errors import StoreFault
from qhsink.domain.scene import Scene
from qhsink.estimation.ledger import COLUMNS
from qhsink.registry import load_model
from qhsink.reporting.catalogue import MapFile, map_item, write_catalogue
from qhsink.reporting.page import write_page
from qhsink.reporting.record import ReportRow, RunReport, SceneRow
from qhsink.reporting.tables import estimates_table, write_estimates
from qhsink.sources.layer_items import layer_item_to_json
from qhsink.steps.estimates import Ledger, refused_regions
from qhsink.steps.pictures import region_picture
from qhsink.steps.plan import RunPlan
from qhsink.steps.published_files import published_files
from qhsink.steps.run_facts import further_models, run_facts
from qhsink.steps.target_cells import CELLS_FILE
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.store import file_digest


@dataclass(frozen=True, slots=True)
class Published:
    """What a run left behind."""

    out: Path
    """Folder of the results."""
    rows: tuple[ReportRow, ...]
    """Estimates and refusals."""
    refused: Mapping[str, str]
    """Regions without a number, with the reason."""
    made: int
    """Artifacts computed now."""
    reused: int
    """Artifacts found whole in the store."""
    scenes: int
    """Scenes pinned."""


def publish(
    plan: RunPlan,
    outcomes: Sequence[TileOutcome],
    ledger: Ledger,
    rows: tuple[ReportRow, ...],
    *,
    region_tiles: Mapping[str, Collection[str]],
    generated_at: str,
) -> Published:
    """Write the results of a run into its folder and return what they say.

    Raises
    ------
    StoreFault
        When the folder cannot be written; an earlier run there is left as it was.
    """
    out = plan.setup.out
    aside = out.with_name(f".{out.name}-{uuid.uuid4().hex[:8]}")
    try:
        aside.mkdir(parents=True)
        _write_maps(plan, outcomes, aside)
        _write_tables(plan, ledger, rows, aside)
        report = _report(plan, outcomes, rows, region_tiles, generated_at)
        write_page(report, aside / "report.html")
        _write_run(plan, report, rows, aside)
        _replace(aside, out)
    except OSError as error:
        raise StoreFault(
            f"the results could not be written to {out} ({error.strerror or error})",
            expected="a writable folder with free space",
            remedy="Free space or name another folder with --out, then run again: "
            "what was computed is kept.",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    made = sum(len(o.made) for o in outcomes)
    return Published(
        out=out,
        rows=rows,
        refused=refused_regions(plan, rows),
        made=made,
        reused=sum(len(o.keys) for o in outcomes) - made,
        scenes=len(plan.scenes),
    )


def _replace(aside: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}-old-{uuid.uuid4().hex[:8]}")
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        out.rename(old)
    aside.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _write_maps(plan: RunPlan, outcomes: Sequence[TileOutcome], folder: Path) -> None:
    tiles = {t.name: t for t in plan.grid.tiles_over(_whole(plan))}
    items = []
    for outcome in outcomes:
        if outcome.error is not None:
            continue
        for entry in published_files(plan, outcome):
            label = plan.period(entry.kind).label
            target = folder / "maps" / label / f"{entry.name}_{outcome.tile}.tif"
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(entry.source, target)
            items.append(
                map_item(
                    MapFile(
                        item_id=f"{entry.name}_{label}_{outcome.tile}",
                        tile=outcome.tile,
                        geobox=tiles[outcome.tile].geobox,
                        path=target,
                        bands=entry.bands,
                        start=plan.period(entry.kind).start,
                        end=plan.period(entry.kind).end,
                        model=entry.model,
                        provenance=_provenance(plan),
                        scenes=entry.scenes,
                        key=entry.key,
                        extra={"qhsink:model_provenance": entry.learnt},
                    )
                )
            )
    write_catalogue(
        folder,
        items,
        catalogue_id=f"qhsink-{plan.setup.month.label}",
        description=f"Maps of {plan.setup.month.label} ({_provenance(plan)} pixels)",
    )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without hard links.
        shutil.copyfile(source, target)


def _whole(plan: RunPlan) -> Any:
    return plan.leaves.frame.union_all()


def _provenance(plan: RunPlan) -> Any:
    return "simulated" if plan.simulated else "observed"


def _write_tables(
    plan: RunPlan, ledger: Ledger, rows: Sequence[ReportRow], folder: Path
) -> None:
    parts = [
        frame.assign(target="fvc", period=plan.period(kind).label)
        for kind, frame in ledger.rows.items()
        if len(frame)
    ]
    if len(ledger.targets.rows):
        parts.append(ledger.targets.rows.assign(period=plan.period("peak").label))
    empty = pd.DataFrame(columns=[*COLUMNS, "target", "period"])
    whole = pd.concat(parts, ignore_index=True) if parts else empty
    whole.to_parquet(folder / "ledger.parquet", index=False)
    if len(ledger.targets.cells):
        ledger.targets.cells.to_parquet(folder / CELLS_FILE, index=False)
    geometries = {r.id: plan.region_geometry(r.id) for r in plan.regions}
    write_estimates(rows, geometries, plan.grid.crs, folder / "estimates.parquet")


def _report(
    plan: RunPlan,
    outcomes: Sequence[TileOutcome],
    rows: tuple[ReportRow, ...],
    region_tiles: Mapping[str, Collection[str]],
    generated_at: str,
) -> RunReport:
    settings, month = plan.setup.settings, plan.setup.month.label
    indicators = load_indicators(settings.project)
    model = load_model(settings.project / "models", plan.setup.config.models.fvc)
    pictures = [
        region_picture(plan, region.id, outcomes, region_tiles[region.id])
        for region in plan.regions
    ]
    shown = dict.fromkeys(row.indicator_id for row in rows)
    return RunReport(
        title_zh="青海生态碳汇监测月报",
        title_en="Qinghai ecological carbon-sink monitoring",
        month=month,
        peak=plan.setup.peak.label if plan.setup.peak else None,
        generated_at=generated_at,
        provenance=_provenance(plan),
        rows=rows,
        pictures=tuple(picture for picture in pictures if picture is not None),
        scenes=tuple(_scene_row(scene, plan) for scene in plan.scenes),
        notes=tuple(f"{name}: {why}" for name, why in plan.unknown.items()),
        run=run_facts(plan, outcomes, generated_at),
        model_card=model.card,
        further_cards=tuple(further.card for further in further_models(plan)),
        definitions=tuple(indicators[name] for name in shown),
    )


def _scene_row(scene: Scene, plan: RunPlan) -> SceneRow:
    return SceneRow(
        item_id=scene.item_id,
        acquired=scene.acquired.isoformat(),
        platform=scene.platform,
        baseline=scene.baseline,
        cloud_share=scene.cloud_share,
        offset_rule=scene.offset_rule,
        used=scene.item_id not in plan.excluded,
        note=plan.excluded.get(scene.item_id, plan.warned.get(scene.item_id, "")),
    )


def _write_run(
    plan: RunPlan,
    report: RunReport,
    rows: Sequence[ReportRow],
    folder: Path,
) -> None:
    """Write ``run.json`` last: with it, the folder is a run."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    content = {
        **report.run,
        "provenance": report.provenance,
        "scenes": [
            {**dataclasses.asdict(scene), "acquired": scene.acquired.isoformat()}
            for scene in plan.scenes
        ],
        "heights": [layer_item_to_json(item) for item in plan.heights],
        "radar": [layer_item_to_json(item) for item in plan.radar],
        "lacking": {name: dict(found) for name, found in plan.lacking.items()},
        "excluded_scenes": dict(plan.excluded),
        "doubtful_scenes": dict(plan.warned),
        "estimates": estimates_table(rows),
        "refused": refused_regions(plan, rows),
        "files": {p.relative_to(folder).as_posix(): file_digest(p) for p in files},
    }
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "run.json").write_text(text, encoding="utf-8")

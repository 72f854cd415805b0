"""A stored plan, and a digest of what it fixes.

A plan is stored before it is carried out, so that every later task, in whatever
process, works from the same pinned list.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import geopandas as gpd

from qhsink.config import Settings
from qhsink.domain.region import Region
from qhsink.domain.scene import scene_from_json, scene_to_json
from qhsink.regions.overlay import Leaves
from qhsink.sources.layer_items import layer_item_from_json, layer_item_to_json
from qhsink.steps.plan import RunPlan
from qhsink.steps.request import RunRequest, set_up


def write_plan(plan: RunPlan, folder: Path) -> dict[str, Any]:
    """Write ``plan`` into ``folder``; return its metadata."""
    plan.leaves.frame.to_parquet(folder / "leaves.parquet")
    content = {
        "request": plan.setup.request.to_json(),
        "regions": [dataclasses.asdict(region) for region in plan.regions],
        "unknown": dict(plan.unknown),
        "members": {name: list(leaf) for name, leaf in plan.leaves.members.items()},
        "scenes": [scene_to_json(scene) for scene in plan.scenes],
        "excluded": dict(plan.excluded),
        "warned": dict(plan.warned),
        "heights": [layer_item_to_json(item) for item in plan.heights],
        "radar": [layer_item_to_json(item) for item in plan.radar],
        "lacking": {name: dict(found) for name, found in plan.lacking.items()},
    }
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "plan.json").write_text(text, encoding="utf-8")
    return {"regions": len(plan.regions), "scenes": len(plan.scenes)}


def read_plan(folder: Path, settings: Settings) -> RunPlan:
    """Return the plan that ``write_plan`` stored in ``folder``."""
    content = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    setup = set_up(RunRequest.from_json(content["request"]), settings)
    if setup.source.kind == "earthengine":
        # This process may not be the one that pinned the scenes.
        from qhsink.sources.earthengine import choose_source  # noqa: PLC0415

        choose_source(setup.source)
    members = {name: tuple(leaf) for name, leaf in content["members"].items()}
    return RunPlan(
        setup=setup,
        grid=setup.config.grid.build(),
        regions=tuple(Region(**entry) for entry in content["regions"]),
        unknown=content["unknown"],
        leaves=Leaves(gpd.read_parquet(folder / "leaves.parquet"), members),
        scenes=tuple(scene_from_json(entry) for entry in content["scenes"]),
        excluded=content["excluded"],
        warned=content["warned"],
        heights=tuple(layer_item_from_json(entry) for entry in content["heights"]),
        radar=tuple(layer_item_from_json(entry) for entry in content["radar"]),
        lacking=content["lacking"],
    )


def plan_token(plan: RunPlan) -> str:
    """Return a digest of everything a plan fixes."""
    content = {
        "config": plan.setup.config.model_dump(mode="json"),
        "request": plan.setup.request.to_json(),
        "leaves": plan.leaves.digest,
        "scenes": [scene_to_json(scene) for scene in plan.scenes],
        "excluded": dict(plan.excluded),
        "heights": [layer_item_to_json(item) for item in plan.heights],
        "radar": [layer_item_to_json(item) for item in plan.radar],
        "lacking": {name: dict(found) for name, found in plan.lacking.items()},
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()

"""Scenes that look shifted by a forgotten or doubled offset, found before use.

Each scene's levels are an artifact of their own (a coarse read of its overviews), so
a scene is judged against its neighbours without being read again.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from affine import Affine
from dask.base import compute
from dask.delayed import delayed
from odc.geo.geobox import GeoBox

from qhsink.config import RunConfig, Settings
from qhsink.domain.errors import SourceError
from qhsink.domain.scene import Scene
from qhsink.grid import transformer
from qhsink.imagery.masking import MaskRules
from qhsink.imagery.offset_guard import SceneLevel, find_shifted
from qhsink.sources.reading import scene_levels
from qhsink.sources.remote import open_archive
from qhsink.steps.compositing import scene_token
from qhsink.steps.plan import RunPlan
from qhsink.store import Key, Store, code_version, make_key

progress = logging.getLogger("qhsink.progress")

EDGE_PX = 220
"""Edge of the coarse lattice over a scene [pixels]: half a kilometre on a granule."""


def exclude_shifted(plan: RunPlan, *, read: bool = True) -> RunPlan:
    """Return ``plan`` without the scenes that look shifted, each with its reason.

    Parameters
    ----------
    plan : RunPlan
    read : bool
        False to use only levels that are in the store (a dry run reads no pixel).

    """
    config, settings = plan.setup.config, plan.setup.settings
    found = shifted_scenes(plan.scenes, config, settings, read=read)
    if config.offset_guard.action == "warn":
        return dataclasses.replace(plan, warned=found)
    return dataclasses.replace(plan, excluded=found)


def shifted_scenes(
    scenes: Iterable[Scene],
    config: RunConfig,
    settings: Settings,
    *,
    read: bool = True,
) -> dict[str, str]:
    """Return the ids of scenes that look shifted, each with the reason.

    Parameters
    ----------
    scenes : iterable of Scene
    config : RunConfig
    settings : Settings
    read : bool
        False to use only levels that are in the store.

    Notes
    -----
    Scenes are compared with scenes of the same footprint. One that cannot be read
    is not judged here: its tiles will name it.
    """
    found: dict[str, str] = {}
    for place in _places(scenes):
        tasks = [
            delayed(partial(_level, scene, config, settings, read))() for scene in place
        ]
        levels = compute(*tasks, scheduler="threads", num_workers=settings.workers)
        guard = config.offset_guard
        for finding in find_shifted(
            [level for level in levels if level is not None],
            shift=guard.shift,
            tolerance=guard.tolerance,
            max_days=guard.max_days,
        ):
            found[finding.item_id] = (
                f"looks shifted by {finding.shift:+.3f} in reflectance against "
                f"{len(finding.neighbours)} neighbouring dates: an offset forgotten "
                "or taken twice"
            )
    return found


def _places(scenes: Iterable[Scene]) -> list[list[Scene]]:
    """Return the scenes grouped by footprint, to a hundredth of a degree."""
    groups: dict[tuple[float, ...], list[Scene]] = {}
    for scene in scenes:
        groups.setdefault(tuple(round(v, 2) for v in scene.bbox), []).append(scene)
    return list(groups.values())


def _level(
    scene: Scene, config: RunConfig, settings: Settings, read: bool
) -> SceneLevel | None:
    store = Store(settings.store)
    key = _level_key(scene, config)
    artifact = store.find(key)
    if artifact is None:
        if not read:
            return None
        try:
            artifact = store.put(key, lambda f: _write(scene, config, settings, f))
        except SourceError as error:
            progress.warning("scene %s is not judged: %s", scene.item_id, error)
            return None
    text = artifact.path("level.json").read_text(encoding="utf-8")
    content = json.loads(text)
    acquired = datetime.fromisoformat(content.pop("acquired"))
    return SceneLevel(acquired=acquired, **content)


def _level_key(scene: Scene, config: RunConfig) -> Key:
    return make_key(
        "level",
        code=code_version("qhsink.sources", "qhsink.imagery"),
        params={
            "masks": config.masks.model_dump(mode="json"),
            "dark_percentile": config.offset_guard.dark_percentile,
            "edge_px": EDGE_PX,
            "crs": config.grid.crs,
            "scene": scene_token(scene),
        },
    )


def _write(
    scene: Scene, config: RunConfig, settings: Settings, folder: Path
) -> Mapping[str, Any]:
    geobox = _coarse_lattice(scene, config)
    rules = MaskRules(
        **config.masks.model_dump(), pixel_size_m=abs(float(geobox.affine.a))
    )
    (level,) = scene_levels(
        [scene],
        geobox,
        rules,
        dark_percentile=config.offset_guard.dark_percentile,
        archive=open_archive(settings),
    )
    content = {**dataclasses.asdict(level), "acquired": level.acquired.isoformat()}
    (folder / "level.json").write_text(json.dumps(content), encoding="utf-8")
    return {"item": scene.item_id}


def _coarse_lattice(scene: Scene, config: RunConfig) -> GeoBox:
    crs = config.grid.build().crs
    to_grid = transformer("EPSG:4326", crs)
    left, bottom, right, top = to_grid.transform_bounds(*scene.bbox, densify_pts=21)
    size = max(right - left, top - bottom) / EDGE_PX
    affine = Affine(size, 0.0, left, 0.0, -size, top)
    return GeoBox((EDGE_PX, EDGE_PX), affine, crs.to_wkt())

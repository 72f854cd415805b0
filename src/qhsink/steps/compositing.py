"""Pinned scenes to one composite of a window: read, mask, correct, choose.

Any lattice will do: a tile of the grid, or the surroundings of a plot. How an
artifact is stored belongs to ``rasters``, what is made of a composite to ``tiles``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from qhsink.config import CompositeConfig, RunConfig, project_dir
from qhsink.config.corrections import CorrectionConfig
from qhsink.domain.scene import BandFile, Scene, scene_to_json
from qhsink.grid import Grid
from qhsink.imagery.composite import Composite, median_composite, peak_composite
from qhsink.imagery.corrections import Correction
from qhsink.imagery.masking import MaskRules, Observations, classify_observations
from qhsink.imagery.second_opinion import SecondOpinion
from qhsink.registry.opinions import load_opinion
from qhsink.sources.elevation import elevation_files
from qhsink.sources.layer_items import LayerItem
from qhsink.sources.layers import read_elevation
from qhsink.sources.reading import WindowStack, read_window
from qhsink.sources.remote import Archive
from qhsink.steps.correcting import Heights, correct_stack, dem_path
from qhsink.steps.rasters import nothing_seen
from qhsink.store import Key, code_version, make_key


def composite_key(
    scenes: Sequence[Scene],
    config: RunConfig,
    *,
    grid: Grid,
    tile: str,
    kind: str,
    heights: Sequence[LayerItem] = (),
) -> Key:
    """Return the content key of a tile's composite, known before it is made."""
    pinned = json.dumps([scene_token(s) for s in scenes], sort_keys=True)
    return make_key(
        "composite",
        code=code_version(
            "qhsink.imagery",
            "qhsink.sources",
            "qhsink.grid",
            "qhsink.steps.compositing",
            "qhsink.steps.correcting",
        ),
        params={
            "grid": grid.token(),
            "tile": tile,
            "kind": kind,
            "masks": config.masks.model_dump(mode="json"),
            "composite": config.composite.model_dump(mode="json"),
            "corrections": corrections_token(config.corrections, heights),
        },
        inputs={"scenes": hashlib.sha256(pinned.encode()).hexdigest()},
    )


def scene_token(scene: Scene) -> dict[str, Any]:
    """Return what a scene contributes to a content key.

    A file is its checksum where the catalogue gives one, so that an archive may be
    moved; else a local file is its path, size and time, a remote one its address.
    """
    return scene_to_json(scene) | {"files": [_pinned_file(f) for f in scene.files]}


def items_token(items: Sequence[LayerItem]) -> list[list[Any]]:
    """Return what items of a layer contribute to a content key."""
    return [
        [item.collection, item.item_id, *map(_pinned_file, item.files)]
        for item in items
    ]


def _pinned_file(file: BandFile) -> dict[str, Any]:
    token, path = asdict(file), Path(file.href)
    if file.checksum is not None:
        del token["href"]
    elif path.is_file():
        stat = path.stat()
        token["stat"] = [stat.st_size, stat.st_mtime_ns]
    return token


def corrections_token(
    asked: CorrectionConfig, heights: Sequence[LayerItem] = ()
) -> dict[str, Any]:
    """Return what the corrections asked for contribute to a content key.

    Heights on disk are their files' paths, sizes and times (a file that is not there
    fails when it is read), those of a source the pinned items.
    """
    token = asked.in_use()
    if asked.heights_of_source:
        token["dem"] = items_token(heights)
    elif "terrain" in token:
        token["dem"] = [_file_token(p) for p in elevation_files(dem_path(asked))]
    return token


def _file_token(path: Path) -> list[Any]:
    stat = path.stat() if path.is_file() else None
    return [path.as_posix(), *([stat.st_size, stat.st_mtime_ns] if stat else [])]


def make_composite(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    config: RunConfig,
    *,
    kind: str,
    heights: Sequence[LayerItem] | None = None,
    archive: Archive | None = None,
) -> Composite:
    """Return the composite of ``scenes`` on ``geobox``.

    Parameters
    ----------
    scenes : sequence of Scene
        Pinned, of one mask kind; none gives a composite without a value.
    geobox : GeoBox
        Lattice of shape (y, x); its pixel size [m] is what masks are grown by.
    config : RunConfig
        Masks, corrections and composite of the run.
    kind : {"month", "peak"}
        Median of the clear dates, or the date at the peak of growth.
    heights : sequence of LayerItem, optional
        Pinned terrain model, where the corrections take heights from the source.
    archive : Archive, optional
        How remote files are reached and what was read is kept.

    Raises
    ------
    SourceError
        When a scene cannot be read whole, or heights asked for are not there.
    ModelError
        When the second opinion named in the masks is not there or is damaged.
    """
    if not scenes:
        return nothing_seen(geobox)
    read = read_clear(scenes, geobox, config, heights=heights, archive=archive)
    return choose(read, config.composite, kind)


@dataclass(frozen=True, slots=True, eq=False)
class ClearStack:
    """The dates of a window, masked and corrected, before one is chosen."""

    stack: WindowStack
    """Reflectance after the corrections asked for."""
    seen: Observations
    """Which of it is clear."""
    notes: tuple[Correction, ...]
    """What was done to it, day by day."""


def read_clear(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    config: RunConfig,
    *,
    heights: Sequence[LayerItem] | None = None,
    archive: Archive | None = None,
    further: Sequence[str] = (),
) -> ClearStack:
    """Return the dates that a composite is chosen from.

    Parameters and errors are those of ``make_composite``; there is one scene at least.
    ``further`` names bands read beside the six. They are not corrected: no run that
    corrects reflectance asks for them (``plan_sources``).
    """
    stack = read_window(scenes, geobox, archive, further)
    rules = MaskRules(**config.masks.model_dump(), pixel_size_m=_pixel_size(geobox))
    seen = classify_observations(
        stack.reflectance,
        stack.mask,
        stack.mask_kind,
        rules,
        opinion=load_named_opinion(rules.second_opinion),
    )
    asked = config.corrections
    ground: Heights | None = None
    if asked.heights_of_source and heights is not None:
        ground = partial(read_elevation, heights, archive=archive)
    stack, notes = correct_stack(stack, seen, scenes, geobox, asked, heights=ground)
    return ClearStack(stack, seen, notes)


def choose(read: ClearStack, choice: CompositeConfig, kind: str) -> Composite:
    """Return the composite of dates that were read: ``month`` or ``peak``."""
    stack, seen = read.stack, read.seen
    if kind == "peak":
        made = peak_composite(
            stack.reflectance,
            seen.clear,
            seen.water,
            snow=seen.snow,
            min_clear=choice.min_clear_peak,
            quantile=choice.peak_quantile,
            further=stack.further,
        )
    else:
        made = median_composite(
            stack.reflectance,
            seen.clear,
            seen.water,
            snow=seen.snow,
            min_clear=choice.min_clear_month,
        )
    return replace(made, corrections=read.notes)


@lru_cache(maxsize=4)
def load_named_opinion(name: str) -> SecondOpinion | None:
    """Return the second opinion that masks name; None when they name none.

    Raises
    ------
    ModelError
        When it is not there or is damaged.
    """
    return load_opinion(project_dir() / "models" / "masks", name) if name else None


def _pixel_size(geobox: GeoBox) -> float:
    return abs(float(geobox.resolution.x))

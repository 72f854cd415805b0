"""Scenes pinned from a static STAC catalogue, a folder of items, or a STAC API.

Decides what will be read: ids, hrefs, checksums, rules. Opens no pixel file, and
does not know how numbers become reflectance (``offsets``) nor how catalogues are
walked (``catalogues``, ``search``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qhsink.config import SourceConfig, load_reads
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.scene import Scene
from qhsink.sources.angles import read_angles
from qhsink.sources.catalogues import static_items
from qhsink.sources.facts import read_facts
from qhsink.sources.items import (
    BBox,
    acquired,
    bounds,
    middle,
    solar_day,
    tile_of,
    touches,
    with_alternate,
    with_rewritten,
)
from qhsink.sources.offsets import resolve_bands
from qhsink.sources.pinning import locate, stamp_files
from qhsink.sources.search import api_items


def pin(
    source: SourceConfig,
    *,
    project: Path,
    bbox: BBox,
    period: Period,
    further: Sequence[str] = (),
) -> tuple[Scene, ...]:
    """Return the scenes of any kind of source that touch a box within a period.

    Parameters and errors are those of ``pin_scenes`` and
    ``earthengine.pin_images``.
    """
    if source.kind == "earthengine":
        # The client takes half a second to import, which files need not pay.
        from qhsink.sources.earthengine import pin_images  # noqa: PLC0415

        return pin_images(source, bbox=bbox, period=period, further=further)
    return pin_scenes(
        source, project=project, bbox=bbox, period=period, further=further
    )


def pin_scenes(
    source: SourceConfig,
    *,
    project: Path,
    bbox: BBox,
    period: Period,
    further: Sequence[str] = (),
) -> tuple[Scene, ...]:
    """Return the scenes of a source that touch ``bbox`` within ``period``.

    Parameters
    ----------
    source : SourceConfig
        A static catalogue, a folder of item files, or an API.
    project : Path
        Folder that a relative path is relative to.
    bbox : tuple of float
        West, south, east, north [deg].
    period : Period
        Days are solar days at the scene's centre, as in ``WindowStack.days``.
    further : sequence of str
        Bands wanted beside the six: some of ``RED_EDGE``.

    Returns
    -------
    tuple of Scene
        Sorted by time, then id. Empty when there is none.

    Raises
    ------
    SourceError
        When the catalogue cannot be read, an item's metadata are broken or
        contradictory, it has no such band, or a file named by a static catalogue is
        not there.
    """
    found = find_items(source, project=project, bbox=bbox, period=period)
    pinned = [(pin_item(doc, folder, further), doc) for doc, folder in found]
    scenes = _latest_processing(pinned)
    return _stamped(scenes, source, project)


def find_items(
    source: SourceConfig, *, project: Path, bbox: BBox, period: Period | None
) -> list[tuple[dict[str, Any], Path | None]]:
    """Return the items that ``pin_scenes`` judges, each with the folder it lies in.

    Parameters and errors are those of ``pin_scenes``; without a period, items of any
    time. The folder is None for an item that came over HTTP.
    """
    docs: Iterable[tuple[dict[str, Any], Path | None]] = (
        api_items(source, bbox=bbox, period=period)
        if source.kind == "api"
        else static_items(source, project=project, reads=load_reads(project))
    )
    return [
        (with_rewritten(with_alternate(doc, source.alternate), source.rewrite), folder)
        for doc, folder in docs
        if doc["id"] not in source.exclude
        and touches(bounds(doc), bbox)
        and (
            period is None
            or period.contains(solar_day(acquired(doc), middle(bounds(doc))))
        )
    ]


def _stamped(
    scenes: Sequence[Scene], source: SourceConfig, project: Path
) -> tuple[Scene, ...]:
    """Return the scenes with the server's version of each remote file."""
    files = [file for scene in scenes for file in scene.files]
    found = stamp_files(files, source, project)
    return tuple(
        replace(s, files=tuple(found.get(f.href, f) for f in s.files)) for s in scenes
    )


def pin_item(
    doc: Mapping[str, Any], folder: Path | None, further: Sequence[str] = ()
) -> Scene:
    """Return the scene of one item that ``find_items`` returned.

    Raises
    ------
    SourceError
        When its metadata are broken or contradictory, or a local file is missing.
    """
    try:
        facts = read_facts(doc)
        stated, mask_kind, rule = resolve_bands(doc, further)
        files = locate(stated, folder, facts.item_id)
        if mask_kind == "qa_pixel":
            saturation = any(file.band == "radsat" for file in files)
            rule += "" if saturation else "; no QA_RADSAT: saturation is not known"
        cloud = doc["properties"].get("eo:cloud_cover")
        return Scene(
            item_id=facts.item_id,
            collection=str(doc.get("collection") or ""),
            acquired=acquired(doc),
            platform=facts.platform,
            baseline=facts.baseline,
            cloud_share=None if cloud is None else float(cloud) / 100.0,
            bbox=bounds(doc),
            mask_kind=mask_kind,
            files=files,
            offset_rule=rule,
            simulated=doc["properties"].get("provenance") == "simulated",
            **read_angles(doc["properties"])._asdict(),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"item {doc['id']}: broken metadata ({type(error).__name__} {error})",
            expected="the fields and assets of its product",
            remedy="Correct the item, or name it under exclude of its source.",
        ) from error


def _latest_processing(
    pinned: Iterable[tuple[Scene, Mapping[str, Any]]],
) -> tuple[Scene, ...]:
    """Drop older processings of a granule, and say so in the rule of the one kept.

    Two items of one tile and time with different baselines are one acquisition;
    with the same baseline they may be its two halves, and both are kept.
    """
    kept: dict[tuple[str, ...], list[Scene]] = {}
    for scene, doc in pinned:
        key = (scene.platform, tile_of(doc), scene.acquired.isoformat())
        kept.setdefault(key, []).append(scene)
    scenes = [scene for group in kept.values() for scene in _newest(group)]
    return tuple(sorted(scenes, key=lambda s: (s.acquired, s.item_id)))


def _newest(group: list[Scene]) -> Iterator[Scene]:
    unique = list({(s.item_id, s.collection): s for s in group}.values())
    best = max(_rank(s) for s in unique)
    older = sorted(s.item_id for s in unique if _rank(s) != best)
    for scene in unique:
        if _rank(scene) == best:
            note = f"; kept instead of {', '.join(older)}" if older else ""
            yield replace(scene, offset_rule=scene.offset_rule + note)


def _rank(scene: Scene) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", scene.baseline))

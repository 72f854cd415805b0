"""Scenes pinned from a static STAC catalogue, a folder of items, or a STAC API.

Decides what will be read: ids, hrefs, checksums, rules. Opens no pixel file, and
does not know how numbers become reflectance (``offsets``).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pystac
import pystac_client
from pystac_client.stac_api_io import StacApiIO
from urllib3.util.retry import Retry

from qhsink.config import ReadConfig, SourceConfig, load_reads
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.scene import BandFile, Scene
from qhsink.sources.keys import Keys, bearer
from qhsink.sources.offsets import plain_item, read_facts, resolve_bands
from qhsink.sources.transfer import Budget, Transfer, TransferFault, is_remote

progress = logging.getLogger("qhsink.progress")

BBox = tuple[float, float, float, float]

API_TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for an answer."""

API_RETRIES = 5
"""Tries after 429, 502, 503, 504 or a broken connection; pystac-client alone: none."""


def pin_scenes(
    source: SourceConfig, *, project: Path, bbox: BBox, period: Period
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

    Returns
    -------
    tuple of Scene
        Sorted by time, then id. Empty when there is none.

    Raises
    ------
    SourceError
        When the catalogue cannot be read, an item's metadata are broken or
        contradictory, or a file named by a static catalogue is not there.
    """
    found = find_items(source, project=project, bbox=bbox, period=period)
    scenes = _latest_processing([(pin_item(doc, folder), doc) for doc, folder in found])
    return stamped(scenes, source, project)


def find_items(
    source: SourceConfig, *, project: Path, bbox: BBox, period: Period
) -> list[tuple[dict[str, Any], Path | None]]:
    """Return the items that ``pin_scenes`` judges, each with the folder it lies in.

    Parameters and errors are those of ``pin_scenes``; the folder is None for an API.
    """
    docs = (
        _api_items(source, bbox=bbox, period=period)
        if source.kind == "api"
        else _static_items(_static_root(source, project), source.collections)
    )
    return [
        (with_alternate(doc, source.alternate), folder)
        for doc, folder in docs
        if doc["id"] not in source.exclude
        and touches(_bbox(doc), bbox)
        and period.contains(solar_day(acquired(doc), _centre(_bbox(doc))))
    ]


def with_alternate(doc: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the item with the alternate address ``name`` of each asset that has it.

    Providers that keep files in S3 state an https address beside it (STAC extension
    alternate-assets).
    """
    if not name:
        return doc
    assets = {
        key: {**asset, "href": asset["alternate"][name]["href"]}
        if name in asset.get("alternate", {})
        else asset
        for key, asset in doc["assets"].items()
    }
    return {**doc, "assets": assets}


def stamped(
    scenes: Sequence[Scene], source: SourceConfig, project: Path
) -> tuple[Scene, ...]:
    """Return the scenes with the server's version of each remote file.

    A file with a checksum is pinned by it. Of any other the server is asked for
    size and version, so that a file which changes between pin and read is noticed.
    A server that does not answer leaves a file without: reading it will name it.
    """
    wanted = [
        file
        for scene in scenes
        for file in scene.files
        if file.checksum is None and is_remote(file.href)
    ]
    if not wanted:
        return tuple(scenes)
    reads = load_reads(project)
    transfer = Transfer(reads, Keys([source]))
    with ThreadPoolExecutor(reads.concurrent) as pool:
        asked = pool.map(lambda file: _stamp(transfer, file, reads), wanted)
        found = dict(zip((file.href for file in wanted), asked, strict=True))
    return tuple(
        replace(s, files=tuple(found.get(f.href, f) for f in s.files)) for s in scenes
    )


def _stamp(transfer: Transfer, file: BandFile, reads: ReadConfig) -> BandFile:
    try:
        with Budget(reads.total_s) as budget:
            part = transfer.fetch(file.href, 0, 0, budget)
    except TransferFault as fault:
        progress.warning("%s is not pinned: %s", file.href, fault)
        return file
    return replace(file, size=file.size or part.size, stamp=part.stamp)


def solar_day(acquired: datetime, longitude: float) -> date:
    """Return the date on a sundial at ``longitude`` [deg]: UTC + 4 min per degree."""
    return (acquired + timedelta(hours=longitude / 15.0)).date()


def _static_root(source: SourceConfig, project: Path) -> Path:
    path = project / source.url
    if not path.exists():
        raise SourceError(
            f"no catalogue at {path}",
            expected="a STAC catalogue file, or a folder of STAC items",
            remedy="Build or copy it first; `qhsink twin build` makes the "
            "demonstration archive.",
        )
    return path


def _static_items(
    path: Path, collections: tuple[str, ...]
) -> Iterator[tuple[dict[str, Any], Path]]:
    """Yield each item of a catalogue or folder with the folder it lies in."""
    found = _folder_items(path) if path.is_dir() else _catalogue_items(path)
    for doc, folder in found:
        if collections and doc.get("collection") not in collections:
            continue
        if _is_temperature(doc):
            continue
        yield doc, folder


def _is_temperature(doc: Mapping[str, Any]) -> bool:
    """Whether this is the surface temperature half of a Landsat scene.

    USGS publishes a level 2 scene as two items of the same id, ``-sr`` and ``-st``;
    the second holds no reflectance and is no scene of its own here.
    """
    return str(doc.get("collection", "")).endswith("-st")


def _folder_items(folder: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    for file in sorted(folder.rglob("*.json")):
        doc = _read_json(file)
        if isinstance(doc, dict) and doc.get("type") == "Feature" and "assets" in doc:
            yield _checked(doc, str(file)), file.parent


def _catalogue_items(path: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Walk child and item links from ``path``; hrefs stay relative to their item."""
    doc = _read_json(path)
    if doc.get("type") == "Feature":
        yield _checked(doc, str(path)), path.parent
        return
    for link in doc.get("links", []):
        if link.get("rel") in ("child", "item"):
            yield from _catalogue_items(path.parent / unquote(link["href"]))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SourceError(
            f"catalogue file {path}: {error}",
            expected="a STAC document that is there and is JSON",
            remedy="Restore that file, or name another catalogue.",
        ) from error


def _checked(doc: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the item brought up to date; SourceError when it is not a STAC item."""
    try:
        plain = plain_item(_with_time(doc))
        plain |= {"id": str(plain["id"]), "assets": dict(plain["assets"])}
        acquired(plain)
        _bbox(plain)
    except (KeyError, TypeError, ValueError, AttributeError, pystac.STACError) as error:
        raise SourceError(
            f"item {doc.get('id', 'without id')} in {where}: "
            f"{type(error).__name__} {error}",
            expected="a STAC item with id, geometry, datetime and assets",
            remedy="Correct the item, or name it under exclude of its source.",
        ) from error
    return plain


def _api_items(
    source: SourceConfig, *, bbox: BBox, period: Period
) -> Iterator[tuple[dict[str, Any], None]]:
    """Search an API; a day more on both sides, as solar days are not UTC days."""
    retry = Retry(
        total=API_RETRIES,
        backoff_factor=0.5,
        status_forcelist=[429, 502, 503, 504],
        allowed_methods=None,
    )
    start, end = period.start - timedelta(days=1), period.end + timedelta(days=1)
    try:
        client = pystac_client.Client.open(
            source.url,
            headers=bearer(source) if _is_key_host(source) else {},
            stac_io=StacApiIO(max_retries=retry, timeout=API_TIMEOUT),
        )
        search = client.search(
            collections=list(source.collections) or None,
            bbox=bbox,
            datetime=f"{start.isoformat()}T00:00:00Z/{end.isoformat()}T23:59:59Z",
            max_items=None,
        )
        docs = list(search.items_as_dicts())
    except (
        pystac_client.exceptions.APIError,
        pystac.STACError,
        OSError,
        json.JSONDecodeError,
    ) as error:
        cause = " ".join(str(error).split())[:200]
        raise SourceError(
            f"STAC API {source.url}: {type(error).__name__} {cause}",
            expected="a STAC API that answers an item search",
            remedy="Check the address and the network, then run again.",
        ) from error
    for doc in docs:
        yield _checked(doc, source.url), None


def _is_key_host(source: SourceConfig) -> bool:
    return (urlparse(source.url).hostname or "") in source.key_hosts


def pin_item(doc: Mapping[str, Any], folder: Path | None) -> Scene:
    """Return the scene of one item that ``find_items`` returned.

    Raises
    ------
    SourceError
        When its metadata are broken or contradictory, or a local file is missing.
    """
    try:
        facts = read_facts(doc)
        files, mask_kind, rule = resolve_bands(doc)
        cloud = doc["properties"].get("eo:cloud_cover")
        return Scene(
            item_id=facts.item_id,
            collection=str(doc.get("collection") or ""),
            acquired=acquired(doc),
            platform=facts.platform,
            baseline=facts.baseline,
            cloud_share=None if cloud is None else float(cloud) / 100.0,
            bbox=_bbox(doc),
            mask_kind=mask_kind,
            files=_located(files, folder, facts.item_id) if folder else files,
            offset_rule=rule,
            simulated=doc["properties"].get("provenance") == "simulated",
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"item {doc['id']}: broken metadata ({type(error).__name__} {error})",
            expected="the fields and assets of its product",
            remedy="Correct the item, or name it under exclude of its source.",
        ) from error


def _located(
    files: Iterable[BandFile], folder: Path, item_id: str
) -> tuple[BandFile, ...]:
    """Return the files with the paths they have beside the item.

    A sibling of the same name wins over a remote href, so that a downloaded scene
    is read where it lies. A file that should be there and is not is an error; an
    item none of whose files lie beside it keeps its remote hrefs.
    """
    entries = tuple(files)
    siblings = [folder / Path(urlparse(e.href).path).name for e in entries]
    local = any(path.is_file() for path in siblings)
    located = []
    for entry, sibling in zip(entries, siblings, strict=True):
        remote = urlparse(entry.href).scheme not in ("", "file")
        if sibling.is_file() or (remote and local):
            path = sibling
        elif remote:
            located.append(entry)
            continue
        else:
            path = folder / unquote(urlparse(entry.href).path)
        if not path.is_file():
            raise SourceError(
                f"item {item_id}: asset {entry.band} is not at {path}",
                expected="every band of a static catalogue to be on disk",
                remedy="Restore the file, or name the item under exclude of its "
                "source.",
            )
        located.append(replace(entry, href=str(path.resolve())))
    return tuple(located)


def acquired(doc: Mapping[str, Any]) -> datetime:
    """Return the acquisition time, UTC."""
    properties = doc["properties"]
    moment = datetime.fromisoformat(
        properties.get("datetime") or properties["start_datetime"]
    )
    return (
        moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    )


def _with_time(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the item with noon UTC where it states the day alone.

    Items before STAC 1.0 may do so. Noon UTC is the same solar day at every
    longitude; midnight, which migration would make of it, is the day before in the
    whole western hemisphere.
    """
    stated = doc["properties"].get("datetime")
    if isinstance(stated, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", stated):
        properties = {**doc["properties"], "datetime": f"{stated}T12:00:00Z"}
        return {**doc, "properties": properties}
    return doc


def _bbox(doc: Mapping[str, Any]) -> BBox:
    """Return the item's bounding box, from its geometry where not stated."""
    box = doc.get("bbox")
    if not box:
        points = list(_points(doc["geometry"]["coordinates"]))
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        return min(xs), min(ys), max(xs), max(ys)
    half = len(box) // 2
    return float(box[0]), float(box[1]), float(box[half]), float(box[half + 1])


def _points(coordinates: Any) -> Iterator[tuple[float, float]]:
    if isinstance(coordinates[0], int | float):
        yield float(coordinates[0]), float(coordinates[1])
    else:
        for part in coordinates:
            yield from _points(part)


def _centre(box: BBox) -> float:
    return (box[0] + box[2]) / 2.0


def touches(one: BBox, other: BBox) -> bool:
    """Whether two boxes share a point."""
    return (
        one[0] <= other[2]
        and other[0] <= one[2]
        and one[1] <= other[3]
        and other[1] <= one[3]
    )


def _latest_processing(
    pinned: Iterable[tuple[Scene, Mapping[str, Any]]],
) -> tuple[Scene, ...]:
    """Drop older processings of a granule, and say so in the rule of the one kept.

    Two items of one tile and time with different baselines are one acquisition;
    with the same baseline they may be its two halves, and both are kept.
    """
    kept: dict[tuple[str, ...], list[Scene]] = {}
    for scene, doc in pinned:
        key = (scene.platform, _tile(doc), scene.acquired.isoformat())
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


def _tile(doc: Mapping[str, Any]) -> str:
    """Return the granule's tile or path and row, the item id when none is stated."""
    properties = doc["properties"]
    grid = properties.get("grid:code") or properties.get("s2:mgrs_tile")
    if grid:
        return str(grid).removeprefix("MGRS-")
    path, row = properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row")
    return f"{path}/{row}" if path and row else str(doc["id"])

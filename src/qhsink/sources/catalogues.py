"""Items of a static catalogue or a folder of items, on disk or over HTTP.

Follows links; judges neither time, place nor sensor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from qhsink.config import ReadConfig, SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.sources.items import checked
from qhsink.sources.keys import Keys
from qhsink.sources.transfer import (
    Budget,
    Transfer,
    TransferFault,
    host_of,
    is_remote,
)

MOST_DOCUMENTS = 200_000
"""Documents followed in one catalogue; more is a loop of links without end."""

NO_REFLECTANCE = ("cop-dem-glo-30", "sentinel-1-rtc")
"""Collections beside the scenes of a mixed catalogue: read only where asked for."""


def static_items(
    source: SourceConfig, *, project: Path, reads: ReadConfig
) -> Iterator[tuple[dict[str, Any], Path | None]]:
    """Yield each item of a static source with the folder it lies in.

    Parameters
    ----------
    source : SourceConfig
        Of kind ``static``: a path, or the https address of a catalogue.
    project : Path
        Folder that a relative path is relative to.
    reads : ReadConfig
        Bounds on reading a catalogue over HTTP.

    Yields
    ------
    item, folder
        The folder is None for an item that came over HTTP; its asset addresses are
        absolute then.

    Raises
    ------
    SourceError
        When a document cannot be read, is not JSON, or is a broken item.
    """
    found: Iterator[tuple[dict[str, Any], Path | None]]
    if is_remote(source.url):
        transfer = Transfer(reads, Keys([source]))
        found = _remote_items(source, transfer)
    else:
        path = _existing(project / source.url)
        found = _folder_items(path) if path.is_dir() else _local_items(source, path)
    for doc, folder in found:
        shelf = doc.get("collection")
        if source.collections and shelf not in source.collections:
            continue
        beside = not source.collections and shelf in NO_REFLECTANCE
        if not beside and not _is_temperature(doc):
            yield doc, folder


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SourceError(
            f"no catalogue at {path}",
            expected="a STAC catalogue file, or a folder of STAC items",
            remedy="Build or copy it first; `qhsink twin build` makes the "
            "demonstration archive.",
        )
    return path


def _is_temperature(doc: Mapping[str, Any]) -> bool:
    """Whether this is the surface temperature half of a Landsat scene.

    USGS publishes a level 2 scene as two items of the same id, ``-sr`` and ``-st``;
    the second holds no reflectance and is no scene of its own here.
    """
    return str(doc.get("collection", "")).endswith("-st")


def _folder_items(folder: Path) -> Iterator[tuple[dict[str, Any], Path | None]]:
    for file in sorted(folder.rglob("*.json")):
        doc = _read_file(str(file))
        if isinstance(doc, dict) and doc.get("type") == "Feature" and "assets" in doc:
            yield checked(doc, str(file)), file.parent


def _local_items(
    source: SourceConfig, path: Path
) -> Iterator[tuple[dict[str, Any], Path | None]]:
    for where, doc in _walk(source, str(path), _read_all):
        yield checked(doc, where), Path(where).parent


def _remote_items(
    source: SourceConfig, transfer: Transfer
) -> Iterator[tuple[dict[str, Any], Path | None]]:
    with ThreadPoolExecutor(transfer.config.concurrent, "qhsink-items") as pool:

        def read_level(places: Sequence[str]) -> list[Any]:
            return list(pool.map(lambda place: _read_page(place, transfer), places))

        for where, doc in _walk(source, source.url, read_level):
            yield _with_whole_addresses(checked(doc, where), where), None


def _walk(
    source: SourceConfig, root: str, read_all: Callable[[Sequence[str]], list[Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield place and content of every item below ``root``, level by level.

    Collections that are not asked for are not entered. Extents are not trusted: a
    collection that was added to and not brought up to date would hide its new scenes.
    """
    level, seen = [root], {root}
    while level:
        following: list[str] = []
        for where, doc in zip(level, read_all(level), strict=True):
            if not isinstance(doc, dict):
                raise _not_stac(where, f"a {type(doc).__name__}")
            if doc.get("type") == "Feature":
                yield where, doc
            elif _is_asked_for(doc, source.collections):
                found = [place for place in _links(doc, where) if place not in seen]
                following += dict.fromkeys(found)
                seen.update(found)
        if len(seen) > MOST_DOCUMENTS:
            raise _not_stac(root, f"more than {MOST_DOCUMENTS} documents")
        level = following


def _is_asked_for(doc: Mapping[str, Any], collections: tuple[str, ...]) -> bool:
    other = doc.get("type") == "Collection" and doc.get("id") not in collections
    return not (collections and other)


def _links(doc: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield where the children and items of a catalogue are."""
    for link in doc.get("links", []):
        if link.get("rel") not in ("child", "item"):
            continue
        href = str(link.get("href", ""))
        if is_remote(where):
            place = urljoin(where, href)
            if not is_remote(place):
                raise _not_stac(where, f"a link to {href}")
            yield place
        else:
            yield str(Path(where).parent / unquote(href))


def _with_whole_addresses(doc: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the item with asset addresses that no longer depend on where it lies."""
    assets = {
        key: {**asset, "href": urljoin(where, asset["href"])}
        if isinstance(asset, dict) and isinstance(asset.get("href"), str)
        else asset
        for key, asset in doc["assets"].items()
    }
    return {**doc, "assets": assets}


def _read_all(places: Iterable[str]) -> list[Any]:
    return [_read_file(place) for place in places]


def _read_file(place: str) -> Any:
    try:
        return json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SourceError(
            f"catalogue file {place}: {error}",
            expected="a STAC document that is there and is JSON",
            remedy="Restore that file, or name another catalogue.",
        ) from error


def _read_page(place: str, transfer: Transfer) -> Any:
    try:
        with Budget(transfer.config.total_s) as budget:
            body = transfer.fetch_whole(place, budget)
        return json.loads(body)
    except (TransferFault, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SourceError(
            f"catalogue {urlsplit(place).path} cannot be read from host "
            f"{host_of(place)} ({error})",
            expected="a STAC document that is there and is JSON",
            remedy="Check the address and the network, then run again.",
        ) from error


def _not_stac(where: str, found: str) -> SourceError:
    return SourceError(
        f"catalogue {where} holds {found}",
        expected="a STAC catalogue whose links lead to items, on the same side of the "
        "network",
        remedy="Correct the catalogue, or name another one.",
    )

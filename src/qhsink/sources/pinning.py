"""Which file a catalogue means, and which version of it: settled before reading."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlparse

from qhsink.config import ReadConfig, SourceConfig, load_reads
from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BandFile
from qhsink.sources.keys import Keys
from qhsink.sources.transfer import Budget, Transfer, TransferFault, is_remote

progress = logging.getLogger("qhsink.progress")


NOT_NEEDED = ("radsat",)
"""Bands without which a scene on disk is read all the same; its rule says so."""


def locate(
    files: Iterable[BandFile], folder: Path | None, item_id: str
) -> tuple[BandFile, ...]:
    """Return the files with the places they are read from.

    Parameters
    ----------
    files : iterable of BandFile
        With hrefs as the item states them.
    folder : Path or None
        Where the item lies; None for one that came over HTTP.
    item_id : str
        For messages.

    Raises
    ------
    SourceError
        When a file should be on disk and is not, or an address is not read here.

    Notes
    -----
    Beside a local item a sibling of the same name wins over a remote href, so that a
    downloaded scene is read where it lies; an item none of whose files lie beside it
    keeps its remote hrefs.
    """
    entries = tuple(files)
    if folder is None:
        return tuple(_over_http(entry, item_id) for entry in entries)
    siblings = [folder / Path(urlparse(e.href).path).name for e in entries]
    local = any(path.is_file() for path in siblings)
    located = []
    for entry, sibling in zip(entries, siblings, strict=True):
        remote = urlparse(entry.href).scheme not in ("", "file")
        if sibling.is_file() or (remote and local):
            path = sibling
        elif remote:
            located.append(_over_http(entry, item_id))
            continue
        else:
            path = folder / unquote(urlparse(entry.href).path)
        if not path.is_file():
            if entry.band in NOT_NEEDED:
                continue
            raise SourceError(
                f"item {item_id}: asset {entry.band} is not at {path}",
                expected="every band of a static catalogue to be on disk",
                remedy="Restore the file, or name the item under exclude of its "
                "source.",
            )
        located.append(replace(entry, href=str(path.resolve())))
    return tuple(located)


def _over_http(entry: BandFile, item_id: str) -> BandFile:
    """Refuse an address that only a file of this machine or an S3 client could mean."""
    if not is_remote(entry.href):
        raise SourceError(
            f"item {item_id}: asset {entry.band} is at {entry.href}",
            expected="an http or https address",
            remedy="Name another address under `alternate`, or replace its beginning "
            "under `rewrite`, of the source in config/sources.toml.",
        )
    return entry


def stamp_files(
    files: Sequence[BandFile], source: SourceConfig, project: Path
) -> dict[str, BandFile]:
    """Return the remote files that are not pinned by a checksum, by href, pinned.

    A file with a checksum is pinned by it. Of any other the server is asked for
    size and version, so that a file which changes between pin and read is noticed.
    A server that does not answer leaves a file without: reading it will name it.
    """
    wanted = [file for file in files if file.checksum is None and is_remote(file.href)]
    if not wanted:
        return {}
    reads = load_reads(project)
    transfer = Transfer(reads, Keys([source]))
    with ThreadPoolExecutor(reads.concurrent, "qhsink-pin") as pool:
        asked = pool.map(lambda file: _stamp(transfer, file, reads), wanted)
        return dict(zip((file.href for file in wanted), asked, strict=True))


def _stamp(transfer: Transfer, file: BandFile, reads: ReadConfig) -> BandFile:
    try:
        with Budget(reads.total_s) as budget:
            part = transfer.fetch(file.href, 0, 0, budget)
    except TransferFault as fault:
        progress.warning("%s is not pinned: %s", file.href, fault)
        return file
    return replace(file, size=file.size or part.size, stamp=part.stamp)

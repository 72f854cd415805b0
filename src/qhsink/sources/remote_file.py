"""One remote file: pages over HTTP, many at once, each read only once and checked.

GDAL asks for bytes through Python's file interface and never opens a connection of
its own: its /vsicurl/ remembers a failure for the life of the process (OSGeo/gdal
issue 8922), checks no version and has no bound on its total time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from rasterio.abc import FileContainer, MultiByteRangeResourceContainer

from qhsink.config import ReadConfig
from qhsink.domain.errors import QhsinkError
from qhsink.domain.scene import BandFile
from qhsink.sources.checksums import agrees
from qhsink.sources.pages import PageFolder
from qhsink.sources.transfer import Budget, Transfer, TransferFault

SIGNATURES = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\0\0\0\x0c": "JP2OpenJPEG",
}
"""First bytes to the GDAL driver. No other format is opened over a network: some
(VRT) name further files."""

KEPT_PAGES = 16
"""Pages of an open file that stay in memory."""


class RemoteFile:
    """One remote file while it is open; reads whole pages and keeps them.

    Parameters
    ----------
    file : BandFile
        With whatever was pinned of it: checksum, size, version.
    config : ReadConfig
        Bounds.
    transfer : Transfer
        Connections.
    pool : ThreadPoolExecutor
        Threads that read ranges.
    cache : Path
        Folder that keeps what was read.
    """

    def __init__(
        self,
        file: BandFile,
        config: ReadConfig,
        transfer: Transfer,
        pool: ThreadPoolExecutor,
        cache: Path,
    ) -> None:
        self._file, self._config, self._transfer = file, config, transfer
        self._pool, self._cache = pool, cache
        self._page = config.page_kb * 1024
        self._budget = Budget(config.total_s)
        self._recent: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._position = 0
        self.size = 0
        self.stamp = ""
        self.pages = PageFolder(cache, self._identity(file.stamp or ""))
        self.fault: TransferFault | QhsinkError | None = None

    def _identity(self, stamp: str) -> str:
        file = self._file
        version = file.checksum or f"{file.href} {file.size} {stamp}"
        return f"{version} in pages of {self._page}"

    def begin(self) -> None:
        """Learn size and version; read the whole of a small file and check it."""
        file = self._file
        if file.checksum is None and file.stamp is None:
            # Nothing was pinned: only the server can say which version this is.
            with self._budget as budget:
                part = self._transfer.fetch(file.href, 0, 0, budget)
            self.size, self.stamp = part.size, part.stamp
            identity = self._identity(f"{part.size} {part.stamp}")
            self.pages = PageFolder(self._cache, identity)
        facts = self.pages.facts()
        self.size = int(self.size or facts.get("size") or file.size or 0)
        # What is known by its checksum may lie on a server that states another version.
        noted = None if file.checksum else facts.get("stamp")
        self.stamp = self.stamp or file.stamp or noted or ""
        if not self.size:
            self._take(range(1))
        if not self.size:  # the first page was kept, but not what was noted with it
            with self._budget as budget:
                part = self._transfer.fetch(file.href, 0, 0, budget)
            self._check_version(part.size, part.stamp)
        self.pages.used()
        if file.checksum and self.size <= self._config.whole_mb * 1e6:
            self._check_whole(self._numbers(0, self.size))

    def driver(self) -> str:
        """Return the GDAL driver of the file, by its first bytes."""
        self._take(range(1))
        found = SIGNATURES.get(self._held(0)[:4])
        if found is None:
            raise TransferFault("it is neither a TIFF nor a JPEG 2000 file")
        return found

    def finish(self) -> None:
        """Check the whole file once every page of it is there."""
        if self._file.checksum and not self.pages.facts().get("checked"):
            numbers = self._numbers(0, self.size)
            if all(self.pages.has(number) for number in numbers):
                self._check_whole(numbers)

    def _check_whole(self, numbers: range) -> None:
        if self.pages.facts().get("checked"):
            return
        self._take(numbers)
        whole = (self._held(number) for number in numbers)
        if agrees(self._file.checksum or "", whole) is False:
            self.pages.drop()
            raise TransferFault(
                "its checksum is not the one in the catalogue: damaged on the way, or "
                "changed since it was catalogued"
            )
        self.pages.note(checked=True)

    # The file interface that GDAL sees. An exception would be lost in GDAL: it is
    # kept in ``fault``, and the bytes are missing.

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes."""
        end = self.size if count < 0 else min(self._position + count, self.size)
        data = self.get_byte_ranges([self._position], [end - self._position])[0]
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place, counted from the start, from here or from the end."""
        self._position = (0, self._position, self.size)[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._position

    def close(self) -> None:
        """Let go of the pages in memory."""
        self._recent.clear()

    def __enter__(self) -> Self:
        """Return itself: GDAL opens and closes files as contexts."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def get_byte_ranges(self, offsets: list[int], sizes: list[int]) -> list[bytes]:
        """Return several ranges, their missing pages read at the same time."""
        try:
            spans = [
                (offset, min(offset + size, self.size))
                for offset, size in zip(offsets, sizes, strict=True)
            ]
            self._take({n for span in spans for n in self._numbers(*span)})
            return [self._cut(first, end) for first, end in spans]
        except (TransferFault, QhsinkError) as fault:
            self.fault = self.fault or fault
            return [b""] * len(offsets)
        finally:
            with self._lock:
                for number in list(self._recent)[:-KEPT_PAGES]:
                    del self._recent[number]

    def _numbers(self, first: int, end: int) -> range:
        return range(first // self._page, -(-end // self._page) if end > first else 0)

    def _cut(self, first: int, end: int) -> bytes:
        numbers = self._numbers(first, end)
        joined = b"".join(self._held(number) for number in numbers)
        start = first - numbers.start * self._page if numbers else 0
        return joined[start : start + max(0, end - first)]

    def _held(self, number: int) -> bytes:
        """Return a page that was taken, from memory or disk."""
        data = self._recent.get(number) or self.pages.load(number)
        if data is None:
            raise TransferFault("what was read is gone from the store")
        return data

    def _take(self, numbers: Iterable[int]) -> None:
        """See that these pages are held, reading those that are not."""
        missing = []
        for number in sorted(numbers):
            if number in self._recent:
                continue
            data = self.pages.load(number)
            if data is None:
                missing.append(number)
            else:
                self._recent[number] = data
        if not missing:
            return
        at_most = max(1, self._config.request_kb * 1024 // self._page)
        runs = _runs(missing, at_most)
        with self._budget as budget:
            futures = [self._pool.submit(self._get, r, budget) for r in runs]
            try:
                for future in futures:
                    future.result()
            finally:
                for future in futures:
                    future.cancel()

    def _get(self, run: range, budget: Budget) -> None:
        """Read neighbouring pages in one request, check their version, keep them."""
        first = run.start * self._page
        last = run.stop * self._page - 1
        if self.size:
            last = min(last, self.size - 1)
        part = self._transfer.fetch(self._file.href, first, last, budget)
        self._check_version(part.size, part.stamp)
        for place, number in enumerate(run):
            data = part.data[place * self._page : (place + 1) * self._page]
            if data:
                self.pages.save(number, data)
                with self._lock:
                    self._recent[number] = data

    def _check_version(self, size: int, stamp: str) -> None:
        with self._lock:
            pinned = self._file.size or self.size
            if (pinned and size != pinned) or (
                self.stamp and stamp and stamp != self.stamp
            ):
                raise TransferFault("it has changed since it was pinned")
            if not self.size or (stamp and not self.stamp):
                self.size, self.stamp = size, stamp
                self.pages.note(size=size, stamp=stamp)


class Opener:
    """What rasterio asks for the one file it is given.

    Parameters
    ----------
    remote : RemoteFile
    name : str
        What it is called; GDAL also looks for files beside it, and there are none.
    """

    def __init__(self, remote: RemoteFile, name: str) -> None:
        self._remote, self._name = remote, name

    def open(self, path: str, mode: str = "rb", **_: Any) -> RemoteFile:
        """Return the file, at its start."""
        del mode
        if not self.isfile(path):
            raise FileNotFoundError(path)
        self._remote.seek(0)
        return self._remote

    def isfile(self, path: str) -> bool:
        """Whether ``path`` is the file."""
        return path.endswith(self._name)

    def isdir(self, path: str) -> bool:
        """Whether ``path`` is a folder: there is none."""
        return not path

    def ls(self, path: str) -> list[str]:
        """Return the files of a folder: nothing beside it is looked for."""
        del path
        return []

    def mtime(self, path: str) -> int:
        """Return a time of change; GDAL does not need one."""
        del path
        return 0

    def size(self, path: str) -> int:
        """Return the size of the file [bytes]."""
        if not self.isfile(path):
            raise FileNotFoundError(path)
        return self._remote.size


FileContainer.register(Opener)
MultiByteRangeResourceContainer.register(Opener)


def _runs(numbers: Sequence[int], at_most: int) -> list[range]:
    """Return sorted page numbers as runs of neighbours, ``at_most`` long."""
    runs: list[range] = []
    for number in numbers:
        if runs and number == runs[-1].stop and len(runs[-1]) < at_most:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs

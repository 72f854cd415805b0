"""How files are opened as rasters, here or over a network, by all threads at once.

What is read of one remote file, and how it is checked, belongs to ``remote_file``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import urlsplit

import rasterio

from qhsink.config import ReadConfig, Settings, load_sources
from qhsink.domain.scene import BandFile
from qhsink.sources.checksums import file_agrees
from qhsink.sources.keys import Keys
from qhsink.sources.remote_file import Opener, RemoteFile
from qhsink.sources.transfer import Transfer, TransferFault, is_remote

DAYS_AT_ONCE = 2
"""Days of remote scenes read at the same time."""

FILES_AT_ONCE = 6
"""Remote files open at the same time: the bands of a scene."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class Archive:
    """How files are reached, for all threads of a process.

    Parameters
    ----------
    config : ReadConfig
        Bounds.
    keys : Keys
        What opens which host.
    cache : Path, optional
        Folder that keeps what was read; a temporary one when not given.
    """

    def __init__(
        self, config: ReadConfig, keys: Keys, cache: Path | None = None
    ) -> None:
        self.config = config
        self.transfer = Transfer(config, keys)
        self._own = TemporaryDirectory(prefix="qhsink-") if cache is None else None
        self.cache = Path(self._own.name) if self._own else Path(str(cache))
        # Three levels, each waiting only for the next: days, files, ranges. The
        # threads stay: pyproj sets its transformers up anew in every new thread,
        # which costs more than reading.
        self.days = ThreadPoolExecutor(DAYS_AT_ONCE, "qhsink-day")
        self.files = ThreadPoolExecutor(FILES_AT_ONCE, "qhsink-file")
        self.pool = ThreadPoolExecutor(config.concurrent, "qhsink-read")

    @contextmanager
    def raster(self, file: BandFile, **options: Any) -> Iterator[Any]:
        """Open a file, local or remote, as a rasterio dataset.

        Raises
        ------
        TransferFault
            When bytes do not come, or are not those that were pinned.
        StoreFault
            When they cannot be kept.
        """
        if not is_remote(file.href):
            _check_local(file)
            with rasterio.open(file.href, sharing=False, **options) as source:
                yield source
            return
        remote = RemoteFile(file, self.config, self.transfer, self.pool, self.cache)
        remote.begin()
        name = f"{remote.pages.folder.name}/{Path(urlsplit(file.href).path).name}"
        try:
            with rasterio.open(
                name,
                opener=Opener(remote, name),
                driver=remote.driver(),
                sharing=False,
                **options,
            ) as source:
                yield source
        except rasterio.errors.RasterioError as error:
            # GDAL only knows that bytes are missing; the file knows why.
            if remote.fault:
                raise remote.fault from error
            raise
        if remote.fault:
            raise remote.fault
        remote.finish()

    @staticmethod
    def each(
        work: Callable[[_T], _R], entries: Sequence[_T], pool: ThreadPoolExecutor | None
    ) -> Iterator[_R]:
        """Yield ``work`` of each entry in order, on ``pool`` where one is given.

        When one fails, those under way are waited for (their time is bounded), so
        that what they read is kept and a retry does not ask for it again.
        """
        if pool is None:
            yield from map(work, entries)
            return
        futures = [pool.submit(work, entry) for entry in entries]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
            wait(futures)


@lru_cache(maxsize=8)
def open_archive(settings: Settings) -> Archive:
    """Return the archive of a run: keys of all sources, reads kept in its store."""
    keys = Keys(load_sources(settings.project).values())
    return Archive(settings.reads, keys, settings.store / "reads")


@lru_cache(maxsize=1)
def plain_archive() -> Archive:
    """Return an archive without keys that keeps nothing beyond the process."""
    return Archive(ReadConfig(), Keys(()))


def _check_local(file: BandFile) -> None:
    """Refuse a file on disk that is not the one the catalogue describes."""
    path = Path(file.href)
    known = file.checksum is not None and path.is_file()
    if known and file_agrees(path, str(file.checksum)) is False:
        raise TransferFault("its checksum is not the one in the catalogue")

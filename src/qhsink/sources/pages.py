"""Pages of remote files on disk, so that nothing is read over the network twice.

A file's folder is named by its content (the catalogue's checksum) or, where none is
given, by its address and version. A page carries its own digest: torn or damaged
ones are read again. Knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import uuid
from pathlib import Path
from typing import Any

from qhsink.domain.errors import StoreFault

DIGEST = 32
"""Bytes of SHA-256 in front of each page."""

FACTS = "facts.json"


_NOTING = threading.Lock()


class PageFolder:
    """The pages of one version of one remote file.

    Parameters
    ----------
    root : Path
        Folder of all remote reads, such as ``<store>/reads``.
    identity : str
        What makes the file this file; its hash names the folder.
    """

    def __init__(self, root: Path, identity: str) -> None:
        digest = hashlib.sha256(identity.encode()).hexdigest()
        self.folder = root / digest[:2] / digest

    def facts(self) -> dict[str, Any]:
        """Return what was noted of the file; empty when nothing was."""
        try:
            text = (self.folder / FACTS).read_text(encoding="utf-8")
            found: dict[str, Any] = json.loads(text)
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def note(self, **facts: Any) -> None:
        """Add to what is noted of the file."""
        with _NOTING:  # files of one content share a folder: no note may be lost
            text = json.dumps({**self.facts(), **facts}, sort_keys=True)
            self._write(FACTS, text.encode())

    def load(self, number: int) -> bytes | None:
        """Return a page, None when it is absent or damaged."""
        try:
            raw = self._path(number).read_bytes()
        except FileNotFoundError:
            return None
        data = raw[DIGEST:]
        if hashlib.sha256(data).digest() != raw[:DIGEST]:
            self._path(number).unlink(missing_ok=True)
            return None
        return data

    def has(self, number: int) -> bool:
        """Whether a page is there; ``load`` tells whether it is whole."""
        return self._path(number).is_file()

    def save(self, number: int, data: bytes) -> None:
        """Keep a page: whole or not at all.

        Raises
        ------
        StoreFault
            When the disk is full or not writable.
        """
        self._write(self._path(number).name, hashlib.sha256(data).digest() + data)

    def used(self) -> None:
        """Note that the file was needed now; `qhsink store gc` goes by this."""
        if self.folder.is_dir():
            os.utime(self.folder)

    def drop(self) -> None:
        """Forget every page: what was read is not what the catalogue promised."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.page"

    def _place(self, aside: Path, name: str, content: bytes) -> None:
        for last in (False, False, True):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                aside.write_bytes(content)
                aside.replace(self.folder / name)
            except FileNotFoundError:
                # Another reader dropped the folder under us: make it anew.
                if last:
                    raise
            else:
                return

    def _write(self, name: str, content: bytes) -> None:
        aside = self.folder / f".{name}-{uuid.uuid4().hex[:8]}"
        try:
            self._place(aside, name, content)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise StoreFault(
                f"the store could not keep what was read ({error.strerror or error})",
                expected="a writable folder with free space",
                remedy="Free space (`qhsink store gc --keep 20GB`) or name another "
                "folder with --store, then run again: what was read is kept.",
            ) from error

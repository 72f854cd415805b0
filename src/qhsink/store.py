"""Content-keyed artifacts: complete or absent.

An artifact is a folder of files with a manifest inside. Its key is the hash of
everything that decides its content, so a resume after a crash, a rerun and a cache
hit are the same thing. It is written aside and renamed into place; two processes
may race for one key and both end well. Nothing here knows what the files mean.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qhsink.domain.errors import StoreFault

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Key:
    """The identity of an artifact: step, code, parameters and inputs."""

    step: str
    """Name of the step that makes it."""
    parts: str
    """Canonical JSON of code version, parameters and input keys."""

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of step and parts."""
        return hashlib.sha256(f"{self.step}\n{self.parts}".encode()).hexdigest()

    @property
    def short(self) -> str:
        """First twelve digits, for people."""
        return self.digest[:12]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A complete artifact on disk."""

    key: Key
    folder: Path
    """Folder that holds the files and the manifest."""
    meta: Mapping[str, Any]
    """What the step recorded about it, JSON-able."""

    def path(self, name: str) -> Path:
        """Return the path of the file ``name``."""
        return self.folder / name


def make_key(
    step: str,
    *,
    code: str,
    params: Mapping[str, Any],
    inputs: Mapping[str, str] | None = None,
) -> Key:
    """Return the content key of a step.

    Parameters
    ----------
    step : str
        Step name.
    code : str
        ``code_version`` of the packages whose code decides the result.
    params : mapping
        JSON-able parameters.
    inputs : mapping, optional
        Digests of the input artifacts and models, by role.
    """
    content = {"code": code, "params": params, "inputs": inputs or {}}
    return Key(step, json.dumps(content, sort_keys=True, ensure_ascii=False))


@cache
def code_version(*modules: str) -> str:
    """Return a digest of the source text of ``modules`` (packages: all files below).

    A key that holds it changes when that code does, so that results of two versions
    of an algorithm are never mixed.

    Raises
    ------
    StoreFault
        When a module is not there.
    """
    digest = hashlib.sha256()
    for name in sorted(modules):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise StoreFault(
                f"no module {name}",
                expected="an importable module of qhsink",
                remedy="This is a defect: please report it.",
            )
        origin = Path(spec.origin)
        package = origin.name == "__init__.py"
        for path in sorted(origin.parent.rglob("*.py")) if package else [origin]:
            digest.update(path.relative_to(origin.parent).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """A folder of artifacts.

    Parameters
    ----------
    root : Path
        Folder of the store; made when absent.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: Key) -> Path:
        """Return where the artifact of ``key`` lies or would lie."""
        return self.folder_of(key.step, key.digest)

    def folder_of(self, step: str, digest: str) -> Path:
        """Return where the artifact of ``step`` with that digest lies."""
        return self.root / step / digest[:2] / digest

    def find(self, key: Key) -> Artifact | None:
        """Return the artifact if it is there and whole, else None.

        Every file is compared with the size and SHA-256 in the manifest. A damaged
        artifact is moved aside, so that it is made again and not trusted.
        """
        folder = self.folder(key)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (json.JSONDecodeError, NotADirectoryError):
            manifest = {"files": None}
        if not _is_whole(folder, manifest["files"]):
            self._set_aside(folder)
            return None
        _note_use(folder / MANIFEST)
        return Artifact(key, folder, manifest["meta"])

    def put(self, key: Key, write: Callable[[Path], Mapping[str, Any]]) -> Artifact:
        """Make the artifact of ``key`` with ``write`` and return it.

        Parameters
        ----------
        key : Key
            Identity.
        write : callable
            Writes its files into the folder it is given and returns the metadata.

        Raises
        ------
        StoreFault
            When the disk is full or not writable; nothing partial is left under
            the key.
        """
        aside = self.root / "tmp" / f"{key.short}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            aside.mkdir(parents=True)
            meta = dict(write(aside))
            self._seal(aside, key, meta)
            self._publish(aside, key)
        except OSError as error:
            raise StoreFault(
                f"the store {self.root} could not keep {key.step} {key.short} "
                f"({error.strerror or error})",
                expected="a writable folder with free space",
                remedy="Free space or name another folder with --store, then run "
                "again: what was finished is kept.",
            ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return Artifact(key, self.folder(key), meta)

    def get(self, key: Key, write: Callable[[Path], Mapping[str, Any]]) -> Artifact:
        """Return the artifact of ``key``, made with ``write`` only when absent."""
        return self.find(key) or self.put(key, write)

    @staticmethod
    def _seal(aside: Path, key: Key, meta: Mapping[str, Any]) -> None:
        files = {}
        for path in sorted(p for p in aside.rglob("*") if p.is_file()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.relative_to(aside).as_posix()] = {
                "size": path.stat().st_size,
                "sha256": file_digest(path),
            }
        manifest = {
            "step": key.step,
            "key": key.digest,
            "made_from": json.loads(key.parts),
            "files": files,
            "meta": meta,
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        with (aside / MANIFEST).open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _publish(self, aside: Path, key: Key) -> None:
        final = self.folder(key)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.rename(final)
        except OSError:
            # Another process finished the same key first: same key, same content.
            if self.find(key) is None:
                raise

    def _set_aside(self, folder: Path) -> None:
        grave = self.root / "damaged" / f"{folder.name}-{uuid.uuid4().hex[:8]}"
        grave.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(grave)
        except FileNotFoundError:
            return  # another process moved it already


def _note_use(manifest: Path) -> None:
    """Set the time of access, whatever the disk's own rule; the content's stays."""
    try:
        os.utime(manifest, ns=(time.time_ns(), manifest.stat().st_mtime_ns))
    except OSError:
        return  # a store that is only read, or an artifact just removed


def _is_whole(folder: Path, files: Mapping[str, Mapping[str, Any]] | None) -> bool:
    if files is None:
        return False
    for name, entry in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry["size"]:
            return False
        if file_digest(path) != entry["sha256"]:
            return False
    return True

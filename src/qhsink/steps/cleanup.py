"""Bound the disk that a store takes: what was not used longest goes first.

Artifacts that a published run names are kept unless asked otherwise. Moves nothing
and makes nothing; a deleted artifact is made or read again when it is needed.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhsink.domain.errors import BadInput

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

REMAINS = ("tmp", "damaged")
"""Folders of a store that hold no artifact: left by a kill, or set aside."""

GRACE_S = 3600.0
"""What was touched this recently is never removed: a run may be using it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One artifact, or the pages of one remote file."""

    folder: Path
    kind: str
    """Step name, ``reads``, ``tmp`` or ``damaged``."""
    size: int
    """Bytes."""
    used: float
    """When it was last used, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What is to be removed, and what stays."""

    removed: tuple[Entry, ...]
    """In the order of removal."""
    kept_bytes: int
    needed_bytes: int
    """Of those kept, what published runs name."""

    @property
    def freed_bytes(self) -> int:
        """Bytes that the removal frees."""
        return sum(entry.size for entry in self.removed)


def parse_size(text: str) -> int:
    """Return bytes of ``50GB``, ``500MB`` or a plain number.

    Raises
    ------
    BadInput
        When it is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", text.upper())
    unit = found[2] if found else "?"
    unit = unit + "B" if unit in ("K", "M", "G", "T") else unit
    if not found or unit not in UNITS:
        raise BadInput(
            f"size {text!r}",
            expected="a number with KB, MB, GB or TB, such as 50GB",
            remedy="Correct --keep.",
        )
    return int(float(found[1]) * UNITS[unit])


def plan_cleanup(
    store: Path,
    *,
    keep_bytes: int | None = None,
    keep_days: float | None = None,
    runs: Iterable[Path] = (),
    now: float | None = None,
) -> Cleanup:
    """Return what has to go so that the store is bounded; nothing is removed.

    Parameters
    ----------
    store : Path
    keep_bytes : int, optional
        Bytes that may stay; what was used longest ago goes first.
    keep_days : float, optional
        What was not used for so many days goes.
    runs : iterable of Path
        ``run.json`` files whose artifacts stay in any case.
    now : float, optional
        Seconds since 1970; the clock by default.

    Notes
    -----
    Left-overs of killed runs and damaged artifacts go first. What was used within
    the last hour stays, as a run may be using it, even if the bound is missed.
    """
    moment = time.time() if now is None else now
    entries = sorted(_entries(store), key=_order)
    needed = {digest for run in runs for digest in _digests(run)}
    total = sum(entry.size for entry in entries)
    held = sum(e.size for e in entries if e.folder.name in needed)
    removed = []
    for entry in entries:
        if entry.folder.name in needed or moment - entry.used < GRACE_S:
            continue
        late = keep_days is not None and moment - entry.used > keep_days * 86400
        over = keep_bytes is not None and total > keep_bytes
        if late or over or entry.kind in REMAINS:
            removed.append(entry)
            total -= entry.size
    return Cleanup(tuple(removed), total, held)


def clean_up(cleanup: Cleanup, store: Path) -> None:
    """Remove what was planned. Each folder is moved aside first, then deleted."""
    for entry in cleanup.removed:
        aside = store / "tmp" / f"gone-{entry.folder.name}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            entry.folder.rename(aside)
        except FileNotFoundError:
            continue  # another process removed it first
        except OSError:
            aside = entry.folder  # something of that name is there: delete in place
        shutil.rmtree(aside, ignore_errors=True)


def _order(entry: Entry) -> tuple[bool, float]:
    return entry.kind not in REMAINS, entry.used


def _entries(store: Path) -> Iterator[Entry]:
    for step in sorted(p for p in store.glob("*") if p.is_dir()):
        pattern = "*" if step.name in REMAINS else "*/*"
        for folder in step.glob(pattern):
            if folder.is_dir():
                yield _entry(folder, step.name)


def _entry(folder: Path, kind: str) -> Entry:
    size, used = 0, folder.stat().st_mtime
    for path in folder.rglob("*"):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # renamed into place meanwhile
        size += stat.st_size
        used = max(used, stat.st_mtime, stat.st_atime)
    return Entry(folder, kind, size, used)


def _digests(run: Path) -> Iterator[str]:
    """Yield every artifact digest that a ``run.json`` names."""
    try:
        content = json.loads(run.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise BadInput(
            f"{run} cannot be read ({type(error).__name__})",
            expected="the record of a run, to know what it needs",
            remedy="Restore or remove that folder, then run again.",
        ) from error
    yield from _texts(content.get("artifacts", {}))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _texts(value)

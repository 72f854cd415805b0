"""Where the orchestrator keeps its own database, and what its failures mean.

A run's record is ``run.json``: the database is only what Prefect needs to run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qhsink.config import Settings
from qhsink.domain.errors import QhsinkError, StoreFault

ROOM_MB = 16.0
"""Free space to start with [MB]: Prefect's database and its log take 7 MB."""


@contextmanager
def orchestrator_home(settings: Settings) -> Iterator[None]:
    """Run a flow with Prefect's files beside the store, quiet and offline.

    Raises
    ------
    StoreFault
        When the place is full or not writable, before the flow or during it, or
        Prefect's own server does not start.
    """
    # An expected error is told once, in one line, by ``main``; not by Prefect too.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_HOME", str(settings.store.parent / "prefect"))
    home = Path(os.environ["PREFECT_HOME"])
    _require_room(home)
    try:
        yield
    except QhsinkError:
        raise
    except Exception as error:
        # Prefect wraps what its database said, if it says it at all.
        if _free_mb(home) < 1.0:
            raise _no_room(home) from error
        if "ephemeral Prefect API server" in str(error):
            raise StoreFault(
                f"the orchestrator's own server, in {home}, did not start",
                expected="a server within PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_"
                "SECONDS",
                remedy="Run again when the machine is less busy: what was finished is "
                "kept. PREFECT_SERVER_LOGGING_LEVEL=ERROR shows what it says.",
            ) from error
        raise


def _require_room(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise StoreFault(
            f"{home}, where the orchestrator keeps its files, cannot be written "
            f"({error.strerror or error})",
            expected="a writable folder with free space",
            remedy="Name another folder with --store, or in PREFECT_HOME.",
        ) from error
    if _free_mb(home) < ROOM_MB:
        raise _no_room(home)


def _free_mb(home: Path) -> float:
    return shutil.disk_usage(home).free / 1e6


def _no_room(home: Path) -> StoreFault:
    return StoreFault(
        f"{_free_mb(home):.1f} MB are free at {home}, where the orchestrator keeps its "
        "files",
        expected=f"at least {ROOM_MB:.0f} MB",
        remedy="Free space or name another folder with --store, then run again: what "
        "was finished is kept.",
    )

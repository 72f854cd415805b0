"""Which faults of a task are worth another try."""

from __future__ import annotations

from typing import Any

from qhsink.domain.errors import StoreFault


def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Retry what the disk or the machine did, never what the input is."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StoreFault | OSError)

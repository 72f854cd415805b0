"""What can go wrong between here and a server, on demand.

A plan names a fault for paths that match, for a number of requests. Shared by the
stand-ins; knows neither STAC nor rasters.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

KINDS = (
    "timeout",
    "reset",
    "429",
    "503",
    "404",
    "truncated",
    "html",
    "slow",
)


@dataclass
class Fault:
    """One thing that goes wrong."""

    kind: str
    """One of ``KINDS``."""
    match: str
    """Regular expression that a request's path must contain."""
    times: int
    """Requests that it befalls; a very large number for all."""


@dataclass
class FaultPlan:
    """The faults to come, and the requests that were seen."""

    latency_s: float = 0.0
    """Added to every answer [s]."""
    pending: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and Range of every request, in order."""
    most_at_once: int = 0
    """Largest number of requests under way at the same time."""

    def __post_init__(self):
        self._lock = threading.Lock()
        self._now = 0

    def add(self, kind, match="", times=1_000_000):
        """Let ``times`` requests whose path matches go wrong."""
        assert kind in KINDS
        self.pending.append(Fault(kind, match, times))

    def clear(self):
        """The server is well again, and its log empty."""
        with self._lock:
            self.pending.clear()
            self.requests.clear()
            self.most_at_once = 0

    def start(self, method, path, span):
        """Note a request; return the kind of fault that befalls it, or None."""
        with self._lock:
            self.requests.append((method, path, span))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            for fault in self.pending:
                if fault.times > 0 and re.search(fault.match, path):
                    fault.times -= 1
                    return fault.kind
        return None

    def end(self):
        """Note that a request is answered."""
        with self._lock:
            self._now -= 1

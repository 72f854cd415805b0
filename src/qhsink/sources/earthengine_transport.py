"""One HTTP exchange with Earth Engine: bounded in time and in number.

Stands in for the client's own transport, which has no time limit by default. Tries
nothing twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httplib2
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

progress = logging.getLogger("qhsink.progress")

CONNECT_S = 20.0
"""Longest wait for a connection [s]."""

PIECE = 1 << 17
"""Bytes read between two looks at the clock."""

QUOTA_HEADER = "x-earth-engine-quota-status"
"""Header by which Earth Engine says that a project is in restricted mode."""


class BoundedTransport:
    """Requests with a deadline for the whole answer, so many at once.

    Parameters
    ----------
    deadline_s : float
        Longest time for a request with its answer [s]: a server that sends a byte
        a minute does not hold a run.
    max_concurrent : int
        Requests at once in this process.
    clock : callable, optional
        Seconds; replaced in tests.
    """

    def __init__(
        self,
        *,
        deadline_s: float,
        max_concurrent: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadline_s, self._clock = deadline_s, clock
        self._places = threading.BoundedSemaphore(max_concurrent)
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=max_concurrent, pool_block=False)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._told = False

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        redirections: int = 0,  # noqa: ARG002 - part of that signature
        connection_type: object = None,  # noqa: ARG002 - part of that signature
    ) -> tuple[httplib2.Response, bytes]:
        """Return status and headers, and the whole body.

        Raises
        ------
        TimeoutError
            When the answer is not whole within the deadline.
        ConnectionError
            When the connection cannot be made or breaks.
        """
        with self._places:
            try:
                return self._exchange(uri, method, body, headers)
            except (requests.exceptions.Timeout, ReadTimeoutError) as error:
                raise TimeoutError(f"no answer in {self._deadline_s:g} s") from error
            except (requests.exceptions.RequestException, HTTPError) as error:
                raise ConnectionError(type(error).__name__) from error

    def _exchange(
        self, uri: str, method: str, body: Any, headers: Mapping[str, str] | None
    ) -> tuple[httplib2.Response, bytes]:
        end = self._clock() + self._deadline_s
        limits = (min(CONNECT_S, self._deadline_s), self._deadline_s)
        with self._session.request(
            method, uri, data=body, headers=headers, timeout=limits, stream=True
        ) as answer:
            pieces = []
            # Not ``iter_content``: that waits until a piece is full.
            while piece := answer.raw.read1(PIECE, decode_content=True):
                pieces.append(piece)
                if self._clock() > end:
                    raise TimeoutError(f"no whole answer in {self._deadline_s:g} s")
            fields = {name.lower(): value for name, value in answer.headers.items()}
            self._mind_quota(fields.pop(QUOTA_HEADER, ""))
            return (
                httplib2.Response({**fields, "status": answer.status_code}),
                b"".join(pieces),
            )

    def _mind_quota(self, stated: str) -> None:
        """Say once that the project is slowed down; the client would warn each time."""
        if "parallelism_restricted=true" in stated and not self._told:
            self._told = True
            progress.warning(
                "Earth Engine: the project has used up its noncommercial quota of this "
                "month and is slowed down (restricted mode)"
            )

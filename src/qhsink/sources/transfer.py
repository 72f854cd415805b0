"""Bytes over HTTP: one range of one file, whole and unchanged, or a reason why not.

Tries are bounded in number and in time. Knows nothing of rasters, scenes or caches,
and never puts a signed address or a token into a message.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from qhsink.config import ReadConfig
from qhsink.sources.keys import Keys

_T = TypeVar("_T")

CHUNK = 1 << 16
"""Bytes taken from a connection between two looks at the clock."""

LONGEST_PAUSE_S = 30.0
"""A server that asks for more (``Retry-After``) is asked again after this."""


class TransferFault(Exception):  # noqa: N818 - becomes a SourceError with its scene
    """Why bytes did not come; the caller adds the scene and the file.

    Parameters
    ----------
    cause : str
        What happened, with no address in it.
    again : bool
        Whether asking again may help.
    pause_s : float
        Seconds the server asks to wait.
    """

    def __init__(
        self, cause: str, *, again: bool = False, pause_s: float = 0.0
    ) -> None:
        super().__init__(cause)
        self.again, self.pause_s = again, pause_s


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a remote file."""

    data: bytes
    size: int
    """Size of the whole file [bytes]."""
    stamp: str
    """ETag, else time of last change, else empty: what tells two versions apart."""


class Budget:
    """Seconds left for one piece of work; runs only inside ``with``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._left = seconds
        self._end = 0.0

    def __enter__(self) -> Self:
        """Start the clock."""
        self._end = time.monotonic() + self._left
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the clock."""
        self._left = self.left()

    def left(self) -> float:
        """Return the seconds left, not below zero."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise when nothing is left."""
        if self.left() <= 0:
            raise TransferFault(f"not read whole within {self.seconds:g} s")


class Transfer:
    """Connections to servers, shared by all threads of a process.

    Parameters
    ----------
    config : ReadConfig
        Bounds on tries, waits and connections.
    keys : Keys
        What opens which host.
    """

    def __init__(self, config: ReadConfig, keys: Keys) -> None:
        self.config, self._keys = config, keys
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=config.concurrent)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def fetch(self, href: str, first: int, last: int, budget: Budget) -> Part:
        """Return bytes ``first`` to ``last`` (inclusive) of a file.

        Raises
        ------
        TransferFault
            When they do not come within the tries and the budget.
        """
        return self._tried(lambda: self._range(href, first, last, budget), budget)

    def fetch_whole(self, href: str, budget: Budget) -> bytes:
        """Return a whole document, such as a page of a catalogue.

        Raises
        ------
        TransferFault
            When it does not come within the tries and the budget.
        """
        return self._tried(lambda: self._document(href, budget), budget)

    def _tried(self, once: Callable[[], _T], budget: Budget) -> _T:
        for number in range(1, self.config.tries + 1):
            try:
                return once()
            except TransferFault as fault:
                if not fault.again:
                    raise
                self._pause(fault, number, budget)
        raise AssertionError("unreachable")  # pragma: no cover

    def _pause(self, fault: TransferFault, number: int, budget: Budget) -> None:
        """Wait before the next try, or give up."""
        jitter = 0.5 + random.random()  # noqa: S311 - spreads tries, keeps no secret
        wait = self.config.backoff_s * 2 ** (number - 1) * jitter
        wait = min(max(wait, fault.pause_s), LONGEST_PAUSE_S)
        if number == self.config.tries or wait >= budget.left():
            tries = f"{number} {'try' if number == 1 else 'tries'}"
            raise TransferFault(f"{fault}; gave up after {tries}") from fault
        time.sleep(wait)

    def _range(self, href: str, first: int, last: int, budget: Budget) -> Part:
        with self._answer(href, {"Range": f"bytes={first}-{last}"}, budget) as answer:
            self._check_status(answer, href)
            if answer.status_code == requests.codes.ok:
                raise TransferFault("the server sends whole files only, not ranges")
            size = _whole_size(answer)
            data = _body(answer, budget)
        expected = min(last, size - 1) - first + 1
        if len(data) != expected:
            raise TransferFault(f"{len(data)} bytes instead of {expected}", again=True)
        return Part(data, size, stamp_of(answer.headers))

    def _document(self, href: str, budget: Budget) -> bytes:
        with self._answer(href, {}, budget) as answer:
            self._check_status(answer, href)
            return _body(answer, budget)

    @contextmanager
    def _answer(
        self, href: str, headers: Mapping[str, str], budget: Budget
    ) -> Iterator[requests.Response]:
        """Give one answer; whatever breaks on the way becomes a TransferFault."""
        budget.check()
        try:
            url, keys = self._keys.sign(href, self._session, budget.left())
            wait = budget.left()
            with self._session.get(
                url,
                headers={**keys, **headers, "Accept-Encoding": "identity"},
                stream=True,
                timeout=(
                    min(self.config.connect_s, wait),
                    min(self.config.idle_s, wait),
                ),
            ) as answer:
                yield answer
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TransferFault(_words(error), again=True) from error

    def _check_status(self, answer: requests.Response, href: str) -> None:
        status = answer.status_code
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise TransferFault(
                f"a web page with status {status} instead of the file",
                again=status == requests.codes.ok or status >= 500,
            )
        if status in (requests.codes.ok, requests.codes.partial_content):
            return
        reason = f"{status} {answer.reason}".strip()
        if status in (401, 403) and self._keys.renew(href):
            raise TransferFault(f"{reason}, with a signed address", again=True)
        if status == requests.codes.too_many_requests or status >= 500:
            pause = _seconds(answer.headers.get("Retry-After", ""))
            raise TransferFault(reason, again=True, pause_s=pause)
        raise TransferFault(reason)


_WORDS = (
    (requests.ConnectTimeout, "no connection in time"),
    ((requests.Timeout, urllib3.exceptions.TimeoutError), "no answer in time"),
    (requests.JSONDecodeError, "no token from the token service"),
    (requests.exceptions.SSLError, "the server's certificate is not trusted"),
)
"""Kinds of error and what they mean, the narrower first."""

_SAID = {"refused": "connection refused", "resolve": "host name not found"}
"""A part of an error's text, and what it means."""


def stamp_of(headers: Mapping[str, Any]) -> str:
    """Return what tells this version of a file from another."""
    return str(headers.get("ETag") or headers.get("Last-Modified") or "")


def is_remote(href: str) -> bool:
    """Whether an address is read over HTTP."""
    return urlsplit(href).scheme in ("http", "https")


def host_of(href: str) -> str:
    """Return the host of an address, for messages."""
    return urlsplit(href).netloc.rpartition("@")[2]


def _whole_size(answer: requests.Response) -> int:
    found = re.fullmatch(
        r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", "").strip()
    )
    if not found:
        raise TransferFault("a part of a file with no Content-Range")
    return int(found[1])


def _body(answer: requests.Response, budget: Budget) -> bytes:
    """Return the body; a server that drips is cut off when the budget is spent."""
    parts = []
    while part := answer.raw.read1(CHUNK):
        parts.append(part)
        budget.check()
    return b"".join(parts)


def _seconds(text: str) -> float:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0


def _words(error: Exception) -> str:
    """Return a cause in words: the library's own text may hold a signed address."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} from the token service"
    for kinds, words in _WORDS:
        if isinstance(error, kinds):
            return words
    text = str(error)
    return next((words for part, words in _SAID.items() if part in text), "cut off")

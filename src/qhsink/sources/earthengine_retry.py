"""Which failures of Earth Engine pass, and how long to try: one bounded policy.

Judges errors and waits; sends nothing. The client's own retries are switched off:
they repeat what cannot succeed and drop the status.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from ee.ee_exception import EEException
from google.auth.exceptions import GoogleAuthError, TransportError
from googleapiclient.errors import HttpError, InvalidJsonError

Verdict = Literal["passing", "too big", "not allowed", "final"]

_Answer = TypeVar("_Answer")

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses worth another try; 400 never is, 401 and 403 are a matter of rights."""

SIZE_WORDS = (
    "total request size",
    "user memory limit exceeded",
    "computed value is too large",
    "request payload size exceeds",
)
"""What a 400 says when a smaller window would do (lower case)."""


ODD_ANSWER = "Unexpected response type"
"""What the client says of a page in place of JSON: a proxy's, with status 200."""


class BadAnswer(Exception):  # noqa: N818 - an answer, not an error of the server
    """The body of a good status is not what was asked for: a proxy's page, a stump."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long a request is tried."""

    tries: int = 7
    """Tries in all."""
    budget_s: float = 300.0
    """Longest time from the first try to the last [s]."""
    first_s: float = 1.0
    """Longest wait after the first failure [s]; it doubles from then on."""
    longest_s: float = 32.0
    """Longest wait between two tries [s], unless the server asks for more."""
    sleep: Callable[[float], None] = time.sleep
    """Replaced in tests."""
    clock: Callable[[], float] = time.monotonic
    """Seconds; replaced in tests."""
    rng: random.Random = field(default_factory=random.Random)
    """Draws the jitter."""

    def run(self, action: Callable[[], _Answer]) -> _Answer:
        """Return what ``action`` returns, tried again while its failure may pass.

        Raises
        ------
        Exception
            The last failure of ``action``, with a note of how often it was tried.

        Notes
        -----
        Full jitter (a wait uniform between half and all of the doubled time), so that
        workers that were refused together do not come back together. A
        ``Retry-After`` of the server is kept to, within the budget.
        """
        start = self.clock()
        for number in range(1, self.tries + 1):
            try:
                return action()
            except Exception as error:
                wait = max(self._wait(number), retry_after(error))
                late = self.clock() + wait - start > self.budget_s
                if judge(error) != "passing":
                    raise
                if number == self.tries or late:
                    spent = self.clock() - start
                    error.add_note(f"after {number} tries in {spent:.0f} s")
                    raise
                self.sleep(wait)
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def _wait(self, number: int) -> float:
        top = min(self.longest_s, self.first_s * 2.0 ** (number - 1))
        return top * self.rng.uniform(0.5, 1.0)


def judge(error: BaseException) -> Verdict:
    """Return whether a failure may pass, is a matter of size or rights, or is final."""
    if isinstance(error, TransportError):
        return "passing"
    if isinstance(error, GoogleAuthError):
        return "not allowed"
    code = status_of(error)
    if code in (401, 403):
        return "not allowed"
    if code == 400:
        text = str(error).lower()
        return "too big" if any(word in text for word in SIZE_WORDS) else "final"
    if code is not None:
        return "passing" if code in TRANSIENT else "final"
    broken = (ConnectionError, TimeoutError, BadAnswer, InvalidJsonError)
    passing = isinstance(error, (*broken, json.JSONDecodeError))
    return "passing" if passing or ODD_ANSWER in str(error) else "final"


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an error; None when there was no answer.

    The client turns an ``HttpError`` into an ``EEException`` without its status and
    leaves the first as the context of the second.
    """
    held = error if isinstance(error, HttpError) else error.__context__
    if isinstance(error, HttpError | EEException) and isinstance(held, HttpError):
        return int(held.resp.status)
    return None


def retry_after(error: BaseException) -> float:
    """Return the seconds that the server asks to wait; 0 when it does not."""
    held = error if isinstance(error, HttpError) else error.__context__
    stated = (
        str(held.resp.get("retry-after", "")) if isinstance(held, HttpError) else ""
    )
    return float(stated) if stated.isdigit() else 0.0

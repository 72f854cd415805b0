"""What opens which host: signed addresses and bearer tokens, made when needed.

A key goes only to the hosts its source names, over https (loopback aside). Nothing
here is ever written to disk, to a log or into a message.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError

EARLY = timedelta(seconds=120)
"""A token is renewed this long before it ends, so that no read outlives it."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Keys:
    """Keys of some sources.

    Parameters
    ----------
    sources : iterable of SourceConfig
        Those without signing or bearer need no key.
    """

    def __init__(self, sources: Iterable[SourceConfig]) -> None:
        self._sources = [s for s in sources if s.token_url or s.bearer_env]
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._lock = threading.Lock()

    def sign(
        self, href: str, session: requests.Session, wait_s: float
    ) -> tuple[str, Mapping[str, str]]:
        """Return the address to ask and the headers to send.

        Raises
        ------
        requests.RequestException
            When the token service does not answer.
        SourceError
            When a key is needed and not there, or would go over plain http.
        """
        source = self._source_of(href)
        if source is None:
            return href, {}
        if urlsplit(href).scheme != "https" and urlsplit(href).hostname not in LOOPBACK:
            raise SourceError(
                f"{urlsplit(href).hostname} is to be sent a key over plain http",
                expected="https",
                remedy="Correct the address in config/sources.toml.",
            )
        if source.bearer_env:
            return href, bearer(source)
        token = self._token(_token_url(source, href), session, wait_s)
        joint = "&" if urlsplit(href).query else "?"
        return f"{href}{joint}{token}", {}

    def renew(self, href: str) -> bool:
        """Forget the token of an address; return whether it is one that is signed."""
        source = self._source_of(href)
        if source is None or not source.token_url:
            return False
        with self._lock:
            self._tokens.pop(_token_url(source, href), None)
        return True

    def _source_of(self, href: str) -> SourceConfig | None:
        host = urlsplit(href).hostname or ""
        for source in self._sources:
            if any(_is_host(host, name) for name in source.key_hosts):
                return source
        return None

    def _token(self, url: str, session: requests.Session, wait_s: float) -> str:
        # The lock is held while asking: 16 threads need one token, not 16.
        with self._lock:
            token, ends = self._tokens.get(url, ("", datetime.min.replace(tzinfo=UTC)))
            if datetime.now(UTC) + EARLY < ends:
                return token
            answer = session.get(url, timeout=max(0.1, min(wait_s, 30.0)))
            answer.raise_for_status()
            self._tokens[url] = _token_of(answer)
            return self._tokens[url][0]


def bearer(source: SourceConfig) -> dict[str, str]:
    """Return the header with the token from the environment, none where not asked.

    Raises
    ------
    SourceError
        When the environment holds no token.
    """
    if not source.bearer_env:
        return {}
    token = os.environ.get(source.bearer_env, "").strip()
    if not token:
        raise SourceError(
            f"environment variable {source.bearer_env} is not set",
            expected="an access token in it",
            remedy="Get a token from the provider and export it, then run again.",
        )
    return {"Authorization": f"Bearer {token}"}


def _token_of(answer: requests.Response) -> tuple[str, datetime]:
    """Return a token and when it ends."""
    content = answer.json()
    try:
        ends = datetime.fromisoformat(content["msft:expiry"])
        return str(content["token"]), ends.astimezone(UTC)
    except (KeyError, TypeError, ValueError) as error:
        raise requests.JSONDecodeError("no token in it", "", 0) from error


def _token_url(source: SourceConfig, href: str) -> str:
    """Return where the token is had: one per storage account and container."""
    parts = urlsplit(href)
    account = (parts.hostname or "").split(".")[0]
    container = parts.path.strip("/").split("/")[0]
    return source.token_url.format(account=account, container=container)


def _is_host(host: str, name: str) -> bool:
    return host == name or (name.startswith(".") and host.endswith(name))

"""The one connection of a process to Earth Engine, because the client's state is one.

Which source it belongs to is said beforehand; it is made on first use.
"""

from __future__ import annotations

import threading
from urllib.parse import urlparse

import ee

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.sources.earthengine_auth import cloud_project, find_identity
from qhsink.sources.earthengine_retry import Retries
from qhsink.sources.earthengine_session import Session
from qhsink.sources.earthengine_transport import BoundedTransport

_lock = threading.RLock()
_chosen: list[SourceConfig] = []
_open: dict[SourceConfig, Session] = {}


def choose_source(source: SourceConfig) -> None:
    """Say which source later reads of this process belong to. Connects to nothing."""
    with _lock:
        _chosen[:] = [source]


def current_session() -> Session:
    """Return the connection of the chosen source, made on first use.

    Raises
    ------
    SourceError
        When no source was chosen, or Earth Engine cannot be reached or refuses.
    """
    with _lock:
        if not _chosen:
            raise SourceError(
                "pixels of Earth Engine, but no such source was chosen",
                expected="a plan made from a source of kind earthengine",
                remedy="Name it with --source.",
            )
        return open_session(_chosen[0])


def open_session(source: SourceConfig, *, retries: Retries | None = None) -> Session:
    """Return the connection to a source, made once per process.

    Parameters
    ----------
    source : SourceConfig
        Of kind ``earthengine``.
    retries : Retries, optional
        Another policy than the default.

    Raises
    ------
    SourceError
        When there is no credential or project, or they are refused.

    Notes
    -----
    The client's list of deprecated assets is not fetched: it comes from another host
    and without a time limit.
    """
    with _lock:
        if source not in _open:
            _open.clear()
            _open[source] = _connected(source, retries or Retries())
        return _open[source]


def close_session() -> None:
    """Forget the connection and the chosen source."""
    with _lock:
        _open.clear()
        _chosen.clear()
        ee.Reset()


def _connected(source: SourceConfig, retries: Retries) -> Session:
    identity = find_identity()
    project = cloud_project(source.cloud_project, identity)
    host = urlparse(source.url).netloc or source.url
    session = Session(host, project, identity, retries)
    transport = BoundedTransport(
        deadline_s=source.deadline_s, max_concurrent=source.max_concurrent
    )

    def initialized() -> None:
        ee.Reset()
        none = ee.deprecation.DeprecatedAsset("", None, None, None)
        ee.deprecation.deprecated_assets = {"": none}
        ee.data.setMaxRetries(0)
        ee.Initialize(
            identity.credentials,
            url=source.url.rstrip("/"),
            project=project,
            http_transport=transport,
        )

    session.ask("connection", initialized)
    return session

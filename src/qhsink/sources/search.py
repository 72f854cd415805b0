"""Items of a STAC API, by its own item search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlparse

import pystac
import pystac_client
from pystac_client.stac_api_io import StacApiIO
from urllib3.util.retry import Retry

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.sources.items import BBox, checked
from qhsink.sources.keys import bearer

API_TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for an answer."""

API_RETRIES = 5
"""Tries after 429, 502, 503, 504 or a broken connection; pystac-client alone: none."""


def api_items(
    source: SourceConfig, *, bbox: BBox, period: Period | None
) -> Iterator[tuple[dict[str, Any], None]]:
    """Yield the items of a search, all pages of it.

    Parameters
    ----------
    source : SourceConfig
        Of kind ``api``.
    bbox : tuple of float
        West, south, east, north [deg].
    period : Period, optional
        A day more is asked for on both sides, as solar days are not UTC days; without
        it, items of any time.

    Raises
    ------
    SourceError
        When the API does not answer, or an item is broken.
    """
    retry = Retry(
        total=API_RETRIES,
        backoff_factor=0.5,
        status_forcelist=[429, 502, 503, 504],
        allowed_methods=None,
    )
    try:
        client = pystac_client.Client.open(
            source.url,
            headers=bearer(source) if _is_key_host(source) else {},
            stac_io=StacApiIO(max_retries=retry, timeout=API_TIMEOUT),
        )
        search = client.search(
            collections=list(source.collections) or None,
            bbox=bbox,
            datetime=_span(period),
            max_items=None,
        )
        docs = list(search.items_as_dicts())
    except (
        pystac_client.exceptions.APIError,
        pystac.STACError,
        OSError,
        json.JSONDecodeError,
    ) as error:
        cause = " ".join(str(error).split())[:200]
        raise SourceError(
            f"STAC API {source.url}: {type(error).__name__} {cause}",
            expected="a STAC API that answers an item search",
            remedy="Check the address and the network, then run again.",
        ) from error
    for doc in docs:
        yield checked(doc, source.url), None


def _span(period: Period | None) -> str | None:
    if period is None:
        return None
    start, end = period.start - timedelta(days=1), period.end + timedelta(days=1)
    return f"{start.isoformat()}T00:00:00Z/{end.isoformat()}T23:59:59Z"


def _is_key_host(source: SourceConfig) -> bool:
    return (urlparse(source.url).hostname or "") in source.key_hosts

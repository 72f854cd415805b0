"""A connection to Earth Engine: images listed, pixels computed, errors in one line.

One per process, because the client's own state is. What is asked is built in
``earthengine_expressions``; which failures pass is judged in ``earthengine_retry``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import ee
import numpy as np
from ee.ee_exception import EEException
from google.auth.exceptions import GoogleAuthError
from googleapiclient.errors import Error as ApiError
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.domain.errors import SourceError
from qhsink.sources.earthengine_auth import (
    HOW,
    Identity,
    redacted,
)
from qhsink.sources.earthengine_retry import BadAnswer, Retries, judge, status_of
from qhsink.sources.earthengine_windows import (
    Part,
    is_smallest,
    pixel_grid,
    quarters,
    window_parts,
)

BBox = tuple[float, float, float, float]
_Answer = TypeVar("_Answer")

_FAILURES = (
    EEException,
    ApiError,
    GoogleAuthError,
    ConnectionError,
    TimeoutError,
    BadAnswer,
    json.JSONDecodeError,
)


class TooBigError(Exception):
    """The server says that a smaller window would do."""


@dataclass(frozen=True, slots=True)
class Session:
    """A project and a credential that Earth Engine has accepted."""

    host: str
    """Which endpoint, for messages."""
    project: str
    """Cloud project that requests are counted for."""
    identity: Identity
    """Who asks."""
    retries: Retries
    """How long a request is tried."""
    states: dict[str, str] = field(default_factory=dict, repr=False)
    """When an image was last changed, by asset id: asked once per process."""

    def images(
        self, collection: str, *, start: str | None, end: str | None, bbox: BBox
    ) -> list[Any]:
        """Return the images of a collection, all pages of the list.

        Parameters
        ----------
        collection : str
            Asset id.
        start, end : str or None
            First instant, and the one after the last, ISO 8601 in UTC; None for any.
        bbox : tuple of float
            West, south, east, north [deg].
        """
        west, south, east, north = bbox
        ring = [[west, south], [east, south], [east, north], [west, north]]
        region = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}

        def listed() -> list[Any]:
            wanted = {"parent": collection, "region": json.dumps(region)}
            if start is not None and end is not None:
                wanted |= {"startTime": start, "endTime": end}
            # On a proxy's page with a good status the client itself stumbles.
            with _answers("list of images"):
                return list(ee.data.listImages(wanted)["images"] or [])

        return self.ask(f"list of {collection}", listed)

    def updated(self, image_id: str) -> str:
        """Return when the archive last changed an image."""
        if image_id not in self.states:

            def stated() -> str:
                with _answers("description of an image"):
                    return str(ee.data.getAsset(image_id).get("updateTime", ""))

            self.states[image_id] = self.ask(f"image {image_id}", stated)
        return self.states[image_id]

    def pixels(
        self,
        expression: ee.Image,
        geobox: GeoBox,
        *,
        bands: Sequence[str],
        what: str,
        itemsize: int = 2,
    ) -> NDArray[Any]:
        """Return an image's pixels on a lattice.

        Parameters
        ----------
        expression : ee.Image
            Of bands of ``itemsize`` bytes.
        geobox : GeoBox
            Lattice of shape (y, x).
        bands : sequence of str
            Its bands.
        what : str
            What it is, for messages.
        itemsize : int
            Bytes of a number.

        Returns
        -------
        structured array of shape (y, x)
            A field for each band.

        Raises
        ------
        SourceError
            When the server does not give it whole.
        """
        rows, cols = geobox.shape
        pending = window_parts((rows, cols), bands=len(bands), itemsize=itemsize)
        out: NDArray[Any] | None = None
        while pending:
            part = pending.pop()
            try:
                piece = self._piece(expression, geobox, part, bands, what)
            except TooBigError as error:
                if is_smallest(part):
                    raise self._failure(what, error) from error
                pending += quarters(part)
                continue
            if out is None:
                out = np.empty(geobox.shape, dtype=piece.dtype)
            out[part] = piece
        if out is None:
            raise SourceError(
                f"{what}: an empty window",
                expected="a lattice with pixels",
                remedy="Take the window from Grid.tile.",
            )
        return out

    def _piece(
        self,
        expression: ee.Image,
        geobox: GeoBox,
        part: Part,
        bands: Sequence[str],
        what: str,
    ) -> NDArray[Any]:
        request = {
            "expression": expression,
            "fileFormat": "NPY",
            "grid": pixel_grid(geobox, part),
        }
        shape = geobox[part].shape

        def computed() -> NDArray[Any]:
            return _parsed(ee.data.computePixels(request), tuple(shape), bands)

        return self.ask(what, computed)

    def ask(self, what: str, action: Callable[[], _Answer]) -> _Answer:
        """Return what ``action`` asks of the server, tried while its failure may pass.

        Raises
        ------
        TooBigError
            When a smaller window would do.
        SourceError
            When it fails for good, with what was asked, of whom, and the status.
        """
        try:
            return self.retries.run(action)
        except _FAILURES as error:
            if judge(error) == "too big":
                raise TooBigError(str(error)) from error
            # Without the cause: what a token server says may quote a credential.
            raise self._failure(what, error) from None

    def _failure(self, what: str, error: BaseException) -> SourceError:
        code = status_of(error)
        notes = "; ".join(getattr(error, "__notes__", ()))
        said = redacted(str(error) or type(error).__name__, self.identity.secrets)
        answer = f"{code or type(error).__name__} {said}"
        if judge(error) == "not allowed":
            return SourceError(
                f"Earth Engine at {self.host} refuses {self.identity.origin} for "
                f"project {self.project} ({answer})",
                expected="a credential with access to a registered project",
                remedy=HOW,
            )
        return SourceError(
            f"{what}: Earth Engine at {self.host} gives {answer}"
            + (f", {notes}" if notes else ""),
            expected="a whole answer",
            remedy="Run again later: what is done is kept. A lasting 429 wants a "
            "smaller max_concurrent in config/sources.toml.",
        )


@contextmanager
def _answers(kind: str) -> Iterator[None]:
    """Turn what the client makes of an answer of another kind into BadAnswer."""
    try:
        yield
    except (AttributeError, TypeError, KeyError) as error:
        raise BadAnswer(f"no {kind} but something else") from error


def _parsed(body: bytes, shape: tuple[int, ...], bands: Sequence[str]) -> NDArray[Any]:
    """Return the array of an NPY answer; BadAnswer when it is another thing."""
    try:
        found: NDArray[Any] = np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        start = body[:40].decode("latin-1").strip()
        raise BadAnswer(f"no NPY array but {len(body)} bytes: {start!r}") from error
    if found.shape != shape or found.dtype.names != tuple(bands):
        raise BadAnswer(f"an array of {found.shape} with {found.dtype.names}")
    return found

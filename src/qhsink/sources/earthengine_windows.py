"""How a lattice is asked of Earth Engine in pieces that it answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyproj
from odc.geo.geobox import GeoBox

from qhsink.domain.errors import SourceError
from qhsink.grid import crs_wkt

MAX_BYTES = 50_331_648
"""Largest answer before compression [bytes]: 48 MiB, 400 beyond."""

MAX_EDGE = 32_768
"""Largest edge of an answer [pixels]."""

MAX_BANDS = 1_024
"""Most bands of an answer."""

LEAST_EDGE = 32
"""Edge below which a window that is too large is not split further [pixels]."""

Part = tuple[slice, slice]
"""Rows and columns of a lattice."""


def pixel_bytes(bands: int, itemsize: int) -> int:
    """Return what a pixel counts for: each band with a byte of mask (Xee issue 209)."""
    return bands * (itemsize + 1)


def window_parts(shape: tuple[int, int], *, bands: int, itemsize: int) -> list[Part]:
    """Return the parts of a lattice that each fit one request, in reading order.

    Raises
    ------
    SourceError
        When there are more bands than a request may have.
    """
    if bands > MAX_BANDS:
        raise SourceError(
            f"{bands} bands in one Earth Engine request",
            expected=f"{MAX_BANDS} at most",
            remedy="Ask for fewer bands at a time.",
        )
    size = pixel_bytes(bands, itemsize)

    def divided(part: Part) -> Iterator[Part]:
        rows, cols = (edge.stop - edge.start for edge in part)
        if rows * cols * size <= MAX_BYTES and max(rows, cols) <= MAX_EDGE:
            yield part
            return
        for quarter in quarters(part):
            yield from divided(quarter)

    return list(divided((slice(0, shape[0]), slice(0, shape[1]))))


def quarters(part: Part) -> list[Part]:
    """Return a part cut in four, or in two where an edge is a single pixel."""

    def halves(edge: slice) -> list[slice]:
        middle = (edge.start + edge.stop + 1) // 2
        cut = [slice(edge.start, middle), slice(middle, edge.stop)]
        return [half for half in cut if half.stop > half.start]

    return [(row, col) for row in halves(part[0]) for col in halves(part[1])]


def is_smallest(part: Part) -> bool:
    """Whether a part that is still too large for the server is not split again."""
    return all(edge.stop - edge.start <= LEAST_EDGE for edge in part)


def pixel_grid(geobox: GeoBox, part: Part) -> dict[str, Any]:
    """Return a part of a lattice as the ``PixelGrid`` of a request.

    Notes
    -----
    The CRS travels as WKT 1, which older readers know: the analysis grid has no EPSG
    code.
    """
    crop = geobox[part]
    there, crs = crop.transform, pyproj.CRS.from_wkt(crs_wkt(geobox))
    rows, cols = crop.shape
    return {
        "dimensions": {"width": cols, "height": rows},
        "affineTransform": {
            "scaleX": there.a,
            "shearX": there.b,
            "translateX": there.c,
            "shearY": there.d,
            "scaleY": there.e,
            "translateY": there.f,
        },
        "crsWkt": crs.to_wkt("WKT1_GDAL"),
    }

"""Map bands -> one cloud-optimised GeoTIFF. What the bands mean is the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from qhsink.domain.errors import StoreFault
from qhsink.grid import crs_wkt


def write_cog(  # noqa: PLR0913 - one argument per thing that a file states
    path: Path,
    bands: Sequence[NDArray[Any]],
    *,
    geobox: GeoBox,
    nodata: float | None,
    descriptions: Sequence[str],
    scales: Sequence[float] | None = None,
    offsets: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
    block_px: int = 512,
) -> Path:
    """Write ``bands`` as a COG and return its path.

    Parameters
    ----------
    path : Path
        File to write; its folder must exist.
    bands : sequence of array of shape (y, x)
        All of one dtype and of the geobox's shape.
    geobox : GeoBox
        Pixel lattice.
    nodata : float or None
        Number that means nothing is known; NaN is allowed for floats.
    descriptions : sequence of str
        Name of each band.
    scales, offsets : sequence of float, optional
        ``physical = stored * scale + offset`` of each band; 1 and 0 by default.
    units : sequence of str, optional
        Unit of the physical number of each band; ``1`` for a proportion.
    tags : mapping of str to str, optional
        Metadata of the file (model id, provenance, key).
    block_px : int
        Edge of an internal block [pixels].

    Raises
    ------
    StoreFault
        When the bands differ in dtype or shape or in number from what describes
        them. That is a defect of the caller.

    Notes
    -----
    Overviews are averages where every band is continuous (floating, or integers
    with a scale), else the nearest pixel: an average of flags or class numbers is
    another class. So continuous and categorical bands belong in separate files.
    """
    scales = tuple(scales or [1.0] * len(bands))
    offsets = tuple(offsets or [0.0] * len(bands))
    units = tuple(units or [""] * len(bands))
    _check(
        bands,
        (geobox.shape[0], geobox.shape[1]),
        [descriptions, scales, offsets, units],
    )
    profile = {
        "driver": "COG",
        "dtype": bands[0].dtype,
        "count": len(bands),
        "height": geobox.shape[0],
        "width": geobox.shape[1],
        "crs": CRS.from_wkt(crs_wkt(geobox)),
        "transform": geobox.affine,
        "nodata": nodata,
        "compress": "ZSTD",
        "predictor": "YES",
        "blocksize": block_px,
        "overview_resampling": overview_rule(bands[0].dtype, scales),
        "bigtiff": "IF_SAFER",
    }
    with rasterio.open(path, "w", **profile) as file:
        for number, band in enumerate(bands, start=1):
            file.write(band, number)
            file.set_band_description(number, descriptions[number - 1])
        file.scales, file.offsets, file.units = scales, offsets, units
        file.update_tags(**dict(tags or {}))
    return path


def overview_rule(dtype: np.dtype[Any], scales: Sequence[float]) -> str:
    """Return how overviews are made: ``AVERAGE`` if all bands are continuous."""
    continuous = np.issubdtype(dtype, np.floating) or all(s != 1.0 for s in scales)
    return "AVERAGE" if continuous else "NEAREST"


def _check(
    bands: Sequence[NDArray[Any]],
    shape: tuple[int, int],
    described: Sequence[Sequence[object]],
) -> None:
    dtypes = sorted({str(band.dtype) for band in bands})
    shapes = {tuple(band.shape) for band in bands}
    counts = {len(words) for words in described}
    if len(dtypes) == 1 and shapes == {tuple(shape)} and counts == {len(bands)}:
        return
    raise StoreFault(
        f"{len(bands)} bands of dtype {', '.join(dtypes) or 'none'} and shapes "
        f"{sorted(shapes)}, described {sorted(counts)} times",
        expected=f"bands of one dtype and of shape {tuple(shape)}, each described",
        remedy="Write bands of different kinds to separate files.",
    )

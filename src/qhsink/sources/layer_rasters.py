"""One raster file of real numbers or classes onto a lattice, resampled by its kind.

Unlike reflectance (``rasters``), which is copied or taken from the nearest pixel,
heights and backscatter are interpolated.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import rasterio
import rasterio.warp
from numpy.typing import NDArray
from odc.geo.converters import rio_geobox
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from odc.geo.roi import roi_is_empty
from rasterio.enums import Resampling

from qhsink.domain.errors import SourceError, StoreFault
from qhsink.domain.scene import BandFile
from qhsink.grid import crs_wkt
from qhsink.sources.rasters import AVERAGED_FROM, bounded_gdal, unkept, unread
from qhsink.sources.remote import Archive
from qhsink.sources.transfer import TransferFault

NUMBERS = ("float32", "float64", "int16", "int32", "uint8", "uint16")

TOLERANCE_PX = 0.01
"""Error of place allowed in a projection [source pixels]; GDAL's own 0.125 would put
steps of half a metre on a mountain side."""

_HOW = {
    ("linear", False): Resampling.bilinear,
    ("linear", True): Resampling.average,
    ("classes", False): Resampling.nearest,
    ("classes", True): Resampling.mode,
}


def read_values(
    item_id: str,
    file: BandFile,
    geobox: GeoBox,
    *,
    kind: Literal["linear", "classes"],
    archive: Archive,
) -> NDArray[np.float32] | None:
    """Return a file's values on ``geobox``; None when it does not reach it.

    Parameters
    ----------
    item_id : str
        The item that errors name.
    file : BandFile
        With scale, offset and nodata.
    geobox : GeoBox
        Lattice of shape (y, x).
    kind : {"linear", "classes"}
        Bilinear or nearest; where the lattice is coarser, mean or most frequent.
    archive : Archive
        How remote files are reached.

    Returns
    -------
    float32 array of shape (y, x), or None
        Number times scale plus offset; NaN where there is none.

    Raises
    ------
    SourceError
        When the file is not one band of numbers, or cannot be read whole.
    StoreFault
        When what was read cannot be kept.
    """
    try:
        with bounded_gdal(), archive.raster(file) as source:
            _check(source, item_id, file)
            # A file may mark what is missing by NaN where its product's table has a
            # number: the file's own mark keeps pixels beside a gap.
            missing = file.nodata if source.nodata is None else source.nodata
            found = values_on(source, geobox, kind=kind, nodata=missing)
    except TransferFault as fault:
        raise unread(item_id, file, str(fault)) from fault
    except StoreFault as fault:
        raise unkept(item_id, file, fault) from fault
    except rasterio.errors.RasterioError as error:
        cause = " ".join(str(error.__cause__ or error).split())
        raise unread(item_id, file, cause) from error
    if found is None:
        return None
    return found * np.float32(file.scale) + np.float32(file.offset)


def values_on(
    source: rasterio.DatasetReader,
    geobox: GeoBox,
    *,
    kind: Literal["linear", "classes"],
    nodata: float | None,
) -> NDArray[np.float32] | None:
    """Return the numbers of an open raster on ``geobox``; None where it is elsewhere.

    Parameters and result are those of ``read_values``; ``nodata`` None where every
    number is a value.
    """
    plan = compute_reproject_roi(rio_geobox(source), geobox)
    if roi_is_empty(plan.roi_src) or roi_is_empty(plan.roi_dst):
        return None
    out = np.full(geobox.shape, np.nan, dtype=np.float32)
    rasterio.warp.reproject(
        rasterio.band(source, 1),
        out,
        src_nodata=nodata,
        dst_nodata=np.nan,
        dst_crs=crs_wkt(geobox),
        dst_transform=geobox.transform,
        resampling=_HOW[kind, plan.scale >= AVERAGED_FROM],
        num_threads=1,
        tolerance=TOLERANCE_PX,
        # Without, GDAL widens its kernel by a scale that it guesses from the
        # window: the same ground would differ from tile to tile.
        XSCALE=1,
        YSCALE=1,
    )
    return out


def _check(source: rasterio.DatasetReader, item_id: str, file: BandFile) -> None:
    """Refuse a file that is not one band of numbers with a place and its nodata."""
    kind, said = source.dtypes[0], source.nodata
    if source.crs is None or source.count != 1 or kind not in NUMBERS:
        raise SourceError(
            f"item {item_id}: {file.href} holds {source.count} band(s) of {kind}, "
            f"{'with' if source.crs else 'without'} a CRS",
            expected="one band of numbers with a CRS",
            remedy="Use the archive's own files, not a converted copy.",
        )
    if said is not None and said != file.nodata and not np.isnan(said):
        raise SourceError(
            f"item {item_id}: {file.href} declares nodata {said:g}",
            expected=f"{file.nodata:g}, as [layers] of config/sources.toml says",
            remedy="Correct that table: fill would be taken for a value.",
        )

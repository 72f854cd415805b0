"""One raster file onto one lattice, exactly or not at all.

Knows nothing of days, masks or reflectance: it hands back digital numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import rasterio
import rasterio.warp
import rasterio.windows
from numpy.typing import NDArray
from odc.geo.converters import rio_geobox
from odc.geo.geobox import GeoBox
from odc.geo.overlap import ReprojectInfo, compute_reproject_roi
from odc.geo.roi import roi_is_empty, roi_shape
from rasterio.enums import Resampling

from qhsink.domain.errors import SourceError, StoreFault
from qhsink.domain.scene import BandFile, Scene
from qhsink.grid import crs_wkt
from qhsink.imagery.kernels import gather
from qhsink.sources.remote import Archive, plain_archive
from qhsink.sources.transfer import TransferFault, host_of, is_remote

GDAL_CACHE_MB = 64
"""GDAL takes 5 % of memory for its block cache by default; this costs no speed."""

AVERAGED_FROM = 1.5
"""Source pixels per target pixel edge from which reflectance is averaged."""

GATHERED_BELOW = 4.0
"""Source pixels per target pixel edge up to which the source window is held whole."""

KNOT_PX = 16
"""Spacing at which the projection is computed; between, it is a straight line. Over
16 pixels of 450 m that is wrong by less than a thousandth of a pixel."""


@contextmanager
def bounded_gdal() -> Iterator[None]:
    """Run with a bounded block cache and one thread; remote bytes come by Python."""
    with rasterio.Env(
        GDAL_CACHEMAX=GDAL_CACHE_MB,
        GDAL_NUM_THREADS="1",
        GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR",
    ):
        yield


def read_numbers(
    scene: Scene,
    file: BandFile,
    geobox: GeoBox,
    *,
    averaged: bool,
    archive: Archive | None = None,
) -> NDArray[np.uint16] | None:
    """Return a file's numbers on ``geobox``; None when it does not reach it.

    Parameters
    ----------
    scene, file
        The file to read, and the scene that errors name.
    geobox : GeoBox
        Lattice of shape (y, x).
    averaged : bool
        True for reflectance, which coarser lattices average; False for masks.
    archive : Archive, optional
        How remote files are reached; ``plain_archive`` when not given.

    Returns
    -------
    uint16 array of shape (y, x), or None
        ``file.nodata`` where the file does not reach.

    Raises
    ------
    SourceError
        When the file is not one band of digital numbers, or cannot be read whole.
    StoreFault
        When what was read cannot be kept.
    """
    reach = archive or plain_archive()
    try:
        with reach.raster(file) as source:
            _check_kind(source, scene, file)
            plan = compute_reproject_roi(rio_geobox(source), geobox)
            if roi_is_empty(plan.roi_src) or roi_is_empty(plan.roi_dst):
                return None
            level = _overview(source, file, plan) if averaged else None
            if level is None:
                return _place(source, file, geobox, plan, averaged=averaged)
        with reach.raster(file, overview_level=level) as source:
            plan = compute_reproject_roi(rio_geobox(source), geobox)
            return _place(source, file, geobox, plan, averaged=averaged)
    except TransferFault as fault:
        raise unread(scene.item_id, file, str(fault)) from fault
    except StoreFault as fault:
        raise unkept(scene.item_id, file, fault) from fault
    except rasterio.errors.RasterioError as error:
        cause = " ".join(str(error.__cause__ or error).split())
        raise unread(scene.item_id, file, cause) from error


def unread(item_id: str, file: BandFile, cause: str) -> SourceError:
    """Return the error of a file that cannot be read, with scene, band and host."""
    where = f"host {host_of(file.href)}, " if is_remote(file.href) else ""
    return SourceError(
        f"scene {item_id}: {file.band} cannot be read from {where}{file.href} "
        f"({cause})",
        expected="a whole raster file",
        remedy="Run again when the source answers, or fetch the file again; a scene "
        "that cannot be read is never taken as empty.",
    )


def unkept(item_id: str, file: BandFile, fault: StoreFault) -> StoreFault:
    """Return the fault of a store that could not keep a file, with scene and host."""
    where = f"host {host_of(file.href)}, " if is_remote(file.href) else ""
    return StoreFault(
        f"scene {item_id}: {file.band} from {where}{file.href}: {fault.found}",
        expected=fault.expected,
        remedy=fault.remedy,
    )


def _check_kind(source: rasterio.DatasetReader, scene: Scene, file: BandFile) -> None:
    """Refuse a file that is not one band of digital numbers with a place."""
    kind = source.dtypes[0]
    if source.crs is None or source.count != 1 or kind not in ("uint8", "uint16"):
        raise SourceError(
            f"scene {scene.item_id}: {file.href} holds {source.count} band(s) of "
            f"{kind}, {'with' if source.crs else 'without'} a CRS",
            expected="one band of uint8 or uint16 digital numbers with a CRS",
            remedy="Use the archive's own files, not a converted copy.",
        )


def _overview(
    source: rasterio.DatasetReader, file: BandFile, plan: ReprojectInfo
) -> int | None:
    """Return the coarsest overview still as fine as the target, None for the file.

    Overviews of a file that does not declare its nodata have mixed fill into the
    scene's edge, and are not used.
    """
    if source.nodata != file.nodata:
        return None
    fit = [i for i, f in enumerate(source.overviews(1)) if f <= plan.read_shrink]
    return fit[-1] if fit else None


def _place(
    source: rasterio.DatasetReader,
    file: BandFile,
    geobox: GeoBox,
    plan: ReprojectInfo,
    *,
    averaged: bool,
) -> NDArray[np.uint16]:
    """Return the file's numbers on ``geobox``, nodata where it does not reach."""
    out = np.full(geobox.shape, file.nodata, dtype=np.uint16)
    rows, cols = (slice(part.start, part.stop) for part in plan.roi_dst)
    if plan.paste_ok and plan.read_shrink == 1:
        window = rasterio.windows.Window.from_slices(*plan.roi_src)
        out[rows, cols] = source.read(1, window=window)
        return out
    if averaged and plan.scale >= AVERAGED_FROM:
        _warp(source, file, geobox, plan, out, Resampling.average)
    elif plan.scale < GATHERED_BELOW:
        _gather(source, geobox, out)
    else:
        _warp(source, file, geobox, plan, out, Resampling.nearest)
    return out


def _warp(
    source: rasterio.DatasetReader,
    file: BandFile,
    geobox: GeoBox,
    plan: ReprojectInfo,
    out: NDArray[np.uint16],
    how: Resampling,
) -> None:
    """Let GDAL resample; it leaves nodata out of means."""
    rows, cols = (slice(part.start, part.stop) for part in plan.roi_dst)
    part = np.full(roi_shape(plan.roi_dst), file.nodata, dtype=np.uint16)
    rasterio.warp.reproject(
        rasterio.band(source, 1),
        part,
        src_nodata=file.nodata,
        dst_nodata=file.nodata,
        dst_crs=crs_wkt(geobox),
        dst_transform=geobox[plan.roi_dst].transform,
        resampling=how,
        num_threads=1,
    )
    out[rows, cols] = part


def _gather(
    source: rasterio.DatasetReader, geobox: GeoBox, out: NDArray[np.uint16]
) -> None:
    """Take the nearest source pixels by an index shared by all files of a lattice.

    GDAL would work out the same positions again for each of the seven files of each
    date, which costs as much as reading them.
    """
    rows, cols, index = _nearest(rio_geobox(source), geobox)
    if rows.stop > rows.start:
        window = rasterio.windows.Window.from_slices(rows, cols)
        numbers = source.read(1, window=window)
        gather(numbers.reshape(-1).astype(np.uint16, copy=False), index, out)


@lru_cache(maxsize=6)
def _nearest(source: GeoBox, geobox: GeoBox) -> tuple[slice, slice, NDArray[np.int32]]:
    """Return the source window and, per target pixel, the pixel of it to take.

    Returns
    -------
    rows, cols : slice
        Window of the source that the target needs; empty when there is none.
    index : int32 array of shape (y, x)
        Row-major number within that window; -1 where the source does not reach.
    """
    col, row = _source_position(source, geobox)
    height, width = source.shape
    inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    index = np.full(geobox.shape, -1, dtype=np.int32)
    if not inside.any():
        return slice(0, 0), slice(0, 0), index
    row, col = row[inside], col[inside]
    top, left = int(row.min()), int(col.min())
    bottom, right = int(row.max()) + 1, int(col.max()) + 1
    index[inside] = (row - top) * (right - left) + (col - left)
    return slice(top, bottom), slice(left, right), index


def _source_position(
    source: GeoBox, geobox: GeoBox
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return source column and row under the centre of each target pixel, (y, x)."""
    height, width = geobox.shape
    knots_y, knots_x = _knots(height), _knots(width)
    x, y = np.meshgrid(knots_x + 0.5, knots_y + 0.5)
    there, back = geobox.transform, ~source.transform
    if geobox.crs is None or source.crs is None:
        raise SourceError(
            "a lattice without a CRS",
            expected="source and target with a CRS",
            remedy="Take the window from Grid.tile.",
        )
    project = geobox.crs.transformer_to_crs(source.crs)
    east, north = project(
        there.a * x + there.b * y + there.c, there.d * x + there.e * y + there.f
    )
    col = back.a * east + back.b * north + back.c
    row = back.d * east + back.e * north + back.f
    return _between(col, knots_y, knots_x), _between(row, knots_y, knots_x)


def _knots(size: int) -> NDArray[np.float64]:
    """Return pixel numbers from the first to the last, ``KNOT_PX`` apart or less."""
    return np.linspace(0.0, size - 1.0, (size - 1) // KNOT_PX + 2)


def _between(
    values: NDArray[np.float64],
    knots_y: NDArray[np.float64],
    knots_x: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the floor of ``values`` at every pixel, bilinear between the knots."""
    x = np.arange(int(knots_x[-1]) + 1)
    y = np.arange(int(knots_y[-1]) + 1)
    wide = np.stack([np.interp(x, knots_x, row) for row in values])
    place = np.interp(y, knots_y, np.arange(len(knots_y)))
    low = np.minimum(place.astype(np.int64), len(knots_y) - 2)
    weight = (place - low)[:, None]
    full = wide[low] * (1.0 - weight) + wide[low + 1] * weight
    return np.asarray(np.floor(full), dtype=np.int64)

"""One band to a cloud-optimised GeoTIFF, as the archives ship them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from qhsink.store import file_digest
from qhsink.twin.catalog import Written
from qhsink.twin.frames import Frame

COG_OPTIONS = {
    "driver": "COG",
    "compress": "deflate",
    "level": 1,
    "predictor": 2,
    "blocksize": 512,
    "overview_resampling": "nearest",
    "overview_count": 1,
    "sparse_ok": True,
    "num_threads": 1,
}
FLOAT_PREDICTOR = 3
"""TIFF predictor for floating point."""


def write_cog(
    path: Path,
    values: NDArray[Any],
    *,
    transform: Affine,
    crs: str,
    nodata: float,
    scale: float | None = None,
    unit: str | None = None,
    **options: Any,
) -> None:
    """Write one band (y, x) as a cloud-optimised GeoTIFF.

    ``scale`` and ``unit``, where given, say what a number of the file is worth.
    """
    # One GDAL environment per thread: rasterio's is thread-local.
    with (
        rasterio.Env(GDAL_CACHEMAX=64),
        rasterio.open(
            path,
            "w",
            **(COG_OPTIONS | options),
            height=values.shape[0],
            width=values.shape[1],
            count=1,
            dtype=values.dtype,
            crs=crs,
            transform=transform,
            nodata=nodata,
        ) as file,
    ):
        if scale is not None:
            file.scales = (scale,)
        if unit is not None:
            file.units = (unit,)
        file.write(values, 1)


def write_window(
    path: Path,
    values: NDArray[Any],
    frame: Frame,
    *,
    corner: tuple[int, int],
    nodata: float,
    averaged: bool,
) -> Written:
    """Write a part (y, x) of a frame's raster, and return the file's size and digest.

    ``corner`` is its first row and column; all else is nodata, and costs neither memory
    nor room on disk. ``averaged``: the overview holds means, as of reflectance, and
    not single pixels, as of classes.
    """
    row, column = corner
    how = {"overview_resampling": "average" if averaged else "nearest"}
    with (
        rasterio.Env(GDAL_CACHEMAX=64),
        rasterio.open(
            path,
            "w",
            **(COG_OPTIONS | how),
            height=frame.height,
            width=frame.width,
            count=1,
            dtype=values.dtype,
            crs=f"EPSG:{frame.epsg}",
            transform=frame.transform,
            nodata=nodata,
        ) as file,
    ):
        height, width = values.shape
        file.write(values, 1, window=Window(column, row, width, height))
    return Written(path.stat().st_size, file_digest(path))


def write_raster(
    path: Path, values: NDArray[Any], frame: Frame, *, nodata: float, **options: Any
) -> Written:
    """Write a frame's raster (y, x) and return its size and digest."""
    write_cog(
        path,
        values,
        transform=frame.transform,
        crs=f"EPSG:{frame.epsg}",
        nodata=nodata,
        **options,
    )
    return Written(path.stat().st_size, file_digest(path))

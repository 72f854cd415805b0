"""Heights on a lattice, from the raster file or folder that the configuration names.

Items of a catalogue are read by ``layers``; slopes are computed in ``imagery``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import rasterio.coords
import rasterio.warp
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from qhsink.domain.errors import SourceError
from qhsink.sources.rasters import bounded_gdal, crs_text


def elevation_files(path: Path) -> tuple[Path, ...]:
    """Return the file, or the tiles in and below a folder, by name.

    Of a folder those whose name ends in ``_DEM``, as the heights of Copernicus GLO-30
    do (its masks and error maps lie beside them); every GeoTIFF where none does.
    """
    if not path.is_dir():
        return (path,)
    tiles = sorted(path.rglob("*.tif"))
    return tuple(tile for tile in tiles if tile.stem.endswith("_DEM")) or tuple(tiles)


def read_elevation(path: Path, geobox: GeoBox) -> NDArray[np.float32]:
    """Return heights on ``geobox``, NaN where no file has one.

    Parameters
    ----------
    path : Path
        Single-band raster of heights [m], or a folder of them, such as Copernicus
        GLO-30 tiles; where files overlap, the first by name.
    geobox : GeoBox
        Lattice of shape (y, x).

    Raises
    ------
    SourceError
        When a file is not there or is no raster with a CRS, or a folder is empty.

    Notes
    -----
    Bilinear; where pixels of the lattice are larger than the file's, GDAL widens the
    kernel to their size, so that slopes are those of the lattice.
    """
    found: NDArray[np.float32] = np.full(geobox.shape, np.nan, dtype=np.float32)
    files = elevation_files(path)
    if not files:
        raise _unreadable(path, "no GeoTIFF in or below it")
    for file in files:
        if np.isnan(found).any():
            np.copyto(found, _read(file, geobox), where=np.isnan(found))
    return found


def _read(path: Path, geobox: GeoBox) -> NDArray[np.float32]:
    rows, columns = geobox.shape
    try:
        with bounded_gdal(), rasterio.open(path) as file:
            edges = rasterio.warp.transform_bounds(
                crs_text(geobox), file.crs, *geobox.boundingbox.bbox
            )
            if rasterio.coords.disjoint_bounds(edges, file.bounds):
                return np.full((rows, columns), np.nan, dtype=np.float32)
            with WarpedVRT(
                file,
                crs=crs_text(geobox),
                transform=geobox.affine,
                width=columns,
                height=rows,
                resampling=Resampling.bilinear,
                src_nodata=file.nodata,
                nodata=np.nan,
                dtype="float32",
            ) as warped:
                found: NDArray[np.float32] = warped.read(1)
                return found
    except (RasterioError, OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, reason: str) -> SourceError:
    return SourceError(
        f"heights in {path}: {reason}",
        expected="a raster of heights [m] with a CRS, or a folder of them",
        remedy="Correct `dem` under [corrections], or set terrain to none.",
    )

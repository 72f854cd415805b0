"""Heights on a lattice, from the raster file or folder that the configuration names.

Items of a catalogue are read by ``layers``, in the same way; slopes are computed in
``imagery``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from qhsink.domain.errors import SourceError
from qhsink.sources.layer_rasters import values_on
from qhsink.sources.rasters import bounded_gdal


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
    Resampled as the items of a catalogue are: bilinear, or the mean where the lattice
    is coarser, so that slopes are those of the lattice.
    """
    found: NDArray[np.float32] = np.full(geobox.shape, np.nan, dtype=np.float32)
    files = elevation_files(path)
    if not files:
        raise _unreadable(path, "no GeoTIFF in or below it")
    for file in files:
        if not np.isnan(found).any():
            break
        more = _read(file, geobox)
        if more is not None:
            np.copyto(found, more, where=np.isnan(found))
    return found


def _read(path: Path, geobox: GeoBox) -> NDArray[np.float32] | None:
    try:
        with bounded_gdal(), rasterio.open(path) as file:
            _check(file, path)
            return values_on(file, geobox, kind="linear", nodata=file.nodata)
    except (RasterioError, OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error


def _check(file: rasterio.DatasetReader, path: Path) -> None:
    if file.crs is None or file.count != 1:
        crs = "with" if file.crs else "without"
        raise _unreadable(path, f"{file.count} band(s), {crs} a CRS")


def _unreadable(path: Path, reason: str) -> SourceError:
    return SourceError(
        f"heights in {path}: {reason}",
        expected="a raster of heights [m] with one band and a CRS, or a folder of them",
        remedy="Correct `dem` under [corrections], or set terrain to none.",
    )

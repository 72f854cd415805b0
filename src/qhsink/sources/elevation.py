"""Heights on a lattice, from a raster file that the configuration names.

Reads one file; slopes and light are computed in ``imagery``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from qhsink.domain.errors import SourceError
from qhsink.sources.rasters import bounded_gdal, crs_text


def read_elevation(path: Path, geobox: GeoBox) -> NDArray[np.float32]:
    """Return heights on ``geobox``, NaN where the file has none.

    Parameters
    ----------
    path : Path
        Single-band raster of heights [m], such as a mosaic of Copernicus GLO-30.
    geobox : GeoBox
        Lattice of shape (y, x).

    Raises
    ------
    SourceError
        When the file is not there or is no raster with a CRS.

    Notes
    -----
    Bilinear; where pixels of the lattice are larger than the file's, GDAL widens the
    kernel to their size, so that slopes are those of the lattice.
    """
    rows, columns = geobox.shape
    try:
        with (
            bounded_gdal(),
            rasterio.open(path) as file,
            WarpedVRT(
                file,
                crs=crs_text(geobox),
                transform=geobox.affine,
                width=columns,
                height=rows,
                resampling=Resampling.bilinear,
                src_nodata=file.nodata,
                nodata=np.nan,
                dtype="float32",
            ) as warped,
        ):
            found: NDArray[np.float32] = warped.read(1)
    except (RasterioError, OSError, ValueError) as error:
        raise SourceError(
            f"heights in {path}: {error}",
            expected="a raster of heights [m] with a CRS",
            remedy="Correct `dem` under [corrections], or set terrain to none.",
        ) from error
    return found

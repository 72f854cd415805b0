"""Composites and maps of a tile as files of the store, and back.

The composite is a working file (tiled, zstd); the maps are COGs as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.domain.scene import BANDS
from qhsink.imagery.composite import Composite, Flag
from qhsink.mapping.ensemble import Prediction
from qhsink.reporting.cog import write_cog
from qhsink.store import Artifact

NODATA = 65_535
"""No value, in the uint16 maps."""

SCALE = 1e-4
"""Unit per digital number, in the uint16 maps."""


def nothing_seen(geobox: GeoBox) -> Composite:
    """Return the composite of a tile that no scene touches."""
    shape = tuple(geobox.shape)
    return Composite(
        reflectance=np.full((len(BANDS), *shape), -32_768, dtype=np.int16),
        n_clear=np.zeros(shape, dtype=np.uint8),
        flags=np.full(shape, int(Flag.TOO_FEW | Flag.NO_DATA), dtype=np.uint8),
    )


def write_composite(
    composite: Composite, folder: Path, *, geobox: GeoBox, block: int
) -> None:
    """Write reflectance and quality of a composite into ``folder``."""
    _write_raster(
        folder / "reflectance.tif",
        composite.reflectance,
        geobox=geobox,
        nodata=-32_768,
        names=BANDS,
        block=block,
    )
    _write_raster(
        folder / "quality.tif",
        np.stack([composite.n_clear, composite.flags]),
        geobox=geobox,
        nodata=None,
        names=("n_clear", "flags"),
        block=block,
    )


def read_composite(artifact: Artifact) -> Composite:
    """Return the composite that ``write_composite`` stored."""
    with rasterio.open(artifact.path("reflectance.tif")) as file:
        reflectance = file.read()
    with rasterio.open(artifact.path("quality.tif")) as file:
        n_clear, flags = file.read()
    return Composite(reflectance=reflectance, n_clear=n_clear, flags=flags)


def write_maps(
    composite: Composite,
    prediction: Prediction,
    folder: Path,
    *,
    geobox: GeoBox,
    block: int,
    tags: Mapping[str, str],
) -> None:
    """Write the maps of a tile: value and spread, and how they came about."""
    write_cog(
        folder / "fvc.tif",
        [
            _on_lattice(prediction.mean, prediction.index, geobox),
            _on_lattice(prediction.spread, prediction.index, geobox),
        ],
        geobox=geobox,
        nodata=NODATA,
        descriptions=("fvc", "fvc_model_sd"),
        scales=(SCALE, SCALE),
        units=("1", "1"),
        tags=tags,
        block_px=block,
    )
    write_cog(
        folder / "quality.tif",
        [composite.n_clear, composite.flags],
        geobox=geobox,
        nodata=None,
        descriptions=("n_clear", "flags"),
        units=("1", "1"),
        tags=tags,
        block_px=block,
    )


def _on_lattice(
    values: NDArray[np.float32], index: NDArray[np.int64], geobox: GeoBox
) -> NDArray[np.uint16]:
    lattice = np.full(geobox.shape[0] * geobox.shape[1], NODATA, dtype=np.uint16)
    lattice[index] = np.rint(values / SCALE).astype(np.uint16)
    return lattice.reshape(geobox.shape)


def _write_raster(
    path: Path,
    data: NDArray[Any],
    *,
    geobox: GeoBox,
    nodata: float | None,
    names: tuple[str, ...],
    block: int,
) -> None:
    """Write a working file: tiled, zstd level 1 (performance.md, table 2)."""
    profile = {
        "driver": "GTiff",
        "dtype": data.dtype,
        "count": data.shape[0],
        "height": data.shape[1],
        "width": data.shape[2],
        "crs": str(geobox.crs),
        "transform": geobox.affine,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        "compress": "zstd",
        "zstd_level": 1,
        "predictor": 2,
        "interleave": "band",
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(data)
        file.descriptions = names

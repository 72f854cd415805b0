"""Composites and maps of a tile as files of the store, and back.

The composite is a working file (tiled, zstd); the maps are COGs as published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.domain.scene import BANDS
from qhsink.imagery.composite import Composite, Flag
from qhsink.imagery.corrections import Correction
from qhsink.mapping.ensemble import Prediction
from qhsink.reporting.cog import write_cog
from qhsink.store import Artifact

NODATA = 65_535
"""No value, in the uint16 maps."""

SCALE = 1e-4
"""Unit per digital number, in the uint16 maps."""


@dataclass(frozen=True, slots=True, eq=False)
class Resemblance:
    """How far the predicted pixels of a tile resemble the training data."""

    dissimilarity: NDArray[np.float32]
    """(n,) dissimilarity index, in the order of ``Prediction.index``."""
    inside: NDArray[np.bool_]
    """(n,) inside the model's area of applicability."""


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
    """Write reflectance, quality and corrections of a composite into ``folder``."""
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
    notes = [asdict(entry) for entry in composite.corrections]
    text = json.dumps(notes, indent=1, ensure_ascii=False)
    (folder / "corrections.json").write_text(text, encoding="utf-8")


def read_composite(artifact: Artifact) -> Composite:
    """Return the composite that ``write_composite`` stored."""
    with rasterio.open(artifact.path("reflectance.tif")) as file:
        reflectance = file.read()
    with rasterio.open(artifact.path("quality.tif")) as file:
        n_clear, flags = file.read()
    notes = json.loads(artifact.path("corrections.json").read_text("utf-8"))
    return Composite(
        reflectance=reflectance,
        n_clear=n_clear,
        flags=flags,
        corrections=tuple(Correction(**entry) for entry in notes),
    )


def write_maps(
    composite: Composite,
    prediction: Prediction,
    folder: Path,
    *,
    geobox: GeoBox,
    block: int,
    tags: Mapping[str, str],
    resemblance: Resemblance | None = None,
) -> None:
    """Write the maps of a tile: value and spread, and how they came about.

    Where the model has an area of applicability, a third band holds the
    dissimilarity index (6.5534 and more as 6.5534), and the flags ``OUTSIDE_AREA``.
    """
    layers = [prediction.mean, prediction.spread]
    flags = composite.flags
    if resemblance is not None:
        most = np.float32((NODATA - 1) * SCALE)
        layers.append(np.minimum(resemblance.dissimilarity, most))
        flags = flags.copy()
        flags.ravel()[prediction.index[~resemblance.inside]] |= int(Flag.OUTSIDE_AREA)
    write_cog(
        folder / "fvc.tif",
        [_on_lattice(layer, prediction.index, geobox) for layer in layers],
        geobox=geobox,
        nodata=NODATA,
        descriptions=("fvc", "fvc_model_sd", "fvc_dissimilarity")[: len(layers)],
        scales=(SCALE,) * len(layers),
        units=("1",) * len(layers),
        tags=tags,
        block_px=block,
    )
    write_cog(
        folder / "quality.tif",
        [composite.n_clear, flags],
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

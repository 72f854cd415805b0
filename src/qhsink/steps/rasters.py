"""Composites and maps of a tile as files of the store, and back.

The composite is a working file (tiled, zstd); the maps are COGs as published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.domain.model_target import UINT16_VALUES
from qhsink.domain.scene import BANDS
from qhsink.imagery.composite import Composite, Flag
from qhsink.imagery.corrections import Correction
from qhsink.mapping.ensemble import Prediction
from qhsink.mapping.validation import IntervalRule
from qhsink.reporting.catalogue import MapBand
from qhsink.reporting.cog import write_cog
from qhsink.steps.map_bands import NODATA, cover_bands
from qhsink.store import Artifact


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


def write_planes(
    planes: NDArray[np.int16],
    path: Path,
    *,
    names: tuple[str, ...],
    geobox: GeoBox,
    block: int,
) -> None:
    """Write layers beyond the six bands, int16 of shape (layer, y, x)."""
    _write_raster(path, planes, geobox=geobox, nodata=-32_768, names=names, block=block)


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
    interval: IntervalRule | None = None,
) -> None:
    """Write the maps of a tile: value and spread, and how they came about.

    Where the model has an area of applicability, a band holds the dissimilarity
    index (6.5534 and more as 6.5534), and the flags ``OUTSIDE_AREA``. Where it has an
    interval rule, the last band holds the half width of a pixel's interval.
    """
    flags = composite.flags
    if resemblance is not None:
        flags = flags.copy()
        flags.ravel()[prediction.index[~resemblance.inside]] |= int(Flag.OUTSIDE_AREA)
    bands = cover_bands(known=resemblance is not None, interval=interval)
    write_bands(
        folder / "fvc.tif",
        map_layers(prediction, resemblance, interval),
        bands,
        index=prediction.index,
        geobox=geobox,
        block=block,
        tags=tags,
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


def map_layers(
    prediction: Prediction,
    resemblance: Resemblance | None,
    interval: IntervalRule | None,
) -> list[NDArray[np.float32]]:
    """Return value, spread and, where known, dissimilarity and half width, (n,) each.

    In the order of ``map_bands.map_bands``.
    """
    layers = [prediction.mean, prediction.spread]
    if resemblance is not None:
        layers.append(resemblance.dissimilarity)
    if interval is not None:
        layers.append(interval.half_width(prediction.mean, prediction.spread))
    return layers


def write_bands(
    path: Path,
    layers: Sequence[NDArray[np.float32]],
    bands: Sequence[MapBand],
    *,
    index: NDArray[np.int64],
    geobox: GeoBox,
    block: int,
    tags: Mapping[str, str],
) -> None:
    """Write layers known at some pixels as the bands of one uint16 COG.

    Parameters
    ----------
    layers : sequence of (n,) float32
        In the bands' units; greater than a band can hold is written as its greatest.
    index : (n,) int
        Row-major pixel numbers.
    """
    write_cog(
        path,
        [
            _on_lattice(values, band.scale, index, geobox)
            for values, band in zip(layers, bands, strict=True)
        ],
        geobox=geobox,
        nodata=NODATA,
        descriptions=tuple(band.name for band in bands),
        scales=tuple(band.scale for band in bands),
        units=tuple(band.unit for band in bands),
        tags=tags,
        block_px=block,
    )


def _on_lattice(
    values: NDArray[np.float32], step: float, index: NDArray[np.int64], geobox: GeoBox
) -> NDArray[np.uint16]:
    lattice = np.full(geobox.shape[0] * geobox.shape[1], NODATA, dtype=np.uint16)
    lattice[index] = np.minimum(np.rint(values / step), UINT16_VALUES).astype(np.uint16)
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

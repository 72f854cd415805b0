"""Ecosystem maps and the maps of targets as files of the store, and back.

All are COGs as published; what is in them is decided in ``target_maps``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.domain.model_target import UINT16_VALUES, ModelTarget
from qhsink.mapping.ensemble import Prediction
from qhsink.reporting.catalogue import MapBand
from qhsink.reporting.cog import write_cog
from qhsink.steps.rasters import NODATA, SCALE, Resemblance
from qhsink.store import Artifact

ECOSYSTEM_FILE = "ecosystem.tif"
"""One band: the code of the class that holds; 0 where none is known."""
PROBABILITY_FILE = "ecosystem_probability.tif"
"""One band per class."""
PROBABILITY_STEP = 0.005
"""Probability per digital number."""
NO_PROBABILITY = 255


def write_ecosystem(
    classes: NDArray[np.uint8],
    probability: NDArray[np.float32],
    index: NDArray[np.int64],
    folder: Path,
    *,
    geobox: GeoBox,
    block: int,
    names: tuple[str, ...],
    tags: Mapping[str, str],
) -> None:
    """Write the class that holds, and the probability of each class.

    Parameters
    ----------
    classes : (y, x) uint8
        Codes; 0 where none is known.
    probability : (n, C) float32
        Of each class at ``index``, row-major pixel numbers.
    names : tuple of str
        Ids of the C classes.
    """
    write_cog(
        folder / ECOSYSTEM_FILE,
        [classes],
        geobox=geobox,
        nodata=0,
        descriptions=("ecosystem",),
        units=("code",),
        tags=tags,
        block_px=block,
    )
    layers = np.full((len(names), classes.size), NO_PROBABILITY, np.uint8)
    layers[:, index] = np.rint(probability.T / PROBABILITY_STEP).astype(np.uint8)
    write_cog(
        folder / PROBABILITY_FILE,
        list(layers.reshape(len(names), *classes.shape)),
        geobox=geobox,
        nodata=NO_PROBABILITY,
        descriptions=names,
        scales=(PROBABILITY_STEP,) * len(names),
        units=("1",) * len(names),
        tags=tags,
        block_px=block,
    )


def read_ecosystem(artifact: Artifact) -> NDArray[np.uint8]:
    """Return the classes that ``write_ecosystem`` stored, shape (y, x)."""
    with rasterio.open(artifact.path(ECOSYSTEM_FILE)) as file:
        classes: NDArray[np.uint8] = file.read(1)
    return classes


def write_target_map(
    prediction: Prediction,
    alike: Resemblance | None,
    folder: Path,
    *,
    target: ModelTarget,
    geobox: GeoBox,
    block: int,
    tags: Mapping[str, str],
) -> None:
    """Write value and spread of a target, and dissimilarity where it is known.

    No value on land of another ecosystem: there the target is zero by definition.
    """
    layers = [(prediction.mean, target.map_step), (prediction.spread, target.map_step)]
    if alike is not None:
        layers.append((alike.dissimilarity, SCALE))
    bands = target_bands(target, known=alike is not None)
    write_cog(
        folder / f"{target.id}.tif",
        [
            _on_lattice(values, step, prediction.index, geobox)
            for values, step in layers
        ],
        geobox=geobox,
        nodata=NODATA,
        descriptions=tuple(band.name for band in bands),
        scales=tuple(band.scale for band in bands),
        units=tuple(band.unit for band in bands),
        tags=tags,
        block_px=block,
    )


def target_bands(target: ModelTarget, *, known: bool) -> tuple[MapBand, ...]:
    """Return what the bands of a target's map are, in file order.

    Parameters
    ----------
    known : bool
        Whether the model has an area of applicability: then a band of dissimilarity.
    """
    step = target.map_step
    bands = (
        MapBand(target.id, target.name_en, target.unit, "uint16", step, 0.0, NODATA),
        MapBand(
            f"{target.id}_model_sd",
            "standard deviation over the model's members",
            target.unit,
            "uint16",
            step,
            0.0,
            NODATA,
        ),
        MapBand(
            f"{target.id}_dissimilarity",
            "dissimilarity to the training data (Meyer and Pebesma 2021)",
            "1",
            "uint16",
            SCALE,
            0.0,
            NODATA,
        ),
    )
    return bands if known else bands[:2]


def ecosystem_bands() -> tuple[MapBand, ...]:
    """Return what the band of an ecosystem map is."""
    text = "class that holds, by config/model_targets.toml"
    return (MapBand("ecosystem", text, "code", "uint8", nodata=0),)


def probability_bands(names: tuple[str, ...]) -> tuple[MapBand, ...]:
    """Return what the bands of a map of class probabilities are."""
    return tuple(
        MapBand(
            name,
            f"probability of {name}",
            "1",
            "uint8",
            PROBABILITY_STEP,
            0.0,
            NO_PROBABILITY,
        )
        for name in names
    )


def _on_lattice(
    values: NDArray[np.float32], step: float, index: NDArray[np.int64], geobox: GeoBox
) -> NDArray[np.uint16]:
    lattice = np.full(geobox.shape[0] * geobox.shape[1], NODATA, dtype=np.uint16)
    lattice[index] = np.minimum(np.rint(values / step), UINT16_VALUES).astype(np.uint16)
    return lattice.reshape(geobox.shape)

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

from qhsink.domain.model_target import ModelTarget
from qhsink.mapping.ensemble import Prediction
from qhsink.mapping.validation import IntervalRule
from qhsink.reporting.catalogue import MapBand
from qhsink.reporting.cog import write_cog
from qhsink.steps.map_bands import target_bands
from qhsink.steps.rasters import Resemblance, map_layers, write_bands
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
    interval: IntervalRule | None,
    geobox: GeoBox,
    block: int,
    tags: Mapping[str, str],
) -> None:
    """Write value and spread of a target; dissimilarity and half width where known.

    No value on land of another ecosystem: there the target is zero by definition.
    """
    write_bands(
        folder / f"{target.id}.tif",
        map_layers(prediction, alike, interval),
        target_bands(target, known=alike is not None, interval=interval),
        index=prediction.index,
        geobox=geobox,
        block=block,
        tags=tags,
    )


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

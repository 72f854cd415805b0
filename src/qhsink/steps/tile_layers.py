"""A tile's layers beyond the six bands as artifacts, and the cube that models read.

Made only for groups that a model of the run needs; each is complete or absent. How
pixels are read is ``window_reading``'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from qhsink.config import RunConfig
from qhsink.config.sections import UnseenRules
from qhsink.domain.scene import BANDS
from qhsink.estimation.unseen import HeightBands
from qhsink.grid import Grid
from qhsink.imagery.composite import Composite
from qhsink.mapping.features import required_bands
from qhsink.mapping.layers import NODATA, Group, groups_of, layer_step, layers_of
from qhsink.steps.compositing import corrections_token, items_token, scene_token
from qhsink.steps.rasters import write_planes
from qhsink.steps.tile_jobs import TileJob
from qhsink.steps.window_reading import WindowReading
from qhsink.store import Artifact, Key, Store, code_version, make_key

STEP = "layers"
FILE = "planes.tif"

Numbers = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """What a model reads of a tile."""

    names: tuple[str, ...]
    """Name of each layer."""
    planes: Numbers
    """(layer, y, x), in steps of ``mapping.layers.LAYERS``; -32768 where none."""


@dataclass(frozen=True, slots=True)
class SeenKeys:
    """Content keys of what the models of a tile read."""

    composite: Key
    """Of the composite."""
    layers: Mapping[Group, Key]
    """Of layers beyond the six bands, where a model needs them."""


def layer_keys(
    job: TileJob, config: RunConfig, *, grid: Grid, composite: Key
) -> dict[Group, Key]:
    """Return the content key of each group of layers that a job needs."""
    return {
        group: _key(group, job, config, grid=grid, composite=composite)
        for group in job.groups
    }


def _key(
    group: Group, job: TileJob, config: RunConfig, *, grid: Grid, composite: Key
) -> Key:
    tile = grid.tile(job.col, job.row).name
    season = config.season.model_dump(mode="json")
    params: dict[str, Any] = {"kind": job.kind}
    token: Any
    if group == "terrain":  # the relief is that of every month and year
        params, token = {"kind": "any", "season": season}, items_token(job.heights)
    elif group == "radar":
        params["orbit"] = config.layers.radar_orbit
        token = items_token(job.radar)
    elif group == "season":
        params["masks"] = config.masks.model_dump(mode="json")
        params["corrections"] = corrections_token(config.corrections, job.heights)
        token = [scene_token(scene) for scene in job.season]
    else:
        token = composite.digest
    pinned = hashlib.sha256(json.dumps(token, sort_keys=True).encode()).hexdigest()
    return make_key(
        STEP,
        code=code_version(
            "qhsink.imagery",
            "qhsink.sources",
            "qhsink.grid",
            "qhsink.mapping.layers",
            "qhsink.steps.compositing",
            "qhsink.steps.correcting",
            "qhsink.steps.window_reading",
        ),
        params={"grid": grid.token(), "tile": tile, "target": group, **params},
        inputs={"pinned": pinned},
    )


def inputs_of(features: Sequence[str], keys: Mapping[Group, Key]) -> dict[str, str]:
    """Return the digests of the layers that a model reads beside the composite."""
    return {group: keys[group].digest for group in groups_needed(features)}


def heights_of(keys: Mapping[Group, Key]) -> dict[str, str]:
    """Return the digest of the heights that ledger rows read, where there are any."""
    return {"heights": keys["terrain"].digest} if "terrain" in keys else {}


def groups_needed(features: Sequence[str]) -> tuple[Group, ...]:
    """Return the groups of layers that features are made of, beyond the six bands."""
    return groups_of(required_bands(features))


class TileLayers:
    """The groups of one tile, each made on demand, and cubes of them."""

    def __init__(
        self,
        reading: WindowReading,
        keys: Mapping[Group, Key],
        store: Store,
        *,
        block: int,
    ) -> None:
        """Take the reading of the tile, and the keys of ``layer_keys``."""
        self.reading, self.keys, self.store = reading, keys, store
        self.block = block
        self._planes: dict[Group, Numbers] = {}

    def run(self) -> tuple[str, ...]:
        """Make what is missing; return the steps made now."""
        made = []
        for group, key in self.keys.items():
            if self.store.find(key) is None:
                self.store.put(key, partial(self._write, group))
                made.append(f"{STEP}/{group}")
        return tuple(made)

    def cube(self, composite: Composite, features: Sequence[str]) -> Cube:
        """Return the layers that features are made of, the six bands first."""
        groups = groups_needed(features)
        if not groups:
            return Cube(BANDS, composite.reflectance)
        further = [name for group in groups for name in layers_of(group)]
        planes = [self._held(group) for group in groups]
        return Cube(
            (*BANDS, *further), np.concatenate([composite.reflectance, *planes])
        )

    def heights(self, rules: UnseenRules) -> HeightBands | None:
        """Return the height band of every pixel; None where no terrain was read."""
        if "terrain" not in self.keys:
            return None
        plane = self._held("terrain")[layers_of("terrain").index("elevation")]
        metres = np.maximum(plane * layer_step("elevation"), 0.0)
        band = np.floor(metres / rules.band_m).astype(np.int16)
        return HeightBands(
            np.where(plane == NODATA, np.int16(-1), band), rules.least_pixels
        )

    def _held(self, group: Group) -> Numbers:
        if group not in self._planes:
            found = self.store.find(self.keys[group])
            self._planes[group] = (
                self.reading.planes(group) if found is None else read_planes(found)
            )
        return self._planes[group]

    def _write(self, group: Group, folder: Path) -> Mapping[str, Any]:
        self._planes[group] = self.reading.planes(group)
        write_planes(
            self._planes[group],
            folder / FILE,
            names=layers_of(group),
            geobox=self.reading.geobox,
            block=self.block,
        )
        pinned = self.reading.pinned
        scenes = pinned.season if group == "season" else pinned.scenes
        items = {
            "terrain": [item.item_id for item in pinned.heights],
            "radar": [item.item_id for item in pinned.radar],
        }
        return {
            "layers": list(layers_of(group)),
            "items": items.get(group, [scene.item_id for scene in scenes]),
        }


def read_planes(artifact: Artifact) -> Numbers:
    """Return the planes that a group's artifact holds, (layer, y, x)."""
    with rasterio.open(artifact.path(FILE)) as file:
        planes: Numbers = file.read()
    return planes

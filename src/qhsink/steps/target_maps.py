"""One tile's ecosystem map, and the maps and ledger rows of targets beside cover.

From the tile's composite, each an artifact of its own, made only when it is not there.
A target is predicted on clear land of its ecosystems and is zero on other land, so
that one ecosystem holds per pixel and no stock is counted twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from qhsink.config import Settings
from qhsink.config.sections import UnseenRules
from qhsink.domain.model_target import ModelTarget
from qhsink.estimation.ledger import TileMap, ledger_rows
from qhsink.estimation.unseen import HeightBands
from qhsink.grid import Grid, coverage
from qhsink.imagery.composite import Composite, Flag
from qhsink.mapping.ecosystem import choose_class, class_probabilities
from qhsink.mapping.ensemble import Prediction, predict_composite
from qhsink.registry import Model
from qhsink.steps.map_indicators import ECOSYSTEM
from qhsink.steps.rasters import Resemblance
from qhsink.steps.target_cells import CELLS_FILE, tile_cells
from qhsink.steps.target_models import TargetModels
from qhsink.steps.target_rasters import (
    read_ecosystem,
    write_ecosystem,
    write_target_map,
)
from qhsink.steps.tile_jobs import TileJob
from qhsink.steps.tile_layers import Cube, SeenKeys, heights_of, inputs_of
from qhsink.store import Key, Store, code_version, make_key


@dataclass(frozen=True, slots=True)
class TileSeen:
    """What the targets of a tile read, each on demand."""

    composite: Callable[[], Composite]
    """The composite."""
    cube: Callable[[Sequence[str]], Cube]
    """The layers that features are made of."""
    heights: Callable[[], HeightBands | None]
    """Height bands, where the terrain was read."""


def target_keys(
    job: TileJob,
    seen: SeenKeys,
    models: TargetModels,
    *,
    tile: str,
    unseen: UnseenRules,
) -> dict[str, Key]:
    """Return the content keys of a tile's further artifacts, by name.

    ``ecosystem``, and for each target ``maps/TARGET`` and ``ledger/TARGET``.
    """
    place = {"tile": tile, "kind": job.kind}
    predicted = code_version(
        "qhsink.mapping.ensemble",
        "qhsink.mapping.features",
        "qhsink.mapping.layers",
        "qhsink.mapping.ecosystem",
        "qhsink.mapping.applicability",
        "qhsink.mapping.nearest",
        "qhsink.mapping.validation",
        "qhsink.steps.rasters",
        "qhsink.steps.map_bands",
        "qhsink.steps.target_rasters",
    )
    keys = {
        ECOSYSTEM: make_key(
            "ecosystem",
            code=predicted,
            params=place | {"codes": list(models.codes), "tie": models.table.tie},
            inputs=_inputs(seen, models.ecosystem),
        )
    }
    leaves = b"".join(name.encode() + wkb for name, wkb in job.leaves)
    for name, model in models.models.items():
        target = dataclasses.asdict(models.table.get(name))
        codes = models.table.codes_of(models.table.get(name).ecosystems)
        maps = make_key(
            "target_maps",
            code=predicted,
            params=place
            | {"target": name, "step": target["map_step"]}
            | {"codes": list(codes)},
            inputs={"ecosystem": keys[ECOSYSTEM].digest, **_inputs(seen, model)},
        )
        keys[f"maps/{name}"] = maps
        keys[f"ledger/{name}"] = make_key(
            "target_ledger",
            code=code_version(
                "qhsink.estimation.ledger",
                "qhsink.estimation.unseen",
                "qhsink.grid",
                "qhsink.steps.target_cells",
            ),
            params=place
            | {"target": name, "area_from": target["area_from"]}
            | {"unseen": unseen.model_dump(mode="json")},
            inputs={
                "maps": maps.digest,
                "leaves": hashlib.sha256(leaves).hexdigest(),
                **heights_of(seen.layers),
            },
        )
    return keys


def _inputs(seen: SeenKeys, model: Model) -> dict[str, str]:
    """Return the digests of a model and of all that it reads."""
    layers = inputs_of(model.ensemble.features, seen.layers)
    return {"composite": seen.composite.digest, "model": model.digest, **layers}


class TargetWork:
    """The further artifacts of one tile, each made on demand."""

    def __init__(
        self,
        job: TileJob,
        grid: Grid,
        models: TargetModels,
        seen: TileSeen,
        *,
        keys: Mapping[str, Key],
        settings: Settings,
    ) -> None:
        self.job, self.grid, self.models = job, grid, models
        self.composite, self.cube, self.keys = seen.composite, seen.cube, keys
        self.heights = seen.heights
        self.store = Store(settings.store)
        self.tile = grid.tile(job.col, job.row)
        self._classes: NDArray[np.uint8] | None = None

    def run(self) -> tuple[str, ...]:
        """Make what is missing; return the steps made now."""
        writers = {ECOSYSTEM: self._write_ecosystem}
        made = self._make(writers)
        for name, model in self.models.models.items():
            work = _Predicted(self, self.models.table.get(name), model)
            made += self._make(
                {f"maps/{name}": work.write_maps, f"ledger/{name}": work.write_ledger}
            )
        return made

    def _make(
        self, writers: Mapping[str, Callable[[Path], Mapping[str, Any]]]
    ) -> tuple[str, ...]:
        made = []
        for name, write in writers.items():
            if self.store.find(self.keys[name]) is None:
                self.store.put(self.keys[name], write)
                made.append(name)
        return tuple(made)

    def classes(self) -> NDArray[np.uint8]:
        """Return the class of each pixel, shape (y, x); 0 where none is known."""
        if self._classes is None:
            found = self.store.find(self.keys[ECOSYSTEM])
            self._classes = (
                self._classify()[0] if found is None else read_ecosystem(found)
            )
        return self._classes

    def _classify(self) -> tuple[NDArray[np.uint8], Prediction, NDArray[np.float32]]:
        composite, ensemble = self.composite(), self.models.ecosystem.ensemble
        cube = self.cube(ensemble.features)
        prediction = predict_composite(
            ensemble, cube.planes, cube.names, clear_land(composite)
        )
        probability = class_probabilities(
            prediction.members, classes=len(self.models.codes)
        )
        classes = np.zeros(composite.flags.shape, np.uint8)
        classes.ravel()[prediction.index] = choose_class(
            probability, self.models.codes, tie=self.models.table.tie
        )
        return classes, prediction, probability

    def _write_ecosystem(self, folder: Path) -> Mapping[str, Any]:
        self._classes, prediction, probability = self._classify()
        write_ecosystem(
            self._classes,
            probability,
            prediction.index,
            folder,
            geobox=self.tile.geobox,
            block=self.grid.block_px,
            names=tuple(self.models.ecosystem.card["science"]["classes"]),
            tags={"MODEL": self.models.ecosystem.id, "TILE": self.tile.name},
        )
        return {
            "pixels": int(prediction.index.size),
            "scenes": [scene.item_id for scene in self.job.scenes],
        }


class _Predicted:
    """One target on one tile: predicted once for its map and its ledger rows."""

    def __init__(self, work: TargetWork, target: ModelTarget, model: Model) -> None:
        self.work, self.target, self.model = work, target, model
        self._found: tuple[Prediction, Resemblance | None] | None = None

    def found(self) -> tuple[Prediction, Resemblance | None]:
        """Return every member's prediction, and how far pixels are like the samples."""
        if self._found is None:
            codes = self.work.models.table.codes_of(self.target.ecosystems)
            ensemble = self.model.ensemble
            cube = self.work.cube(ensemble.features)
            spoken = np.isin(self.work.classes(), codes)
            prediction = predict_composite(ensemble, cube.planes, cube.names, spoken)
            area = self.model.applicability
            alike = None
            if area is not None:
                alike = Resemblance(
                    *area.map_dissimilarity(
                        ensemble.features, cube.planes, cube.names, prediction.index
                    )
                )
            self._found = prediction, alike
        return self._found

    def write_maps(self, folder: Path) -> Mapping[str, Any]:
        """Write value, spread and dissimilarity; return what the map is of."""
        prediction, alike = self.found()
        write_target_map(
            prediction,
            alike,
            folder,
            target=self.target,
            interval=self.model.interval,
            geobox=self.work.tile.geobox,
            block=self.work.grid.block_px,
            tags={"MODEL": self.model.id, "TILE": self.work.tile.name},
        )
        return {
            "valid_pixels": int(prediction.index.size),
            "applicability": alike is not None,
            "scenes": [scene.item_id for scene in self.work.job.scenes],
        }

    def write_ledger(self, folder: Path) -> Mapping[str, Any]:
        """Write rows and cells of the target, and of the area made of it."""
        prediction, alike = self.found()
        composite, classes = self.work.composite(), self.work.classes()
        spoken = np.zeros(classes.shape, bool)
        spoken.ravel()[prediction.index] = True
        tile_map = TileMap(
            self.work.tile.name,
            prediction.index,
            prediction.members,
            (composite.flags & int(Flag.WATER)) != 0,
            is_inside=None if alike is None else alike.inside,
            is_other=(classes != 0) & ~spoken,
            heights=self.work.heights(),
        )
        fractions = {
            leaf: coverage(self.work.tile.geobox, shapely.from_wkb(wkb))
            for leaf, wkb in self.work.job.leaves
        }
        tell = partial(
            ledger_rows,
            coverage=fractions,
            pixel_area_ha=self.work.grid.pixel_area_ha,
        )
        named = {self.target.id: tile_map}
        if self.target.area_from is not None:
            counted = prediction.members >= np.float32(self.target.area_from)
            area = dataclasses.replace(tile_map, members=counted.astype(np.float32))
            named[self.target.area_id] = area
        rows = concat_named({name: tell(one) for name, one in named.items()})
        rows.to_parquet(folder / "rows.parquet", index=False)
        where = partial(tile_cells, tile=self.work.tile, grid=self.work.grid)
        cells = {n: where(one.index, one.members) for n, one in named.items()}
        concat_named(cells).to_parquet(folder / CELLS_FILE, index=False)
        return {"rows": len(rows)}


def concat_named(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return tables below each other, their names in the column ``target``."""
    parts = [frame.assign(target=name) for name, frame in frames.items()]
    return pd.concat(parts, ignore_index=True)


def clear_land(composite: Composite) -> NDArray[np.bool_]:
    """Return the pixels that a model may speak of, shape (y, x)."""
    stopped = int(Flag.TOO_FEW | Flag.WATER | Flag.NO_DATA)
    clear: NDArray[np.bool_] = (composite.flags & stopped) == 0
    return clear

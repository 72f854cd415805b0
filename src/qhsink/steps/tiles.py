"""One tile, from pinned scenes to ledger rows: composite, layers, map, ledger.

Each is an artifact of its own, made only when it is not there; they share one
pass in memory, so a tile is read once. A tile is one Dask task: a graph per band
and date costs more to schedule than to compute. Targets beside vegetation cover are
in ``target_maps``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import shapely
from threadpoolctl import threadpool_limits

from qhsink.config import RunConfig, Settings
from qhsink.domain.errors import SourceError
from qhsink.estimation.ledger import TileMap, ledger_rows
from qhsink.grid import Grid, coverage
from qhsink.imagery.composite import Composite, Flag
from qhsink.mapping.ensemble import Prediction, predict_composite
from qhsink.registry import Model, load_model
from qhsink.sources.remote import open_archive
from qhsink.steps.rasters import (
    Resemblance,
    read_composite,
    write_composite,
    write_maps,
)
from qhsink.steps.target_maps import TargetWork, TileSeen, clear_land, target_keys
from qhsink.steps.target_models import load_target_models
from qhsink.steps.tile_jobs import TileJob
from qhsink.steps.tile_keys import TileKeys, tile_keys
from qhsink.steps.tile_layers import STEP, Cube, TileLayers
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.steps.window_reading import Pinned, WindowReading
from qhsink.store import Key, Store


def compute_tile(job: TileJob, config: RunConfig, settings: Settings) -> TileOutcome:
    """Make what is missing of a tile's composite, map and ledger rows.

    A scene that cannot be read ends this tile, not the run.
    """
    grid = _grid(config)
    model = _model(settings.project / "models", config.models.fvc)
    keys = tile_keys(job, config, grid=grid, model=model)
    name = grid.tile(job.col, job.row).name
    work = _TileWork(job, config, grid, model, keys, settings)
    further = load_target_models(config, settings.project)
    more: dict[str, Key] = {}
    try:
        with threadpool_limits(limits=1):
            made = work.run()
            if further is not None and job.kind == "peak":
                more = target_keys(
                    job, keys.seen, further, tile=name, unseen=config.unseen
                )
                made += TargetWork(
                    job, grid, further, work.seen(), keys=more, settings=settings
                ).run()
    except SourceError as error:
        return TileOutcome(name, job.kind, {}, (), str(error))
    digests = {key.step: key.digest for key in (keys.composite, keys.maps, keys.ledger)}
    digests |= {f"{STEP}/{group}": key.digest for group, key in keys.layers.items()}
    digests |= {step: key.digest for step, key in more.items()}
    return TileOutcome(name, job.kind, digests, made, None)


@lru_cache(maxsize=4)
def _grid(config: RunConfig) -> Grid:
    return config.grid.build()


@lru_cache(maxsize=4)
def _model(folder: Path, model_id: str) -> Model:
    return load_model(folder, model_id)


class _TileWork:
    """The artifacts of one tile, each made from the one before on demand."""

    def __init__(
        self,
        job: TileJob,
        config: RunConfig,
        grid: Grid,
        model: Model,
        keys: TileKeys,
        settings: Settings,
    ) -> None:
        self.job, self.config, self.grid = job, config, grid
        self.model, self.keys, self.store = model, keys, Store(settings.store)
        self.tile = grid.tile(job.col, job.row)
        self.reading = WindowReading(
            Pinned(job.scenes, job.season, job.heights, job.radar),
            self.tile.geobox,
            config,
            kind=job.kind,
            groups=job.groups,
            archive=open_archive(settings),
        )
        self.layers = TileLayers(
            self.reading, keys.layers, self.store, block=grid.block_px
        )
        self._composite: Composite | None = None
        self._prediction: Prediction | None = None
        self._resemblance: Resemblance | None = None

    def run(self) -> tuple[str, ...]:
        """Make what is missing; return the steps made now."""
        made = [*self._make(self.keys.composite, self._write_composite)]
        made += self.layers.run()
        self.reading.forget()
        made += self._make(self.keys.maps, self._write_maps)
        made += self._make(self.keys.ledger, self._write_ledger)
        self._prediction = self._resemblance = None  # further targets need the room
        return tuple(made)

    def _make(
        self, key: Key, write: Callable[[Path], Mapping[str, Any]]
    ) -> tuple[str, ...]:
        if self.store.find(key) is not None:
            return ()
        self.store.put(key, write)
        return (key.step,)

    def seen(self) -> TileSeen:
        """Return what further targets read."""
        heights = partial(self.layers.heights, self.config.unseen)
        return TileSeen(self.composite, self.cube, heights)

    def cube(self, features: Sequence[str]) -> Cube:
        """Return the layers that features are made of."""
        return self.layers.cube(self.composite(), features)

    def composite(self) -> Composite:
        """Return the composite, read from the store or made from the scenes."""
        if self._composite is None:
            found = self.store.find(self.keys.composite)
            self._composite = (
                read_composite(found) if found else self.reading.composite()
            )
        return self._composite

    def prediction(self) -> Prediction:
        """Return every member's prediction on clear land."""
        if self._prediction is None:
            cube = self.cube(self.model.ensemble.features)
            self._prediction = predict_composite(
                self.model.ensemble,
                cube.planes,
                cube.names,
                clear_land(self.composite()),
            )
        return self._prediction

    def resemblance(self) -> Resemblance | None:
        """Return how far predicted pixels resemble the training data, where known."""
        fitted = self.model.applicability
        if self._resemblance is None and fitted is not None:
            features = self.model.ensemble.features
            cube = self.cube(features)
            self._resemblance = Resemblance(
                *fitted.map_dissimilarity(
                    features, cube.planes, cube.names, self.prediction().index
                )
            )
        return self._resemblance

    def _write_composite(self, folder: Path) -> Mapping[str, Any]:
        write_composite(
            self.composite(),
            folder,
            geobox=self.tile.geobox,
            block=self.grid.block_px,
        )
        return {"scenes": [scene.item_id for scene in self.job.scenes]}

    def _write_maps(self, folder: Path) -> Mapping[str, Any]:
        prediction = self.prediction()
        write_maps(
            self.composite(),
            prediction,
            folder,
            resemblance=self.resemblance(),
            interval=self.model.interval,
            geobox=self.tile.geobox,
            block=self.grid.block_px,
            tags={"MODEL": self.model.id, "TILE": self.tile.name},
        )
        return {
            "valid_pixels": int(prediction.index.size),
            "applicability": self.resemblance() is not None,
            "scenes": [scene.item_id for scene in self.job.scenes],
        }

    def _write_ledger(self, folder: Path) -> Mapping[str, Any]:
        composite, prediction = self.composite(), self.prediction()
        alike = self.resemblance()
        water = (composite.flags & int(Flag.WATER)) != 0
        tile_map = TileMap(
            self.tile.name,
            prediction.index,
            prediction.members,
            water,
            is_inside=None if alike is None else alike.inside,
            heights=self.layers.heights(self.config.unseen),
        )
        fractions = {
            leaf: coverage(self.tile.geobox, shapely.from_wkb(wkb))
            for leaf, wkb in self.job.leaves
        }
        rows = ledger_rows(tile_map, fractions, pixel_area_ha=self.grid.pixel_area_ha)
        rows.to_parquet(folder / "rows.parquet", index=False)
        return {"rows": len(rows)}

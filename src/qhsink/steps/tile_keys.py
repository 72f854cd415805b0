"""Content keys of one tile's artifacts, known before anything is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from qhsink.config import RunConfig
from qhsink.grid import Grid
from qhsink.mapping.layers import Group
from qhsink.registry import Model
from qhsink.steps.compositing import composite_key
from qhsink.steps.tile_jobs import TileJob
from qhsink.steps.tile_layers import SeenKeys, heights_of, inputs_of, layer_keys
from qhsink.store import Key, code_version, make_key


@dataclass(frozen=True, slots=True)
class TileKeys:
    """The keys of a tile's artifacts, known before anything is computed."""

    composite: Key
    layers: Mapping[Group, Key]
    """Of layers beyond the six bands, where a model needs them."""
    maps: Key
    ledger: Key

    @property
    def seen(self) -> SeenKeys:
        """What models read."""
        return SeenKeys(self.composite, self.layers)


def tile_keys(job: TileJob, config: RunConfig, *, grid: Grid, model: Model) -> TileKeys:
    """Return the content keys of a job's artifacts."""
    tile = grid.tile(job.col, job.row)
    composite = composite_key(
        job.scenes,
        config,
        grid=grid,
        tile=tile.name,
        kind=job.kind,
        heights=job.heights,
    )
    layers = layer_keys(job, config, grid=grid, composite=composite)
    maps = make_key(
        "maps",
        code=code_version(
            "qhsink.mapping.ensemble",
            "qhsink.mapping.features",
            "qhsink.mapping.layers",
            "qhsink.mapping.applicability",
            "qhsink.mapping.nearest",
            "qhsink.mapping.validation",
            "qhsink.steps.rasters",
            "qhsink.steps.map_bands",
        ),
        params={"tile": tile.name, "kind": job.kind},
        inputs={
            "composite": composite.digest,
            "model": model.digest,
            **inputs_of(model.ensemble.features, layers),
        },
    )
    leaves = b"".join(name.encode() + wkb for name, wkb in job.leaves)
    ledger = make_key(
        "ledger",
        code=code_version(
            "qhsink.estimation.ledger", "qhsink.estimation.unseen", "qhsink.grid"
        ),
        params={
            "tile": tile.name,
            "kind": job.kind,
            "unseen": config.unseen.model_dump(mode="json"),
        },
        inputs={
            "maps": maps.digest,
            "leaves": _digest(leaves),
            **heights_of(layers),
        },
    )
    return TileKeys(composite, layers, maps, ledger)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

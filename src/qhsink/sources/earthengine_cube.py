"""Lazy observations of pinned Earth Engine images, block by block.

The same layers as ``stac_cube`` makes of files; requests and products belong to
``earthengine`` and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import SourceConfig
from qhsink.domain.scene import BANDS, Scene
from qhsink.imagery.masking import classify_observations
from qhsink.sources.earthengine import choose_source
from qhsink.sources.reading import read_days
from qhsink.sources.stac_cube import Clearing, Layers


def engine_layers(
    days: Sequence[Sequence[Scene]],
    geobox: GeoBox,
    *,
    chunks: Mapping[str, int],
    clearing: Clearing,
    source: SourceConfig | None,
) -> Layers:
    """Return reflectance, mask and what is clear, a layer per day, all lazy.

    Parameters
    ----------
    days : sequence of sequences of Scene
        Images by solar day, of one mask kind.
    geobox : GeoBox
        Lattice of shape (y, x).
    chunks : mapping
        Dask chunks in pixels, by ``y`` and ``x``.
    clearing : Clearing
        What is clear.
    source : SourceConfig or None
        Where the images were pinned; None when this process has chosen it already.

    Notes
    -----
    All bands of a block come in one request, which costs less than one for each:
    each block is read with a margin as wide as cloud is grown, so that ``clear`` has
    no seams.
    """
    edges = [
        _edges(size, chunks.get(name, size))
        for name, size in zip(("y", "x"), geobox.shape, strict=True)
    ]
    read = delayed(_read_block, pure=True)
    blocks = [
        [
            [read(source, clearing, day, geobox, (row, col)) for col in edges[1]]
            for row in edges[0]
        ]
        for day in days
    ]
    dtypes = {**dict.fromkeys(BANDS, np.int16), "mask": np.uint16, "clear": np.bool_}
    return {
        name: _assembled(blocks, edges, part, dtype)
        for part, (name, dtype) in enumerate(dtypes.items())
    }


def _read_block(
    source: SourceConfig | None,
    clearing: Clearing,
    scenes: Sequence[Scene],
    geobox: GeoBox,
    part: tuple[slice, slice],
) -> tuple[NDArray[Any], ...]:
    """Return the six bands, the mask and what is clear of one day, each (1, y, x)."""
    if source is not None:
        choose_source(source)
    wide = geobox[part].pad(clearing.margin)
    reflectance, mask = read_days([scenes], wide)
    seen = classify_observations(
        reflectance, mask, clearing.kind, clearing.rules, opinion=clearing.opinion
    )
    inner = tuple(slice(clearing.margin, size - clearing.margin) for size in wide.shape)
    bands = [reflectance[:, number][:, *inner] for number in range(len(BANDS))]
    return (*bands, mask[:, *inner], seen.clear[:, *inner])


def _assembled(
    blocks: Sequence[Sequence[Sequence[Any]]],
    edges: Sequence[Sequence[slice]],
    part: int,
    dtype: Any,
) -> da.Array:
    """Return one layer of all blocks as an array of shape (time, y, x)."""

    def placed(block: Any, row: slice, col: slice) -> da.Array:
        shape = (1, row.stop - row.start, col.stop - col.start)
        found: da.Array = da.from_delayed(block[part], shape, dtype)
        return found

    whole: da.Array = da.block(
        [
            [
                [placed(b, row, col) for b, col in zip(line, edges[1], strict=True)]
                for line, row in zip(day, edges[0], strict=True)
            ]
            for day in blocks
        ]
    )
    return whole


def _edges(size: int, step: int) -> list[slice]:
    return [slice(low, min(low + step, size)) for low in range(0, size, step)]

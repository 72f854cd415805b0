"""A lazy cube for people: one interface for files, STAC archives and Earth Engine.

The pixels are those of ``read_window``, block by block; the monthly chain does not
come this way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from qhsink.config import Settings, SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, MaskKind, Scene
from qhsink.imagery.masking import NODATA, SCALE, MaskRules, classify_observations
from qhsink.sources.reading import days_over, one_kind, read_days
from qhsink.sources.remote import open_archive


def open_cube(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    *,
    chunks: Mapping[str, int],
    rules: MaskRules,
    source: SourceConfig | None = None,
    settings: Settings | None = None,
) -> xr.Dataset:
    """Return a lazy cube of reflectance, the same whichever archive it comes from.

    Parameters
    ----------
    scenes : sequence of Scene
        Pinned, of one mask kind (``stac.pin``).
    geobox : GeoBox
        Lattice of shape (y, x).
    chunks : mapping
        Dask chunks in pixels, such as ``{"x": 1024, "y": 1024}``; a day is always a
        chunk of its own.
    rules : MaskRules
        Which observations are clear; with the pixel size of ``geobox``.
    source : SourceConfig, optional
        Where the scenes were pinned; Earth Engine cannot be asked without.
    settings : Settings, optional
        Where keys are found and what was read is kept; without, remote files are
        read without keys and kept for this process alone.

    Returns
    -------
    xarray.Dataset
        One float32 reflectance variable per band of ``BANDS``, NaN where there is
        none; ``mask`` as the archive ships it; ``clear``, whether an observation
        counts. Dimensions (time, y, x), one time per solar day, granules of a day
        mosaicked as in a run. Nothing is read before it is computed.

    Raises
    ------
    SourceError
        When no scene touches the window, or scenes of different mask kinds are mixed.

    Notes
    -----
    Each chunk is read with a margin as wide as cloud is grown, so that ``clear`` has
    no seams.
    """
    days = days_over(scenes, geobox)
    if not days:
        raise SourceError(
            f"none of {len(scenes)} scenes touches the window",
            expected="scenes pinned for this place",
            remedy="Pin the scenes of the window's own bounding box.",
        )
    how = _Reading(one_kind(scenes), rules, source, settings)
    edges = [
        _edges(size, chunks.get(name, size))
        for name, size in zip(("y", "x"), geobox.shape, strict=True)
    ]
    read = delayed(_read_block, pure=True)
    blocks = [
        [[read(how, group, geobox, (row, col)) for col in edges[1]] for row in edges[0]]
        for _, group in days
    ]
    layers = {
        band: _scaled(_assembled(blocks, edges, part, np.int16))
        for part, band in enumerate(BANDS)
    }
    layers["mask"] = _assembled(blocks, edges, len(BANDS), np.uint16)
    layers["clear"] = _assembled(blocks, edges, len(BANDS) + 1, np.bool_)
    times = np.array([day for day, _ in days], dtype="datetime64[ns]")
    found = xr.Dataset(
        {name: (("time", "y", "x"), layer) for name, layer in layers.items()},
        coords={"time": times, **xr_coords(geobox, dims=("y", "x"))},
        attrs={
            "mask_kind": how.kind,
            "scenes": [[s.item_id for s in g] for _, g in days],
        },
    )
    for band in BANDS:
        found[band].attrs = {"units": "1", "long_name": f"surface reflectance, {band}"}
    return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """What every block of a cube is read with."""

    kind: MaskKind
    rules: MaskRules
    source: SourceConfig | None
    settings: Settings | None


def _read_block(
    how: _Reading, scenes: Sequence[Scene], geobox: GeoBox, part: tuple[slice, slice]
) -> tuple[NDArray[Any], ...]:
    """Return the six bands, the mask and what is clear of one day, each (1, y, x)."""
    if how.source is not None and how.source.kind == "earthengine":
        from qhsink.sources.earthengine import choose_source  # noqa: PLC0415

        choose_source(how.source)
    margin = how.rules.dilation_px
    archive = open_archive(how.settings) if how.settings else None
    wide = geobox[part].pad(margin)
    reflectance, mask = read_days([scenes], wide, archive)
    seen = classify_observations(reflectance, mask, how.kind, how.rules)
    inner = tuple(slice(margin, size - margin) for size in wide.shape)
    bands = [reflectance[:, number][:, *inner] for number in range(len(BANDS))]
    return (*bands, mask[:, *inner], seen.clear[:, *inner])


def _assembled(
    blocks: Sequence[Sequence[Sequence[Any]]],
    edges: Sequence[Sequence[slice]],
    part: int,
    dtype: type,
) -> da.Array:
    """Return one layer of all blocks as an array of shape (time, y, x)."""

    def placed(block: Any, row: slice, col: slice) -> da.Array:
        shape = (1, row.stop - row.start, col.stop - col.start)
        # dask annotates only a part of itself
        found: da.Array = da.from_delayed(block[part], shape, dtype)  # type: ignore[no-untyped-call]
        return found

    whole: da.Array = da.block(  # type: ignore[no-untyped-call]
        [
            [
                [placed(b, row, col) for b, col in zip(line, edges[1], strict=True)]
                for line, row in zip(day, edges[0], strict=True)
            ]
            for day in blocks
        ]
    )
    return whole


def _scaled(numbers: da.Array) -> da.Array:
    """Return float32 reflectance, NaN where there is none."""
    scaled = numbers / np.float32(SCALE)
    seen: da.Array = da.where(numbers == NODATA, np.float32("nan"), scaled)
    return seen


def _edges(size: int, step: int) -> list[slice]:
    return [slice(low, min(low + step, size)) for low in range(0, size, step)]

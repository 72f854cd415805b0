"""Lazy observations of pinned STAC scenes: odc-stac's arrays, a run's rules on top.

Which granule a pixel is taken from, what its number means, and what is clear are
those of ``read_window`` and ``classify_observations``. How a file is read belongs to
``odc_driver``, how a cube looks to a person to ``cube``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import Settings
from qhsink.domain.scene import BANDS, MaskKind, Scene
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.imagery.kernels import rescale_into
from qhsink.imagery.masking import NEVER, MaskRules, classify_observations, quality_rank
from qhsink.imagery.second_opinion import SecondOpinion
from qhsink.sources.earthengine_products import RADSAT_FLAWS
from qhsink.sources.odc_driver import load_numbers

Layers = Mapping[str, da.Array]
"""Arrays of shape (time, y, x) by name: int16 reflectance times ``SCALE`` per band
of ``BANDS``, uint16 ``mask``, boolean ``clear``."""


@dataclass(frozen=True, slots=True)
class Clearing:
    """What decides which observations are clear."""

    kind: MaskKind
    """Which rule reads the mask."""
    rules: MaskRules
    """The rules, on the pixel size of the lattice."""
    opinion: SecondOpinion | None = None
    """The second opinion that the rules name, if any."""

    @property
    def margin(self) -> int:
        """Pixels around a place that decide whether it is clear."""
        return self.rules.dilation_px


def lazy_layers(
    days: Sequence[Sequence[Scene]],
    geobox: GeoBox,
    *,
    chunks: Mapping[str, int],
    clearing: Clearing,
    settings: Settings | None,
) -> Layers:
    """Return reflectance, mask and what is clear, a layer per day, all lazy.

    Parameters
    ----------
    days : sequence of sequences of Scene
        Scenes by solar day, each day's by id; of one mask kind.
    geobox : GeoBox
        Lattice of shape (y, x).
    chunks : mapping
        Dask chunks in pixels, by ``y`` and ``x``.
    clearing : Clearing
        What is clear.
    settings : Settings or None
        Where keys are found and what was read is kept.

    Notes
    -----
    odc-stac fuses granules band by band, and leaves scale and offset alone; so it
    loads each scene by itself, and granules, offsets and masks are put together per
    block, each step a task of its own. A block of one band therefore reads that band
    and the masks of its day, nothing else; ``clear`` of it also reads the blocks
    around, and beyond the window's edge a frame as wide as cloud is grown.
    """
    scenes = [scene for day in days for scene in day]
    saturable = any(f.band == "radsat" for scene in scenes for f in scene.files)
    bands = (*BANDS, "mask", *(("radsat",) if saturable else ()))
    wide = _framed(scenes, geobox, bands, chunks, clearing.margin, settings)
    counts = tuple(len(day) for day in days)
    numbers = {name: layer.rechunk({0: counts}) for name, layer in wide.items()}
    layers = _mosaicked(numbers, days, clearing.kind)
    m = clearing.margin
    inner = (slice(None), *(slice(m, m + size) for size in geobox.shape))
    cut = {name: layer[inner] for name, layer in layers.items()}
    clear = _clear([layers[name] for name in (*BANDS, "mask")], clearing)
    return {**cut, "clear": clear[inner].rechunk(cut["mask"].chunks)}


def _framed(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    bands: Sequence[str],
    chunks: Mapping[str, int],
    margin: int,
    settings: Settings | None,
) -> dict[str, da.Array]:
    """Return the numbers of the window and of a frame around it, by band.

    The frame is loaded by itself, so that the blocks of the window are those asked
    for, and nothing of it is read unless ``clear`` is wanted.
    """
    wide = geobox.pad(margin)
    rows, cols = (_thirds(size, margin) for size in wide.shape)
    parts = [
        [
            load_numbers(
                scenes, wide[row, col], bands=bands, chunks=chunks, settings=settings
            )
            for col in cols
        ]
        for row in rows
    ]
    return {
        band: da.block([[part[band].data for part in line] for line in parts])
        for band in bands
    }


def _thirds(size: int, margin: int) -> list[slice]:
    """Return the rim, what it surrounds, and the rim of a side; no rim of width 0."""
    edges = (0, margin, size - margin, size)
    spans = [slice(low, high) for low, high in pairwise(edges)]
    return [span for span in spans if span.stop > span.start]


def _mosaicked(
    numbers: Layers, days: Sequence[Sequence[Scene]], kind: MaskKind
) -> dict[str, da.Array]:
    """Return one layer per day of scenes' numbers, a chunk of which is a day's."""
    one = ((1,) * len(days), *numbers["mask"].chunks[1:])
    best = da.map_blocks(
        _best_granule, numbers["mask"], kind=kind, chunks=one, dtype=np.uint8
    )
    flags = [numbers["radsat"]] if "radsat" in numbers else []
    fill = days[0][0].file("mask").nodata
    layers = {
        band: da.map_blocks(
            _reflectance,
            numbers[band],
            best,
            *(_per_scene(days, band, field) for field in ("scale", "offset")),
            *flags,
            chunks=one,
            dtype=np.int16,
        )
        for band in BANDS
    }
    layers["mask"] = da.map_blocks(
        _mask, numbers["mask"], best, fill=fill, chunks=one, dtype=np.uint16
    )
    return layers


def _per_scene(days: Sequence[Sequence[Scene]], band: str, field: str) -> da.Array:
    """Return scale or offset of a band, in units of ``SCALE``: (scene, 1, 1)."""
    stated = [getattr(s.file(band), field) * SCALE for day in days for s in day]
    column = np.array(stated, dtype=np.float64)[:, None, None]
    found: da.Array = da.from_array(column, chunks=(tuple(map(len, days)), 1, 1))
    return found


def _best_granule(mask: NDArray[np.uint16], kind: MaskKind) -> NDArray[np.uint8]:
    """Return which scene of a day each pixel is taken from, the first among equals.

    Parameters
    ----------
    mask : uint16 array of shape (scene, y, x)
        Masks of one day.
    kind : {"scl", "qa_pixel"}
        Which rule reads them.

    Returns
    -------
    uint8 array of shape (1, y, x)
        Number of the scene; ``NEVER`` where none observed anything.
    """
    rank = quality_rank(mask, kind)
    best: NDArray[np.uint8] = rank.argmin(axis=0, keepdims=True).astype(np.uint8)
    best[rank.min(axis=0, keepdims=True) == NEVER] = NEVER
    return best


def _reflectance(
    numbers: NDArray[np.uint16],
    best: NDArray[np.uint8],
    gain: NDArray[np.float64],
    bias: NDArray[np.float64],
    flags: NDArray[np.uint16] | None = None,
) -> NDArray[np.int16]:
    """Return one band of one day, each pixel from the granule that is best there.

    Parameters
    ----------
    numbers : uint16 array of shape (scene, y, x)
        Digital numbers; 0 where there is none.
    best : uint8 array of shape (1, y, x)
        From ``_best_granule``.
    gain, bias : float64 arrays of shape (scene, 1, 1)
        Each scene's own scale and offset, in units of ``SCALE``.
    flags : uint16 array of shape (scene, y, x), optional
        QA_RADSAT; a pixel that it calls flawed has no reflectance.
    """
    out = np.full(best.shape, NODATA, dtype=np.int16)
    for number, layer in enumerate(numbers):
        take = best[0] == number
        if flags is not None:
            take &= (flags[number] & np.uint16(RADSAT_FLAWS)) == 0
        rescale_into(
            np.ascontiguousarray(layer),
            take,
            0,
            float(gain[number, 0, 0]),
            float(bias[number, 0, 0]),
            out[0],
        )
    return out


def _mask(
    mask: NDArray[np.uint16], best: NDArray[np.uint8], fill: int
) -> NDArray[np.uint16]:
    """Return one day's mask, (1, y, x); ``fill`` where nothing was observed."""
    number = np.where(best == NEVER, 0, best)
    taken = np.take_along_axis(mask, number.astype(np.intp), axis=0)
    return np.where(best == NEVER, np.uint16(fill), taken)


def _clear(layers: Sequence[da.Array], clearing: Clearing) -> da.Array:
    """Return what is clear, without seams between blocks; the frame's rim is not."""
    depth = {0: 0, 1: clearing.margin, 2: clearing.margin}
    found: da.Array = da.map_overlap(
        _classify,
        *layers,
        clearing=clearing,
        depth=depth,
        boundary="none",
        dtype=np.bool_,
        meta=np.empty((0, 0, 0), dtype=np.bool_),
    )
    return found


def _classify(*layers: NDArray[Any], clearing: Clearing) -> NDArray[np.bool_]:
    """Return what is clear of one day's six bands and mask, each (1, y, x)."""
    *bands, mask = layers
    seen = classify_observations(
        np.stack(bands, axis=1),
        mask,
        clearing.kind,
        clearing.rules,
        opinion=clearing.opinion,
    )
    return seen.clear

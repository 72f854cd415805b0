"""A lazy cube for people: one interface for files, STAC archives and Earth Engine.

The pixels are those of ``read_window``; the monthly chain does not come this way.
How files are loaded belongs to ``stac_cube``, Earth Engine to ``earthengine_cube``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dask.array as da
import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from qhsink.config import Settings, SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, Scene
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.imagery.masking import MaskRules
from qhsink.imagery.second_opinion import SecondOpinion
from qhsink.sources.earthengine_products import is_on_earthengine
from qhsink.sources.reading import days_over, one_kind
from qhsink.sources.stac_cube import Clearing, Layers, lazy_layers


def open_cube(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    *,
    chunks: Mapping[str, int],
    rules: MaskRules,
    opinion: SecondOpinion | None = None,
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
    opinion : SecondOpinion, optional
        The second opinion that ``rules`` name; needed when they name one.
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
        When no scene touches the window, scenes of different mask kinds are mixed,
        or the rules' second opinion is not handed over.

    Notes
    -----
    STAC scenes are loaded by ``odc.stac.load`` through a driver that reads files as a
    run does; each scene's own scale and offset, the choice between granules, and what
    is clear come on top of its lazy arrays. Earth Engine is asked block by block.
    """
    days = days_over(scenes, geobox)
    if not days:
        raise SourceError(
            f"none of {len(scenes)} scenes touches the window",
            expected="scenes pinned for this place",
            remedy="Pin the scenes of the window's own bounding box.",
        )
    if rules.second_opinion and opinion is None:
        raise SourceError(
            f"masks that name the second opinion {rules.second_opinion}, without it",
            expected="the opinion itself, or rules that name none",
            remedy="Load it with qhsink.registry.opinions.load_opinion.",
        )
    clearing = Clearing(one_kind(scenes), rules, opinion)
    groups = [group for _, group in days]
    if is_on_earthengine(scenes):
        # The client takes half a second to import, which files need not pay.
        from qhsink.sources.earthengine_cube import engine_layers  # noqa: PLC0415

        layers = engine_layers(
            groups, geobox, chunks=chunks, clearing=clearing, source=source
        )
    else:
        layers = lazy_layers(
            groups, geobox, chunks=chunks, clearing=clearing, settings=settings
        )
    found = _dataset(layers, geobox)
    found["time"] = np.array([day for day, _ in days], dtype="datetime64[ns]")
    found.attrs = {
        "mask_kind": clearing.kind,
        "scenes": [[scene.item_id for scene in group] for group in groups],
    }
    return found


def _dataset(layers: Layers, geobox: GeoBox) -> xr.Dataset:
    """Return the layers with names, units and places, reflectance as float32."""
    shown = {
        name: _scaled(layer) if name in BANDS else layer
        for name, layer in layers.items()
    }
    found = xr.Dataset(
        {name: (("time", "y", "x"), layer) for name, layer in shown.items()},
        coords=xr_coords(geobox, dims=("y", "x")),
    )
    for band in BANDS:
        found[band].attrs = {"units": "1", "long_name": f"surface reflectance, {band}"}
    return found


def _scaled(numbers: da.Array) -> da.Array:
    """Return float32 reflectance, NaN where there is none."""
    scaled = numbers / np.float32(SCALE)
    seen: da.Array = da.where(numbers == NODATA, np.float32("nan"), scaled)
    return seen

"""A region's month as a lazy xarray dataset, for people who explore in Python.

Region, scenes, grid and masks are those of a monthly run; nothing is stored. What a
cube holds belongs to ``sources.cube``.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from qhsink.config import Settings, load_settings
from qhsink.domain.errors import SourceError
from qhsink.grid import coverage
from qhsink.imagery.masking import MaskRules
from qhsink.sources.cube import open_cube
from qhsink.steps.compositing import load_named_opinion
from qhsink.steps.plan_regions import resolve_regions
from qhsink.steps.plan_sources import pin_over
from qhsink.steps.request import RunRequest, set_up


def open_region(
    region: str,
    month: str,
    *,
    source: str = "earth-search",
    config: str | None = None,
    chunk_px: int = 1024,
    settings: Settings | None = None,
) -> xr.Dataset:
    """Return a month of scenes over a region, lazily, on the grid of a run.

    Parameters
    ----------
    region : str
        Region id (``qhsink aoi list``) or path of a vector file.
    month : str
        Calendar month, ``YYYY-MM``.
    source : str
        Name in ``config/sources.toml``, or path or address of a static catalogue.
    config : str, optional
        Run configuration; the source's own when None.
    chunk_px : int
        Edge of a dask chunk [pixels].
    settings : Settings, optional
        Places; those of the project when None.

    Returns
    -------
    xarray.Dataset
        As ``open_cube`` returns it, over the region's bounding box; and ``inside``
        (y, x), the exact share of each pixel's area within the region, 0..1.
        ``attrs["provenance"]`` is ``simulated`` or ``observed``.

    Raises
    ------
    BadInput
        When the region, the month, the source or the configuration cannot be used.
    SourceError
        When the source cannot be read, or holds no scene of the month there.

    Notes
    -----
    Reflectance as scenes state it: neither the corrections of ``[corrections]`` nor
    the guard against shifted scenes, which a run applies, come this way.
    """
    places = settings or load_settings()
    setup = set_up(RunRequest(month, (region,), source, config), places)
    grid = setup.config.grid.build()
    regions, leaves, _ = resolve_regions(
        setup.request.regions, setup.config, grid=grid, settings=places
    )
    names = [found.id for found in regions]
    shape = shapely.union_all(leaves.restricted_to(names).frame["geometry"].to_numpy())
    scenes = pin_over(setup, shape.bounds, grid, setup.month)
    if not scenes:
        raise SourceError(
            f"no scene of {month} over {region} in {source}",
            expected=f"at least one between {setup.month.start} and {setup.month.end}",
            remedy="Choose another month, or check the source.",
        )
    rules = MaskRules(**setup.config.masks.model_dump(), pixel_size_m=grid.pixel_size)
    geobox = grid.window(shape)
    cube = open_cube(
        scenes,
        geobox,
        chunks={"y": chunk_px, "x": chunk_px},
        rules=rules,
        opinion=load_named_opinion(rules.second_opinion),
        source=setup.source,
        settings=places,
    )
    cube["inside"] = (("y", "x"), _inside(geobox, shape, cube["clear"].data))
    cube["inside"].attrs = {"units": "1", "long_name": f"share inside {region}"}
    simulated = any(scene.simulated for scene in scenes)
    cube.attrs |= {
        "region": ", ".join(names),
        "provenance": "simulated" if simulated else "observed",
    }
    return cube


def _inside(geobox: GeoBox, shape: BaseGeometry, like: da.Array) -> da.Array:
    """Return the share of each pixel inside ``shape``, in chunks of ``like``."""
    found: da.Array = da.map_blocks(
        _share,
        chunks=like.chunks[1:],
        dtype=np.float32,
        meta=np.empty((0, 0), dtype=np.float32),
        geobox=geobox,
        shape=shape,
    )
    return found


def _share(
    block_info: Any = None, *, geobox: GeoBox, shape: BaseGeometry
) -> NDArray[np.float32]:
    rows, cols = (slice(*span) for span in block_info[None]["array-location"])
    part = geobox[rows, cols]
    edges = part.boundingbox
    near = shapely.clip_by_rect(shape, edges.left, edges.bottom, edges.right, edges.top)
    share = np.zeros(part.shape, dtype=np.float32)
    if near.area > 0:
        index, fraction = coverage(part, near)
        share.reshape(-1)[index] = fraction
    return share

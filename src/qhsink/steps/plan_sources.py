"""What a plan pins over a region: scenes, and heights where they are asked for."""

from __future__ import annotations

from functools import cache

import pyproj
import shapely

from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.scene import Scene
from qhsink.grid import Grid
from qhsink.regions.overlay import Leaves
from qhsink.sources.items import BBox
from qhsink.sources.layer_items import LayerItem, pin_layer
from qhsink.sources.stac import pin
from qhsink.steps.request import Setup

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in grid coordinates [m]."""

_MARGIN_DEG = 0.02
"""Scenes are searched a little beyond a region, so that no edge pixel is missed."""


def scenes_over(
    setup: Setup, leaves: Leaves, region_id: str, grid: Grid
) -> list[Scene]:
    """Return the scenes of the month and of the peak season over a region.

    Raises
    ------
    SourceError
        When the source cannot be read.
    """
    bounds = _bounds(leaves, region_id)
    periods = [setup.month] + ([setup.peak] if setup.peak else [])
    return [s for period in periods for s in pin_over(setup, bounds, grid, period)]


def pin_over(
    setup: Setup, bounds: Bounds, grid: Grid, period: Period
) -> tuple[Scene, ...]:
    """Return the scenes of a period over bounds in grid coordinates.

    Raises
    ------
    SourceError
        When the source cannot be read.
    """
    bbox = _in_degrees(bounds, grid.crs)
    return pin(setup.source, project=setup.settings.project, bbox=bbox, period=period)


def heights_over(
    setup: Setup, leaves: Leaves, region_id: str, grid: Grid
) -> tuple[LayerItem, ...]:
    """Return the source's terrain model under the tiles of a region.

    Empty where no correction asks for it. Under whole tiles: a tile's composite is
    the same whichever region it is made for.

    Raises
    ------
    SourceError
        When the source holds none there, or cannot be read.
    """
    if not setup.config.corrections.heights_of_source:
        return ()
    region = shapely.box(*_bounds(leaves, region_id))
    tiles = shapely.union_all([tile.bounds for tile in grid.tiles_over(region)])
    bbox = _in_degrees(tiles.bounds, grid.crs)
    try:
        return pin_layer(
            setup.source, "elevation", project=setup.settings.project, bbox=bbox
        )
    except SourceError as error:
        raise SourceError(
            f'dem = "source": {error.found}',
            expected=error.expected,
            remedy=f"{error.remedy} Or name a raster of heights as `dem` under "
            "[corrections].",
        ) from error


def _bounds(leaves: Leaves, region_id: str) -> Bounds:
    chosen = leaves.frame["leaf_id"].isin(leaves.members[region_id])
    left, bottom, right, top = leaves.frame.loc[chosen].total_bounds
    return left, bottom, right, top


@cache
def _to_lonlat(wkt: str) -> pyproj.Transformer:
    """Return the way from a CRS to longitude and latitude: 60 ms to find, each time."""
    return pyproj.Transformer.from_crs(wkt, "EPSG:4326", always_xy=True)


def _in_degrees(bounds: Bounds, crs: pyproj.CRS) -> BBox:
    to_lonlat = _to_lonlat(crs.to_wkt())
    west, south, east, north = to_lonlat.transform_bounds(*bounds, densify_pts=21)
    return (
        west - _MARGIN_DEG,
        south - _MARGIN_DEG,
        east + _MARGIN_DEG,
        north + _MARGIN_DEG,
    )

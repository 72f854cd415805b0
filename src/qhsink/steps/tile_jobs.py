"""The tiles of a plan, each with what is read and reported on it: the units of work.

What is made of a tile belongs to ``tiles`` and ``target_maps``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.domain.scene import Scene
from qhsink.grid import transformer
from qhsink.mapping.layers import Group
from qhsink.sources.layer_items import LayerItem
from qhsink.steps.plan import Kind, RunPlan
from qhsink.steps.run_models import needed_groups

_Placed = TypeVar("_Placed", Scene, LayerItem)


@dataclass(frozen=True, slots=True)
class TileJob:
    """One tile of one period: the unit of work."""

    col: int
    row: int
    kind: Kind
    """``month``: median of the month; ``peak``: the peak season's composite."""
    scenes: tuple[Scene, ...]
    """Pinned scenes whose footprint meets the tile, in time order."""
    leaves: tuple[tuple[str, bytes], ...]
    """Leaf id and its geometry on the tile (WKB, grid coordinates)."""
    heights: tuple[LayerItem, ...] = ()
    """Pinned terrain model under the tile, where a correction or a model asks."""
    season: tuple[Scene, ...] = ()
    """Scenes of the season, those of the peak among them, where a model asks."""
    radar: tuple[LayerItem, ...] = ()
    """Radar acquisitions of the season, where a model asks."""
    groups: tuple[Group, ...] = ()
    """Layers beyond the six bands that the models of this composite need."""


def tile_jobs(plan: RunPlan) -> Iterator[TileJob]:
    """Yield the jobs of ``plan``: each tile once, however many regions share it."""
    frame = plan.leaves.frame
    geometries = frame["geometry"].to_numpy()
    tree = shapely.STRtree(geometries)
    names = frame["leaf_id"].to_list()
    whole = shapely.union_all(geometries)
    footprints = {
        kind: _on_grid(plan.scenes_of(kind), plan.grid.crs) for kind in plan.kinds
    }
    groups = {kind: needed_groups(plan.setup, kind) for kind in plan.kinds}
    season = _on_grid(
        plan.season_scenes if any("season" in g for g in groups.values()) else (),
        plan.grid.crs,
    )
    ground, radar = (_on_grid(i, plan.grid.crs) for i in (plan.heights, plan.radar))
    for tile in plan.grid.tiles_over(whole):
        bounds = tile.bounds
        pieces = []
        for number in sorted(tree.query(bounds, predicate="intersects")):
            part = shapely.intersection(geometries[number], bounds)
            if part.area > 0:
                pieces.append((names[number], shapely.to_wkb(part)))
        around = bounds.buffer(2.0 * plan.grid.pixel_size)  # slopes need neighbours
        below = tuple(i for i, f in ground if f.intersects(around))
        for kind in plan.kinds:
            near = tuple(s for s, f in footprints[kind] if f.intersects(bounds))
            leaves, peak = tuple(sorted(pieces)), kind == "peak"
            yield TileJob(
                tile.col,
                tile.row,
                kind,
                near,
                leaves,
                below,
                tuple(s for s, f in season if peak and f.intersects(bounds)),
                tuple(i for i, f in radar if peak and f.intersects(bounds)),
                groups[kind],
            )


def _on_grid(
    items: Iterable[_Placed], crs: pyproj.CRS
) -> list[tuple[_Placed, BaseGeometry]]:
    to_grid = transformer("EPSG:4326", crs)
    return [
        (item, shapely.box(*to_grid.transform_bounds(*item.bbox, densify_pts=21)))
        for item in items
    ]

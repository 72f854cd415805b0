"""The plan of a run: regions as leaves, pinned scenes, tiles. No pixel is read.

A plan is stored before it is carried out, so that every later task, in whatever
process, works from the same pinned list.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import geopandas as gpd
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.config import RunConfig, Settings
from qhsink.domain.errors import RegionError, SourceError
from qhsink.domain.period import Period
from qhsink.domain.region import Region
from qhsink.domain.scene import Scene, scene_from_json, scene_to_json
from qhsink.grid import Grid
from qhsink.mapping.layers import Group
from qhsink.regions.database import RegionDatabase, load_database, load_leaves
from qhsink.regions.overlay import Leaves, cut_by, overlay
from qhsink.regions.user import read_user_regions
from qhsink.sources.layer_items import (
    LayerItem,
    layer_item_from_json,
    layer_item_to_json,
)
from qhsink.steps.map_indicators import TARGET_INDICATORS
from qhsink.steps.plan_sources import RegionSources
from qhsink.steps.request import RunRequest, Setup, set_up
from qhsink.steps.run_models import learnt_from_simulated, needed_groups

Kind = Literal["month", "peak"]
_Placed = TypeVar("_Placed", Scene, LayerItem)

MAP_INDICATORS: Mapping[str, Kind] = {"fvc_month": "month", "fvc_peak": "peak"}
"""Indicators that are means of a map, and the composite each is made from."""


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


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run will do."""

    setup: Setup
    grid: Grid
    regions: tuple[Region, ...]
    """Regions to be reported, in the order asked for."""
    unknown: Mapping[str, str]
    """Regions that cannot be used, with the reason."""
    leaves: Leaves
    """The leaves these regions are sums of, on the grid's CRS."""
    scenes: tuple[Scene, ...]
    """All pinned scenes, in time order."""
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Item ids left out, with the reason."""
    warned: Mapping[str, str] = field(default_factory=dict)
    """Item ids used in spite of a doubt, with the doubt."""
    heights: tuple[LayerItem, ...] = ()
    """Pinned terrain model, by id, where a correction or a model asks for it."""
    radar: tuple[LayerItem, ...] = ()
    """Pinned radar acquisitions of the season, by id, where a model asks for them."""
    lacking: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What the source has not, by region and group of layers, with the reason."""

    @property
    def simulated(self) -> bool:
        """Whether a scene or height is simulated, or what a model learnt from."""
        return (
            any(scene.simulated for scene in self.scenes)
            or any(item.simulated for item in (*self.heights, *self.radar))
            or learnt_from_simulated(self.setup.config, self.setup.settings)
        )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The composites this run makes: those that a reported indicator needs."""
        return _kinds(self.setup)

    def period(self, kind: Kind) -> Period:
        """Return the period of a composite."""
        peak = self.setup.peak
        return peak if kind == "peak" and peak is not None else self.setup.month

    def scenes_of(self, kind: Kind) -> tuple[Scene, ...]:
        """Return the scenes of a composite, without those excluded."""
        period = self.period(kind)
        return tuple(
            scene
            for scene in self.scenes
            if period.contains(scene.acquired.date())
            and scene.item_id not in self.excluded
        )

    @property
    def season_scenes(self) -> tuple[Scene, ...]:
        """The scenes that seasonal statistics are of, without those excluded."""
        season = self.setup.season
        return tuple(
            scene
            for scene in self.scenes
            if season is not None
            and season.contains(scene.acquired.date())
            and scene.item_id not in self.excluded
        )

    def region_geometry(self, region_id: str) -> BaseGeometry:
        """Return the union of a region's leaves, in grid coordinates."""
        chosen = self.leaves.frame["leaf_id"].isin(self.leaves.members[region_id])
        return shapely.union_all(self.leaves.frame.loc[chosen, "geometry"].to_numpy())


def _kinds(setup: Setup) -> tuple[Kind, ...]:
    report = setup.config.indicators.report
    needed = {MAP_INDICATORS[name] for name in report if name in MAP_INDICATORS}
    if any(name in TARGET_INDICATORS for name in report):
        needed.add("peak")
    kinds: tuple[Kind, ...] = ("month", "peak") if setup.peak else ("month",)
    return tuple(kind for kind in kinds if kind in needed)


def make_plan(setup: Setup) -> RunPlan:
    """Resolve regions and pin scenes, and further layers where they are asked for.

    Raises
    ------
    BadInput
        When no region asked for can be used, the source cannot be read, or the model
        of cover needs layers that a month's composite has not.
    """
    groups = {kind: needed_groups(setup, kind) for kind in _kinds(setup)}
    wanted = frozenset(group for found in groups.values() for group in found)
    grid = setup.config.grid.build()
    asked, leaves, unknown = resolve_regions(
        setup.request.regions, setup.config, grid=grid, settings=setup.settings
    )
    pinned: dict[str, Scene] = {}
    layers: dict[str, dict[str, LayerItem]] = {"terrain": {}, "radar": {}}
    lacking: dict[str, Mapping[str, str]] = {}
    regions, faults = [], []
    for region in asked:
        try:
            over = RegionSources(setup, wanted, leaves, region.id, grid)
            found = over.scenes()
            items, absent = over.layers()
        except SourceError as error:
            unknown[region.id] = str(error)
            faults.append(error)
            continue
        regions.append(region)
        pinned |= {scene.item_id: scene for scene in found}
        for name, held in items.items():
            layers[name] |= {item.item_id: item for item in held}
        if absent:
            lacking[region.id] = absent
    if not regions and faults:
        raise faults[0]
    ordered = tuple(sorted(pinned.values(), key=lambda s: (s.acquired, s.item_id)))
    kept = leaves.restricted_to([region.id for region in regions])
    heights, radar = (
        tuple(layers[group][name] for name in sorted(layers[group]))
        for group in ("terrain", "radar")
    )
    return RunPlan(
        setup,
        grid,
        tuple(regions),
        unknown,
        kept,
        ordered,
        heights=heights,
        radar=radar,
        lacking=lacking,
    )


def resolve_regions(
    names: Iterable[str], config: RunConfig, *, grid: Grid, settings: Settings
) -> tuple[tuple[Region, ...], Leaves, dict[str, str]]:
    """Return regions, the leaves they are sums of, and names that cannot be used.

    Parameters
    ----------
    names : iterable of str
        Region ids or paths of vector files.

    Raises
    ------
    RegionError
        When none of them can be used.
    """
    database = _database(settings)
    ids, shapes, unknown = [], [], {}
    regions: list[Region] = []
    first: RegionError | None = None
    for text in names:
        try:
            if Path(text).is_file():
                found = read_user_regions(
                    Path(text),
                    crs=grid.crs,
                    reference=database,
                    inside_province=config.regions.inside_province,
                )
                shapes += found
                regions += [shape.region for shape in found]
            else:
                _require_home_grid(text, config)
                regions.append(database.get(text))
            ids = [region.id for region in regions]
        except RegionError as error:
            unknown[text] = str(error)
            first = first or error
    if not regions and first is not None:
        raise first
    if config.regions.inside_province:
        base = load_leaves(_database_path(settings), grid.crs)
        leaves = cut_by(base, shapes) if shapes else base
    else:
        leaves = overlay(shapes, crs=grid.crs)
    return tuple(dict.fromkeys(regions)), leaves.restricted_to(ids), unknown


def _require_home_grid(region_id: str, config: RunConfig) -> None:
    if not config.regions.inside_province:
        raise RegionError(
            f"region id {region_id!r} on a grid for scenes outside Qinghai",
            expected="a vector file of the region",
            remedy="Give --region a GeoPackage or GeoJSON file.",
        )


def _database_path(settings: Settings) -> Path:
    return settings.project / "aoi" / "qinghai.gpkg"


def _database(settings: Settings) -> RegionDatabase:
    return load_database(_database_path(settings))


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
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    return [
        (item, shapely.box(*to_grid.transform_bounds(*item.bbox, densify_pts=21)))
        for item in items
    ]


# A stored plan: what another process needs to carry on with the same pinned list.


def write_plan(plan: RunPlan, folder: Path) -> dict[str, Any]:
    """Write ``plan`` into ``folder``; return its metadata."""
    plan.leaves.frame.to_parquet(folder / "leaves.parquet")
    content = {
        "request": plan.setup.request.to_json(),
        "regions": [dataclasses.asdict(region) for region in plan.regions],
        "unknown": dict(plan.unknown),
        "members": {name: list(leaf) for name, leaf in plan.leaves.members.items()},
        "scenes": [scene_to_json(scene) for scene in plan.scenes],
        "excluded": dict(plan.excluded),
        "warned": dict(plan.warned),
        "heights": [layer_item_to_json(item) for item in plan.heights],
        "radar": [layer_item_to_json(item) for item in plan.radar],
        "lacking": {name: dict(found) for name, found in plan.lacking.items()},
    }
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "plan.json").write_text(text, encoding="utf-8")
    return {"regions": len(plan.regions), "scenes": len(plan.scenes)}


def read_plan(folder: Path, settings: Settings) -> RunPlan:
    """Return the plan that ``write_plan`` stored in ``folder``."""
    content = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    setup = set_up(RunRequest.from_json(content["request"]), settings)
    if setup.source.kind == "earthengine":
        # This process may not be the one that pinned the scenes.
        from qhsink.sources.earthengine import choose_source  # noqa: PLC0415

        choose_source(setup.source)
    members = {name: tuple(leaf) for name, leaf in content["members"].items()}
    return RunPlan(
        setup=setup,
        grid=setup.config.grid.build(),
        regions=tuple(Region(**entry) for entry in content["regions"]),
        unknown=content["unknown"],
        leaves=Leaves(gpd.read_parquet(folder / "leaves.parquet"), members),
        scenes=tuple(scene_from_json(entry) for entry in content["scenes"]),
        excluded=content["excluded"],
        warned=content["warned"],
        heights=tuple(layer_item_from_json(entry) for entry in content["heights"]),
        radar=tuple(layer_item_from_json(entry) for entry in content["radar"]),
        lacking=content["lacking"],
    )


def plan_token(plan: RunPlan) -> str:
    """Return a digest of everything a plan fixes."""
    content = {
        "config": plan.setup.config.model_dump(mode="json"),
        "request": plan.setup.request.to_json(),
        "leaves": plan.leaves.digest,
        "scenes": [scene_to_json(scene) for scene in plan.scenes],
        "excluded": dict(plan.excluded),
        "heights": [layer_item_to_json(item) for item in plan.heights],
        "radar": [layer_item_to_json(item) for item in plan.radar],
        "lacking": {name: dict(found) for name, found in plan.lacking.items()},
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()

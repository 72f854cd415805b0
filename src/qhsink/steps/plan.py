"""The plan of a run: its regions as leaves, its pinned scenes. No pixel is read.

Which regions a name stands for is decided in ``plan_regions``, what a source holds over
one in ``plan_sources``; a plan's tiles are ``tile_jobs``, its file is ``plan_file``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.region import Region
from qhsink.domain.scene import Scene
from qhsink.grid import Grid
from qhsink.regions.overlay import Leaves
from qhsink.sources.layer_items import LayerItem
from qhsink.steps.map_indicators import TARGET_INDICATORS
from qhsink.steps.plan_regions import resolve_regions
from qhsink.steps.plan_sources import RegionSources
from qhsink.steps.request import Setup
from qhsink.steps.run_models import learnt_from_simulated, needed_groups

Kind = Literal["month", "peak"]

MAP_INDICATORS: Mapping[str, Kind] = {"fvc_month": "month", "fvc_peak": "peak"}
"""Indicators that are means of a map, and the composite each is made from."""


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

"""What a plan pins over a region: scenes, and layers where models ask for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyproj
import shapely

from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.scene import RED_EDGE, Scene
from qhsink.grid import Grid, transformer
from qhsink.mapping.layers import Group, layers_of
from qhsink.regions.overlay import Leaves
from qhsink.sources.items import BBox
from qhsink.sources.layer_items import LayerItem, pin_layer
from qhsink.sources.stac import pin
from qhsink.steps.request import Setup
from qhsink.steps.run_models import groups_by_model

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in grid coordinates [m]."""

_MARGIN_DEG = 0.02
"""Scenes are searched a little beyond a region, so that no edge pixel is missed."""

LAYER_TABLES = {"terrain": "elevation", "radar": "backscatter"}
"""Table of ``[layers]`` in ``config/sources.toml`` that a group is made of."""


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


@dataclass
class RegionSources:
    """What a source holds over one region.

    What it has not is kept with the reason, group by group: a target whose model needs
    it is refused there, and the others go on.
    """

    setup: Setup
    wanted: Collection[Group]
    """Layers beyond the six bands that the models of the run need."""
    leaves: Leaves
    region_id: str
    grid: Grid

    def __post_init__(self) -> None:
        """Begin with nothing lacking."""
        self._lacking: dict[Group, SourceError] = {}

    def scenes(self) -> list[Scene]:
        """Return the scenes of the month, the peak and, where asked for, the season.

        Raises
        ------
        SourceError
            When the source cannot be read.
        """
        setup = self.setup
        asked = [(setup.month, False)]
        if setup.season is not None and "season" in self.wanted:
            asked.append((setup.season, False))
        if setup.peak is not None:  # last: what has the red edge is what counts
            asked.append((setup.peak, "rededge" in self.wanted))
        bbox = _in_degrees(_bounds(self.leaves, self.region_id), self.grid.crs)
        found = [self._pin(bbox, period, edge=edge) for period, edge in asked]
        return [scene for scenes in found for scene in scenes]

    def _pin(self, bbox: BBox, period: Period, *, edge: bool) -> Sequence[Scene]:
        source, project = self.setup.source, self.setup.settings.project
        if edge and self.setup.config.corrections.in_use():
            self._lacking["rededge"] = SourceError(
                "corrections of reflectance are made of six bands alone",
                expected="a run without [corrections]",
                remedy="Leave them out, or name a model that does without.",
            )
        elif edge:
            try:
                return pin(
                    source,
                    project=project,
                    bbox=bbox,
                    period=period,
                    further=RED_EDGE,
                )
            except SourceError as error:
                # If the source itself cannot be read, what follows says so.
                self._lacking["rededge"] = error
        return pin(source, project=project, bbox=bbox, period=period)

    def layers(self) -> tuple[dict[str, tuple[LayerItem, ...]], dict[str, str]]:
        """Return the items of terrain and radar, and what is lacking with the reason.

        Under whole tiles: a tile's artifacts are the same whichever region they are
        made for.

        Raises
        ------
        SourceError
            When the source holds no heights that a correction asks for, or nothing
            that the model of cover needs.
        """
        found: dict[str, tuple[LayerItem, ...]] = {}
        season = self.setup.season
        if self.setup.config.corrections.heights_of_source:
            found["terrain"] = self._heights_for_correction()
        elif "terrain" in self.wanted:
            found["terrain"] = self._items("terrain", None)
        if "radar" in self.wanted and season is not None:
            found["radar"] = self._items("radar", season)
        return found, self._refusals()

    def _items(self, group: Group, period: Period | None) -> tuple[LayerItem, ...]:
        source, project = self.setup.source, self.setup.settings.project
        table, bbox = LAYER_TABLES[group], self._under_tiles()
        orbit = self.setup.config.layers.radar_orbit
        try:
            items = pin_layer(source, table, project=project, bbox=bbox, period=period)
        except SourceError as error:
            self._lacking[group] = error
            return ()
        held = tuple(item for item in items if item.orbit in ("", orbit))
        if not held:
            self._lacking[group] = SourceError(
                f"no {orbit} pass at {source.url}",
                expected=f"one in {period.label if period else 'any time'}",
                remedy="Set radar_orbit under [layers] to the direction that it holds; "
                "models learnt from the other are to be trained again.",
            )
        return held

    def _heights_for_correction(self) -> tuple[LayerItem, ...]:
        source, project = self.setup.source, self.setup.settings.project
        try:
            return pin_layer(
                source, "elevation", project=project, bbox=self._under_tiles()
            )
        except SourceError as error:
            raise SourceError(
                f'dem = "source": {error.found}',
                expected=error.expected,
                remedy=f"{error.remedy} Or name a raster of heights as `dem` under "
                "[corrections].",
            ) from error

    def _under_tiles(self) -> BBox:
        region = shapely.box(*_bounds(self.leaves, self.region_id))
        tiles = [tile.bounds for tile in self.grid.tiles_over(region)]
        return _in_degrees(shapely.union_all(tiles).bounds, self.grid.crs)

    def _refusals(self) -> dict[str, str]:
        """Return the reason by group; SourceError where the model of cover needs it."""
        cover = self.setup.config.models.fvc
        needed = groups_by_model(self.setup.config, self.setup.settings)[cover]
        for group, error in self._lacking.items():
            if group in needed:
                raise SourceError(
                    f"model {cover} needs {', '.join(layers_of(group))}: {error.found}",
                    expected=error.expected,
                    remedy=error.remedy,
                )
        return {group: error.found for group, error in self._lacking.items()}


def _bounds(leaves: Leaves, region_id: str) -> Bounds:
    chosen = leaves.frame["leaf_id"].isin(leaves.members[region_id])
    left, bottom, right, top = leaves.frame.loc[chosen].total_bounds
    return left, bottom, right, top


def _in_degrees(bounds: Bounds, crs: pyproj.CRS) -> BBox:
    to_lonlat = transformer(crs, "EPSG:4326")
    west, south, east, north = to_lonlat.transform_bounds(*bounds, densify_pts=21)
    return (
        west - _MARGIN_DEG,
        south - _MARGIN_DEG,
        east + _MARGIN_DEG,
        north + _MARGIN_DEG,
    )

"""Pinned items to the layers of one window: the composite, and what lies beyond it.

Any lattice will do: a tile of the grid, the surroundings of a plot, a square of a
simulated world. Maps and training read here, so that a pixel has the same values in
both. How artifacts are stored belongs to ``tile_layers``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import RunConfig
from qhsink.domain.period import peak_season
from qhsink.domain.scene import RED_EDGE, Scene
from qhsink.grid import crs_wkt, transformer
from qhsink.imagery.composite import Composite
from qhsink.imagery.landform import landform, sun_vector
from qhsink.imagery.season import clear_ndvi, season_statistics
from qhsink.mapping.layers import (
    NODATA,
    REFLECTANCE_FLOOR,
    Group,
    layers_of,
    quantised,
)
from qhsink.sources.layer_items import LayerItem
from qhsink.sources.layers import read_backscatter, read_elevation, to_decibel
from qhsink.sources.remote import Archive
from qhsink.steps.compositing import ClearStack, choose, read_clear
from qhsink.steps.rasters import nothing_seen

Numbers = NDArray[np.int16]
Floating = NDArray[np.floating]

SUN_NODE_M = 10_000.0
"""Distance of the nodes that the sun's direction is computed at [m]: between them it
is a straight line, wrong by less than a thousandth of a degree."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What the layers of a window are read from."""

    scenes: tuple[Scene, ...]
    """Scenes of the composite, in time order."""
    season: tuple[Scene, ...] = ()
    """Scenes of the season, those of the composite among them, in time order."""
    heights: tuple[LayerItem, ...] = ()
    """Terrain model."""
    radar: tuple[LayerItem, ...] = ()
    """Radar acquisitions of the season, of any orbit direction."""


class WindowReading:
    """The layers of a window, each read once and when it is first asked for."""

    def __init__(
        self,
        pinned: Pinned,
        geobox: GeoBox,
        config: RunConfig,
        *,
        kind: str,
        groups: Sequence[Group] = (),
        archive: Archive | None = None,
    ) -> None:
        """Parameters are those of ``make_composite``; ``groups`` will be asked for."""
        self.pinned, self.geobox, self.config = pinned, geobox, config
        self.kind, self.groups, self.archive = kind, tuple(groups), archive
        self._composite: Composite | None = None
        self._ndvi: tuple[Numbers, tuple[date, ...]] | None = None

    def composite(self) -> Composite:
        """Return the composite; ``further`` is the red edge where it is asked for.

        Raises
        ------
        SourceError
            When a scene cannot be read whole.
        """
        if self._composite is None:
            if self.pinned.scenes:
                read = self._read(self.pinned.scenes, further=self._red_edge())
                self._composite = choose(read, self.config.composite, self.kind)
                if "season" in self.groups and self.kind == "peak":
                    self._ndvi = _ndvi(read)
            else:
                self._composite = nothing_seen(self.geobox)
        return self._composite

    def planes(self, group: Group) -> Numbers:
        """Return the layers of a group, in the steps of their declaration.

        Returns
        -------
        int16 array of shape (layer, y, x)
            In the order of ``layers_of(group)``; ``NODATA`` where there is none.

        Raises
        ------
        SourceError
            When an item cannot be read whole.
        """
        if group == "rededge":
            return self._filled(self.composite().further, group)
        if group == "season":
            return self._filled(self._season(), group)
        return self._terrain() if group == "terrain" else self._radar()

    def forget(self) -> None:
        """Drop what was read: a composite is kept by whoever asked for it."""
        self._composite = self._ndvi = None

    def _filled(self, planes: Numbers | None, group: Group) -> Numbers:
        if planes is not None:
            return planes
        shape = (len(layers_of(group)), *self.geobox.shape)
        return np.full(shape, NODATA, np.int16)

    def _read(
        self, scenes: tuple[Scene, ...], *, further: Sequence[str] = ()
    ) -> ClearStack:
        return read_clear(
            scenes,
            self.geobox,
            self.config,
            heights=self.pinned.heights,
            archive=self.archive,
            further=further,
        )

    def _red_edge(self) -> tuple[str, ...]:
        held = all(
            any(file.band == RED_EDGE[0] for file in scene.files)
            for scene in self.pinned.scenes
        )
        return RED_EDGE if "rededge" in self.groups and held else ()

    def _season(self) -> Numbers | None:
        self.composite()
        used = {scene.item_id for scene in self.pinned.scenes}
        others = tuple(s for s in self.pinned.season if s.item_id not in used)
        parts = [] if self._ndvi is None else [self._ndvi]
        if others:
            parts.append(_ndvi(self._read(others)))
        if not parts:
            return None
        ndvi = np.concatenate([part[0] for part in parts])
        months = [day.month for _, days in parts for day in days]
        return season_statistics(ndvi, months) if months else None

    def _terrain(self) -> Numbers:
        heights = read_elevation(
            self.pinned.heights, self.geobox.pad(1), archive=self.archive
        )
        edge = abs(float(self.geobox.resolution.x))
        sun = sun_over(self.geobox, middle_of_peak(self.config))
        found = landform(heights, edge, sun)
        return np.stack([quantised(n, found[n]) for n in layers_of("terrain")])

    def _radar(self) -> Numbers:
        orbit = self.config.layers.radar_orbit
        found = read_backscatter(self.pinned.radar, self.geobox, orbit, self.archive)
        decibel = {"vv": to_decibel(found.vv), "vh": to_decibel(found.vh)}
        return np.stack([quantised(n, decibel[n]) for n in layers_of("radar")])


def _ndvi(read: ClearStack) -> tuple[Numbers, tuple[date, ...]]:
    floor = float(REFLECTANCE_FLOOR)
    ndvi = clear_ndvi(read.stack.reflectance, read.seen.clear, floor=floor)
    return ndvi, read.stack.days


def middle_of_peak(config: RunConfig) -> int:
    """Return the day of a common year in the middle of the peak season, 1 to 365."""
    season = config.season
    peak = peak_season(2001, start=season.peak_start, end=season.peak_end)
    middle = peak.start + (peak.end - peak.start) / 2
    return int(middle.timetuple().tm_yday)


def sun_over(geobox: GeoBox, day: int) -> NDArray[np.float32]:
    """Return where the sun stands over a lattice, along its axes, (3, y, x).

    Parameters
    ----------
    geobox : GeoBox
        Lattice of shape (y, x), its rows from top to bottom.
    day : int
        Day of the year.

    Notes
    -----
    At nodes of ``SUN_NODE_M`` of the CRS and bilinear between them, so that a pixel
    has the same sun whichever window it is read in.
    """
    edge, corner = float(geobox.resolution.x), geobox.affine
    x = corner.c + (np.arange(geobox.shape[1]) + 0.5) * edge
    y = corner.f - (np.arange(geobox.shape[0]) + 0.5) * edge
    (left, across), (low, along) = _nodes(x), _nodes(y)
    at_x, at_y = np.meshgrid(left, low)
    at_nodes = _sun_at(at_x, at_y, crs_wkt(geobox), day)
    return np.stack([along @ part @ across.T for part in at_nodes]).astype(np.float32)


def _nodes(places: Floating) -> tuple[Floating, Floating]:
    """Return the nodes around places, and the weight of each at each place."""
    first = math.floor(float(places.min()) / SUN_NODE_M)
    last = math.floor(float(places.max()) / SUN_NODE_M) + 1
    nodes = np.arange(first, last + 1) * SUN_NODE_M
    distance = np.abs(places[:, None] - nodes) / SUN_NODE_M
    return nodes, np.maximum(1.0 - distance, 0.0)


def _sun_at(x: Floating, y: Floating, wkt: str, day: int) -> Floating:
    """Return the unit vector to the sun along the CRS's own axes, (3, n, m)."""
    to_degrees = transformer(wkt, "EPSG:4326")
    lon, lat = to_degrees.transform(x, y)
    above = to_degrees.transform(x, y + 100.0)
    turn, _, _ = pyproj.Geod(ellps="GRS80").inv(lon, lat, *above)
    east, north, up = np.moveaxis(sun_vector(np.asarray(lat), day), -1, 0)
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return np.stack([east * cos - north * sin, east * sin + north * cos, up])

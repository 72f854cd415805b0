"""Plots on the grid: footprints, the composites they are compared with, and means.

Nothing is read here; how composites come about belongs to ``plot_features``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from qhsink.config import RunConfig
from qhsink.domain.model_target import ModelTarget
from qhsink.domain.period import Period, parse_month, peak_season
from qhsink.domain.scene import BANDS, Scene
from qhsink.estimation.training_plots import TrainingPlots
from qhsink.grid import Grid, coverage, transformer
from qhsink.imagery.composite import Composite, Flag
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.mapping.layers import layer_step
from qhsink.sources.layer_items import LayerItem
from qhsink.steps.finished import LEAST_COVERED
from qhsink.steps.plan import Kind

_Placed = TypeVar("_Placed", Scene, LayerItem)

BLOCK_PX = 64
"""Edge of the squares whose plots share one composite [pixels]: about what a read of
a remote file brings anyway."""
MARGIN_DEG = 0.05
"""Scenes are searched this far beyond the plots [deg]; a plot is 5 km at most."""

USED, NO_IMAGE, TOO_FEW, WATER = "used", "no image", "too few clear dates", "water"
NO_LAYER = "a layer is missing"
"""What became of a plot."""
COLUMNS = ("plot", "fate", "n_clear", "covered", *BANDS)
"""Columns of the table of features; those of further layers follow."""


@dataclass(frozen=True, slots=True)
class Place:
    """A plot on the grid."""

    row: int
    """Its row in the plot table."""
    x: float
    """Centre [m]."""
    y: float
    """Centre [m]."""
    size_m: float
    """Edge or diameter [m]."""
    is_round: bool
    """Whether it is a circle."""

    def footprint(self) -> BaseGeometry:
        """Return the plot's outline in grid coordinates."""
        half = self.size_m / 2.0
        if self.is_round:
            return shapely.Point(self.x, self.y).buffer(half, quad_segs=32)
        return shapely.box(self.x - half, self.y - half, self.x + half, self.y + half)


@dataclass(frozen=True, slots=True)
class PlotWindow:
    """The plots of one block and period: the unit of work."""

    kind: Kind
    """Composite: ``month`` or ``peak``."""
    period: Period
    """Its dates."""
    places: tuple[Place, ...]
    """Plots, in table order."""
    scenes: tuple[Scene, ...]
    """Pinned scenes near the plots, in time order, without those that look shifted."""
    season: tuple[Scene, ...] = ()
    """Scenes of the season, where a feature asks for its statistics."""
    items: tuple[LayerItem, ...] = ()
    """Pinned heights and radar acquisitions near the plots, where features ask."""


def grid_places(plots: TrainingPlots, grid: Grid) -> tuple[Place, ...]:
    """Return the plots in grid coordinates."""
    # WGS84 and CGCS2000 differ by less than a metre: PROJ's null transformation.
    move = transformer("EPSG:4326", grid.crs)
    xs, ys = move.transform(plots.plots.lon, plots.plots.lat)
    columns = zip(xs, ys, plots.size_m, plots.is_round, strict=True)
    return tuple(
        Place(row, float(x), float(y), float(size), bool(is_round))
        for row, (x, y, size, is_round) in enumerate(columns)
    )


def composite_periods(
    plots: TrainingPlots, target: ModelTarget, config: RunConfig
) -> tuple[tuple[Kind, Period], ...]:
    """Return the composite that each plot is compared with.

    The peak season's of its year; where the target is mapped by month too and the
    plot was measured outside the peak season, that of its month.
    """
    season = config.season
    found: list[tuple[Kind, Period]] = []
    for day in plots.dates:
        peak = peak_season(day.year, start=season.peak_start, end=season.peak_end)
        if peak.contains(day) or "month" not in target.composites:
            found.append(("peak", peak))
        else:
            found.append(("month", parse_month(f"{day:%Y-%m}")))
    return tuple(found)


def plot_windows(
    places: Sequence[Place],
    periods: Sequence[tuple[Kind, Period]],
    scenes: Mapping[Period, Sequence[Scene]],
    grid: Grid,
    *,
    season: Mapping[Period, Sequence[Scene]] | None = None,
    items: Mapping[Period, Sequence[LayerItem]] | None = None,
) -> tuple[PlotWindow, ...]:
    """Return the plots gathered by period and block of the grid.

    ``scenes``, ``season`` and ``items`` are by the composite's period.
    """
    beside, pinned = season or {}, items or {}
    edge = BLOCK_PX * grid.pixel_size
    groups: dict[tuple[Period, Kind, int, int], list[Place]] = {}
    for place, (kind, period) in zip(places, periods, strict=True):
        block = math.floor(place.x / edge), math.floor(-place.y / edge)
        groups.setdefault((period, kind, *block), []).append(place)
    to_degrees = transformer(grid.crs, "EPSG:4326")
    return tuple(
        PlotWindow(
            kind,
            period,
            tuple(members),
            tuple(_near(scenes[period], members, to_degrees)),
            tuple(_near(beside.get(period, ()), members, to_degrees)),
            tuple(_near(pinned.get(period, ()), members, to_degrees)),
        )
        for (period, kind, _, _), members in sorted(
            groups.items(), key=lambda item: item[0]
        )
    )


def _near(
    scenes: Iterable[_Placed], places: Sequence[Place], to_degrees: pyproj.Transformer
) -> list[_Placed]:
    lon, lat = to_degrees.transform([p.x for p in places], [p.y for p in places])
    found = [s for s in scenes if holds_any(s, np.asarray(lon), np.asarray(lat))]
    return sorted(found, key=lambda scene: (scene.acquired, scene.item_id))


def holds_any(
    scene: Scene | LayerItem, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> bool:
    """Return whether a scene's box, with a margin, holds one of some places [deg]."""
    west, south, east, north = scene.bbox
    in_lon = (lon >= west - MARGIN_DEG) & (lon <= east + MARGIN_DEG)
    in_lat = (lat >= south - MARGIN_DEG) & (lat <= north + MARGIN_DEG)
    return bool((in_lon & in_lat).any())


def window_lattice(places: Sequence[Place], grid: Grid, *, margin_m: float) -> GeoBox:
    """Return the grid's pixels over the plots, with a margin all round."""
    pixel = grid.pixel_size
    bounds = shapely.total_bounds([place.footprint() for place in places])
    left = math.floor((bounds[0] - margin_m) / pixel)
    bottom = math.floor((bounds[1] - margin_m) / pixel)
    right = math.ceil((bounds[2] + margin_m) / pixel)
    top = math.ceil((bounds[3] + margin_m) / pixel)
    affine = Affine(pixel, 0.0, left * pixel, 0.0, -pixel, top * pixel)
    return GeoBox((top - bottom, right - left), affine, grid.crs.to_wkt())


def footprint_mean(
    composite: Composite,
    lattice: GeoBox,
    place: Place,
    layers: Mapping[str, NDArray[np.int16]] | None = None,
) -> dict[str, Any]:
    """Return the mean of each layer over a plot's clear land, weighted by coverage.

    Parameters
    ----------
    layers : mapping of str to int16 array of shape (y, x), optional
        Layers beyond the six bands, as a cube holds them.

    Notes
    -----
    Radar is averaged as power, and aspect as the direction in which the mean slope
    falls: a mean of decibels is not the decibel of the mean, nor is that of 359 and 1
    degree 180.
    """
    index, share = coverage(lattice, place.footprint())
    flags = composite.flags.ravel()[index]
    stopped = int(Flag.TOO_FEW | Flag.WATER | Flag.NO_DATA)
    planes = {name: plane.ravel()[index] for name, plane in (layers or {}).items()}
    known = np.ones(len(index), bool)
    for numbers in planes.values():
        known &= numbers != NODATA
    clear = ((flags & stopped) == 0) & known
    covered = float(share[clear].sum() / share.sum())
    row: dict[str, Any] = {
        "plot": place.row,
        "fate": USED,
        "n_clear": float(share @ composite.n_clear.ravel()[index] / share.sum()),
        "covered": covered,
    }
    if covered < LEAST_COVERED:
        why = _why(flags, share, known)
        return row | {"fate": why} | dict.fromkeys((*BANDS, *planes), math.nan)
    values = composite.reflectance.reshape(len(BANDS), -1)[:, index[clear]] / SCALE
    means = values @ share[clear] / share[clear].sum()
    weight = share[clear] / share[clear].sum()
    held = {n: part[clear] * float(layer_step(n)) for n, part in planes.items()}
    further = layer_means(held, weight)
    return row | dict(zip(BANDS, means.tolist(), strict=True)) | further


def layer_means(
    values: Mapping[str, NDArray[np.float64]], weight: NDArray[np.float64]
) -> dict[str, float]:
    """Return the mean of each layer over pixels, in its unit; see ``footprint_mean``.

    Parameters
    ----------
    values : mapping of str to (n,) float64
    weight : (n,) float64
        Of each pixel; they sum to one.
    """
    means = {name: float(weight @ part) for name, part in values.items()}
    for name in ("vv", "vh"):
        if name in values:
            means[name] = 10.0 * math.log10(float(weight @ 10.0 ** (values[name] / 10)))
    if "aspect" in values:
        fall = weight * np.sin(np.radians(values["slope"]))
        turn = np.radians(values["aspect"])
        east, north = float(fall @ np.sin(turn)), float(fall @ np.cos(turn))
        means["aspect"] = math.degrees(math.atan2(east, north)) % 360.0
    return means


def _why(
    flags: NDArray[np.uint8], share: NDArray[np.float64], known: NDArray[np.bool_]
) -> str:
    """Return what stopped the greatest part of a footprint."""
    weights = {NO_LAYER: float(share[~known].sum())}
    weights |= {
        name: float(share[(flags & int(bit)) != 0].sum())
        for name, bit in (
            (NO_IMAGE, Flag.NO_DATA),
            (WATER, Flag.WATER),
            (TOO_FEW, Flag.TOO_FEW),
        )
    }
    return max(weights, key=lambda name: weights[name])

"""The corrections that a run asks for, made on a stack as it was read.

Finds heights and angles and says of each day what was done to it; the science is in
``imagery``. Nothing here knows how dates are chosen from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import project_dir
from qhsink.config.corrections import CorrectionConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, Scene
from qhsink.grid import crs_wkt, transformer
from qhsink.imagery.brdf import Directions, KernelWeights, nadir_factors
from qhsink.imagery.corrections import (
    Correction,
    Kind,
    Line,
    apply_lines,
    refuse_twice,
)
from qhsink.imagery.masking import Observations
from qhsink.imagery.relief import Relief, Sun, relief_of
from qhsink.imagery.terrain import TerrainRules, correct_terrain, describe_fits
from qhsink.sources.elevation import read_elevation
from qhsink.sources.reading import WindowStack

Pair = tuple[float, float]
"""Zenith angle and azimuth [deg]."""

Heights = Callable[[GeoBox], NDArray[np.float32]]
"""Gives heights on a lattice [m], NaN where there are none."""

Work = Callable[
    [WindowStack, Observations, Mapping[str, Scene], GeoBox, CorrectionConfig],
    Iterator[Correction],
]
"""Corrects each day of a stack in place and yields what became of it."""


def correct_stack(
    stack: WindowStack,
    seen: Observations,
    scenes: Sequence[Scene],
    geobox: GeoBox,
    asked: CorrectionConfig,
    *,
    done: Sequence[Correction] = (),
    heights: Heights | None = None,
) -> tuple[WindowStack, tuple[Correction, ...]]:
    """Return the stack after the corrections asked for, and what became of each day.

    Parameters
    ----------
    stack : WindowStack
        As read; left as it is.
    seen : Observations
        Which of its pixels are clear, water or snow.
    scenes : sequence of Scene
        The scenes it was read from; their angles are used.
    geobox : GeoBox
        Its lattice.
    asked : CorrectionConfig
        What is asked for.
    done : sequence of Correction
        What this reflectance has been through already.
    heights : callable, optional
        Gives heights on a lattice; the raster that ``asked.dem`` names when not given.

    Raises
    ------
    BadInput
        When a correction asked for is among those done.
    SourceError
        When heights are asked for and cannot be read.
    """
    by_id = {scene.item_id: scene for scene in scenes}
    made: dict[Kind, Work] = {}
    if asked.terrain != "none":
        made["terrain"] = partial(_terrain, heights or _heights_on_disk(asked))
    if asked.view != "none":
        made["view"] = _view
    if asked.bands != "none":
        made["bands"] = _bands
    notes = list(done)
    if made:
        stack = replace(stack, reflectance=stack.reflectance.copy())
    for kind, work in made.items():
        refuse_twice(notes, kind)
        notes += work(stack, seen, by_id, geobox, asked)
    return stack, tuple(notes)


def dem_path(asked: CorrectionConfig) -> Path:
    """Return where heights on disk lie."""
    return project_dir() / asked.dem


def _heights_on_disk(asked: CorrectionConfig) -> Heights:
    if asked.heights_of_source:
        raise SourceError(
            'dem = "source" where no terrain model is pinned',
            expected="a run or a plan, which pins one, or a raster of heights",
            remedy="Name a raster as `dem` under [corrections], or leave terrain out.",
        )
    return partial(read_elevation, dem_path(asked))


def _terrain(
    heights: Heights,
    stack: WindowStack,
    seen: Observations,
    scenes: Mapping[str, Scene],
    geobox: GeoBox,
    asked: CorrectionConfig,
) -> Iterator[Correction]:
    """Correct each day in place and yield what became of it."""
    relief = window_relief(heights, geobox)
    rules = TerrainRules(**asked.fit.model_dump())
    turn = axis_azimuth(geobox)
    land = seen.clear & ~seen.water
    for layer, day in enumerate(stack.days):
        stated = _mean_angles([scenes[i].sun for i in stack.scene_ids[layer]])
        if stated is None:
            note = "left as it is: no item states where the sun stood"
            yield Correction("terrain", day.isoformat(), made=False, note=note)
            continue
        sun = Sun(stated[0], stated[1] - turn)
        stack.reflectance[layer], fits = correct_terrain(
            stack.reflectance[layer], land[layer], relief, sun, rules
        )
        made = any(fit.c is not None for fit in fits)
        yield Correction(
            "terrain", day.isoformat(), made=made, note=describe_fits(fits)
        )


def _view(
    stack: WindowStack,
    seen: Observations,
    scenes: Mapping[str, Scene],
    geobox: GeoBox,
    asked: CorrectionConfig,
) -> Iterator[Correction]:
    del seen, geobox
    weights = [
        KernelWeights(**getattr(asked.kernels, band).model_dump()) for band in BANDS
    ]
    for layer, day in enumerate(stack.days):
        behind = [scenes[i] for i in stack.scene_ids[layer]]
        sun = _mean_angles([scene.sun for scene in behind])
        view = _mean_angles([scene.view for scene in behind])
        if sun is None or view is None:
            note = "left as it is: no item states sun and view angles"
            yield Correction("view", day.isoformat(), made=False, note=note)
            continue
        where = Directions(sun[0], view[0], view[1] - sun[1])
        factors = nadir_factors(weights, where)
        lines = [Line(factor, 0.0) for factor in factors]
        stack.reflectance[layer] = apply_lines(stack.reflectance[layer], lines)
        text = ", ".join(f"{b} {c:.4f}" for b, c in zip(BANDS, factors, strict=True))
        note = f"from {view[0]:.1f} deg off nadir: {text}"
        yield Correction("view", day.isoformat(), made=True, note=note)


def _bands(
    stack: WindowStack,
    seen: Observations,
    scenes: Mapping[str, Scene],
    geobox: GeoBox,
    asked: CorrectionConfig,
) -> Iterator[Correction]:
    del seen, geobox
    back = [Line(**getattr(asked.lines, band).model_dump()).inverse() for band in BANDS]
    for layer, day in enumerate(stack.days):
        names = {scenes[i].platform for i in stack.scene_ids[layer]}
        landsat = all(name.startswith("landsat") for name in names)
        if landsat:
            stack.reflectance[layer] = apply_lines(stack.reflectance[layer], back)
        note = "to Sentinel-2A" if landsat else f"left as it is: {', '.join(names)}"
        yield Correction("bands", day.isoformat(), made=landsat, note=note)


def window_relief(heights: Heights, geobox: GeoBox) -> Relief:
    """Return the slopes of a window, from heights one pixel beyond its edges."""
    return relief_of(heights(geobox.pad(1)), abs(float(geobox.resolution.x)))


def axis_azimuth(geobox: GeoBox) -> float:
    """Return the azimuth of the lattice's +y axis in its middle [deg from north]."""
    middle = geobox.boundingbox
    x, y = (middle.left + middle.right) / 2.0, (middle.bottom + middle.top) / 2.0
    to_degrees = transformer(crs_wkt(geobox), "EPSG:4326")
    here = to_degrees.transform(x, y)
    above = to_degrees.transform(x, y + abs(float(geobox.resolution.y)))
    azimuth, _, _ = pyproj.Geod(ellps="GRS80").inv(*here, *above)
    return float(azimuth)


def _mean_angles(pairs: Sequence[Pair | None]) -> Pair | None:
    """Return the mean zenith and azimuth; None when one scene states none.

    Granules of a day lie side by side in one pass, a degree or two apart.
    """
    known = [pair for pair in pairs if pair is not None]
    if not known or len(known) < len(pairs):
        return None
    turns = np.radians([azimuth for _, azimuth in known])
    azimuth = math.atan2(float(np.sin(turns).mean()), float(np.cos(turns).mean()))
    zenith = float(np.mean([zenith for zenith, _ in known]))
    return zenith, math.degrees(azimuth) % 360.0

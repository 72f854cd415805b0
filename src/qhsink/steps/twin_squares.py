"""Where the squares of a simulated world lie.

Models learn and are tried around one point of each region, the same in every world.
Errors of totals are learnt at places drawn anew for each world: what a place does to an
error would else stand in all worlds alike, and be counted as if it had been seen often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.config.train_twin import TwinTraining
from qhsink.grid import qinghai_albers
from qhsink.regions.database import RegionDatabase

LAKE_REACH_M = 20_000.0
"""Lakes within so much of a square are part of its world [m]."""


def world_squares(
    spec: TwinTraining, seed: int, database: RegionDatabase
) -> list[tuple[str, BaseGeometry]]:
    """Return region and outline of each square of a world, on the grid.

    Parameters
    ----------
    spec : TwinTraining
        Regions, edge and pixel. With ``drawn`` squares, so many of the regions are
        drawn without replacement, and a point on dry land in each; with ``within_m``
        too, one region, a landscape around a point in it, and points on its dry land
        whose squares do not overlap, in any of the regions.
    seed : int
        Of the world; it decides what is drawn.
    database : RegionDatabase
    """
    if spec.drawn is None:
        return [
            (name, _around(_shape(name, database).representative_point(), spec))
            for name in spec.regions
        ]
    rng = np.random.default_rng([seed, spec.drawn])
    order = rng.permutation(len(spec.regions))
    chosen = np.sort(order[: spec.drawn])
    lakes = shapely.union_all(_lakes(database))
    if spec.within_m is not None:
        # As drawn, not as sorted: the first of those is an eastern region every time.
        home = _shape(spec.regions[order[0]], database).difference(lakes)
        around = _point_in(home, rng).buffer(spec.within_m / 2.0, cap_style="square")
        whole = [_shape(name, database) for name in spec.regions]
        dry = shapely.union_all(whole).intersection(around).difference(lakes)
        return _apart(dry, spec.drawn, spec, rng)
    return [
        (name, _around(_point_in(_shape(name, database).difference(lakes), rng), spec))
        for name in (spec.regions[number] for number in chosen)
    ]


def _apart(
    shape: BaseGeometry, count: int, spec: TwinTraining, rng: np.random.Generator
) -> list[tuple[str, BaseGeometry]]:
    """Return squares around points of ``shape`` that do not overlap, by number."""
    found: list[BaseGeometry] = []
    while len(found) < count:
        square = _around(_point_in(shape, rng), spec)
        if not any(square.intersects(other) for other in found):
            found.append(square)
    return [(f"{number:02d}", square) for number, square in enumerate(found)]


def lakes_near(
    database: RegionDatabase, squares: Sequence[BaseGeometry]
) -> tuple[BaseGeometry, ...]:
    """Return the lakes that lie in or near some of the squares."""
    near = shapely.union_all(squares).buffer(LAKE_REACH_M)
    return tuple(lake for lake in _lakes(database) if lake.intersects(near))


def _lakes(database: RegionDatabase) -> list[BaseGeometry]:
    return [_shape(r.id, database) for r in database.regions if r.kind == "lake"]


def _shape(name: str, database: RegionDatabase) -> BaseGeometry:
    return database.geometry(name, qinghai_albers())


def _around(middle: shapely.Point, spec: TwinTraining) -> BaseGeometry:
    """Return the square around a point, its edges on the lattice of pixels."""
    pixel = spec.pixel_size_m
    edge = round(spec.square_m / pixel) * pixel
    left = round((middle.x - edge / 2.0) / pixel) * pixel
    low = round((middle.y - edge / 2.0) / pixel) * pixel
    return shapely.box(left, low, left + edge, low + edge)


def _point_in(shape: BaseGeometry, rng: np.random.Generator) -> shapely.Point:
    """Return a point of ``shape``, any as likely as another."""
    left, low, right, top = shape.bounds
    shapely.prepare(shape)
    while True:
        point = shapely.Point(rng.uniform(left, right), rng.uniform(low, top))
        if shape.contains(point):
            return point

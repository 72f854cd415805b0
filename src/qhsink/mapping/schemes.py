"""Which kinds of cross-validation a set of samples allows.

The folds themselves are made by ``qhsink.mapping.folds``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.domain.variogram import Variogram
from qhsink.mapping.folds import (
    consecutive_runs,
    deal_folds,
    knndm,
    leave_group_out,
    spatial_blocks,
)
from qhsink.mapping.residual_variogram import fit_variogram
from qhsink.mapping.samples import Recipe, Samples

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Report = Callable[[str], None]

LEAST_STRUCTURED = 0.05
"""Share of the sill below which residuals count as unrelated in space."""
MOST_HELD_OUT = 10
"""Regions or years held out one by one; more are dealt into so many folds."""
GRID = 40
"""Points per side of the grid that stands for the map where none is given."""


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """One kind of cross-validation."""

    title: str
    """What is held out together, in words, without its number."""
    groups: Ints
    """(n,) group of each sample: members are drawn by group."""
    folds: Ints
    """(n,) fold of each sample."""


def random_scheme(samples: Samples, recipe: Recipe) -> Scheme:
    """Return folds of single samples: they flatter wherever samples are clustered."""
    alone = np.arange(len(samples.target), dtype=np.int64)
    folds = deal_folds(alone, folds=recipe.folds, seed=recipe.seed)
    return Scheme("single samples at random", alone, folds)


def main_scheme(samples: Samples, recipe: Recipe, residual: Doubles) -> Scheme:
    """Return the folds that decide: groups as given, else blocks, else runs of rows.

    Parameters
    ----------
    samples, recipe
        As in training.
    residual : (n,) float
        Out-of-fold residuals, whose variogram sets the size of blocks.
    """
    points = samples.points
    if samples.groups is not None:
        groups, title = samples.groups, "groups"
    elif points is not None:
        groups, title = _blocks(points, residual, recipe)
    else:
        groups = consecutive_runs(len(samples.target), length=recipe.run_length)
        title = f"runs of {recipe.run_length} consecutive rows"
    return _dealt(groups, title, recipe)


def other_schemes(
    samples: Samples,
    recipe: Recipe,
    main: Scheme,
    residual: Doubles,
    map_points: Doubles | None,
    *,
    report: Report,
) -> dict[str, Scheme]:
    """Return every further kind of folds that the samples allow, by name.

    Parameters
    ----------
    samples, recipe, residual
        As in ``main_scheme``.
    main : Scheme
        The folds that decide; its groups are what members are drawn by.
    map_points : (m, 2) float or None
        As in training.
    report : callable
        Told of a kind that the samples' places do not allow.
    """
    found = {}
    points = samples.points
    if points is not None and samples.groups is not None:
        found["blocks"] = _dealt(*_blocks(points, residual, recipe), recipe)
    for name, labels in (("region", samples.region), ("year", samples.year)):
        if labels is not None and len(np.unique(labels)) > 1:
            folds = leave_group_out(labels.tolist())
            count = int(folds.max()) + 1
            title = f"each of {count} {name}s in turn"
            if count > MOST_HELD_OUT:
                folds = deal_folds(folds, folds=MOST_HELD_OUT, seed=recipe.seed)
                title = f"{count} whole {name}s"
            found[name] = Scheme(title, main.groups, folds)
    if points is not None:
        grid = _grid(points) if map_points is None else map_points
        try:
            folds = knndm(points, grid, folds=recipe.folds, seed=recipe.seed).folds
        except TableError as error:
            report(f"No folds by distance: {error}")
        else:
            title = "samples as far from the others as the map is (kNNDM)"
            found["distance"] = Scheme(title, main.groups, folds)
    return found


def residual_variogram(points: Doubles, residual: Doubles) -> Variogram | None:
    """Return the variogram of residuals; None where too few are near each other."""
    try:
        return fit_variogram(points[:, 0], points[:, 1], residual)
    except TableError:
        return None


def _dealt(groups: Ints, title: str, recipe: Recipe) -> Scheme:
    folds = deal_folds(groups, folds=recipe.folds, seed=recipe.seed)
    return Scheme(title, groups, folds)


def _blocks(points: Doubles, residual: Doubles, recipe: Recipe) -> tuple[Ints, str]:
    """Return blocks of the residuals' range, smaller where too few would remain.

    Where residuals show no range, or one so long that fewer than two blocks per fold
    were left, the edge is the greatest (halved from the extent) that leaves so many.
    """
    variogram = residual_variogram(points, residual)
    found = 0.0
    if variogram and variogram.partial_sill >= LEAST_STRUCTURED * variogram.sill:
        found = min(variogram.practical_range_m, variogram.longest_lag_m)
    edge = found or float(np.ptp(points, axis=0).max()) / 2
    blocks = spatial_blocks(points, edge=edge)
    enough = min(2 * recipe.folds, len(np.unique(points, axis=0)))
    while len(np.unique(blocks)) < enough:
        edge /= 2
        blocks = spatial_blocks(points, edge=edge)
    why = "the range of the residuals"
    if edge != found:
        told = f"{found / 1000:.3g} km" if found else "not found"
        why = f"range of the residuals: {told}"
    return blocks, f"spatial blocks of {edge / 1000:.3g} km ({why})"


def _grid(points: Doubles) -> Doubles:
    low, high = points.min(axis=0), points.max(axis=0)
    axes = [np.linspace(low[k], high[k], GRID) for k in range(2)]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)

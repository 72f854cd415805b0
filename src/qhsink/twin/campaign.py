"""Field campaigns in the simulated country: plots drawn, visited, written as tables.

What is drawn is a pixel of a frame; what is measured is the truth at the plot's real
place, with the errors of quadrats, readings, harvest, equations and position. How
the tables are analysed is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from qhsink.domain.errors import TableError
from qhsink.twin.ground import Ground

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
Truth = Callable[[Floats, Floats], Ground]
"""The truth at places: x, y of shape (n,) in grid coordinates [m]."""

Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class PlotRules(BaseModel):
    """How a plot is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quadrats: Annotated[int, Field(ge=1)]
    """Quadrats per plot."""
    quadrat_concentration: Positive
    """Concentration of the beta distribution of true cover among quadrats."""
    reading_concentration: Positive
    """... of the reading of a quadrat around its true cover."""
    position_sd_m: Annotated[float, Field(ge=0.0)]
    """Standard deviation of the recorded place along each axis [m]."""
    clip_cv: Share
    """Relative error of the herb biomass of a plot."""
    allometric_cv: Share
    """Relative error of the allometric equation, common to all plots."""
    tree_cv: Share
    """Relative error of a plot's tree biomass around the equation."""
    cover_shift: float = 0.0
    """Added to every cover read: 0 for honest observers."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pixels drawn from a frame."""

    index: Index
    """Numbers of the pixels in the frame, shape (n,)."""
    stratum: NDArray[np.intp]
    """Stratum code of each, shape (n,)."""
    sizes: Floats
    """Pixels in each stratum of the frame, shape (strata,)."""


def draw_simple(pixels: int, count: int, rng: np.random.Generator) -> Drawn:
    """Return a simple random sample of ``count`` of ``pixels``, without replacement."""
    _check_size(pixels, count)
    index = np.sort(rng.choice(pixels, size=count, replace=False))
    return Drawn(
        index.astype(np.int64),
        np.zeros(count, dtype=np.intp),
        np.array([float(pixels)]),
    )


def draw_stratified(
    strata: NDArray[np.intp],
    count: int,
    *,
    minimum: int,
    rng: np.random.Generator,
) -> Drawn:
    """Return a stratified random sample, proportional with a least size per stratum.

    Parameters
    ----------
    strata : integer array of shape (pixels,)
        Stratum code of each pixel of the frame, 0, 1, ... without gaps.
    count : int
        Plots aimed at; rounding and ``minimum`` may add some.
    minimum : int
        Least plots in a stratum, as far as it has pixels; at least 2.
    """
    _check_size(strata.size, count)
    sizes = np.bincount(strata)
    wanted = np.maximum(np.rint(count * sizes / strata.size), max(minimum, 2))
    picked = [
        np.sort(
            rng.choice(
                np.flatnonzero(strata == code),
                size=min(int(wanted[code]), int(sizes[code])),
                replace=False,
            )
        )
        for code in range(sizes.size)
    ]
    index = np.concatenate(picked).astype(np.int64)
    return Drawn(index, strata[index], sizes.astype(np.float64))


def draw_systematic(
    rows: Index, columns: Index, count: int, rng: np.random.Generator
) -> Drawn:
    """Return a square systematic sample of about ``count`` pixels, random start.

    Parameters
    ----------
    rows, columns : int64 arrays of shape (pixels,)
        Place of the frame's pixels on their lattice.
    """
    _check_size(rows.size, count)
    step = max(int(np.sqrt(rows.size / count)), 1)
    first_row, first_column = rng.integers(0, step, size=2)
    chosen = (rows % step == first_row) & (columns % step == first_column)
    index = np.flatnonzero(chosen).astype(np.int64)
    _check_size(rows.size, index.size)
    stratum = np.zeros(index.size, dtype=np.intp)
    return Drawn(index, stratum, np.array([float(rows.size)]))


def _check_size(pixels: int, count: int) -> None:
    if not 2 <= count <= pixels:
        raise TableError(
            f"{count} plots in a frame of {pixels} pixels",
            expected="at least 2 plots, and no more than there are pixels",
            remedy="Change the number of plots or the size of the region.",
        )


def visit(
    truth: Truth,
    x: Floats,
    y: Floats,
    *,
    rules: PlotRules,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return what a field crew brings back from the plots drawn at ``x``, ``y``.

    Parameters
    ----------
    truth : callable
        The truth at places.
    x, y : float64 arrays of shape (n,)
        Where the plots were meant to be, in grid coordinates [m]: also what the crew
        records. They stand up to a positioning error away.
    rules : PlotRules
        Errors.

    Returns
    -------
    DataFrame
        ``plot``, ``x``, ``y``, ``ecosystem`` (code), ``fvc`` (0..1, mean of the
        quadrats), ``agb_grass`` [g DM m-2], ``agb_forest`` [Mg DM ha-1].

    Notes
    -----
    Quadrats and their readings are beta distributed around the truth, so that they
    stay in 0..1 without a bias at the ends. The equation's error is drawn once: more
    plots never average it away.
    """
    n = x.size
    there = truth(
        x + rng.normal(0.0, rules.position_sd_m, n),
        y + rng.normal(0.0, rules.position_sd_m, n),
    )
    true_cover = np.repeat(there.fvc[:, None].astype(np.float64), rules.quadrats, 1)
    quadrats = _beta_around(true_cover, rules.quadrat_concentration, rng)
    read = _beta_around(quadrats, rules.reading_concentration, rng).mean(axis=1)
    equation = 1.0 + rules.allometric_cv * rng.standard_normal()
    trees = equation * (1.0 + rules.tree_cv * rng.standard_normal(n))
    return pd.DataFrame(
        {
            "plot": [f"p{number:04d}" for number in range(1, n + 1)],
            "x": x,
            "y": y,
            "ecosystem": there.ecosystem.astype(np.int64),
            "fvc": np.clip(read + rules.cover_shift, 0.0, 1.0),
            "agb_grass": there.agb_grass.astype(np.float64)
            * (1.0 + rules.clip_cv * rng.standard_normal(n)),
            "agb_forest": there.agb_forest.astype(np.float64) * trees,
        }
    )


def _beta_around(
    mean: Floats, concentration: float, rng: np.random.Generator
) -> Floats:
    """Return beta draws of the given mean; 0 and 1 stay what they are."""
    inside = np.clip(mean, 1e-6, 1.0 - 1e-6)
    drawn = rng.beta(inside * concentration, (1.0 - inside) * concentration)
    return np.where((mean <= 1e-6) | (mean >= 1.0 - 1e-6), mean, drawn)

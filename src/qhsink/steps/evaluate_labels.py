"""Labelled plots in a trial: what is seen of forest and wetland, beside a map of them.

Draws campaigns and lays out their tables; what is estimated from them is in
``evaluate_forest``, ``evaluate_accuracy``, ``evaluate_kinds`` and
``evaluate_protected``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from qhsink.config import Settings, load_forest_rules, load_settings, project_dir
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import ForestRule
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import VERDICT_LEVEL, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import strata_table
from qhsink.steps.sampled_area import AreaRequest
from qhsink.twin.campaign import (
    Drawn,
    PlotRules,
    Truth,
    draw_simple,
    draw_stratified,
)
from qhsink.twin.classes import MARSH, SHRUB
from qhsink.twin.ground import Ground

Flags = NDArray[np.bool_]

LEAST_SHARE = 0.01
"""Share of a square below which it is not asked for its forest or wetland."""
EDGE_PX = 3
"""How far around what is mapped the stratum of edges reaches."""
MAP_SHIFT_M = 240.0
"""How far the map of labels lies off, along both axes [m]: what makes it wrong."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What plots show, and a map that is roughly right."""

    true: Flags
    """By pixel of the site."""
    mapped: Flags
    """The same map, displaced: wrong along every edge."""


def is_forest(ground: Ground) -> Flags:
    """Return forest by the national definition, shape (n,).

    A pixel of the trial is a mapping unit by itself. Alpine shrub counts as special
    shrubland above its range's tree limit where its crowns cover enough; counties' rain
    is left aside.
    """
    rule = _rule()
    shrub = (ground.ecosystem == SHRUB) & (ground.shrub_cover > (rule.shrub_cover or 1))
    return np.asarray((ground.canopy_cover >= rule.canopy) | shrub)


def is_marsh(ground: Ground) -> Flags:
    """Return wetland, shape (n,): marsh meadow."""
    return np.asarray(ground.ecosystem == MARSH)


@cache
def _rule() -> ForestRule:
    return load_forest_rules(project_dir())["forest_national"]


SIMPLE, STRATIFIED = "simple random labels", "labels in map strata"
EDGED = "labels in map strata, edges apart"


def label_campaigns(
    site: Site, mapped: Flags, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[tuple[Drawn, str]]:
    """Yield a simple random sample, and two stratified by the map of labels.

    The second has a stratum of its own around what is mapped, where most of what the
    map misses lies (Olofsson et al. 2020, Remote Sens. Environ. 236:111492).
    """
    yield draw_simple(mapped.size, trial.label_plots, rng), SIMPLE
    near = near_mapped(site, mapped) & ~mapped
    for strata, mode in (
        (mapped.astype(np.intp), STRATIFIED),
        (mapped + 2 * near.astype(np.intp), EDGED),
    ):
        least = trial.label_plots // (strata.max() + 2)
        sizes = np.bincount(strata)
        if sizes.min() >= 2 and sizes.size > 1:
            yield (
                draw_stratified(strata, trial.label_plots, minimum=least, rng=rng),
                mode,
            )


def near_mapped(site: Site, mapped: Flags) -> Flags:
    """Return where what is mapped is within ``EDGE_PX`` pixels, shape (n,)."""
    lattice = np.zeros((site.rows.max() + 1, site.columns.max() + 1), dtype=np.bool_)
    lattice[site.rows, site.columns] = mapped
    wider = ndimage.binary_dilation(
        lattice, np.ones((3, 3), np.bool_), iterations=EDGE_PX
    )
    return np.asarray(wider[site.rows, site.columns])


def visited(
    site: Site, drawn: Drawn, truth: Truth, rules: PlotRules, rng: np.random.Generator
) -> Ground:
    """Return what is where the plots truly stand."""
    count, far = drawn.index.size, rules.position_sd_m
    x = site.x[drawn.index] + rng.normal(0.0, far, count)
    return truth(x, site.y[drawn.index] + rng.normal(0.0, far, count))


def plain_line(site: Site, indicator: str, mode: str, true: float, n: int) -> Result:
    """Return the line of a square without its estimate."""
    return Result(
        f"square-{site.square.region}",
        "square",
        indicator,
        mode,
        n,
        true,
    )


def given(plain: Result, found: Estimate, units: float) -> Result:
    """Return a line with the estimate per ``units``."""
    return dataclasses.replace(
        plain,
        value=found.value / units,
        se=found.se / units,
        df=found.df,
        flags=found.flags,
    )


def frame_of(drawn: Drawn, trial: TrialSpec) -> pd.DataFrame:
    """Return the table of strata; every unit is a pixel."""
    hectares = trial.pixel_size_m**2 / 10_000.0
    return strata_table(drawn.sizes, unit_area_ha=np.full(len(drawn.sizes), hectares))


def area_request(site: Site, trial: TrialSpec) -> AreaRequest:
    """Return what an indicator of a sampled square is asked with."""
    return AreaRequest(
        month=trial.month,
        region=f"square-{site.square.region}",
        confidence=VERDICT_LEVEL,
        provenance="simulated",
    )


@cache
def settings() -> Settings:
    """Return the project's settings, read once."""
    return load_settings()

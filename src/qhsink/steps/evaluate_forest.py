"""Forest cover, growing stock and wetland in a trial: rare, and from labelled plots.

Plots are labelled without error where they truly stand; the commands' own steps turn
the tables into estimates. Biomass of trees is in ``evaluate_trees``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from qhsink.config import Settings, load_forest_rules, load_settings, project_dir
from qhsink.domain.errors import QhsinkError
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import ForestRule
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.reliability import UNSEEN, sample_flags, strata_flags
from qhsink.estimation.request import TotalTables
from qhsink.estimation.skewness import estimator_skewness
from qhsink.estimation.survey import (
    Uncalibrated,
    estimate_total,
    rescale,
    stratified_sample,
)
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import (
    FOREST,
    STOCK,
    VERDICT_LEVEL,
    WETLAND,
    Result,
)
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import Asked, answer, as_text, strata_table
from qhsink.steps.forest_area import forest_from
from qhsink.steps.sampled_area import AreaRequest
from qhsink.steps.wetland import wetland_from
from qhsink.twin.campaign import (
    Drawn,
    Floats,
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


@cache
def _rule() -> ForestRule:
    return load_forest_rules(project_dir())["forest_national"]


def label_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: IntervalRules,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield forest cover, growing stock and wetland of a square, where it has any."""
    there = truth(site.x + MAP_SHIFT_M, site.y + MAP_SHIFT_M)
    forest = Labels(is_forest(site.ground), is_forest(there))
    wetland = Labels(site.ground.ecosystem == MARSH, there.ecosystem == MARSH)
    for drawn, mode in _campaigns(site, forest.mapped, trial, rng):
        ground = _visited(site, drawn, truth, trial.plots_rules, rng)
        if forest.true.mean() >= LEAST_SHARE:
            asked = (mode, forest, rules)
            yield from _forest(site, drawn, ground, asked, trial, rng)
        if mode == SIMPLE and forest.true.mean() >= LEAST_SHARE:
            yield from _with_the_map(site, drawn, is_forest(ground), forest, rules)
    if wetland.true.mean() < LEAST_SHARE:
        return
    for drawn, mode in _campaigns(site, wetland.mapped, trial, rng):
        ground = _visited(site, drawn, truth, trial.plots_rules, rng)
        seen = ground.ecosystem == MARSH
        yield _wetland(site, drawn, seen, (mode, wetland), trial)


SIMPLE, STRATIFIED = "simple random labels", "labels in map strata"
EDGED = "labels in map strata, edges apart"


def _campaigns(
    site: Site, mapped: Flags, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[tuple[Drawn, str]]:
    """Yield a simple random sample, and two stratified by the map of labels.

    The second has a stratum of its own around what is mapped, where most of what the
    map misses lies (Olofsson et al. 2020, Remote Sens. Environ. 236:111492).
    """
    yield draw_simple(mapped.size, trial.label_plots, rng), SIMPLE
    near = _near(site, mapped) & ~mapped
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


def _near(site: Site, mapped: Flags) -> Flags:
    """Return where what is mapped is within ``EDGE_PX`` pixels, shape (n,)."""
    lattice = np.zeros((site.rows.max() + 1, site.columns.max() + 1), dtype=np.bool_)
    lattice[site.rows, site.columns] = mapped
    wider = ndimage.binary_dilation(
        lattice, np.ones((3, 3), np.bool_), iterations=EDGE_PX
    )
    return np.asarray(wider[site.rows, site.columns])


def _visited(
    site: Site, drawn: Drawn, truth: Truth, rules: PlotRules, rng: np.random.Generator
) -> Ground:
    """Return what is where the plots truly stand."""
    count, far = drawn.index.size, rules.position_sd_m
    x = site.x[drawn.index] + rng.normal(0.0, far, count)
    return truth(x, site.y[drawn.index] + rng.normal(0.0, far, count))


def _forest(
    site: Site,
    drawn: Drawn,
    ground: Ground,
    asked: tuple[str, Labels, IntervalRules],
    trial: TrialSpec,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield forest cover and growing stock by ``indicators forest``."""
    mode, labels, rules = asked
    errors = trial.plots_rules
    volume = ground.growing_stock.astype(np.float64)
    volume *= 1.0 + errors.allometric_cv * rng.standard_normal()
    volume *= 1.0 + errors.tree_cv * rng.standard_normal(volume.size)
    plots = as_text(
        {
            "stratum": drawn.stratum,
            "forest": is_forest(ground).astype(int),
            "arbor": (ground.growing_stock > 0.0).astype(int),
            "volume_m3_ha": np.maximum(volume, 0.0),
        }
    )
    stock = site.ground.growing_stock.astype(np.float64)
    plain = [
        _plain(site, FOREST, mode, labels.true.astype(np.float64), len(plots)),
        _plain(site, STOCK, mode, stock, len(plots)),
    ]
    try:
        found = forest_from(
            plots,
            _frame(drawn, trial),
            _request(site, trial),
            _settings(),
            definition="national",
        )
    except QhsinkError as error:
        yield from (dataclasses.replace(row, refusal=str(error)) for row in plain)
        return
    rate = _given(plain[0], found.rate, 1.0)
    yield rate
    if mode != SIMPLE:
        unseen = tuple(flag for flag in rate.flags if flag == UNSEEN)
        logit = dataclasses.replace(rate, kind="logit", flags=unseen)
        yield dataclasses.replace(logit, mode=f"{mode}, logit")
    if found.stock is not None:
        yield _given(plain[1], found.stock, found.land.value)
        yield _skewed(plain[1], drawn, np.maximum(volume, 0.0), rules)


def _skewed(
    plain: Result, drawn: Drawn, volume: Floats, rules: IntervalRules
) -> Result:
    """Return growing stock by ``estimate total --interval skewed``."""
    design = stratified_sample(volume.size, stratum=drawn.stratum, sizes=drawn.sizes)
    total = estimate_total(design, Uncalibrated(np.ones(volume.size)), volume)
    moments = rescale(total, 1.0 / float(drawn.sizes.sum()))
    return dataclasses.replace(
        plain,
        mode=f"{plain.mode}, skewed",
        value=moments.value,
        se=moments.se,
        df=design.df(np.ones(volume.size, bool)),
        kind="skewed",
        skewness=estimator_skewness(moments.third or 0.0, moments.variance),
        flags=sample_flags(volume, kind="skewed", rules=rules)
        or strata_flags(volume, design.stratum, design.weight, se=total.se),
    )


def _with_the_map(
    site: Site, drawn: Drawn, seen: Flags, labels: Labels, rules: IntervalRules
) -> Iterator[Result]:
    """Yield the same plots helped by the map of labels, wall to wall."""
    mapped = labels.mapped.astype(np.int64)
    sample = as_text({"y": seen.astype(int), "map": mapped[drawn.index]})
    sizes = np.bincount(mapped, minlength=2).astype(np.float64)
    means = as_text({"map": [mapped.mean()]})
    size = float(site.x.size)
    for mode, options, tables in (
        (
            "post-stratified labels",
            {"method": "poststratified", "stratum": "map"},
            TotalTables(sample, strata=strata_table(sizes)),
        ),
        (
            "post-stratified labels, logit",
            {"method": "poststratified", "stratum": "map", "interval": "logit"},
            TotalTables(sample, strata=strata_table(sizes)),
        ),
        (
            "ratio to mapped labels",
            {"method": "ratio", "population": size, "ratio_of": "map"},
            TotalTables(sample, aux_means=means),
        ),
    ):
        asked = Asked(mode, options, tables)
        yield answer(site, asked, labels.true.astype(np.float64), FOREST, rules)


def _wetland(
    site: Site, drawn: Drawn, seen: Flags, asked: tuple[str, Labels], trial: TrialSpec
) -> Result:
    """Return the share of wetland by ``indicators wetland``."""
    mode, labels = asked
    plots = as_text({"stratum": drawn.stratum, "wetland": seen.astype(int)})
    plain = _plain(site, WETLAND, mode, labels.true.astype(np.float64), len(plots))
    frame = _frame(drawn, trial)
    try:
        found = wetland_from(plots, frame, _request(site, trial), _settings())
    except QhsinkError as error:
        return dataclasses.replace(plain, refusal=str(error))
    return _given(plain, found.area, found.area.area_ha)


def _plain(site: Site, indicator: str, mode: str, true: Floats, n: int) -> Result:
    return Result(
        f"square-{site.square.region}",
        "square",
        indicator,
        mode,
        n,
        float(true.mean()),
        math.nan,
        math.nan,
        0.0,
    )


def _given(plain: Result, found: Estimate, units: float) -> Result:
    """Return a line with the estimate per ``units``."""
    return dataclasses.replace(
        plain,
        value=found.value / units,
        se=found.se / units,
        df=found.df,
        flags=found.flags,
    )


def _frame(drawn: Drawn, trial: TrialSpec) -> pd.DataFrame:
    """Return the table of strata; every unit is a pixel."""
    hectares = trial.pixel_size_m**2 / 10_000.0
    return strata_table(drawn.sizes, unit_area_ha=np.full(len(drawn.sizes), hectares))


def _request(site: Site, trial: TrialSpec) -> AreaRequest:
    return AreaRequest(
        month=trial.month,
        region=f"square-{site.square.region}",
        confidence=VERDICT_LEVEL,
        provenance="simulated",
    )


@cache
def _settings() -> Settings:
    return load_settings()

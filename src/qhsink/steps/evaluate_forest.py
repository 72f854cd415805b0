"""Forest cover, growing stock and wetland in a trial: rare, and from labelled plots.

Plots are labelled without error where they truly stand; the commands' own steps turn
the tables into estimates. Biomass of trees is in ``evaluate_trees``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from qhsink.domain.errors import QhsinkError
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
from qhsink.steps.evaluate_labels import (
    LEAST_SHARE,
    MAP_SHIFT_M,
    SIMPLE,
    Flags,
    Labels,
    area_request,
    frame_of,
    given,
    is_forest,
    is_marsh,
    label_campaigns,
    plain_line,
    settings,
    visited,
)
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import FOREST, STOCK, WETLAND, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import Asked, answer, as_text, strata_table
from qhsink.steps.forest_area import forest_from
from qhsink.steps.wetland import wetland_from
from qhsink.twin.campaign import Drawn, Floats, Truth
from qhsink.twin.ground import Ground


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
    wetland = Labels(is_marsh(site.ground), is_marsh(there))
    for drawn, mode in label_campaigns(site, forest.mapped, trial, rng):
        ground = visited(site, drawn, truth, trial.plots_rules, rng)
        if forest.true.mean() >= LEAST_SHARE:
            asked = (mode, forest, rules)
            yield from _forest(site, drawn, ground, asked, trial, rng)
        if mode == SIMPLE and forest.true.mean() >= LEAST_SHARE:
            yield from _with_the_map(site, drawn, is_forest(ground), forest, rules)
    if wetland.true.mean() < LEAST_SHARE:
        return
    for drawn, mode in label_campaigns(site, wetland.mapped, trial, rng):
        ground = visited(site, drawn, truth, trial.plots_rules, rng)
        yield _wetland(site, drawn, is_marsh(ground), (mode, wetland), trial)


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
        plain_line(site, FOREST, mode, float(labels.true.mean()), len(plots)),
        plain_line(site, STOCK, mode, float(stock.mean()), len(plots)),
    ]
    try:
        found = forest_from(
            plots,
            frame_of(drawn, trial),
            area_request(site, trial),
            settings(),
            definition="national",
        )
    except QhsinkError as error:
        yield from (dataclasses.replace(row, refusal=str(error)) for row in plain)
        return
    rate = given(plain[0], found.rate, 1.0)
    yield rate
    if mode != SIMPLE:
        unseen = tuple(flag for flag in rate.flags if flag == UNSEEN)
        logit = dataclasses.replace(rate, kind="logit", flags=unseen)
        yield dataclasses.replace(logit, mode=f"{mode}, logit")
    if found.stock is not None:
        yield given(plain[1], found.stock, found.land.value)
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
    plain = plain_line(site, WETLAND, mode, float(labels.true.mean()), len(plots))
    frame = frame_of(drawn, trial)
    try:
        found = wetland_from(plots, frame, area_request(site, trial), settings())
    except QhsinkError as error:
        return dataclasses.replace(plain, refusal=str(error))
    return given(plain, found.area, found.area.area_ha)

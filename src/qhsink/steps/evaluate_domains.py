"""Sub-regions and ratios of ``estimate total`` in a trial: domains with the map.

From one simple random campaign of a square; other uses of such plots are in
``evaluate_totals``, small-area estimators in ``evaluate_parts``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from qhsink.domain.errors import QhsinkError
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.domains import Level, TotalEstimate
from qhsink.estimation.request import TotalRequest, TotalTables
from qhsink.estimation.total import estimate_totals
from qhsink.steps.evaluate_labels import plain_line
from qhsink.steps.evaluate_map import filled, land_parts
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import Sampled, measure
from qhsink.steps.evaluate_result import COVER, HERBS_PER_COVER, VERDICT_LEVEL, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import MAP, Asked, Y, as_text
from qhsink.twin.campaign import Truth, draw_simple

PART, HERBS = "part", "herbs"
"""Columns of the tables, beside those of ``evaluate_totals``."""


def domain_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: IntervalRules,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield cover of every sub-region with the map, and herbs per cover of a square."""
    drawn = draw_simple(site.x.size, trial.plots, rng)
    sampled = measure(site, drawn, truth, trial.plots_rules, rng)
    sample = as_text(
        {
            Y: sampled.cover,
            HERBS: sampled.herbs,
            MAP: sampled.map,
            PART: site.part[drawn.index],
        }
    )
    wanted = land_parts(site, trial)
    for asked in _by_part(site, TotalTables(sample)):
        for row in _asked(asked, Y, rules):
            if row.domain in wanted:
                yield _of_part(site, asked.mode, row)
    yield _ratio(sampled, TotalTables(sample), rules)


def _by_part(site: Site, tables: TotalTables) -> Iterator[Asked]:
    """Yield the requests whose rows are sub-regions."""
    whole, size = filled(site), float(site.x.size)
    names, code = np.unique(site.part, return_inverse=True)
    units = np.bincount(code).astype(np.float64)
    means = as_text(
        {PART: names, MAP: np.bincount(code, weights=whole) / units, "units": units}
    )
    options: dict[str, Any] = {"population": size, "domain": PART, "aux": (MAP,)}
    known = dataclasses.replace(tables, aux_means=means)
    yield Asked(
        "difference (map), by sub-region", options | {"method": "difference"}, known
    )
    yield Asked(
        "regression (map), by sub-region", options | {"method": "regression"}, known
    )
    yield Asked(
        "regression (map) of the square, sub-regions as domains",
        options | {"method": "regression"},
        dataclasses.replace(tables, aux_means=as_text({MAP: [whole.mean()]})),
    )


def _asked(asked: Asked, y: str, rules: IntervalRules) -> tuple[TotalEstimate, ...]:
    level = Level(VERDICT_LEVEL, "t", rules)
    return estimate_totals(
        TotalRequest(y=y, level=level, **asked.options), asked.tables
    )


def _of_part(site: Site, mode: str, row: TotalEstimate) -> Result:
    """Return the row of a sub-region beside its truth."""
    true = float(site.cover[site.part == row.domain].mean())
    plain = Result(str(row.domain), "part", COVER, mode, row.n, true)
    return _given(plain, row)


def _ratio(sampled: Sampled, tables: TotalTables, rules: IntervalRules) -> Result:
    """Return herb biomass per unit of cover: a ratio of two totals."""
    site, mode = sampled.site, "ratio of two totals"
    herbs = float(site.ground.agb_grass.astype(np.float64).mean())
    plain = plain_line(
        site, HERBS_PER_COVER, mode, herbs / float(site.cover.mean()), sampled.map.size
    )
    options = {"method": "ratio", "ratio_of": Y, "population": float(site.x.size)}
    try:
        (row,) = _asked(Asked(mode, options, tables), HERBS, rules)
    except QhsinkError as error:
        return dataclasses.replace(plain, refusal=str(error))
    return _given(plain, row)


def _given(plain: Result, row: TotalEstimate) -> Result:
    if row.mean is None or row.se_mean is None or row.ci_mean is None:
        return dataclasses.replace(plain, refusal="no interval")
    return dataclasses.replace(
        plain, n=row.n, value=row.mean, se=row.se_mean, df=row.df, flags=row.flags
    )

"""Cover of sub-regions with few plots each: small-area estimators and plots alone.

Whole squares are in ``evaluate_plots``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from qhsink.estimation.domains import estimate_by_domain
from qhsink.estimation.nested_error import Fit
from qhsink.estimation.small_area import (
    SmallAreaEstimate,
    UnitSample,
    eblup,
    fit_nested_error,
    greg_by_domain,
    synthetic,
)
from qhsink.steps.evaluate_map import filled, land_parts
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import Sampled, measure, simple_design
from qhsink.steps.evaluate_result import COVER, Result
from qhsink.steps.evaluate_site import Site
from qhsink.twin.campaign import Floats, Truth, draw_simple

OTHER_FITS: tuple[Fit, ...] = ("reml", "ml")
_MODES = {
    "synthetic": "small area: synthetic",
    "greg": "small area: GREG by domain",
    "eblup": "small area: EBLUP",
}


def small_areas(sampled: Sampled, trial: TrialSpec) -> Iterator[Result]:
    """Yield cover of the sub-regions of a square from its simple random campaign."""
    site = sampled.site
    sample, means = _unit_sample(sampled, trial)
    if len(np.unique(sample.domain)) > 2:
        model = fit_nested_error(sample, fit="adjusted")
        rows = [
            *synthetic(model, sample, means),
            *greg_by_domain(sample, simple_design(sampled).weight, means),
            *eblup(model, sample, means),
        ]
        yield from (_small_area(r, site) for r in rows if r.root_mse is not None)
    yield from _alone(sampled, sample.domain, set(means))


def other_fits(
    site: Site, truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield the same from fits that may find all sub-regions alike: REML and ML."""
    drawn = draw_simple(site.x.size, trial.plots, rng)
    sampled = measure(site, drawn, truth, trial.plots_rules, rng)
    sample, means = _unit_sample(sampled, trial)
    if len(np.unique(sample.domain)) <= 2:
        return
    for fit in OTHER_FITS:
        model = fit_nested_error(sample, fit=fit)
        for row in (*synthetic(model, sample, means), *eblup(model, sample, means)):
            found = _small_area(row, site)
            yield dataclasses.replace(found, mode=f"{found.mode}, {fit.upper()}")


def _unit_sample(
    sampled: Sampled, trial: TrialSpec
) -> tuple[UnitSample, dict[str, Floats]]:
    """Return the plots with the map beside them, and the map's means by sub-region."""
    site, y = sampled.site, sampled.cover
    whole = filled(site)
    means = {
        name: np.array([1.0, float(whole[inside].mean())])
        for name, inside in land_parts(site, trial).items()
    }
    columns = np.column_stack([np.ones(y.size), sampled.map])
    return UnitSample(y, columns, site.part[sampled.drawn.index]), means


def _small_area(row: SmallAreaEstimate, site: Site) -> Result:
    return Result(
        row.domain,
        "part",
        COVER,
        _MODES[row.method],
        row.n,
        float(site.cover[site.part == row.domain].mean()),
        row.value,
        row.root_mse or 0.0,
        row.df,
        flags=row.flags,
    )


def _alone(
    sampled: Sampled, part: np.ndarray[tuple[int], np.dtype[np.str_]], wanted: set[str]
) -> Iterator[Result]:
    site = sampled.site
    for direct in estimate_by_domain(
        simple_design(sampled), sampled.cover, domain=part
    ):
        if direct.domain in wanted and direct.df > 0:
            yield Result(
                direct.domain,
                "part",
                COVER,
                "plots of the sub-region alone",
                direct.n,
                float(site.cover[site.part == direct.domain].mean()),
                direct.mean or 0.0,
                direct.se_mean or 0.0,
                direct.df,
            )

"""The wetland protection rate in a trial: part of a square taken as protected.

From labelled plots by ``indicators wetland``; the share of wetland itself is in
``evaluate_forest``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from qhsink.domain.errors import QhsinkError
from qhsink.steps.evaluate_labels import (
    LEAST_SHARE,
    Flags,
    Labels,
    area_request,
    frame_of,
    given,
    is_marsh,
    near_mapped,
    plain_line,
    settings,
    visited,
)
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import PROTECTED, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import as_text
from qhsink.steps.wetland import wetland_from
from qhsink.twin.campaign import (
    Drawn,
    Truth,
    draw_simple,
    draw_stratified,
)

SIMPLE_RATE = "simple random labels, rate"
AIMED_RATE = "labels by map and protection, rate"
SUCH_STRATA = 4
LEAST_PIXELS = 2


def protection_rate(
    site: Site,
    labels: Labels,
    truth: Truth,
    trial: TrialSpec,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield the share of a square's wetland that lies in its western half.

    That half is the protected area; its boundary is known, as an official one is.

    Parameters
    ----------
    labels : Labels
        Wetland and its map.
    """
    inside = protected(site)
    if labels.true.mean() < LEAST_SHARE or not (labels.true & inside).any():
        return
    true = float(np.mean(inside[labels.true]))
    for drawn, mode in _campaigns(site, labels.mapped, inside, trial, rng):
        there = visited(site, drawn, truth, trial.plots_rules, rng)
        plain = plain_line(site, PROTECTED, mode, true, drawn.index.size)
        yield _rate(site, drawn, (is_marsh(there), inside[drawn.index]), plain, trial)


def _campaigns(
    site: Site,
    mapped: Flags,
    inside: Flags,
    trial: TrialSpec,
    rng: np.random.Generator,
) -> Iterator[tuple[Drawn, str]]:
    """Yield a simple random sample, and one stratified by map and protection.

    Mapped wetland inside and outside, what is near it, and the rest: both parts of the
    rate are then met by many plots.
    """
    yield draw_simple(mapped.size, trial.label_plots, rng), SIMPLE_RATE
    near = near_mapped(site, mapped) & ~mapped
    strata = np.where(mapped, np.where(inside, 0, 1), np.where(near, 2, 3))
    code = np.unique(strata, return_inverse=True)[1].astype(np.intp)
    sizes = np.bincount(code)
    if sizes.size == SUCH_STRATA and sizes.min() >= LEAST_PIXELS:
        least = trial.label_plots // (SUCH_STRATA + 1)
        drawn = draw_stratified(code, trial.label_plots, minimum=least, rng=rng)
        yield drawn, AIMED_RATE


def protected(site: Site) -> Flags:
    """Return which pixels of a square are protected, shape (n,)."""
    return np.asarray(2 * site.columns < site.columns.max() + 1)


def _rate(
    site: Site, drawn: Drawn, seen: tuple[Flags, Flags], plain: Result, trial: TrialSpec
) -> Result:
    wetland, safe = seen
    plots = as_text(
        {
            "stratum": drawn.stratum,
            "wetland": wetland.astype(int),
            "protected": safe.astype(int),
        }
    )
    frame = frame_of(drawn, trial)
    try:
        found = wetland_from(plots, frame, area_request(site, trial), settings())
    except QhsinkError as error:
        return dataclasses.replace(plain, refusal=str(error))
    if found.rate is None:
        return dataclasses.replace(plain, refusal="no rate")
    return given(plain, found.rate, 1.0)

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
    label_campaigns,
    plain_line,
    settings,
    visited,
)
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import PROTECTED, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import as_text
from qhsink.steps.wetland import wetland_from
from qhsink.twin.campaign import Drawn, Truth


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
    for drawn, mode in label_campaigns(site, labels.mapped, trial, rng):
        there = visited(site, drawn, truth, trial.plots_rules, rng)
        plain = plain_line(site, PROTECTED, f"{mode}, rate", true, drawn.index.size)
        yield _rate(site, drawn, (is_marsh(there), inside[drawn.index]), plain, trial)


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

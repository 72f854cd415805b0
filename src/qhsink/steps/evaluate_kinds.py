"""Kinds of interval of ``estimate total`` in a trial: shares by beta, logit and normal.

The campaigns are those of ``evaluate_labels``; other kinds of these shares are in
``evaluate_forest``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.request import TotalTables
from qhsink.steps.evaluate_labels import (
    LEAST_SHARE,
    SIMPLE,
    Flags,
    Labels,
    label_campaigns,
    visited,
)
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import FOREST, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import Asked, answer, as_text, strata_table
from qhsink.twin.campaign import Drawn, Truth
from qhsink.twin.ground import Ground

KINDS = ("beta", "normal")
"""Tried here; the t interval of the same shares is that of the indicators."""


def shares_by_kind(
    site: Site,
    labels: Labels,
    seen: Callable[[Ground], Flags],
    truth: Truth,
    trial: TrialSpec,
    rules: IntervalRules,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield forest cover of a square with every further kind of interval."""
    if labels.true.mean() < LEAST_SHARE:
        return
    true = labels.true.astype(np.float64)
    for drawn, mode in label_campaigns(site, labels.mapped, trial, rng):
        there = seen(visited(site, drawn, truth, trial.plots_rules, rng))
        kinds = (*KINDS, "logit") if mode == SIMPLE else KINDS
        for kind in kinds:
            asked = _asked(f"{mode}, {kind}", drawn, there, kind)
            yield answer(site, asked, true, FOREST, rules)


def _asked(mode: str, drawn: Drawn, seen: Flags, kind: str) -> Asked:
    columns: dict[str, Any] = {"y": seen.astype(int)}
    if drawn.sizes.size == 1:
        options: dict[str, Any] = {
            "method": "srs",
            "population": float(drawn.sizes[0]),
        }
        return Asked(mode, options | {"interval": kind}, TotalTables(as_text(columns)))
    columns["stratum"] = drawn.stratum
    return Asked(
        mode,
        {"method": "stratified", "stratum": "stratum", "interval": kind},
        TotalTables(as_text(columns), strata=strata_table(drawn.sizes)),
    )

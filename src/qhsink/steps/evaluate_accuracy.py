"""Accuracies of a map in a trial: overall, user's and producer's, from labelled plots.

The map of labels lies off (``evaluate_labels``), so that its true accuracies are known;
the estimator is that of ``estimate area``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np

from qhsink.estimation.area import Accuracy, AreaEstimate, Stratum, estimate_area
from qhsink.estimation.area import Labels as LabelTable
from qhsink.steps.evaluate_labels import (
    LEAST_SHARE,
    Flags,
    Labels,
    label_campaigns,
    plain_line,
    visited,
)
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_result import (
    OVERALL,
    PRODUCERS,
    USERS,
    VERDICT_LEVEL,
    Result,
)
from qhsink.steps.evaluate_site import Site
from qhsink.twin.campaign import Drawn, Truth
from qhsink.twin.ground import Ground

CLASS, OTHER = "class", "other"
"""Names of the two classes in the tables."""


def map_accuracies(
    site: Site,
    labels: Labels,
    seen: Callable[[Ground], Flags],
    truth: Truth,
    trial: TrialSpec,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield the accuracies of a map of one class by every campaign of labels.

    Parameters
    ----------
    labels : Labels
        The class and its map.
    seen : callable
        What an interpreter sees of a place.
    """
    if min(labels.true.mean(), labels.mapped.mean()) < LEAST_SHARE:
        return
    right = labels.true & labels.mapped
    true = {
        OVERALL: float(np.mean(labels.true == labels.mapped)),
        USERS: float(right.sum() / labels.mapped.sum()),
        PRODUCERS: float(right.sum() / labels.true.sum()),
    }
    for drawn, mode in label_campaigns(site, labels.mapped, trial, rng):
        there = seen(visited(site, drawn, truth, trial.plots_rules, rng))
        found = _estimated(drawn, labels.mapped[drawn.index], there)
        for indicator, (value, se, one) in _accuracies(found).items():
            plain = plain_line(
                site, indicator, f"{mode}, accuracies", true[indicator], found.n
            )
            yield _told(plain, value, se, one)


def _estimated(drawn: Drawn, mapped: Flags, seen: Flags) -> AreaEstimate:
    """Return what ``estimate area`` says of a campaign."""
    table = LabelTable(
        stratum=drawn.stratum.astype(str),
        map=np.where(mapped, CLASS, OTHER),
        reference=np.where(seen, CLASS, OTHER),
        count=np.ones(mapped.size),
    )
    strata = {str(h): Stratum(float(units)) for h, units in enumerate(drawn.sizes)}
    # A third of the pixels mapped as forest may be in the sample, none of them twice.
    return estimate_area(table, strata, fpc=True, confidence=VERDICT_LEVEL)


Told = tuple[float | None, float | None, Accuracy | None]


def _accuracies(found: AreaEstimate) -> dict[str, Told]:
    """Return value, standard error and interval of each accuracy."""
    told: dict[str, Told] = {
        OVERALL: (found.overall_accuracy, found.se_overall_accuracy, found.overall)
    }
    one = found.classes.get(CLASS)
    if one is not None:
        told[USERS] = one.users_accuracy, one.se_users, one.users
        told[PRODUCERS] = one.producers_accuracy, one.se_producers, one.producers
    return told


def _told(
    plain: Result, value: float | None, se: float | None, one: Accuracy | None
) -> Result:
    if value is None or se is None or one is None:
        return dataclasses.replace(plain, refusal="the sample met none of the class")
    return dataclasses.replace(
        plain, value=value, se=se, df=math.inf, kind="logit", flags=one.flags
    )

"""Areas and accuracies of map classes from a stratified sample of reference labels.

Counts of map pixels are never areas here: a class's area comes from the reference
labels; the map only shaped the strata. Reading tables does not belong here.

References
----------
Olofsson et al. (2014) Remote Sens. Environ. 148:42-57.
Stehman (2014) Int. J. Remote Sens. 35:4923-4939.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.estimation.intervals import Limits, critical_value, limits
from qhsink.estimation.labels import Labels, LabelSample, Stratum, lay_out
from qhsink.estimation.reliability import NO_VARIATION
from qhsink.estimation.survey import Floats, Moments

__all__ = [
    "Accuracy",
    "AreaEstimate",
    "ClassEstimate",
    "Labels",
    "Stratum",
    "estimate_area",
]

OLOFSSON = "Olofsson 2014: strata are the map classes"
STEHMAN = "Stehman 2014: strata are not the map classes"
GOOD_PRACTICE_Z = 1.96
"""The quantile Olofsson et al. (2014) print at 95 %; the exact one is 1.959964."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What the sample says of an accuracy beside its value."""

    ci: Limits | None
    """Confidence limits, 0..1; None where the sample met no case of one kind."""
    flags: tuple[str, ...]
    """What speaks against the interval: ``reliability``."""


@dataclass(frozen=True, slots=True)
class ClassEstimate:
    """Area and accuracy of one class. None where a figure is undefined."""

    proportion: float
    """Share of the total area, 0..1."""
    se_proportion: float
    """Its standard error."""
    area_ha: float
    """Area [ha], or [units] without a unit area."""
    se_ha: float
    """Its standard error, same unit."""
    ci_ha: Limits
    """Confidence limits of the area, same unit; not clipped at 0."""
    users_accuracy: float | None
    """Share of the mapped class that is right; None for a class never mapped."""
    se_users: float | None
    """Its standard error."""
    producers_accuracy: float | None
    """Share of the true class that is mapped; None for a class never found."""
    se_producers: float | None
    """Its standard error."""
    flags: tuple[str, ...] = ()
    """What speaks against the interval of the area: ``reliability``."""
    users: Accuracy | None = None
    """Interval of the user's accuracy; None like it."""
    producers: Accuracy | None = None
    """Interval of the producer's accuracy."""


@dataclass(frozen=True, slots=True)
class AreaEstimate:
    """Areas and accuracies of all classes."""

    classes: dict[str, ClassEstimate]
    """Estimate by class, sorted by name."""
    overall_accuracy: float
    """Share of the area that is mapped right."""
    se_overall_accuracy: float
    """Its standard error."""
    overall: Accuracy
    """Its interval."""
    n: int
    """Sample units."""
    method: str
    """Whose estimator, and whether corrected for the finite population."""
    confidence: float
    """Level of ``ci_ha``."""
    critical_value: float
    """Quantile by which the standard error was multiplied."""
    area_unit: str
    """``ha`` or ``units``."""
    total_area: float
    """Area of all strata, in ``area_unit``."""
    matrix: dict[str, dict[str, float]]
    """Estimated share of area by map class, then reference class."""


def estimate_area(
    labels: Labels,
    strata: Mapping[str, Stratum],
    *,
    fpc: bool = False,
    confidence: float = 0.95,
) -> AreaEstimate:
    """Return the area and accuracy of every class on the map or in the reference.

    Parameters
    ----------
    labels : Labels
        Reference sample; may be of groups with counts.
    strata : mapping of stratum to Stratum
        The whole frame; every stratum must be sampled.
    fpc : bool
        Correct for sampling without replacement (1 - n_h / N_h).
    confidence : float
        Level of the area's interval.

    Raises
    ------
    TableError
        When a stratum is unknown or has fewer than 2 units, when some strata have a
        unit area and others not, or when more units are sampled than exist.

    Notes
    -----
    Both papers are one estimator; ``method`` names which case it is. Intervals of
    areas are normal, as in both; at 95 % Olofsson's case uses their rounded 1.96, so
    that their printed half-widths come out. Those of accuracies are on the logit
    scale with the same quantile: near 1, and from few units of a class, the normal
    one covers far less than it says (``docs/coverage.md``).
    """
    sample, area = lay_out(labels, strata, fpc=fpc)
    olofsson = bool(np.all(labels.stratum == labels.map))
    quantile = _quantile(confidence, olofsson=olofsson)
    names = sorted(set(labels.map.tolist()) | set(labels.reference.tolist()))
    agree = (labels.map == labels.reference).astype(float)
    classes = {
        name: _class_estimate(
            name, labels, sample, area=area, quantile=quantile, confidence=confidence
        )
        for name in names
    }
    overall = Moments(sample.mean(agree), sample.variance(agree))
    has_area = next(iter(strata.values())).unit_area_ha is not None
    correction = "with" if fpc else "without"
    return AreaEstimate(
        classes=classes,
        overall_accuracy=overall.value,
        se_overall_accuracy=overall.se,
        overall=_accuracy(overall, agree, sample, scale=1.0, confidence=confidence),
        n=int(labels.count.sum()),
        method=f"{OLOFSSON if olofsson else STEHMAN}; {correction} finite population "
        "correction; normal interval",
        confidence=confidence,
        critical_value=quantile,
        area_unit="ha" if has_area else "units",
        total_area=area,
        matrix=_matrix(labels, sample, names),
    )


def _quantile(confidence: float, *, olofsson: bool) -> float:
    exact = critical_value(confidence, kind="normal")
    if exact is None or (olofsson and confidence == 0.95):
        return GOOD_PRACTICE_Z
    return exact


def _class_estimate(
    name: str,
    labels: Labels,
    sample: LabelSample,
    *,
    area: float,
    quantile: float,
    confidence: float,
) -> ClassEstimate:
    mapped = (labels.map == name).astype(float)
    found = (labels.reference == name).astype(float)
    share = sample.mean(found)
    se = math.sqrt(sample.variance(found))
    users = sample.ratio(mapped * found, mapped)
    producers = sample.ratio(mapped * found, found)
    half = quantile * area * se
    return ClassEstimate(
        proportion=share,
        se_proportion=se,
        area_ha=area * share,
        se_ha=area * se,
        ci_ha=(area * share - half, area * share + half),
        users_accuracy=None if users is None else users.value,
        se_users=None if users is None else users.se,
        producers_accuracy=None if producers is None else producers.value,
        se_producers=None if producers is None else producers.se,
        flags=sample.doubts(found, se),
        users=None
        if users is None
        else _accuracy(
            users,
            found,
            sample,
            scale=sample.mean(mapped),
            confidence=confidence,
            among=mapped > 0.0,
        ),
        # One more unit of the class, met where none was, would be an omission.
        producers=None
        if producers is None
        else _accuracy(
            producers,
            found * producers.value,
            sample,
            scale=share,
            confidence=confidence,
        ),
    )


def _accuracy(
    ratio: Moments,
    worth: Floats,
    sample: LabelSample,
    *,
    scale: float,
    confidence: float,
    among: NDArray[np.bool_] | None = None,
) -> Accuracy:
    """Return the interval of an accuracy and what speaks against it.

    Parameters
    ----------
    worth : float array of shape (n,)
        How far a unit of the sample moves the accuracy, over ``scale``.
    scale : float
        Share of the area that the accuracy is of.
    among : bool array of shape (n,), optional
        Units that it is of; all by default.
    """
    if ratio.se == 0.0:
        return Accuracy(None, (NO_VARIATION,))
    ci = limits(
        min(ratio.value, 1.0),
        ratio.se,
        df=math.inf,
        n=int(sample.count.sum()),
        confidence=confidence,
        kind="logit",
    )
    return Accuracy(ci, sample.doubts(worth, ratio.se * scale, among))


def _matrix(
    labels: Labels, sample: LabelSample, names: list[str]
) -> dict[str, dict[str, float]]:
    """Estimated cell shares: Olofsson et al. (2014) eq. 4; Stehman (2014) eq. 16."""
    return {
        row: {
            column: sample.mean(
                ((labels.map == row) & (labels.reference == column)).astype(float)
            )
            for column in names
        }
        for row in names
    }

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

from qhsink.domain.errors import TableError
from qhsink.estimation.intervals import Limits, critical_value
from qhsink.estimation.reliability import strata_flags
from qhsink.estimation.schema import match_strata, refuse_thin_strata
from qhsink.estimation.survey import Floats, Moments

OLOFSSON = "Olofsson 2014: strata are the map classes"
STEHMAN = "Stehman 2014: strata are not the map classes"
GOOD_PRACTICE_Z = 1.96
"""The quantile Olofsson et al. (2014) print at 95 %; the exact one is 1.959964."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """One sampling stratum."""

    units: float
    """Sampling units (pixels) in it."""
    unit_area_ha: float | None = None
    """Area of a unit [ha]; None when areas are wanted in units."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Reference sample, one entry per unit or per group of like units."""

    stratum: NDArray[np.str_]
    """Stratum the unit was drawn from, shape (n,)."""
    map: NDArray[np.str_]
    """Class on the map."""
    reference: NDArray[np.str_]
    """Class by the interpreter."""
    count: Floats
    """Units in the entry, whole numbers."""


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


@dataclass(frozen=True, slots=True)
class AreaEstimate:
    """Areas and accuracies of all classes."""

    classes: dict[str, ClassEstimate]
    """Estimate by class, sorted by name."""
    overall_accuracy: float
    """Share of the area that is mapped right."""
    se_overall_accuracy: float
    """Its standard error."""
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


@dataclass(frozen=True, slots=True)
class _Sample:
    """The sample with its design worked out."""

    code: NDArray[np.intp]
    count: Floats
    size: Floats
    """Sample units by stratum."""
    share: Floats
    """Share of the total area by stratum."""
    open_share: Floats
    """1 - sampling fraction by stratum, or 1."""

    def mean(self, variable: Floats) -> float:
        """Area-weighted mean: Stehman (2014) eq. 2; Olofsson et al. (2014) eq. 9."""
        return float(np.sum(self.share * self._stratum_mean(variable)))

    def _stratum_mean(self, variable: Floats) -> Floats:
        sums = np.bincount(
            self.code, weights=self.count * variable, minlength=len(self.size)
        )
        means: Floats = sums / self.size
        return means

    def variance(self, variable: Floats) -> float:
        """Variance of ``mean``: Stehman (2014) eq. 25; Cochran (1977) eq. 5.12."""
        gap = variable - self._stratum_mean(variable)[self.code]
        spread = np.bincount(
            self.code, weights=self.count * gap**2, minlength=len(self.size)
        ) / (self.size - 1.0)
        return float(np.sum(self.share**2 * self.open_share * spread / self.size))

    def ratio(self, above: Floats, below: Floats) -> Moments | None:
        """Ratio of two means: Stehman (2014) eq. 28.

        The variance of y - R x over X^2 is eq. 28 written out: s_y^2 + R^2 s_x^2 -
        2 R s_xy. With strata that are the map classes it equals Olofsson et al.
        (2014) eq. 6 and 7.
        """
        base = self.mean(below)
        if base == 0.0:
            return None
        value = self.mean(above) / base
        return Moments(value, self.variance(above - value * below) / base**2)


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
    Both papers are one estimator; ``method`` names which case it is. Intervals are
    normal, as in both; at 95 % Olofsson's case uses their rounded 1.96, so that
    their printed half-widths come out.
    """
    sample, area = _lay_out(labels, strata, fpc=fpc)
    olofsson = bool(np.all(labels.stratum == labels.map))
    quantile = _quantile(confidence, olofsson=olofsson)
    names = sorted(set(labels.map.tolist()) | set(labels.reference.tolist()))
    agree = (labels.map == labels.reference).astype(float)
    classes = {
        name: _class_estimate(name, labels, sample, area=area, quantile=quantile)
        for name in names
    }
    has_area = next(iter(strata.values())).unit_area_ha is not None
    correction = "with" if fpc else "without"
    return AreaEstimate(
        classes=classes,
        overall_accuracy=sample.mean(agree),
        se_overall_accuracy=math.sqrt(sample.variance(agree)),
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


def _lay_out(
    labels: Labels, strata: Mapping[str, Stratum], *, fpc: bool
) -> tuple[_Sample, float]:
    names = list(strata)
    units = np.asarray([strata[name].units for name in names])
    areas = _unit_areas(strata) * units
    code = match_strata(
        labels.stratum, {name: strata[name].units for name in names}, least=0
    )
    size = np.bincount(code, weights=labels.count, minlength=len(names))
    refuse_thin_strata(size.astype(np.intp), names)
    if np.any(size > units):
        worst = int(np.argmax(size - units))
        raise TableError(
            f"stratum {names[worst]!r}: {size[worst]:g} sample units of "
            f"{units[worst]:g}",
            expected="no more sample units than units",
            remedy="Give the stratum's size in sampling units, not in hectares.",
        )
    open_share = 1.0 - size / units if fpc else np.ones(len(names))
    total = float(areas.sum())
    return _Sample(
        code, labels.count, size.astype(float), areas / total, open_share
    ), total


def _unit_areas(strata: Mapping[str, Stratum]) -> Floats:
    known = [stratum.unit_area_ha for stratum in strata.values()]
    given = [area for area in known if area is not None]
    if given and len(given) < len(known):
        raise TableError(
            "a unit area in some strata only",
            expected="unit_area_ha in every row, or no such column",
            remedy="Fill in the column.",
        )
    return np.asarray(given or np.ones(len(known)), dtype=float)


def _class_estimate(
    name: str, labels: Labels, sample: _Sample, *, area: float, quantile: float
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
        flags=_doubts(found, sample, se),
    )


def _doubts(found: Floats, sample: _Sample, se: float) -> tuple[str, ...]:
    """Return the flag of a stratum that says nothing and weighs much."""
    weight = (sample.share / sample.size)[sample.code]
    units = sample.count.astype(np.intp)
    return strata_flags(
        np.repeat(found, units),
        np.repeat(sample.code, units),
        np.repeat(weight, units),
        se=se,
    )


def _matrix(
    labels: Labels, sample: _Sample, names: list[str]
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

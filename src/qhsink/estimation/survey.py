"""Totals, means and ratios from a probability sample, by linearisation.

One engine for every design with strata, clusters, unequal weights and calibration:
an estimator supplies a linearised variable and the design supplies its variance.
Reading tables does not belong here; nor do designs whose variance is not that of a
stratified sample of clusters (``two_phase``, ``unequal``).

References
----------
Cochran (1977) Sampling Techniques, 3rd ed., chapters 2, 5, 6, 9, 11.
Saerndal, Swensson and Wretman (1992) Model Assisted Survey Sampling, chapters 3, 5-7.
Lumley (2004) J. Stat. Softw. 9(8): the R package ``survey``, whose conventions for
domains, degrees of freedom and calibrated variances are followed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.skewness import sum_third_cumulant

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Moments:
    """A point estimate and its variance."""

    value: float
    """The estimate."""
    variance: float
    """Its estimated variance, in the unit squared; never negative."""
    third: float | None = None
    """Its estimated third cumulant, in the unit cubed; None where none is known."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.variance)):
            raise TableError(
                f"an estimate of {self.value:g} with variance {self.variance:g}",
                expected="values and weights whose sums and squares are numbers",
                remedy="Check the units of the columns.",
            )

    @property
    def se(self) -> float:
        """Standard error, in the unit of the value."""
        return math.sqrt(self.variance)


class Design(Protocol):
    """What an estimator needs to know of a sampling design."""

    @property
    def weight(self) -> Floats:
        """Units that each sample unit stands for, shape (n,)."""
        ...

    def variance(self, linear: Floats) -> float:
        """Return the variance of the weighted total of ``linear``, shape (n,)."""
        ...

    def df(self, inside: NDArray[np.bool_]) -> float:
        """Return the degrees of freedom for the units ``inside``, shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class StratifiedClusters:
    """A stratified sample of clusters; a cluster may be one unit."""

    weight: Floats
    """Units that each sample unit stands for: 1 / inclusion probability, shape (n,)."""
    stratum: Codes
    """Stratum code of each unit, shape (n,)."""
    cluster: Codes
    """Cluster code of each unit, shape (n,); nested in strata."""
    fraction: Floats
    """First-stage sampling fraction by stratum code; 0 without the finite
    population correction."""

    def variance(self, linear: Floats) -> float:
        """Return the variance of the weighted total of ``linear``.

        Sum over strata of (1 - f_h) m_h / (m_h - 1) times the squared deviations
        of the weighted cluster totals from their stratum mean: Cochran (1977) eq.
        5.12 for units of equal weight, sec. 9A for clusters; with unequal weights
        the ultimate-cluster form of R ``svyrecvar``.
        """
        totals = np.bincount(self.cluster, weights=self.weight * linear)
        home = cluster_strata(self.stratum, self.cluster)
        counts = np.bincount(home, minlength=len(self.fraction)).astype(float)
        sums = np.bincount(home, weights=totals, minlength=len(self.fraction))
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        squares = np.bincount(
            home, weights=(totals - means[home]) ** 2, minlength=len(self.fraction)
        )
        scale = np.divide(
            counts * (1.0 - self.fraction),
            counts - 1.0,
            out=np.zeros_like(counts),
            where=counts > 1,
        )
        return float(np.sum(scale * squares))

    def third_cumulant(self, linear: Floats) -> float:
        """Return the third cumulant of the weighted total of ``linear``, shape (n,).

        That of the weighted cluster totals, by stratum (``skewness``); the finite
        population correction is left out.
        """
        totals = np.bincount(self.cluster, weights=self.weight * linear)
        home = cluster_strata(self.stratum, self.cluster)
        return sum_third_cumulant(totals.astype(np.float64), home)

    def df(self, inside: NDArray[np.bool_]) -> float:
        """Return clusters minus strata that hold units ``inside``: R ``degf``."""
        clusters = len(np.unique(self.cluster[inside]))
        return float(clusters - len(np.unique(self.stratum[inside])))


def cluster_strata(stratum: Codes, cluster: Codes) -> Codes:
    """Return the stratum code of each cluster, shape (clusters,)."""
    home = np.zeros(int(cluster.max()) + 1, dtype=np.intp)
    home[cluster] = stratum
    return home


def stratified_sample(
    count: int,
    *,
    stratum: Codes | None = None,
    cluster: Codes | None = None,
    sizes: ArrayLike | None = None,
    weight: Floats | None = None,
    fpc: bool = False,
) -> StratifiedClusters:
    """Return the design of ``count`` sample units.

    Parameters
    ----------
    stratum, cluster : codes of shape (n,), optional
        Absent: one stratum; every unit its own cluster. Clusters are nested in
        strata: the same code in two strata is two clusters.
    sizes : array of shape (strata,), optional
        First-stage units (clusters) in the frame, by stratum.
    weight : float array of shape (n,), optional
        Design weights. Absent: size over sample size, by stratum.
    fpc : bool
        Whether sampling was without replacement and the correction is wanted.

    Raises
    ------
    TableError
        When a stratum has one cluster, more are sampled than exist, or neither sizes
        nor weights are known.
    """
    stratum = np.zeros(count, dtype=np.intp) if stratum is None else stratum
    parts = int(stratum.max()) + 1
    units = np.arange(count) if cluster is None else cluster
    nested = stratum * (int(units.max()) + 1) + units
    codes = np.unique(nested, return_inverse=True)[1].astype(np.intp)
    counts = np.bincount(cluster_strata(stratum, codes), minlength=parts)
    _refuse_single(counts)
    frame = None if sizes is None else np.asarray(sizes, dtype=float)
    if frame is None and (fpc or weight is None):
        raise TableError(
            "a design without frame sizes",
            expected="the number of units (or clusters) in the population",
            remedy="Give --population, or --strata with units.",
        )
    fraction = np.zeros(parts)
    if frame is not None and (fpc or weight is None):
        drawn = _fractions(counts, frame)
        fraction = drawn if fpc else fraction
    if weight is None and frame is not None:
        weight = (frame / counts)[stratum]
    return StratifiedClusters(np.asarray(weight, dtype=float), stratum, codes, fraction)


def _refuse_single(counts: Codes) -> None:
    if np.any(counts == 1):
        where = "a stratum" if len(counts) > 1 else "a sample"
        raise TableError(
            f"{where} with one sampling unit (or one cluster)",
            expected="at least 2: one unit has no variance",
            remedy="Sample more, or merge strata by a rule set beforehand.",
        )


def _fractions(counts: Codes, frame: Floats) -> Floats:
    fraction = counts / frame
    if np.any(fraction > 1.0 + 1e-9):
        worst = int(np.argmax(fraction))
        raise TableError(
            f"{counts[worst]} sampled of {frame[worst]:g} in the frame",
            expected="no more sampled than exist",
            remedy="Give sizes in sampling units, not in hectares; of a draw with "
            "replacement give --weight without --fpc.",
        )
    return np.minimum(fraction, 1.0)


class Calibration(Protocol):
    """Weights made to reproduce known totals, and what variance is left over."""

    @property
    def g(self) -> Floats:
        """Factor on the design weight of each unit, shape (n,)."""
        ...

    def residual(self, linear: Floats) -> Floats:
        """Return what the auxiliaries leave of ``linear``, as its variance sees it."""
        ...


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """No auxiliary information."""

    g: Floats
    """Ones, shape (n,)."""

    def residual(self, linear: Floats) -> Floats:
        """Return ``linear`` itself."""
        return linear


def estimate_total(design: Design, calibration: Calibration, y: Floats) -> Moments:
    """Return the estimated population total of ``y``, shape (n,).

    The weighted total, Saerndal et al. (1992) sec. 2.8; calibrated, sec. 6.5, with
    the variance of sec. 6.6 over the design's own form.
    """
    value = float(np.sum(design.weight * calibration.g * y))
    return _moments(value, design, calibration.residual(y))


def _moments(value: float, design: Design, linear: Floats) -> Moments:
    """Return the moments of an estimate with the linearised variable ``linear``."""
    third = None
    if isinstance(design, StratifiedClusters):
        third = design.third_cumulant(linear)
    return Moments(value, design.variance(linear), third)


def estimate_ratio(
    design: Design, calibration: Calibration, y: Floats, x: Floats
) -> Moments | None:
    """Return the estimated ratio of two totals; None where the denominator is 0.

    Linearised variable (y - R x) / X: Saerndal et al. (1992) sec. 5.6, the
    combined ratio of Cochran (1977) sec. 6.11. With ``x`` a domain indicator this is
    the domain mean (sec. 5.8).
    """
    weight = design.weight * calibration.g
    denominator = float(np.sum(weight * x))
    if denominator == 0.0:
        return None
    value = float(np.sum(weight * y)) / denominator
    linear = (y - value * x) / denominator
    return _moments(value, design, calibration.residual(linear))


def rescale(moments: Moments, factor: float) -> Moments:
    """Return the moments of ``factor`` times the estimate."""
    return replace(
        moments,
        value=moments.value * factor,
        variance=moments.variance * factor**2,
        third=None if moments.third is None else moments.third * factor**3,
    )


def weighted_mean(values: ArrayLike, errors: ArrayLike, sizes: ArrayLike) -> Moments:
    """Return the mean of independent parts weighted by fixed sizes.

    Parameters
    ----------
    values, errors : arrays of shape (k,)
        Means of the parts and their standard errors, one unit.
    sizes : array of shape (k,)
        Their sizes, such as grassland areas from the official survey; without error.

    Notes
    -----
    G = sum I G_k, se^2 = sum I^2 se_k^2 with I = A / sum A: methodology A2.
    """
    weight = np.asarray(sizes, dtype=float)
    share = weight / weight.sum()
    spread = np.asarray(errors, dtype=float)
    return Moments(
        float(np.sum(share * np.asarray(values, dtype=float))),
        float(np.sum((share * spread) ** 2)),
    )

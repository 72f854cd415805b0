"""Flags on intervals that the sample itself shows to be untrustworthy.

Judges the sample, not the estimator: what an estimator leaves out belongs to its mode.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.intervals import IntervalKind
from qhsink.estimation.survey import Floats

NO_VARIATION = "not calibrated: all values alike, their error is unknown"
FEW_NONZERO = "not calibrated: few units that are not zero"
UNSEEN = "not calibrated: plots of a stratum are all alike, and it outweighs the error"
FEW_CLUSTERS = "not calibrated: few clusters"


def sample_flags(
    values: Floats, *, kind: IntervalKind, rules: IntervalRules
) -> tuple[str, ...]:
    """Return what speaks against the interval of a mean of ``values``, shape (n,).

    Notes
    -----
    Where zeros are the majority, the rule asks how many units are not zero. It does
    not ask how skewed they look: a sample that missed the tail looks symmetric, so a
    rule on its skewness would pass just the samples that mislead (Cochran 1977, sec.
    2.15, is on the population's skewness).
    """
    if np.ptp(values) == 0.0:
        return (NO_VARIATION,)
    nonzero = int(np.count_nonzero(values))
    few = nonzero < min(rules.least_nonzero, len(values) / 2)
    return (FEW_NONZERO,) if few and kind in ("t", "normal") else ()


def strata_flags(
    values: Floats, stratum: NDArray[np.intp], weight: Floats, *, se: float
) -> tuple[str, ...]:
    """Return what strata say against the interval of a total of ``values``, shape (n,).

    Parameters
    ----------
    stratum : integer array of shape (n,)
        Stratum code of each unit.
    weight : float array of shape (n,)
        Units that each stands for.
    se : float
        Standard error of the weighted total.

    Notes
    -----
    A stratum whose units are all alike adds nothing to the error, though the next unit
    might differ. Where one such unit, worth as much as those that are not zero, would
    weigh more than the whole standard error, the error is not known. In the trial's
    forests and wetlands, stratified by a map that is wrong along edges, 90 % intervals
    of such samples cover 0 to 4 %, those of the others 90 to 92 %.
    """
    nonzero = values[values != 0.0]
    if nonzero.size == 0 or len(np.unique(stratum)) < 2:
        return ()
    worth = float(np.mean(np.abs(nonzero)))
    for code in np.unique(stratum):
        inside = stratum == code
        alike = np.ptp(values[inside]) == 0.0
        if alike and float(np.mean(weight[inside])) * worth > se:
            return (UNSEEN,)
    return ()


def cluster_flags(
    totals: Floats,
    sizes: Floats,
    *,
    rules: IntervalRules,
    map_errors: bool = False,
) -> tuple[str, ...]:
    """Return what speaks against the interval of a mean over clusters.

    Parameters
    ----------
    totals, sizes : float arrays of shape (m,)
        Sum of predictions, and footprints, by cluster.
    map_errors : bool
        Whether the sums are of what a map gets wrong. That comes in few clumps: tracks
        that miss them find a small error and a small spread of it, so more are asked.
    """
    held = sizes > 0.0
    if np.ptp(totals[held] / sizes[held]) == 0.0:
        return (NO_VARIATION,)
    least = rules.least_map_error_clusters if map_errors else rules.least_clusters
    return (FEW_CLUSTERS,) if int(held.sum()) < least else ()


def extrapolates(g_range: tuple[float, float] | None, rules: IntervalRules) -> bool:
    """Return whether a regression hangs on a few units: weights negative or swollen.

    Parameters
    ----------
    g_range : tuple of float, optional
        Least and largest calibrated weight over design weight; None without regression.

    Notes
    -----
    Bounds on g-weights: Deville and Saerndal (1992) J. Am. Stat. Assoc. 87:376-382;
    there weights are kept inside them, here an estimate outside is refused.
    """
    return g_range is not None and not (
        g_range[0] > 0.0 and g_range[1] <= rules.largest_g
    )

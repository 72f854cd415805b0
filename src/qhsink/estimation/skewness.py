"""How skewed an estimator is: its third cumulant from strata and clusters.

For intervals that lean to the side where the truth more often lies. The variance is
``survey``'s, the limits are ``intervals``'.

References
----------
Fisher (1930) Proc. Lond. Math. Soc. 30:199-238: k-statistics.
Hall (1992) J. R. Stat. Soc. B 54:221-228.
"""

from __future__ import annotations

import numpy as np

from qhsink.estimation.survey import Codes, Floats, StratifiedClusters, cluster_strata


def design_third_cumulant(design: StratifiedClusters, linear: Floats) -> float:
    """Return the third cumulant of the weighted total of ``linear``, shape (n,).

    Notes
    -----
    Weighted cluster totals of a stratum are taken as independent and alike, as their
    variance takes them. The third cumulant of their sum is then m times that of one,
    which k3 = m / ((m - 1) (m - 2)) sum d^3 estimates without bias; cumulants of
    strata add. Two clusters have no third cumulant: such a stratum counts as
    symmetric. The finite population correction is left out.
    """
    totals = np.bincount(design.cluster, weights=design.weight * linear)
    return sum_third_cumulant(
        totals.astype(np.float64), cluster_strata(design.stratum, design.cluster)
    )


def sum_third_cumulant(totals: Floats, stratum: Codes | None = None) -> float:
    """Return the third cumulant of the sum of ``totals``, shape (m,), by stratum."""
    home = np.zeros(len(totals), dtype=np.intp) if stratum is None else stratum
    counts = np.bincount(home).astype(float)
    means = np.bincount(home, weights=totals) / np.maximum(counts, 1.0)
    cubes = np.bincount(home, weights=(totals - means[home]) ** 3)
    enough = counts > 2
    m = counts[enough]
    return float(np.sum(m**2 / ((m - 1.0) * (m - 2.0)) * cubes[enough]))


def estimator_skewness(third_cumulant: float, variance: float) -> float:
    """Return the third cumulant over the variance to 3/2; 0 without a variance.

    ``variance`` may hold independent symmetric parts beside the sampling variance,
    such as the error of a common equation: they add to it, not to the cumulant.
    """
    return third_cumulant / variance**1.5 if variance > 0.0 else 0.0

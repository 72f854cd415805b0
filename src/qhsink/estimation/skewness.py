"""How skewed an estimator is: its third cumulant from strata of clusters.

For intervals that lean to the side where the truth more often lies. Designs and
variances are ``survey``'s, limits ``intervals``'.

References
----------
Fisher (1930) Proc. Lond. Math. Soc. 30:199-238: k-statistics.
Hall (1992) J. R. Stat. Soc. B 54:221-228.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def sum_third_cumulant(
    totals: NDArray[np.float64], stratum: NDArray[np.intp] | None = None
) -> float:
    """Return the third cumulant of the sum of ``totals``, shape (m,), by stratum.

    Notes
    -----
    Totals of a stratum are taken as independent and alike, as their variance takes
    them. The third cumulant of their sum is then m times that of one, which
    k3 = m / ((m - 1) (m - 2)) sum d^3 estimates without bias; cumulants of strata
    add. Two totals have no third cumulant: such a stratum counts as symmetric.
    """
    home = np.zeros(len(totals), dtype=np.intp) if stratum is None else stratum
    counts = np.bincount(home).astype(float)
    means = np.bincount(home, weights=totals) / np.maximum(counts, 1.0)
    enough = counts > 2
    m = counts[enough]
    # A total whose cube is no number has a variance that is told of elsewhere.
    with np.errstate(over="ignore", invalid="ignore"):
        cubes = np.bincount(home, weights=(totals - means[home]) ** 3)
        return float(np.sum(m**2 / ((m - 1.0) * (m - 2.0)) * cubes[enough]))


def estimator_skewness(third_cumulant: float, variance: float) -> float:
    """Return the third cumulant over the variance to 3/2; 0 without a variance.

    ``variance`` may hold independent symmetric parts beside the sampling variance,
    such as the error of a common equation: they add to it, not to the cumulant.
    """
    if variance == 0.0:
        return 0.0
    return third_cumulant / variance / math.sqrt(variance)

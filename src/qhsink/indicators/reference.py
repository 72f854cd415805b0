"""Undegraded reference by group, such as grassland type x elevation x rainfall.

What is done with a reference (reduction, grades) is in ``grassland``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import BadInput

Floats = NDArray[np.float64]


def reference_by_group(
    values: Floats,
    group: NDArray[np.integer],
    is_reference: NDArray[np.bool_],
    *,
    quantile: float = 0.9,
    least: int = 30,
) -> dict[int, float]:
    """Return the reference value of every group that has enough reference pixels.

    Parameters
    ----------
    values : ndarray
        Multi-year peak cover or yield; NaN where unknown.
    group : ndarray of int, same shape
        Group number; negative where there is none.
    is_reference : ndarray of bool, same shape
        Where land is held to be undegraded: protected and lightly grazed.
    quantile : float
        Of the reference pixels of the group (methodology F1: 0.9).
    least : int
        Groups with fewer reference pixels get none: their pixels stay ungraded.

    Returns
    -------
    dict of int to float
        In the unit of ``values``.

    Raises
    ------
    BadInput
        When shapes differ or the quantile is outside 0..1.
    """
    if not (values.shape == group.shape == is_reference.shape and 0 < quantile < 1):
        raise BadInput(
            f"shapes {values.shape}, {group.shape}, {is_reference.shape}, quantile "
            f"{quantile}",
            expected="one shape, and a quantile between 0 and 1",
            remedy="Put the layers on one grid.",
        )
    usable = is_reference & np.isfinite(values) & (group >= 0)
    found: dict[int, float] = {}
    for number in np.unique(group[usable]):
        sample = values[usable & (group == number)]
        if sample.size >= least:
            found[int(number)] = float(np.quantile(sample, quantile))
    return found


def spread_reference(group: NDArray[np.integer], reference: dict[int, float]) -> Floats:
    """Return the reference of every pixel; NaN where its group has none."""
    layer = np.full(group.shape, np.nan)
    for number, value in reference.items():
        layer[group == number] = value
    return layer

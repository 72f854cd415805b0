"""How much of the error of predictions is error of what they are compared with.

A budget for the card, from stated standard errors. Predictions and scores come from
``comparison`` and ``validation``; fits, intervals and maps are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """Error of predictions with the stated error of the reference taken out."""

    se: float
    """Root mean square of the stated standard errors, in the target's unit."""
    share: float
    """Mean square of these over the mean squared error of the predictions."""
    rmse: float | None
    """Root mean squared error against true values; None where the stated errors are
    as large as all of it."""
    r2: float | None
    """1 - SSE/SST against true values; None as above, or where the stated errors are
    as large as the whole variance."""


def reference_error(observed: Doubles, predicted: Doubles, se: Doubles) -> ErrorBudget:
    """Return the budget of (n,) out-of-fold predictions.

    Parameters
    ----------
    observed, predicted : (n,) float
        Reference values and predictions that have not seen them.
    se : (n,) float
        Stated standard error of each reference value.

    Notes
    -----
    With reference = truth + e, e of mean zero and variance se squared, independent of
    truth and prediction, the mean square of reference less prediction is that of truth
    less prediction plus the mean of se squared, and the variance of the reference is
    that of the truth plus the same (Fuller 1987, Measurement Error Models, section
    1.1). An error that all values share, such as that of a model which made them, is no
    part of e: it is in neither number.
    """
    square = float(np.square(observed - predicted).mean())
    noise = float(np.square(se).mean())
    spread = float(observed.var())
    left = square - noise
    known = left > 0.0
    return ErrorBudget(
        se=float(np.sqrt(noise)),
        share=noise / square if square > 0.0 else np.inf,
        rmse=float(np.sqrt(left)) if known else None,
        r2=1.0 - left / (spread - noise) if known and spread > noise else None,
    )

"""Errors of totals in worlds left out of a fit, beside those that the fit foresaw.

A world is the unit that repeats: its squares share the weather, the sensor's noise and
what the classifier mistakes there, so that many squares of few worlds say little of the
next one. Each world is foretold by a fit to the others; how much larger its errors are,
at a given size of region, scales the field, and how far worlds agree on it gives the
degrees of freedom.

References
----------
Lange, Little and Taylor (1989), JASA 84, 881-896: scale of Student's t by maximum
likelihood, which a few wild errors do not carry away.
Satterthwaite (1946), Biometrics Bulletin 2, 110-114: an estimated standard deviation
whose logarithm has variance v is worth 1 / (2 v) degrees of freedom.
Dunn, Wasserman and Ramdas (2023), JASA 118, 2491-2502, and Lee, Barber and Willett
(2023), arXiv:2306.06342: with observations in groups, a new group is foretold by groups
of equal weight, not by observations; their bounds free of any distribution are infinite
below 1 / alpha - 1 groups, hence Student's t here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from qhsink.domain.errors import TableError

Doubles = NDArray[np.float64]

LEAST_WORLDS = 3
"""Worlds below which a world left out leaves none to compare."""
TAILS = 4.0
"""Degrees of freedom of one error: the usual choice of Lange et al. where tails are
long."""
LOG_FACTORS = (math.log(0.1), math.log(30.0))
"""Bounds of a factor, logarithms: members' spread alone never stands for all error."""


@dataclass(frozen=True, slots=True)
class Inflation:
    """What a field's standard deviation is multiplied by, and how well it is known."""

    factor: float
    df: float


def inflation_of_errors(
    error: ArrayLike, *, foreseen: ArrayLike, members: ArrayLike, world: ArrayLike
) -> Inflation:
    """Return the factor that makes foreseen errors as large as those seen.

    Parameters
    ----------
    error : array of shape (n,)
        Truth less map of regions, in any unit.
    foreseen : array of shape (n,)
        Variance of each by a field fitted to other worlds, in that unit squared.
    members : array of shape (n,)
        Variance between the members' totals: counted beside the field's.
    world : array of shape (n,)
        Which world each region is of; regions of a world may overlap.

    Raises
    ------
    TableError
        With fewer than three worlds, or a region without a foreseen error.

    Notes
    -----
    With variances members + factor^2 foreseen, error is taken as Student's t with
    ``TAILS`` degrees of freedom: a handful of squares err many times as much as others,
    and a mean square would be theirs. The factor is the most likely one, each world
    with the same weight, and one world more that erred by one foreseen standard
    deviation: few worlds may all do well by chance. Let v be the jackknife variance of
    its logarithm, a world left out at a time, averaged with one world's 1 / (2 W), what
    W worlds that each err as one give. Degrees of freedom are 1 / (1 / TAILS + 2 v).
    """
    seen = _Seen(
        np.square(np.asarray(error, float)),
        np.asarray(foreseen, float),
        np.asarray(members, float),
        np.unique(world, return_inverse=True)[1].ravel(),
    )
    worlds = int(seen.home.max(initial=-1)) + 1
    if worlds < LEAST_WORLDS or not (seen.foreseen > 0.0).all():
        raise TableError(
            f"errors of {len(seen.home)} regions in {worlds} worlds",
            expected=f"at least {LEAST_WORLDS} worlds, each foreseen variance positive",
            remedy="Name more worlds in config/residual_fields.toml.",
        )
    logs = np.array([_log_factor(seen.without(one)) for one in range(worlds)])
    jackknife = (worlds - 1.0) / worlds * float(np.square(logs - logs.mean()).sum())
    unsure = ((worlds - 1.0) * jackknife + 0.5 / worlds) / worlds
    return Inflation(math.exp(_log_factor(seen)), 1.0 / (1.0 / TAILS + 2.0 * unsure))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Squared errors of n regions, their variances by source, and their worlds."""

    squared: Doubles
    foreseen: Doubles
    members: Doubles
    home: NDArray[np.intp]

    def without(self, world: int) -> _Seen:
        kept = self.home != world
        return _Seen(
            self.squared[kept], self.foreseen[kept], self.members[kept], self.home[kept]
        )


def _log_factor(seen: _Seen) -> float:
    """Return the logarithm of the most likely factor."""
    weight = 1.0 / np.bincount(seen.home)[seen.home]

    def surprise(log_factor: float) -> float:
        variance = seen.members + math.exp(2.0 * log_factor) * seen.foreseen
        tail = 0.5 * (TAILS + 1.0) * np.log1p(seen.squared / (TAILS * variance))
        as_foreseen = log_factor + 0.5 * (TAILS + 1.0) * math.log1p(
            math.exp(-2.0 * log_factor) / TAILS
        )
        return float(weight @ (0.5 * np.log(variance) + tail)) + as_foreseen

    found = minimize_scalar(
        surprise, bounds=LOG_FACTORS, method="bounded", options={"xatol": 1e-6}
    )
    return float(found.x)


def sum_of_variances(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return variance and degrees of freedom of a sum of independent errors.

    Parameters
    ----------
    parts : sequence of (float, float)
        Variance and degrees of freedom of each; some variance positive.

    Notes
    -----
    Satterthwaite (1946): (sum v)^2 / sum(v^2 / df).
    """
    variance = sum(part for part, _ in parts)
    below = sum(part**2 / df for part, df in parts)
    return variance, variance**2 / below if below > 0.0 else parts[0][1]

"""The variogram of a map's residuals: how unlike they are at a distance.

Plain floats, so that a model card, a table and an estimate can all hold one. Fitting
it is ``qhsink.mapping``'s business, using it ``qhsink.estimation``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from qhsink.domain.errors import ModelError, TableError

VariogramKind = Literal["exponential", "spherical"]

CARD_KEYS = ("model", "nugget", "sill", "range_m", "n", "n_pairs", "shortest_lag_m")


@dataclass(frozen=True, slots=True)
class Variogram:
    """gamma(h) = nugget + partial_sill (1 - rho(h)) for h > 0; gamma(0) = 0."""

    nugget: float
    """Variance that shows at the shortest distance seen, in the unit of y squared."""
    partial_sill: float
    """Variance that is correlated in space, in the unit of y squared."""
    range_m: float
    """Distance constant a of rho = exp(-h/a), or range R of the sphere [m]."""
    kind: VariogramKind
    """``exponential``; ``spherical``: 1 - 1.5 h/R + 0.5 (h/R)^3, zero from R on."""
    n_pairs: int
    """Pairs of residuals that it was fitted to; 0 when it was not fitted."""
    n: int = 0
    """Residuals that it was fitted to."""
    shortest_lag_m: float = 0.0
    """Mean distance in the shortest class [m]: of structure below it nothing is
    known, so the nugget may be correlated up to there."""
    longest_lag_m: float = math.inf
    """Greatest distance of the pairs used [m]."""

    def __post_init__(self) -> None:
        parts = (self.nugget, self.partial_sill, self.range_m, self.shortest_lag_m)
        least = min(self.nugget, self.partial_sill, self.shortest_lag_m)
        known = self.kind in get_args(VariogramKind)
        if not (all(map(math.isfinite, parts)) and least >= 0 and self.range_m > 0):
            known = False
        if not known:
            raise TableError(
                f"a variogram {self.kind!r} with nugget {self.nugget:g}, partial sill "
                f"{self.partial_sill:g}, range {self.range_m:g} m",
                expected="exponential or spherical, variances not negative, a "
                "positive range",
                remedy="Refit the variogram of the out-of-fold residuals.",
            )

    @property
    def sill(self) -> float:
        """Variance of a single residual, in the unit of y squared."""
        return self.nugget + self.partial_sill

    @property
    def practical_range_m(self) -> float:
        """Distance at which 95 % (exponential) or all of the sill is reached [m]."""
        return 3.0 * self.range_m if self.kind == "exponential" else self.range_m

    @property
    def reaches_its_sill(self) -> bool:
        """Whether the distances seen go as far as the correlation does."""
        return self.practical_range_m <= self.longest_lag_m or self.partial_sill == 0.0

    def correlation(self, metres: float) -> float:
        """Return rho, the correlation of the structured part at a distance [m]."""
        lag = metres / self.range_m
        if self.kind == "exponential":
            return math.exp(-lag)
        return 1.0 - 1.5 * lag + 0.5 * lag**3 if lag < 1.0 else 0.0

    def covariance(self, metres: float) -> float:
        """Return the covariance of two residuals so far apart, unit of y squared."""
        if metres == 0.0:
            return self.sill
        return self.partial_sill * self.correlation(metres)


def describe_variogram(variogram: Variogram, *, source: str) -> dict[str, Any]:
    """Return the plain table that a model card or a JSON result holds.

    Parameters
    ----------
    variogram : Variogram
    source : str
        Which residuals: ``out_of_fold``, ``plots`` or ``assumed``.

    Notes
    -----
    Four significant digits: what can be reproduced where linear algebra rounds
    otherwise.
    """
    longest = variogram.longest_lag_m
    return {
        "model": variogram.kind,
        "nugget": _short(variogram.nugget),
        "sill": _short(variogram.sill),
        "range_m": _short(variogram.range_m),
        "n": variogram.n,
        "n_pairs": variogram.n_pairs,
        "shortest_lag_m": _short(variogram.shortest_lag_m),
        "longest_lag_m": None if math.isinf(longest) else _short(longest),
        "source": source,
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def variogram_from(table: Mapping[str, Any]) -> Variogram:
    """Return the variogram that ``describe_variogram`` wrote down.

    Raises
    ------
    ModelError
        When an entry lacks or is not a number.
    """
    lacking = [name for name in CARD_KEYS if name not in table]
    if lacking:
        raise ModelError(
            f"residual_variogram without {', '.join(lacking)}",
            expected=f"entries {', '.join(CARD_KEYS)}",
            remedy="Train the model again with this release.",
        )
    return Variogram(
        nugget=float(table["nugget"]),
        partial_sill=max(float(table["sill"]) - float(table["nugget"]), 0.0),
        range_m=float(table["range_m"]),
        kind=table["model"],
        n_pairs=int(table["n_pairs"]),
        n=int(table["n"]),
        shortest_lag_m=float(table["shortest_lag_m"]),
        longest_lag_m=float(table.get("longest_lag_m") or math.inf),
    )

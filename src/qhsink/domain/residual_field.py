"""The errors of a whole mapped quantity over land, relative to what is mapped there.

Of a target's map the whole quantity is its value where the ecosystem map gives the land
to it and zero elsewhere; its error holds wrong values and wrong ecosystems alike. Plain
floats: fitting it is ``qhsink.mapping``'s business, using it ``qhsink.estimation``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhsink.domain.errors import ModelError

KEYS = ("floor", "common", "structures", "df", "squares", "square_m")


@dataclass(frozen=True, slots=True)
class ResidualField:
    """Error at x: s(x) delta(x), s the mean mapped quantity around x plus a floor.

    The covariance of delta at a distance h is common + sum of v exp(-h / a).
    """

    floor: float
    """Added to the mean mapped quantity to give the scale s, in the target's unit: what
    may be there where little is mapped."""
    common: float
    """Relative variance that all places share: systematic error; it never averages
    out."""
    structures: tuple[tuple[float, float], ...]
    """Relative variance v and distance constant a [m] of each correlated part."""
    df: float
    """Degrees of freedom: squares that carry the variance, less one."""
    squares: int
    """Squares that it was fitted to."""
    square_m: float
    """Edge of a square [m]: the mean mapped quantity is taken over as much."""

    def __post_init__(self) -> None:
        parts = (self.floor, self.common, *(v for v, _ in self.structures))
        known = all(math.isfinite(part) and part >= 0.0 for part in parts)
        known = known and all(a > 0.0 for _, a in self.structures)
        if not (known and self.df > 0.0 and self.square_m > 0.0):
            raise ModelError(
                f"a residual field with floor {self.floor:g}, common {self.common:g}, "
                f"structures {self.structures}, df {self.df:g}",
                expected="variances not negative, distances and df positive",
                remedy="Fit it again: qhsink models residuals.",
            )


def describe_residual_field(field: ResidualField) -> dict[str, Any]:
    """Return the plain table that a record holds, four significant digits."""
    return {
        "floor": _short(field.floor),
        "common": _short(field.common),
        "structures": [[_short(v), _short(a)] for v, a in field.structures],
        "df": _short(field.df),
        "squares": field.squares,
        "square_m": field.square_m,
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def residual_field_from(table: Mapping[str, Any]) -> ResidualField:
    """Return the field that ``describe_residual_field`` wrote down.

    Raises
    ------
    ModelError
        When an entry lacks or is not what it should be.
    """
    try:
        return ResidualField(
            floor=float(table["floor"]),
            common=float(table["common"]),
            structures=tuple((float(v), float(a)) for v, a in table["structures"]),
            df=float(table["df"]),
            squares=int(table["squares"]),
            square_m=float(table["square_m"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"a residual field without {error}",
            expected=f"entries {', '.join(KEYS)}",
            remedy="Fit it again: qhsink models residuals.",
        ) from error

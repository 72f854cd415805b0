"""The errors of a whole mapped quantity over land, relative to what is mapped there.

Of a target's map the whole quantity is its value where the ecosystem map gives the land
to it and zero elsewhere; its error holds wrong values and wrong ecosystems alike. Plain
floats: fitting it is ``qhsink.mapping``'s business, using it ``qhsink.estimation``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from qhsink.domain.errors import ModelError

SCALE = ("ratio", "floor", "patch")
KEYS = (*SCALE, "common", "structures", "df", "squares", "worlds", "square_m")
LEFT_OUT = "left_out"
"""Entry of a record: what worlds left out of the fit say of it."""


@dataclass(frozen=True, slots=True)
class LeftOutErrors:
    """How errors in worlds left out of a fit compare with those that it foresaw."""

    squares: float
    """Equal squares that carry as much of the scale as these regions do."""
    factor: float
    """On the standard deviation, so that it is that of the errors seen."""
    df: float
    """Degrees of freedom of the factor: how far worlds agree on it."""


@dataclass(frozen=True, slots=True)
class ResidualField:
    """Error at x: s(x) delta(x), s made of the mean mapped quantity around x.

    s is ``error_scale``; the covariance of delta at a distance h is common + sum of
    v exp(-h / a), before the factor that errors in worlds left out ask for.
    """

    ratio: float
    """True over mapped totals as far as worlds agree on it: totals, and all quantities
    below, are of the map times this."""
    floor: float
    """Added to the mean mapped quantity, in the target's unit: what may be there where
    little is mapped."""
    patch: float
    """Mean mapped quantity from which on errors grow with its root, in the target's
    unit: they come in patches, and much is mapped in many of them."""
    common: float
    """Relative variance that all places share: systematic error; it never averages
    out."""
    structures: tuple[tuple[float, float], ...]
    """Relative variance v and distance constant a [m] of each correlated part."""
    df: float
    """Degrees of freedom where ``left_out`` says nothing: squares that carry the
    variance, less one."""
    squares: int
    """Squares that it was fitted to."""
    worlds: int
    """Worlds that they lie in."""
    square_m: float
    """Edge of a square [m]: the mean mapped quantity is taken over as much."""
    left_out: tuple[LeftOutErrors, ...] = ()
    """By size of region, smallest first."""

    def __post_init__(self) -> None:
        parts = (self.floor, self.common, *(v for v, _ in self.structures))
        known = all(math.isfinite(part) and part >= 0.0 for part in parts)
        known = known and all(a > 0.0 for _, a in self.structures)
        known = known and min(self.df, self.square_m, self.patch, self.ratio) > 0.0
        if not known:
            raise ModelError(
                f"a residual field with ratio {self.ratio:g}, floor {self.floor:g}, "
                f"patch {self.patch:g}, common {self.common:g}, structures "
                f"{self.structures}, df {self.df:g}",
                expected="variances not negative; ratio, patch, distances, df positive",
                remedy="Fit it again: qhsink models residuals.",
            )
        _check_left_out(self.left_out)

    def at(self, squares: float) -> LeftOutErrors:
        """Return the factor and its degrees of freedom for a region of a size.

        Parameters
        ----------
        squares : float
            Equal squares that carry as much of the scale as the region does.

        Notes
        -----
        Linear in the logarithm of the number between the sizes that were tried; a
        region beyond them is taken like the nearest of them.
        """
        if not self.left_out:
            return LeftOutErrors(squares, 1.0, self.df)
        if squares <= self.left_out[0].squares:
            return self.left_out[0]
        for low, high in pairwise(self.left_out):
            if squares < high.squares:
                step = math.log(squares / low.squares)
                step /= math.log(high.squares / low.squares)
                return LeftOutErrors(
                    squares,
                    low.factor + step * (high.factor - low.factor),
                    low.df * (high.df / low.df) ** step,
                )
        return self.left_out[-1]


def _check_left_out(found: tuple[LeftOutErrors, ...]) -> None:
    parts = [(one.squares, one.factor, one.df) for one in found]
    known = all(math.isfinite(p) and p > 0.0 for part in parts for p in part)
    if not (known and all(a[0] < b[0] for a, b in pairwise(parts))):
        raise ModelError(
            f"errors of worlds left out {parts}",
            expected="squares, factor and df positive, squares ascending",
            remedy="Fit it again: qhsink models residuals.",
        )


def error_scale(density: Any, *, floor: float, patch: float) -> Any:
    """Return the scale s of the error where ``density`` is mapped, in its unit.

    A number or an array. (m + floor) / sqrt(1 + m / patch): in proportion to what is
    mapped where that is little (any of it may be false), to its root where it is much.
    """
    return (density + floor) / (1.0 + density / patch) ** 0.5


def describe_residual_field(field: ResidualField) -> dict[str, Any]:
    """Return the plain table that a record holds, four significant digits."""
    return {
        "ratio": _short(field.ratio),
        "floor": _short(field.floor),
        "patch": _short(field.patch),
        "common": _short(field.common),
        "structures": [[_short(v), _short(a)] for v, a in field.structures],
        "df": _short(field.df),
        "squares": field.squares,
        "worlds": field.worlds,
        "square_m": field.square_m,
        LEFT_OUT: [
            [_short(one.squares), _short(one.factor), _short(one.df)]
            for one in field.left_out
        ],
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
            ratio=float(table["ratio"]),
            floor=float(table["floor"]),
            patch=float(table["patch"]),
            common=float(table["common"]),
            structures=tuple((float(v), float(a)) for v, a in table["structures"]),
            df=float(table["df"]),
            squares=int(table["squares"]),
            worlds=int(table["worlds"]),
            square_m=float(table["square_m"]),
            left_out=tuple(
                LeftOutErrors(float(squares), float(factor), float(df))
                for squares, factor, df in table[LEFT_OUT]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"a residual field without {error}",
            expected=f"entries {', '.join((*KEYS, LEFT_OUT))}",
            remedy="Fit it again: qhsink models residuals.",
        ) from error

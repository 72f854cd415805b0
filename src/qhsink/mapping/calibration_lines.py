"""Lines from map values to plot values, by grassland type.

How far they can be trusted is judged by ``qhsink.mapping.calibration``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.calibration import CalibrationRules
from qhsink.domain.errors import BadInput
from qhsink.mapping.fitted_line import FittedLine, fit_line

Doubles = NDArray[np.float64]
Names = NDArray[np.str_]
Rule = Literal["own slope", "common slope", "all types"]

ALL = ""
"""Key of the line through all plots, whatever their type."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Plots beside the map, one row each."""

    map_value: Doubles
    """(n,) map value, in the target's unit."""
    map_se: Doubles
    """(n,) its standard error that differs from place to place."""
    plot_value: Doubles
    """(n,) what the plot measured."""
    plot_se: Doubles
    """(n,) its standard error."""
    type: Names
    """(n,) grassland type."""
    county: Names
    """(n,) county."""

    def take(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Return the rows where ``chosen`` (n,) holds."""
        return Pairs(
            self.map_value[chosen],
            self.map_se[chosen],
            self.plot_value[chosen],
            self.plot_se[chosen],
            self.type[chosen],
            self.county[chosen],
        )


@dataclass(frozen=True, slots=True)
class Line:
    """Plot cover = intercept + slope times map value, for one type.

    Raises
    ------
    BadInput
        When its numbers cannot be those of a line.
    """

    type: str
    """Grassland type; empty for the line through all plots."""
    rule: Rule
    """What of it is the type's own."""
    plots: int
    """Plots of the type."""
    counties: int
    """Counties they lie in."""
    intercept: float
    """In the target's unit."""
    slope: float
    """Plot value per map value."""
    covariance: tuple[float, float, float]
    """Variance of the intercept, covariance, variance of the slope."""
    scatter: float
    """Standard deviation of a plot's true value around the line."""
    map_se: float
    """Root mean square of ``Pairs.map_se``."""
    plot_se: float
    """Root mean square of ``Pairs.plot_se``."""
    low: float
    """Least map value at its plots."""
    high: float
    """Greatest map value at its plots."""

    def __post_init__(self) -> None:
        of_a, both, of_b = self.covariance
        # Rounding may leave the determinant of a nearly singular matrix below zero.
        known = min(of_a, of_b) >= 0.0 and both**2 <= of_a * of_b * (1.0 + 1e-6) + 1e-18
        numbers = (self.intercept, self.slope, *self.covariance, self.scatter)
        if not known or not np.isfinite(numbers).all():
            raise BadInput(
                f"line {self.type or 'of all types'}: intercept {self.intercept:g}, "
                f"slope {self.slope:g}, covariance {self.covariance}",
                expected="finite numbers and a covariance that two errors can have",
                remedy="Make the calibration again.",
            )

    def at(self, map_value: float) -> tuple[float, float]:
        """Return the calibrated value and the variance left by the fit."""
        of_a, both, of_b = self.covariance
        variance = of_a + 2.0 * map_value * both + map_value**2 * of_b
        return self.intercept + self.slope * map_value, max(variance, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Lines of one set of pairs, before their errors are known."""

    lines: Mapping[str, tuple[float, float]]
    """Intercept and slope by type."""
    scatter: Mapping[str, float]
    """Scatter by type."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Which type has what of its own: decided once, on all plots."""

    own: tuple[str, ...]
    """Types with their own slope."""
    common: tuple[str, ...]
    """Types on the common slope, with their own intercept."""

    def rule(self, name: str) -> Rule:
        """Return what a type has of its own."""
        if name == ALL:
            return "all types"
        return "own slope" if name in self.own else "common slope"


def structure_of(pairs: Pairs, rules: CalibrationRules) -> Structure:
    """Return which types have enough plots, in enough counties, for what."""
    own, common = [], []
    for name in np.unique(pairs.type).tolist():
        here = pairs.type == name
        count = int(here.sum())
        by_county = np.unique(pairs.county[here], return_counts=True)[1]
        if len(by_county) < rules.type_counties:
            continue
        spread = reliability(pairs.take(here)) >= rules.least_reliability
        # Enough must be left while any county is held out.
        left = count - int(by_county.max()) >= rules.own_intercept_plots
        if count >= rules.own_slope_plots and left and spread:
            own.append(name)
        elif count >= rules.own_intercept_plots:
            common.append(name)
    return Structure(tuple(own), tuple(common))


def reliability(pairs: Pairs) -> float:
    """Return the share of the variance of map values that is not error of the map."""
    total = float(pairs.map_value.var(ddof=1))
    return 1.0 - float(np.square(pairs.map_se).mean()) / total if total > 0 else 0.0


def fit_structure(pairs: Pairs, structure: Structure) -> Fitted:
    """Return the lines of a structure through pairs.

    Notes
    -----
    The errors used are root mean squares over a type: those of single plots come
    from a few quadrats and, for a share, depend on the very value that was read, so
    that weights made of them favour readings that happen to be near 0 or 1.
    """
    found: dict[str, tuple[float, float]] = {}
    scatter: dict[str, float] = {}
    names = np.full(len(pairs.type), ALL, dtype=pairs.type.dtype)
    line = _line(pairs, names)
    found[ALL], scatter[ALL] = (float(line.intercepts[0]), line.slope), line.scatter
    held = np.isin(pairs.type, (*structure.own, *structure.common))
    if structure.common:
        chosen = pairs.take(held)
        line = _line(chosen, chosen.type)
        for at, name in enumerate(np.unique(chosen.type).tolist()):
            found[name] = float(line.intercepts[at]), line.slope
            scatter[name] = line.scatter
    for name in structure.own:
        chosen = pairs.take(pairs.type == name)
        line = _line(chosen, chosen.type)
        found[name] = float(line.intercepts[0]), line.slope
        scatter[name] = line.scatter
    return Fitted(found, scatter)


def _line(pairs: Pairs, names: Names) -> FittedLine:
    """Return parallel lines, one per name; errors are averaged within a name."""
    codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
    count = np.bincount(codes)

    def averaged(se: Doubles) -> Doubles:
        square = np.bincount(codes, weights=np.square(se)) / count
        return np.asarray(np.sqrt(square)[codes])

    return fit_line(
        pairs.map_value,
        pairs.plot_value,
        x_se=averaged(pairs.map_se),
        y_se=averaged(pairs.plot_se),
        groups=codes,
    )

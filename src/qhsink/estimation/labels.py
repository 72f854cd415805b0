"""A stratified sample of reference labels: its means, ratios and their variances.

Areas and accuracies of classes are ``area``'s.

References
----------
Olofsson et al. (2014) Remote Sens. Environ. 148:42-57.
Stehman (2014) Int. J. Remote Sens. 35:4923-4939.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.reliability import strata_flags
from qhsink.estimation.schema import match_strata, refuse_thin_strata
from qhsink.estimation.survey import Floats, Moments


@dataclass(frozen=True, slots=True)
class Stratum:
    """One sampling stratum."""

    units: float
    """Sampling units (pixels) in it."""
    unit_area_ha: float | None = None
    """Area of a unit [ha]; None when areas are wanted in units."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Reference sample, one entry per unit or per group of like units."""

    stratum: NDArray[np.str_]
    """Stratum the unit was drawn from, shape (n,)."""
    map: NDArray[np.str_]
    """Class on the map."""
    reference: NDArray[np.str_]
    """Class by the interpreter."""
    count: Floats
    """Units in the entry, whole numbers."""


@dataclass(frozen=True, slots=True)
class LabelSample:
    """The sample with its design worked out."""

    code: NDArray[np.intp]
    count: Floats
    size: Floats
    """Sample units by stratum."""
    share: Floats
    """Share of the total area by stratum."""
    open_share: Floats
    """1 - sampling fraction by stratum, or 1."""

    def mean(self, variable: Floats) -> float:
        """Area-weighted mean: Stehman (2014) eq. 2; Olofsson et al. (2014) eq. 9."""
        return float(np.sum(self.share * self._stratum_mean(variable)))

    def _stratum_mean(self, variable: Floats) -> Floats:
        sums = np.bincount(
            self.code, weights=self.count * variable, minlength=len(self.size)
        )
        means: Floats = sums / self.size
        return means

    def variance(self, variable: Floats) -> float:
        """Variance of ``mean``: Stehman (2014) eq. 25; Cochran (1977) eq. 5.12."""
        gap = variable - self._stratum_mean(variable)[self.code]
        spread = np.bincount(
            self.code, weights=self.count * gap**2, minlength=len(self.size)
        ) / (self.size - 1.0)
        return float(np.sum(self.share**2 * self.open_share * spread / self.size))

    def ratio(self, above: Floats, below: Floats) -> Moments | None:
        """Ratio of two means: Stehman (2014) eq. 28.

        The variance of y - R x over X^2 is eq. 28 written out: s_y^2 + R^2 s_x^2 -
        2 R s_xy. With strata that are the map classes it equals Olofsson et al.
        (2014) eq. 6 and 7.
        """
        base = self.mean(below)
        if base == 0.0:
            return None
        value = self.mean(above) / base
        return Moments(value, self.variance(above - value * below) / base**2)

    def doubts(
        self, worth: Floats, se: float, among: NDArray[np.bool_] | None = None
    ) -> tuple[str, ...]:
        """Return the flag of a stratum that says nothing and weighs much.

        Parameters
        ----------
        worth : float array of shape (n,)
            Variable whose weighted mean has the standard error ``se``.
        among : bool array of shape (n,), optional
            Units that count; all by default.
        """
        weight = (self.share / self.size)[self.code]
        units = self.count.astype(np.intp)
        if among is not None:
            units = np.where(among, units, 0)
        return strata_flags(
            np.repeat(worth, units),
            np.repeat(self.code, units),
            np.repeat(weight, units),
            se=se,
        )


def lay_out(
    labels: Labels, strata: Mapping[str, Stratum], *, fpc: bool
) -> tuple[LabelSample, float]:
    """Return the sample with its design worked out, and the area of all strata."""
    names = list(strata)
    units = np.asarray([strata[name].units for name in names])
    areas = _unit_areas(strata) * units
    code = match_strata(
        labels.stratum, {name: strata[name].units for name in names}, least=0
    )
    size = np.bincount(code, weights=labels.count, minlength=len(names))
    refuse_thin_strata(size.astype(np.intp), names)
    if np.any(size > units):
        worst = int(np.argmax(size - units))
        raise TableError(
            f"stratum {names[worst]!r}: {size[worst]:g} sample units of "
            f"{units[worst]:g}",
            expected="no more sample units than units",
            remedy="Give the stratum's size in sampling units, not in hectares.",
        )
    open_share = 1.0 - size / units if fpc else np.ones(len(names))
    total = float(areas.sum())
    return LabelSample(
        code, labels.count, size.astype(float), areas / total, open_share
    ), total


def _unit_areas(strata: Mapping[str, Stratum]) -> Floats:
    known = [stratum.unit_area_ha for stratum in strata.values()]
    given = [area for area in known if area is not None]
    if given and len(given) < len(known):
        raise TableError(
            "a unit area in some strata only",
            expected="unit_area_ha in every row, or no such column",
            remedy="Fill in the column.",
        )
    return np.asarray(given or np.ones(len(known)), dtype=float)

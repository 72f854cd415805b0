"""Forest: masks under two definitions, cover rate, growing stock.

A mask is a map: it never becomes an area by counting. The rate takes an area that
was estimated from a probability sample.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import Denominator, ForestRule, Measure

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

EIGHT = np.ones((3, 3), dtype=bool)
"""Neighbourhood of a patch: pixels that touch by a corner belong together."""


def unit_mean(canopy: Floats, *, pixel_area_ha: float, unit_area_ha: float) -> Floats:
    """Return mean canopy over a window of at least ``unit_area_ha``.

    Canopy closure is a property of a stand, not of a pixel: the threshold is applied
    to the mean over a mapping unit (methodology A1).

    Parameters
    ----------
    canopy : ndarray, shape (y, x)
        Canopy closure, 0..1; NaN is left out of the mean and stays NaN.
    pixel_area_ha, unit_area_ha : float
        Area of a pixel and least area of a mapping unit [ha].

    Returns
    -------
    ndarray, shape (y, x)
        Mean over the square window with an odd edge that holds the unit. Within half
        a window of the array's edge the window is cut: read tiles with that margin.
    """
    edge = math.ceil(math.sqrt(unit_area_ha / pixel_area_ha) - 1e-9)
    edge += 1 - edge % 2
    known = np.isfinite(canopy)
    size = max(edge, 1)
    total = ndimage.uniform_filter(
        np.where(known, canopy, 0.0), size, mode="constant", output=float
    )
    share = ndimage.uniform_filter(known.astype(float), size, mode="constant")
    mean = np.full(canopy.shape, np.nan)
    np.divide(total, share, out=mean, where=known)
    return mean


def sieve(mask: Mask, *, pixel_area_ha: float, least_area_ha: float) -> Mask:
    """Return ``mask`` without 8-connected patches below ``least_area_ha``.

    A patch of exactly the least area stays.
    """
    labels, count = ndimage.label(mask, structure=EIGHT)
    if count == 0:
        return mask.copy()
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * pixel_area_ha
    keep = sizes >= least_area_ha * (1.0 - 1e-9)
    keep[0] = False
    return np.asarray(keep[labels])


def special_shrubland(
    shrub_cover: Floats,
    *,
    precipitation_mm: Floats,
    above_tree_limit: Mask,
    rule: ForestRule,
) -> Mask:
    """Return state-specified shrubland (国家特别规定的灌木林地).

    Shrub cover above ``rule.shrub_cover`` where the county's mean yearly
    precipitation is at most ``rule.precipitation_mm``, or above the upper tree limit
    of the mountain range; both are tables of the authority, never guessed here.

    Parameters
    ----------
    shrub_cover : ndarray, shape (y, x)
        Shrub crown cover, 0..1.
    precipitation_mm : ndarray
        County mean of 30 years [mm], broadcast to the map.
    above_tree_limit : ndarray of bool
        Whether the pixel lies above the limit of its range.
    rule : ForestRule
        ``forest_national``.

    Raises
    ------
    Refusal
        When the rule has no shrubland: under it no shrub is forest.
    """
    if rule.shrub_cover is None or rule.precipitation_mm is None:
        raise Refusal(
            "a forest rule without shrubland",
            expected="the national definition",
            remedy="Leave shrubland out under this definition.",
        )
    placed = (precipitation_mm <= rule.precipitation_mm) | above_tree_limit
    return np.asarray((shrub_cover > rule.shrub_cover) & placed)


def forest_national(
    canopy: Floats, shrubland: Mask, *, pixel_area_ha: float, rule: ForestRule
) -> Mask:
    """Return forest under the national definition, as a map.

    Mean canopy over mapping units of 0.0667 ha is at least 0.20 (included), united
    with special shrubland; then patches below 0.0667 ha are taken out.

    Parameters
    ----------
    canopy : ndarray, shape (y, x)
        Canopy closure of trees, 0..1; NaN is never forest.
    shrubland : ndarray of bool, shape (y, x)
        From ``special_shrubland``.
    pixel_area_ha : float
        Area of a pixel [ha]; a pixel of 30 m (0.09 ha) is a mapping unit by itself.
    rule : ForestRule
        ``forest_national`` of ``config/strata.toml``.
    """
    mean = unit_mean(
        canopy, pixel_area_ha=pixel_area_ha, unit_area_ha=rule.unit_area_ha
    )
    # Included threshold: 1e-9 absorbs the rounding of the window mean.
    trees = mean >= rule.canopy - 1e-9
    return sieve(
        trees | shrubland,
        pixel_area_ha=pixel_area_ha,
        least_area_ha=rule.unit_area_ha,
    )


def forest_fao(
    canopy: Floats, height_m: Floats, *, pixel_area_ha: float, rule: ForestRule
) -> Mask:
    """Return forest under the FAO definition, as a map: no shrubland.

    Mean canopy above 10 %, trees higher than 5 m, patches above 0.5 ha.

    Raises
    ------
    Refusal
        When the rule names no height.
    """
    if rule.height_m is None:
        raise Refusal(
            "a forest rule without a tree height",
            expected="the FAO definition",
            remedy="Use forest_fao of config/strata.toml.",
        )
    mean = unit_mean(
        canopy, pixel_area_ha=pixel_area_ha, unit_area_ha=rule.unit_area_ha
    )
    return sieve(
        (mean > rule.canopy + 1e-9) & (height_m > rule.height_m),
        pixel_area_ha=pixel_area_ha,
        least_area_ha=rule.unit_area_ha,
    )


def cover_rate(forest_area: Estimate, land: Denominator) -> Measure:
    """Return forest area over land area, as a proportion.

    Parameters
    ----------
    forest_area : Estimate
        Area [ha] from a probability sample; a map's own area is refused.
    land : Denominator
        Land area with its source; taken as known.

    Raises
    ------
    Refusal
        When the area was counted on a map.
    BadInput
        When units are not ha or land is smaller than forest.
    """
    if forest_area.n < 2:
        raise Refusal(
            f"forest area of mode {forest_area.mode!r} with {forest_area.n} samples",
            expected="an area estimated from reference samples",
            remedy="Run `qhsink estimate area` with an interpreted sample.",
        )
    if (forest_area.unit, land.unit) != (
        "ha",
        "ha",
    ) or not land.value >= forest_area.value >= 0.0:
        raise BadInput(
            f"forest {forest_area.value} {forest_area.unit} of land {land.value} "
            f"{land.unit}",
            expected="both in ha, land the larger",
            remedy="Check units and denominator.",
        )
    rate = forest_area.value / land.value
    return Measure(rate, forest_area.se / land.value, "1")


def growing_stock(arbor_area_ha: Measure, volume_m3_ha: Measure) -> Measure:
    """Return stem volume A V [m3] of arbor forest.

    Parameters
    ----------
    arbor_area_ha : Measure
        Area of arbor forest only: shrubland carries no growing stock [ha].
    volume_m3_ha : Measure
        Mean stem volume from plots [m3 ha-1], independent of the area.

    Returns
    -------
    Measure
        Standard error exact for independent factors (Goodman 1960).

    Raises
    ------
    BadInput
        When area or volume is in another unit.
    """
    units = (arbor_area_ha.unit, volume_m3_ha.unit)
    if units != ("ha", "m3 ha-1"):
        raise BadInput(
            f"units {units[0]!r} and {units[1]!r}",
            expected="'ha' and 'm3 ha-1'",
            remedy="Biomass is not volume: bring volume plots.",
        )
    area, volume = arbor_area_ha, volume_m3_ha
    variance = (
        (area.value * volume.se) ** 2
        + (volume.value * area.se) ** 2
        + (area.se * volume.se) ** 2
    )
    return Measure(area.value * volume.value, math.sqrt(variance), "m3")

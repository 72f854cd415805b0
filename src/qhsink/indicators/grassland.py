"""Grassland: composite cover from plots, grades of degradation, forage, stocking.

Map means are ledger sums and belong to estimation; the composite cover here comes
from plots only. Areas by grade come from a sample with its own estimator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import Refusal, TableError
from qhsink.domain.indicator import GradeScale, Measure

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TypeCover:
    """Mean plot cover of one grassland type in one county, or of one county."""

    name: str
    """Grassland type, or county."""
    area_ha: float
    """Natural grassland area from the official survey, frozen for the period [ha]."""
    cover: float
    """Mean cover, 0..1."""
    se: float
    """Standard error of the cover."""


@dataclass(frozen=True, slots=True)
class Stocking:
    """Actual stock set beside carrying capacity."""

    ratio: float
    """Actual over proper stocking, minus one: 0.2 is 20 % too many."""
    se: float
    """Standard error of the ratio."""


def composite_cover(parts: Sequence[TypeCover]) -> Measure:
    """Return the area-weighted mean cover of the parts (草原综合植被盖度).

    G = sum C_i I_i with I_i = A_i / sum A_i and Var(G) = sum I_i^2 se_i^2: types
    within a county, then counties within the province (methodology A2). Parts are
    independent and areas are taken as known.

    Parameters
    ----------
    parts : sequence of TypeCover
        One per type, or one per county.

    Returns
    -------
    Measure
        Cover as a proportion.

    Raises
    ------
    Refusal
        Without plots.
    TableError
        When a cover is outside 0..1 (a percentage), an error or area is not usable,
        or a part comes twice.
    """
    if not parts:
        raise Refusal(
            "cvcg needs plots",
            expected="mean plot cover by county and grassland type, peak season",
            remedy="Bring ground plots; a mean of the map is another indicator.",
        )
    for part in parts:
        _check_part(part)
    if len({part.name for part in parts}) < len(parts):
        raise TableError(
            f"{len(parts)} parts, some of one name",
            expected="every grassland type or county once",
            remedy="Merge the plots of one part first.",
        )
    total = math.fsum(part.area_ha for part in parts)
    weights = [part.area_ha / total for part in parts]
    cover = math.fsum(w * part.cover for w, part in zip(weights, parts, strict=True))
    variance = math.fsum(
        (w * part.se) ** 2 for w, part in zip(weights, parts, strict=True)
    )
    return Measure(cover, math.sqrt(variance), "1")


def province_cover(counties: Mapping[str, Sequence[TypeCover]]) -> Measure:
    """Return the composite cover of a province from types within counties."""
    rows = []
    for name, types in counties.items():
        cover = composite_cover(types)
        area = math.fsum(part.area_ha for part in types)
        rows.append(TypeCover(name, area, cover.value, cover.se))
    return composite_cover(rows)


def relative_reduction(value: Floats, reference: Floats) -> Floats:
    """Return 100 (1 - value / reference), the degradation of cover or yield [%].

    Parameters
    ----------
    value, reference : ndarray, same shape
        Cover or yield, and that of undegraded grassland of the same type. NaN
        stays NaN; a reference that is not positive gives NaN.

    Returns
    -------
    ndarray
        Negative where the value exceeds its reference.
    """
    usable = np.where(reference > 0.0, reference, np.nan)
    return np.asarray(100.0 * (1.0 - value / usable))


def graded(values: Floats, scale: GradeScale) -> NDArray[np.int8]:
    """Return the grade number of every value, 0 for the lowest; -1 where NaN."""
    # np.digitize(right=True) puts a value on a limit below it: "closed right".
    grades = np.digitize(values, scale.limits, right=scale.closed == "right")
    return np.where(np.isnan(values), -1, grades).astype(np.int8)


def degradation_grade(
    cover: Floats, yield_: Floats | None, *, scales: Mapping[str, GradeScale]
) -> NDArray[np.int8]:
    """Return the degradation grade: the worse of cover and yield (methodology F1).

    Parameters
    ----------
    cover : ndarray
        Relative reduction of cover [%].
    yield_ : ndarray or None
        Relative reduction of grass yield [%]; None where there is none.
    scales : mapping
        ``degradation_cover`` and ``degradation_yield`` of ``config/strata.toml``.

    Returns
    -------
    ndarray of int8
        0 not degraded, 1 light, 2 moderate, 3 severe, -1 unknown in either.
    """
    by_cover = graded(cover, scales["degradation_cover"])
    if yield_ is None:
        return by_cover
    by_yield = graded(yield_, scales["degradation_yield"])
    unknown = (by_cover < 0) | (by_yield < 0)
    return np.where(unknown, -1, np.maximum(by_cover, by_yield)).astype(np.int8)


def significant_reduction(
    reduction: Floats, se: Floats, *, z: float
) -> NDArray[np.bool_]:
    """Return where a reduction exceeds ``z`` of its standard errors."""
    return np.asarray(reduction > z * se)


def persistent(degraded: NDArray[np.bool_], *, years: int) -> NDArray[np.bool_]:
    """Return where at least ``years`` of the first axis are degraded.

    Parameters
    ----------
    degraded : ndarray of bool, shape (year, ...)
        One slice per year.
    years : int
        Such as 3 of 5.
    """
    return np.asarray(degraded.sum(axis=0) >= years)


def black_soil_grade(
    bald_percent: Floats,
    slope_deg: Floats,
    is_alpine_meadow: NDArray[np.bool_],
    *,
    scales: Mapping[str, GradeScale],
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return grade (by bald-patch share) and slope class of black-soil land.

    Only on alpine meadow; elsewhere both are -1 (not applicable).
    """
    grade = graded(bald_percent, scales["black_soil_bald"])
    slope = graded(slope_deg, scales["black_soil_slope"])
    return (
        np.where(is_alpine_meadow, grade, -1).astype(np.int8),
        np.where(is_alpine_meadow, slope, -1).astype(np.int8),
    )


def sandy_grade(
    cover_percent: Floats, is_sandy: NDArray[np.bool_], *, scale: GradeScale
) -> NDArray[np.int8]:
    """Return 0 shifting, 1 semi-fixed, 2 fixed; -1 where the surface is no sand."""
    grade = graded(cover_percent, scale)
    return np.where(is_sandy, grade, -1).astype(np.int8)


def forage_yield(area_ha: Measure, yield_t_ha: Measure) -> Measure:
    """Return dry matter A Y [t], the two errors independent."""
    return _product([area_ha, yield_t_ha], unit="t")


def carrying_capacity(
    forage_t: Measure,
    *,
    utilisation: Measure,
    edible: Measure,
    daily_intake_kg: Measure,
    days: float,
) -> Measure:
    """Return the proper stocking (合理载畜量) in sheep units.

    Y U E / (I D): forage, utilisation rate, edible share, daily intake of dry matter
    per sheep unit, days of grazing. First-order errors of independent factors.

    Raises
    ------
    TableError
        When a share is outside 0..1, or intake or days are not positive.
    """
    for name, share in (("utilisation", utilisation), ("edible share", edible)):
        if not 0.0 < share.value <= 1.0:
            raise TableError(
                f"{name} {share.value}",
                expected="a share between 0 and 1",
                remedy="Give 0.5 for 50 %.",
            )
    if daily_intake_kg.value <= 0.0 or days <= 0.0:
        raise TableError(
            f"intake {daily_intake_kg.value} kg d-1 over {days} days",
            expected="positive numbers",
            remedy="Give dry matter per sheep unit and day, such as 1.8 kg.",
        )
    edible_t = _product([forage_t, utilisation, edible], unit="t")
    need_t = daily_intake_kg.value * days / 1000.0
    units = edible_t.value / need_t
    relative = math.hypot(
        _relative(edible_t), daily_intake_kg.se / daily_intake_kg.value
    )
    return Measure(units, units * relative, "sheep unit")


def overstocking(actual: Measure, proper: Measure) -> Stocking:
    """Return how far actual stocking exceeds the proper one.

    Raises
    ------
    Refusal
        When no proper stocking is known to compare with.
    """
    if proper.value <= 0.0:
        raise Refusal(
            f"carrying capacity {proper.value}",
            expected="a positive number of sheep units",
            remedy="Estimate the forage yield first.",
        )
    ratio = actual.value / proper.value
    relative = math.hypot(_relative(actual), _relative(proper))
    return Stocking(ratio - 1.0, ratio * relative)


def _product(factors: Sequence[Measure], *, unit: str) -> Measure:
    """Return a product of independent measures, errors to first order."""
    value = math.prod(factor.value for factor in factors)
    relative = math.sqrt(math.fsum(_relative(factor) ** 2 for factor in factors))
    return Measure(value, abs(value) * relative, unit)


def _relative(measure: Measure) -> float:
    if measure.value == 0.0:
        raise Refusal(
            f"a zero with standard error {measure.se} {measure.unit}",
            expected="a value that is not zero in a product or ratio",
            remedy="Report the factor itself.",
        )
    return abs(measure.se / measure.value)


def _check_part(part: TypeCover) -> None:
    sound = (
        math.isfinite(part.area_ha)
        and part.area_ha > 0.0
        and 0.0 <= part.cover <= 1.0
        and math.isfinite(part.se)
        and part.se >= 0.0
    )
    if not sound:
        raise TableError(
            f"{part.name}: cover {part.cover}, se {part.se}, {part.area_ha} ha",
            expected="cover 0..1, a finite error, a positive area",
            remedy="Give proportions, not percentages; unknown is not zero.",
        )

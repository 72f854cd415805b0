"""Grassland indicators by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.config import load_grades
from qhsink.domain.errors import Refusal, TableError
from qhsink.domain.indicator import GradeScale, Measure
from qhsink.indicators.grassland import (
    TypeCover,
    black_soil_grade,
    carrying_capacity,
    composite_cover,
    degradation_grade,
    forage_yield,
    graded,
    overstocking,
    persistent,
    province_cover,
    relative_reduction,
    sandy_grade,
    significant_reduction,
)

COUNTIES = [
    TypeCover("a", 1.2, 0.702, 0.015),
    TypeCover("b", 2.5, 0.450, 0.020),
    TypeCover("c", 3.8, 0.315, 0.018),
]


@pytest.fixture(scope="module")
def scales(project_folder):
    return load_grades(project_folder)


def test_composite_cover_of_the_methodology_fixture():
    cover = composite_cover(COUNTIES)
    assert cover.value * 100 == pytest.approx(42.192, abs=5e-4)
    assert cover.se * 100 == pytest.approx(1.1549, abs=5e-5)


def test_province_weights_counties_by_their_own_grassland():
    types = {
        "x": [TypeCover("meadow", 30.0, 0.8, 0.02), TypeCover("steppe", 10.0, 0.4, 0)],
        "y": [TypeCover("desert", 60.0, 0.1, 0.01)],
    }
    cover = province_cover(types)
    assert cover.value == pytest.approx(0.3 * 0.8 + 0.1 * 0.4 + 0.6 * 0.1)
    assert cover.se == pytest.approx(math.hypot(0.3 * 0.02, 0.6 * 0.01))


def test_composite_cover_without_plots_is_refused():
    with pytest.raises(Refusal, match="needs plots"):
        composite_cover([])


@pytest.mark.parametrize(
    "part",
    [
        TypeCover("percent", 1.0, 58.5, 1.0),
        TypeCover("no error", 1.0, 0.5, math.nan),
        TypeCover("no area", 0.0, 0.5, 0.1),
    ],
    ids=lambda part: part.name,
)
def test_a_cover_in_percent_without_error_or_area_is_refused(part):
    with pytest.raises(TableError):
        composite_cover([part])


def test_one_part_twice_is_refused():
    with pytest.raises(TableError, match="once"):
        composite_cover([COUNTIES[0], COUNTIES[0]])


@given(st.permutations(COUNTIES), st.floats(0.01, 1e6, allow_nan=False))
def test_order_and_unit_of_areas_change_nothing(parts, scale):
    scaled = [TypeCover(p.name, p.area_ha * scale, p.cover, p.se) for p in parts]
    assert composite_cover(scaled).value == pytest.approx(
        composite_cover(COUNTIES).value, rel=1e-12
    )


def test_reduction_by_hand_and_unknown_reference():
    reduction = relative_reduction(
        np.array([0.6, 0.9, 0.3, np.nan]), np.array([0.8, 0.8, 0.0, 0.8])
    )
    np.testing.assert_allclose(reduction, [25.0, -12.5, np.nan, np.nan])


def test_grade_limits_belong_to_the_lower_grade(scales):
    cover = np.array([-5.0, 10.0, 10.1, 20.0, 20.1, 30.0, 30.1, np.nan])
    np.testing.assert_array_equal(
        graded(cover, scales["degradation_cover"]), [0, 0, 1, 1, 2, 2, 3, -1]
    )


def test_the_worse_of_cover_and_yield_decides(scales):
    grade = degradation_grade(
        np.array([5.0, 35.0, 15.0, 5.0]),
        np.array([25.0, 15.0, 15.0, np.nan]),
        scales=scales,
    )
    np.testing.assert_array_equal(grade, [2, 3, 1, -1])


def test_cover_alone_decides_without_yield(scales):
    grade = degradation_grade(np.array([5.0, 25.0]), None, scales=scales)
    np.testing.assert_array_equal(grade, [0, 2])


def test_reduction_within_its_error_is_not_significant():
    significant = significant_reduction(
        np.array([10.0, 20.0]), np.array([8.0, 8.0]), z=1.645
    )
    assert significant.tolist() == [False, True]


def test_degraded_in_three_of_five_years_persists():
    years = np.array([[1, 1], [0, 1], [1, 0], [1, 0], [0, 0]], dtype=bool)
    assert persistent(years, years=3).tolist() == [True, False]


def test_black_soil_only_on_alpine_meadow(scales):
    grade, slope = black_soil_grade(
        np.array([30.0, 50.0, 70.0, 90.0, 90.0]),
        np.array([3.0, 7.0, 24.9, 25.0, 5.0]),
        np.array([True, True, True, True, False]),
        scales=scales,
    )
    assert grade.tolist() == [0, 1, 2, 3, -1]
    assert slope.tolist() == [0, 1, 1, 2, -1]


def test_sandy_land_by_cover(scales):
    grade = sandy_grade(
        np.array([9.9, 10.0, 29.9, 30.0, 5.0]),
        np.array([True, True, True, True, False]),
        scale=scales["sandy_cover"],
    )
    assert grade.tolist() == [0, 1, 1, 2, -1]


def test_a_scale_whose_names_do_not_fit_its_limits_cannot_be_made():
    with pytest.raises(TableError):
        GradeScale("x", "v", "%", (1.0, 2.0), "left", ("一",), ("a",), "s", "u")


def test_forage_yield_and_carrying_capacity_by_hand():
    forage = forage_yield(Measure(1e5, 3e3, "ha"), Measure(0.9, 0.036, "t ha-1"))
    assert forage.value == pytest.approx(9e4)
    assert forage.se == pytest.approx(9e4 * 0.05)
    capacity = carrying_capacity(
        forage,
        utilisation=Measure(0.5, 0.0, "1"),
        edible=Measure(0.8, 0.0, "1"),
        daily_intake_kg=Measure(1.8, 0.216, "kg d-1"),
        days=365,
    )
    assert capacity.value == pytest.approx(9e4 * 0.4 / 0.657)
    assert capacity.se / capacity.value == pytest.approx(0.13)
    over = overstocking(Measure(capacity.value * 1.2, 0.0, "sheep unit"), capacity)
    assert over.ratio == pytest.approx(0.2)
    assert over.se == pytest.approx(1.2 * 0.13)


def test_a_utilisation_in_percent_is_refused():
    with pytest.raises(TableError, match="utilisation 50"):
        carrying_capacity(
            Measure(1.0, 0.1, "t"),
            utilisation=Measure(50.0, 1.0, "1"),
            edible=Measure(0.8, 0.0, "1"),
            daily_intake_kg=Measure(1.8, 0.1, "kg d-1"),
            days=365,
        )


def test_intake_that_is_not_positive_is_refused():
    with pytest.raises(TableError, match="intake"):
        carrying_capacity(
            Measure(1.0, 0.1, "t"),
            utilisation=Measure(0.5, 0.0, "1"),
            edible=Measure(0.8, 0.0, "1"),
            daily_intake_kg=Measure(0.0, 0.1, "kg d-1"),
            days=365,
        )


def test_stocking_against_no_capacity_is_refused():
    with pytest.raises(Refusal):
        overstocking(Measure(10.0, 0.0, "sheep unit"), Measure(0, 0, "sheep unit"))


def test_an_unknown_error_is_not_zero():
    with pytest.raises(Exception, match="finite"):
        Measure(1.0, math.nan, "1")

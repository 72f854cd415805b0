"""Model-based, hybrid and change variances: fixtures, geometry, what never holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qhsink.domain.errors import Refusal, TableError
from qhsink.estimation.change import (
    MemberTotals,
    aligned_sum,
    member_change,
    paired_change,
)
from qhsink.estimation.model_based import (
    ResidualCorrelation,
    cluster_mean,
    gradient_variance,
    hybrid_variance,
    large_area_correlation,
    mean_correlation_of_disc,
    mean_correlation_of_points,
    member_variance,
    model_variance,
    residual_variance_of_mean,
)
from qhsink.estimation.survey import stratified_sample

EXPONENTIAL = ResidualCorrelation("exponential", 2000.0)
SPHERICAL = ResidualCorrelation("spherical", 6000.0)


def test_effective_residuals_are_those_of_methodology_d5():
    assert 1 / large_area_correlation(1e10, EXPONENTIAL) == pytest.approx(398, abs=0.5)
    assert 1 / large_area_correlation(1e10, SPHERICAL) == pytest.approx(442, abs=0.5)
    near = ResidualCorrelation("exponential", 500.0)
    assert large_area_correlation(1e6, near) == 1.0


@pytest.mark.parametrize("spatial", [EXPONENTIAL, SPHERICAL])
def test_a_disc_tends_to_the_large_area_formula_and_to_one_pixel(spatial):
    wide = mean_correlation_of_disc(1e14, spatial)
    assert wide == pytest.approx(large_area_correlation(1e14, spatial), rel=1e-3)
    assert mean_correlation_of_disc(1.0, spatial) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("spatial", [EXPONENTIAL, SPHERICAL])
def test_a_disc_agrees_with_pairs_drawn_in_it(spatial):
    radius = 5000.0
    rng = np.random.default_rng(4)
    angle = rng.uniform(0, 2 * np.pi, (2, 200_000))
    reach = radius * np.sqrt(rng.uniform(size=(2, 200_000)))
    x, y = reach * np.cos(angle), reach * np.sin(angle)
    drawn = spatial.structured(np.hypot(x[0] - x[1], y[0] - y[1])).mean()
    found = mean_correlation_of_disc(math.pi * radius**2, spatial)
    assert found == pytest.approx(drawn, rel=0.01)


def test_points_of_a_region_agree_with_the_disc_and_a_long_region_gains():
    step = 500.0
    axis = np.arange(-10_000, 10_001, step)
    x, y = (part.ravel() for part in np.meshgrid(axis, axis))
    inside = np.hypot(x, y) <= 10_000
    disc = np.column_stack([x[inside], y[inside]])
    found = mean_correlation_of_points(disc, EXPONENTIAL, cell_m=step)
    area = inside.sum() * step**2
    assert found == pytest.approx(mean_correlation_of_disc(area, EXPONENTIAL), rel=0.01)
    strip = np.column_stack([np.arange(len(disc)) * step, np.zeros(len(disc))])
    assert mean_correlation_of_points(strip, EXPONENTIAL, cell_m=step) < found


def test_the_province_error_does_not_shrink_with_the_root_of_the_pixels():
    members = np.random.default_rng(1).normal(50, 0.8, 30)
    area, sd = 7e11, 15.0
    errors = {}
    for pixel in (100.0, 400.0, 900.0, 10_000.0):
        variance = model_variance(
            members, residual_sd=sd, spatial=EXPONENTIAL, area_m2=area, pixel_m2=pixel
        )
        errors[pixel] = variance.se
        naive = sd / math.sqrt(area / pixel)
        assert variance.se > 100 * naive
        assert variance.residuals > (10 * naive) ** 2
    # A hundred times the pixels: 1/sqrt(pixels) would make it ten times smaller.
    assert errors[100.0] == pytest.approx(errors[10_000.0], rel=1e-9)


def test_the_parameter_error_is_what_remains_however_large_the_region():
    members = np.random.default_rng(1).normal(50, 0.8, 30)
    se = [
        model_variance(
            members, residual_sd=15, spatial=SPHERICAL, area_m2=area, pixel_m2=400
        ).se
        for area in (1e6, 1e8, 1e10, 1e12, 1e14)
    ]
    assert se == sorted(se, reverse=True)
    assert se[-1] == pytest.approx(math.sqrt(member_variance(members)), rel=1e-3)


def test_only_the_nugget_averages_over_pixels():
    assert residual_variance_of_mean(3, 0.2, pixels=10) == pytest.approx(9 * 0.2)
    found = residual_variance_of_mean(3, 0.2, pixels=10, nugget_share=0.4)
    assert found == pytest.approx(9 * (0.6 * 0.2 + 0.04))


def test_clusters_of_methodology_d4():
    found = cluster_mean([180, 50, 340], [3, 2, 4])
    assert found.value == pytest.approx(63.333, abs=5e-4)
    assert found.variance == pytest.approx(249.794, abs=5e-4)
    assert found.se == pytest.approx(15.80, abs=5e-3)


def test_hybrid_adds_the_models_error_to_that_of_the_tracks():
    base = np.array([180.0, 50.0, 340.0])
    members = np.stack([base * factor for factor in (0.9, 1.0, 1.1)])
    mean, variance = hybrid_variance(members, [3, 2, 4], residual_variance=2.0)
    assert mean == pytest.approx(63.3333, abs=1e-4)
    assert variance.sampling == pytest.approx(249.794, abs=5e-4)
    assert variance.parameters == pytest.approx((0.1 * 570 / 9) ** 2)
    total = variance.sampling + variance.parameters + 2
    assert variance.total == pytest.approx(total)


def test_member_variance_is_the_gradient_form_for_a_linear_model():
    rng = np.random.default_rng(2)
    covariance = np.array([[4.0, 1.0], [1.0, 2.0]])
    gradient = np.array([1.0, 0.5])
    draws = rng.multivariate_normal([10, 3], covariance, size=40_000)
    assert member_variance(draws @ gradient) == pytest.approx(
        gradient_variance(gradient, covariance), rel=0.03
    )
    assert gradient_variance(gradient, covariance) == pytest.approx(5.5)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        pytest.param(member_variance, ([4.0],), id="one member"),
        pytest.param(cluster_mean, ([4.0], [2.0]), id="one track"),
        pytest.param(ResidualCorrelation, ("spherical", 0.0), id="no range"),
        pytest.param(ResidualCorrelation, ("spherical", 9.0, 1.5), id="nugget"),
    ],
)
def test_what_has_no_variance_is_refused(function, arguments):
    with pytest.raises(TableError):
        function(*arguments)


def test_a_region_without_points_is_refused():
    with pytest.raises(TableError):
        mean_correlation_of_points(np.empty((0, 2)), EXPONENTIAL, cell_m=10.0)


def test_a_paired_sample_gains_from_its_covariance():
    first = np.array([10.0, 14.0, 9.0, 17.0, 20.0])
    second = first + np.array([1.0, 2.0, 1.0, 2.0, 1.5])
    design = stratified_sample(5, sizes=[100])
    found = paired_change(design, first, second)
    assert found.value == pytest.approx(150)
    # 100^2 s^2 / 5 with s^2 of the gains = 0.25
    assert found.variance == pytest.approx(100**2 * 0.25 / 5)
    whole = found.variance_first + found.variance_second
    assert found.variance == pytest.approx(whole - 2 * found.covariance)
    assert found.variance < whole / 50


def test_aligned_members_share_their_error():
    one = MemberTotals("fvc-1a2b3c4d", (100.0, 110.0, 90.0), 4.0)
    two = MemberTotals("fvc-1a2b3c4d", (103.0, 113.5, 92.5), 5.0)
    found = member_change(one, two)
    assert found.value == pytest.approx(3.0)
    assert found.variance == pytest.approx(0.25 + 9)
    assert found.variance_first == pytest.approx(104)
    better = member_change(one, two, residual_correlation=0.5)
    assert better.variance == pytest.approx(0.25 + 9 - math.sqrt(20))


def test_two_maps_trained_apart_are_refused():
    one = MemberTotals("fvc-1a2b3c4d", (100.0, 110.0))
    with pytest.raises(Refusal, match="same ensemble"):
        member_change(one, MemberTotals("fvc-99999999", (103.0, 113.0)))
    with pytest.raises(Refusal):
        member_change(one, MemberTotals("fvc-1a2b3c4d", (103.0, 113.0, 1.0)))
    with pytest.raises(Refusal):
        aligned_sum([one, MemberTotals("fvc-99999999", (103.0, 113.0))])


def test_parts_add_member_by_member():
    parts = [
        MemberTotals("m", (1.0, 2.0, 6.0), 1.0),
        MemberTotals("m", (3.0, 1.0, 2.0), 2.0),
    ]
    whole = aligned_sum(parts)
    assert whole.values == (4.0, 3.0, 8.0)
    assert whole.residual_variance == 3.0

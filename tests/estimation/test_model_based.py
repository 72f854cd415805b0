"""Model-based, hybrid and change variances: fixtures, geometry, what never holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qhsink.domain.errors import Refusal, TableError
from qhsink.domain.variogram import Variogram
from qhsink.estimation.change import (
    MemberTotals,
    member_change,
    paired_change,
)
from qhsink.estimation.model_based import (
    cluster_mean,
    hybrid_variance,
    member_variance,
    model_variance,
)
from qhsink.estimation.survey import stratified_sample


def test_the_province_error_does_not_shrink_with_the_root_of_the_pixels():
    members = np.random.default_rng(1).normal(50, 0.8, 30)
    area, sd = 7e11, 15.0
    residuals = Variogram(0.0, sd**2, 2000.0, "exponential", 0)
    errors = {}
    for pixel in (100.0, 400.0, 900.0, 10_000.0):
        variance = model_variance(members, residuals, area_m2=area, pixel_m2=pixel)
        errors[pixel] = variance.se
        naive = sd / math.sqrt(area / pixel)
        assert variance.se > 100 * naive
        assert variance.residuals > (10 * naive) ** 2
    # A hundred times the pixels: 1/sqrt(pixels) would make it ten times smaller.
    assert errors[100.0] == pytest.approx(errors[10_000.0], rel=1e-9)


def test_the_parameter_error_is_what_remains_however_large_the_region():
    members = np.random.default_rng(1).normal(50, 0.8, 30)
    residuals = Variogram(0.0, 225.0, 6000.0, "spherical", 0)
    se = [
        model_variance(members, residuals, area_m2=area, pixel_m2=400).se
        for area in (1e6, 1e8, 1e10, 1e12, 1e14)
    ]
    assert se == sorted(se, reverse=True)
    assert se[-1] == pytest.approx(math.sqrt(member_variance(members)), rel=1e-3)


def test_the_shape_given_replaces_the_disc():
    residuals = Variogram(0.0, 4.0, 2000.0, "exponential", 0)
    found = model_variance(
        [1.0, 2.0], residuals, area_m2=1e8, pixel_m2=400, mean_correlation=0.1
    )
    assert found.residuals == pytest.approx(0.4)
    assert found.parameters == pytest.approx(0.5)


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
    by_gradient = gradient @ covariance @ gradient
    assert by_gradient == pytest.approx(5.5)
    assert member_variance(draws @ gradient) == pytest.approx(by_gradient, rel=0.03)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        pytest.param(member_variance, ([4.0],), id="one member"),
        pytest.param(cluster_mean, ([4.0], [2.0]), id="one track"),
    ],
)
def test_what_has_no_variance_is_refused(function, arguments):
    with pytest.raises(TableError):
        function(*arguments)


def test_a_region_smaller_than_a_pixel_is_refused():
    residuals = Variogram(0.0, 1.0, 100.0, "exponential", 0)
    with pytest.raises(TableError, match="pixel"):
        model_variance([1.0, 2.0], residuals, area_m2=10.0, pixel_m2=400.0)


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

"""Forest: two definitions on small rasters, and rates that need a sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qhsink.config import load_forest_rules
from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import Denominator, Measure
from qhsink.indicators.forest import (
    cover_rate,
    forest_fao,
    forest_national,
    growing_stock,
    sieve,
    special_shrubland,
    unit_mean,
)

LAND = Denominator("land", 1e6, "ha", "survey", "verified")


@pytest.fixture(scope="module")
def rules(project_folder):
    return load_forest_rules(project_folder)


def area(value=7.5e4, se=2e3, n=500, unit="ha"):
    return Estimate(
        indicator="forest_area",
        region="632222",
        period="2025-peak",
        value=value,
        se=se,
        df=math.inf,
        low=value - 1.645 * se,
        high=value + 1.645 * se,
        confidence=0.9,
        unit=unit,
        mode="design" if n else "model",
        n=n,
        area_ha=1e6,
        valid_share=1.0,
        provenance="observed",
    )


def test_mean_is_over_a_window_that_holds_one_mu():
    # at 10 m a mu is 6.67 pixels: the window is 3 x 3
    canopy = np.zeros((5, 5))
    canopy[2, 2] = 0.9
    mean = unit_mean(canopy, pixel_area_ha=0.01, unit_area_ha=0.0667)
    np.testing.assert_allclose(mean[1:4, 1:4], 0.1)
    assert mean[0, 0] == pytest.approx(0.0)


def test_at_thirty_metres_a_pixel_is_the_unit():
    canopy = np.random.default_rng(1).random((6, 6))
    mean = unit_mean(canopy, pixel_area_ha=0.09, unit_area_ha=0.0667)
    np.testing.assert_allclose(mean, canopy, rtol=1e-12)


def test_unknown_canopy_is_left_out_of_the_mean_and_stays_unknown():
    canopy = np.full((3, 3), 0.4)
    canopy[1, 1] = np.nan
    mean = unit_mean(canopy, pixel_area_ha=0.01, unit_area_ha=0.0667)
    assert np.isnan(mean[1, 1])
    np.testing.assert_allclose(mean[0, 0], 0.4)


def test_sieve_keeps_a_patch_that_touches_by_corners_and_drops_a_smaller_one():
    mask = np.zeros((8, 8), dtype=bool)
    for k in range(7):
        mask[k, k] = True  # seven pixels by their corners: 0.07 ha
    mask[0, 5:8] = True  # three pixels
    kept = sieve(mask, pixel_area_ha=0.01, least_area_ha=0.0667)
    assert kept.sum() == 7
    assert not kept[0, 5:8].any()


def test_sieve_of_nothing_is_nothing():
    assert not sieve(np.zeros((3, 3), bool), pixel_area_ha=1, least_area_ha=1).any()


def test_canopy_of_exactly_a_fifth_is_forest_and_less_is_not(rules):
    rule = rules["forest_national"]
    none = np.zeros((9, 9), dtype=bool)
    at_limit = np.full((9, 9), 0.20)
    below = np.full((9, 9), 0.199)
    assert forest_national(at_limit, none, pixel_area_ha=0.01, rule=rule).all()
    assert not forest_national(below, none, pixel_area_ha=0.01, rule=rule).any()


def test_one_dense_pixel_is_no_forest_though_its_own_canopy_is(rules):
    canopy = np.zeros((7, 7))
    canopy[3, 3] = 1.0
    none = np.zeros((7, 7), dtype=bool)
    mask = forest_national(
        canopy, none, pixel_area_ha=0.01, rule=rules["forest_national"]
    )
    assert not mask.any()


def test_unknown_canopy_is_never_forest(rules):
    canopy = np.full((5, 5), np.nan)
    none = np.zeros((5, 5), dtype=bool)
    mask = forest_national(
        canopy, none, pixel_area_ha=0.01, rule=rules["forest_national"]
    )
    assert not mask.any()


def test_special_shrubland_needs_cover_and_place(rules):
    special = special_shrubland(
        np.array([0.5, 0.5, 0.30, 0.5]),
        precipitation_mm=np.array([350.0, 500.0, 350.0, 500.0]),
        above_tree_limit=np.array([False, False, False, True]),
        rule=rules["forest_national"],
    )
    assert special.tolist() == [True, False, False, True]


def test_shrubland_is_forest_nationally_and_never_under_fao(rules):
    canopy = np.zeros((10, 10))
    shrub = np.ones((10, 10), dtype=bool)
    national = forest_national(
        canopy, shrub, pixel_area_ha=0.09, rule=rules["forest_national"]
    )
    fao = forest_fao(
        canopy, np.full((10, 10), 1.0), pixel_area_ha=0.09, rule=rules["forest_fao"]
    )
    assert national.all()
    assert not fao.any()
    with pytest.raises(Refusal):
        special_shrubland(
            canopy,
            precipitation_mm=canopy,
            above_tree_limit=shrub,
            rule=rules["forest_fao"],
        )


def test_fao_needs_height_above_five_metres_and_half_a_hectare(rules):
    canopy = np.full((9, 9), 0.15)
    rule = rules["forest_fao"]
    tall = forest_fao(canopy, np.full((9, 9), 5.1), pixel_area_ha=0.09, rule=rule)
    low = forest_fao(canopy, np.full((9, 9), 5.0), pixel_area_ha=0.09, rule=rule)
    assert tall.all()
    assert not low.any()
    with pytest.raises(Refusal):
        forest_fao(canopy, canopy, pixel_area_ha=0.09, rule=rules["forest_national"])


def test_rate_by_hand():
    rate = cover_rate(area(), LAND)
    assert (rate.value, rate.se, rate.unit) == pytest.approx((0.075, 0.002, "1"))


def test_the_same_forest_over_three_denominators_is_three_rates():
    rates = {
        land: cover_rate(area(5.5e6, 1e4), Denominator(land, size, "ha", "s", "v"))
        for land, size in (("a", 72911965.0), ("b", 7.223e7), ("c", 6.967e7))
    }
    assert rates["a"].value == pytest.approx(0.07543, abs=1e-5)
    assert rates["c"].value == pytest.approx(0.07894, abs=1e-5)


def test_an_area_counted_on_a_map_is_refused():
    with pytest.raises(Refusal, match="reference samples"):
        cover_rate(area(n=0), LAND)


@pytest.mark.parametrize("wrong", [{"unit": "km2"}, {"value": 2e6}])
def test_wrong_unit_or_more_forest_than_land_is_caught(wrong):
    with pytest.raises(BadInput):
        cover_rate(area(**wrong), LAND)


def test_growing_stock_by_hand_with_the_exact_error_of_a_product():
    stock = growing_stock(Measure(1000.0, 300.0, "ha"), Measure(115.0, 46.0, "m3 ha-1"))
    assert stock.value == 115_000.0
    # (1 + 0.3^2)(1 + 0.4^2) - 1 = 0.2644
    assert stock.se == pytest.approx(115_000.0 * math.sqrt(0.2644), rel=1e-12)


def test_growing_stock_from_biomass_is_caught():
    with pytest.raises(BadInput, match="volume"):
        growing_stock(Measure(1.0, 0.1, "ha"), Measure(100.0, 5.0, "t d.m. ha-1"))

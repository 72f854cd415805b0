"""Pools: published chains, two routes kept apart, every unit mistake caught."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.accounting.plots import horizontal_plot_area
from qhsink.accounting.pools import (
    ABOVE,
    BELOW,
    balance,
    below_ground,
    biomass_from_expansion,
    biomass_from_volume_line,
    carbon_of,
    dioxide_of,
    over_area,
    root_shoot_cairns,
    warnings_on_scope,
)
from qhsink.accounting.soil import Layer, profile_carbon
from qhsink.config import load_factors
from qhsink.domain.carbon import Stock
from qhsink.domain.errors import BadInput, Refusal, TableError
from qhsink.domain.quantity import quantity

CF = "t C (t d.m.)-1"


def above(value=75.0, unit="t d.m. ha-1", ecosystem="forest"):
    return Stock(ecosystem, ABOVE, quantity(value, unit))


@pytest.fixture(scope="module")
def factors(project_folder):
    return load_factors(project_folder)


def test_chain_of_ar_tool14_from_above_ground_biomass_to_dioxide():
    # AR-TOOL14 v04.2: R = exp(-1.085 + 0.9256 ln b) / b; b = 75 t/ha, CF 0.47
    stand = above(75.0)
    ratio = root_shoot_cairns(stand.mass)
    assert ratio.number("1") == pytest.approx(0.24506761776285155, rel=1e-12)
    roots = below_ground(stand, ratio)
    assert (stand.mass + roots.mass).number("t d.m. ha-1") == pytest.approx(
        93.38007133221386, rel=1e-12
    )
    carbon = [carbon_of(pool, quantity(0.47, CF)).mass for pool in (stand, roots)]
    dioxide = dioxide_of(carbon[0] + carbon[1])
    assert dioxide.number("t CO2 ha-1") == pytest.approx(160.92498959584853, rel=1e-12)


def test_chain_of_ar_tool14_from_stem_volume():
    # 100 m3/ha * 0.3 * 1.1 * (1 + 0.2) * 0.47 * 44/12
    stand = biomass_from_expansion(
        "forest",
        quantity(100.0, "m3 ha-1"),
        quantity(0.3, "t d.m. m-3"),
        quantity(1.1, "1"),
    )
    roots = below_ground(stand, quantity(0.2, "1"))
    total = Stock("forest", ABOVE | BELOW, stand.mass + roots.mass)
    dioxide = dioxide_of(carbon_of(total, quantity(0.47, CF)).mass)
    assert dioxide.number("t CO2 ha-1") == pytest.approx(68.244, rel=1e-12)


def test_chain_of_ar_tool14_for_shrubs():
    # 0.1 of a 75 t/ha forest, crown cover 0.3 of 10 ha, R 0.4, CF 0.47
    shrub = Stock("shrubland", ABOVE, quantity(0.1 * 75.0, "t d.m. ha-1"))
    stock = over_area(shrub, quantity(10.0 * 0.3, "ha"))
    roots = below_ground(stock, quantity(0.4, "1"))
    total = Stock("shrubland", ABOVE | BELOW, stock.mass + roots.mass)
    dioxide = dioxide_of(carbon_of(total, quantity(0.47, CF)).mass)
    assert dioxide.number("t CO2") == pytest.approx(54.285, rel=1e-12)


def test_shared_case_of_the_chain_is_the_one_tested(shared_dir):
    folder = shared_dir / "cases" / "ar_tool14_carbon_chain"
    expected = json.loads((folder / "expected.json").read_text())
    assert expected["CO2_t_ha"] == pytest.approx(160.92498959584853)
    assert expected["stem_CO2_t_ha"] == pytest.approx(68.244)
    assert expected["shrub_CO2_t"] == pytest.approx(54.285)
    length, area = horizontal_plot_area(20.0, 25.0)
    slope = expected["slope_plot"]
    assert (length, area) == pytest.approx((slope["L_m"], slope["area_ha"]), rel=1e-12)


def test_slope_plot_of_the_biocarbon_sourcebook():
    length, area = horizontal_plot_area(20.0, 25.0)
    assert (round(length, 1), round(area, 2)) == (18.1, 0.11)


def test_carbon_to_dioxide_is_44_over_12_and_not_3_67():
    assert dioxide_of(quantity(12.0, "t C")).number("t CO2") == pytest.approx(
        44.0, rel=1e-15
    )
    rate = dioxide_of(quantity(1.0, "t C yr-1"))
    assert rate.number("t CO2 yr-1") == pytest.approx(44 / 12, rel=1e-15)


@pytest.mark.parametrize(
    ("kind", "at_100"),
    [
        ("picea", 93.92),
        ("sabina", 107.44),
        ("betula", 117.11),
        ("populus", 78.14),
        ("larix", 94.77),
        ("pinus_tabuliformis", 80.63),
        ("mixed_forest", 99.83),
    ],
)
def test_biomass_lines_at_100_cubic_metres(factors, kind, at_100):
    line = [factors.get(f"fang_{x}_{kind}", ecosystem=kind).quantity for x in "ab"]
    stand = biomass_from_volume_line(kind, quantity(100.0, "m3 ha-1"), *line)
    assert stand.mass.number("t d.m. ha-1") == pytest.approx(at_100, abs=0.006)
    assert stand.pools == ABOVE | BELOW


def test_young_spruce_comes_out_high_as_the_methodology_warns(factors):
    line = [factors.get(f"fang_{x}_picea", ecosystem="picea").quantity for x in "ab"]
    stand = biomass_from_volume_line("picea", quantity(20.0, "m3 ha-1"), *line)
    assert stand.mass.number("t d.m. ha-1") == pytest.approx(56.8, abs=0.05)


def test_province_chain_of_the_methodology(factors):
    # 4993e4 m3 / 115.43 m3/ha -> 0.433 Mha; B = 101.08 t/ha; 43.7 Mt; 20.6 Mt C
    area = quantity(4993e4, "m3") / quantity(115.43, "m3 ha-1")
    assert area.number("ha") == pytest.approx(0.4326e6, rel=1e-3)
    line = [factors.get(f"fang_{x}_picea", ecosystem="picea").quantity for x in "ab"]
    stand = biomass_from_volume_line("picea", quantity(115.43, "m3 ha-1"), *line)
    carbon = carbon_of(
        over_area(stand, area), factors.get("cf_tree", ecosystem="picea").quantity
    )
    assert carbon.mass.number("Mt C") == pytest.approx(20.6, abs=0.1)
    assert dioxide_of(carbon.mass).number("Mt CO2") == pytest.approx(75.4, abs=0.3)


def test_grass_chain_of_the_methodology(factors):
    # 68.8 g/m2 * (1 + 5.8) * 0.45 = 2.11 t C/ha; over 39.5 Mha 83 Mt C
    grass = Stock("grassland", ABOVE, quantity(68.8, "g d.m. m-2"))
    ratio = factors.get("rs_grass", ecosystem="grassland").quantity
    roots = below_ground(grass, ratio)
    total = Stock("grassland", ABOVE | BELOW, grass.mass + roots.mass)
    carbon = carbon_of(total, factors.get("cf_grass", ecosystem="grassland").quantity)
    assert carbon.mass.number("t C ha-1") == pytest.approx(2.105, abs=1e-3)
    stock = over_area(carbon, quantity(39.5e6, "ha"))
    assert stock.mass.number("Mt C") == pytest.approx(83, abs=0.5)


# ---- each unit mistake that the issue names, planted ----


def test_dry_matter_taken_for_carbon_is_caught():
    with pytest.raises(BadInput, match="Dry matter is not carbon"):
        balance([over_area(above(), quantity(10.0, "ha"))])
    with pytest.raises(BadInput, match="Dry matter is not carbon"):
        dioxide_of(quantity(10.0, "t d.m."))


def test_carbon_taken_for_dioxide_is_caught():
    with pytest.raises(BadInput, match="Carbon is not carbon dioxide"):
        quantity(10.0, "t C").number("t CO2")
    with pytest.raises(BadInput, match="dioxide is not carbon"):
        dioxide_of(quantity(10.0, "t CO2"))
    with pytest.raises(BadInput, match="in one sum"):
        _ = quantity(1.0, "t C") + quantity(1.0, "t CO2")


def test_grams_per_square_metre_and_tonnes_per_hectare_convert_and_never_mix():
    assert quantity(68.8, "g d.m. m-2").number("t d.m. ha-1") == pytest.approx(0.688)
    mixed = quantity(1.0, "t d.m. ha-1") + quantity(68.8, "g d.m. m-2")
    assert mixed.number("t d.m. ha-1") == pytest.approx(1.688)


@pytest.mark.parametrize("symbol", ["t ha-1", "g m-2", "t", "Mt", "tC/ha"])
def test_a_mass_that_does_not_say_of_what_is_no_unit(symbol):
    with pytest.raises(BadInput, match="names its substance"):
        quantity(1.0, symbol)


def test_a_carbon_fraction_applied_twice_is_caught():
    once = carbon_of(above(), quantity(0.47, CF))
    with pytest.raises(BadInput):
        carbon_of(once, quantity(0.47, CF))


def test_a_carbon_fraction_in_percent_is_caught():
    with pytest.raises(BadInput, match="carbon fraction 47"):
        carbon_of(above(), quantity(47.0, CF))


def test_roots_counted_twice_after_a_volume_line_are_caught():
    stand = Stock("picea", ABOVE | BELOW, quantity(94.0, "t d.m. ha-1"))
    with pytest.raises(BadInput, match="includes roots"):
        below_ground(stand, quantity(0.24, "1"))


def test_a_negative_root_shoot_ratio_is_caught():
    with pytest.raises(BadInput, match="root:shoot"):
        below_ground(above(), quantity(-0.2, "1"))


def test_a_total_volume_into_a_line_made_for_densities_is_caught():
    with pytest.raises(BadInput, match="density is not a stock"):
        biomass_from_volume_line(
            "picea",
            quantity(4993e4, "m3"),
            quantity(0.4642, "t d.m. m-3"),
            quantity(47.5, "t d.m. ha-1"),
        )


def test_an_area_applied_twice_is_caught():
    stock = over_area(above(), quantity(10.0, "ha"))
    with pytest.raises(BadInput, match="already over its area"):
        over_area(stock, quantity(10.0, "ha"))


def test_biomass_of_a_bare_stand_has_no_ratio():
    with pytest.raises(BadInput):
        root_shoot_cairns(quantity(0.0, "t d.m. ha-1"))


def test_an_unknown_number_is_no_quantity():
    with pytest.raises(BadInput, match="finite"):
        quantity(math.nan, "t C")


def test_a_factor_for_another_ecosystem_is_refused(factors):
    with pytest.raises(TableError, match="rs_grass"):
        factors.get("rs_grass", ecosystem="picea")


def test_a_misspelt_factor_names_the_nearest(factors):
    with pytest.raises(TableError, match="Did you mean 'cf_tree'"):
        factors.get("cf_tre", ecosystem="picea")


# ---- balance ----


def tonnes(value, pools, ecosystem="grassland"):
    return Stock(ecosystem, frozenset(pools), quantity(value, "t C"))


def test_balance_adds_and_says_what_was_left_out():
    result = balance(
        [
            tonnes(10.0, {"above-ground"}),
            tonnes(58.0, {"below-ground"}),
            Stock("picea", ABOVE | BELOW, quantity(1e-6, "Mt C")),
        ]
    )
    assert result.carbon.number("t C") == pytest.approx(69.0)
    assert result.dioxide.number("t CO2") == pytest.approx(69.0 * 44 / 12)
    assert "grassland: soil" in result.left_out
    assert "picea: dead wood" in result.left_out
    assert "picea: below-ground" not in result.left_out
    assert len(warnings_on_scope(result)) == 2


def test_a_pool_that_comes_twice_is_caught():
    with pytest.raises(BadInput, match="above-ground of grassland twice"):
        balance([tonnes(1.0, {"above-ground"}), tonnes(2.0, {"above-ground"})])
    with pytest.raises(BadInput, match="twice"):
        balance([tonnes(1.0, ABOVE | BELOW), tonnes(2.0, BELOW)])


def test_a_balance_of_nothing_is_refused():
    with pytest.raises(Refusal):
        balance([])


def test_a_density_in_a_balance_is_caught():
    with pytest.raises(BadInput, match="density is not a stock"):
        balance([Stock("grassland", ABOVE, quantity(1.0, "t C ha-1"))])


@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=8))
def test_parts_add_to_the_whole_whatever_their_order(values):
    stocks = [tonnes(v, {"soil"}, f"type {k}") for k, v in enumerate(values)]
    forwards, backwards = balance(stocks), balance(stocks[::-1])
    assert forwards.carbon.value == backwards.carbon.value
    assert forwards.carbon.value == pytest.approx(math.fsum(values))


# ---- soil ----


def test_soil_profile_by_hand():
    # 20 cm * 1.1 * 40 * 0.9 * 0.1 + 30 cm * 1.3 * 20 * 0.8 * 0.1
    soil = profile_carbon(
        "grassland", [Layer(0, 20, 1.1, 40, 0.1), Layer(20, 50, 1.3, 20, 0.2)]
    )
    assert soil.mass.number("t C ha-1") == pytest.approx(79.2 + 62.4)
    assert soil.pools == frozenset({"soil"})


@pytest.mark.parametrize(
    "layers",
    [
        [Layer(0, 20, 1.1, 40, 0.1), Layer(30, 50, 1.3, 20, 0.2)],
        [Layer(0, 20, 1100.0, 40, 0.1)],
        [Layer(0, 20, 1.1, 40, 10.0)],
        [Layer(0, 20, 1.1, 4000, 0.1)],
        [Layer(20, 0, 1.1, 40, 0.1)],
    ],
    ids=["gap", "kg m-3", "percent", "not g kg-1", "upside down"],
)
def test_a_profile_that_cannot_be_is_refused(layers):
    with pytest.raises(TableError):
        profile_carbon("grassland", layers)

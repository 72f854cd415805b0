"""The stocks table: every unit mistake is caught at its door."""

from __future__ import annotations

import pytest

from qhsink.accounting.stocks import read_stocks, recipe_of
from qhsink.domain.carbon import FactorChoice
from qhsink.domain.errors import BadInput, Refusal, TableError

GRASS = FactorChoice("grassland", "grass", "cf_grass", root_shoot="rs_grass")
SPRUCE = FactorChoice(
    "picea",
    "tree",
    "cf_picea",
    root_shoot="rs_picea",
    volume_line=("fang_a_picea", "fang_b_picea"),
)


def row(quantity="area", value="100", se="5", unit="ha", ecosystem="grassland"):
    return {
        "ecosystem": ecosystem,
        "quantity": quantity,
        "value": value,
        "se": se,
        "unit": unit,
    }


AREA = row()
BIOMASS = row("biomass", "70", "5", "g d.m. m-2")


def test_values_and_errors_come_in_canonical_units():
    area = row(value="395", se="4", unit="km2")
    (holding,) = read_stocks([area, BIOMASS])
    assert holding.entries["area"].amount.number("ha") == pytest.approx(39_500)
    assert holding.entries["area"].se == pytest.approx(400)
    biomass = holding.entries["biomass"]
    assert biomass.amount.number("t d.m. ha-1") == pytest.approx(0.7)
    assert biomass.se == pytest.approx(0.05)
    recipe = recipe_of(holding, GRASS, route="biomass")
    assert recipe.area.number("ha") == pytest.approx(39_500)
    assert (recipe.area_se, recipe.density_se) == pytest.approx((400, 0.05))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (row("biomass", "0.7", "0.1", "t ha-1"), "names its substance"),
        (row("biomass", "0.3", "0.1", "t C ha-1"), "t C ha-1"),
        (row("biomass", "70", "5", "t d.m."), "A density is not a stock"),
        (row("growing_stock", "9e6", "1e5", "m3"), "A density is not a stock"),
        (row("growing_stock", "90", "5", "t d.m. ha-1"), "one in m3 ha-1"),
        (row("biomass", "70", "5", "ha"), "one in t d.m. ha-1"),
        (row("biomass", "2.6", "0.1", "t CO2 ha-1"), "one in t d.m. ha-1"),
        (row("biomass", "70", "5", "%"), "one in t d.m. ha-1"),
        (row("biomass", "70", "5", ""), "column 'unit': no value"),
        (row("biomass", "70", "", "g d.m. m-2"), "Unknown is not zero"),
        (row("biomass", "nan", "5", "g d.m. m-2"), "finite number"),
        (row("biomass", "70 g", "5", "g d.m. m-2"), "unit has its own column"),
        (row("biomass", "-70", "5", "g d.m. m-2"), "a positive value"),
        (row("biomass", "70", "-5", "g d.m. m-2"), "not negative"),
        (row("agb", "70", "5", "g d.m. m-2"), "quantity 'agb'"),
        (row("area", "1", "0.1", "ha"), "area of grassland a second time"),
    ],
)
def test_a_planted_mistake_is_named_with_its_line(wrong, words):
    with pytest.raises(BadInput) as caught:
        read_stocks([AREA, wrong])
    assert words in str(caught.value)
    assert "line 3" in str(caught.value)


def test_missing_columns_rows_and_parts_are_named():
    with pytest.raises(TableError, match="without unit"):
        read_stocks([{k: v for k, v in AREA.items() if k != "unit"}])
    with pytest.raises(TableError, match="without rows"):
        read_stocks([])
    with pytest.raises(TableError, match="grassland without area"):
        read_stocks([BIOMASS])
    with pytest.raises(TableError, match="grassland without biomass or"):
        read_stocks([AREA])


def test_the_volume_route_never_gets_a_root_ratio():
    (holding,) = read_stocks(
        [
            row(ecosystem="picea"),
            row("growing_stock", "130", "8", "m3 ha-1", ecosystem="picea"),
        ]
    )
    recipe = recipe_of(holding, SPRUCE, route="growing_stock")
    assert recipe.volume_line == ("fang_a_picea", "fang_b_picea")
    assert recipe.root_shoot is None
    with pytest.raises(Refusal, match="picea by biomass"):
        recipe_of(holding, SPRUCE, route="biomass")


def test_growing_stock_without_a_line_is_refused():
    (holding,) = read_stocks([AREA, row("growing_stock", "130", "8", "m3 ha-1")])
    with pytest.raises(Refusal, match="without a line B = aV"):
        recipe_of(holding, GRASS, route="growing_stock")

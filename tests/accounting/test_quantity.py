"""Quantities: conversions come back, products keep their dimensions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.errors import BadInput
from qhsink.domain.quantity import UNITS, Quantity, quantity, unit_named

SIZES = st.floats(1e-6, 1e9)
SYMBOLS = st.sampled_from(sorted(UNITS))


@given(SIZES, SYMBOLS, SYMBOLS)
def test_a_conversion_comes_back_or_is_refused(value, first, second):
    amount = quantity(value, first)
    if UNITS[first].powers == UNITS[second].powers:
        there = amount.to(second)
        assert there.number(first) == pytest.approx(value, rel=1e-12)
    else:
        with pytest.raises(BadInput):
            amount.number(second)
        with pytest.raises(BadInput):
            _ = amount + quantity(1.0, second)


@given(SIZES, SYMBOLS, SIZES, SYMBOLS)
def test_a_product_divided_comes_back(value, symbol, other_value, other_symbol):
    amount, other = quantity(value, symbol), quantity(other_value, other_symbol)
    back = (amount * other) / other
    assert back.number(symbol) == pytest.approx(value, rel=1e-9)


@given(SIZES, SIZES, SYMBOLS)
def test_sum_and_difference_undo_each_other(one, other, symbol):
    total = quantity(one, symbol) + quantity(other, symbol)
    assert (total - quantity(other, symbol)).number(symbol) == pytest.approx(
        one, rel=1e-6, abs=1e-6 * (one + other)
    )


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [
        (quantity(1.0, "t d.m. ha-1"), "g d.m. m-2", 100.0),
        (quantity(1.0, "kg C m-2"), "t C ha-1", 10.0),
        (quantity(6.5, "kg C m-2"), "t C ha-1", 65.0),
        (quantity(3983.66, "kg d.m. ha-1"), "t d.m. ha-1", 3.98366),
        (quantity(1.0, "km2"), "ha", 100.0),
        (quantity(10_000.0, "m2"), "ha", 1.0),
        (quantity(2.5, "Mt C"), "t C", 2.5e6),
        (quantity(58.5, "%"), "1", 0.585),
    ],
    ids=[
        "t ha-1 to g m-2",
        "kg m-2 to t ha-1",
        "soil of the plateau",
        "kg ha-1",
        "km2",
        "m2",
        "Mt",
        "percent",
    ],
)
def test_conversions_by_hand(amount, unit, expected):
    assert amount.number(unit) == pytest.approx(expected, rel=1e-12)


def test_a_product_has_the_unit_that_its_parts_make():
    stock = quantity(2.0, "t C ha-1") * quantity(3.0, "km2")
    assert (stock.value, stock.unit.symbol) == (600.0, "t C")
    density = quantity(10.0, "m3 ha-1") * quantity(0.4, "t d.m. m-3")
    assert density.unit.symbol == "t d.m. ha-1"


def test_a_dimension_without_a_name_is_spelled_out():
    odd = quantity(1.0, "t C") * quantity(1.0, "t C")
    assert odd.unit.symbol == "(t C)2"


def test_a_pure_number_has_unit_one():
    ratio = quantity(1.0, "t C") / quantity(4.0, "t C")
    assert ratio == Quantity(0.25, unit_named("1"))

"""The variogram as a value: its curve by hand, its table, what it refuses."""

from __future__ import annotations

import json
import math

import pytest

from qhsink.domain.errors import ModelError, TableError
from qhsink.domain.variogram import Variogram, describe_variogram, variogram_from

EXPONENTIAL = Variogram(0.002, 0.006, 2000.0, "exponential", 900, 80, 150.0, 40_000.0)
SPHERICAL = Variogram(0.002, 0.006, 6000.0, "spherical", 900)


def test_covariance_follows_the_two_curves():
    assert EXPONENTIAL.covariance(0.0) == pytest.approx(0.008)
    assert EXPONENTIAL.covariance(2000.0) == pytest.approx(0.006 / math.e)
    assert SPHERICAL.covariance(3000.0) == pytest.approx(0.006 * (1 - 0.75 + 0.0625))
    assert SPHERICAL.covariance(6000.0) == 0.0
    assert SPHERICAL.covariance(9000.0) == 0.0


def test_a_sill_is_reached_only_within_the_distances_seen():
    assert EXPONENTIAL.practical_range_m == 6000.0
    assert EXPONENTIAL.reaches_its_sill
    near = Variogram(0.0, 1.0, 2000.0, "exponential", 900, longest_lag_m=5000.0)
    assert not near.reaches_its_sill


@pytest.mark.parametrize("variogram", [EXPONENTIAL, SPHERICAL])
def test_what_a_card_holds_reads_back_as_the_same_variogram(variogram):
    table = describe_variogram(variogram, source="out_of_fold")
    assert table["sill"] == 0.008
    assert table["source"] == "out_of_fold"
    again = variogram_from(json.loads(json.dumps(table, allow_nan=False)))
    assert again.partial_sill == pytest.approx(variogram.partial_sill)
    assert again.longest_lag_m == variogram.longest_lag_m
    assert describe_variogram(again, source="out_of_fold") == table


def test_a_card_without_a_range_is_refused():
    table = describe_variogram(EXPONENTIAL, source="out_of_fold")
    del table["range_m"]
    with pytest.raises(ModelError, match="range_m"):
        variogram_from(table)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((-0.1, 1.0, 10.0, "spherical"), id="a negative nugget"),
        pytest.param((0.1, 1.0, 0.0, "spherical"), id="no range"),
        pytest.param((0.1, math.nan, 10.0, "spherical"), id="a sill unknown"),
        pytest.param((0.1, 1.0, 10.0, "gaussian"), id="another model"),
    ],
)
def test_what_is_no_variogram_is_refused(parts):
    with pytest.raises(TableError, match="variogram"):
        Variogram(*parts, 5)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qhsink.mapping.screening import LEAST_ROWS, filled_rows, linear_copies


@given(
    slope=st.floats(-1e3, 1e3).filter(lambda v: abs(v) > 1e-3),
    start=st.floats(-1e3, 1e3),
    seed=st.integers(0, 50),
)
def test_a_computed_column_is_found_with_its_rule(slope, start, seed):
    x = np.random.default_rng(seed).random(40)
    (copy,) = linear_copies({"y": slope * x + start, "x": x})
    assert (copy.column, copy.of) == ("y", "x")
    assert copy.slope == pytest.approx(slope, rel=1e-4, abs=1e-6)
    assert copy.intercept == pytest.approx(start, rel=1e-4, abs=1e-3)


def test_a_measured_relation_is_not_reported():
    rng = np.random.default_rng(1)
    x = rng.random(500)
    assert linear_copies({"y": 2 * x + rng.normal(0, 0.01, 500), "x": x}) == ()


@given(gaps=st.integers(0, 40))
def test_rows_without_a_value_are_left_out_and_few_rows_judge_nothing(gaps):
    x = np.random.default_rng(2).random(40)
    y = 3 * x
    y[:gaps] = np.nan
    assume(gaps < 40)
    found = linear_copies({"y": y, "x": x, "same": np.ones(40)})
    assert len(found) == (1 if 40 - gaps >= LEAST_ROWS else 0)


def test_the_finding_reads_as_a_sentence():
    x = np.linspace(0, 1, 30)
    (copy,) = linear_copies({"carbon": 0.45 * x, "biomass": x})
    said = str(copy)
    assert "'carbon' is 0.45 times 'biomass'" in said
    assert "looks computed, not measured" in said


def partly_filled(share, seed=3, count=300):
    """Biomass of which a share was filled in from height."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(2, 20, count)
    mass = 6.0 * height + rng.normal(0, 15, count)
    filled = rng.random(count) < share
    mass[filled] = 4.0 + 5.5 * height[filled]
    return {"mass": mass, "height": height, "slope": rng.uniform(0, 30, count)}, filled


@pytest.mark.parametrize("share", [0.25, 0.4, 0.9])
def test_values_filled_in_by_regression_are_found_among_measured_ones(share):
    columns, filled = partly_filled(share)
    assert linear_copies(columns) == ()
    (found,) = filled_rows("mass", columns)
    assert (found.of, found.rows, found.count) == ("height", filled.sum(), 300)
    assert found.slope == pytest.approx(5.5, rel=1e-6)
    assert found.intercept == pytest.approx(4.0, rel=1e-5)
    assert "look filled in, not measured" in str(found)


def test_values_written_with_six_digits_are_still_found():
    columns, filled = partly_filled(0.5)
    (found,) = filled_rows("mass", {k: np.round(v, 4) for k, v in columns.items()})
    assert found.rows >= 0.95 * filled.sum()


@pytest.mark.parametrize("seed", range(5))
def test_measured_and_rounded_values_are_not_called_filled_in(seed):
    rng = np.random.default_rng(seed)
    cover = rng.integers(0, 101, 400) / 100.0
    height = rng.uniform(2, 20, 400)
    columns = {
        "cover": cover,
        "litter": np.clip(1 - cover - rng.integers(0, 30, 400) / 100.0, 0, 1),
        "mass": 6 * height + rng.normal(0, 1, 400),
        "height": np.round(height, 1),
        "exact": height,
    }
    assert filled_rows("cover", columns) == ()
    assert filled_rows("mass", columns) == ()


def test_a_column_on_a_line_as_a_whole_is_left_to_the_other_check():
    x = np.random.default_rng(1).random(100)
    assert filled_rows("y", {"y": 2 * x, "x": x}) == ()

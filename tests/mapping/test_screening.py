from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qhsink.mapping.screening import LEAST_ROWS, linear_copies


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

"""Lines per band, and the memory of what was done."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.errors import BadInput
from qhsink.imagery.corrections import Correction, Line, apply_lines, refuse_twice

NODATA = -32768


def test_a_line_by_hand_and_nodata_stays():
    stack = np.full((6, 1, 3), 1000, np.int16)
    stack[:, 0, 2] = NODATA
    stack[1, 0, 1] = 2500
    found = apply_lines(
        stack, [Line(1.0, 0.0), Line(0.5, -0.01), *[Line(2.0, 0.0)] * 4]
    )
    np.testing.assert_array_equal(found[0], [[1000, 1000, NODATA]])
    np.testing.assert_array_equal(found[1], [[400, 1150, NODATA]])
    np.testing.assert_array_equal(found[5], [[2000, 2000, NODATA]])
    assert stack[1, 0, 1] == 2500


def test_results_never_reach_the_markers():
    stack = np.full((6, 1, 1), 32_000, np.int16)
    assert apply_lines(stack, [Line(2.0, 0.0)] * 6).max() == 32_766
    assert apply_lines(stack, [Line(-2.0, 0.0)] * 6).min() == NODATA + 1


@given(st.floats(0.5, 2.0), st.floats(-0.05, 0.05), st.integers(0, 9000))
def test_a_line_and_its_inverse_lead_back(slope, offset, value):
    line = Line(slope, offset)
    stack = np.full((6, 1, 1), value, np.int16)
    there = apply_lines(stack, [line] * 6)
    back = apply_lines(there, [line.inverse()] * 6)
    assert abs(int(back[0, 0, 0]) - value) <= 2


def test_the_same_correction_twice_is_refused_even_if_it_left_the_day():
    done = (Correction("terrain", "2025-08-01", made=False, note="flat"),)
    refuse_twice(done, "view")
    with pytest.raises(BadInput, match="terrain has seen already"):
        refuse_twice(done, "terrain")

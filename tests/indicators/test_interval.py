"""Intervals: the published conformal quantiles and their edges."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.errors import Refusal
from qhsink.indicators.interval import conformal_half_width


def test_conformal_quantiles_agree_with_mapie(shared_dir):
    folder = shared_dir / "cases" / "split_conformal"
    inputs = json.loads((folder / "inputs.json").read_text())
    expected = json.loads((folder / "expected.json").read_text())
    for row in expected["q"]:
        data = inputs["calibration"][str(row["n"])]
        scores = np.abs(np.subtract(data["y"], data["x"])).tolist()
        ours = conformal_half_width(scores, row["confidence"])
        assert ours == pytest.approx(row["q_rank_ceil"], rel=1e-12)


def test_rank_by_hand():
    # n = 9 at 80 %: k = ceil(10 * 0.8) = 8, the eighth smallest
    assert conformal_half_width([9, -8, 7, 6, 5, 4, 3, 2, 1], 0.8) == 8


def test_too_few_units_for_the_level_are_refused_and_the_need_is_named():
    with pytest.raises(Refusal, match="at least 19"):
        conformal_half_width([1.0] * 18, 0.95)
    assert conformal_half_width([1.0] * 19, 0.95) == 1.0


@given(st.lists(st.floats(-50, 50), min_size=30, max_size=60))
def test_half_width_grows_with_confidence(scores):
    widths = [conformal_half_width(scores, level) for level in (0.5, 0.8, 0.95)]
    assert widths == sorted(widths)

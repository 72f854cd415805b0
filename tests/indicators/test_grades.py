"""Grades with probabilities, and states with false-discovery control."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.indicator import Measure
from qhsink.indicators.grades import (
    ERROR_TOO_WIDE,
    adjusted_p_values,
    dynamic_states,
    error_flags,
    reference_limits,
    sink_grade,
)

LIMITS = (10.0, 20.0, 30.0, 40.0)


def test_probabilities_by_hand():
    grade = sink_grade(Measure(25.0, 5.0, "t C ha-1"), LIMITS)
    p = stats.norm(25, 5).cdf(LIMITS)
    np.testing.assert_allclose(
        grade.probabilities, [p[0], p[1] - p[0], p[2] - p[1], p[3] - p[2], 1 - p[3]]
    )
    assert grade.grade == 3


def test_no_grade_where_none_is_likely():
    grade = sink_grade(Measure(20.0, 10.0, "t C ha-1"), LIMITS)
    assert grade.grade is None
    assert max(grade.probabilities) < 0.5


def test_without_error_the_grade_is_certain_and_limits_belong_below():
    assert sink_grade(Measure(20.0, 0.0, "t C ha-1"), LIMITS).grade == 2
    assert sink_grade(Measure(20.1, 0.0, "t C ha-1"), LIMITS).grade == 3


def test_an_error_wide_against_the_reference_is_flagged():
    """Ten units, 1 to 10: their standard deviation is 3.028."""
    reference = {"density": list(range(1, 11)), "rate": [0.0, 2.0] * 5}
    narrow, wide = Measure(5.0, 0.9, "t C ha-1"), Measure(5.0, 0.92, "t C ha-1")
    assert error_flags({"density": narrow}, reference, most=0.3) == ()
    assert error_flags({"density": wide}, reference, most=0.3) == (ERROR_TOO_WIDE,)
    poor = Measure(1.0, 1.0, "t C ha-1 yr-1")
    both = {"density": narrow, "rate": poor}
    assert error_flags(both, reference, most=0.3) == (ERROR_TOO_WIDE,)
    assert error_flags(both, reference, most=2.0) == ()


@pytest.mark.parametrize(("ratio", "most"), [(0.1, 0.02), (0.3, 0.05)])
def test_unflagged_grades_are_right_nearly_as_often_as_they_say(ratio, most):
    """Units like the reference, known to ``ratio`` of its spread, and far worse."""
    rng = np.random.default_rng(7)
    limits = stats.norm.ppf([0.2, 0.4, 0.6, 0.8])
    gap = {}
    for error in (ratio, 1.0):
        true = rng.normal(size=4000)
        graded = [
            sink_grade(Measure(float(seen), error, "t C ha-1"), limits)
            for seen in true + error * rng.normal(size=true.size)
        ]
        named = [
            (one.grade == 1 + np.searchsorted(limits, value), max(one.probabilities))
            for one, value in zip(graded, true, strict=True)
            if one.grade is not None
        ]
        right, said = np.mean(named, axis=0)
        gap[error] = said - right
    assert gap[ratio] < most
    assert gap[1.0] > 0.2


@given(st.floats(-50, 100), st.floats(0.0, 40.0), st.sampled_from([3.0, 30.0, np.inf]))
def test_probabilities_add_to_one(value, se, df):
    grade = sink_grade(Measure(value, se, "t C ha-1"), LIMITS, df=df)
    assert sum(grade.probabilities) == pytest.approx(1.0)
    assert min(grade.probabilities) >= -1e-12


def test_limits_that_do_not_ascend_are_refused():
    with pytest.raises(BadInput):
        sink_grade(Measure(1.0, 0.1, "t C ha-1"), (1.0, 3.0, 2.0, 4.0))


def test_reference_limits_cut_fifths():
    limits = reference_limits(list(range(101)))
    assert limits == pytest.approx((20, 40, 60, 80))


@pytest.mark.parametrize("density", [[1.0] * 50, list(range(10)), [np.nan] * 40])
def test_a_reference_that_cannot_grade_is_refused(density):
    with pytest.raises(Refusal):
        reference_limits(density)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values_agree_with_scipy(p_values):
    np.testing.assert_allclose(
        adjusted_p_values(p_values), stats.false_discovery_control(p_values), atol=1e-12
    )


def test_adjusted_p_values_of_nothing_and_of_nonsense():
    assert adjusted_p_values([]) == ()
    with pytest.raises(BadInput):
        adjusted_p_values([0.5, 1.5])


def test_states_by_hand():
    states = {
        row.unit: row.state
        for row in dynamic_states(
            {
                "up": Measure(5.0, 1.0, "t C"),
                "down": Measure(-4.0, 1.0, "t C"),
                "still": Measure(1.0, 1.0, "t C"),
            }
        )
    }
    assert states == {"up": "增强", "down": "减弱", "still": "稳定"}


def test_a_unit_that_alone_would_count_does_not_among_many():
    single = dynamic_states({"a": Measure(1.8, 1.0, "t C")}, fdr=0.1)
    many = dynamic_states(
        {"a": Measure(1.8, 1.0, "t C")}
        | {f"b{k}": Measure(0.1, 1.0, "t C") for k in range(40)},
        fdr=0.1,
    )
    assert single[0].state == "增强"
    assert many[0].state == "稳定"


def test_under_no_change_hardly_any_family_has_a_discovery():
    rng = np.random.default_rng(5)
    families = 400
    false = 0
    for _ in range(families):
        z = rng.standard_normal(20)
        rows = dynamic_states({str(k): Measure(v, 1.0, "t") for k, v in enumerate(z)})
        false += any(row.state != "稳定" for row in rows)
    # P(any discovery) is 0.1 here; four standard errors above
    assert false / families <= 0.1 + 4 * np.sqrt(0.09 / families)


def test_a_change_without_error_is_refused():
    with pytest.raises(Refusal):
        dynamic_states({"a": Measure(1.0, 0.0, "t C")})

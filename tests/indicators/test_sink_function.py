"""Sink function of three components, and references by group."""

from __future__ import annotations

import numpy as np
import pytest

from qhsink.domain.errors import BadInput
from qhsink.domain.indicator import Measure
from qhsink.indicators.grassland import relative_reduction
from qhsink.indicators.reference import reference_by_group, spread_reference
from qhsink.indicators.sink_function import function_grade, weight_sensitivity

REFERENCES = {
    "density": list(range(100)),
    "rate": list(range(100)),
    "stability": list(range(100)),
}


def unit(density, rate, stability, se=0.0):
    values = {"density": density, "rate": rate, "stability": stability}
    return {name: Measure(value, se, "1") for name, value in values.items()}


def test_score_by_hand():
    # ranks 0.905, 0.505, 0.105: 0.5 * 0.905 + 0.3 * 0.505 + 0.2 * 0.105 = 0.625
    grade = function_grade(
        unit(90, 50, 10), REFERENCES, rng=np.random.default_rng(1), draws=10
    )
    assert grade.grade == 4
    assert grade.probabilities == (0, 0, 0, 1, 0)


def test_best_and_worst_units_do_not_hang_on_the_weights():
    for value in (5.0, 95.0):
        share = weight_sensitivity(
            unit(value, value, value), REFERENCES, rng=np.random.default_rng(1)
        )
        assert share == 1.0


def test_a_unit_of_mixed_ranks_hangs_on_the_weights():
    share = weight_sensitivity(unit(95, 5, 5), REFERENCES, rng=np.random.default_rng(1))
    assert 0.05 < share < 0.5


def test_an_uncertain_unit_gets_no_grade_and_its_chances_add_to_one():
    grade = function_grade(
        unit(50, 50, 50, se=60.0), REFERENCES, rng=np.random.default_rng(1)
    )
    assert grade.grade is None
    assert sum(grade.probabilities) == pytest.approx(1.0)


def test_weights_can_be_overridden():
    grade = function_grade(
        unit(95, 5, 5),
        REFERENCES,
        rng=np.random.default_rng(1),
        weights={"density": 1.0, "rate": 0.0, "stability": 0.0},
    )
    assert grade.grade == 5


@pytest.mark.parametrize(
    "weights",
    [
        {"density": 1.0},
        {"density": 0.0, "rate": 0.0, "stability": 0.0},
        {"density": 2.0, "rate": -1.0, "stability": 0.0},
    ],
)
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(BadInput):
        function_grade(
            unit(1, 1, 1), REFERENCES, rng=np.random.default_rng(1), weights=weights
        )


def test_reference_is_the_quantile_of_its_own_group_in_reference_land():
    rng = np.random.default_rng(4)
    group = np.repeat([0, 1, 2, -1], 100)
    cover = np.where(group == 0, 0.8, 0.3) + rng.uniform(0, 0.1, 400)
    cover[0] = np.nan
    inside = np.tile([True, False], 200)
    inside[200:300] = False
    inside[200:210] = True
    found = reference_by_group(cover, group, inside)
    sample = cover[:100][inside[:100] & np.isfinite(cover[:100])]
    assert set(found) == {0, 1}
    assert found[0] == pytest.approx(np.quantile(sample, 0.9))


def test_a_group_without_reference_stays_ungraded():
    group = np.array([0, 1, -1])
    layer = spread_reference(group, {0: 0.8})
    np.testing.assert_array_equal(layer, [0.8, np.nan, np.nan])
    reduction = relative_reduction(np.array([0.6, 0.6, 0.6]), layer)
    assert reduction[0] == pytest.approx(25.0)
    assert np.isnan(reduction[1:]).all()


def test_layers_of_two_grids_are_refused():
    with pytest.raises(BadInput, match="one shape"):
        reference_by_group(np.zeros(3), np.zeros(4, int), np.zeros(3, bool))

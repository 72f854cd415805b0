"""A lattice's variance from neighbours: by hand, without order, on a slope."""

from __future__ import annotations

import numpy as np
import pytest

from qhsink.domain.errors import TableError
from qhsink.estimation.domains import estimate_by_domain
from qhsink.estimation.systematic import lattice_sample


def lattice(rows, columns, population=1000.0):
    row, column = (a.ravel() for a in np.indices((rows, columns)))
    return lattice_sample(row, column, population=population)


def test_the_variance_by_hand():
    """Two by two: 1 2 / 4 8, differences 1, 4, 3, 6; 62 / 4 / 2 * 4 units."""
    design = lattice(2, 2, population=4.0)
    assert design.variance(np.array([1.0, 2.0, 4.0, 8.0])) == pytest.approx(31.0)


def test_without_order_it_is_the_variance_of_a_random_sample():
    rng = np.random.default_rng(5)
    design = lattice(8, 8, population=64.0)
    found = [design.variance(rng.normal(size=64)) / 64**2 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(1 / 64, rel=0.02)


def test_on_a_slope_it_lies_far_below_the_random_one():
    design = lattice(8, 8, population=64.0)
    slope = np.indices((8, 8))[0].ravel().astype(float)
    assert design.variance(slope) < 0.1 * 64 * np.var(slope, ddof=1)


def test_it_is_a_design_like_any_other():
    design = lattice(6, 5, population=300.0)
    values = np.arange(30.0)
    (row,) = estimate_by_domain(design, values, units=300.0)
    assert row.mean == pytest.approx(values.mean())
    assert row.se_total == pytest.approx(300.0 * row.se_mean)
    assert row.df == 29


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        ([0, 0, 1, 1], [0, 0, 0, 1], "4 units at 3 places"),
        ([0, 10, 20, 30], [0, 0, 0, 0], "0 pairs"),
        ([0, 1, 2, 3], [0, 0, 0, 0], "3 pairs"),
    ],
    ids=["two at a place", "steps of the frame", "a thread"],
)
def test_what_is_no_lattice_is_refused(row, column, said):
    with pytest.raises(TableError, match=said):
        lattice_sample(np.array(row), np.array(column), population=100.0)

"""What the months of a season say, by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qhsink.imagery.encoding import NODATA
from qhsink.imagery.season import clear_ndvi, season_statistics


def column(*values):
    """NDVI of one pixel by date; None is not clear."""
    numbers = [NODATA if v is None else round(v * 10_000) for v in values]
    return np.array(numbers, np.int16)[:, None, None]


def statistics(ndvi, months):
    return season_statistics(ndvi, months)[:, 0, 0].tolist()


def test_each_month_counts_once_with_its_median():
    ndvi = column(0.2, 0.8, 0.1, 0.7, 0.6)
    # June 0.2; July the median of 0.8, 0.1 and 0.7; August 0.6.
    assert statistics(ndvi, [6, 7, 7, 7, 8]) == [7000, 2000, 5000]


def test_a_month_without_a_clear_date_is_left_out():
    assert statistics(column(None, 0.5, 0.3), [6, 7, 8]) == [5000, 3000, 4000]


def test_a_pixel_never_clear_has_no_value():
    assert statistics(column(None, None), [6, 7]) == [NODATA] * 3


def test_ndvi_below_zero_is_no_gap():
    assert statistics(column(-0.4, -0.2), [6, 7]) == [-2000, -4000, -3000]


@given(
    st.lists(
        st.tuples(st.integers(6, 8), st.integers(-9_000, 9_000)), min_size=1, max_size=9
    )
)
def test_least_mean_and_greatest_are_in_order(dates):
    ndvi = np.array([value for _, value in dates], np.int16)[:, None, None]
    greatest, least, mean = statistics(ndvi, [month for month, _ in dates])
    assert least <= mean <= greatest
    assert ndvi.min() <= least
    assert greatest <= ndvi.max()


def test_ndvi_is_that_of_clear_observations_with_the_floor_of_features():
    bands = np.zeros((3, 6, 1, 1), np.int16)
    bands[:, 2], bands[:, 3] = np.array([[500, -20, NODATA], [1500, 3000, 3000]])[
        ..., None, None
    ]
    clear = np.ones((3, 1, 1), bool)
    found = clear_ndvi(bands, clear, floor=0.001)[:, 0, 0]
    assert found.tolist() == [5000, round((3000 - 10) / 3010 * 10_000), NODATA]
    assert (clear_ndvi(bands, ~clear, floor=0.001) == NODATA).all()

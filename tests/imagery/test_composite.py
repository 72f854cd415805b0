"""Composites against numpy, by hand, and their cost."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qhsink.imagery.composite import Flag, median_composite, peak_composite
from qhsink.imagery.encoding import NODATA
from qhsink.imagery.kernels import LANES, sorting_network


@st.composite
def stacks(draw):
    dates = draw(st.integers(0, 9))
    shape = (dates, 6, draw(st.integers(1, 3)), draw(st.integers(1, 5)))
    values = st.one_of(st.integers(-300, 12_000), st.just(NODATA))
    reflectance = draw(hnp.arrays(np.int16, shape, elements=values))
    seen = (dates, *shape[2:])
    clear = draw(hnp.arrays(bool, seen))
    water = draw(hnp.arrays(bool, seen))
    return reflectance, clear, water


def nan_median(reflectance, clear):
    valid = clear & (reflectance != NODATA).all(axis=1)
    values = np.where(valid[:, None], reflectance.astype(float), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        median = (
            np.nanmedian(values, axis=0)
            if len(values)
            else np.full(values.shape[1:], np.nan)
        )
    return median, valid.sum(axis=0)


@settings(max_examples=150, deadline=None)
@given(stack=stacks(), min_clear=st.integers(1, 4))
def test_the_median_is_numpys_rounded_half_to_even(stack, min_clear):
    reflectance, clear, water = stack
    median, count = nan_median(reflectance, clear)

    result = median_composite(reflectance, clear, water, min_clear=min_clear)

    enough = count >= min_clear
    expected = np.where(enough, np.rint(np.nan_to_num(median)), NODATA)
    np.testing.assert_array_equal(result.reflectance, expected)
    np.testing.assert_array_equal(result.n_clear, count)
    np.testing.assert_array_equal(result.flags & Flag.TOO_FEW != 0, ~enough)


@settings(max_examples=150, deadline=None)
@given(
    stack=stacks(),
    min_clear=st.integers(1, 4),
    quantile=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)
def test_the_peak_is_one_real_date_at_the_nearest_rank(stack, min_clear, quantile):
    reflectance, clear, water = stack
    result = peak_composite(
        reflectance, clear, water, min_clear=min_clear, quantile=quantile
    )

    for y, x in np.ndindex(clear.shape[1:]):
        dates = [
            t
            for t in range(len(clear))
            if clear[t, y, x] and (reflectance[t, :, y, x] != NODATA).all()
        ]
        assert result.n_clear[y, x] == len(dates)
        if len(dates) < min_clear:
            assert (result.reflectance[:, y, x] == NODATA).all()
            continue
        ordered = sorted(dates, key=lambda t: (_ndvi(reflectance[t, :, y, x]), t))
        rank = max(int(np.ceil(round(quantile * len(dates), 6))), 1)
        expected = reflectance[ordered[rank - 1], :, y, x]
        np.testing.assert_array_equal(result.reflectance[:, y, x], expected)


def _ndvi(bands):
    low, high = np.float32(bands[2]), np.float32(bands[3])
    return (high - low) / (high + low) if high + low > 0 else -np.inf


@pytest.mark.parametrize("length", range(1, 17))
def test_the_network_sorts_every_pattern(length):
    """Zero-one principle (Knuth 5.3.4): sorting all 0-1 inputs, it sorts all."""
    network = sorting_network(length)
    rng = np.random.default_rng(0)
    patterns = (
        np.array(list(np.ndindex(*(2,) * length)))
        if length <= 10
        else rng.integers(0, 2, (4000, length))
    ).reshape(-1, length)
    for low, high in network:
        pair = np.sort(patterns[:, [low, high]], axis=1)
        patterns[:, [low, high]] = pair
    np.testing.assert_array_equal(patterns, np.sort(patterns, axis=1))


def test_flags_by_hand():
    reflectance = np.full((3, 6, 1, 4), 1000, dtype=np.int16)
    reflectance[:, :, 0, 3] = NODATA
    clear = np.ones((3, 1, 4), dtype=bool)
    clear[1:, 0, 1] = False
    water = np.zeros((3, 1, 4), dtype=bool)
    water[:2, 0, 2] = True
    snow = np.zeros((3, 1, 4), dtype=bool)
    snow[2, 0, 1] = True

    result = median_composite(reflectance, clear, water, min_clear=2, snow=snow)

    few, none = int(Flag.TOO_FEW | Flag.SNOW_SEEN), int(Flag.TOO_FEW | Flag.NO_DATA)
    assert result.flags.tolist() == [[0, few, int(Flag.WATER), none]]
    assert result.n_clear.tolist() == [[3, 1, 3, 0]]


def test_half_the_dates_water_is_not_most():
    reflectance = np.full((2, 6, 1, 1), 1000, dtype=np.int16)
    clear = np.ones((2, 1, 1), dtype=bool)
    water = np.array([True, False]).reshape(2, 1, 1)
    result = median_composite(reflectance, clear, water, min_clear=1)
    assert result.flags[0, 0] == 0


@pytest.mark.parametrize(
    ("n", "rank"),
    [(1, 1), (3, 3), (9, 9), (10, 9), (19, 18), (20, 18), (21, 19)],
    ids=str,
)
def test_ninetieth_percentile_rank(n, rank):
    """The date whose NDVI is number ``rank`` of n; its blue says which it was."""
    reflectance = np.full((n, 6, 1, 1), 500, dtype=np.int16)
    reflectance[:, 0, 0, 0] = np.arange(1, n + 1)
    reflectance[:, 3, 0, 0] = 1000 + 100 * np.arange(n)
    ones = np.ones((n, 1, 1), dtype=bool)
    result = peak_composite(reflectance, ones, ~ones, min_clear=1, quantile=0.9)
    assert result.reflectance[0, 0, 0] == rank


def test_the_peak_is_biased_upward_with_the_number_of_dates():
    """Pure noise of sd 0.05 in near infrared: the level rises with n, as said."""
    rng = np.random.default_rng(9)
    levels = []
    for n in (1, 3, 6, 9):
        reflectance = np.full((n, 6, 60, 60), 500, dtype=np.int16)
        reflectance[:, 3] = rng.normal(3000, 500, (n, 60, 60))
        ones = np.ones((n, 60, 60), dtype=bool)
        result = peak_composite(reflectance, ones, ~ones, min_clear=1, quantile=0.9)
        levels.append((result.reflectance[3].mean() - 3000) / 500)
    np.testing.assert_allclose(levels, [0.0, 0.846, 1.267, 1.485], atol=0.06)


def test_more_than_255_dates_do_not_wrap_around():
    reflectance = np.full((260, 6, 1, 1), 700, dtype=np.int16)
    ones = np.ones((260, 1, 1), dtype=bool)
    result = median_composite(reflectance, ones, ~ones, min_clear=3)
    assert result.n_clear[0, 0] == 255
    assert result.flags[0, 0] == 0


def test_lanes_do_not_leak_into_each_other():
    """Sizes around the lane width, with a first lane fuller than the last."""
    rng = np.random.default_rng(11)
    for pixels in (LANES - 1, LANES, LANES + 1, 2 * LANES + 7):
        reflectance = rng.integers(0, 9000, (5, 6, 1, pixels)).astype(np.int16)
        clear = rng.random((5, 1, pixels)) < np.linspace(1, 0, pixels)
        median, count = nan_median(reflectance, clear)
        result = median_composite(reflectance, clear, ~clear, min_clear=1)
        expected = np.where(count >= 1, np.rint(np.nan_to_num(median)), NODATA)
        np.testing.assert_array_equal(result.reflectance, expected)


def test_seven_dates_cost_a_tenth_of_numpys_nanmedian():
    rng = np.random.default_rng(12)
    reflectance = rng.integers(0, 6000, (7, 6, 192, 192)).astype(np.int16)
    clear = rng.random((7, 192, 192)) > 0.35
    median_composite(reflectance, clear, ~clear, min_clear=1)

    def cost(work):
        spent = []
        for _ in range(3):
            start = time.process_time()
            work()
            spent.append(time.process_time() - start)
        return min(spent)

    ours = cost(lambda: median_composite(reflectance, clear, ~clear, min_clear=1))
    theirs = cost(lambda: nan_median(reflectance, clear))
    assert theirs >= 10 * ours, f"only {theirs / ours:.1f} times"

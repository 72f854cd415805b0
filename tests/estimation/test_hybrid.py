"""Hybrid means: by hand, as a property, and on a simulated population."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.errors import TableError
from qhsink.estimation.hybrid import ModelError, hybrid_mean, mean_of_clusters

REPLICATES = 400


def test_the_fixture_of_methodology_d4_with_members_from_elsewhere():
    """Clusters {50,60,70}, {20,30}, {90,80,100,70}; members at 60, 64 and 68."""
    members = np.array([60.0, 64.0, 68.0])
    model = ModelError(float(members.var(ddof=1)), 2.0)
    found = mean_of_clusters(
        [180, 50, 340], [3, 2, 4], model=model, residual_variance=4.0
    )
    assert found.value == pytest.approx(570 / 9)
    assert found.variance.sampling == pytest.approx(249.794, abs=5e-4)
    assert found.variance.parameters == pytest.approx(16.0)
    assert found.variance.total == pytest.approx(249.794 + 16.0 + 4.0, abs=5e-4)
    # Satterthwaite: 269.794^2 / (249.794^2 / 2 + 16^2 / 2).
    assert found.df == pytest.approx(2.32346, abs=1e-4)
    assert found.clusters == 3


def test_a_stated_model_error_has_no_end_of_degrees_of_freedom():
    found = mean_of_clusters([3, 8, 5], [1, 2, 1], model=ModelError(9.0, math.inf))
    share = found.variance.sampling / found.variance.total
    assert found.df == pytest.approx(2.0 / share**2)


def test_one_track_is_refused():
    with pytest.raises(TableError, match="1 clusters"):
        mean_of_clusters([3.0, 0.0], [1.0, 0.0], model=ModelError(1.0, 3.0))


@given(
    st.integers(2, 6),
    st.lists(st.tuples(st.floats(0, 300), st.integers(1, 40)), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_order_scale_and_the_two_ways_to_give_members_do_not_matter(k, tracks, random):
    sizes = np.array([size for _, size in tracks], dtype=float)
    rate = np.array([value for value, _ in tracks])
    slope = np.array([random.uniform(0.8, 1.2) for _ in range(k)])
    totals = slope[:, None] * rate * sizes
    one = hybrid_mean(totals, sizes)
    by_member = totals.sum(axis=1) / sizes.sum()
    model = ModelError(float(by_member.var(ddof=1)), k - 1.0)
    order = random.sample(range(len(sizes)), len(sizes))
    two = mean_of_clusters(
        1e3 * totals.mean(axis=0)[order],
        sizes[order],
        model=ModelError(1e6 * model.variance, model.df),
    )
    assert two.value == pytest.approx(1e3 * one.value, rel=1e-9, abs=1e-9)
    assert two.variance.total == pytest.approx(
        1e6 * one.variance.total, rel=1e-9, abs=1e-6
    )


def test_ninety_per_cent_intervals_cover_a_simulated_population():
    """Tracks of unlike length and level; a line fitted to 60 plots, 16 refits.

    The parameters are drawn anew in every replicate, as hybrid inference takes them;
    footprints have residuals, the mean is the truth's.
    """
    rng = np.random.default_rng(20261130)
    sizes = rng.integers(10, 60, 500)
    track = np.repeat(np.arange(500), sizes)
    level = rng.gamma(4.0, 20.0, 500)
    height = np.maximum(level[track] + rng.normal(0, 15, len(track)), 0.0)
    truth = 12.0 + 0.8 * height + rng.normal(0, 20, len(track))
    sums = np.bincount(track, weights=height)
    covered = 0
    for _ in range(REPLICATES):
        plots = rng.integers(0, len(track), 60)
        lines = []
        for _ in range(16):
            again = rng.choice(plots, len(plots))
            lines.append(np.polyfit(height[again], truth[again], 1))
        slope, base = np.array(lines).T
        flown = rng.choice(500, 15, replace=False)
        totals = base[:, None] * sizes[flown] + slope[:, None] * sums[flown]
        # The mean over all footprints, as a ledger would hold it for every member.
        members = base + slope * height.mean()
        found = mean_of_clusters(
            totals.mean(axis=0),
            sizes[flown],
            model=ModelError(float(members.var(ddof=1)), 15.0),
        )
        interval = found.interval(0.90)
        assert interval is not None
        covered += interval[0] <= truth.mean() <= interval[1]
    assert 0.85 <= covered / REPLICATES <= 0.95

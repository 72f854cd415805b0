"""The canopy's state: leaf area from cover by the gap fraction, and back."""

from __future__ import annotations

import numpy as np
import pytest

from qhsink.twin.state import canopy_on, green_cover, lai_of_cover, leaf_cover


@pytest.fixture(scope="module")
def land(twin_spec):
    x, y = np.meshgrid(-430e3 + 300.0 * np.arange(60), 4.1e6 - 300.0 * np.arange(60))
    shore = np.zeros(x.size, dtype=np.uint8)
    shore[::50] = 2
    return twin_spec.build_world(2025).at(x.ravel(), y.ravel(), shore)


def test_gap_fraction_by_hand():
    # 4SAIL's extinction at 60 deg is 0.477848: two layers let through exp(-0.955696).
    assert leaf_cover(2.0, 60.0) == pytest.approx(1.0 - np.exp(-0.955696), abs=1e-6)


@pytest.mark.parametrize("cover", [0.0, 0.2, 0.6, 0.95])
def test_leaf_area_and_cover_are_inverse(cover):
    assert leaf_cover(lai_of_cover(cover, 57.0), 57.0) == pytest.approx(cover)


def test_green_cover_at_the_peak_is_the_cover_the_world_states(land):
    state = canopy_on(land, 212.0, snow_line=1e6)
    dry = land.ecosystem != 8
    assert np.abs(green_cover(state) - land.fvc_peak)[dry].max() < 0.03
    assert green_cover(state)[land.ecosystem == 9] == pytest.approx(0.0)


def test_shares_of_a_pixel_never_exceed_one(land):
    state = canopy_on(land, 212.0, snow_line=1e6)
    total = state.canopy_cover + state.water + state.rock
    assert total.max() <= 1.0 + 1e-6
    assert min(part.min() for part in (state.canopy_cover, state.water)) >= 0.0


def test_autumn_leaves_are_dead_and_spring_has_few(land):
    peak, autumn, spring = (
        canopy_on(land, day, snow_line=1e6) for day in (212.0, 290.0, 120.0)
    )
    assert autumn.senescent.mean() > 0.7
    assert peak.senescent.max() < 0.05
    assert spring.lai.mean() < 0.2 * peak.lai.mean()

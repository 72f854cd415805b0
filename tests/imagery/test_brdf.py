"""View angles: kernels against published integrals, the c-factor against its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.imagery.brdf import (
    Directions,
    KernelWeights,
    li_sparse,
    nadir_factors,
    ross_thick,
)

NIR = KernelWeights(iso=0.3093, vol=0.1535, geo=0.0330)
zeniths, azimuths = st.floats(0.0, 70.0), st.floats(-180.0, 180.0)


def test_both_kernels_are_zero_with_sun_and_sensor_overhead():
    overhead = Directions(0.0, 0.0, 0.0)
    assert ross_thick(overhead) == pytest.approx(0.0, abs=1e-12)
    assert li_sparse(overhead) == pytest.approx(0.0, abs=1e-12)


def test_ross_thick_by_hand():
    # Sun at 60, view at 0: xi = 60 deg; ((90 - 60) pi/180 / 2 + sin 60) / 1.5 - pi/4.
    by_hand = (math.pi / 6.0 * 0.5 + math.sqrt(3.0) / 2.0) / 1.5 - math.pi / 4.0
    assert ross_thick(Directions(60.0, 0.0, 0.0)) == pytest.approx(by_hand)


def test_li_sparse_by_hand():
    # Sun at 60, view at 0: D = tan 60, cos t = 2 tan 60 / 3 > 1, so no overlap:
    # 0 - (2 + 1) + (1 + cos 60) / 2 * 2 = -1.5.
    assert li_sparse(Directions(60.0, 0.0, 77.0)) == pytest.approx(-1.5)


def over_hemisphere(kernel, sun, steps=60):
    """Black-sky integral: the kernel over all view directions, Lucht 2000, eq. 3."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    view = 45.0 * (nodes + 1.0)
    azimuth = (np.arange(steps) + 0.5) * 180.0 / steps
    mean = [
        np.mean([kernel(Directions(sun, float(v), float(a))) for a in azimuth])
        for v in view
    ]
    angle = np.radians(view)
    part = weights * np.pi / 4.0 * np.sin(angle) * np.cos(angle)
    return float(2.0 * np.sum(part * mean))


@pytest.mark.parametrize(
    ("kernel", "published"), [(ross_thick, 0.189184), (li_sparse, -1.377622)]
)
def test_white_sky_integrals_are_the_published_ones(kernel, published):
    # Lucht, Schaaf and Strahler 2000, table 1.
    nodes, weights = np.polynomial.legendre.leggauss(24)
    sun = 45.0 * (nodes + 1.0)
    black = [over_hemisphere(kernel, float(s)) for s in sun]
    angle = np.radians(sun)
    part = weights * np.pi / 4.0 * np.sin(angle) * np.cos(angle)
    assert 2.0 * np.sum(part * black) == pytest.approx(published, abs=0.004)


@pytest.mark.parametrize("sun", [0.0, 30.0, 50.0])
def test_black_sky_integrals_follow_the_published_polynomials(sun):
    # Lucht, Schaaf and Strahler 2000, table 1; the polynomials themselves are
    # within 0.03 of the integrals there (fig. 4).
    s = math.radians(sun)
    volume = -0.007574 - 0.070987 * s**2 + 0.307588 * s**3
    crowns = -1.284909 - 0.166314 * s**2 + 0.041840 * s**3
    assert over_hemisphere(ross_thick, sun) == pytest.approx(volume, abs=0.03)
    assert over_hemisphere(li_sparse, sun) == pytest.approx(crowns, abs=0.03)


@given(sun=zeniths, view=zeniths, turn=azimuths)
def test_sun_and_sensor_may_change_places(sun, view, turn):
    for kernel in (ross_thick, li_sparse):
        here = kernel(Directions(sun, view, turn))
        assert here == pytest.approx(kernel(Directions(view, sun, turn)), abs=1e-6)
        assert here == pytest.approx(kernel(Directions(sun, view, -turn)), abs=1e-6)


@given(sun=zeniths, turn=azimuths)
def test_nothing_changes_at_nadir(sun, turn):
    assert nadir_factors([NIR], Directions(sun, 0.0, turn)) == pytest.approx((1.0,))


def test_ground_seen_with_the_sun_behind_is_darkened_and_against_it_brightened():
    behind, against = (
        nadir_factors([NIR], Directions(35.0, 10.0, turn))[0] for turn in (0.0, 180.0)
    )
    assert 0.93 < behind < 1.0 < against < 1.07

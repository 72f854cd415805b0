"""Terrain light: slopes and angles by hand, SCS+C on made-up and simulated ground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from qhsink.domain.scene import BANDS
from qhsink.imagery.relief import Relief, Sun, cos_incidence, relief_of
from qhsink.imagery.terrain import (
    TerrainRules,
    correct_terrain,
    describe_fits,
    light_correlation,
)
from qhsink.twin.scenes import lights
from qhsink.twin.sensor import expose
from qhsink.twin.spec import load_spec

RULES = TerrainRules(
    min_slope_deg=5.0,
    min_ndvi=0.3,
    min_cos_i=0.1,
    min_r2=0.1,
    min_pixels=500,
    max_pixels=200_000,
    max_correlation=0.1,
)
NOON = Sun(zenith_deg=40.0, azimuth_deg=150.0)
NODATA = -32768


def one_slope(east, north):
    return Relief(np.full((1, 1), east, "f4"), np.full((1, 1), north, "f4"))


def hills(size=80, steepness=0.5):
    """Slopes that face every way."""
    rng = np.random.default_rng(3)
    angle, tilt = rng.uniform(0, 2 * np.pi, (2, size, size))
    rise = steepness * tilt / (2 * np.pi)
    return Relief(
        (rise * np.sin(angle)).astype("f4"), (rise * np.cos(angle)).astype("f4")
    )


LEVEL = (400, 700, 500, 3000, 2000, 1200)


def uneven(relief):
    """What one meadow differs from the next, the same in every band."""
    return np.random.default_rng(8).lognormal(0.0, 0.15, relief.to_right.shape)


def lit_ground(relief, sun, c):
    """Uneven ground whose light is exactly a line of cos i with this C."""
    cos_i = cos_incidence(relief, sun)
    flat = np.cos(np.radians(sun.zenith_deg)) * relief.cos_slope
    gain = (cos_i + c) / (flat + c) * uneven(relief)
    stack = np.array(LEVEL)[:, None, None] * gain[None]
    return np.rint(stack).astype(np.int16)


def test_a_plane_has_its_own_slope_everywhere():
    y, x = np.mgrid[5:-1:-1, 0:7] * 30.0
    relief = relief_of(100.0 + 0.25 * x - 0.10 * y, 30.0)
    assert relief.to_right.shape == (4, 5)
    np.testing.assert_allclose(relief.to_right, 0.25, atol=1e-6)
    np.testing.assert_allclose(relief.to_top, -0.10, atol=1e-6)


def test_horn_by_hand():
    # The nine heights of ESRI's worked example of Horn's formula, 5 m pixels:
    # dz/dx = ((50 + 60 + 10) - (50 + 60 + 8)) / 40 = 0.05, dz/dy (down) = -3.8.
    heights = np.array([[50.0, 45, 50], [30, 30, 30], [8, 10, 10]])
    relief = relief_of(heights, 5.0)
    assert relief.to_right.item() == pytest.approx(0.05)
    assert relief.to_top.item() == pytest.approx(3.8)
    slope = np.degrees(np.arccos(relief.cos_slope)).item()
    assert slope == pytest.approx(75.25762, abs=1e-4)


def test_slopes_agree_with_scipys_sobel():
    z = np.random.default_rng(1).normal(3000.0, 40.0, (30, 40))
    relief = relief_of(z, 20.0)
    right = ndimage.sobel(z, axis=1)[1:-1, 1:-1] / 160.0
    top = -ndimage.sobel(z, axis=0)[1:-1, 1:-1] / 160.0
    np.testing.assert_allclose(relief.to_right, right, atol=2e-4)
    np.testing.assert_allclose(relief.to_top, top, atol=2e-4)


def test_an_unknown_height_makes_its_neighbours_slopes_unknown():
    z = np.zeros((6, 6))
    z[2, 2] = np.nan
    assert np.isnan(relief_of(z, 10.0).to_right).sum() == 6  # the middle row: 3 x 2
    assert np.isnan(relief_of(z, 10.0).cos_slope).sum() == 8  # all but itself


@given(
    slope=st.floats(0.0, 70.0),
    aspect=st.floats(0.0, 360.0),
    zenith=st.floats(1.0, 75.0),
    azimuth=st.floats(0.0, 360.0),
)
def test_the_angle_of_light_is_that_of_slope_and_aspect(slope, aspect, zenith, azimuth):
    # cos i = cos z cos s + sin z sin s cos(azimuth - aspect), methodology B3.
    s, a, z, p = np.radians([slope, aspect, zenith, azimuth])
    uphill = -np.tan(s)
    found = cos_incidence(
        one_slope(uphill * np.sin(a), uphill * np.cos(a)), Sun(zenith, azimuth)
    ).item()
    expected = np.cos(z) * np.cos(s) + np.sin(z) * np.sin(s) * np.cos(p - a)
    assert found == pytest.approx(expected, abs=2e-6)


def test_ground_lit_along_a_line_becomes_even_and_c_is_found():
    relief = hills()
    lit = lit_ground(relief, NOON, c=0.8)
    clear = np.ones(lit.shape[1:], bool)
    level, fits = correct_terrain(lit, clear, relief, NOON, RULES)
    # C is that of L = a cos i + b; with the slope's own cos s in the level it is near.
    assert fits[3].c == pytest.approx(0.8, abs=0.1)
    seen = level[3] != NODATA
    light = [(stack[3] / uneven(relief))[seen] for stack in (lit, level)]
    assert light[0].std() > 240
    assert light[1].std() < 40
    assert light[1].mean() == pytest.approx(3000, rel=0.02)
    assert fits[3].before > 0.4
    assert max(abs(fit.after) for fit in fits) < RULES.max_correlation


def test_level_ground_keeps_its_reflectance_exactly():
    relief = hills()
    relief.to_right[:4], relief.to_top[:4] = 0.0, 0.0
    lit = lit_ground(relief, NOON, c=0.6)
    found, fits = correct_terrain(
        lit, np.ones(lit.shape[1:], bool), relief, NOON, RULES
    )
    assert fits[3].c is not None
    np.testing.assert_array_equal(found[:, :4], lit[:, :4])


def test_flat_relief_is_left_with_the_reason():
    relief = Relief(np.zeros((50, 50), "f4"), np.zeros((50, 50), "f4"))
    lit = lit_ground(relief, NOON, c=0.6)
    found, fits = correct_terrain(lit, np.ones((50, 50), bool), relief, NOON, RULES)
    np.testing.assert_array_equal(found, lit)
    said = "left as it is: 0 vegetated pixels on slopes, 500 needed"
    assert describe_fits(fits) == said


def test_a_poor_fit_leaves_every_band_as_it_is():
    relief = hills()
    rng = np.random.default_rng(5)
    shape = relief.to_right.shape
    mixed = np.stack([rng.normal(m, m / 5, shape) for m in (400, 700, 500, 3000)] * 2)
    lit = mixed[: len(BANDS)].astype(np.int16)
    lit[4:] = 1500
    found, fits = correct_terrain(lit, np.ones(shape, bool), relief, NOON, RULES)
    np.testing.assert_array_equal(found, lit)
    assert all(fit.c is None for fit in fits)
    assert describe_fits(fits).startswith("left as it is: light explains 0%")


def test_a_noisy_band_keeps_the_c_of_its_own_faint_line():
    """With the near infrared's it would be darkest in the sun."""
    relief = hills()
    lit = lit_ground(relief, NOON, c=0.8)
    hazy = lit_ground(relief, NOON, c=4.0)[0] + 3 * np.random.default_rng(2).normal(
        0, 60, lit.shape[1:]
    )
    lit[0] = hazy
    _, fits = correct_terrain(lit, np.ones(lit.shape[1:], bool), relief, NOON, RULES)
    assert fits[0].r2 < RULES.min_r2
    assert fits[0].c > 2.0
    assert abs(fits[0].after) < 0.05


def test_a_band_without_a_line_takes_the_near_infrareds_c_and_the_check_decides():
    relief = hills()
    lit = lit_ground(relief, NOON, c=0.8)
    cos_i = cos_incidence(relief, NOON)
    noise = np.random.default_rng(2).normal(2000, 400, lit.shape[1:])
    ones = np.ones(lit.shape[1:], bool)
    lit[4] = noise - 60 * cos_i
    lax = replace(RULES, max_correlation=0.9)
    _, fits = correct_terrain(lit, ones, relief, NOON, lax)
    assert fits[4].reason == "brighter in the shade"
    assert fits[4].c == fits[3].c
    assert "swir16 " in describe_fits(fits)
    assert "(of nir)" in describe_fits(fits)
    found, fits = correct_terrain(lit, ones, relief, NOON, RULES)
    np.testing.assert_array_equal(found, lit)
    said = describe_fits(fits)
    assert said.startswith("left as it is: corrected, swir16 would still follow the")
    assert "below 0.1 needed" in said


def test_woods_that_prefer_shade_are_no_light():
    """Two kinds of ground, the dark one in the shade: within classes none is left."""
    stratum = np.repeat([6, 14], 500)
    cos_i = np.concatenate([np.linspace(0.5, 0.9, 500), np.linspace(0.2, 0.6, 500)])
    wiggle = np.tile([-0.01, 0.01], 500)
    values = np.where(stratum == 6, 0.4, 0.2) + wiggle
    assert np.corrcoef(values, cos_i)[0, 1] > 0.7
    assert abs(light_correlation(values, cos_i, stratum)) < 0.05
    assert light_correlation(np.ones(1000), cos_i, stratum) == 0.0


def test_what_cannot_be_corrected_is_kept_or_dropped_never_invented():
    relief = hills()
    lit = lit_ground(relief, NOON, c=0.8)
    relief.to_right[0, 0] = np.nan  # no height: kept
    relief.to_right[0, 1], relief.to_top[0, 1] = 4.0, -2.0  # its own shadow: dropped
    lit[:, 0, 0], lit[:, 0, 1], lit[:, 0, 2] = 1234, 300, NODATA
    found, fits = correct_terrain(
        lit, np.ones(lit.shape[1:], bool), relief, NOON, RULES
    )
    assert fits[3].c is not None
    assert (found[:, 0, 0] == 1234).all()
    assert (found[:, 0, 1] == NODATA).all()
    assert (found[:, 0, 2] == NODATA).all()


def test_clouds_do_not_enter_the_fit():
    relief = hills()
    lit = lit_ground(relief, NOON, c=0.8)
    clear = np.ones(lit.shape[1:], bool)
    _, before = correct_terrain(lit, clear, relief, NOON, RULES)
    clear[:20] = False
    lit[:, :20] = 7000
    _, after = correct_terrain(lit, clear, relief, NOON, RULES)
    assert after[3].c == pytest.approx(before[3].c, abs=0.02)
    assert after[3].pixels < before[3].pixels


@pytest.fixture(scope="module")
def twin_slopes(project_folder):
    """Simulated mountains of 18 km: heights, places and the shipped instrument."""
    spec, size, pixel = load_spec(project_folder / "config/twin.toml"), 300, 60.0
    world = spec.build_world(7, 2025)

    def land(margin):
        at = pixel * (np.arange(size + 2 * margin) - margin + 0.5)
        x, y = (mesh.ravel() for mesh in np.meshgrid(-413_898.0 + at, 4_072_156.0 - at))
        return world.at(x, y, np.zeros(x.size, np.uint8)), x, y

    heights = land(1)[0].elevation.reshape(size + 2, size + 2)
    ground, x, y = land(0)
    pixel_id = np.stack([np.arange(x.size) % size, np.arange(x.size) // size])
    light = lights(spec, seed=7, year=2025)[6]._replace(
        cloud_level=9e9, cirrus_level=9e9, snow_line=9e9
    )

    def shoot(terrain):
        instrument = spec.sensor.instrument()._replace(terrain=terrain)
        optics, confusion = spec.optics("sentinel-2b"), spec.sensor.confusion()
        seen = expose(
            ground,
            x,
            y,
            pixel_id.astype(np.int64),
            light,
            optics,
            instrument,
            confusion,
        )
        value = (seen.dn * spec.sensor.scale + spec.sensor.offset) * 10_000
        return np.rint(value).astype(np.int16).reshape(6, size, size), seen.scl

    lit, scl = shoot(spec.sensor.terrain)
    level, _ = shoot(0.0)
    sun = Sun(
        float(np.degrees(np.arccos(light.cos_zenith))),
        float(np.degrees(np.arctan2(light.sun_x, light.sun_y))),
    )
    clear = np.isin(scl, (2, 4, 5)).reshape(size, size)
    return relief_of(heights, pixel), sun, lit, level, clear


def plain_correlation(stack, cos_i, where):
    """corr(L, cos i) of each band over all classes together."""
    return [
        np.corrcoef(band[where].astype(float), cos_i[where])[0, 1] for band in stack
    ]


def test_on_the_twin_light_no_longer_shows_and_the_error_halves(twin_slopes):
    relief, sun, lit, level, clear = twin_slopes
    found, fits = correct_terrain(lit, clear, relief, sun, RULES)
    assert max(abs(fit.after) for fit in fits) < RULES.max_correlation
    cos_i = cos_incidence(relief, sun)
    red, nir = lit[2].astype(float), lit[3].astype(float)
    green = (nir - red) / (nir + red) > RULES.min_ndvi
    steep = relief.cos_slope < np.cos(np.radians(RULES.min_slope_deg))
    where = clear & steep & green & (found[0] != NODATA)
    before, after = (plain_correlation(stack, cos_i, where) for stack in (lit, found))
    assert before[3] > 0.4
    assert max(abs(value) for value in after) < 0.1
    error = [
        np.sqrt(np.mean((stack[:, where] - level[:, where].astype(float)) ** 2, axis=1))
        for stack in (lit, found)
    ]
    assert (error[1] < 0.8 * error[0]).all()
    assert error[1][3] < 0.5 * error[0][3]


def test_a_day_corrected_already_is_not_corrected_again(twin_slopes):
    relief, sun, lit, _, clear = twin_slopes
    once, _ = correct_terrain(lit, clear, relief, sun, RULES)
    twice, fits = correct_terrain(once, clear, relief, sun, RULES)
    assert fits[3].c is None
    np.testing.assert_array_equal(twice, once)

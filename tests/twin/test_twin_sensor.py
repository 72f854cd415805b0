"""The simulated instrument: what it records is what the ground reflects, or says so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qhsink.twin.scenes import lights
from qhsink.twin.sensor import (
    ENDMEMBERS,
    SCL_BARE,
    SCL_CIRRUS,
    SCL_HIGH,
    SCL_MEDIUM,
    SCL_SHADOW,
    SCL_SNOW,
    SCL_VEGETATION,
    SCL_WATER,
    Light,
    expose,
)

NEVER = 1e6
CLEAR_GROUND = (SCL_VEGETATION, SCL_BARE, SCL_WATER, SCL_SNOW)
SIZE = 120


@pytest.fixture(scope="module")
def ground(twin_spec):
    x, y = np.meshgrid(
        -430_000.0 + 300.0 * np.arange(SIZE), 4_100_000.0 - 300.0 * np.arange(SIZE)
    )
    x, y = x.ravel(), y.ravel()
    land = twin_spec.build_world(2025).at(x, y, np.zeros(x.size, dtype=np.uint8))
    columns, rows = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    return land, x, y, np.stack([columns.ravel(), rows.ravel()]).astype(np.int64)


def clear_sky(day=210.0, seed=5, snow_line=NEVER):
    return Light(day, 0.8, -0.6, 0.92, NEVER, NEVER, snow_line, seed)


def quiet(spec, **changes):
    instrument = spec.sensor.instrument()._replace(
        noise_common=0.0, noise_band=0.0, noise_additive=0.0, terrain=0.0, dn_step=1.0
    )
    return instrument._replace(**changes)


def reflectance(spec, exposure):
    return exposure.dn * spec.sensor.scale + spec.sensor.offset


def test_reflectance_comes_back_within_one_digital_number_when_clear(twin_spec, ground):
    land, *rest = ground
    spectra = twin_spec.endmembers()
    seen = expose(land, *rest, clear_sky(), spectra, quiet(twin_spec))
    found = reflectance(twin_spec, seen)
    # The mixture by hand, for rock: its shares are green, litter and stone.
    rock = land.ecosystem == 7
    assert rock.any()
    green = np.array(
        [
            peak * _growth_by_hand(height)
            for peak, height in zip(
                land.fvc_peak[rock], land.elevation[rock], strict=True
            )
        ]
    )
    straw = land.fvc_peak[rock] - green
    shares = np.zeros((len(ENDMEMBERS), rock.sum()))
    shares[ENDMEMBERS.index("green")] = green
    shares[ENDMEMBERS.index("litter")] = straw
    shares[ENDMEMBERS.index("rock")] = 1.0 - green - straw
    np.testing.assert_allclose(found[:, rock], spectra.T @ shares, atol=1e-4)


def _growth_by_hand(height, day=210.0):
    up = 1 / (1 + np.exp(-0.12 * (day - 148 - 0.012 * (height - 3000))))
    down = 1 / (1 + np.exp(0.11 * (day - 278 + 0.007 * (height - 3000))))
    return min(1.03 * up * down, 1.0)


def test_noise_is_about_one_percent(twin_spec, ground):
    land, *rest = ground
    spectra = twin_spec.endmembers()
    shipped = twin_spec.sensor.instrument()._replace(terrain=0.0)
    clean = reflectance(
        twin_spec, expose(land, *rest, clear_sky(), spectra, quiet(twin_spec))
    )
    noisy = reflectance(twin_spec, expose(land, *rest, clear_sky(), spectra, shipped))
    nir = noisy[3] / clean[3] - 1.0
    assert 0.008 < nir.std() < 0.02
    assert abs(nir.mean()) < 0.01


def test_greener_pixels_have_less_red_and_more_near_infrared(twin_spec, ground):
    land, *rest = ground
    seen = expose(land, *rest, clear_sky(), twin_spec.endmembers(), quiet(twin_spec))
    red, nir = reflectance(twin_spec, seen)[[2, 3]]
    ndvi = (nir - red) / (nir + red)
    assert np.corrcoef(ndvi, land.fvc_peak)[0, 1] > 0.95


def test_reflectance_lies_where_field_transects_lie(twin_spec, ground, shared_dir):
    source = shared_dir / "data" / "fractionalcover3_field_sites"
    table = json.loads((source / "training_data.json").read_text("utf-8"))
    land, *rest = ground
    instrument = twin_spec.sensor.instrument()
    seen = expose(land, *rest, clear_sky(), twin_spec.endmembers(), instrument)
    found = reflectance(twin_spec, seen)
    for row, band in zip((1, 2, 3, 4, 5), ("b2", "b3", "b4", "b5", "b7"), strict=True):
        field = np.array([v for v in table[band].values() if v is not None], float)
        low, high = np.percentile(field, [0.1, 99.9])
        inside = (found[row] >= low) & (found[row] <= high)
        assert inside.mean() > 0.97, band


def test_skies_have_the_shares_asked_for_and_shadows_stand_beside_clouds(
    twin_spec, ground
):
    land, x, y, pixel = ground
    spectra, instrument = twin_spec.endmembers(), twin_spec.sensor.instrument()
    shares = []
    for light in lights(twin_spec, seed=2025, year=2025):
        scl = expose(land, x, y, pixel, light, spectra, instrument).scl
        cloud = np.isin(scl, (SCL_MEDIUM, SCL_HIGH)).reshape(SIZE, SIZE)
        shadow = (scl == SCL_SHADOW).reshape(SIZE, SIZE)
        shares.append(cloud.mean())
        if not cloud.any() or cloud.all():
            continue
        assert shadow.any()
        assert not (shadow & cloud).any()
    assert 0.02 < np.mean(shares) < 0.45


def test_a_shadow_falls_away_from_the_sun(twin_spec, ground):
    land, x, y, pixel = ground
    light = lights(twin_spec, seed=2025, year=2025)[2]
    scl = expose(
        land, x, y, pixel, light, twin_spec.endmembers(), twin_spec.sensor.instrument()
    ).scl
    cloud = np.isin(scl, (SCL_MEDIUM, SCL_HIGH)).reshape(SIZE, SIZE)
    shadow = (scl == SCL_SHADOW).reshape(SIZE, SIZE)
    # Move the shadow towards the sun by the height times tan(zenith): onto cloud.
    reach = twin_spec.sensor.cloud_height_m * np.tan(np.arccos(light.cos_zenith)) / 300
    step = (round(-reach * light.sun_y), round(reach * light.sun_x))
    towards = np.roll(shadow, step, axis=(0, 1))[5:-5, 5:-5]
    away = np.roll(shadow, (-step[0], -step[1]), axis=(0, 1))[5:-5, 5:-5]
    inner = cloud[5:-5, 5:-5]
    assert inner[towards].mean() > 2 * inner[away].mean()


def test_thin_cirrus_escapes_the_mask_and_thick_does_not(twin_spec, ground):
    land, x, y, pixel = ground
    sky = clear_sky()._replace(cirrus_level=-0.2)
    spectra, instrument = twin_spec.endmembers(), quiet(twin_spec)
    veiled = expose(land, x, y, pixel, sky, spectra, instrument)
    clean = expose(land, x, y, pixel, clear_sky(), spectra, instrument)
    brighter = veiled.dn[0].astype(int) > clean.dn[0].astype(int)
    flagged = veiled.scl == SCL_CIRRUS
    assert flagged.any()
    assert brighter[flagged].all()
    assert (brighter & ~flagged).any()


def test_fresh_snow_lies_high_and_is_classified(twin_spec, ground):
    land, x, y, pixel = ground
    sky = clear_sky(snow_line=-300.0)
    seen = expose(land, x, y, pixel, sky, twin_spec.endmembers(), quiet(twin_spec))
    snowy = seen.scl == SCL_SNOW
    assert snowy.any()
    assert land.above_limit[snowy].min() > -300.0
    assert set(np.unique(seen.scl)) <= {2, *CLEAR_GROUND}


def test_lakes_are_dark_and_classified_as_water(twin_spec):
    x, y = np.meshgrid(np.arange(10) * 60.0, np.arange(10) * 60.0 + 4e6)
    x, y = x.ravel() - 4e5, y.ravel()
    lake = twin_spec.build_world(1).at(x, y, np.full(x.size, 2, dtype=np.uint8))
    pixel = np.zeros((2, x.size), dtype=np.int64)
    seen = expose(
        lake, x, y, pixel, clear_sky(), twin_spec.endmembers(), quiet(twin_spec)
    )
    assert (seen.scl == SCL_WATER).all()
    assert reflectance(twin_spec, seen)[3].max() < 0.05

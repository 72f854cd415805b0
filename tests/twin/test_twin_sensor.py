"""The simulated instrument: what it records is what the ground reflects, or says so."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from qhsink.twin.emulator import canopy_reflectance, load_emulator
from qhsink.twin.ground_light import view_of
from qhsink.twin.leaves import lai_of_cover, leaf_cover
from qhsink.twin.scene_class import (
    SCL_BARE,
    SCL_CIRRUS,
    SCL_HIGH,
    SCL_MEDIUM,
    SCL_SATURATED,
    SCL_SHADOW,
    SCL_SNOW,
    SCL_VEGETATION,
    SCL_WATER,
    noise_level,
)
from qhsink.twin.scenes import lights
from qhsink.twin.sensor import expose
from qhsink.twin.sky import Light
from qhsink.twin.spectra import CENTRES_UM, sky_share
from qhsink.twin.state import canopy_on

PLATFORM = "sentinel-2b"
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
        multiplicative=0.0, additive=0.0, terrain=0.0, dn_step=1.0
    )
    return instrument._replace(**changes)


def shoot(spec, land, *where, light=None, instrument=None, platform=PLATFORM, **rates):
    """Expose with the shipped spectra; the classification errs only as asked."""
    never = {
        name: noise_level(0.0)
        for name in (
            "cirrus_missed",
            "shadow_missed",
            "snow_as_cloud",
            "water_as_dark",
            "bright_as_cloud",
        )
    }
    never |= {name: noise_level(rate) for name, rate in rates.items()}
    return expose(
        land,
        *where,
        light or clear_sky(),
        spec.optics(platform),
        instrument or quiet(spec),
        spec.sensor.confusion()._replace(**never),
    )


def reflectance(spec, exposure):
    return exposure.dn * spec.sensor.scale + spec.sensor.offset


def test_open_ground_reflects_what_the_canopy_model_says(twin_spec, ground):
    land, x, *rest = ground
    light = clear_sky()
    found = reflectance(twin_spec, shoot(twin_spec, land, x, *rest, light=light))
    state = canopy_on(land, light.day, snow_line=NEVER)
    open_ground = (state.canopy_cover + state.water + state.rock + state.snow) == 0
    at = np.flatnonzero(open_ground)[::40]
    assert at.size > 50
    emulator = load_emulator(PLATFORM)
    inputs = np.empty((at.size, 9), dtype=np.float32)
    below = np.empty((at.size, 6), dtype=np.float32)
    for row, k in enumerate(at):
        view, turned = view_of(x[k], light)
        inputs[row] = (
            max(state.lai[k], lai_of_cover(0.95, state.leaf_angle[k])),
            state.leaf_angle[k],
            state.chlorophyll[k],
            state.dry_matter[k],
            state.leaf_water[k],
            state.senescent[k],
            np.degrees(np.arccos(light.cos_zenith)),
            view,
            np.degrees(np.arccos(turned)),
        )
        place = state.soil_index[k] * 4.9999
        low = int(place)
        soil = (1 - place + low) * emulator.soils[low]
        soil = (soil + (place - low) * emulator.soils[low + 1]) * (
            state.soil_brightness[k]
        )
        share = state.litter[k]
        below[row] = (1 - share) * soil + share * emulator.litter
    cover = [leaf_cover(state.lai[k], state.leaf_angle[k]) for k in at]
    patches = np.minimum(np.array(cover) / 0.95, 1.0)[:, None]
    expected = canopy_reflectance(inputs, below, emulator) * (0.8 * patches)
    expected += below * (1 - patches)
    np.testing.assert_allclose(found[:, at], expected.T, atol=2e-4)


def test_errors_have_the_stated_size_and_correlation(twin_spec, ground):
    land, x, y, pixel = ground
    clean = reflectance(twin_spec, shoot(twin_spec, land, x, y, pixel))
    stated = quiet(twin_spec, multiplicative=0.02, additive=0.01, correlation=0.8)
    gaps = [
        reflectance(
            twin_spec,
            shoot(
                twin_spec,
                land,
                x,
                y,
                pixel,
                light=clear_sky(seed=seed),
                instrument=stated._replace(pixel_share=0.5),
            ),
        )
        - clean
        for seed in range(0, 40_000, 4_001)
    ]
    error = np.concatenate(gaps, axis=1)
    expected = np.sqrt(0.01**2 + (0.02 * clean) ** 2).mean(axis=1)
    assert error.std(axis=1) == pytest.approx(expected, rel=0.2)
    between = np.corrcoef(error)[np.triu_indices(6, 1)]
    assert 0.65 < between.mean() < 0.95
    assert np.abs(error.mean(axis=1)).max() < 0.004


def test_a_slope_to_the_sun_gains_less_in_the_blue_than_in_the_infrared(
    twin_spec, ground
):
    land, *rest = ground
    flat = reflectance(twin_spec, shoot(twin_spec, land, *rest))
    lit = reflectance(
        twin_spec,
        shoot(twin_spec, land, *rest, instrument=quiet(twin_spec, terrain=1.0)),
    )
    light = clear_sky()
    steep = np.hypot(land.slope_x, land.slope_y) > 0.3
    gain = lit[:, steep] / flat[:, steep]
    cos_i = light.cos_zenith - np.sqrt(1 - light.cos_zenith**2) * (
        land.slope_x * light.sun_x + land.slope_y * light.sun_y
    )
    upright = 1 / np.sqrt(1 + land.slope_x**2 + land.slope_y**2)
    beam = np.maximum(cos_i * upright, 0) / light.cos_zenith
    share = sky_share(np.array(CENTRES_UM["shared"]), light.cos_zenith)[3]
    by_hand = (1 - share) * beam + share * (1 + upright) / 2
    assert gain[3] == pytest.approx(by_hand[steep], abs=0.02)
    assert gain[0].std() < gain[3].std()
    assert gain[3].std() > 0.05


def test_snow_on_a_slope_to_the_sun_saturates(twin_spec, ground):
    land, *rest = ground
    sky = clear_sky(snow_line=-3_000.0)._replace(cos_zenith=0.6)
    seen = shoot(
        twin_spec,
        land,
        *rest,
        light=sky,
        instrument=quiet(twin_spec, terrain=1.0, saturation=1.0),
    )
    full = seen.scl == SCL_SATURATED
    assert 0.01 < full.mean() < 0.6
    assert reflectance(twin_spec, seen).max() <= 1.0 + 1e-4


def test_ground_beside_a_cloud_is_brightened(twin_spec, ground):
    land, x, y, pixel = ground
    light = lights(twin_spec, seed=2025, year=2025)[2]
    with_rim, without = (
        shoot(
            twin_spec,
            land,
            x,
            y,
            pixel,
            light=light,
            instrument=quiet(twin_spec, adjacency=share),
        )
        for share in (0.06, 0.0)
    )
    gain = with_rim.dn[0].astype(int) - without.dn[0].astype(int)
    cloud = np.isin(without.scl, (SCL_MEDIUM, SCL_HIGH)).reshape(SIZE, SIZE)
    near = np.zeros_like(cloud)
    near[1:-1, 1:-1] = cloud[:-2, 1:-1] | cloud[2:, 1:-1] | cloud[1:-1, :-2]
    rim = (near & ~cloud).ravel()
    assert (gain >= 0).all()
    assert gain[rim].mean() > 10 * max(gain[~rim & ~cloud.ravel()].mean(), 0.5)


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_snow_is_taken_for_cloud_as_often_as_stated(twin_spec, ground, rate):
    land, *rest = ground
    sky = clear_sky(snow_line=-3_000.0)
    seen = shoot(twin_spec, land, *rest, light=sky, snow_as_cloud=rate)
    snow = np.isin(seen.scl, (SCL_SNOW, SCL_HIGH))
    assert snow.mean() > 0.5
    assert (seen.scl[snow] == SCL_HIGH).mean() == pytest.approx(rate, abs=0.05)


def test_bright_bare_ground_is_taken_for_cloud_as_often_as_stated(twin_spec, ground):
    land, *rest = ground
    confusion = twin_spec.sensor.confusion()
    optics = twin_spec.optics(PLATFORM)
    seen = expose(
        land,
        *rest,
        clear_sky(),
        optics,
        quiet(twin_spec),
        confusion._replace(playa=0.0, bright_as_cloud=noise_level(0.4)),
    )
    dry = ~np.isin(seen.scl, (SCL_SNOW, SCL_WATER, 2))
    assert (seen.scl[dry] == SCL_MEDIUM).mean() == pytest.approx(0.4, abs=0.06)


def test_shadows_are_missed_as_often_as_stated(twin_spec, ground):
    land, *rest = ground
    light = lights(twin_spec, seed=2025, year=2025)[2]
    all_found = shoot(twin_spec, land, *rest, light=light).scl == SCL_SHADOW
    some = shoot(twin_spec, land, *rest, light=light, shadow_missed=0.25).scl
    assert (some[all_found] != SCL_SHADOW).mean() == pytest.approx(0.25, abs=0.1)


def test_greener_pixels_have_less_red_and_more_near_infrared(twin_spec, ground):
    land, *rest = ground
    seen = shoot(twin_spec, land, *rest)
    red, nir = reflectance(twin_spec, seen)[[2, 3]]
    ndvi = (nir - red) / (nir + red)
    # By rank, since the index saturates over closed canopies.
    assert spearmanr(ndvi, land.fvc_peak).statistic > 0.98


def test_reflectance_lies_where_field_transects_lie(twin_spec, ground, shared_dir):
    source = shared_dir / "data" / "fractionalcover3_field_sites"
    table = json.loads((source / "training_data.json").read_text("utf-8"))
    land, *rest = ground
    instrument = twin_spec.sensor.instrument()
    # The transects' reflectance is Landsat's.
    seen = shoot(twin_spec, land, *rest, instrument=instrument, platform="landsat-8")
    found = reflectance(twin_spec, seen)
    for row, band in zip((1, 2, 3, 4, 5), ("b2", "b3", "b4", "b5", "b7"), strict=True):
        field = np.array([v for v in table[band].values() if v is not None], float)
        low, high = np.percentile(field, [0.1, 99.9])
        inside = (found[row] >= low) & (found[row] <= high)
        assert inside.mean() > 0.95, band


def test_skies_have_the_shares_asked_for_and_shadows_stand_beside_clouds(
    twin_spec, ground
):
    land, x, y, pixel = ground
    instrument = twin_spec.sensor.instrument()
    shares = []
    for light in lights(twin_spec, seed=2025, year=2025):
        scl = shoot(
            twin_spec, land, x, y, pixel, light=light, instrument=instrument
        ).scl
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
    scl = shoot(twin_spec, land, x, y, pixel, light=light).scl
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
    veiled = shoot(twin_spec, land, x, y, pixel, light=sky)
    clean = shoot(twin_spec, land, x, y, pixel)
    brighter = veiled.dn[0].astype(int) > clean.dn[0].astype(int)
    flagged = veiled.scl == SCL_CIRRUS
    assert flagged.any()
    assert brighter[flagged].all()
    assert (brighter & ~flagged).any()


def test_fresh_snow_lies_high_and_is_classified(twin_spec, ground):
    land, x, y, pixel = ground
    sky = clear_sky(snow_line=-300.0)
    seen = shoot(twin_spec, land, x, y, pixel, light=sky)
    snowy = seen.scl == SCL_SNOW
    assert snowy.any()
    assert land.above_limit[snowy].min() > -300.0
    assert set(np.unique(seen.scl)) <= {2, *CLEAR_GROUND}


def test_lakes_are_dark_and_classified_as_water(twin_spec):
    x, y = np.meshgrid(np.arange(10) * 60.0, np.arange(10) * 60.0 + 4e6)
    x, y = x.ravel() - 4e5, y.ravel()
    lake = twin_spec.build_world(1).at(x, y, np.full(x.size, 2, dtype=np.uint8))
    pixel = np.zeros((2, x.size), dtype=np.int64)
    seen = shoot(twin_spec, lake, x, y, pixel)
    assert (seen.scl == SCL_WATER).all()
    assert reflectance(twin_spec, seen)[3].max() < 0.05

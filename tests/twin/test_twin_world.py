"""The simulated country: a function of place, in range, like Qinghai."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhsink.domain.errors import ConfigError
from qhsink.grid import qinghai_albers
from qhsink.twin.noise import fractal_noise, gradient_noise, random_pair, ridged_noise
from qhsink.twin.sensor import growth
from qhsink.twin.spec import load_spec
from qhsink.twin.world import ECOSYSTEMS, ROCK, SNOW, SPRUCE, WATER

place = st.floats(-1.5e6, 1.5e6)


def landscape(spec, left, top, *, size=80, step=400.0, seed=2025, shore=0):
    x, y = np.meshgrid(left + step * np.arange(size), top - step * np.arange(size))
    x, y = x.ravel(), y.ravel()
    kind = np.full(x.size, shore, dtype=np.uint8)
    return spec.build_world(seed).at(x, y, kind)


def test_a_window_alone_equals_the_same_places_in_a_larger_window(twin_spec):
    whole = landscape(twin_spec, -430_000.0, 4_100_000.0, size=40)
    part = landscape(
        twin_spec, -430_000.0 + 10 * 400.0, 4_100_000.0 - 20 * 400.0, size=15
    )
    for name in ("elevation", "fvc_peak", "canopy", "ecosystem", "slope_x"):
        cut = getattr(whole, name).reshape(40, 40)[20:35, 10:25]
        np.testing.assert_array_equal(getattr(part, name).reshape(15, 15), cut)


def test_another_seed_is_another_country(twin_spec):
    one = landscape(twin_spec, -430_000.0, 4_100_000.0)
    two = landscape(twin_spec, -430_000.0, 4_100_000.0, seed=2026)
    assert np.corrcoef(one.fvc_peak, two.fvc_peak)[0, 1] < 0.6


@pytest.mark.parametrize(
    ("lon", "lat"), [(100.2, 38.2), (101.5, 34.6), (97.5, 34.9), (94.9, 36.4)]
)
def test_truth_stays_in_range_and_every_code_has_a_name(twin_spec, lon, lat):
    to_grid = pyproj.Transformer.from_crs(4490, qinghai_albers(), always_xy=True)
    land = landscape(twin_spec, *to_grid.transform(lon, lat))
    assert land.fvc_peak.min() >= 0.0
    assert land.fvc_peak.max() <= 0.97
    assert (land.canopy <= land.fvc_peak + 1e-6).all()
    assert set(np.unique(land.ecosystem)) <= set(ECOSYSTEMS)
    assert (land.canopy[land.ecosystem != SPRUCE] == 0).all()
    assert (land.fvc_peak[land.ecosystem == SNOW] == 0).all()
    assert 1_500 < land.elevation.mean() < 5_500


def test_wet_south_is_greener_than_the_qaidam_desert(twin_spec):
    to_grid = pyproj.Transformer.from_crs(4490, qinghai_albers(), always_xy=True)
    henan = landscape(twin_spec, *to_grid.transform(101.5, 34.7))
    qaidam = landscape(twin_spec, *to_grid.transform(94.5, 36.8))
    assert henan.fvc_peak.mean() > 0.6
    assert qaidam.fvc_peak.mean() < 0.2


def test_a_real_lake_is_water_without_cover(twin_spec):
    lake = landscape(twin_spec, -400_000.0, 4_000_000.0, size=10, shore=2)
    assert (lake.ecosystem == WATER).all()
    assert (lake.fvc_peak == 0).all()


def test_rock_and_ice_lie_above_meadows(twin_spec):
    land = landscape(twin_spec, -560_000.0, 4_150_000.0, size=300)
    high = np.isin(land.ecosystem, (ROCK, SNOW))
    assert high.any()
    assert land.elevation[high].mean() > land.elevation[~high].mean() + 300


@given(place, place, st.integers(0, 2**31))
@settings(max_examples=200, deadline=None)
def test_noise_is_bounded_everywhere(x, y, seed):
    assert abs(gradient_noise(x, y, seed)) <= 1.6
    assert abs(fractal_noise(x, y, 9_000.0, 5, 0.5, seed)) < 4.0
    assert 0.0 <= ridged_noise(x, y, 9_000.0, 5, seed) <= 1.0


@given(place, place)
@settings(max_examples=100, deadline=None)
def test_noise_is_continuous_across_lattice_lines(x, y):
    edge = float(np.floor(x))
    near, far = gradient_noise(edge - 1e-7, y, 3), gradient_noise(edge + 1e-7, y, 3)
    assert abs(near - far) < 1e-5


def test_random_pairs_have_mean_zero_variance_one_and_no_correlation():
    pairs = np.array([random_pair(i, j, 11) for i in range(200) for j in range(200)])
    assert np.abs(pairs.mean(axis=0)).max() < 0.02
    assert np.abs(pairs.var(axis=0) - 1.0).max() < 0.02
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.02
    assert np.abs(pairs).max() <= 6.0**0.5


def test_the_season_peaks_in_the_window_and_comes_later_with_height():
    days = np.arange(100, 320)
    low, high = ([growth(h, float(d)) for d in days] for h in (3_000.0, 4_500.0))
    assert max(low) <= 1.0
    assert min(low[196 - 100 : 243 - 100]) > 0.93
    assert min(high[196 - 100 : 243 - 100]) > 0.90
    assert high[0] < 0.02
    assert high[-1] < 0.1
    half_low, half_high = (
        days[int(np.argmax(np.array(curve) > 0.5))] for curve in (low, high)
    )
    assert 135 < half_low < half_high < 175


def test_a_misspelt_key_of_the_parameters_is_named(project_folder, tmp_path):
    text = (project_folder / "config" / "twin.toml").read_text("utf-8")
    wrong = tmp_path / "twin.toml"
    wrong.write_text(text.replace("cloud_height_m", "cloud_hight_m"), "utf-8")
    with pytest.raises(ConfigError, match="cloud_hight_m"):
        load_spec(wrong)


def test_a_missing_endmember_is_named(project_folder, tmp_path):
    text = (project_folder / "config" / "twin.toml").read_text("utf-8")
    wrong = tmp_path / "twin.toml"
    wrong.write_text(text.replace("[spectra.litter]", "[spectra.straw]"), "utf-8")
    with pytest.raises(ConfigError, match="litter"):
        load_spec(wrong)

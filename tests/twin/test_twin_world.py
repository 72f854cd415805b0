"""The simulated country: a function of place, in range, like Qinghai."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask
from rasterio.windows import from_bounds
from scipy import ndimage

from qhsink.domain.errors import ConfigError
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.twin.classes import (
    ALPINE_DESERT,
    BLACK_SOIL,
    BROADLEAF,
    CODES,
    CROPLAND,
    ECOSYSTEMS,
    FOREST,
    JUNIPER,
    KEYS,
    MARSH,
    MEADOW,
    PLAYA,
    ROCK,
    SNOW,
    SPRUCE,
    WATER,
)
from qhsink.twin.ground import ground_on
from qhsink.twin.noise import (
    fill_noise,
    fill_ridges,
    fractal_noise,
    gradient_noise,
    random_pair,
)
from qhsink.twin.spec import load_spec
from qhsink.twin.vegetation import VIGOUR
from qhsink.twin.world import World

place = st.floats(-1.5e6, 1.5e6)


def window(left, top, *, size=80, step=400.0):
    x, y = np.meshgrid(left + step * np.arange(size), top - step * np.arange(size))
    return x.ravel(), y.ravel()


def landscape(spec, left, top, *, seed=2025, shore=0, **lattice):
    x, y = window(left, top, **lattice)
    kind = np.full(x.size, shore, dtype=np.uint8)
    return spec.build_world(seed).at(x, y, kind)


def changed(spec, **world):
    return spec.model_copy(update={"world": spec.world.model_copy(update=world)})


@pytest.fixture(scope="module")
def to_grid():
    return pyproj.Transformer.from_crs(4490, qinghai_albers(), always_xy=True)


def test_a_window_alone_equals_the_same_places_in_a_larger_window(twin_spec):
    busy = changed(twin_spec, events_per_1000_km2=15.0)
    whole = landscape(busy, -430_000.0, 4_100_000.0, size=40)
    part = landscape(busy, -430_000.0 + 10 * 400.0, 4_100_000.0 - 20 * 400.0, size=15)
    assert (whole.event >= 0).any()
    for name in ("elevation", "fvc_peak", "canopy", "ecosystem", "slope_x", "layers"):
        cut = getattr(whole, name).reshape(-1, 40, 40)[:, 20:35, 10:25]
        np.testing.assert_array_equal(getattr(part, name).reshape(-1, 15, 15), cut)
    one, two = ground_on(whole, 200.0), ground_on(part, 200.0)
    cut = one.agb_grass.reshape(40, 40)[20:35, 10:25]
    np.testing.assert_array_equal(two.agb_grass.reshape(15, 15), cut)


def test_another_seed_is_another_country(twin_spec):
    one = landscape(twin_spec, -430_000.0, 4_100_000.0)
    two = landscape(twin_spec, -430_000.0, 4_100_000.0, seed=2026)
    assert np.corrcoef(one.fvc_peak, two.fvc_peak)[0, 1] < 0.6


@pytest.mark.parametrize(
    ("lon", "lat"), [(100.2, 38.2), (101.5, 34.6), (97.5, 34.9), (94.9, 36.4)]
)
def test_truth_stays_in_range_and_every_code_has_a_name(twin_spec, to_grid, lon, lat):
    land = landscape(twin_spec, *to_grid.transform(lon, lat))
    assert land.fvc_peak.min() >= 0.0
    assert land.fvc_peak.max() <= 0.97
    assert set(np.unique(land.ecosystem)) <= set(ECOSYSTEMS)
    assert (land.canopy[~np.isin(land.ecosystem, FOREST)] == 0).all()
    assert (land.fvc_peak[land.ecosystem == SNOW] == 0).all()
    assert 1_500 < land.elevation.mean() < 5_500


def test_wet_south_is_greener_than_the_qaidam_desert(twin_spec, to_grid):
    henan = landscape(twin_spec, *to_grid.transform(101.5, 34.7))
    qaidam = landscape(twin_spec, *to_grid.transform(94.5, 36.8))
    assert henan.fvc_peak.mean() > 0.6
    assert qaidam.fvc_peak.mean() < 0.2


def test_a_real_lake_is_water_without_cover(twin_spec):
    lake = landscape(twin_spec, -400_000.0, 4_000_000.0, size=10, shore=2)
    assert (lake.ecosystem == WATER).all()
    assert (lake.fvc_peak == 0).all()


@pytest.fixture(scope="module")
def province(project_folder, twin_spec):
    """A lattice of 3 km over Qinghai: places and landscape."""
    database = load_database(project_folder / "aoi" / "qinghai.gpkg")
    crs = qinghai_albers()
    shape = database.geometry("630000", crs)
    lakes = [database.geometry(r.id, crs) for r in database.regions if r.kind == "lake"]
    left, low, right, high = shape.bounds
    mesh = np.meshgrid(np.arange(left, right, 3e3), np.arange(low, high, 3e3))
    x, y = mesh[0].ravel(), mesh[1].ravel()
    inside = shapely.contains_xy(shape, x, y)
    x, y = x[inside], y[inside]
    lake = shapely.contains_xy(shapely.union_all(lakes), x, y)
    land = twin_spec.build_world(2025).at(x, y, 2 * lake.astype(np.uint8))
    return database, x, y, land


def test_every_ecosystem_of_the_issue_occurs(province):
    *_, land = province
    assert set(np.unique(land.ecosystem)) == set(ECOSYSTEMS) == set(KEYS)
    assert max(ECOSYSTEMS) < CODES


def test_ecosystems_keep_to_their_heights_and_slopes(province):
    *_, land = province
    height, kind = land.elevation, land.potential  # planting ignores aspect
    northness = -land.slope_y
    assert northness[kind == SPRUCE].min() > 0.05
    assert northness[kind == JUNIPER].max() < -0.1
    assert height[np.isin(kind, (ROCK, SNOW))].mean() > height[kind == MEADOW].mean()
    assert height[kind == CROPLAND].max() < 3_050.0
    assert height[kind == BROADLEAF].mean() < height[kind == MEADOW].mean() - 500.0
    assert height[kind == PLAYA].mean() < 3_200.0
    steep = np.hypot(land.slope_x, land.slope_y)
    assert steep[kind == MARSH].max() < 0.0701
    bald = land.fvc_peak[kind == BLACK_SOIL].mean()
    assert bald < 0.4 * land.fvc_peak[kind == MEADOW].mean()


REGIONS = ("630000", "632800", "632700", "632600", "632500", "632300", "632200")


@pytest.mark.parametrize("region", [*REGIONS, "630100", "630200"])
def test_shares_lie_near_those_of_modis_land_cover(province, shared_dir, region):
    """MCD12C1 2019 gives the majority class of 0.05 degrees: only coarse groups agree.

    Bounds: 12 points for vegetation and barren ground, 3 for water, 2 for snow; no
    cell of 0.05 degrees has forest as majority but in the east, so below 8 points.
    """
    database, x, y, land = province
    shape = database.geometry(region, qinghai_albers())
    kind = land.ecosystem[shapely.contains_xy(shape, x, y)]
    found = np.bincount(kind, minlength=CODES) / kind.size
    real = _modis(shared_dir, database.geometry(region, pyproj.CRS(4326)))
    barren = found[[ROCK, PLAYA, ALPINE_DESERT]].sum()
    water, snow = found[WATER], found[SNOW]
    assert barren == pytest.approx(real[16], abs=0.12)
    assert water == pytest.approx(real[0] + real[17], abs=0.03)
    assert snow == pytest.approx(real[15], abs=0.02)
    assert 1 - barren - water - snow == pytest.approx(real[1:15].sum(), abs=0.12)
    assert real[1:6].sum() <= found[list(FOREST)].sum() < 0.08


def _modis(shared, shape):
    path = min((shared / "data" / "mcd12c1_2019").glob("*.tif"))
    with rasterio.open(path) as file:
        part = from_bounds(89.0, 31.0, 104.0, 40.0, file.transform)
        classes, transform = file.read(1, window=part), file.window_transform(part)
    inside = ~geometry_mask([shape], classes.shape, transform)
    return np.bincount(classes[inside], minlength=18) / inside.sum()


def test_the_relief_follows_the_real_one(province, shared_dir):
    """Means of 1 degree cells: the twin against the 0.2 degree DEM it was fitted to."""
    _, x, y, land = province
    lon, lat = pyproj.Transformer.from_crs(
        qinghai_albers(), 4490, always_xy=True
    ).transform(x, y)
    path = shared_dir / "data" / "dem_china_0p2deg" / "china-dem.nc"
    with rasterio.open(path) as file:
        rows, columns = rasterio.transform.rowcol(file.transform, lon, lat)
        real = file.read(1)[rows, columns]
    cell = np.floor(lon).astype(int) * 100 + np.floor(lat).astype(int)
    _, index, counts = np.unique(cell, return_inverse=True, return_counts=True)
    means = [
        np.bincount(index, weights=values) / counts for values in (land.elevation, real)
    ]
    whole = counts > 500
    difference = (means[0] - means[1])[whole]
    assert whole.sum() > 40
    assert abs(difference.mean()) < 25.0
    assert np.abs(difference).max() < 250.0
    assert np.corrcoef(means[0][whole], means[1][whole])[0, 1] > 0.98


def test_slopes_are_those_of_the_heights(twin_spec):
    x, y = window(-430_000.0, 4_100_000.0, size=100, step=60.0)
    land = twin_spec.build_world(2025).at(x, y, np.zeros(x.size, dtype=np.uint8))
    height = land.elevation.reshape(100, 100)
    east = (height[:, 1:] - height[:, :-1]) / 60.0
    found = land.slope_x.reshape(100, 100)[:, :-1]
    still = land.ecosystem.reshape(100, 100)[:, :-1] == WATER
    assert np.abs(east - found)[~still].max() < 0.03


def _patch_hectares(spec):
    x, y = window(-330_000.0, 3_700_000.0, size=260, step=120.0)
    land = spec.build_world(2025).at(x, y, np.zeros(x.size, dtype=np.uint8))
    kind = land.ecosystem.reshape(260, 260)
    sizes = []
    for code in np.unique(kind):
        labels, count = ndimage.label(kind == code)
        sizes += np.bincount(labels.ravel())[1:].tolist() if count else []
    return np.mean(sizes) * 1.44, np.array(sizes)


def test_patches_grow_with_their_parameter_and_shrink_with_the_gain(twin_spec):
    small, _ = _patch_hectares(changed(twin_spec, patch_m=1_000.0))
    shipped, sizes = _patch_hectares(twin_spec)
    large, _ = _patch_hectares(changed(twin_spec, patch_m=6_000.0))
    rough, _ = _patch_hectares(changed(twin_spec, patch_gain=0.85))
    assert small < shipped < large
    assert rough < shipped
    assert sizes.max() > 100 * np.median(sizes)


@pytest.mark.parametrize("stated", [400.0, 900.0])
def test_variation_within_a_class_has_the_stated_range(twin_spec, stated):
    """Range: the lag at which the variogram first reaches 95 % of the variance."""
    spec = changed(twin_spec, range_m=stated)
    step, size = stated / 20.0, 1200
    rise = []
    for seed in range(4):
        x = -330_000.0 + step * np.arange(size * 40)
        y = np.repeat(3_700_000.0 + 9.0e3 * np.arange(40), size)
        land = spec.build_world(seed).at(x, y, np.zeros(x.size, dtype=np.uint8))
        lines = land.layers[VIGOUR].reshape(40, size)
        lags = np.arange(1, 41)
        semi = [0.5 * np.mean((lines[:, h:] - lines[:, :-h]) ** 2) for h in lags]
        rise.append(np.array(semi) / lines.var())
    mean = np.mean(rise, axis=0)
    reached = step * (1 + int(np.argmax(mean >= 0.95)))
    assert reached == pytest.approx(stated, rel=0.15)
    assert mean[2] < 0.2  # neighbours are alike


def test_variation_within_a_class_shows_in_its_cover(twin_spec):
    x, y = window(-330_000.0, 3_700_000.0, size=150, step=200.0)
    shore = np.zeros(x.size, dtype=np.uint8)
    still = changed(twin_spec, vary=0.0).build_world(2025).at(x, y, shore)
    land = twin_spec.build_world(2025).at(x, y, shore)
    meadow = (land.ecosystem == MEADOW) & (np.abs(land.fvc_peak - 0.6) < 0.15)
    extra = (land.fvc_peak - still.fvc_peak)[meadow]
    assert extra.std() == pytest.approx(twin_spec.world.vary, rel=0.25)
    assert abs(extra.mean()) < 0.5 * twin_spec.world.vary


@given(place, place, st.integers(0, 2**31))
@settings(max_examples=200, deadline=None)
def test_noise_is_bounded_everywhere(x, y, seed):
    assert abs(gradient_noise(x, y, seed)) <= 1.6
    assert abs(fractal_noise(x, y, 9_000.0, 5, 0.5, seed)) < 4.0
    ridge, room = np.empty(1), np.empty((4, 1))
    fill_ridges(np.array([x]), np.array([y]), 9_000.0, 5, seed, room, ridge)
    assert 0.0 <= ridge[0] <= 1.0


@given(place, place, st.floats(0.001, 3.0), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_noise_along_a_row_is_the_noise_of_each_place(x, y, step, seed):
    row_x, row_y = x + step * np.arange(40), np.full(40, y)
    found = np.empty(40)
    fill_noise(row_x, row_y, seed, found)
    alone = [gradient_noise(*at, seed) for at in zip(row_x, row_y, strict=True)]
    assert found.tolist() == alone


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


def test_no_places_are_an_empty_landscape(twin_spec):
    nowhere = np.zeros(0)
    world: World = twin_spec.build_world(1)
    assert world.at(nowhere, nowhere, np.zeros(0, dtype=np.uint8)).fvc_peak.size == 0


def test_a_misspelt_key_of_the_parameters_is_named(project_folder, tmp_path):
    text = (project_folder / "config" / "twin.toml").read_text("utf-8")
    wrong = tmp_path / "twin.toml"
    wrong.write_text(text.replace("cloud_height_m", "cloud_hight_m"), "utf-8")
    with pytest.raises(ConfigError, match="cloud_hight_m"):
        load_spec(wrong)


@pytest.mark.parametrize("section", ["types.meadow", "stands.juniper"])
def test_a_missing_class_of_the_world_is_named(project_folder, tmp_path, section):
    text = (project_folder / "config" / "twin.toml").read_text("utf-8")
    wrong = tmp_path / "twin.toml"
    wrong.write_text(text.replace(f"[world.{section}]", f"[world.{section}y]"), "utf-8")
    with pytest.raises(ConfigError, match=section):
        load_spec(wrong)


def test_a_missing_surface_is_named(project_folder, tmp_path):
    text = (project_folder / "config" / "twin.toml").read_text("utf-8")
    wrong = tmp_path / "twin.toml"
    wrong.write_text(text.replace("[spectra.water]", "[spectra.ink]"), "utf-8")
    with pytest.raises(ConfigError, match="water"):
        load_spec(wrong)

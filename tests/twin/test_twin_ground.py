"""The truth on a date: season, years, trend, events, and quantities that agree."""

from __future__ import annotations

import datetime as dt
import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rio_cogeo.cogeo import cog_validate

from qhsink.twin import disturbance
from qhsink.twin.classes import (
    BLACK_SOIL,
    BROADLEAF,
    CROPLAND,
    FOREST,
    GRASSLAND,
    KEYS,
    MEADOW,
    SNOW,
    SPRUCE,
    STEPPE,
    WATER,
)
from qhsink.twin.ground import ground_on, truth_at
from qhsink.twin.phenology import growth, rain_anomaly
from qhsink.twin.state import canopy_on, green_cover
from qhsink.twin.truth import LAYERS, write_events
from qhsink.twin.vegetation import HERB

SQUARE = (-330_000.0, 3_620_000.0, -240_000.0, 3_710_000.0)
"""Zeku, in the south-east: every kind of event occurs in it (grid bounds) [m]."""


def changed(spec, **world):
    return spec.model_copy(update={"world": spec.world.model_copy(update=world)})


@pytest.fixture(scope="module")
def lattice():
    left, low, right, high = SQUARE
    x, y = np.meshgrid(np.arange(left, right, 450.0), np.arange(low, high, 450.0))
    return x.ravel(), y.ravel()


@pytest.fixture(scope="module")
def busy(twin_spec):
    """A country with an event in nearly every cell."""
    return changed(twin_spec, events_per_1000_km2=15.0).build_world(2025)


@pytest.fixture(scope="module")
def quiet(twin_spec):
    """A country of even years without events."""
    types = {
        key: traits.model_copy(update={"rain_response": 0.0})
        for key, traits in twin_spec.world.types.items()
    }
    return changed(twin_spec, events_per_1000_km2=0.0, types=types).build_world(2025)


def test_the_season_peaks_in_the_window_and_comes_later_with_height():
    days = np.arange(100, 320)

    def green(height, **year):
        pairs = [growth(height, float(day), **year) for day in days]
        return np.array([grown * (1.0 - dead) for grown, dead in pairs])

    low, high = green(3_000.0), green(4_500.0)
    for curve in (low, high):
        assert curve.max() <= 1.0
        assert curve[196 - 100 : 243 - 100].min() > 0.90
    assert high[0] < 0.02
    assert high[-1] < 0.1
    starts = [days[np.argmax(curve > 0.5)] for curve in (low, high)]
    assert 135 < starts[0] < starts[1] < 175  # mid-May to late June
    ends = [days[len(days) - 1 - np.argmax(curve[::-1] > 0.5)] for curve in (low, high)]
    assert 255 < ends[1] < ends[0] < 285  # September, early October
    wet = days[np.argmax(green(3_000.0, wet=1.0) > 0.5)]
    assert wet == starts[0] - 5
    assert green(3_000.0, harvest=35.0)[258 - 100] < 0.3 < low[258 - 100]


def test_months_rise_to_the_peak_and_fall(quiet, lattice):
    def mean(month):
        return truth_at(quiet, *lattice, date=dt.date(2025, month, 15)).fvc.mean()

    peak = truth_at(quiet, *lattice, year=2025).fvc.mean()
    may, june, july, september = (mean(month) for month in (5, 6, 7, 9))
    assert may < june < july <= peak
    assert september < july
    assert july > 0.95 * peak


def test_the_planted_trend_is_the_slope_of_the_truth(quiet, twin_spec, lattice):
    years = np.arange(2018, 2030)
    truths = [truth_at(quiet, *lattice, year=int(year)) for year in years]
    herbs = np.isin(truths[0].ecosystem, GRASSLAND)
    inner = herbs & (truths[0].fvc > 0.1) & (truths[-1].fvc < 0.9)
    # In marsh and under the rock limit the composition bends the line a little.
    inner &= np.isin(truths[0].ecosystem, (MEADOW, STEPPE))
    covers = np.array([truth.fvc[inner] for truth in truths], dtype=np.float64)
    slopes = np.polyfit(years, covers, 1)[0]
    assert inner.sum() > 5_000
    np.testing.assert_allclose(slopes, twin_spec.world.trend, atol=2e-5)


def test_years_differ_and_the_rain_of_two_counties_is_related(twin_spec, lattice):
    years = range(1960, 2060)
    rain = np.array(
        [[rain_anomaly(x, 3.7e6, year, 7) for x in (-3.0e5, -9e5)] for year in years]
    )
    assert np.abs(rain.mean(axis=0)).max() < 0.35
    assert rain.std(axis=0) == pytest.approx(1.0, abs=0.25)
    assert 0.2 < np.corrcoef(rain.T)[0, 1] < 0.8
    means = [
        truth_at(twin_spec.build_world(3), *lattice, year=year).fvc.mean()
        for year in range(2019, 2029)
    ]
    assert 0.003 < np.std(means) < 0.05


def test_cover_leaf_area_and_the_sensor_s_canopy_agree(quiet, lattice):
    land = quiet.at(*lattice, np.zeros(lattice[0].size, dtype=np.uint8))
    for day in (150.0, 205.0, 260.0):
        state = canopy_on(land, day, snow_line=1e6)
        found = ground_on(land, day)
        no_ice = found.ecosystem != SNOW
        np.testing.assert_allclose(
            green_cover(state)[no_ice], found.fvc[no_ice], atol=2e-5
        )


def test_herb_cover_by_hand(twin_spec):
    """Meadow: cover is 1 - exp(-k L), dry matter is mass times leaf area."""
    world = changed(twin_spec, events_per_1000_km2=0.0).build_world(5)
    x, y = np.meshgrid(-300e3 + 700.0 * np.arange(40), 3.7e6 + 700.0 * np.arange(40))
    x, y = x.ravel(), y.ravel()
    found = truth_at(world, x, y)
    land = world.at(x, y, np.zeros(x.size, dtype=np.uint8))
    meadow = found.ecosystem == MEADOW
    assert meadow.sum() > 200
    k = 0.477848 + (60.0 - 58.0) / 5.0 * (0.546762 - 0.477848)  # 58 deg, interpolated
    leaf_area = -np.log(1.0 - found.fvc[meadow]) / k
    np.testing.assert_allclose(found.lai[meadow], leaf_area, rtol=1e-4)
    assert found.fvc[meadow] == pytest.approx(land.layers[HERB][meadow])
    ratio = found.agb_grass[meadow] / leaf_area
    mass = twin_spec.world.types["meadow"].herb_mass_g_m2
    assert np.median(ratio) == pytest.approx(mass, rel=0.05)
    assert 0.10 < np.log(ratio).std() < 0.20


def test_biomass_of_grass_lies_near_field_means_of_the_plateau(twin_spec, lattice):
    """Yang et al. 2009: meadow 90.8 and steppe 50.1 g m-2; here a wet county."""
    found = truth_at(twin_spec.build_world(2025), *lattice)
    meadow = found.agb_grass[found.ecosystem == MEADOW].mean()
    steppe = found.agb_grass[found.ecosystem == STEPPE].mean()
    assert 70.0 < meadow < 130.0
    assert steppe < meadow


def test_only_arbor_forest_has_stock_and_stock_is_biomass_over_density(
    twin_spec, lattice
):
    found = truth_at(twin_spec.build_world(2025), *lattice)
    trees = np.isin(found.ecosystem, FOREST)
    assert (found.agb_forest[~trees] == 0.0).all()
    assert (found.growing_stock[found.canopy_cover < 0.2] == 0.0).all()
    for code in (SPRUCE, BROADLEAF):
        stand = twin_spec.world.stands[KEYS[code]]
        here = (found.ecosystem == code) & (found.growing_stock > 0.0)
        density = found.agb_forest[here] / found.growing_stock[here]
        scatter = np.log(density / (stand.wood_t_m3 * stand.bef))
        assert here.sum() > 20
        assert abs(scatter.mean()) < 0.05
        assert scatter.std() == pytest.approx(twin_spec.world.stock_scatter, rel=0.35)
    arbor = found.growing_stock > 0.0
    # The province's arbor forest holds 115 m3 ha-1 (provincial bureau, 2020).
    assert 60.0 < found.growing_stock[arbor].mean() < 200.0
    assert found.growing_stock.max() < 600.0


def test_stands_grow_with_the_years(quiet, lattice):
    young, old = (truth_at(quiet, *lattice, year=year) for year in (2020, 2030))
    here = young.ecosystem == SPRUCE
    gain = (old.agb_forest - young.agb_forest)[here]
    assert gain.min() > 0.0
    assert 0.2 < gain.mean() / 10.0 < 3.0  # Mg ha-1 a year


def test_every_kind_of_event_occurs_and_stays_in_its_cell(busy):
    events = busy.events_over(SQUARE)
    assert {event.kind for event in events} == {
        english for english, _ in disturbance.KINDS.values()
    }
    assert all(2016 <= event.date.year <= 2028 for event in events)
    for event in events:
        low = np.floor(np.array(event.outline.bounds) / disturbance.CELL_M)
        assert low[0] == low[2]
        assert low[1] == low[3]


def test_an_event_shows_from_its_date_on_and_only_inside(busy, lattice):
    """The same country with and without events, the day before and after each."""
    still = busy.at(*lattice, np.zeros(lattice[0].size, dtype=np.uint8))
    kinds = {english: code for code, (english, _) in disturbance.KINDS.items()}
    seen = set()
    for event in busy.events_over(SQUARE)[:120]:
        x, y = _places_in(event.outline)
        edge = shapely.buffer(event.outline.exterior, 2.0)
        away = ~shapely.intersects_xy(edge, x, y)
        x, y = x[away], y[away]
        inside = shapely.contains_xy(event.outline, x, y)
        before = truth_at(busy, x, y, date=event.date - dt.timedelta(days=1))
        year = truth_at(busy, x, y, date=event.date.replace(year=event.date.year + 2))
        same_day = truth_at(
            busy.in_year(event.date.year + 2),
            x,
            y,
            date=event.date.replace(year=event.date.year + 2),
        )
        np.testing.assert_array_equal(year.fvc, same_day.fvc)
        if _shows(event.kind, before, year, inside):
            seen.add(kinds[event.kind])
    assert seen == set(disturbance.KINDS)
    assert (still.event >= 0).any()


def _places_in(outline):
    left, low, right, high = outline.bounds
    x, y = np.meshgrid(np.linspace(left, right, 25), np.linspace(low, high, 25))
    return x.ravel(), y.ravel()


def _shows(kind, before, after, inside):
    """Whether an event did what its kind does, and nothing of it outside."""
    crown = after.canopy_cover - before.canopy_cover
    assert np.abs(crown[~inside]).max(initial=0.0) < 1e-6
    if kind in {"fire", "logging"}:
        loss = (crown + after.shrub_cover - before.shrub_cover)[inside]
        assert loss.max() <= 1e-6
        return loss.min() < -0.1
    if kind == "planting":
        assert crown.min() >= -1e-6
        return crown.max() > 0.02
    herbs = np.isin(before.ecosystem, GRASSLAND) & (before.fvc > 0.1)
    if not (herbs & inside).any() or not (herbs & ~inside).any():
        return False
    ratio = after.fvc / np.maximum(before.fvc, 1e-3)
    calm = np.median(ratio[herbs & ~inside])
    if kind == "degradation":
        return np.median(ratio[herbs & inside]) < 0.8 * calm
    return (ratio[herbs & inside]).max() > 1.3 * calm


def test_a_degraded_meadow_becomes_black_soil_and_a_cured_patch_meadow():
    event = np.zeros(9)
    event[disturbance.YEAR], event[disturbance.DAY] = 2020, 200
    event[disturbance.SEVERITY] = 0.9
    event[disturbance.KIND] = disturbance.DEGRADATION
    layers = np.array([0.0, 0.0, 0.8, 0.8, 0.0])
    before = disturbance.apply_event(event, 2020, 199.0, MEADOW, layers)
    assert before == MEADOW
    assert layers[2] == 0.8
    after = disturbance.apply_event(event, 2025, 200.0, MEADOW, layers)
    left = 1.0 - 0.9 * (1.0 - np.exp(-5.0 / 1.5))  # by hand
    assert after == BLACK_SOIL
    assert layers[2] == pytest.approx(0.8 * left)
    event[disturbance.KIND] = disturbance.RESTORATION
    layers = np.array([0.0, 0.0, 0.1, 0.7, 0.0])
    assert disturbance.apply_event(event, 2025, 200.0, BLACK_SOIL, layers) == MEADOW
    lift = 0.9 * (1.0 - np.exp(-5.0 / 2.0))
    assert layers[2] == pytest.approx(0.1 + 0.6 * lift)


def test_water_and_crops_have_no_events(busy):
    assert disturbance.kind_of(WATER, 0.1, treeline_m=100.0) == 0
    assert disturbance.kind_of(CROPLAND, 0.1, treeline_m=100.0) == 0
    planting = disturbance.kind_of(MEADOW, 0.1, treeline_m=100.0)
    assert planting == disturbance.PLANTING
    above_trees = disturbance.kind_of(MEADOW, 0.1, treeline_m=-100.0)
    assert above_trees == disturbance.DEGRADATION


def test_the_file_of_events_says_what_the_world_does(busy, tmp_path):
    square = shapely.box(*SQUARE)
    path = tmp_path / "events.gpkg"
    write_events(path, busy, [("zeku", square), ("again", square)], "EPSG:4490")
    table = gpd.read_file(path, layer="events", engine="pyogrio")
    events = [e for e in busy.events_over(SQUARE) if e.outline.intersects(square)]
    assert len(table) == len(events)
    assert set(table["kind_zh"]) == {name for _, name in disturbance.KINDS.values()}
    assert set(table["regions"]) == {"zeku again"}
    for row, event in zip(table.itertuples(), events, strict=True):
        assert row.geometry.equals_exact(event.outline, 1e-6)
        assert dt.date.fromisoformat(str(row.date)[:10]) == event.date


def test_no_event_is_an_empty_file_with_its_columns(quiet, tmp_path):
    path = tmp_path / "events.gpkg"
    write_events(path, quiet, [("zeku", shapely.box(*SQUARE))], "EPSG:4490")
    table = gpd.read_file(path, layer="events", engine="pyogrio")
    assert table.empty
    assert {"kind", "kind_zh", "date", "severity", "area_ha"} <= set(table.columns)


def test_truth_files_are_small_cogs_whose_values_are_the_accessor_s(
    small_archive, corner_region, corner_lake, twin_spec
):
    name, shape = corner_region
    folder = small_archive / "truth" / name
    legend = json.loads((small_archive / "truth" / "truth.json").read_text("utf-8"))
    files = {path.stem for path in folder.glob("*.tif")}
    assert files == set(legend["legend"]["layers"])
    assert set(LAYERS) <= files
    pixels = shape.area / 3600.0
    assert sum(p.stat().st_size for p in folder.glob("*.tif")) < 22 * pixels
    world = twin_spec.build_world(7, 2025)
    for stem in (
        "growing_stock",
        "agb_grass",
        "elevation",
        "ecosystem",
        "fvc_06",
        "lai_06",
        "agb_grass_06",
    ):
        path = folder / f"{stem}.tif"
        valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
        assert valid, (stem, errors, warnings)
        with rasterio.open(path) as file:
            numbers, layer = file.read(1), legend["legend"]["layers"][stem]
            assert (file.scales[0], file.nodata) == (layer["scale"], layer["nodata"])
            rows, columns = np.nonzero(numbers != file.nodata)
            pick = slice(None, None, 97)
            x, y = file.transform * (columns[pick] + 0.5, rows[pick] + 0.5)
            kept = numbers[rows[pick], columns[pick]] * file.scales[0]
        date = dt.date(2025, 6, 15) if stem.endswith("_06") else None
        # The rasterised lake's rim is a pixel wide: places near the edges are left out.
        shore, sure = _shore(corner_lake, twin_spec.shore_m, x, y)
        found = truth_at(world, x, y, date=date, shore=shore)
        field = stem.removesuffix("_06")
        off = np.abs(kept - getattr(found, field)) > 0.51 * layer["scale"]
        assert sure.sum() > 500
        assert not off[sure].any()


def _shore(lake, width, x, y):
    near = lake.buffer(width)
    shore = shapely.contains_xy(near, x, y).astype(np.uint8)
    shore += shapely.contains_xy(lake, x, y)
    rims = shapely.union_all([near.exterior.buffer(100.0), lake.exterior.buffer(100.0)])
    return shore, ~shapely.contains_xy(rims, x, y)

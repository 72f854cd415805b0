"""The simulated Sentinel-1: scattering by hand, speckle by its law, real layout."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pystac
import pytest
import rasterio
import scipy.stats
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pystac.stac_object import STACObjectType
from pystac.validation import RegisteredValidator
from rio_cogeo.cogeo import cog_validate

from qhsink.config import SourceConfig
from qhsink.domain.period import Period
from qhsink.grid import qinghai_albers
from qhsink.sources.layer_items import pin_layer
from qhsink.sources.layers import read_backscatter
from qhsink.twin import radar, radar_items
from qhsink.twin.backscatter import (
    _linear,
    from_db,
    gamma0,
    looks_of,
    scatter,
    speckle,
)
from qhsink.twin.ground import ground_on
from qhsink.twin.orders import Order, Terrain

COS = math.cos(math.radians(38.5))
ZONE_BORDER = (-264_000.0, 4_092_000.0)
"""Where 102 E, the border of zones 47 and 48, crosses the grid, roughly [m]."""


def silent(_text: str) -> None:
    """Take a step's name and say nothing."""


def db(value):
    return 10.0 * np.log10(value)


@pytest.fixture(scope="module", params=["vv", "vh"])
def echo(request, twin_spec):
    """How things scatter in one polarisation."""
    return getattr(twin_spec.radar, request.param)


def bare(**changes):
    """Leaf area, biomass, brightness, snow, water, rock of bare soil."""
    names = ("leaves", "biomass", "brightness", "snow", "water", "rock")
    return np.array([{"brightness": 1.0, **changes}.get(name, 0.0) for name in names])


def power(echo, moisture=0.1, **changes):
    return gamma0(bare(**changes), moisture, _linear(echo), COS)


def test_bare_soil_brightens_with_moisture_as_stated(echo):
    assert db(power(echo, 0.0)) == pytest.approx(echo.soil_db)
    rise = db(power(echo, 0.3)) - db(power(echo, 0.1))
    assert rise == pytest.approx(0.2 * echo.soil_slope_db)


def test_plain_surfaces_are_as_dark_as_stated(echo):
    assert db(power(echo, water=1.0)) == pytest.approx(echo.water_db)
    assert db(power(echo, rock=1.0)) == pytest.approx(echo.rock_db)
    assert db(power(echo, snow=1.0, rock=0.4)) == pytest.approx(echo.snow_db)


def test_herbs_by_hand(echo):
    # Attema and Ulaby (1978): a cloud of leaf area 2 over soil of moisture 0.1.
    through = math.exp(-2 * echo.herb_rate * 2.0 / COS)
    soil = 10 ** ((echo.soil_db + 0.1 * echo.soil_slope_db) / 10)
    wanted = 10 ** (echo.herb_db / 10) * (1 - through) + soil * through
    assert power(echo, 0.1, leaves=2.0) == pytest.approx(wanted)


def test_forest_saturates_with_biomass(echo):
    steps = np.array([power(echo, biomass=b) for b in (0, 20, 40, 200, 220, 1_000)])
    assert (np.diff(steps) > 0).all()
    assert steps[4] - steps[3] < 0.1 * (steps[1] - steps[0])
    assert db(steps[-1]) == pytest.approx(echo.forest_db, abs=0.01)


@pytest.mark.parametrize("looks", [1.0, 4.4, 36.0], ids=lambda v: f"{v:g} looks")
def test_speckle_is_gamma_distributed(looks):
    drawn = np.array([speckle(i, 11, 5, looks) for i in range(20_000)])
    assert drawn.mean() == pytest.approx(1.0, abs=4 / math.sqrt(looks * 20_000))
    assert 1.0 / drawn.var() == pytest.approx(looks, rel=0.06)
    law = scipy.stats.gamma(looks, scale=1 / looks)
    assert scipy.stats.kstest(drawn, law.cdf).pvalue > 0.01


def test_speckle_of_neighbours_and_of_dates_is_independent():
    here = np.array([speckle(i, 3, 5, 4.4) for i in range(5_000)])
    above = np.array([speckle(i, 4, 5, 4.4) for i in range(5_000)])
    later = np.array([speckle(i, 3, 12, 4.4) for i in range(5_000)])
    for one, two in ((here[1:], here[:-1]), (here, above), (here, later)):
        assert abs(np.corrcoef(one, two)[0, 1]) < 0.05


def test_looks_follow_the_pixel(twin_spec):
    assert looks_of(10.0, twin_spec.radar) == 4.4
    assert looks_of(60.0, twin_spec.radar) == pytest.approx(36.0)


def order_of(folder, spec, area, *, pixel=120.0):
    return Order(
        folder=folder,
        area=area,
        terrain=Terrain(qinghai_albers(), (), spec.shore_m),
        world=spec.build_world(7, 2025),
        spec=spec,
        pixel_size=pixel,
    )


@pytest.fixture(scope="module")
def order(tmp_path_factory, twin_spec) -> Order:
    """An order of 24 km over the border of two zones."""
    x, y = ZONE_BORDER
    area = shapely.box(x - 12_000, y - 12_000, x + 12_000, y + 12_000)
    return order_of(tmp_path_factory.mktemp("s1"), twin_spec, area)


@pytest.fixture(scope="module")
def items(order):
    """All items of the order."""
    return [item for job in radar.jobs(order) for item in job.make(silent)]


def read(order, item, name):
    with rasterio.open(
        order.folder / radar_items.SHELF.id / item["id"] / f"{name}.tif"
    ) as f:
        return f.read(1), f.transform, f.crs


def test_items_are_valid_stac_with_the_fields_of_planetary_computer(items):
    validator = RegisteredValidator.get_validator()
    assert len({item["id"] for item in items}) == len(items)
    for item in items:
        lone = pystac.Item.from_dict(
            {**item, "links": [k for k in item["links"] if k["rel"] == "collection"]}
        )
        validator.validate_core(
            lone.to_dict(), STACObjectType.ITEM, pystac.get_stac_version()
        )
        properties = item["properties"]
        assert item["collection"] == "sentinel-1-rtc"
        assert item["id"].startswith("S1A_IW_GRDH_1SDV_2025")
        assert item["id"].endswith("_rtc")
        assert set(item["assets"]) == {"vv", "vh"}
        assert properties["platform"] == "SENTINEL-1A"
        assert properties["provenance"] == "simulated"
        assert properties["sar:polarizations"] == ["VV", "VH"]
        assert properties["sar:looks_equivalent_number"] == pytest.approx(144.0)
        # Sentinel-1A: relative orbit = (absolute - 73) mod 175 + 1.
        track = (properties["sat:absolute_orbit"] - 73) % 175 + 1
        assert track == properties["sat:relative_orbit"]


def test_files_are_float32_cogs_on_the_item_s_lattice(items, order):
    assert {item["properties"]["proj:epsg"] for item in items} == {32647, 32648}
    for item in items[:2]:
        for name, asset in item["assets"].items():
            path = order.folder / radar_items.SHELF.id / item["id"] / f"{name}.tif"
            valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
            assert valid, (errors, warnings)
            assert asset["file:size"] == path.stat().st_size
            with rasterio.open(path) as file:
                assert file.dtypes == ("float32",)
                assert file.nodata == asset["raster:bands"][0]["nodata"] == -32768
                assert list(file.shape) == item["properties"]["proj:shape"]
                assert file.crs.to_epsg() == item["properties"]["proj:epsg"]
                values = file.read(1)
            shown = values[values != -32768]
            assert shown.size > 5_000
            assert shown.min() > 0.0
            assert -30.0 < db(np.median(shown)) < -5.0


def test_recorded_over_expected_has_the_stated_looks(order, twin_spec):
    x, y = np.meshgrid(-430e3 + 60.0 * np.arange(90), 4.1e6 - 60.0 * np.arange(90))
    x, y = x.ravel(), y.ravel()
    land = order.world.at(x, y, np.zeros(x.size, dtype=np.uint8))
    pixel = np.stack([np.arange(x.size), np.arange(x.size) // 90])
    beam = radar.beam_of(order, twin_spec.radar.passes[0], 0)
    options = {"day": 213.0, "snow_line": 1e6, "rules": twin_spec.radar}
    exact = scatter(land, x, y, pixel, beam=beam._replace(looks=1e12), **options)
    seen = scatter(land, x, y, pixel, beam=beam._replace(looks=4.4), **options)
    ratio = (seen / exact).astype(np.float64)
    assert ratio.mean(axis=1) == pytest.approx(1.0, abs=0.02)
    assert 1.0 / ratio.var(axis=1) == pytest.approx(4.4, rel=0.08)
    assert abs(np.corrcoef(ratio)[0, 1]) < 0.05
    assert exact.min() > from_db(twin_spec.radar.noise_floor_db)


def test_the_real_reader_means_the_dates_of_one_direction(items, order, project_folder):
    source = SourceConfig(kind="static", url=str(order.folder / radar_items.SHELF.id))
    found = pin_layer(
        source,
        "backscatter",
        project=project_folder,
        bbox=(-180.0, -90.0, 180.0, 90.0),
        period=Period(date(2025, 7, 1), date(2025, 8, 31), "season"),
    )
    assert len(found) == len(items)
    x, y = ZONE_BORDER
    box = GeoBox(
        (40, 40),
        Affine(240.0, 0.0, x - 4_800, 0.0, -240.0, y + 4_800),
        qinghai_albers(),
    )
    for orbit in ("ascending", "descending"):
        seen = read_backscatter(found, box, orbit)
        assert (seen.n == 2).all()
        assert (seen.vv > seen.vh).mean() > 0.99
        assert -20.0 < np.median(db(seen.vv)) < -6.0


def test_woods_are_brighter_than_open_land_and_slopes_face_two_ways(order, twin_spec):
    x, y = np.meshgrid(-330e3 + 240.0 * np.arange(150), 4.05e6 - 240.0 * np.arange(150))
    x, y = x.ravel(), y.ravel()
    land = order.world.at(x, y, np.zeros(x.size, dtype=np.uint8))
    pixel = np.stack([np.arange(x.size), np.zeros(x.size, dtype=np.int64)])
    passes = twin_spec.radar.passes
    beams = [radar.beam_of(order, passes[k], k)._replace(looks=1e12) for k in (0, 1)]
    down, up = (
        scatter(
            land,
            x,
            y,
            pixel,
            day=213.0,
            snow_line=1e6,
            beam=beam._replace(wet=0.0, weather=0.0),
            rules=twin_spec.radar,
        )
        for beam in beams
    )
    mass = ground_on(land, 213.0).agb_forest
    assert (mass > 60).sum() > 50
    for channel in range(2):
        wood, rest = down[channel][mass > 60], down[channel][mass == 0]
        assert db(np.median(wood)) > db(np.median(rest)) + 1.0
    # Descending looks west: slopes that rise to the west face the radar.
    steep = np.abs(land.slope_x) > 0.15
    ratio = db(down[0] / up[0])[steep]
    assert np.corrcoef(ratio, -land.slope_x[steep])[0, 1] > 0.8


def test_a_frame_alone_is_the_frame_among_its_neighbours(items, order, tmp_path):
    x, y = ZONE_BORDER
    small = shapely.box(x - 10_000, y - 5_000, x - 6_000, y + 5_000)
    alone = replace(order, folder=tmp_path, area=small)
    made = [item for job in radar.jobs(alone) for item in job.make(silent)]
    assert len(made) == 4
    compared = 0
    for item in made:
        (twin,) = (other for other in items if other["id"] == item["id"])
        for name in ("vv", "vh"):
            little, at, _ = read(alone, item, name)
            large, origin, _ = read(order, twin, name)
            column = round((at.c - origin.c) / 120.0)
            row = round((origin.f - at.f) / 120.0)
            same = large[row : row + little.shape[0], column : column + little.shape[1]]
            shown = little != -32768
            compared += int(shown.sum())
            np.testing.assert_array_equal(little[shown], same[shown])
    assert compared > 20_000


def test_one_direction_has_the_scenes_that_both_have(items, order, tmp_path):
    x, y = ZONE_BORDER
    small = shapely.box(x - 10_000, y - 5_000, x - 6_000, y + 5_000)
    alone = replace(order, folder=tmp_path, area=small, orbits="descending")
    made = [item for job in radar.jobs(alone) for item in job.make(silent)]
    assert len(made) == 2
    assert {m["properties"]["sat:orbit_state"] for m in made} == {"descending"}
    assert {m["id"] for m in made} <= {item["id"] for item in items}
    assert sum(job.steps for job in radar.jobs(alone)) == 2

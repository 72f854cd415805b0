"""GEDI footprints as plots to train on, and L4B to compare with."""

from __future__ import annotations

import json
import random
import shutil

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from click.testing import CliRunner

from qhsink.cli.sources import sources
from qhsink.config import SourceConfig
from qhsink.config.gedi import load_gedi
from qhsink.config.model_targets import load_model_targets
from qhsink.domain.errors import BadInput, SourceError
from qhsink.estimation.training_plots import Defaults, read_training_plots
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.sources.earthengine_connection import close_session, open_session
from qhsink.sources.earthengine_retry import Retries
from qhsink.sources.gedi import gridded_mean, region_footprints
from qhsink.steps.plot_files import read_plots
from tests.sources.conftest import write_tiff
from tests.standins.earthengine import PROJECT, Handler, serving
from tests.standins.earthengine_images import Asset, World

pytestmark = pytest.mark.xdist_group("earthengine")

INDEX = "LARSE/GEDI/GEDI04_A_002_INDEX"
FOLDER = "LARSE/GEDI/GEDI04_A_002"
ONE, TWO = f"{FOLDER}/GEDI04_A_2020200_O1", f"{FOLDER}/GEDI04_A_2021010_O2"
GONE = f"{FOLDER}/GEDI04_A_2020210_O3"
FEATURES, PIXELS = "table:computeFeatures", "image:computePixels"
JULY_2020 = 930 * 86400.0
"""Seconds from 2018-01-01 to 2020-07-19."""
COUNTY = "632324"
SQUARE = shapely.box(101.0, 37.0, 101.2, 37.2)


def footprint(number, lon, lat, **changed):
    properties = {
        "shot_number": 10**17 + number,
        "beam": number % 8,
        "delta_time": JULY_2020,
        "agbd": 50.0 + number,
        "agbd_se": 12.5,
        "l4_quality_flag": 1,
        "degrade_flag": 0,
        "sensitivity": 0.97,
        "agbd_t": 7.0,
        **changed,
    }
    place = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "geometry": place, "properties": properties}


def outline(table_id, start, end, box=(100.0, 36.0, 103.0, 38.0)):
    times = {"table_id": table_id, "time_start": start, "time_end": end}
    shape = shapely.geometry.mapping(shapely.box(*box))
    return {"type": "Feature", "geometry": shape, "properties": times}


@pytest.fixture
def world():
    inner = [footprint(n, 101.01 + 0.01 * n, 37.1) for n in range(10)]
    refused = [
        footprint(20, 101.1, 37.11, l4_quality_flag=0),
        footprint(21, 101.1, 37.12, degrade_flag=30),
        footprint(22, 101.1, 37.13, sensitivity=0.94),
        footprint(23, 101.1, 37.14, delta_time=JULY_2020 + 150 * 86400),
        footprint(24, 101.1, 37.15, agbd=2500.0),
        footprint(25, 101.3, 37.16),
    ]
    return World(
        tables={
            INDEX: [
                outline(ONE, "2020-07-19T01:00:00Z", "2020-07-19T02:30:00Z"),
                outline(TWO, "2021-01-10T01:00:00Z", "2021-01-10T02:30:00Z"),
                outline(GONE, "2020-07-29T01:00:00Z", "2020-07-29T02:30:00Z"),
                outline("far", "2020-07-19", "2020-07-19", (90, 30, 91, 31)),
            ],
            ONE: inner + refused,
            TWO: [footprint(40, 101.15, 37.15, delta_time=JULY_2020 + 365 * 86400)],
        }
    )


@pytest.fixture
def server(world):
    with serving(world) as running:
        yield running


@pytest.fixture
def waits():
    return []


@pytest.fixture
def session(server, monkeypatch, waits):
    monkeypatch.setenv("EARTHENGINE_TOKEN", json.dumps(server.service_account()))
    source = SourceConfig(kind="earthengine", url=server.url, cloud_project=PROJECT)
    rng = random.Random(1)  # noqa: S311 - jitter
    yield open_session(source, retries=Retries(sleep=waits.append, rng=rng))
    close_session()


@pytest.fixture
def config(project_folder):
    return load_gedi(project_folder)


def found_in(session, config, years=range(2020, 2021), region=SQUARE):
    return region_footprints(session, config.footprints, region, "here", years)


def test_good_footprints_of_the_season_inside_the_region_are_kept(session, config):
    found = found_in(session, config)
    table = found.table
    assert table["value"].tolist() == [50.0 + n for n in range(10)]
    assert (table["se"] == 12.5).all()
    assert table["id"].tolist() == [str(10**17 + n) for n in range(10)]
    assert {str(day) for day in table["date"]} == {"2020-07-19"}
    assert found.tables == (ONE, GONE)
    assert found.missing == (GONE,)
    assert found.inside == 12, "two more are good, out of season or beyond what is kept"
    assert set(table["site"]) == {f"GEDI04_A_2020200_O1 {n}" for n in range(8)}
    assert set(table["shape"]) == {"circle"}


def test_years_choose_the_tables_and_pages_are_followed(session, server, config):
    server.page_size = 3
    found = found_in(session, config, range(2020, 2022))
    assert len(found.table) == 11
    assert found.tables == (ONE, GONE, TWO)
    assert server.count(FEATURES) > 5


def test_only_what_is_kept_travels(session, config, monkeypatch):
    sent, plain = [], Handler._json

    def noted(handler, document):
        sent.extend(document.get("features", []))
        plain(handler, document)

    monkeypatch.setattr(Handler, "_json", noted)
    found_in(session, config)
    rows = [row["properties"] for row in sent if "agbd" in row["properties"]]
    assert len(rows) == 12
    assert all("agbd_t" not in row for row in rows)
    assert all(row["sensitivity"] >= 0.95 for row in rows)


@pytest.mark.parametrize("fault", [429, 503, "reset", "page"])
def test_a_page_of_footprints_that_fails_is_asked_again(
    session, server, config, waits, fault
):
    server.faults.append((FEATURES, fault))
    assert len(found_in(session, config).table) == 10
    assert len(waits) == 1


def test_a_lasting_fault_names_table_and_host(session, server, config):
    found_in(session, config)
    server.faults.extend([(FEATURES, 503)] * 50)
    with pytest.raises(SourceError, match=f"index {INDEX}: Earth Engine at") as told:
        found_in(session, config)
    assert "after 7 tries" in str(told.value)
    assert server.url.removeprefix("http://") in str(told.value)


@pytest.mark.parametrize(
    "broken", [{"agbd_se": 0.0}, {"agbd": None}, {"beam": None}, {"delta_time": "x"}]
)
def test_broken_properties_name_the_table(session, world, config, broken):
    name, value = next(iter(broken.items()))
    row = footprint(0, 101.1, 37.1, **broken)
    if name == "beam":
        del row["properties"][name]
    world.tables[ONE] = [row]
    with pytest.raises(SourceError, match="footprints GEDI04_A_2020200_O1: broken"):
        found_in(session, config)
    assert value != 1


def test_a_region_without_footprints_is_refused_with_what_was_found(session, config):
    empty = shapely.box(102.0, 37.0, 102.2, 37.2)
    with pytest.raises(SourceError, match=r"no footprint .*2 sub-orbits, 0 of good"):
        found_in(session, config, region=empty)
    with pytest.raises(SourceError, match=r"60\.00 to 61\.00 deg north"):
        found_in(session, config, region=shapely.box(101, 60, 102, 61))


def test_the_season_kept_is_that_of_the_target(project_folder, config):
    target = load_model_targets(project_folder).get("agb_forest")
    rules = config.footprints
    assert (rules.season_start, rules.season_end) == (
        target.season_start,
        target.season_end,
    )
    assert (rules.unit, rules.largest) == (target.unit, target.high)
    assert all(rule.status in ("literature", "unverified") for rule in rules.keep)


# L4B.


def write_cells(world, folder, lon, lat):
    """L4B around a place: 40 Mg/ha in the west, 80 in the east, one cell empty."""
    crs = qinghai_albers()
    to_grid = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    x, y = to_grid.transform(lon, lat)
    left, top = round(x / 1000) * 1000 - 20_000, round(y / 1000) * 1000 + 20_000
    bands = {}
    for name, west, east in (("MU", 40.0, 80.0), ("SE", 5.0, 10.0)):
        numbers = np.full((40, 40), west, np.float32)
        numbers[:, 20:] = east
        numbers[30, 10] = 0
        bands[name] = folder / f"{name}.tif"
        place = Affine(1000, 0, left, 0, -1000, top)
        write_tiff(bands[name], numbers, transform=place, crs=crs.to_wkt())
    image = "LARSE/GEDI/GEDI04_B_002"
    world.assets[image] = Asset(
        image, "2019-04-18T00:00:00Z", {}, {}, bands, plain=True
    )
    return left, top, crs


@pytest.fixture
def cells(tmp_path, world):
    return write_cells(world, tmp_path, 101.0, 37.0)


def test_the_mean_of_l4b_is_weighted_by_area_with_both_bounds_of_its_error(
    session, config, cells
):
    left, top, crs = cells
    # 4 km of 40, 2 km of 80, in rows 20 to 21 and half of row 22.
    region = shapely.box(left + 16_000, top - 22_500, left + 22_000, top - 20_000)
    found = gridded_mean(session, config.gridded, region, crs)
    assert found.mean == pytest.approx((4 * 40 + 2 * 80) / 6, rel=1e-6)
    assert found.se_common == pytest.approx((4 * 5 + 2 * 10) / 6, rel=1e-6)
    shares = np.repeat([1.0, 1.0, 0.5], 6) / 15
    errors = np.tile([5.0] * 4 + [10.0] * 2, 3)
    assert found.se_independent == pytest.approx(
        np.sqrt(((shares * errors) ** 2).sum())
    )
    assert (found.cells, found.cover) == (18, pytest.approx(1.0))


def test_a_cell_without_a_value_is_left_out_and_counted(session, config, cells):
    left, top, crs = cells
    region = shapely.box(left + 9_000, top - 31_000, left + 11_000, top - 30_000)
    found = gridded_mean(session, config.gridded, region, crs)
    assert (found.cells, found.cover) == (1, pytest.approx(0.5))
    assert found.mean == 40.0
    hole = shapely.box(left + 10_100, top - 30_900, left + 10_900, top - 30_100)
    with pytest.raises(SourceError, match="no cell of GEDI L4B"):
        gridded_mean(session, config.gridded, hole, crs)


# The command.


@pytest.fixture
def project(tmp_path, project_folder, server, monkeypatch):
    folder = tmp_path / "project"
    (folder / "config").mkdir(parents=True)
    for file in (project_folder / "config").glob("*.toml"):
        shutil.copy(file, folder / "config")
    (folder / "aoi").symlink_to(project_folder / "aoi")
    (folder / "config" / "sources.toml").write_text(
        f'[earth-engine]\nkind = "earthengine"\nurl = "{server.url}"\n'
        f'cloud_project = "{PROJECT}"\n'
        f'[disk]\nkind = "static"\nurl = "catalog.json"\n'
    )
    monkeypatch.setenv("QHSINK_HOME", str(folder))
    monkeypatch.setenv("EARTHENGINE_TOKEN", json.dumps(server.service_account()))
    yield folder
    close_session()


def run(*arguments):
    return CliRunner().invoke(sources, ["gedi", *map(str, arguments)])


@pytest.mark.parametrize("suffix", [".gpkg", ".csv"])
def test_the_command_writes_plots_to_train_on(
    project, project_folder, world, tmp_path, suffix
):
    database = load_database(project_folder / "aoi" / "qinghai.gpkg")
    place = database.geometry(COUNTY, pyproj.CRS("OGC:CRS84")).representative_point()
    write_cells(world, tmp_path, place.x, place.y)
    world.tables[ONE] = [footprint(n, place.x + n / 1e4, place.y) for n in range(40)]
    world.tables[INDEX] = [
        outline(ONE, "2020-07-19", "2020-07-19", place.buffer(1).bounds)
    ]
    out = tmp_path / f"plots{suffix}"
    done = run("--region", COUNTY, "--years", "2019-2020", "--out", out)
    assert done.exit_code == 0, done.output
    assert f"40 footprints of 1 sub-orbits in {COUNTY}" in done.output
    assert "no estimate of the region" in done.output
    said = "GEDI L4B for comparison, observed 2019-04-18 to 2021-08-04"
    assert said in done.output
    target = load_model_targets(project_folder).get("agb_forest")
    plots = read_training_plots(
        read_plots(out), target=target, value="value", defaults=Defaults()
    )
    np.testing.assert_allclose(plots.plots.y, 50.0 + np.arange(40))
    np.testing.assert_allclose(plots.plots.lon, place.x + np.arange(40) / 1e4)
    assert (plots.se == 12.5).all()
    assert plots.is_round.all()
    assert (plots.size_m == 25.0).all()
    assert len(set(plots.site)) == 8
    assert plots.provenance == "simulated"
    assert [p.name for p in tmp_path.glob(".*plots*")] == []


def test_other_sources_years_and_files_are_refused(project, tmp_path):
    base = ("--region", "632321", "--years", "2020")
    other = run(*base, "--source", "disk", "--out", tmp_path / "a.gpkg")
    assert isinstance(other.exception, BadInput)
    other = run(*base, "--out", tmp_path / "a.xlsx")
    assert isinstance(other.exception, BadInput)
    for years in ("2018", "2021-2019", "x"):
        done = run("--region", "632321", "--years", years, "--out", tmp_path / "a.csv")
        assert done.exit_code == 2
        assert not (tmp_path / "a.csv").exists()

"""``qhsink train --plots``: a campaign in the simulated country, from table to maps."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from click.testing import CliRunner
from odc.geo.geobox import GeoBox

from qhsink.cli import cli
from qhsink.config import Settings, load_model_targets, load_run_config, load_settings
from qhsink.domain.errors import BadInput, Refusal, SourceError, TableError
from qhsink.domain.period import parse_month, peak_season
from qhsink.domain.scene import BANDS
from qhsink.estimation.training_plots import Defaults, read_training_plots
from qhsink.imagery.composite import Composite, Flag
from qhsink.mapping import comparison
from qhsink.registry import check_model, load_model
from qhsink.sources.stac import pin
from qhsink.steps import plot_features
from qhsink.steps.compositing import make_composite
from qhsink.steps.monitor import load_plan, prepare, run_monitor
from qhsink.steps.plot_features import extract_features
from qhsink.steps.plot_files import read_plots, write_plots
from qhsink.steps.plot_windows import (
    Place,
    composite_periods,
    footprint_mean,
    grid_places,
)
from qhsink.steps.request import RunRequest, find_source
from qhsink.steps.train import run_training
from qhsink.steps.train_plots import check_plots, plot_data
from qhsink.steps.train_request import TrainRequest
from qhsink.steps.twin_plots import Campaign, twin_plots

pytestmark = pytest.mark.xdist_group("runs")

GRASSLAND, WETLAND = "632324", "eling-zhaling"


@pytest.fixture(scope="module")
def campaign(archive):
    """A table of 120 plots in the archive's world."""
    return twin_plots(Campaign(archive.parent, "fvc", 120, seed=7))


@pytest.fixture(scope="module")
def chain(archive, coarse_config, project_folder, tmp_path_factory):
    """What extraction needs: source, configuration, settings, target."""
    settings = load_settings(store=tmp_path_factory.mktemp("features"))
    return (
        load_model_targets(project_folder).get("fvc"),
        find_source(str(archive), settings),
        load_run_config(coarse_config),
        settings,
    )


@pytest.fixture(scope="module")
def few_rivals():
    """Compare with the linear models alone: forests take seconds."""
    full = comparison.baselines

    def quick(*arguments, **options):
        found = full(*arguments, **options)
        return {name: fit for name, fit in found.items() if "linear" in name}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "baselines", quick)
        yield


def checked(frame, target):
    text = frame.astype(str)
    return read_training_plots(
        text, target=target, value="fvc", defaults=Defaults(), least=1
    )


def shares_by_hand(geobox, footprint):
    """The share of the footprint in each pixel, by intersecting squares."""
    edge = geobox.resolution.x
    left, top = geobox.boundingbox.left, geobox.boundingbox.top
    found = {}
    low_x, low_y, high_x, high_y = footprint.bounds
    for row in range(int((top - high_y) // edge), int((top - low_y) // edge) + 1):
        for col in range(int((low_x - left) // edge), int((high_x - left) // edge) + 1):
            x, y = left + col * edge, top - row * edge
            part = shapely.box(x, y - edge, x + edge, y).intersection(footprint).area
            if part > 0:
                found[row, col] = part / footprint.area
    return found


def test_features_are_the_footprints_mean_of_the_maps_own_composite(campaign, chain):
    """Squares and circles wider than a pixel, some across its edges."""
    target, source, config, settings = chain
    frame = campaign.head(8).assign(plot_m=900.0, shape=["square", "circle"] * 4)
    plots = checked(frame, target)
    rows = extract_features(plots, target, source, config, settings).rows
    grid = config.grid.build()
    season = config.season
    peak = peak_season(2025, start=season.peak_start, end=season.peak_end)
    assert set(composite_periods(plots, target, config)) == {("peak", peak)}
    compared = 0
    whole = {}
    for place in grid_places(plots, grid):
        (tile,) = list(grid.tiles_over(shapely.Point(place.x, place.y).buffer(1)))[:1]
        outline = place.footprint()
        if not tile.bounds.buffer(-2000).contains(outline):
            continue
        if tile.name not in whole:
            box = tile.geobox.to_crs("EPSG:4326").boundingbox.bbox
            scenes = pin(source, project=settings.project, bbox=box, period=peak)
            whole[tile.name] = make_composite(scenes, tile.geobox, config, kind="peak")
        composite = whole[tile.name]
        sums, weight = np.zeros(len(BANDS)), 0.0
        for at, share in shares_by_hand(tile.geobox, outline).items():
            stopped = int(Flag.TOO_FEW | Flag.WATER | Flag.NO_DATA)
            if not composite.flags[at] & stopped:
                sums += share * composite.reflectance[(slice(None), *at)] / 10_000
                weight += share
        found = rows.loc[place.row]
        assert found["covered"] == pytest.approx(weight, abs=1e-3)
        assert (found["fate"] == "used") == (weight >= 0.5)
        if found["fate"] == "used":
            compared += 1
            np.testing.assert_allclose(
                found[list(BANDS)].to_numpy(float), sums / weight, atol=2e-5
            )
    assert compared >= 4


def test_plots_without_a_clear_view_are_counted_by_reason(campaign, chain):
    target, *rest = chain
    frame = campaign.head(20).copy()
    frame.loc[1, "date"] = "2024-08-01"
    features = extract_features(checked(frame, target), target, *rest)
    assert features.rows["plot"].tolist() == list(range(20))
    assert features.rows.loc[1, "fate"] == "no image"
    lost = features.left_out()
    assert lost["no image"] == 1
    assert sum(lost.values()) + features.used.sum() == 20
    assert features.rows.loc[~features.used, "red"].isna().all()


LATTICE = GeoBox((2, 3), Affine(100.0, 0.0, 0.0, 0.0, -100.0, 200.0), "EPSG:32647")


@pytest.mark.parametrize(
    ("flags", "fate", "red"),
    [
        ([0, 0], "used", 0.15),
        ([0, Flag.TOO_FEW], "used", 0.1),
        ([Flag.WATER, 0], "water", None),
        ([Flag.TOO_FEW, Flag.WATER], "too few clear dates", None),
        ([Flag.NO_DATA | Flag.TOO_FEW] * 2, "no image", None),
        ([Flag.SNOW_SEEN, 0], "used", 0.15),
    ],
    ids=[
        "both pixels clear", "a third hidden", "two thirds water", "nothing usable",
        "never seen", "snow on another date",
    ],
)  # fmt: skip
def test_a_plot_is_used_where_half_of_it_is_clear_land(flags, fate, red):
    """By hand: two thirds of the plot on a pixel of 0.1, one on a pixel of 0.25."""
    values = np.full((len(BANDS), 2, 3), 5000, np.int16)
    values[:, 1, 0], values[:, 1, 1] = 1000, 2500
    bits = np.zeros((2, 3), np.uint8)
    bits[1, :2] = flags
    composite = Composite(values, np.full((2, 3), 4, np.uint8), bits)
    place = Place(0, 95.0, 50.0, 30.0, is_round=False)
    found = footprint_mean(composite, LATTICE, place)
    assert found["fate"] == fate
    assert found["n_clear"] == pytest.approx(4.0)
    if red is None:
        assert np.isnan(found["red"])
    else:
        assert found["red"] == pytest.approx(red, abs=1e-6)


def test_a_cover_plot_out_of_the_peak_season_meets_the_composite_of_its_month(
    campaign, chain
):
    target, _, config, _ = chain
    frame = campaign.head(2).copy()
    frame["date"] = ["2025-06-20", "2025-08-20"]
    periods = composite_periods(checked(frame, target), target, config)
    assert periods[0] == ("month", parse_month("2025-06"))
    assert periods[1][0] == "peak"
    peak_only = dataclasses.replace(target, composites=("peak",))
    assert composite_periods(checked(frame, target), peak_only, config)[0][0] == "peak"


def test_what_was_read_once_is_not_read_again(campaign, chain, monkeypatch):
    target, *rest = chain
    frame = campaign.head(20)
    first = extract_features(checked(frame, target), target, *rest)

    def fail(*_, **__):
        raise AssertionError("read again")

    monkeypatch.setattr(plot_features, "WindowReading", fail)
    again = extract_features(checked(frame, target), target, *rest)
    pd.testing.assert_frame_equal(first.rows, again.rows)


def test_terrain_is_not_corrected_above_plots_and_the_card_says_so(
    campaign, chain, coarse_config, archive, tmp_path
):
    target, source, config, settings = chain
    path, table = tmp_path / "terrain.toml", tmp_path / "plots.csv"
    write_plots(campaign, table)
    path.write_text(
        f'extends = "{coarse_config.as_posix()}"\n'
        '[corrections]\nterrain = "scs+c"\ndem = "absent.tif"\nview = "c-factor"\n'
    )
    request = TrainRequest(
        "fvc", plots=str(table), source=str(archive), config=str(path)
    )
    asked = check_plots(request, target, settings)
    assert any("do not map with it" in doubt for doubt in asked.doubts)
    data = plot_data(request, target, asked, settings, features=("ndvi",))
    told = data.told["extraction"]
    assert "too small for a fit" in told["corrections_off"]["terrain"]
    assert list(told["corrections"]) == ["view"]
    assert any(
        "correction of terrain" in said for said in data.told["source"]["doubts"]
    )
    view = config.corrections.model_copy(update={"view": "c-factor"})
    without = config.model_copy(update={"corrections": view})
    rows = extract_features(asked.plots, target, source, without, settings).rows
    assert data.samples.target.size == (rows["fate"] == "used").sum()
    red = rows.loc[rows["fate"] == "used", "red"]
    np.testing.assert_array_equal(data.samples.reflectance["red"], red)


@pytest.mark.parametrize("suffix", ["csv", "gpkg", "parquet"])
def test_plots_come_back_from_every_kind_of_file(campaign, tmp_path, suffix):
    path = tmp_path / f"plots.{suffix}"
    write_plots(campaign, path)
    found = read_plots(path)
    assert set(found.columns) == set(campaign.columns)
    for name in ("lon", "lat", "fvc"):
        np.testing.assert_allclose(found[name].astype(float), campaign[name], atol=1e-9)
    assert found["date"].tolist() == campaign["date"].tolist()


def test_a_spreadsheet_is_no_plot_table(tmp_path):
    (tmp_path / "plots.xlsx").touch()
    with pytest.raises(TableError, match=r"expected \.csv, \.parquet or points in"):
        read_plots(tmp_path / "plots.xlsx")


def test_parquet_that_lies_about_its_places_is_refused_in_a_line(campaign, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    for text in (b"{}", b"[]", b"no json", b'{"columns": {"g": 1}}'):
        table = pa.Table.from_pandas(campaign).replace_schema_metadata({b"geo": text})
        pq.write_table(table, tmp_path / "plots.parquet")
        with pytest.raises(TableError, match=r"plots\.parquet"):
            read_plots(tmp_path / "plots.parquet")


def test_geoparquet_in_another_crs_is_read_where_its_points_lie(campaign, tmp_path):
    gpd = pytest.importorskip("geopandas")
    places = gpd.points_from_xy(campaign["lon"], campaign["lat"], crs="EPSG:4326")
    frame = gpd.GeoDataFrame(campaign.drop(columns=["lon", "lat"]), geometry=places)
    frame.to_crs("EPSG:32647").to_parquet(tmp_path / "plots.parquet")
    found = read_plots(tmp_path / "plots.parquet")
    np.testing.assert_allclose(found["lon"].astype(float), campaign["lon"], atol=1e-6)


def test_a_simulated_campaign_lies_on_land_of_its_regions_and_says_so(campaign):
    assert set(campaign["provenance"]) == {"simulated"}
    assert set(campaign["region"]) == {GRASSLAND, WETLAND}
    assert "lake" not in set(campaign["stratum"])
    assert campaign["fvc"].between(0, 1).all()
    assert (campaign["se"] > 0).all()


# From table to model to maps.


@pytest.fixture(scope="module")
def request_of_model(campaign, archive, coarse_config, tmp_path_factory):
    """A training of two members on the campaign."""
    path = tmp_path_factory.mktemp("plots") / "plots.csv"
    write_plots(campaign, path)
    return TrainRequest(
        "fvc",
        plots=str(path),
        source=str(archive),
        config=str(coarse_config),
        members=2,
        epochs=5,
    )


@pytest.fixture(scope="module")
def project(project_folder, tmp_path_factory):
    """A project of our own: the shipped regions and configuration, new models."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("aoi", "config"):
        (folder / name).symlink_to(project_folder / name)
    shutil.copytree(project_folder / "models", folder / "models")
    return Settings(project=folder, store=folder / "store")


@pytest.fixture(scope="module")
def made(request_of_model, project, few_rivals):
    """A model of simulated plots, in the project's own folder."""
    return run_training(request_of_model, project, report=str)


def test_the_same_plots_give_the_same_digest(
    made, request_of_model, project, tmp_path, few_rivals
):
    elsewhere = dataclasses.replace(request_of_model, out=str(tmp_path))
    again = run_training(elsewhere, project, report=str)
    assert again.id == made.id
    one, two = (load_model(m.folder.parent, m.id) for m in (made, again))
    assert one.digest == two.digest


def test_the_card_says_what_the_model_is(made, project, request_of_model):
    model = check_model(project.project / "models", made.id)
    assert model.simulated
    science = model.card["science"]
    assert science["extraction"]["pixel_m"] == 480.0
    assert science["extraction"]["scenes"] > 0
    assert science["samples"] + sum(science["extraction"]["left_out"].values()) == 120
    assert science["learning_curve"][-1]["samples"] > 60
    text = (made.folder / "card.md").read_text(encoding="utf-8")
    assert "SIMULATED TRAINING DATA" in text
    assert "30 m wide" in text
    assert str(request_of_model.plots) not in json.dumps(model.card)
    page = (made.folder / "card.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 6
    assert "TRAINED ON SIMULATED DATA" in page
    size = sum(path.stat().st_size for path in made.folder.iterdir())
    assert size < 2_000_000


def without_provenance(archive, folder):
    """The archive with items that do not say that they are simulated."""
    copy = shutil.copytree(archive.parent, folder / "archive")
    for path in copy.rglob("*.json"):
        if path.parent == copy or path.name == "collection.json":
            continue
        item = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(item, dict) and item.get("type") == "Feature":
            item["properties"].pop("provenance")
            path.write_text(json.dumps(item), encoding="utf-8")
    return copy / archive.name


def test_a_model_of_simulated_plots_makes_maps_and_pages_simulated(
    made, archive, coarse_config, project, tmp_path
):
    scenes = without_provenance(archive, tmp_path)
    run = RunRequest(
        month="2025-08",
        regions=(GRASSLAND,),
        source=str(scenes),
        config=str(coarse_config),
        out=str(tmp_path / "out"),
    )
    plain = load_plan(prepare(run, project), project)
    assert not plain.simulated
    with_it = dataclasses.replace(run, models=(("fvc", made.id),))
    published = run_monitor(with_it, project)
    given = [row.estimate for row in published.rows if row.estimate is not None]
    assert given
    assert {estimate.provenance for estimate in given} == {"simulated"}
    page = (published.out / "report.html").read_text(encoding="utf-8")
    assert 'name="qhsink:provenance" content="simulated"' in page
    assert "a model trained on simulated data" in page
    record = json.loads((published.out / "run.json").read_text(encoding="utf-8"))
    assert record["provenance"] == "simulated"


def test_a_request_names_the_command_that_asks_for_the_same():
    request = TrainRequest(
        "agb_grass", plots="/a/b/my plots.gpkg", group="site", plot_m=30.0,
        simulated=True, out="/somewhere",
    )  # fmt: skip
    assert request.command() == (
        "qhsink train agb_grass --plots 'my plots.gpkg' --group site --members 16 "
        "--seed 20250815 --epochs 60 --plot-size 30.0 --simulated"
    )
    assert TrainRequest.from_json(request.to_json()) == request


def train_cli(*arguments):
    done = CliRunner().invoke(cli, ["train", *arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done


def swapped(frame):
    return frame.assign(lon=frame["lat"], lat=frame["lon"])


def abroad(frame):
    return frame.assign(lon=np.where(frame.index == 0, 116.4, frame["lon"]))


@pytest.mark.parametrize(
    ("change", "options", "kind", "words"),
    [
        (lambda f: f.assign(fvc=100 * f["fvc"]), (), TableError, "Divide percentages"),
        (swapped, (), TableError, "easily swapped"),
        (abroad, (), TableError, "1 of 120 plots outside Qinghai (p0001; the first"),
        (lambda f: f.assign(date="2019-08-01"), (), Refusal, "120 no image left out"),
        (lambda f: f.assign(site="a"), (), TableError, "1 groups"),
        (lambda f: f.drop(columns="fvc"), (), TableError, "no column 'fvc'"),
        (lambda f: f, ("--group", "team"), TableError, "no column 'team'"),
        (lambda f: f, ("--source", "nowhere"), BadInput, "source 'nowhere'"),
        (lambda f: f, ("--table", "a.csv"), BadInput, "--plots and --table at once"),
    ],
    ids=[
        "per cent", "lon and lat swapped", "a plot in Beijing", "a year without scenes",
        "a single site", "no value", "an unknown group",
        "an unknown source", "plots and a table",
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_refused_before_anything_is_written(
    campaign, archive, coarse_config, tmp_path, change, options, kind, words
):
    write_plots(change(campaign.copy()), tmp_path / "plots.csv")
    arguments = [
        "fvc", "--plots", str(tmp_path / "plots.csv"), "--source", str(archive),
        "--config", str(coarse_config), "--out", str(tmp_path / "models"),
        "--store", str(tmp_path / "store"), *options,
    ]  # fmt: skip
    with pytest.raises(kind) as caught:
        train_cli(*arguments)
    assert words in str(caught.value)
    assert not list((tmp_path / "models").glob("*"))


def test_a_target_without_measurements_asks_for_plots(tmp_path):
    with pytest.raises(BadInput, match="nothing to train agb_grass on"):
        train_cli("agb_grass", "--out", str(tmp_path))
    with pytest.raises(BadInput, match="target 'moss'"):
        train_cli("moss", "--out", str(tmp_path))


def test_a_campaign_needs_an_archive_and_a_measured_target(tmp_path, archive):
    with pytest.raises(SourceError, match="no archive"):
        twin_plots(Campaign(tmp_path, "fvc", 50, 1))
    with pytest.raises(BadInput, match="fvc, agb_grass, agb_forest"):
        twin_plots(Campaign(archive.parent, "soil", 50, 1))

"""GEDI footprints, from Earth Engine's answer to a model that a run can use."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from qhsink.config import (
    Settings,
    SourceConfig,
    load_model_targets,
    load_run_config,
    load_settings,
)
from qhsink.config.gedi import load_gedi
from qhsink.domain.errors import TableError
from qhsink.estimation.training_plots import Defaults, read_training_plots
from qhsink.grid import qinghai_albers
from qhsink.mapping import comparison
from qhsink.registry import check_model
from qhsink.sources.earthengine_connection import close_session, open_session
from qhsink.sources.gedi import EPOCH, region_footprints
from qhsink.steps.evaluate_places import load_trial
from qhsink.steps.evaluate_world import truth_of
from qhsink.steps.plot_files import write_plots
from qhsink.steps.request import RunRequest, set_up
from qhsink.steps.target_models import load_target_models
from qhsink.steps.train import run_training
from qhsink.steps.train_plots import check_plots, plot_data
from qhsink.steps.train_request import TrainRequest
from qhsink.twin.archive import build_archive
from qhsink.twin.footprints import shoot
from tests.standins.earthengine import PROJECT, serving
from tests.standins.earthengine_images import World

pytestmark = pytest.mark.xdist_group("earthengine")

FOLDER = "LARSE/GEDI/GEDI04_A_002"
ORBITS = (f"{FOLDER}/GEDI04_A_2025200_O1", f"{FOLDER}/GEDI04_A_2025210_O2")
COUNTY, SEED, YEAR, EDGE = "632522", 77, 2025, 9000.0
DAY = (pd.Timestamp("2025-07-20").date() - EPOCH).days


@pytest.fixture(scope="module")
def square(project_folder):
    """Nine kilometres of a county with more forest than most, on the grid."""
    from qhsink.regions.database import load_database

    database = load_database(project_folder / "aoi" / "qinghai.gpkg")
    middle = database.geometry(COUNTY, qinghai_albers()).representative_point()
    left, low = (60.0 * round((v - EDGE / 2) / 60.0) for v in (middle.x, middle.y))
    return shapely.box(left, low, left + EDGE, low + EDGE)


@pytest.fixture(scope="module")
def shots(square):
    """What the instrument reports over the square, good and bad."""
    rules = load_trial().footprint_rules.model_copy(update={"tracks": 8})
    rng = np.random.default_rng(3)
    truth = truth_of(SEED, YEAR, ())
    table, _ = shoot(truth, square.bounds, rules=rules, rng=rng)
    return table.assign(
        true=truth(table["x"].to_numpy(), table["y"].to_numpy()).agb_forest
    )


def as_feature(number, shot, lon, lat):
    """A footprint as Earth Engine's table holds it."""
    properties = {
        "shot_number": 10**17 + number,
        "beam": int(shot.track) // 2,
        "delta_time": DAY * 86400.0,
        "agbd": float(shot.agbd),
        "agbd_se": max(float(shot.agbd_se), 0.1),
        "l4_quality_flag": int(shot.quality_flag),
        "degrade_flag": 0,
        "sensitivity": 0.97,
    }
    place = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "geometry": place, "properties": properties}


@pytest.fixture(scope="module")
def footprints(shots, square, project_folder):
    """The table that ``qhsink sources gedi`` writes, asked of the stand-in."""
    move = pyproj.Transformer.from_crs(qinghai_albers(), "EPSG:4326", always_xy=True)
    lon, lat = move.transform(shots["x"], shots["y"])
    tables = {orbit: [] for orbit in ORBITS}
    for number, shot in enumerate(shots.itertuples()):
        orbit = ORBITS[int(shot.track) % 2]
        tables[orbit].append(as_feature(number, shot, lon[number], lat[number]))
    region = shapely.transform(
        square, lambda xy: np.stack(move.transform(*xy.T), axis=1)
    )
    outline = shapely.geometry.mapping(region.buffer(0.1))
    index = [
        {"type": "Feature", "geometry": outline, "properties": {
            "table_id": orbit, "time_start": "2025-07-20", "time_end": "2025-07-20"}}
        for orbit in ORBITS
    ]  # fmt: skip
    world = World(tables={**tables, f"{FOLDER}_INDEX": index})
    with serving(world) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARTHENGINE_TOKEN", json.dumps(server.service_account()))
        source = SourceConfig(kind="earthengine", url=server.url, cloud_project=PROJECT)
        config = load_gedi(project_folder).footprints
        session = open_session(source)
        found = region_footprints(
            session, config, region, COUNTY, range(YEAR, YEAR + 1)
        )
        close_session()
    return found.table.assign(date=found.table["date"].astype(str))


@pytest.fixture(scope="module")
def request_of_model(footprints, square, project_folder, tmp_path_factory):
    """A small training on the footprints, over an archive of their square."""
    folder = tmp_path_factory.mktemp("gedi")
    archive = build_archive(
        folder / "archive",
        regions=[("square", square)],
        lakes=(),
        seed=SEED,
        year=YEAR,
        pixel_size_m=60.0,
    )
    table = folder / "gedi.gpkg"
    write_plots(footprints, table)
    config = folder / "fine.toml"
    parent = (project_folder / "config" / "demo.toml").as_posix()
    config.write_text(f'extends = "{parent}"\n')
    return TrainRequest(
        "agb_forest",
        plots=str(table),
        source=str(archive),
        config=str(config),
        members=4,
        epochs=10,
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
def made(request_of_model, project):
    """A model of simulated footprints, compared with the linear model alone."""
    full = comparison.baselines

    def quick(*arguments, **options):
        found = full(*arguments, **options)
        return {name: fit for name, fit in found.items() if "linear" in name}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "baselines", quick)
        return run_training(request_of_model, project, report=str)


def test_only_good_footprints_are_kept_with_error_size_and_track(footprints, shots):
    good = shots[shots["quality_flag"] == 1]
    assert len(footprints) == len(good)
    np.testing.assert_allclose(np.sort(footprints["value"]), np.sort(good["agbd"]))
    assert set(footprints["reference"]) == {"gedi_l4a"}
    assert set(footprints["provenance"]) == {"simulated"}
    assert set(footprints["shape"]) == {"circle"}
    assert set(footprints["plot_m"]) == {25.0}
    assert footprints["site"].nunique() == shots["track"].nunique()


def test_a_track_is_never_on_both_sides_of_a_fold(
    request_of_model, project, footprints
):
    target = load_model_targets(project.project).get("agb_forest")
    checked = check_plots(request_of_model, target, project)
    data = plot_data(
        request_of_model, target, checked, project, features=("ndvi", "nbr")
    )
    samples = data.samples
    assert len(np.unique(samples.groups)) == footprints["site"].nunique()
    order = {name: k for k, name in enumerate(sorted(set(footprints["site"])))}
    trees = samples.target > 0  # without trees many have the same value
    known = footprints[footprints["value"] > 0].set_index("value")
    assert known.index.is_unique
    mine = known.loc[samples.target[trees]]
    np.testing.assert_array_equal(samples.groups[trees], mine["site"].map(order))
    np.testing.assert_array_equal(samples.se[trees], mine["se"])


def test_the_card_says_that_it_learnt_from_predictions_and_what_is_in_no_interval(
    made, project
):
    model = check_model(project.project / "models", made.id)
    text = (made.folder / "card.md").read_text()
    page = (made.folder / "card.html").read_text()
    assert model.of_predictions
    assert model.simulated
    for words in (
        "PREDICTIONS OF BIOMASS FROM LIDAR WAVEFORMS",
        "no trees were measured",
        "Saarela et al. 2016",
        "On slopes a waveform is stretched",
        "l4_quality_flag from 1 to 1",
        "10.3334/ORNLDAAC/2056",
        "tracks (sub-orbit and beam)",
        "**Error of the reference.**",
    ):
        assert words in text
    assert "Its origin was not stated" not in text
    assert "并非每木实测" in page
    budget = model.card["science"]["reference_error"]
    scores = model.card["science"]["validation"]["runs"]["models"]["ensemble"]
    assert budget["share"] == pytest.approx(
        budget["se"] ** 2 / scores["rmse"] ** 2, rel=0.01
    )
    assert budget["rmse"] is None or budget["rmse"] < scores["rmse"]


def test_the_model_of_footprints_is_mapped_when_a_run_names_it(made, project):
    named = load_run_config(project.project / "config" / "demo-targets.toml").models
    request = RunRequest(
        month="2025-08",
        regions=(COUNTY,),
        source="demo",
        models=(("ecosystem", named.ecosystem), ("agb_forest", made.id)),
    )
    setup = set_up(request, project)
    assert "agb_forest_map" in setup.config.indicators.report
    models = load_target_models(setup.config, project.project)
    assert models.models["agb_forest"].id == made.id
    assert models.models["agb_forest"].interval is not None


def as_text(frame, **changes):
    return frame.assign(**changes).astype(str)


def test_measured_trees_and_predictions_are_not_mixed(footprints, project_folder):
    target = load_model_targets(project_folder).get("agb_forest")
    kinds = ["measured", *["gedi_l4a"] * (len(footprints) - 1)]
    with pytest.raises(TableError, match="Train on each kind by itself"):
        read_training_plots(
            as_text(footprints, reference=kinds),
            target=target,
            value="value",
            defaults=Defaults(),
        )


@pytest.mark.parametrize(
    ("target", "drop", "said"),
    [
        ("growing_stock", (), "above-ground biomass is all they tell"),
        ("agb_forest", ("se",), "without column 'se'"),
        ("agb_forest", ("se", "site"), "without column 'se' and 'site'"),
    ],
    ids=["another target", "no error", "neither error nor track"],
)
def test_footprints_that_cannot_be_what_is_asked_for_are_refused(
    request_of_model, footprints, tmp_path, target, drop, said
):
    path = tmp_path / "gedi.csv"
    table = footprints.drop(columns=[*drop, "unit"])
    table.to_csv(path, index=False)
    request = dataclasses.replace(request_of_model, target=target, plots=str(path))
    settings = load_settings(store=tmp_path / "store")
    found = load_model_targets(settings.project).get(target)
    with pytest.raises(TableError, match=said):
        check_plots(request, found, settings)

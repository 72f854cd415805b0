"""Layers beyond the six bands, from an archive to maps and to training alike."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import rasterio

from qhsink.config import (
    Settings,
    load_model_targets,
    load_run_config,
    load_settings,
)
from qhsink.domain.errors import ConfigError, ModelError, SourceError
from qhsink.domain.scene import BANDS, RED_EDGE
from qhsink.estimation.training_plots import Defaults, read_training_plots
from qhsink.mapping.ensemble import Ensemble, Layer
from qhsink.mapping.layers import GROUPS, LAYERS, NODATA, layers_of
from qhsink.registry import list_models, load_model, save_model
from qhsink.steps.dry_run import foresee
from qhsink.steps.monitor import run_monitor
from qhsink.steps.plan import make_plan
from qhsink.steps.plan_file import plan_token, read_plan, write_plan
from qhsink.steps.plot_features import extract_features
from qhsink.steps.request import RunRequest, find_source, set_up
from qhsink.steps.tile_jobs import tile_jobs
from qhsink.steps.twin_plots import Campaign, twin_plots
from qhsink.steps.window_reading import Pinned, WindowReading
from qhsink.store import Store

pytestmark = pytest.mark.xdist_group("runs")

REGION = "632324"
EVERY = ("rededge1", "ndvi_min", "slope", "vh")
"""A feature of each group."""


def constant(target, unit, features, outputs, high):
    """An ensemble that gives each member's output whatever it reads."""
    nothing = np.zeros((len(outputs), len(features), 1), np.float32)
    bias = np.asarray(outputs, np.float32)[:, None]
    scaler = np.ones(len(features), np.float32)
    layers = (Layer(nothing, bias),)
    return Ensemble(target, unit, features, scaler, scaler, layers, -high, high)


@pytest.fixture(scope="module")
def project(project_folder, tmp_path_factory):
    """Models made by hand that need every group, beside the shipped ones."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("aoi", "config"):
        (folder / name).symlink_to(project_folder / name)
    shipped = project_folder / "models"
    cards = {
        name.split("-")[0]: load_model(shipped, name).card
        for name in list_models(shipped)
        if name.split("-")[0] in ("fvc", "ecosystem", "agb_grass")
    }
    named = {}
    made = (
        constant("agb_grass", "g DM m-2", EVERY, (40.0, 50.0), 1500.0),
        constant("fvc", "1", EVERY, (0.4, 0.5), 1.0),
    )
    classes = cards["ecosystem"]["science"]["classes"]
    logits = [5.0 * (name == "grassland") for name in classes]
    kinds = constant("ecosystem", "logit", ("elevation",), logits, 20.0)
    for ensemble in (*made, kinds):
        card = cards[ensemble.target]
        parts = {"science": card["science"], "run": card["run"]}
        named[ensemble.target] = save_model(folder / "models", ensemble, parts)
    (folder / "models" / "masks").symlink_to(shipped / "masks")
    six = next(name for name in list_models(shipped) if name.startswith("fvc-"))
    (folder / "models" / six).symlink_to(shipped / six)
    return Settings(project=folder, store=folder / "store"), named


def asked(archive, config, out, project, targets=("agb_grass", "ecosystem")):
    _, named = project
    return RunRequest(
        month="2025-08",
        regions=(REGION,),
        source=str(archive),
        config=str(config),
        out=str(out),
        models=tuple((target, named[target]) for target in targets),
    )


@pytest.fixture(scope="module")
def finished(full_archive, coarse_config, project, tmp_path_factory):
    """A run whose models need a layer of every group; not to be changed."""
    out = tmp_path_factory.mktemp("layers") / "out"
    request = asked(full_archive, coarse_config, out, project)
    return request, run_monitor(request, project[0])


def numbers_of(published):
    return {row.indicator_id: row for row in published.rows}


def test_a_model_maps_with_layers_of_every_group(finished):
    row = numbers_of(finished[1])["agb_grass_map"]
    assert row.refusal is None
    assert row.estimate.value > 0


def test_the_run_names_all_that_its_layers_are_made_of(finished, full_archive):
    run = json.loads((finished[1].out / "run.json").read_text(encoding="utf-8"))
    assert run["heights"]
    assert {item["orbit"] for item in run["radar"]} == {"descending"}
    assert any("06-12" in scene["acquired"] for scene in run["scenes"])
    for kind, keys in run["artifacts"].items():
        held = {name for name in keys if name.startswith("layers/")}
        every = {f"layers/{group}" for group in GROUPS}
        assert held == (every if kind.startswith("peak") else set())


def test_a_second_run_makes_no_layer_again(finished, project):
    request, first = finished
    assert {entry.state for entry in foresee(request, project[0])} == {"cached"}
    again = run_monitor(
        dataclasses.replace(request, out=str(first.out) + "-2"), project[0]
    )
    assert again.made == 0
    assert numbers_of(again)["agb_grass_map"].estimate == (
        numbers_of(first)["agb_grass_map"].estimate
    )


def planes_of(finished, project):
    """Every layer of each tile of the run, from its store."""
    run = json.loads((finished[1].out / "run.json").read_text(encoding="utf-8"))
    store, found = Store(project[0].store), {}
    for name, keys in run["artifacts"].items():
        kind, tile = name.split("/")
        if kind != "peak":
            continue
        layers = {}
        with rasterio.open(
            store.folder_of("composite", keys["composite"]) / "reflectance.tif"
        ) as file:
            layers |= zip(BANDS, file.read(), strict=True)
        for group in GROUPS:
            folder = store.folder_of("layers", keys[f"layers/{group}"])
            with rasterio.open(folder / "planes.tif") as file:
                assert file.descriptions == layers_of(group)
                layers |= zip(layers_of(group), file.read(), strict=True)
        found[tile] = layers
    return found


@pytest.fixture(scope="module")
def planes(finished, project):
    return planes_of(finished, project)


def test_layers_have_plausible_values(planes):
    joined = {
        name: np.concatenate([layers[name].ravel() for layers in planes.values()])
        for name in LAYERS
    }
    values = {n: v[v != NODATA] * LAYERS[n].step for n, v in joined.items()}
    assert 3000 < np.median(values["elevation"]) < 5000
    assert 0 <= values["slope"].min() <= values["slope"].max() < 60
    assert 0 <= values["aspect"].min() <= values["aspect"].max() <= 360
    assert 0.7 < np.median(values["cos_i"]) < 1.0
    assert np.median(values["vh"]) < np.median(values["vv"]) < 0
    assert np.median(values["ndvi_min"]) < np.median(values["ndvi_mean"])
    assert np.median(values["ndvi_mean"]) < np.median(values["ndvi_max"])
    edge = [np.median(values[name]) for name in ("red", *RED_EDGE, "nir")]
    assert edge == sorted(edge)


def test_the_red_edge_is_of_the_date_of_the_other_bands(planes):
    for layers in planes.values():
        known = layers["red"] != NODATA
        np.testing.assert_array_equal(layers["rededge2"] != NODATA, known)
    both = [
        np.concatenate(
            [layers[n][layers["red"] != NODATA] for layers in planes.values()]
        )
        for n in ("rededge3", "nir")
    ]
    assert np.corrcoef(*both)[0, 1] > 0.99


def test_a_pixel_has_the_same_values_in_training_and_on_the_map(
    full_archive, coarse_config, project, planes, project_folder
):
    """A plot well inside one pixel, and the pixel of the map around it."""
    settings, _ = project
    config, target = load_run_config(coarse_config), "agb_grass"
    frame = twin_plots(Campaign(full_archive.parent, target, 60, seed=3))
    frame = frame.assign(plot_m=4.0, shape="square")
    target = load_model_targets(project_folder).get(target)
    plots = read_training_plots(
        frame.astype(str), target=target, value=target.id, defaults=Defaults(), least=1
    )
    source = find_source(str(full_archive), settings)
    found = extract_features(plots, target, source, config, settings, groups=GROUPS)
    assert found.used.sum() > 20
    assert {item.layer for item in found.items} == {"elevation", "backscatter"}
    grid = config.grid.build()
    edge, compared = grid.pixel_size * grid.tile_px, 0
    for row in np.flatnonzero(found.used):
        x, y = places(plots, grid)[row]
        inside = [(v / grid.pixel_size) % 1 for v in (x, -y)]
        if min(inside) < 0.01 or max(inside) > 0.99:
            continue  # the plot reaches into the next pixel
        tile = grid.tile(int(np.floor(x / edge)), int(np.floor(-y / edge)))
        if tile.name not in planes:
            continue
        box = tile.geobox
        col = int((x - box.affine.c) // grid.pixel_size)
        line = int((box.affine.f - y) // grid.pixel_size)
        for name, layer in planes[tile.name].items():
            at_plot = found.rows.loc[row, name]
            if name == "aspect" and found.rows.loc[row, "slope"] < 2.0:
                continue  # where the land is flat, it falls anywhere
            assert is_same(name, at_plot, layer[line, col] * LAYERS[name].step), name
        compared += 1
    assert compared > 20


INTERPOLATED = {"elevation": 10.0, "slope": 1.0, "cos_i": 2e-2, "aspect": 20.0}
"""A warp differs a little with its window: metres of
height on these coarse pixels; on those of 60 m, decimetres."""


def is_same(name, one, other):
    """Reflectance and what is made of it are copied, heights and power interpolated."""
    apart = abs(one - other)
    if name == "aspect":
        apart = min(apart, 360.0 - apart)
    within = 0.05 if LAYERS[name].group == "radar" else LAYERS[name].step * 1e-3
    return apart < INTERPOLATED.get(name, within)


def places(plots, grid):
    from qhsink.steps.plot_windows import grid_places

    return [(place.x, place.y) for place in grid_places(plots, grid)]


def test_a_tile_alone_has_the_terrain_of_the_land_around_it(
    full_archive, coarse_config, project, tmp_path
):
    setup = set_up(asked(full_archive, coarse_config, tmp_path, project), project[0])
    plan = make_plan(setup)
    job = max(
        (job for job in tile_jobs(plan) if job.kind == "peak"),
        key=lambda job: len(job.heights),
    )
    box = plan.grid.tile(job.col, job.row).geobox
    pinned = Pinned(job.scenes, heights=plan.heights)
    wide = WindowReading(pinned, box.pad(7), setup.config, kind="peak")
    alone = WindowReading(
        Pinned(job.scenes, heights=job.heights), box, setup.config, kind="peak"
    )
    inner, own = wide.planes("terrain")[:, 7:-7, 7:-7], alone.planes("terrain")
    held = (inner != NODATA) & (own != NODATA)
    assert (held == (own != NODATA)).mean() > 0.999
    for name, one, other in zip(layers_of("terrain"), inner, own, strict=True):
        apart = np.abs(one.astype(int) - other)[held[0]] * LAYERS[name].step
        if name != "aspect":
            assert np.quantile(apart, 0.999) <= INTERPOLATED[name]


def test_what_a_source_lacks_is_refused_by_model_layer_and_source(
    archive, coarse_config, project, tmp_path
):
    request = asked(archive, coarse_config, tmp_path / "out", project)
    rows = numbers_of(run_monitor(request, project[0]))
    told = rows["agb_grass_map"].refusal
    assert project[1]["agb_grass"] in told
    assert "rededge1, rededge2, rededge3" in told
    assert "no asset for rededge1" in told
    assert rows["fvc_peak"].estimate is not None


def test_a_source_without_radar_is_named(archive, coarse_config, project, tmp_path):
    plan = make_plan(
        set_up(asked(archive, coarse_config, tmp_path, project), project[0])
    )
    told = plan.lacking[REGION]["radar"]
    assert f"no item of sentinel-1-rtc at {archive}" in told
    assert "2025-season" in told


def test_a_model_of_cover_without_its_layers_ends_the_region(
    archive, coarse_config, project, tmp_path
):
    config = tmp_path / "peak.toml"
    config.write_text(
        f'extends = "{coarse_config}"\n[indicators]\nreport = ["fvc_peak"]\n'
    )
    request = asked(archive, config, tmp_path / "out", project, targets=("fvc",))
    with pytest.raises(SourceError, match=r"model fvc-\w+ needs rededge1"):
        run_monitor(request, project[0])


def test_a_months_map_has_no_layers_of_the_season(
    full_archive, coarse_config, project, tmp_path
):
    request = asked(full_archive, coarse_config, tmp_path, project, targets=("fvc",))
    with pytest.raises(ModelError, match="for a month's map"):
        make_plan(set_up(request, project[0]))


def test_the_red_edge_is_not_mixed_with_corrected_bands(
    full_archive, coarse_config, project, tmp_path
):
    config = tmp_path / "view.toml"
    config.write_text(
        f'extends = "{coarse_config}"\n[corrections]\nview = "c-factor"\n'
    )
    request = asked(full_archive, config, tmp_path / "out", project)
    plan = make_plan(set_up(request, project[0]))
    assert "six bands alone" in plan.lacking[REGION]["rededge"]


def test_a_stored_plan_pins_the_same_layers(
    full_archive, coarse_config, project, tmp_path
):
    request = asked(full_archive, coarse_config, tmp_path / "out", project)
    plan = make_plan(set_up(request, project[0]))
    folder = tmp_path / "plan"
    folder.mkdir()
    write_plan(plan, folder)
    again = read_plan(folder, project[0])
    assert again.radar == plan.radar
    assert list(tile_jobs(again)) == list(tile_jobs(plan))
    assert plan_token(again) == plan_token(plan)
    assert plan_token(dataclasses.replace(plan, radar=())) != plan_token(plan)


def test_a_run_of_six_bands_pins_nothing_more(full_archive, coarse_config, tmp_path):
    request = RunRequest(
        month="2025-08",
        regions=(REGION,),
        source=str(full_archive),
        config=str(coarse_config),
        out=str(tmp_path),
    )
    plan = make_plan(set_up(request, load_settings(store=tmp_path / "store")))
    assert not plan.heights
    assert not plan.radar
    assert {scene.acquired.month for scene in plan.scenes} == {7, 8}
    files = {file.band for scene in plan.scenes for file in scene.files}
    assert files == {*BANDS, "mask"}
    assert {job.groups for job in tile_jobs(plan)} == {()}


def test_a_season_that_begins_within_the_peak_is_refused(
    full_archive, coarse_config, project, tmp_path
):
    config = tmp_path / "late.toml"
    config.write_text(
        f'extends = "{coarse_config}"\n[layers]\nseason_start = "08-01"\n'
    )
    with pytest.raises(ConfigError, match="a season that holds the peak"):
        set_up(asked(full_archive, config, tmp_path / "out", project), project[0])

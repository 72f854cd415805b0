"""Worlds that lie: the pipeline flags it, or the evaluation shows the damage."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from qhsink.steps.evaluate_modes import judge_world
from qhsink.steps.evaluate_places import load_trial, squares
from qhsink.steps.evaluate_world import run_world
from qhsink.twin import lies
from qhsink.twin.world import MEADOW, SNOW

TRIAL = load_trial().model_copy(
    update={
        "square_m": 11_520.0,
        "parts": 2,
        "pixel_size_m": 240.0,
        "plots": 40,
        "campaigns": 1,
        "further_campaigns": 1,
        "lines": (),
    }
)
RMSE = 0.09


@pytest.fixture(scope="module")
def places():
    return squares(("632324",), TRIAL)


@pytest.fixture(scope="module")
def honest_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def honest(places, honest_folder):
    return run_world(7, places, trial=TRIAL, folder=honest_folder)


def lying(places, folder, lie):
    return run_world(7, places, trial=TRIAL, folder=folder, lie=lie)


def coverage(run, mode, *, lie=None, size="square", campaigns=30):
    """Share of 90 % intervals that cover, over campaigns in one world."""
    inside = []
    for seed in range(campaigns):
        results = judge_world(
            run.sites,
            run.truth,
            trial=TRIAL,
            map_rmse=RMSE,
            rng=np.random.default_rng(seed),
            lie=lie,
        )
        for row in results:
            if row.mode == mode and row.size == size and row.indicator == "fvc_peak":
                low, high = row.interval(0.90)
                inside.append(low <= row.truth <= high)
    return float(np.mean(inside))


def test_truth_is_that_of_the_archive(honest, honest_folder):
    """The judge's truth equals the mean that the archive writes beside its scenes."""
    written = json.loads((honest_folder / "archive/truth/truth.json").read_text())
    mean = written["regions"]["square-632324"]["fvc_peak_mean_without_water"]
    assert honest.sites[0].cover.mean() == pytest.approx(mean, abs=2e-3)


def test_the_honest_world_flags_nothing_and_its_plots_cover(honest):
    assert not honest.plan.excluded
    assert coverage(honest, "simple random plots") >= 0.75


def test_a_forgotten_offset_is_caught_by_the_guard(places, tmp_path):
    run = lying(places, tmp_path, "wrong-offset")
    assert run.plan.excluded
    assert all("offset" in reason for reason in run.plan.excluded.values())


def test_thin_cloud_that_no_mask_knows_lowers_the_map(places, honest, tmp_path):
    """Nothing flags it: only plots show that the map reads too low."""
    run = lying(places, tmp_path, "thin-cloud")
    before, after = honest.sites[0], run.sites[0]
    both = np.isfinite(before.predicted) & np.isfinite(after.predicted)
    fall = np.mean(after.predicted[both] - before.predicted[both])
    assert fall < -0.01
    assert coverage(run, "difference (map)") >= 0.75


def test_a_type_missing_from_training_breaks_the_map_but_not_the_assisted(
    places, tmp_path
):
    run = lying(places, tmp_path, "missing-type")
    assert coverage(run, "model", campaigns=1) == 0.0
    assert coverage(run, "naive: pixel mean, RMSE/√N", campaigns=1) == 0.0
    assert coverage(run, "difference (map)") >= 0.75


@pytest.mark.parametrize(
    ("lie", "mode"),
    [
        ("roadside", "simple random plots"),
        ("biased-plots", "simple random plots"),
        ("biased-plots", "difference (map)"),
        ("biased-plots", "regression (map)"),
    ],
)
def test_plots_that_lie_take_their_intervals_with_them(honest, lie, mode):
    """No probability sample, or no honest observer: no interval can know."""
    assert coverage(honest, mode, lie=lie) < 0.60


def test_the_road_is_the_greenest_row():
    rows = np.repeat(np.arange(100), 10)
    cover = np.where(rows == 40, 0.9, 0.3)
    near = lies.roadside(cover, rows)
    assert set(rows[near]) == set(range(36, 45))


def test_the_unseen_type_has_plants():
    counts = np.repeat([SNOW, MEADOW], [90, 10]).astype(np.uint8)
    assert lies.unseen_type(counts) == MEADOW


def test_only_the_named_day_is_shifted(tmp_path, archive_copy):
    before = {p: digital_numbers(p) for p in sorted(archive_copy.rglob("B04.tif"))}
    day = min(before).parent.name.split("_")[2][:8]
    assert lies.shift_scene(archive_copy, day=day) > 0
    for path, old in before.items():
        new = digital_numbers(path)
        if f"_{day}T" in path.parent.name:
            seen = old > 1_001
            assert (old[seen] - new[seen] == lies.FORGOTTEN_DN).all()
            assert ((new == 0) == (old == 0)).all()
        else:
            assert (new == old).all()


def digital_numbers(path):
    with rasterio.open(path) as file:
        return file.read(1).astype(int)


@pytest.fixture
def archive_copy(places, tmp_path):
    from qhsink.twin.archive import build_archive

    (place,) = places
    folder = tmp_path / "archive"
    build_archive(
        folder,
        regions=[("square", place.outline)],
        seed=1,
        year=2025,
        pixel_size_m=TRIAL.pixel_size_m,
        workers=1,
    )
    return folder


def test_biased_observers_change_nothing_else():
    plain = TRIAL.plots_rules
    biased = lies.biased_observers(plain)
    assert biased.cover_shift == lies.PLOT_SHIFT
    assert biased.model_copy(update={"cover_shift": 0.0}) == plain

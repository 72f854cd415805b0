"""A run whose terrain correction takes heights from the archive that it reads."""

from __future__ import annotations

import dataclasses
import json

import pytest

from qhsink.config import load_settings
from qhsink.domain.errors import SourceError
from qhsink.steps.compositing import composite_key
from qhsink.steps.monitor import run_monitor
from qhsink.steps.plan import make_plan
from qhsink.steps.plan_file import plan_token, read_plan, write_plan
from qhsink.steps.request import RunRequest, set_up
from qhsink.steps.tile_jobs import tile_jobs
from qhsink.store import Store

pytestmark = pytest.mark.xdist_group("runs")

REGION = "632324"


@pytest.fixture(scope="module")
def with_heights(full_archive):
    """Catalogue of one county with its terrain model."""
    return full_archive


def config_with(folder, coarse_config, dem):
    path = folder / "terrain.toml"
    path.write_text(
        f'extends = "{coarse_config.as_posix()}"\n'
        f'[corrections]\nterrain = "scs+c"\ndem = "{dem}"\n'
        "[corrections.fit]\nmin_slope_deg = 1.0\nmin_r2 = 0.0\nmin_pixels = 50\n"
    )
    return path


def asked(source, config, out):
    return RunRequest(
        month="2025-08",
        regions=(REGION,),
        source=str(source),
        config=str(config),
        out=str(out),
    )


def notes(published_out, store):
    """What became of each day, by tile and kind."""
    run = json.loads((published_out / "run.json").read_text(encoding="utf-8"))
    found = {}
    for name, keys in run["artifacts"].items():
        folder = store.folder_of("composite", keys["composite"])
        found[name] = json.loads((folder / "corrections.json").read_text())
    return run, found


@pytest.fixture(scope="module")
def both(with_heights, coarse_config, tmp_path_factory):
    """The same run with heights of the source and with the same file on disk."""
    folder = tmp_path_factory.mktemp("terrain")
    settings = load_settings(store=folder / "store")
    out = {}
    for name, dem in (
        ("source", "source"),
        ("disk", (with_heights.parent / "cop-dem-glo-30").as_posix()),
    ):
        (folder / name).mkdir()
        config = config_with(folder / name, coarse_config, dem)
        run_monitor(asked(with_heights, config, folder / name / "out"), settings)
        out[name] = notes(folder / name / "out", Store(settings.store))
    return out


def test_heights_of_the_source_are_those_of_its_files(both):
    (run, made), (by_file, on_disk) = both["source"], both["disk"]
    days = [note for entries in made.values() for note in entries]
    assert {note["kind"] for note in days} == {"terrain"}
    assert any(note["made"] for note in days)
    assert made == on_disk
    assert run["estimates"] == by_file["estimates"]
    assert run["artifacts"] != by_file["artifacts"]


def test_the_run_names_the_heights_it_used_with_their_checksums(both, with_heights):
    run, _ = both["source"]
    tiles = {path.stem for path in with_heights.parent.rglob("*_DEM.tif")}
    assert {item["item_id"] for item in run["heights"]} <= tiles
    assert run["heights"]
    for item in run["heights"]:
        (file,) = item["files"]
        assert file["checksum"]
        assert item["simulated"]
    assert both["disk"][0]["heights"] == []


@pytest.fixture
def plan(with_heights, coarse_config, tmp_path):
    config = config_with(tmp_path, coarse_config, "source")
    settings = load_settings(store=tmp_path / "store")
    return make_plan(set_up(asked(with_heights, config, tmp_path / "out"), settings))


def test_other_heights_are_another_composite(plan):
    def digest(heights):
        return composite_key(
            (), plan.setup.config, grid=plan.grid, tile="t", kind="peak",
            heights=heights,
        ).digest  # fmt: skip

    (first, *_) = plan.heights
    changed = dataclasses.replace(first.files[0], checksum="1220" + "0" * 64)
    other = dataclasses.replace(first, files=(changed,))
    moved = dataclasses.replace(first.files[0], href="elsewhere.tif")
    same = dataclasses.replace(first, files=(moved,))
    assert digest([first]) == digest([same])
    assert len({digest([]), digest([first]), digest([other])}) == 3


def test_a_stored_plan_holds_the_heights_under_every_tile(plan, tmp_path):
    write_plan(plan, tmp_path)
    again = read_plan(tmp_path, plan.setup.settings)
    assert again.heights == plan.heights
    assert plan_token(again) == plan_token(plan)
    assert plan_token(again) != plan_token(dataclasses.replace(plan, heights=()))
    jobs = list(tile_jobs(again))
    assert all(job.heights for job in jobs if job.scenes)
    assert {item for job in jobs for item in job.heights} <= set(plan.heights)


def without_heights(catalogue):
    """Take the terrain model out of a catalogue; return its path."""
    told = json.loads(catalogue.read_text(encoding="utf-8"))
    kept = [link for link in told["links"] if "cop-dem-glo-30" not in link["href"]]
    assert len(kept) == len(told["links"]) - 1
    catalogue.write_text(json.dumps(told | {"links": kept}), encoding="utf-8")
    return catalogue


def test_a_source_without_heights_says_so_in_one_line(
    own_archive, coarse_config, tmp_path
):
    config = config_with(tmp_path, coarse_config, "source")
    source = without_heights(own_archive)
    setup = set_up(asked(source, config, tmp_path / "out"), load_settings())
    with pytest.raises(SourceError) as told:
        make_plan(setup)
    assert "\n" not in str(told.value)
    assert 'dem = "source": no item of cop-dem-glo-30' in str(told.value)
    assert "Or name a raster of heights" in str(told.value)

"""Earth Engine through its real client, spoken to by a stand-in on the loopback."""

from __future__ import annotations

import dataclasses
import json
import logging
import random
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from qhsink.cli import main
from qhsink.config import SourceConfig, load_settings
from qhsink.domain.errors import SourceError
from qhsink.domain.period import parse_month
from qhsink.domain.scene import BANDS, RED_EDGE
from qhsink.imagery.composite import median_composite
from qhsink.sources.earthengine import pin_images
from qhsink.sources.earthengine_connection import close_session, open_session
from qhsink.sources.earthengine_expressions import median_sentinel2
from qhsink.sources.earthengine_products import with_further
from qhsink.sources.earthengine_retry import Retries
from qhsink.sources.reading import read_window
from qhsink.sources.stac import pin_scenes
from qhsink.steps.monitor import run_monitor
from qhsink.steps.request import RunRequest
from tests.sources.conftest import PIXEL, REGION
from tests.standins.earthengine import GOOD_TOKEN, PROJECT, serving
from tests.standins.earthengine_images import S2, SCORES, twin_world

pytestmark = pytest.mark.xdist_group("earthengine")

MONTH = parse_month("2025-08")
EVERYWHERE = (90.0, 30.0, 105.0, 40.0)
PIXELS = "image:computePixels"


@pytest.fixture
def server(catalogue):
    with serving(twin_world(catalogue)) as running:
        yield running


@pytest.fixture
def connect(server, monkeypatch):
    """Connect to the stand-in as its service account, waits written down."""
    monkeypatch.setenv("EARTHENGINE_TOKEN", json.dumps(server.service_account()))
    waits = []

    def open_(**options):
        source = SourceConfig(
            kind="earthengine",
            url=server.url,
            cloud_project=PROJECT,
            collections=(S2,),
            **options,
        )
        rng = random.Random(1)  # noqa: S311 - jitter
        open_session(source, retries=Retries(sleep=waits.append, rng=rng))
        return source, waits

    yield open_
    close_session()


@pytest.fixture(scope="module")
def from_files(catalogue):
    source = SourceConfig(kind="static", url=str(catalogue))
    return pin_scenes(source, project=Path(), bbox=EVERYWHERE, period=MONTH)


@pytest.fixture(scope="module")
def expected(from_files, tile):
    return read_window(from_files, tile.geobox)


@pytest.fixture(scope="module")
def corner(tile):
    """A part of the tile: what is asked again is the same for few pixels."""
    return tile.geobox[44:84, 40:84]


@pytest.fixture(scope="module")
def in_corner(from_files, corner):
    stack = read_window(from_files, corner)
    assert (stack.reflectance > 0).mean() > 0.2
    return stack


def assert_same(stack, expected):
    assert stack.days == expected.days
    np.testing.assert_array_equal(stack.mask, expected.mask)
    # The harmonised collection is unsigned: deep shade that files show a little below
    # zero is zero in it.
    seen = expected.reflectance > -32768
    unsigned = np.where(seen, np.maximum(expected.reflectance, 0), -32768)
    np.testing.assert_array_equal(stack.reflectance, unsigned)


def test_the_images_pinned_are_the_scenes_of_the_files(connect, server, from_files):
    server.page_size = 2
    source, _ = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    for name in (
        "acquired",
        "platform",
        "baseline",
        "cloud_share",
        "bbox",
        "simulated",
    ):
        theirs = sorted(str(getattr(scene, name)) for scene in from_files)
        assert sorted(str(getattr(image, name)) for image in images) == theirs
    assert server.count(f"{S2}:listAssets") > len(images) / 2
    assert {image.file("red").offset for image in images} == {0.0}
    assert all("cs_cdf < 0.6" in image.offset_rule for image in images)


def test_the_cube_is_that_of_the_files(connect, expected, tile):
    source, _ = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    stack = read_window(images, tile.geobox)
    assert (expected.reflectance > 0).mean() > 0.2
    assert_same(stack, expected)


def test_the_red_edge_is_that_of_the_files(connect, catalogue, corner):
    source, _ = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH, further=RED_EDGE)
    files = pin_scenes(
        SourceConfig(kind="static", url=str(catalogue)),
        project=Path(),
        bbox=EVERYWHERE,
        period=MONTH,
        further=RED_EDGE,
    )
    stack = read_window(images, corner, None, RED_EDGE)
    expected = read_window(files, corner, None, RED_EDGE)
    assert_same(stack, expected)
    seen = expected.further > -32768
    unsigned = np.where(seen, np.maximum(expected.further, 0), -32768)
    np.testing.assert_array_equal(stack.further, unsigned)
    assert (stack.further[:, 0] != stack.further[:, 1]).any()


def test_landsat_has_no_red_edge_on_earth_engine(connect):
    source, _ = connect()
    image = pin_images(source, bbox=EVERYWHERE, period=MONTH)[0]
    landsat = dataclasses.replace(image, collection="LANDSAT/LC08/C02/T1_L2")
    with pytest.raises(SourceError, match="C02/T1_L2: no such band as rededge1"):
        with_further(landsat, RED_EDGE)


def test_a_score_below_the_threshold_hides_what_the_classes_call_clear(
    connect, server, in_corner, corner
):
    source, _ = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    server.world.hazy = {i.item_id for i in images if i.acquired.day == 1}
    stack = read_window(images, corner)
    first = in_corner.mask[0]
    ground = np.isin(first, (1, 2, 4, 5, 6, 7))
    assert ground.any()
    # Where two granules overlap, shadow of one may now rank before cloud of the other.
    assert set(np.unique(stack.mask[0][ground])) <= {3, 8}
    np.testing.assert_array_equal(stack.mask[0][~ground], first[~ground])
    np.testing.assert_array_equal(stack.mask[1:], in_corner.mask[1:])


def test_an_image_without_a_score_says_so_and_is_read_by_its_classes(
    connect, server, in_corner, corner
):
    for name in [name for name in server.world.assets if name.startswith(SCORES)]:
        del server.world.assets[name]
    source, _ = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    assert all("no Cloud Score+" in image.offset_rule for image in images)
    assert_same(read_window(images, corner), in_corner)


def test_the_servers_own_median_is_the_median_of_the_clear_dates(
    connect, expected, tile
):
    source, _ = connect()
    session = open_session(source)
    image = median_sentinel2(EVERYWHERE, "2025-08-01", "2025-09-01", threshold=0.6)
    bands = (*BANDS, "n_clear")
    found = session.pixels(image, tile.geobox, bands=bands, what="median")
    clear = (expected.mask > 0) & ~np.isin(expected.mask, (3, 8, 9, 10))
    unsigned = np.where(clear[:, None], np.maximum(expected.reflectance, 0), -32768)
    once = median_composite(
        unsigned.astype(np.int16), clear, np.zeros_like(clear), min_clear=1
    )
    assert (once.n_clear > 1).any()
    # Where granules overlap the server counts a day twice; elsewhere they agree.
    alone = once.n_clear == found["n_clear"]
    assert alone.mean() > 0.8
    for number, band in enumerate(BANDS):
        difference = found[band].astype(int) - once.reflectance[number]
        assert np.abs(difference[alone]).max() <= 1


@pytest.mark.parametrize(
    "fault",
    [429, 503, 500, (429, 7), "reset", "truncated", "stump", "page"],
    ids=[
        "too-many-requests",
        "unavailable",
        "internal",
        "told-to-wait",
        "connection-reset",
        "cut-short",
        "torn-array",
        "a-proxys-page-with-status-200",
    ],
)
def test_a_passing_fault_costs_one_more_request(
    connect, server, from_files, corner, fault
):
    source, waits = connect()
    image = pin_images(source, bbox=EVERYWHERE, period=MONTH)[0]
    scene = next(s for s in from_files if s.acquired == image.acquired)
    server.faults.append((PIXELS, fault))
    assert_same(_read_one(image, corner), _read_one(scene, corner))
    assert server.count(PIXELS) == 2
    assert len(waits) == 1
    assert waits[0] == 7.0 if isinstance(fault, tuple) else waits[0] <= 1.0


def test_a_storm_of_429_passes_and_an_endless_one_names_scene_and_host(
    connect, server, in_corner, corner
):
    source, waits = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    server.faults.extend([(PIXELS, 429)] * 12)
    assert_same(read_window(images, corner), in_corner)
    assert len(waits) == 12
    server.faults.extend([(PIXELS, 429)] * 200)
    with pytest.raises(SourceError) as told:
        read_window(images, corner)
    text = str(told.value)
    assert any(image.item_id in text for image in images)
    assert server.url.removeprefix("http://") in text
    assert "429" in text
    assert "after 7 tries" in text


@pytest.mark.parametrize("part", [f"{S2}:listAssets", f"assets/{S2}/"])
def test_a_proxys_page_instead_of_a_list_is_asked_again(connect, server, corner, part):
    source, waits = connect()
    server.faults.append((part, "page"))
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    assert len(_read_one(images[0], corner).days) == 1
    assert len(waits) == 1


def test_a_page_instead_of_pixels_is_shown(connect, server, corner):
    source, _ = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    server.faults.extend([(PIXELS, "page")] * 200)
    with pytest.raises(SourceError, match=r"no NPY array but .*DOCTYPE html"):
        read_window(images, corner)


@pytest.mark.parametrize("code", [400, 403, 404])
def test_what_cannot_pass_is_asked_once(connect, server, corner, code):
    source, waits = connect()
    image = pin_images(source, bbox=EVERYWHERE, period=MONTH)[0]
    box = corner
    server.faults.append((PIXELS, code))
    with pytest.raises(SourceError, match=f"{code} injected {code}"):
        _read_one(image, box)
    assert server.count(PIXELS) == 1
    assert not waits


def _read_one(image, box):
    everywhere = dataclasses.replace(image, bbox=EVERYWHERE)
    return read_window([everywhere], box)


def test_a_token_that_has_expired_is_renewed(connect, server, from_files, corner):
    source, waits = connect()
    image = pin_images(source, bbox=EVERYWHERE, period=MONTH)[0]
    scene = next(s for s in from_files if s.acquired == image.acquired)
    asked = server.count("/token")
    server.faults.append((PIXELS, 401))
    assert_same(_read_one(image, corner), _read_one(scene, corner))
    assert server.count("/token") > asked
    assert not waits


def test_a_server_that_drips_is_given_up_within_the_deadline(connect, server, corner):
    source, waits = connect(deadline_s=3.0)
    image = pin_images(source, bbox=EVERYWHERE, period=MONTH)[0]
    server.faults.append((PIXELS, "drip"))
    start = time.monotonic()
    stack = _read_one(image, corner)
    assert len(stack.days) == 1
    assert len(waits) == 1
    assert time.monotonic() - start < server.drip_s


def test_a_window_too_large_for_an_answer_is_read_in_quarters(
    connect, server, in_corner, corner
):
    source, waits = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    server.limit_bytes = 20 * 22 * 21
    assert_same(read_window(images, corner), in_corner)
    touching = len({i for day in in_corner.scene_ids for i in day})
    assert server.count(PIXELS) == 5 * touching
    assert not waits
    server.limit_bytes = 10
    with pytest.raises(SourceError, match="Total request size"):
        _read_one(images[0], corner)


def test_no_more_requests_at_once_than_configured(connect, server, in_corner, corner):
    source, _ = connect(max_concurrent=2)
    server.delay_s = 0.05
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    assert_same(read_window(images, corner), in_corner)
    assert server.most_at_once == 2


def test_an_image_that_has_changed_since_it_was_pinned_is_an_error(
    connect, server, corner
):
    source, _ = connect()
    image = pin_images(source, bbox=EVERYWHERE, period=MONTH)[0]
    held = server.world.assets[f"{S2}/{image.item_id}"]
    held.updated = "2025-11-11T00:00:00Z"
    with pytest.raises(SourceError, match=r"changed at 2025-11-11.*pinned as of"):
        _read_one(image, corner)
    assert server.count(PIXELS) == 0


def test_restricted_mode_is_told_once(connect, server, corner, caplog):
    server.restricted = True
    with caplog.at_level(logging.WARNING, logger="qhsink.progress"):
        source, _ = connect()
        images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
        _read_one(images[0], corner)
    told = [r for r in caplog.records if "restricted mode" in r.getMessage()]
    assert len(told) == 1


def test_broken_properties_name_the_image_and_excluded_images_are_left_out(
    connect, server
):
    name = next(name for name in server.world.assets if name.startswith(S2))
    del server.world.assets[name].properties["SPACECRAFT_NAME"]
    index = name.rpartition("/")[2]
    period = parse_month(f"{index[:4]}-{index[4:6]}")
    source, _ = connect()
    with pytest.raises(SourceError, match=f"{index}.*SPACECRAFT_NAME"):
        pin_images(source, bbox=EVERYWHERE, period=period)
    source = source.model_copy(update={"exclude": (index,)})
    found = pin_images(source, bbox=EVERYWHERE, period=period)
    assert index not in {image.item_id for image in found}


def test_the_later_processing_of_a_granule_is_kept(connect, server, from_files):
    name = next(n for n in server.world.assets if f"{S2}/202508" in n)
    old = server.world.assets[name]
    older = dataclasses.replace(
        old,
        asset_id=f"{name}OLD",
        properties={**old.properties, "PROCESSING_BASELINE": "05.00"},
    )
    server.world.assets[older.asset_id] = older
    source, _ = connect()
    images = pin_images(source, bbox=EVERYWHERE, period=MONTH)
    assert len(images) == len(from_files)
    kept = next(i for i in images if i.item_id == name.rpartition("/")[2])
    assert "kept instead of" in kept.offset_rule


def test_a_key_that_the_server_does_not_know_gives_one_line(
    connect, server, monkeypatch
):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key = server.service_account(key=stranger)
    monkeypatch.setenv("EARTHENGINE_TOKEN", json.dumps(key))
    with pytest.raises(SourceError) as told:
        connect()
    text = str(told.value)
    assert "refuses EARTHENGINE_TOKEN (service_account)" in text
    assert "\n" not in text
    assert key["private_key"][60:120] not in text


@pytest.fixture
def project(tmp_path, project_folder, server):
    """A project folder whose sources name the stand-in."""
    folder = tmp_path / "project"
    (folder / "config").mkdir(parents=True)
    for name in ("aoi", "models"):
        (folder / name).symlink_to(project_folder / name)
    for file in (project_folder / "config").glob("*.toml"):
        shutil.copy(file, folder / "config")
    (folder / "config" / "coarse.toml").write_text(
        f'extends = "demo.toml"\n[grid]\npixel_size_m = {PIXEL}\n'
        "tile_px = 128\nblock_px = 128\n[masks]\ndilation_m = 240.0\n"
    )
    (folder / "config" / "sources.toml").write_text(
        f'[gee]\nkind = "earthengine"\nurl = "{server.url}"\n'
        f'cloud_project = "{PROJECT}"\nrun_config = "coarse.toml"\n'
    )
    return folder


def _run(tmp_path):
    settings = load_settings(store=tmp_path / "store")
    config = settings.project / "config" / "coarse.toml"
    out = str(tmp_path / "engine")
    return run_monitor(
        RunRequest("2025-07", (REGION,), "gee", str(config), out), settings
    )


def _command(tmp_path, monkeypatch):
    """Run the command line; return its exit status."""
    arguments = ["monitor", "--region", REGION, "--month", "2025-07", "--source", "gee"]
    folders = ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "engine")]
    monkeypatch.setattr(sys, "argv", ["qhsink", *arguments, *folders])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.fixture
def key(tmp_path, server, monkeypatch, project):
    """A service account's key in a file that the environment names."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps(server.service_account()))
    monkeypatch.setenv("QHSINK_HOME", str(project))
    monkeypatch.setenv("EARTHENGINE_KEY_FILE", str(path))
    yield path
    close_session()


def test_a_run_from_earth_engine_is_reused_and_shows_no_credential(
    key, server, tmp_path, caplog, capfd
):
    with caplog.at_level(logging.INFO):
        server.faults.append((PIXELS, 429))
        published = _run(tmp_path)
    assert published.rows
    assert list((tmp_path / "engine").rglob("*.tif"))
    close_session()
    asked = server.count(PIXELS)
    assert asked > 0
    with caplog.at_level(logging.INFO):
        again = _run(tmp_path)
    assert again.rows == published.rows
    assert server.count(PIXELS) == asked, "the second run reads nothing again"
    content = json.loads(key.read_text())
    secrets = [content["private_key_id"], GOOD_TOKEN]
    secrets += content["private_key"].splitlines()[1:-1]
    folders = [tmp_path / part for part in ("engine", "store")]
    written = [path for folder in folders for path in folder.rglob("*")]
    texts = {str(p): p.read_bytes() for p in written if p.is_file()}
    assert len(texts) > 20
    texts["output"] = ("".join(capfd.readouterr()) + caplog.text).encode()
    assert any(b"cs_cdf>=0.6" in text for text in texts.values())
    assert not [n for s in secrets for n, text in texts.items() if s.encode() in text]


def test_without_a_credential_a_run_ends_in_one_line(key, tmp_path, monkeypatch, capfd):
    key.unlink()
    assert _command(tmp_path, monkeypatch) == 2
    said = capfd.readouterr().err
    assert "EARTHENGINE_KEY_FILE names" in said
    assert "Traceback" not in said

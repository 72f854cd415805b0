"""Each way in which an archive fails, met by a batch of tiles.

One tile's scene cannot be had, the other's can: the first ends with one line that
names scene and host, nothing of it is kept, the other is finished, requests are
bounded, and the next run reads only what is not there yet.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from qhsink.config import ReadConfig, Settings, SourceConfig, load_run_config
from qhsink.domain.errors import SourceError, StoreFault
from qhsink.domain.period import parse_month
from qhsink.sources import pages
from qhsink.sources.remote import open_archive
from qhsink.sources.stac import pin_scenes
from qhsink.steps.batch import compute_tiles
from qhsink.steps.tile_jobs import TileJob
from tests.sources.conftest import write_tiff
from tests.standins.stac_api import StacStandIn, serving

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
AUGUST = parse_month("2025-08")
QUICK = ReadConfig(
    tries=3, backoff_s=0.01, idle_s=5.0, total_s=60.0, page_kb=16, request_kb=32
)
IMPATIENT = {"timeout": {"idle_s": 0.6}, "slow": {"total_s": 8.0}}
"""Bounds that a fault must hit soon; the others leave room for a busy machine."""
GOOD, BAD = "S2B_GOOD", "S2B_BAD"


@pytest.fixture
def config(tmp_path, project_folder):
    """A run's configuration on small tiles."""
    path = tmp_path / "small.toml"
    parent = (project_folder / "config" / "monitor.toml").as_posix()
    path.write_text(
        f'extends = "{parent}"\n[grid]\ntile_px = 128\nblock_px = 128\n'
        "[masks]\ndilation_m = 0.0\n"
    )
    return load_run_config(path)


@pytest.fixture
def places(config):
    """Two tiles, and a lattice in UTM around each."""
    grid = config.grid.build()
    centre = shapely.Point(-500_000.0, 4_070_000.0)
    near = next(grid.tiles_over(centre.buffer(1.0)))
    found = {}
    for name, col in ((GOOD, near.col), (BAD, near.col + 8)):
        box = grid.tile(col, near.row).geobox.extent.to_crs("EPSG:32647").boundingbox
        corner = Affine(20, 0, box.left - 40, 0, -20, box.top + 40)
        shape = (int(box.span_y / 20) + 5, int(box.span_x / 20) + 5)
        found[name] = (col, near.row), GeoBox(shape, corner, "EPSG:32647")
    return found


@pytest.fixture
def folder(tmp_path, write_item, places):
    """A scene over each tile, its files several pages long, with checksums."""
    rng, archive = np.random.default_rng(7), tmp_path / "archive"
    for name, (_, box) in places.items():
        numbers = rng.integers(1000, 9000, box.shape)
        write_item(name, fill=numbers, geobox=box, folder=archive, tiled=True)
        # Bands of one content would share what is kept of them.
        red = (numbers // 2 + 500).astype("u2")
        place = {"transform": box.transform, "crs": str(box.crs), "tiled": True}
        write_tiff(archive / name / "B04.tif", red, **place)
    return archive


@pytest.fixture
def service(folder):
    with serving(StacStandIn(folder, checksums=False)) as running:
        yield running


@pytest.fixture
def settings(tmp_path, project_folder, monkeypatch):
    """Places of a run that reads impatiently."""
    open_archive.cache_clear()
    yield Settings(
        project=project_folder, store=tmp_path / "store", reads=QUICK, workers=1
    )
    open_archive.cache_clear()


@pytest.fixture
def jobs(service, places, project_folder):
    """Pin the scenes and return a job for each tile, the bad one first."""

    def plan(**options):
        source = SourceConfig(kind="api", url=service.url, **options)
        scenes = pin_scenes(
            source, project=project_folder, bbox=EVERYWHERE, period=AUGUST
        )
        leaf = ("632324", shapely.box(-2e6, 3e6, 0.0, 5e6).wkb)
        return [
            TileJob(
                *places[name][0],
                "month",
                tuple(s for s in scenes if s.item_id == name),
                (leaf,),
            )
            for name in (BAD, GOOD)
        ]

    return plan


def artifacts(settings):
    """The finished artifacts of a store, and what lies there unfinished."""
    root = settings.store
    found = [p for p in root.rglob("*") if p.is_dir() and "reads" not in p.parts]
    return [p for p in found if (p / "manifest.json").is_file()], [
        p for p in found if p.name.startswith(".")
    ]


def check_broken(outcomes, service, settings, said):
    """One tile failed with scene, host and cause in one line; the other is done."""
    bad, good = outcomes
    assert not good.error
    assert {"composite", "maps", "ledger"} <= set(good.made)
    assert said in bad.error
    assert f"scene {BAD}" in bad.error
    assert service.url.removeprefix("http://") in bad.error
    assert "\n" not in bad.error
    assert not bad.keys
    whole, torn = artifacts(settings)
    assert len(whole) == len(good.made)
    assert not torn


def check_mended(outcomes):
    """The tile that failed is made, the other found in the store."""
    bad, good = outcomes
    assert not bad.error
    assert not good.error
    assert {"composite", "maps", "ledger"} <= set(bad.made)
    assert good.made == ()


LASTING = [
    ("timeout", "no answer in time"),
    ("reset", "cut off"),
    ("429", "429"),
    ("503", "503"),
    ("truncated", "cut off"),
    ("html", "a web page with status 200"),
    ("404", "404"),
    ("slow", "not read whole within"),
]
NAMES = {
    "reset": "a connection reset in the middle of a tile",
    "429": "a storm of 429",
    "truncated": "truncated bytes",
    "html": "an HTML page with status 200",
    "404": "a missing asset",
    "slow": "a slow server",
}


@pytest.mark.parametrize(
    ("kind", "said"), LASTING, ids=[NAMES.get(kind, kind) for kind, _ in LASTING]
)
def test_a_tile_that_cannot_be_read_fails_alone_until_it_can(
    kind, said, jobs, service, settings, config
):
    bounded = QUICK.model_copy(update=IMPATIENT.get(kind, {}))
    settings = settings.model_copy(update={"reads": bounded})
    asked = jobs()
    service.faults.clear()
    service.faults.add(kind, match=f"/data/{BAD}/B04")
    check_broken(compute_tiles(asked, config, settings), service, settings, said)
    tries = [r for r in service.asset_requests if f"{BAD}/B04" in r[1]]
    pages_of_file = len({span for _, _, span in tries})
    assert len(tries) <= QUICK.tries * pages_of_file
    had = {r[1:] for r in service.asset_requests if f"{BAD}/B04" not in r[1]}
    service.faults.clear()
    check_mended(compute_tiles(asked, config, settings))
    assert service.asset_requests
    assert not had & {r[1:] for r in service.asset_requests}, "read twice"


def test_a_token_that_is_no_longer_taken_fails_its_tiles_until_it_is(
    folder, places, project_folder, tmp_path, config, settings, monkeypatch
):
    """The token ends after the first tile; its renewal is refused for a while."""
    stand_in = StacStandIn(folder, dialect="planetary-computer", checksums=False)
    with serving(stand_in) as service:
        project = tmp_path / "project"
        (project / "config").mkdir(parents=True)
        for name in ("models", "aoi"):
            (project / name).symlink_to(project_folder / name)
        (project / "config" / "sources.toml").write_text(
            f'[signed]\nkind = "api"\nurl = "{service.url}"\n'
            f'token_url = "{service.url}/token/{{account}}/{{container}}"\n'
            'key_hosts = ["127.0.0.1"]\n'
        )
        source = SourceConfig(
            kind="api",
            url=service.url,
            token_url=service.url + "/token/{account}/{container}",
            key_hosts=("127.0.0.1",),
        )
        found = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        leaf = ("632324", shapely.box(-2e6, 3e6, 0.0, 5e6).wkb)
        good, bad = (
            TileJob(*places[n][0], "month",
                    tuple(s for s in found if s.item_id == n), (leaf,))
            for n in (GOOD, BAD)
        )  # fmt: skip
        mine = settings.model_copy(update={"project": project})
        assert not compute_tiles([good], config, mine)[0].error
        stand_in.tokens.clear()
        stand_in.token_life = timedelta(minutes=-1)
        outcomes = compute_tiles([bad, good], config, mine)
        assert not outcomes[1].error
        assert "with a signed address; gave up" in outcomes[0].error
        assert f"scene {BAD}" in outcomes[0].error
        assert "sig=" not in outcomes[0].error
        assert service.url.removeprefix("http://") in outcomes[0].error
        stand_in.token_life = timedelta(minutes=45)
        open_archive.cache_clear()
        check_mended(compute_tiles([bad, good], config, mine))


def state_checksums(folder):
    for path in folder.glob("*/*.json"):
        item = json.loads(path.read_text())
        for asset in item["assets"].values():
            data = (path.parent / asset["href"]).read_bytes()
            asset["file:checksum"] = f"1220{hashlib.sha256(data).hexdigest()}"
            asset["file:size"] = len(data)
        path.write_text(json.dumps(item))


@pytest.mark.parametrize("whole_mb", [8.0, 0.0], ids=["small file", "large file"])
def test_bytes_with_a_wrong_checksum_fail_their_tile_and_are_read_anew(
    whole_mb, folder, places, project_folder, config, settings
):
    state_checksums(folder)
    victim = folder / BAD / "B04.tif"
    right = victim.read_bytes()
    wrong = bytearray(right)
    wrong[-50] ^= 0xFF  # a bit of the last block flips
    reads = QUICK.model_copy(update={"whole_mb": whole_mb})
    settings = settings.model_copy(update={"reads": reads})
    with serving(StacStandIn(folder)) as service:
        source = SourceConfig(kind="api", url=service.url)
        found = pin_scenes(
            source, project=project_folder, bbox=EVERYWHERE, period=AUGUST
        )
        leaf = ("632324", shapely.box(-2e6, 3e6, 0.0, 5e6).wkb)
        asked = [
            TileJob(*places[n][0], "month",
                    tuple(s for s in found if s.item_id == n), (leaf,))
            for n in (BAD, GOOD)
        ]  # fmt: skip
        victim.write_bytes(bytes(wrong))
        service.faults.clear()
        said = "checksum is not the one in the catalogue"
        check_broken(compute_tiles(asked, config, settings), service, settings, said)
        had = {r[1:] for r in service.asset_requests if f"{BAD}/B04" not in r[1]}
        victim.write_bytes(right)
        service.faults.clear()
        check_mended(compute_tiles(asked, config, settings))
        again = {r[1:] for r in service.asset_requests}
        assert again
        assert not had & again


def test_an_item_that_lacks_an_asset_is_refused_when_it_is_pinned(
    folder, service, project_folder
):
    path = folder / BAD / f"{BAD}.json"
    item = json.loads(path.read_text())
    del item["assets"]["swir16"]
    path.write_text(json.dumps(item))
    with serving(StacStandIn(folder, checksums=False)) as lacking:
        source = SourceConfig(kind="api", url=lacking.url)
        with pytest.raises(SourceError, match=BAD) as told:
            pin_scenes(source, project=project_folder, bbox=EVERYWHERE, period=AUGUST)
    assert "swir16" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_full_disk_ends_the_run_keeps_what_is_done_and_reads_on(
    jobs, service, settings, config, monkeypatch
):
    """A store that can keep nothing more cannot finish other tiles either."""
    bad, good = jobs()
    done = compute_tiles([good], config, settings)
    assert not done[0].error
    written = pages.Path.write_bytes
    left = [2]

    def nearly_full(path, data):
        if path.suffix == ".toml" or BAD.encode() in data:
            return written(path, data)
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(pages.Path, "write_bytes", nearly_full)
    service.faults.clear()
    with pytest.raises(StoreFault, match="No space left on device") as told:
        compute_tiles([bad, good], config, settings)
    assert BAD in str(told.value)
    assert service.url.removeprefix("http://") in str(told.value)
    assert "store gc" in str(told.value)
    monkeypatch.setattr(pages.Path, "write_bytes", written)
    whole, torn = artifacts(settings)
    assert len(whole) == len(done[0].made)
    assert not torn
    check_mended(compute_tiles([bad, good], config, settings))

"""Reading over HTTP: the same pixels as from disk, whatever goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit

import numpy as np
import pytest
from click.testing import CliRunner

from qhsink.cli.sources import sources
from qhsink.config import ReadConfig, SourceConfig, load_sources
from qhsink.domain.errors import SourceError, StoreFault
from qhsink.domain.period import parse_month
from qhsink.sources import pages
from qhsink.sources.keys import Keys
from qhsink.sources.reading import read_window
from qhsink.sources.remote import Archive
from qhsink.sources.stac import pin_scenes
from qhsink.store import Store, make_key
from tests.standins.stac_api import StacStandIn, serving

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
AUGUST = parse_month("2025-08")
QUICK = ReadConfig(
    tries=3, backoff_s=0.01, idle_s=0.4, total_s=4.0, page_kb=16, request_kb=32
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def project(tmp_path):
    """A project folder whose bounds suit an impatient test."""
    folder = tmp_path / "project"
    (folder / "config").mkdir(parents=True)
    lines = [f"{name} = {value}" for name, value in QUICK.model_dump().items()]
    (folder / "config" / "sources.toml").write_text("[reads]\n" + "\n".join(lines))
    return folder


@pytest.fixture
def scenes_folder(tmp_path, write_item, rng):
    """Two dates whose files are several pages long."""
    folder = tmp_path / "archive"
    for day in ("2025-08-02", "2025-08-07"):
        numbers = rng.integers(1000, 9000, (64, 64))
        write_item(f"S2B_{day}", day=day, fill=numbers, folder=folder, tiled=True)
    return folder


@pytest.fixture
def service(scenes_folder):
    with serving(StacStandIn(scenes_folder, checksums=False)) as running:
        yield running


@pytest.fixture
def pin(service, project):
    """Pin the scenes of the service."""

    def pinned(**options):
        source = SourceConfig(kind="api", url=service.url, **options)
        return pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)

    return pinned


@pytest.fixture
def archive(tmp_path):
    return Archive(QUICK, Keys(()), tmp_path / "store" / "reads")


@pytest.fixture
def from_disk(scenes_folder, utm, project):
    source = SourceConfig(kind="static", url=str(scenes_folder))
    found = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
    return read_window(found, utm)


def same(one, other):
    np.testing.assert_array_equal(one.reflectance, other.reflectance)
    np.testing.assert_array_equal(one.mask, other.mask)
    assert one.days == other.days
    return True


def test_pixels_over_http_are_those_on_disk(pin, utm, archive, from_disk):
    assert same(read_window(pin(), utm, archive), from_disk)


def test_files_that_gdal_looks_for_beside_a_raster_are_not_there(
    pin, archive, from_disk
):
    """Outside ``bounded_gdal`` GDAL asks for masks, world files and metadata too."""
    scene = pin()[0]
    with archive.raster(scene.file("red")) as source:
        numbers = source.read(1)
        assert source.files == [source.name]
    expected = from_disk.reflectance[0, 2]
    np.testing.assert_array_equal(numbers - 1000.0, expected)


def test_a_source_on_a_web_server_is_checked_from_the_command_line(
    service, project, tmp_path, monkeypatch, project_folder
):
    for name in ("monitor.toml", "demo.toml"):
        shutil.copy(project_folder / "config" / name, project / "config" / name)
    links = [
        {"rel": "item", "href": f"./{p.parent.name}/{p.name}"}
        for p in sorted(service.root.glob("*/*.json"))
    ]
    catalogue = {"type": "Catalog", "id": "x", "stac_version": "1.0.0", "links": links}
    (service.root / "catalog.json").write_text(json.dumps(catalogue))
    monkeypatch.setenv("QHSINK_HOME", str(project))
    where = f"{service.url}/data/catalog.json"
    store = str(tmp_path / "store")
    box = ["--bbox", "-180", "-90", "180", "90"]
    done = CliRunner().invoke(sources, ["check", where, "--store", store, *box])
    assert done.exit_code == 0, done.output
    host = service.url.removeprefix("http://")
    assert f"64 x 64 pixels of red from {host}" in done.output
    assert "this source can be used" in done.output


def test_files_are_pinned_by_the_servers_version(pin):
    for scene in pin():
        assert all(file.stamp and file.size for file in scene.files)
        assert all("?" not in file.href for file in scene.files)


def test_nothing_is_read_twice(pin, utm, archive, service, from_disk):
    scenes = pin()
    read_window(scenes, utm, archive)
    service.faults.clear()
    again = Archive(QUICK, Keys(()), archive.cache)
    assert same(read_window(scenes, utm, again), from_disk)
    assert service.asset_requests == []


def test_a_damaged_page_is_read_again(pin, utm, archive, service, from_disk):
    scenes = pin()
    read_window(scenes, utm, archive)
    victim = next(archive.cache.rglob("*.page"))
    content = bytearray(victim.read_bytes())
    content[100] ^= 0xFF
    victim.write_bytes(content)
    service.faults.clear()
    assert same(read_window(scenes, utm, archive), from_disk)
    assert len(service.asset_requests) == 1


def test_requests_at_once_are_bounded(pin, utm, tmp_path, service):
    bounded = QUICK.model_copy(update={"concurrent": 3})
    scenes = pin()
    service.faults.clear()
    service.faults.latency_s = 0.02
    read_window(scenes, utm, Archive(bounded, Keys(()), tmp_path / "reads"))
    assert 2 <= service.faults.most_at_once <= 3


PASSING = [
    ("timeout", "a server that does not answer"),
    ("reset", "a connection reset in the middle of a block"),
    ("429", "too many requests"),
    ("503", "a busy server"),
    ("truncated", "a body that ends too early"),
    ("html", "a web page with status 200"),
]


@pytest.mark.parametrize(
    "kind", [k for k, _ in PASSING], ids=[name for _, name in PASSING]
)
def test_a_passing_fault_leaves_no_trace(kind, pin, utm, archive, service, from_disk):
    scenes = pin()
    service.faults.add(kind, match="/data/.*B04", times=2)
    assert same(read_window(scenes, utm, archive), from_disk)


def test_a_storm_of_429_over_all_files_passes(pin, utm, tmp_path, service, from_disk):
    scenes = pin()
    service.faults.clear()
    service.faults.add("429", match="/data/", times=10)
    patient = QUICK.model_copy(update={"tries": 8, "total_s": 20.0})
    archive = Archive(patient, Keys(()), tmp_path / "reads")
    assert same(read_window(scenes, utm, archive), from_disk)


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


@pytest.mark.parametrize(("kind", "said"), LASTING, ids=[k for k, _ in LASTING])
def test_a_lasting_fault_ends_in_one_line_and_nothing_is_read_again(
    kind, said, pin, utm, archive, service, from_disk
):
    scenes = pin()
    service.faults.clear()
    service.faults.add(kind, match="/data/S2B_2025-08-07/B04")
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        read_window(scenes, utm, archive)
    assert time.monotonic() - began < 3 * QUICK.total_s
    message = str(caught.value)
    assert said in message
    assert "S2B_2025-08-07: red" in message
    assert service.url.removeprefix("http://") in message
    assert "\n" not in message
    done = {r[1:] for r in service.asset_requests if "2025-08-07/B04" not in r[1]}
    service.faults.clear()
    assert same(read_window(scenes, utm, archive), from_disk)
    assert not done & {r[1:] for r in service.asset_requests}


def test_tries_are_bounded(pin, utm, archive, service):
    scenes = pin()
    service.faults.clear()
    service.faults.add("503", match="/data/S2B_2025-08-02/SCL")
    with pytest.raises(SourceError, match="gave up after 3 tries"):
        read_window(scenes[:1], utm, archive)
    assert len(service.asset_requests) == QUICK.tries


def test_a_missing_file_is_asked_for_once(pin, utm, archive, service):
    scenes = pin()
    service.faults.clear()
    service.faults.add("404", match="/data/S2B_2025-08-02/SCL")
    with pytest.raises(SourceError, match="404"):
        read_window(scenes[:1], utm, archive)
    assert len(service.asset_requests) == 1


@pytest.mark.parametrize("longer", [b"", b"x"], ids=["version", "size"])
def test_a_file_that_changes_after_it_was_pinned_is_an_error(
    longer, pin, utm, archive, scenes_folder
):
    scenes = pin()
    victim = scenes_folder / "S2B_2025-08-02" / "B04.tif"
    victim.write_bytes(victim.read_bytes() + longer)
    with pytest.raises(SourceError, match="changed since it was pinned"):
        read_window(scenes, utm, archive)
    assert read_window(pin(), utm, archive).days  # pinned anew, it is another file


def test_no_space_left_is_the_stores_fault_and_names_scene_and_host(
    pin, utm, archive, service, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    scenes = pin()
    monkeypatch.setattr(pages.Path, "write_bytes", full)
    with pytest.raises(StoreFault, match="No space left on device") as told:
        read_window(scenes, utm, archive)
    assert any(scene.item_id in str(told.value) for scene in scenes)
    assert f"host {urlsplit(service.url).netloc}" in str(told.value)
    assert "\n" not in str(told.value)
    assert not list(archive.cache.rglob("*.page"))


DOWNLOAD = """
import sys
from pathlib import Path
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from qhsink.config import Settings, SourceConfig, load_reads
from qhsink.domain.period import parse_month
from qhsink.sources.reading import read_window
from qhsink.sources.remote import open_archive
from qhsink.sources.stac import pin
from qhsink.store import Store, make_key
url, project, store = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
source = SourceConfig(kind="api", url=url)
box = GeoBox((64, 64), Affine(20, 0, 300_000, 0, -20, 4_100_000), "EPSG:32648")
scenes = pin(source, project=project, bbox=(-180.0, -90.0, 180.0, 90.0),
             period=parse_month("2025-08"))
settings = Settings(project=project, store=store, reads=load_reads(project))
def write(folder):
    stack = read_window(scenes, box, open_archive(settings))
    np.save(folder / "stack.npy", stack.reflectance)
    return {}
Store(store).put(make_key("window", code="1", params={}, inputs={}), write)
"""
"""A process that reads a window over the network into an artifact."""


def download(service, project, store, **options):
    arguments = [service.url, str(project), str(store)]
    return subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_process_killed_during_a_download_leaves_nothing_half_and_reads_on(
    service, project, tmp_path, archive, from_disk
):
    store = tmp_path / "killed"
    service.faults.latency_s = 0.15
    process = download(service, project, store)
    end = time.monotonic() + 60
    while len(list(store.rglob("*.page"))) < 6:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()
    key = make_key("window", code="1", params={}, inputs={})
    assert Store(store).find(key) is None
    had = sorted(store.rglob("*.page"))
    assert had
    for page in had:
        content = page.read_bytes()
        assert hashlib.sha256(content[32:]).digest() == content[:32], "torn"

    service.faults.clear()
    service.faults.latency_s = 0.0
    process = download(service, project, store)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    found = Store(store).find(key)
    kept = np.load(found.path("stack.npy"))
    np.testing.assert_array_equal(kept, from_disk.reflectance)
    missing = len(list(store.rglob("*.page"))) - len(had)
    assert missing > 0
    ranges = [r for r in service.asset_requests if r[2] != "bytes=0-0"]
    pages = sum(_pages(span) for _, _, span in ranges)
    # A file whose first page is there, but not yet its size, is asked for its size.
    assert pages == missing, "what was kept is not read again"


def _pages(span):
    first, _, last = span.removeprefix("bytes=").partition("-")
    size = QUICK.page_kb * 1024
    return int(last) // size - int(first) // size + 1


# Checksums of the catalogue.


def state_checksums(folder, change=None):
    """Add file:checksum to every item; ``change`` one asset's to a wrong one."""
    for path in folder.glob("*/*.json"):
        item = json.loads(path.read_text())
        for key, asset in item["assets"].items():
            data = (path.parent / asset["href"]).read_bytes()
            digest = hashlib.sha256(b"other" if key == change else data).hexdigest()
            asset |= {"file:checksum": f"1220{digest}", "file:size": len(data)}
        path.write_text(json.dumps(item))


@pytest.mark.parametrize("whole_mb", [8.0, 0.0], ids=["small file", "large file"])
def test_a_wrong_checksum_is_an_error(scenes_folder, project, utm, tmp_path, whole_mb):
    state_checksums(scenes_folder, change="red")
    config = QUICK.model_copy(update={"whole_mb": whole_mb})
    archive = Archive(config, Keys(()), tmp_path / "reads")
    with serving(StacStandIn(scenes_folder)) as service:
        source = SourceConfig(kind="api", url=service.url)
        scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        with pytest.raises(SourceError, match=r"red .* checksum is not the") as told:
            read_window(scenes, utm, archive)
        assert "scene S2B_2025-08-0" in str(told.value)
        assert service.url.removeprefix("http://") in str(told.value)


def test_a_right_checksum_names_the_content_wherever_it_lies(
    scenes_folder, project, utm, archive, from_disk
):
    state_checksums(scenes_folder)
    for _ in range(2):  # the second server is at another address
        with serving(StacStandIn(scenes_folder)) as service:
            source = SourceConfig(kind="api", url=service.url)
            scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
            assert same(read_window(scenes, utm, archive), from_disk)
            asked = len(service.asset_requests)
    assert asked == 0


def test_a_file_on_disk_with_a_wrong_checksum_is_an_error(scenes_folder, project, utm):
    state_checksums(scenes_folder, change="nir08")
    source = SourceConfig(kind="static", url=str(scenes_folder))
    scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
    with pytest.raises(SourceError, match=r"nir .* checksum is not the one"):
        read_window(scenes, utm)


# Keys: signed addresses and tokens.


def signing(service, **more):
    return SourceConfig(
        kind="api",
        url=service.url,
        token_url=service.url + "/token/{account}/{container}",
        key_hosts=("127.0.0.1",),
        **more,
    )


def test_addresses_are_signed_when_read_and_never_pinned(
    scenes_folder, project, utm, tmp_path, from_disk
):
    stand_in = StacStandIn(scenes_folder, dialect="planetary-computer", checksums=False)
    with serving(stand_in) as service:
        source = signing(service)
        scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        service.faults.clear()
        archive = Archive(QUICK, Keys([source]), tmp_path / "reads")
        stack = read_window(scenes, utm, archive)
        np.testing.assert_array_equal(stack.mask, from_disk.mask)
        np.testing.assert_array_equal(stack.reflectance, from_disk.reflectance)
        tokens = [r for r in service.faults.requests if r[1].startswith("/token/")]
        assert len(tokens) == 1, "one token serves the container"
    kept = b"".join(p.read_bytes() for p in tmp_path.glob("reads/**/*.json"))
    assert not any(token.encode() in kept for token in stand_in.tokens)
    assert "sig=" not in repr(scenes)


def test_an_expired_token_is_replaced_while_reading(
    scenes_folder, project, utm, tmp_path, from_disk
):
    stand_in = StacStandIn(scenes_folder, dialect="planetary-computer", checksums=False)
    with serving(stand_in) as service:
        source = signing(service)
        scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        keys = Keys([source])
        read_window(scenes[:1], utm, Archive(QUICK, keys, tmp_path / "one"))
        stand_in.tokens.clear()  # the service no longer honours what it issued
        stack = read_window(scenes, utm, Archive(QUICK, keys, tmp_path / "two"))
        assert same(stack, from_disk)


def test_a_token_that_is_never_accepted_ends_with_scene_and_host(
    scenes_folder, project, utm, tmp_path
):
    stand_in = StacStandIn(scenes_folder, dialect="planetary-computer", checksums=False)
    stand_in.token_life = timedelta(minutes=-1)
    with serving(stand_in) as service:
        source = signing(service)
        archive = Archive(QUICK, Keys([source]), tmp_path / "reads")
        # The catalogue is open; the server of files takes no token.
        scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        service.faults.clear()
        with pytest.raises(SourceError, match="with a signed address; gave up") as told:
            read_window(scenes[:1], utm, archive)
        assert "scene S2B_2025-08-02: mask" in str(told.value)
        assert service.url.removeprefix("http://") in str(told.value)
        assert "sig=" not in str(told.value)
        files = [r for r in service.asset_requests if "SCL" in r[1]]
        assert len(files) == QUICK.tries


def test_a_token_service_that_refuses_is_named_without_its_token(
    scenes_folder, project, utm, tmp_path
):
    stand_in = StacStandIn(scenes_folder, dialect="planetary-computer", checksums=False)
    with serving(stand_in) as service:
        source = signing(service)
        scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        service.faults.add("429", match="/token/")
        archive = Archive(QUICK, Keys([source]), tmp_path / "reads")
        with pytest.raises(SourceError, match="429 from the token service") as caught:
            read_window(scenes, utm, archive)
        assert "sig=" not in str(caught.value)


def test_a_bearer_token_comes_from_the_environment_and_goes_nowhere_else(
    scenes_folder, project, utm, tmp_path, monkeypatch, from_disk
):
    stand_in = StacStandIn(scenes_folder, checksums=False)
    stand_in.bearer = "s3cret-and-planted"
    with serving(stand_in) as service:
        source = SourceConfig(
            kind="api", url=service.url, bearer_env="ARCHIVE_TOKEN",
            key_hosts=("127.0.0.1",),
        )  # fmt: skip
        monkeypatch.delenv("ARCHIVE_TOKEN", raising=False)
        with pytest.raises(SourceError, match="ARCHIVE_TOKEN is not set"):
            pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        monkeypatch.setenv("ARCHIVE_TOKEN", stand_in.bearer)
        scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        archive = Archive(QUICK, Keys([source]), tmp_path / "reads")
        assert same(read_window(scenes, utm, archive), from_disk)
        monkeypatch.setenv("ARCHIVE_TOKEN", "wrong-and-planted")
        other = Archive(QUICK, Keys([source]), tmp_path / "other")
        with pytest.raises(SourceError, match="403") as caught:
            read_window(scenes, utm, other)
    assert "planted" not in str(caught.value) + repr(scenes)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"planted" not in path.read_bytes()


def test_a_key_is_not_sent_over_plain_http():
    source = SourceConfig(
        kind="api", url="https://example.org", bearer_env="ARCHIVE_TOKEN",
        key_hosts=(".example.org",),
    )  # fmt: skip
    with pytest.raises(SourceError, match="plain http"):
        Keys([source]).sign("http://data.example.org/a.tif", None, 1.0)


# The search.


def test_pages_of_a_search_are_followed(service, pin):
    service.page_size = 1
    assert len(pin()) == 2
    posts = [r for r in service.faults.requests if r[1].startswith("/search")]
    assert len(posts) == 2


def test_a_busy_search_is_asked_again(service, pin):
    service.faults.add("503", match="/search", times=1)
    assert len(pin()) == 2


def test_a_web_page_for_a_search_is_one_line(service, pin):
    service.faults.add("html", match="/")
    with pytest.raises(SourceError, match="STAC API") as caught:
        pin()
    assert "\n" not in str(caught.value)


def test_an_alternate_address_is_read_where_the_source_says_so(
    scenes_folder, project, utm, archive
):
    with serving(StacStandIn(scenes_folder, checksums=False)) as service:
        plain = service._dressed

        def in_s3(folder, item):
            dressed = plain(folder, item)
            for asset in dressed["assets"].values():
                asset["alternate"] = {"https": {"href": asset["href"]}}
                asset["href"] = "s3://eodata/" + asset["href"].rpartition("/")[2]
            return dressed

        service._dressed = in_s3
        source = SourceConfig(kind="api", url=service.url, alternate="https")
        scenes = pin_scenes(source, project=project, bbox=EVERYWHERE, period=AUGUST)
        assert read_window(scenes, utm, archive).days


def test_every_source_of_the_project_can_be_loaded(project_folder):
    sources = load_sources(project_folder)
    assert {"demo", "earth-search", "planetary-computer", "cdse"} <= set(sources)
    for source in sources.values():
        assert not source.token_url or "{container}" in source.token_url
        assert bool(source.token_url or source.bearer_env) == bool(source.key_hosts)

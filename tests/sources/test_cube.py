"""One cube, whichever archive it comes from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pytest

from qhsink.config import ReadConfig, Settings, SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import parse_month
from qhsink.domain.scene import BANDS
from qhsink.imagery.composite import median_composite
from qhsink.imagery.encoding import NODATA
from qhsink.imagery.masking import MaskRules, classify_observations
from qhsink.sources.cube import open_cube
from qhsink.sources.earthengine_connection import close_session
from qhsink.sources.reading import read_window
from qhsink.sources.remote import open_archive
from qhsink.sources.stac import pin
from tests.sources.conftest import PIXEL
from tests.standins.earthengine import PROJECT
from tests.standins.earthengine import serving as serving_engine
from tests.standins.earthengine_images import S2, twin_world
from tests.standins.stac_api import StacStandIn, serving

pytestmark = pytest.mark.xdist_group("earthengine")

EVERYWHERE = (90.0, 30.0, 105.0, 40.0)
AUGUST = parse_month("2025-08")
RULES = MaskRules((4, 5, 6), 6, (0, 1, 2, 3, 4, 5), 7, 480.0, 0.4, 0.11, PIXEL)


@pytest.fixture
def settings(tmp_path):
    """A project folder of its own: an archive is known by its settings."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sources.toml").write_text("", encoding="utf-8")
    reads = ReadConfig(tries=3, backoff_s=0.01, idle_s=5.0, total_s=20.0)
    return Settings(project=tmp_path, store=tmp_path / "store", reads=reads)


@pytest.fixture
def three(catalogue, monkeypatch):
    """A catalogue on a web server, a STAC API and Earth Engine, with one content."""
    stac = StacStandIn(catalogue)
    with serving(stac) as service, serving_engine(twin_world(catalogue)) as engine:
        monkeypatch.setenv("EARTHENGINE_TOKEN", json.dumps(engine.service_account()))
        yield {
            "catalogue": SourceConfig(
                kind="static", url=f"{service.url}/data/{catalogue.name}"
            ),
            "api": SourceConfig(kind="api", url=service.url),
            "engine": SourceConfig(
                kind="earthengine",
                url=engine.url,
                cloud_project=PROJECT,
                collections=(S2,),
            ),
        }
    close_session()


def pinned(source, settings):
    found = pin(source, project=settings.project, bbox=EVERYWHERE, period=AUGUST)
    assert found
    return found


def test_three_archives_give_one_composite(three, settings, tile):
    stacks, composites = {}, {}
    for name, source in three.items():
        scenes = pinned(source, settings)
        stack = read_window(scenes, tile.geobox, open_archive(settings))
        seen = classify_observations(
            stack.reflectance, stack.mask, stack.mask_kind, RULES
        )
        stacks[name] = stack
        composites[name] = median_composite(
            stack.reflectance, seen.clear, seen.water, min_clear=1
        )
    one, same, other = (composites[name] for name in ("catalogue", "api", "engine"))
    assert stacks["catalogue"].days == stacks["api"].days == stacks["engine"].days
    assert (one.n_clear > 1).mean() > 0.3
    np.testing.assert_array_equal(same.reflectance, one.reflectance)
    np.testing.assert_array_equal(same.n_clear, one.n_clear)
    # The harmonised collection is unsigned: where a file shows deep shade a little
    # below zero on some date, the two medians are not of the same numbers.
    numbers = stacks["catalogue"].reflectance
    positive = ~((numbers < 0) & (numbers > NODATA)).any(axis=(0, 1))
    assert positive.mean() > 0.9
    differs = np.abs(other.reflectance - one.reflectance.astype(int)).max(axis=0) > 1
    # What is left are pixels whose centre lies on the edge of two source pixels.
    assert (differs & positive).sum() <= 4
    assert (other.n_clear != one.n_clear).sum() <= 4


def test_three_cubes_are_lazy_and_those_of_the_window(three, settings, tile):
    box = tile.geobox[10:90, 20:128]
    for name, source in three.items():
        scenes = pinned(source, settings)
        stack = read_window(scenes, box, open_archive(settings))
        cube = open_cube(
            scenes,
            box,
            chunks={"x": 64, "y": 48},
            rules=RULES,
            source=source,
            settings=settings,
        )
        assert list(cube.data_vars) == [*BANDS, "mask", "clear"]
        for layer in cube.data_vars.values():
            assert layer.chunks is not None, f"{layer.name} was computed"
        assert cube["red"].attrs["units"] == "1"
        assert cube["red"].dtype == np.float32
        cube = cube.compute(scheduler="threads", num_workers=2)
        np.testing.assert_array_equal(cube["mask"], stack.mask, err_msg=name)
        for number, band in enumerate(BANDS):
            layer = stack.reflectance[:, number]
            expected = np.where(layer == NODATA, np.nan, layer / 1e4)
            np.testing.assert_allclose(cube[band], expected, atol=1e-6, err_msg=name)
        days = cube["time"].to_numpy().astype("datetime64[D]").tolist()
        assert tuple(days) == stack.days


def test_pixels_are_those_of_odc_stac(catalogue, settings, tile):
    """A second implementation: digital numbers by odc-stac, scale and offset by hand.

    Of one granule, as odc-stac takes an overlap from whichever comes first.
    """
    found = pinned(SourceConfig(kind="static", url=str(catalogue)), settings)
    stacks = {
        name: read_window([s for s in found if name in s.item_id], tile.geobox)
        for name in sorted({scene.item_id.split("_")[1] for scene in found})
    }
    name = max(stacks, key=lambda name: (stacks[name].reflectance != NODATA).sum())
    scenes = [scene for scene in found if name in scene.item_id]
    catalog = pystac.Catalog.from_file(str(catalogue))
    items = [i for i in catalog.get_items(recursive=True) if name in i.id]
    items = [i for i in items if i.datetime.month == 8]
    assert sorted(i.id for i in items) == sorted(s.item_id for s in scenes)
    keys = {"red": "red", "nir": "nir08", "swir22": "swir22", "mask": "scl"}
    theirs = odc.stac.load(
        items,
        bands=list(keys.values()),
        geobox=tile.geobox,
        chunks={"x": 64, "y": 64},
        resampling="nearest",
        groupby="solar_day",
    )
    ours = open_cube(scenes, tile.geobox, chunks={"x": 64, "y": 64}, rules=RULES)
    assert theirs["red"].chunks == ours["red"].chunks
    assert theirs.sizes["time"] == ours.sizes["time"] > 1
    for band, key in keys.items():
        raw, mine = theirs[key].to_numpy(), ours[band].to_numpy()
        if band != "mask":
            # Demonstration items state scale 0.0001 and offset -0.1, nodata 0.
            raw = np.where(raw == 0, np.nan, raw * 1e-4 - 0.1)
        same = np.isclose(mine, raw, atol=1e-6, equal_nan=True)
        # GDAL places pixels to an eighth of one: some on an edge take the neighbour.
        assert same.mean() > 0.998
        assert same.all(axis=0)[np.isfinite(raw).any(axis=0)].mean() > 0.99


def test_what_is_clear_has_no_seams_between_chunks(catalogue, settings, tile):
    source = SourceConfig(kind="static", url=str(catalogue))
    scenes = pinned(source, settings)
    box, margin = tile.geobox[20:84, 20:84], RULES.dilation_px
    stack = read_window(scenes, box.pad(margin))
    seen = classify_observations(stack.reflectance, stack.mask, stack.mask_kind, RULES)
    expected = seen.clear[:, margin:-margin, margin:-margin]
    assert 0.1 < expected.mean() < 0.9
    cube = open_cube(scenes, box, chunks={"x": 16, "y": 16}, rules=RULES)
    np.testing.assert_array_equal(cube["clear"].compute(), expected)


def test_a_window_that_no_scene_touches_is_refused(catalogue, settings, tile):
    scenes = pinned(SourceConfig(kind="static", url=str(catalogue)), settings)
    far = tile.geobox.translate_pix(10_000, 0)
    with pytest.raises(SourceError, match="touches the window"):
        open_cube(scenes, far, chunks={}, rules=RULES)


def test_a_broken_file_fails_when_it_is_computed_and_names_the_scene(
    tmp_path, write_item, settings, utm
):
    numbers = np.random.default_rng(7).integers(1, 12_000, utm.shape)
    write_item("a", fill=numbers, tiled=True, folder=tmp_path / "archive")
    scenes = pinned(
        SourceConfig(kind="static", url=str(tmp_path / "archive")), settings
    )
    path = tmp_path / "archive" / "a" / "B04.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cube = open_cube(scenes, utm, chunks={}, rules=RULES)
    with pytest.raises(SourceError, match=r"scene a: red"):
        cube["red"].compute()


# Catalogues on a web server.


@pytest.fixture
def web(tmp_path, write_item):
    """Two scenes in a catalogue on a web server, with an address to link from."""
    write_item("a", day="2025-08-02", folder=tmp_path / "www")
    write_item("b", day="2025-08-09", folder=tmp_path / "www")
    links = [{"rel": "item", "href": f"./{n}/{n}.json"} for n in ("a", "b")]
    write_catalogue(tmp_path / "www", links)
    with serving(StacStandIn(tmp_path / "www")) as service:
        yield service


def write_catalogue(folder, links, **more):
    content = {"type": "Catalog", "id": "x", "stac_version": "1.0.0", "links": links}
    path = folder / "catalog.json"
    path.write_text(json.dumps({**content, **more}), encoding="utf-8")
    return path


def static(service, **more):
    return SourceConfig(kind="static", url=f"{service.url}/data/catalog.json", **more)


def test_a_catalogue_on_a_web_server_is_that_on_disk(web, settings, utm):
    remote = pinned(static(web), settings)
    disk = SourceConfig(kind="static", url=str(web.root / "catalog.json"))
    local = pin(disk, project=settings.project, bbox=EVERYWHERE, period=AUGUST)
    plain = [replace(s, files=()) for s in local]
    assert [replace(s, files=()) for s in remote] == plain
    assert remote[0].file("red").href == f"{web.url}/data/a/B04.tif"
    assert remote[0].file("red").stamp
    one = read_window(remote, utm, open_archive(settings))
    other = read_window(local, utm)
    np.testing.assert_array_equal(one.reflectance, other.reflectance)


def test_links_that_lead_in_a_circle_are_followed_once(web, settings):
    home = {"rel": "child", "href": "./catalog.json"}
    item = {"rel": "item", "href": "a/a.json"}
    write_catalogue(web.root, [home, item, item])
    assert [s.item_id for s in pinned(static(web), settings)] == ["a"]


def test_a_collection_that_is_not_asked_for_is_not_entered(web, settings):
    write_catalogue(web.root, [{"rel": "item", "href": "a/a.json"}], type="Collection")
    source = static(web, collections=("landsat-c2-l2",))
    assert pin(source, project=Path(), bbox=EVERYWHERE, period=AUGUST) == ()
    assert [r[1] for r in web.faults.requests] == ["/data/catalog.json"]


@pytest.mark.parametrize("kind", ["429", "503", "reset", "truncated", "html"])
def test_a_catalogue_that_comes_late_is_asked_for_again(web, settings, kind):
    web.faults.add(kind, match="catalog.json", times=2)
    (settings.project / "config" / "sources.toml").write_text(
        "[reads]\nbackoff_s = 0.01\n", encoding="utf-8"
    )
    assert len(pinned(static(web), settings)) == 2


@pytest.mark.parametrize(
    ("kind", "said"), [("404", "404"), ("html", "a web page with status 200")]
)
def test_a_catalogue_that_does_not_come_is_one_line_with_its_host(
    web, settings, kind, said
):
    (settings.project / "config" / "sources.toml").write_text(
        "[reads]\nbackoff_s = 0.01\ntries = 2\n", encoding="utf-8"
    )
    web.faults.add(kind, match="b/b.json")
    with pytest.raises(SourceError, match=said) as told:
        pinned(static(web), settings)
    assert "/data/b/b.json" in str(told.value)
    assert web.url.removeprefix("http://") in str(told.value)
    assert "\n" not in str(told.value)


def test_a_catalogue_elsewhere_may_not_name_files_of_this_machine(web, settings):
    write_catalogue(web.root, [{"rel": "item", "href": "file:///etc/hostname"}])
    with pytest.raises(SourceError, match="a link to file:///etc/hostname"):
        pinned(static(web), settings)
    item = json.loads((web.root / "a" / "a.json").read_text())
    item["assets"]["red"]["href"] = "s3://bucket/B04.tif"
    (web.root / "a" / "a.json").write_text(json.dumps(item))
    write_catalogue(web.root, [{"rel": "item", "href": "a/a.json"}])
    with pytest.raises(SourceError, match=r"item a: asset red is at s3://bucket"):
        pinned(static(web), settings)
    source = static(web, rewrite=(("s3://bucket/", f"{web.url}/data/a/"),))
    (scene,) = pinned(source, settings)
    assert scene.file("red").href == f"{web.url}/data/a/B04.tif"

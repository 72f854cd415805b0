"""Scenes are pinned from folders, static catalogues and APIs."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period, parse_month
from qhsink.domain.scene import scene_from_json, scene_to_json
from qhsink.sources.stac import pin_scenes, solar_day

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
AUGUST = parse_month("2025-08")
DEM = "cop-dem-glo-30"


def pin(folder, *, bbox=EVERYWHERE, period=AUGUST, **fields):
    source = SourceConfig(kind="static", url=str(folder), **fields)
    return pin_scenes(source, project=folder, bbox=bbox, period=period)


def write_catalogue(folder, names):
    links = [
        {"rel": "item", "href": f"./{name}/{name}.json", "type": "application/json"}
        for name in names
    ]
    catalogue = {
        "type": "Catalog",
        "id": "demo",
        "stac_version": "1.0.0",
        "description": "two scenes",
        "links": [{"rel": "self", "href": "./catalog.json"}, *links],
    }
    path = folder / "catalog.json"
    path.write_text(json.dumps(catalogue), encoding="utf-8")
    return path


def test_a_static_catalogue_is_pinned_in_order_of_time(tmp_path, write_item):
    write_item("late", day="2025-08-20")
    write_item("early", day="2025-08-02")
    path = write_catalogue(tmp_path, ["late", "early"])

    scenes = pin_scenes(
        SourceConfig(kind="static", url="catalog.json"),
        project=tmp_path,
        bbox=EVERYWHERE,
        period=AUGUST,
    )

    assert [s.item_id for s in scenes] == ["early", "late"]
    first = scenes[0]
    assert first.acquired == datetime(2025, 8, 2, 4, 17, 1, 24000, tzinfo=UTC)
    assert (first.platform, first.baseline) == ("sentinel-2b", "05.11")
    assert first.cloud_share == pytest.approx(0.125)
    assert first.file("red").href == str((path.parent / "early" / "B04.tif").resolve())
    assert first.file("red").offset == -0.1
    assert not first.simulated


def test_a_pin_survives_json(tmp_path, write_item):
    write_item("a")
    (scene,) = pin(tmp_path)
    assert scene_from_json(json.loads(json.dumps(scene_to_json(scene)))) == scene


def test_an_item_that_says_it_is_simulated_is_pinned_as_such(tmp_path, write_item):
    write_item("a", properties={"provenance": "simulated"})
    assert pin(tmp_path)[0].simulated


def test_an_empty_month_pins_nothing(tmp_path, write_item):
    write_item("a", day="2025-07-31")
    assert pin(tmp_path) == ()


def test_scenes_elsewhere_are_not_pinned(tmp_path, write_item):
    write_item("a")
    assert pin(tmp_path, bbox=(0.0, 0.0, 10.0, 10.0)) == ()


def test_other_collections_are_not_pinned(tmp_path, write_item):
    write_item("a")
    assert pin(tmp_path, collections=("landsat-c2-l2",)) == ()


def test_a_terrain_model_beside_the_scenes_is_no_scene(tmp_path, write_item):
    write_item("a")
    path = next((tmp_path / "a").glob("*.json"))
    beside = json.loads(path.read_text()) | {"id": "hill", "collection": DEM}
    beside["properties"]["platform"] = "tandem-x"
    (tmp_path / "hill.json").write_text(json.dumps(beside))
    assert [scene.item_id for scene in pin(tmp_path)] == ["a"]
    with pytest.raises(SourceError, match="tandem-x"):
        pin(tmp_path, collections=(DEM,))


def test_an_excluded_item_is_left_out_however_broken_its_fields(tmp_path, write_item):
    write_item("a")
    write_item("lies", baseline="02.14", offset=-0.1)
    with pytest.raises(SourceError, match=r"item lies.*exclude"):
        pin(tmp_path)
    assert [s.item_id for s in pin(tmp_path, exclude=("lies",))] == ["a"]


def test_a_checksum_is_kept(tmp_path, write_item):
    item = write_item("a")
    item["assets"]["red"]["file:checksum"] = "1220abcd"
    (tmp_path / "a" / "a.json").write_text(json.dumps(item), encoding="utf-8")
    scene = pin(tmp_path)[0]
    assert scene.file("red").checksum == "1220abcd"
    assert scene.file("blue").checksum is None


def test_a_downloaded_sibling_wins_over_a_remote_href(tmp_path, write_item):
    item = write_item("a")
    for asset in item["assets"].values():
        asset["href"] = f"https://example.org/data/{asset['href'][2:]}"
    (tmp_path / "a" / "a.json").write_text(json.dumps(item), encoding="utf-8")
    assert pin(tmp_path)[0].file("nir").href == str(tmp_path / "a" / "B8A.tif")


def test_remote_hrefs_stay_where_nothing_was_downloaded(tmp_path, write_item):
    item = write_item("a")
    for asset in item["assets"].values():
        asset["href"] = f"https://example.org/data/{asset['href'][2:]}"
        asset["file:checksum"] = "1220" + 64 * "0"  # or the server would be asked
    for file in (tmp_path / "a").glob("*.tif"):
        file.unlink()
    (tmp_path / "a" / "a.json").write_text(json.dumps(item), encoding="utf-8")
    assert pin(tmp_path)[0].file("nir").href == "https://example.org/data/B8A.tif"


@pytest.mark.parametrize("remote", [False, True], ids=["relative-href", "remote-href"])
def test_a_missing_file_names_item_asset_and_path(tmp_path, write_item, remote):
    item = write_item("a")
    if remote:
        for asset in item["assets"].values():
            asset["href"] = f"https://example.org/data/{asset['href'][2:]}"
        (tmp_path / "a" / "a.json").write_text(json.dumps(item), encoding="utf-8")
    (tmp_path / "a" / "B8A.tif").unlink()
    with pytest.raises(SourceError, match=r"item a: asset nir is not at .*B8A\.tif"):
        pin(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda d: d.pop("id"), id="no-id"),
        pytest.param(lambda d: d["properties"].pop("datetime"), id="no-datetime"),
        pytest.param(
            lambda d: d["properties"].update(datetime="soon"), id="datetime-not-a-time"
        ),
        pytest.param(lambda d: (d.pop("bbox"), d.pop("geometry")), id="no-place"),
        pytest.param(lambda d: d["assets"]["red"].pop("href"), id="asset-without-href"),
        pytest.param(
            lambda d: d["assets"]["red"].update({"raster:bands": [{"offset": "x"}]}),
            id="offset-not-a-number",
        ),
        pytest.param(
            lambda d: d["properties"].pop("s2:processing_baseline"), id="no-baseline"
        ),
        pytest.param(lambda d: d["properties"].pop("platform"), id="no-platform"),
    ],
)
def test_broken_metadata_name_the_item(tmp_path, write_item, damage):
    item = write_item("a")
    damage(item)
    (tmp_path / "a" / "a.json").write_text(json.dumps(item), encoding="utf-8")
    with pytest.raises(SourceError, match=r"item (a|None|without id)\b"):
        pin(tmp_path)


def test_a_catalogue_that_is_not_json_is_named(tmp_path):
    (tmp_path / "catalog.json").write_text("{", encoding="utf-8")
    with pytest.raises(SourceError, match=r"catalog\.json"):
        pin(tmp_path)


def test_a_catalogue_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"no catalogue at .*nowhere"):
        pin(tmp_path / "nowhere")


def test_a_link_to_a_lost_item_is_named(tmp_path):
    write_catalogue(tmp_path, ["lost"])
    source = SourceConfig(kind="static", url="catalog.json")
    with pytest.raises(SourceError, match=r"lost\.json"):
        pin_scenes(source, project=tmp_path, bbox=EVERYWHERE, period=AUGUST)


def test_the_newest_processing_of_a_granule_is_kept_and_said(tmp_path, write_item):
    write_item("old", baseline="02.14", offset=0)
    write_item("new", baseline="05.11")
    (scene,) = pin(tmp_path)
    assert scene.item_id == "new"
    assert scene.offset_rule.endswith("kept instead of old")


def test_two_halves_of_one_tile_and_pass_are_both_kept(tmp_path, write_item):
    write_item("half-1")
    write_item("half-2")
    assert [s.item_id for s in pin(tmp_path)] == ["half-1", "half-2"]


@pytest.mark.parametrize(
    ("longitude", "day"),
    [(-75.0, date(2025, 7, 31)), (0.0, date(2025, 8, 1)), (100.0, date(2025, 8, 1))],
    ids=["colombia-is-still-the-day-before", "greenwich", "qinghai"],
)
def test_solar_day(longitude, day):
    assert solar_day(datetime(2025, 8, 1, 3, 0, tzinfo=UTC), longitude) == day


def test_both_real_landsat_scenes_are_pinned_once(shared_dir):
    folder = shared_dir / "data" / "landsat_c2l2_stac_real_pixels"
    period = Period(date(2013, 1, 1), date(2020, 1, 1), "all")

    cloudy, colombia = pin(folder, period=period)

    assert cloudy.item_id == "LC08_L2SP_017036_20130419_20200913_02_T2"
    assert colombia.item_id == "LC08_L2SP_008059_20191201_20200825_02_T1"
    # The items state the day alone: noon UTC, the same solar day in Colombia.
    assert colombia.acquired == datetime(2019, 12, 1, 12, tzinfo=UTC)
    assert colombia.cloud_share == pytest.approx(0.8102)
    home = (folder / "assets3").resolve()
    assert all(home == _parent(f.href).resolve() for f in colombia.files)
    assert pin(folder, period=parse_month("2019-12")) == (colombia,)


def _parent(href):
    from pathlib import Path

    return Path(href).parent


class _Stand(BaseHTTPRequestHandler):
    """A STAC API just large enough: landing page and item search, failing first."""

    items: tuple[dict, ...] = ()
    failures = 0
    seen: list = []  # noqa: RUF012 - reset by the fixture

    def log_message(self, *args):
        pass

    def _send(self, doc, status=200):
        body = json.dumps(doc).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/geo+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        base = f"http://127.0.0.1:{self.server.server_port}"
        conformance = ["core", "item-search"]
        self._send(
            {
                "type": "Catalog",
                "id": "stand-in",
                "stac_version": "1.0.0",
                "description": "loopback",
                "conformsTo": [
                    f"https://api.stacspec.org/v1.0.0/{name}" for name in conformance
                ],
                "links": [
                    {"rel": "self", "href": f"{base}/"},
                    {"rel": "root", "href": f"{base}/"},
                    {
                        "rel": "search",
                        "href": f"{base}/search",
                        "method": "POST",
                        "type": "application/geo+json",
                    },
                ],
            }
        )

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).seen.append(body)
        if len(type(self).seen) <= self.failures:
            self._send({"description": "busy"}, status=503)
            return
        self._send(
            {"type": "FeatureCollection", "features": list(self.items), "links": []}
        )


@contextmanager
def stand_in(items, *, failures=0):
    handler = type(
        "Stand", (_Stand,), {"items": items, "failures": failures, "seen": []}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pin_api(url, tmp_path, *, period=AUGUST):
    source = SourceConfig(kind="api", url=url, collections=("sentinel-2-c1-l2a",))
    return pin_scenes(
        source, project=tmp_path, bbox=(98.0, 36.0, 99.0, 37.5), period=period
    )


def test_an_api_is_searched_and_a_busy_one_asked_again(tmp_path, write_item):
    item = write_item("a")
    for asset in item["assets"].values():
        asset["href"] = f"https://example.org/{asset['href'][2:]}"
        asset["file:checksum"] = "1220" + 64 * "0"  # or the server would be asked
    item["bbox"] = [98.0, 36.0, 99.0, 37.0]

    with stand_in((item,), failures=2) as (url, handler):
        (scene,) = pin_api(url, tmp_path)

    assert scene.file("red").href == "https://example.org/B04.tif"
    assert len(handler.seen) == 3
    assert handler.seen[0]["collections"] == ["sentinel-2-c1-l2a"]
    assert handler.seen[0]["bbox"] == [98.0, 36.0, 99.0, 37.5]


def test_an_api_without_items_pins_nothing(tmp_path):
    with stand_in(()) as (url, _):
        assert pin_api(url, tmp_path) == ()


def test_an_api_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("qhsink.sources.search.API_RETRIES", 0)
    with pytest.raises(SourceError, match="STAC API http://127"):
        pin_api("http://127.0.0.1:9/", tmp_path)

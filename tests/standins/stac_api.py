"""A STAC API on the loopback, with its assets: speaks the protocol, holds no truth.

Serves the items of a static catalogue (the twin's archive) as Earth Search C1 or as
Planetary Computer would ship them: core, collections, item search by GET and POST
with paging, assets by range, and tokens that expire. The catalogue itself lies below
``/data/`` as well, as on a plain web server.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pystac

from tests.standins.faults import FaultPlan

CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
]
PC_KEYS = {
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "nir08": "B8A",
    "swir16": "B11",
    "swir22": "B12",
    "scl": "SCL",
}


class StacStandIn:
    """The service: items in memory, files on disk.

    Parameters
    ----------
    catalogue : Path
        Static catalogue, or folder of item folders, whose items and files are served.
    dialect : {"earth-search", "planetary-computer"}
    checksums : bool
        Whether items state ``file:checksum`` and ``file:size``.
    """

    def __init__(self, catalogue, *, dialect="earth-search", checksums=True):
        found = Path(catalogue)
        self.root = found if found.is_dir() else found.parent
        self.faults = FaultPlan()
        self.dialect, self.checksums = dialect, checksums
        self.page_size = 10
        self.tokens = {}
        self.token_life = timedelta(minutes=45)
        self.bearer = None
        self.url = ""
        self._items = _folder_items(found) if found.is_dir() else _listed(found)

    @property
    def asset_requests(self):
        """Requests for bytes of pixel files so far."""
        found = [r for r in self.faults.requests if r[1].startswith("/data/")]
        return [r for r in found if not r[1].endswith(".json")]

    def items(self):
        """Return the items as this provider ships them."""
        return [self._dressed(folder, item) for folder, item in self._items]

    def _dressed(self, folder, item):
        place = folder.relative_to(self.root).as_posix()
        item = json.loads(json.dumps(item))
        item["links"] = []
        for asset in item["assets"].values():
            asset["href"] = f"{self.url}/data/{place}/{Path(asset['href']).name}"
            if not self.checksums:
                asset.pop("file:checksum", None)
                asset.pop("file:size", None)
        if self.dialect == "planetary-computer":
            item["collection"] = "sentinel-2-l2a"
            item["properties"].pop("earthsearch:boa_offset_applied", None)
            for asset in item["assets"].values():
                asset.pop("raster:bands", None)
            item["assets"] = {PC_KEYS[k]: a for k, a in item["assets"].items()}
        return item

    def search(self, query):
        """Return the items of a query and the token of the next page, if any."""
        found = [i for i in self.items() if _matches(i, query)]
        start = int(query.get("token") or 0)
        size = min(int(query.get("limit") or self.page_size), self.page_size)
        more = start + size < len(found)
        return found[start : start + size], len(found), start + size if more else None

    def token(self):
        """Issue a token; it ends after ``token_life``."""
        value = f"sig={secrets.token_hex(12)}"
        self.tokens[value] = datetime.now(UTC) + self.token_life
        return {
            "msft:expiry": self.tokens[value].isoformat().replace("+00:00", "Z"),
            "token": value,
        }

    def may_read(self, query, headers):
        """Whether a request for a file carries a key, where one is needed."""
        if self.bearer is not None:
            return headers.get("Authorization") == f"Bearer {self.bearer}"
        if self.dialect == "planetary-computer":
            ends = self.tokens.get(query)
            return ends is not None and datetime.now(UTC) < ends
        return True


def _listed(catalogue):
    items = pystac.Catalog.from_file(str(catalogue)).get_items(recursive=True)
    return [
        (Path(item.get_self_href()).parent, item.to_dict(transform_hrefs=False))
        for item in items
    ]


def _folder_items(folder):
    return [
        (file.parent, json.loads(file.read_text()))
        for file in sorted(folder.glob("*/*.json"))
    ]


def _matches(item, query):
    collections = query.get("collections")
    if collections and item["collection"] not in collections:
        return False
    if query.get("ids") and item["id"] not in query["ids"]:
        return False
    box = query.get("bbox")
    if box:
        west, south, east, north = item["bbox"]
        if west > box[2] or box[0] > east or south > box[3] or box[1] > north:
            return False
    span = query.get("datetime")
    if span:
        moment = datetime.fromisoformat(item["properties"]["datetime"])
        first, _, last = span.partition("/")
        return datetime.fromisoformat(first) <= moment <= datetime.fromisoformat(last)
    return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing: the plan keeps the requests."""

    def do_GET(self):
        self._serve("GET", {})

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        self._serve("POST", json.loads(self.rfile.read(length) or b"{}"))

    def _serve(self, method, body):
        faults = self.server.service.faults
        kind = faults.start(method, self.path, self.headers.get("Range", ""))
        try:
            time.sleep(faults.latency_s)
            if kind in ("429", "503", "404", "html", "timeout"):
                self._refuse(kind)
            else:
                self._answer(method, body, kind)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up first
        finally:
            faults.end()

    def _refuse(self, kind):
        if kind == "timeout":
            time.sleep(self.server.hang_s)
            self.close_connection = True
        elif kind == "html":
            self._send(b"<html>Please log in</html>", "text/html; charset=utf-8")
        else:
            text = {"429": "slow down", "503": "busy", "404": "none"}[kind].encode()
            self._send(text, "text/plain", status=int(kind))

    def _answer(self, method, body, kind):
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        if path.startswith("/data/"):
            self._file(path, parts.query, kind)
        elif path.startswith("/token/"):
            self._json(self.server.service.token())
        elif path.rstrip("/") == "/search":
            query = body if method == "POST" else _from_get(parts.query)
            self._search(method, query)
        elif path in ("/", ""):
            self._json(_landing(self.server.service.url))
        else:
            self._send(b"none", "text/plain", status=404)

    def _search(self, method, query):
        service = self.server.service
        found, matched, following = service.search(query)
        links = []
        if following is not None:
            link = {"rel": "next", "type": "application/geo+json", "method": method}
            if method == "POST":
                link |= {
                    "href": f"{service.url}/search",
                    "body": {**query, "token": following},
                }
            else:
                plain = dict(parse_qs(urlsplit(self.path).query)) | {
                    "token": [following]
                }
                link["href"] = f"{service.url}/search?{urlencode(plain, doseq=True)}"
            links.append(link)
        self._json(
            {
                "type": "FeatureCollection",
                "features": found,
                "links": links,
                "numberMatched": matched,
                "numberReturned": len(found),
            }
        )

    def _file(self, path, query, kind):
        service = self.server.service
        if not service.may_read(query, self.headers):
            self._send(b"<Error>AuthenticationFailed</Error>", "text/xml", status=403)
            return
        file = service.root / path.removeprefix("/data/")
        if not file.is_file():
            self._send(b"none", "text/plain", status=404)
            return
        data, size = file.read_bytes(), file.stat().st_size
        if "Range" not in self.headers:
            self._send(data, "application/json", kind=kind)
            return
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        first, last = int(first), min(int(last or size), size - 1)
        stamp = f'"{size:x}-{file.stat().st_mtime_ns:x}"'
        head = {"ETag": stamp, "Content-Range": f"bytes {first}-{last}/{size}"}
        self._send(
            data[first : last + 1], "image/tiff", status=206, head=head, kind=kind
        )

    def _json(self, content):
        self._send(json.dumps(content).encode(), "application/json")

    def _send(self, data, media, *, status=200, head=None, kind=None):
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (head or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if kind in ("reset", "truncated"):
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
            if kind == "reset":  # an RST instead of an orderly end
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
        elif kind == "slow":
            for start in range(0, len(data), 16):
                self.wfile.write(data[start : start + 16])
                self.wfile.flush()
                time.sleep(0.05)
        else:
            self.wfile.write(data)


def _from_get(text):
    query = {key: values[0] for key, values in parse_qs(text).items()}
    for key in ("collections", "ids"):
        if key in query:
            query[key] = query[key].split(",")
    if "bbox" in query:
        query["bbox"] = [float(part) for part in query["bbox"].split(",")]
    return query


def _landing(url):
    def link(rel, href, **more):
        return {"rel": rel, "href": href, "type": "application/json", **more}

    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "stand-in",
        "description": "A STAC API on the loopback",
        "conformsTo": CONFORMS,
        "links": [
            link("root", url + "/"),
            link("self", url + "/"),
            link("data", url + "/collections"),
            link("search", url + "/search", method="GET"),
            link("search", url + "/search", method="POST"),
        ],
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    hang_s = 1.0

    def handle_error(self, request, client_address):
        """Nothing: broken connections are what this server is for."""


@contextmanager
def serving(service):
    """Serve until the end of the ``with`` block; ``service.url`` is its address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.service = service
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

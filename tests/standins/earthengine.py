"""A loopback Earth Engine: its REST protocol, spoken to the real client.

Discovery document and algorithms are those that ship in the client's wheel. Tokens
are checked, limits enforced with the service's own words, faults put in on demand.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.resources
import io
import json
import re
import socket
import struct
import threading
import time
from collections import deque
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

import google.auth.jwt
import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from shapely.geometry import shape

from tests.standins.earthengine_images import Grid, Refused, npy_fields
from tests.standins.earthengine_layers import LayerEvaluator
from tests.standins.earthengine_tables import TableEvaluator

MAX_BYTES = 50331648
PROJECT = "xining-sink"
QUOTA = "x-earth-engine-quota-status"
GOOD_TOKEN = "standin-good-token"  # noqa: S105 - known to this server alone


def _shipped(name):
    text = importlib.resources.files("ee.tests").joinpath(name).read_text("utf-8")
    return json.loads(text)


def discovery_document():
    """The wheel's, as v1; it is of 2020 and lacks two parameters of listAssets."""
    document = _shipped("cloud_api_discovery_document.json")
    document = json.loads(json.dumps(document).replace("v1alpha", "v1"))
    methods = document["resources"]["projects"]["resources"]["assets"]["methods"]
    query = {"type": "string", "location": "query"}
    methods["listAssets"]["parameters"] |= {"filter": query, "view": query}
    return document


@functools.cache
def _shipped_bytes():
    algorithms = json.dumps(_shipped("algorithms.json")).encode()
    return json.dumps(discovery_document()).encode(), algorithms


@functools.cache
def _server_key():
    """One key for all servers of a process: making one takes a fifth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class EarthEngine(ThreadingHTTPServer):
    """The server; use ``serving``."""

    daemon_threads = True

    def __init__(self, world):
        super().__init__(("127.0.0.1", 0), Handler)
        self.world = world
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.discovery, self.algorithms = _shipped_bytes()
        self.faults: deque = deque()
        """(part of the path, fault), used up in order by the requests they fit."""
        self.requests: list[str] = []
        self.limit_bytes = MAX_BYTES
        self.page_size = 1000
        self.delay_s = 0.0
        self.drip_s = 20.0
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.key = _server_key()
        self.restricted = False

    def count(self, part):
        """How many requests had ``part`` in their path."""
        return sum(part in path for path in self.requests)

    def service_account(self, *, key=None):
        """A service account's key file, whose tokens this server gives out."""
        pem = (key or self.key).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "planted-key-id-5f1c",
            "private_key": pem.decode(),
            "client_email": f"reader@{PROJECT}.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }


@contextlib.contextmanager
def serving(world):
    """Run the stand-in on a free port."""
    server = EarthEngine(world)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Say nothing."""

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body):
        path = unquote(urlparse(self.path).path)
        with self.server.lock:
            self.server.requests.append(path)
            self.server.at_once += 1
            now = self.server.at_once
            self.server.most_at_once = max(self.server.most_at_once, now)
        try:
            self._faulty(path) or self._serve(path, body)
        except Refused as refused:
            self._error(refused.status, str(refused))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has given up
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def _serve(self, path, body):  # noqa: C901, PLR0911 - one return per route
        if path == "/$discovery/rest":
            return self._send(self.server.discovery)
        if path == "/token":
            return self._token(parse_qs(body.decode()))
        if self.headers.get("Authorization") != f"Bearer {GOOD_TOKEN}":
            return self._error(401, "Request had invalid authentication credentials.")
        if path == f"/v1/projects/{PROJECT}/algorithms":
            return self._send(self.server.algorithms)
        if path == f"/v1/projects/{PROJECT}/image:computePixels":
            return self._pixels(json.loads(body))
        if path == f"/v1/projects/{PROJECT}/table:computeFeatures":
            return self._features(json.loads(body))
        if path.endswith(":listAssets"):
            return self._list(path, parse_qs(urlparse(self.path).query))
        found = re.fullmatch(r"/v1/projects/earthengine-public/assets/(.*)", path)
        if found and found[1] in self.server.world.assets:
            return self._json(self.server.world.assets[found[1]].listed())
        return self._error(404, f"{path} not found.")

    def _token(self, form):
        public = self.server.key.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        assertion = form["assertion"][0]
        try:
            google.auth.jwt.decode(assertion, certs=public)
        except ValueError:
            told = {
                "error": "invalid_grant",
                "error_description": f"Invalid JWT Signature: {assertion}",
            }
            return self._send(json.dumps(told).encode(), status=400)
        given = {"access_token": GOOD_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        return self._json(given)

    def _pixels(self, request):
        time.sleep(self.server.delay_s)
        grid = Grid.read(request["grid"])
        if max(grid.width, grid.height) > 32768:
            raise Refused("Pixel grid dimensions must be less than or equal to 32768.")
        picture = LayerEvaluator(self.server.world, request["expression"], grid).result
        sizes = [layer.values.dtype.itemsize + 1 for layer in picture.layers()]
        total = grid.width * grid.height * sum(sizes)
        if total > self.server.limit_bytes:
            raise Refused(
                f"Total request size ({total} bytes) must be less than or equal to "
                f"{self.server.limit_bytes} bytes."
            )
        buffer = io.BytesIO()
        np.save(buffer, npy_fields(picture))
        self._send(buffer.getvalue(), kind="application/octet-stream")

    def _features(self, request):
        found = TableEvaluator(self.server.world, request["expression"], None).result
        first = int(request.get("pageToken") or 0)
        last = first + min(request.get("pageSize", 1000), self.server.page_size)
        answer = {"type": "FeatureCollection", "features": found[first:last]}
        if last < len(found):
            answer["nextPageToken"] = str(last)
        self._json(answer)

    def _list(self, path, query):
        parent = path.removeprefix("/v1/projects/earthengine-public/assets/")
        found = self.server.world.collection(parent.removesuffix(":listAssets"))
        text = query["filter"][0]
        # Without a time, images of any.
        start, end = re.findall(r'Time [<>=]+ "([^"]+)"', text) or (
            "0001-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
        )
        ring = re.search(r'intersects\("(.*)"\)', text)[1].replace("'", '"')
        region = shape(json.loads(ring))
        low, high = datetime.fromisoformat(start), datetime.fromisoformat(end)
        found = [
            asset.listed()
            for asset in found
            if low <= datetime.fromisoformat(asset.start) < high
            and shape(asset.geometry).intersects(region)
        ]
        first = int(query.get("pageToken", ["0"])[0])
        last = first + self.server.page_size
        answer = {"assets": found[first:last]}
        if last < len(found):
            answer["nextPageToken"] = str(last)
        self._json(answer)

    def _faulty(self, path):
        """Apply the first fault if it fits this request; whether it did."""
        with self.server.lock:
            faults = self.server.faults
            if not faults or faults[0][0] not in path:
                return False
            fault = faults.popleft()[1]
        if isinstance(fault, int):
            self._error(fault, f"injected {fault}")
        elif isinstance(fault, tuple):
            self._error(fault[0], f"injected {fault[0]}", retry_after=fault[1])
        else:
            getattr(self, f"_{fault}")()
        return True

    def _reset(self):
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()
        self.wfile = io.BytesIO()

    def _truncated(self):
        self._head(200, 4000, "application/octet-stream")
        self.wfile.write(b"\x93NUMPY" + b"\0" * 500)
        self.close_connection = True

    def _stump(self):
        self._send(b"\x93NUMPY\x01\x00", kind="application/octet-stream")

    def _page(self):
        page = b"<!DOCTYPE html><html><title>Sign in to the network</title></html>"
        self._send(page, kind="text/html")

    def _drip(self):
        self._head(200, 10_000, "application/octet-stream")
        self.close_connection = True
        with contextlib.suppress(OSError):
            for _ in range(int(self.server.drip_s * 20)):
                self.wfile.write(b"\0" * 10)
                self.wfile.flush()
                time.sleep(0.05)

    def _error(self, status, message, *, retry_after=None):
        told = {"error": {"code": status, "message": message, "status": "INJECTED"}}
        extra = {"Retry-After": str(retry_after)} if retry_after else {}
        self._send(json.dumps(told).encode(), status=status, **extra)

    def _json(self, document):
        self._send(json.dumps(document).encode())

    def _send(self, body, *, status=200, kind="application/json", **extra):
        self._head(status, len(body), kind, **extra)
        self.wfile.write(body)

    def _head(self, status, length, kind, **extra):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if self.server.restricted:
            self.send_header(
                "x-earth-engine-quota-status", "parallelism_restricted=true"
            )
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()

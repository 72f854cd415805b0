"""Reading over a network that answers late: many ranges at once against one by one.

``python -m benchmarks.reads`` prints one JSON line. A server on the loopback, in a
process of its own, adds 80 ms to every answer; both readers take six bands of a
2048 x 2048 window from COGs. Ours knows size and version of each file, as a run does
that has pinned its scenes. The serial reader has one request under way at a time:
rasterio on /vsicurl/, file by file and block by block. GDAL itself asks for the ranges
of one whole window together; that reader, still file by file, is measured as well.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from qhsink.config import ReadConfig
from qhsink.domain.scene import BANDS, BandFile
from qhsink.sources.keys import Keys
from qhsink.sources.rasters import bounded_gdal
from qhsink.sources.remote import Archive

LATENCY_S = 0.080
EDGE = 2048
BLOCK = 512
FILE_EDGE = 4096
SEED = 7
LEAST_SPEEDUP = 5.0
MOST_MEMORY_MB = 1000.0


class _Ranges(BaseHTTPRequestHandler):
    """Answers ranges of the files in a folder, late."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Write nothing."""

    def do_HEAD(self) -> None:
        """Answer with the size: /vsicurl/ asks for it."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Answer with a range."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        time.sleep(LATENCY_S)
        path = Path(self.server.folder) / Path(self.path).name  # type: ignore[attr-defined]
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        span = self.headers.get("Range", "bytes=0-").removeprefix("bytes=")
        first, _, last = span.partition("-")
        start, stop = int(first), min(int(last or size), size - 1) + 1
        partial = "Range" in self.headers
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{size}"')
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.end_headers()
        if body:
            with path.open("rb") as file:
                file.seek(start)
                self.wfile.write(file.read(stop - start))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _serve(folder: str, told: Connection) -> None:
    server = _Server(("127.0.0.1", 0), _Ranges)
    server.folder = folder  # type: ignore[attr-defined]
    told.send(server.server_address[1])
    server.serve_forever()


def write_bands(folder: Path) -> None:
    """Write six COGs of numbers that compress about as well as a real scene."""
    rng = np.random.default_rng(SEED)
    for band in BANDS:
        smooth = np.kron(rng.integers(800, 4000, (64, 64)), np.ones((64, 64)))
        noisy = smooth + rng.normal(0, 60, (FILE_EDGE, FILE_EDGE))
        with rasterio.open(
            folder / f"{band}.tif",
            "w",
            driver="COG",
            height=FILE_EDGE,
            width=FILE_EDGE,
            count=1,
            dtype="uint16",
            crs="EPSG:32647",
            transform=Affine(10, 0, 300_000, 0, -10, 4_100_000),
            nodata=0,
            compress="deflate",
            blocksize=BLOCK,
            predictor=2,
        ) as file:
            file.write(noisy.clip(1, 10_000).astype("uint16"), 1)


def read_serially(base: str, *, by_block: bool) -> float:
    """Return the mean of all bands, read one after the other through /vsicurl/."""
    step = BLOCK if by_block else EDGE
    means = []
    with rasterio.Env(
        GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_NUM_THREADS="1", VSI_CACHE="TRUE"
    ):
        for band in BANDS:
            with rasterio.open(f"/vsicurl/{base}/{band}.tif") as source:
                parts = [
                    source.read(1, window=Window(1024 + x, 1024 + y, step, step)).mean()
                    for y in range(0, EDGE, step)
                    for x in range(0, EDGE, step)
                ]
                means.append(float(np.mean(parts)))
    return float(np.mean(means))


def read_at_once(base: str, archive: Archive, folder: Path) -> float:
    """Return the same mean, read as ``read_window`` does, of files that are pinned."""

    def read(band: str) -> float:
        size = (folder / f"{band}.tif").stat().st_size
        href, stamp = f"{base}/{band}.tif", f'"{size}"'
        file = BandFile(band, href, 1.0, 0.0, 0, size=size, stamp=stamp)
        with bounded_gdal(), archive.raster(file) as source:
            return float(source.read(1, window=_window()).mean())

    with ThreadPoolExecutor(len(BANDS)) as pool:
        return float(np.mean(list(pool.map(read, BANDS))))


def _window() -> Window:
    return Window(1024, 1024, EDGE, EDGE)


def measure_reads() -> dict[str, float]:
    """Return seconds and memory of both readers, in one run on the same files."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        write_bands(Path(folder))
        here, there = context.Pipe()
        server = context.Process(target=_serve, args=(folder, there), daemon=True)
        server.start()
        base = f"http://127.0.0.1:{here.recv()}"
        try:
            began = time.perf_counter()
            one = read_serially(base, by_block=True)
            serial = time.perf_counter() - began
            # Another name for the same server: GDAL has kept what it read from this.
            named = base.replace("127.0.0.1", "localhost")
            began = time.perf_counter()
            read_serially(named, by_block=False)
            by_window = time.perf_counter() - began
            archive = Archive(ReadConfig(), Keys(()), Path(folder) / "reads")
            began = time.perf_counter()
            other = read_at_once(base, archive, Path(folder))
            at_once = time.perf_counter() - began
            began = time.perf_counter()
            read_at_once(base, archive, Path(folder))
            again = time.perf_counter() - began
        finally:
            server.kill()
            server.join()
    if abs(one - other) > 1e-6:
        sys.exit(f"the readers disagree: {one} and {other}")
    return {
        "latency_s": LATENCY_S,
        "serial_s": serial,
        "file_by_file_s": by_window,
        "at_once_s": at_once,
        "from_store_s": again,
        "speedup": serial / at_once,
        "speedup_over_file_by_file": by_window / at_once,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print the figures; exit with 1 when a promise is not kept."""
    figures = measure_reads()
    print(json.dumps(figures))
    kept = (
        figures["speedup"] >= LEAST_SPEEDUP and figures["peak_rss_mb"] < MOST_MEMORY_MB
    )
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()

"""One way of making a map from scenes, run alone in its process and measured.

``python -m benchmarks.chain VARIANT`` prints one JSON line. The variants read the
same pinned scenes on the same tiles:

* ``chain``: what ``qhsink monitor`` does per tile, store and ledger included;
* ``conventional``: xarray, odc-stac and a scikit-learn random forest, the way the
  tutorials do it, ending in the same mean per tile;
* ``read``: the files read onto the grid, nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask.config
import numpy as np
import odc.stac
import pandas as pd
import pystac
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from qhsink.config import RunConfig, Settings, load_settings
from qhsink.estimation.ledger import mean_and_model_se, sum_region
from qhsink.registry import read_table
from qhsink.sources.reading import read_window
from qhsink.steps.batch import compute_tiles
from qhsink.steps.plan import make_plan
from qhsink.steps.request import RunRequest, set_up
from qhsink.steps.tile_jobs import TileJob, tile_jobs
from qhsink.steps.tile_outcome import read_ledger
from qhsink.store import Store

SEED = 7


def measured(
    work: Callable[[], Any], pixels: int, *, warm: Callable[[], Any]
) -> dict[str, Any]:
    """Return wall, CPU and memory of ``work``; imports and JIT paid by ``warm``."""
    warm()
    cpu, wall = time.process_time(), time.perf_counter()
    value = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "megapixels": pixels / 1e6,
        "wall_s": wall,
        "cpu_s": cpu,
        "cpu_s_per_gpx": cpu / pixels * 1e9,
        "mpx_per_s": pixels / wall / 1e6,
        "peak_rss_mb": peak,
        "value": value,
    }


def run_chain(jobs: Sequence[TileJob], config: RunConfig, settings: Settings) -> float:
    """Return the mean of the map over the tiles, through qhsink's own steps."""
    with tempfile.TemporaryDirectory(dir=settings.store.parent) as folder:
        places = settings.model_copy(update={"store": Path(folder)})
        outcomes = compute_tiles(jobs, config, places)
        rows = pd.concat([read_ledger(o, Store(places.store)) for o in outcomes])
    return mean_and_model_se(sum_region(rows, rows["leaf_id"].unique()))[0]


def run_read(jobs: Sequence[TileJob], config: RunConfig, settings: Settings) -> float:
    """Return the share of pixels read that hold data."""
    grid = config.grid.build()

    def read(job: TileJob) -> float:
        stack = read_window(job.scenes, grid.tile(job.col, job.row).geobox)
        return float((stack.mask > 0).mean())

    tasks = [delayed(read)(job) for job in jobs]
    shares = compute(*tasks, scheduler="threads", num_workers=settings.workers)
    return float(np.mean(shares))


def run_conventional(
    jobs: Sequence[TileJob], config: RunConfig, settings: Settings
) -> float:
    """Return the mean of the map, made the way the tutorials do it."""
    bands = ["green", "red", "nir", "swir16", "swir22"]
    path = settings.project / "models/training/fractionalcover3_transects.csv.gz"
    table = read_table(path, ("pv", *bands))
    forest = RandomForestRegressor(100, random_state=SEED, n_jobs=1)
    forest.fit(table[bands].to_numpy(), table["pv"].to_numpy())
    grid = config.grid.build()
    keys = {"nir": "nir08", "mask": "scl"}

    def predict(block: NDArray[np.float32]) -> NDArray[np.float32]:
        flat = block.reshape(-1, block.shape[-1])
        known = np.isfinite(flat).all(axis=1)
        out = np.full(len(flat), np.nan, dtype="float32")
        if known.any():
            out[known] = forest.predict(flat[known])
        return out.reshape(block.shape[:-1])

    means = []
    with dask.config.set(scheduler="threads", num_workers=settings.workers):
        for job in jobs:
            paths = sorted({Path(s.files[0].href).parent for s in job.scenes})
            items = [
                pystac.Item.from_file((p / f"{p.name}.json").as_posix()) for p in paths
            ]
            cube = odc.stac.load(
                items,
                bands=[*(keys.get(b, b) for b in bands), "scl"],
                geobox=grid.tile(job.col, job.row).geobox,
                chunks={"x": 512, "y": 512},
                groupby="solar_day",
                resampling="nearest",
            )
            clear = cube["scl"].isin(list(config.masks.scl_clear))
            stack = xr.concat(
                [cube[keys.get(b, b)].where(clear) * 1e-4 - 0.1 for b in bands],
                "band",
            ).transpose("time", "y", "x", "band")
            median = stack.chunk({"time": -1, "band": -1}).median("time")
            cover = xr.apply_ufunc(
                predict,
                median,
                input_core_dims=[["band"]],
                dask="parallelized",
                output_dtypes=["float32"],
            )
            means.append(float(cover.mean().compute()))
    return float(np.nanmean(means))


VARIANTS = {
    "chain": run_chain,
    "conventional": run_conventional,
    "read": run_read,
}


def bench_jobs(tiles: int) -> tuple[list[TileJob], RunConfig, Settings]:
    """Return the fullest tiles of the demonstration archive, August's median."""
    settings = load_settings()
    settings.store.mkdir(parents=True, exist_ok=True)
    # Vegetation cover alone: what the variants have in common.
    config = (settings.project / "config" / "demo.toml").as_posix()
    request = RunRequest(
        month="2025-08", regions=("qilian",), source="demo", config=config
    )
    plan = make_plan(set_up(request, settings))
    jobs = [job for job in tile_jobs(plan) if job.kind == "peak"]
    jobs.sort(key=lambda job: -sum(len(wkb) for _, wkb in job.leaves))
    return jobs[:tiles], plan.setup.config, settings


def main() -> None:
    """Measure the variant named on the command line."""
    variant, tiles = sys.argv[1], int(sys.argv[2])
    jobs, config, settings = bench_jobs(tiles)
    pixels = len(jobs) * config.grid.tile_px**2
    work = VARIANTS[variant]
    result = measured(
        lambda: work(jobs, config, settings),
        pixels,
        warm=lambda: work(jobs[:1], config, settings),
    )
    print(json.dumps({"variant": variant, **result}))


if __name__ == "__main__":
    main()

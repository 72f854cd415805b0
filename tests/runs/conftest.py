"""A coarse simulated archive over two small regions, and runs on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import shapely

from qhsink.config import load_settings
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.steps.monitor import run_monitor
from qhsink.steps.request import RunRequest
from qhsink.twin.archive import build_archive

REGIONS = ("632324", "eling-zhaling")
PIXEL = 480.0


@pytest.fixture(scope="session")
def archive(tmp_path_factory, project_folder):
    """Catalogue of an archive that covers two regions whole; not to be changed."""
    database = load_database(project_folder / "aoi" / "qinghai.gpkg")
    crs = qinghai_albers()
    return build_archive(
        tmp_path_factory.mktemp("twin") / "demo",
        regions=[(name, database.geometry(name, crs)) for name in REGIONS],
        seed=2025,
        year=2025,
        pixel_size_m=PIXEL,
        products=("s2", "dem"),
    )


@pytest.fixture(scope="session")
def full_archive(tmp_path_factory, project_folder):
    """Catalogue of one county with relief, radar and red edge; not to be changed."""
    database = load_database(project_folder / "aoi" / "qinghai.gpkg")
    return build_archive(
        tmp_path_factory.mktemp("full") / "demo",
        regions=[(REGIONS[0], database.geometry(REGIONS[0], qinghai_albers()))],
        seed=2025,
        year=2025,
        pixel_size_m=PIXEL,
        products=("s2", "dem", "s1"),
        bands="red-edge",
    )


@pytest.fixture
def own_archive(archive, tmp_path):
    """A copy of the archive that a test may damage."""
    return Path(shutil.copytree(archive.parent, tmp_path / "demo")) / archive.name


@pytest.fixture(scope="session")
def coarse_config(tmp_path_factory, project_folder):
    """The demonstration's configuration on the coarse archive's pixels."""
    path = tmp_path_factory.mktemp("config") / "coarse.toml"
    parent = (project_folder / "config" / "demo.toml").as_posix()
    path.write_text(
        f'extends = "{parent}"\n[grid]\npixel_size_m = {PIXEL}\n'
        "tile_px = 128\nblock_px = 128\n[masks]\ndilation_m = 240.0\n"
    )
    return path


@pytest.fixture(scope="session")
def run(archive, coarse_config, tmp_path_factory):
    """The folder of a finished run of two regions, not to be changed."""
    folder = tmp_path_factory.mktemp("assisted")
    request = RunRequest(
        month="2025-08",
        regions=REGIONS,
        source=str(archive),
        config=str(coarse_config),
        out=str(folder / "out"),
    )
    run_monitor(request, load_settings(store=folder / "store"))
    return folder / "out"


@pytest.fixture(scope="session")
def plots(archive, project_folder):
    """Sixty random plots per region, read off the truth with a known error."""
    database = load_database(project_folder / "aoi" / "qinghai.gpkg")
    crs = qinghai_albers()
    rng = np.random.default_rng(11)
    rows = []
    for region in REGIONS:
        shape = database.geometry(region, crs)
        left, bottom, right, top = shape.bounds
        x, y = rng.uniform(left, right, 900), rng.uniform(bottom, top, 900)
        kept = shapely.contains_xy(shape, x, y)
        x, y = x[kept][:60], y[kept][:60]
        truth = archive.parent / "truth" / region / "fvc_peak.tif"
        with rasterio.open(truth) as file:
            stored = np.array([v[0] for v in file.sample(zip(x, y, strict=True))])
            value = stored * file.scales[0] + file.offsets[0]
        to_lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        lon, lat = to_lonlat.transform(x, y)
        rows.append(
            pd.DataFrame(
                {
                    "id": [f"{region}-{k:02d}" for k in range(60)],
                    "lon": lon,
                    "lat": lat,
                    "stratum": region,
                    "inclusion_prob": 0.001,
                    "reference": np.clip(value, 0.0, 1.0),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


@pytest.fixture
def qhsink(tmp_path, project_folder):
    """Run the command line in a process of its own, with a store of its own."""

    def run(*arguments, timeout=120, **options):
        return subprocess.run(
            [Path(sys.executable).with_name("qhsink"), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            cwd=project_folder,
            env={**os.environ, "COLUMNS": "200"},
            **options,
        )

    return run

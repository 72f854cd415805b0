"""A coarse simulated archive over two small regions, and runs on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
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

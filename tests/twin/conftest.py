"""One small archive over the corner of four granules, shared by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from qhsink.twin.archive import build_archive
from qhsink.twin.spec import TwinSpec, load_spec

CORNER = (-413_898.0, 4_072_156.0)
"""Where granules 47SNB, 47SNC, 47SPB and 47SPC overlap, in grid coordinates [m]."""


@pytest.fixture(scope="session")
def twin_spec(project_folder: Path) -> TwinSpec:
    """The shipped parameters."""
    return load_spec(project_folder / "config" / "twin.toml")


@pytest.fixture(scope="session")
def corner_region() -> tuple[str, shapely.Geometry]:
    """A square of 18 km over the corner."""
    x, y = CORNER
    return "corner", shapely.box(x - 9_000, y - 9_000, x + 9_000, y + 9_000)


@pytest.fixture(scope="session")
def corner_lake() -> shapely.Geometry:
    """A round lake of 2 km in that square."""
    return shapely.Point(CORNER[0] - 5_000, CORNER[1]).buffer(2_000)


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory, corner_region, corner_lake, twin_spec) -> Path:
    """The archive of the square at 60 m."""
    out = tmp_path_factory.mktemp("twin") / "archive"
    build_archive(
        out,
        regions=[corner_region],
        lakes=[corner_lake],
        seed=7,
        year=2025,
        pixel_size_m=60.0,
        spec=twin_spec,
    )
    return out


@pytest.fixture(scope="session")
def lone_region() -> tuple[str, shapely.Geometry]:
    """A square of 6 km inside one granule: the fewest files."""
    x, y = CORNER[0] + 40_000, CORNER[1] + 20_000
    return "lone", shapely.box(x - 3_000, y - 3_000, x + 3_000, y + 3_000)

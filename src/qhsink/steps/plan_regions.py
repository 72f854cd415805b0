"""Names of regions to regions, and to the leaves they are sums of.

A name is an id of the region database or the path of a vector file; one that cannot be
used is told with the reason, and does not stop the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qhsink.config import RunConfig, Settings
from qhsink.domain.errors import RegionError
from qhsink.domain.region import Region
from qhsink.grid import Grid
from qhsink.regions.database import RegionDatabase, load_database, load_leaves
from qhsink.regions.overlay import Leaves, cut_by, overlay
from qhsink.regions.user import read_user_regions


def resolve_regions(
    names: Iterable[str], config: RunConfig, *, grid: Grid, settings: Settings
) -> tuple[tuple[Region, ...], Leaves, dict[str, str]]:
    """Return regions, the leaves they are sums of, and names that cannot be used.

    Parameters
    ----------
    names : iterable of str
        Region ids or paths of vector files.

    Raises
    ------
    RegionError
        When none of them can be used.
    """
    database = _database(settings)
    ids, shapes, unknown = [], [], {}
    regions: list[Region] = []
    first: RegionError | None = None
    for text in names:
        try:
            if Path(text).is_file():
                found = read_user_regions(
                    Path(text),
                    crs=grid.crs,
                    reference=database,
                    inside_province=config.regions.inside_province,
                    pixel_size_m=grid.pixel_size,
                )
                shapes += found
                regions += [shape.region for shape in found]
            else:
                _require_home_grid(text, config)
                regions.append(database.get(text))
            ids = [region.id for region in regions]
        except RegionError as error:
            unknown[text] = str(error)
            first = first or error
    if not regions and first is not None:
        raise first
    if config.regions.inside_province:
        base = load_leaves(_database_path(settings), grid.crs)
        leaves = cut_by(base, shapes) if shapes else base
    else:
        leaves = overlay(shapes, crs=grid.crs)
    return tuple(dict.fromkeys(regions)), leaves.restricted_to(ids), unknown


def _require_home_grid(region_id: str, config: RunConfig) -> None:
    if not config.regions.inside_province:
        raise RegionError(
            f"region id {region_id!r} on a grid for scenes outside Qinghai",
            expected="a vector file of the region",
            remedy="Give --region a GeoPackage or GeoJSON file.",
        )


def _database_path(settings: Settings) -> Path:
    return settings.project / "aoi" / "qinghai.gpkg"


def _database(settings: Settings) -> RegionDatabase:
    return load_database(_database_path(settings))

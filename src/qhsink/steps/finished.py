"""A finished run, read back: its regions, its ledger, its maps at given places.

Nothing is computed anew. Every file read is held against the digest in ``run.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import rasterio.windows
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import RunConfig, Settings, parse_section
from qhsink.domain.errors import Refusal, SourceError
from qhsink.domain.estimate import Provenance
from qhsink.domain.period import Period, parse_month, peak_season
from qhsink.domain.region import Region
from qhsink.estimation.ledger import RegionSums, sum_region
from qhsink.grid import Grid, coverage, transformer
from qhsink.imagery.composite import Flag
from qhsink.regions.overlay import Leaves
from qhsink.steps.plan import Kind
from qhsink.steps.plan_regions import resolve_regions
from qhsink.store import file_digest

Floats = NDArray[np.float64]

LEAST_COVERED = 0.5
"""Share of a plot's footprint that must have a map value."""

_AREA_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run left in its folder."""

    folder: Path
    """The folder of ``run.json``."""
    config: RunConfig
    """Configuration of the run."""
    grid: Grid
    """Its grid."""
    month: str
    """Its month, ``YYYY-MM``."""
    provenance: Provenance
    """``observed`` or ``simulated`` pixels."""
    names: tuple[str, ...]
    """Regions as they were asked for: ids and paths."""
    region_ids: tuple[str, ...]
    """Regions reported."""
    leaves_digest: str
    """Identity of the partition that the ledger rows are of."""
    digests: Mapping[str, str]
    """SHA-256 of every file, by path within the folder."""

    def period(self, kind: Kind) -> Period:
        """Return the period of the month's or the peak season's map."""
        month, season = parse_month(self.month), self.config.season
        if kind == "month":
            return month
        return peak_season(
            month.start.year, start=season.peak_start, end=season.peak_end
        )

    def file(self, name: str) -> Path:
        """Return the path of a file of the run, unchanged since the run.

        Raises
        ------
        SourceError
            When it is absent or has another digest.
        """
        path = self.folder / name
        known = self.digests.get(name)
        if known is None or not path.is_file() or file_digest(path) != known:
            raise SourceError(
                f"{path} is {'changed' if path.is_file() and known else 'absent'}",
                expected="the files that run.json lists, as the run left them",
                remedy="Run qhsink monitor again; finished tiles are kept.",
            )
        return path


@dataclass(frozen=True, slots=True, eq=False)
class MapValues:
    """A map at the plots."""

    value: Floats
    """Map value, shape (n,); NaN where there is none."""
    is_water: NDArray[np.bool_]
    """No value because the map calls it water, shape (n,)."""


def open_run(folder: Path) -> FinishedRun:
    """Return the run in ``folder``.

    Raises
    ------
    SourceError
        When there is none.
    """
    path = folder / "run.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        request = content["request"]
        config = parse_section(RunConfig, content["config"], where=str(path))
        return FinishedRun(
            folder=folder,
            config=config,
            grid=config.grid.build(),
            month=request["month"],
            provenance=content["provenance"],
            names=tuple(request["regions"]),
            region_ids=tuple(region["id"] for region in content["regions"]),
            leaves_digest=content["leaves"],
            digests=content["files"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{folder} holds no finished run ({type(error).__name__})",
            expected="a folder with run.json, such as out/2025-08-demo",
            remedy="Run qhsink monitor first, or name its --out folder.",
        ) from error


def run_regions(
    run: FinishedRun, asked: tuple[str, ...], settings: Settings
) -> tuple[tuple[Region, ...], Leaves]:
    """Return the regions asked for, and the leaves the run's ledger is made of.

    Any region whose leaves are in the ledger will do, asked for in the run or not.

    Raises
    ------
    RegionError
        When a region is unknown.
    SourceError
        When the boundaries are no longer those of the run.
    """
    regions, leaves, unknown = resolve_regions(
        tuple(dict.fromkeys((*run.names, *asked))),
        run.config,
        grid=run.grid,
        settings=settings,
    )
    known = set(run.region_ids) <= set(leaves.members)
    if not known or leaves.restricted_to(run.region_ids).digest != run.leaves_digest:
        lost = f" ({'; '.join(unknown.values())})" if unknown else ""
        raise SourceError(
            f"boundaries that differ from those of {run.folder}{lost}",
            expected="the region database, and the users' files, of the run",
            remedy="Run qhsink monitor again with the present boundaries.",
        )
    by_id = {region.id: region for region in regions}
    missing = [name for name in asked if name not in by_id]
    if missing:
        # Of a name that the run knows as a file, or of one that nobody knows.
        resolve_regions(missing, run.config, grid=run.grid, settings=settings)
    return tuple(by_id[name] for name in asked), leaves


def region_sums(
    run: FinishedRun,
    region: Region,
    leaves: Leaves,
    period: Period,
    *,
    target: str = "fvc",
) -> RegionSums:
    """Return the ledger's sums of a region: a sum of rows, whatever tiles cut it.

    ``target`` is a target of the run, or the area made of one, such as
    ``arbor_area``.

    Raises
    ------
    Refusal
        When the ledger does not cover the region, or too little of it was seen.
    """
    rows = pd.read_parquet(run.file("ledger.parquet"))
    # A ledger of an earlier release is of vegetation cover alone.
    of = rows["target"] if "target" in rows else pd.Series("fvc", index=rows.index)
    chosen = rows[(rows["period"] == period.label) & (of == target)]
    sums = sum_region(chosen, leaves.leaves_of(region.id))
    area = leaves.area_ha(region.id)
    if abs(sums.area_ha - area) > _AREA_TOLERANCE * area:
        raise Refusal(
            f"{sums.area_ha:,.0f} of {area:,.0f} ha of {region.id} in the ledger of "
            f"{period.label}",
            expected="all of it",
            remedy="Run qhsink monitor for this region and month, every tile read.",
        )
    least = run.config.regions.min_valid_share
    if sums.valid_share < least or sums.land_ha <= 0.0:
        raise Refusal(
            f"{sums.valid_share:.1%} of the land of {region.id} has enough clear "
            "observations",
            expected=f"at least {least:.0%}",
            remedy="Choose a longer period.",
        )
    return sums


def map_values(
    run: FinishedRun,
    period: Period,
    x: Floats,
    y: Floats,
    *,
    plot_m: float | None,
    target: str = "fvc",
) -> MapValues:
    """Return the map's value at each plot.

    The map of a further target is zero on land of an ecosystem that it does not
    speak of.

    Parameters
    ----------
    x, y : float arrays of shape (n,)
        Plot centres, in grid coordinates [m].
    plot_m : float, optional
        Diameter of a plot [m]: the value is then the mean over the footprint,
        weighted by coverage, where at least ``LEAST_COVERED`` of it has a value.
        Absent: the pixel that holds the centre.
    """
    at_centre, is_water = np.full(len(x), np.nan), np.zeros(len(x), dtype=bool)
    weight, total = np.zeros(len(x)), np.zeros(len(x))
    reach = 0.0 if plot_m is None else plot_m / 2.0
    for name in _maps(run, period, target):
        with rasterio.open(run.file(name)) as file:
            near = _within(file, x, y, reach)
            if not near.size:
                continue
            values = _physical(file)
            if target != "fvc":
                with _beside(run, name, target, "ecosystem") as other:
                    # A class is known and the target has no value: zero there.
                    values[np.isnan(values) & (other.read(1) != 0)] = 0.0
            row, col, inside = _cells(file, x[near], y[near])
            at_centre[near[inside]] = values[row[inside], col[inside]]
            with _beside(run, name, target, "quality") as other:
                wet = (other.read(2)[row[inside], col[inside]] & int(Flag.WATER)) != 0
            is_water[near[inside]] = wet
            for plot in near if reach else ():
                part = _footprint(file, values, shapely.Point(x[plot], y[plot]), reach)
                weight[plot] += part[0]
                total[plot] += part[1]
    if reach:
        pixels = math.pi * reach**2 / (run.grid.pixel_area_ha * 1e4)
        enough = weight >= LEAST_COVERED * pixels
        at_centre = np.where(enough, total / np.where(enough, weight, 1.0), np.nan)
    return MapValues(at_centre, is_water & np.isnan(at_centre))


def _maps(run: FinishedRun, period: Period, target: str) -> Iterator[str]:
    # After the name comes the tile, x...: of ``fvc_`` and of ``agb_grass_`` alike.
    start = f"maps/{period.label}/{target}_x"
    yield from sorted(name for name in run.digests if name.startswith(start))


def _beside(
    run: FinishedRun, name: str, target: str, other: str
) -> rasterio.DatasetReader:
    """Open another map of the same tile."""
    return rasterio.open(run.file(name.replace(f"/{target}_x", f"/{other}_x")))


def _within(
    file: rasterio.DatasetReader, x: Floats, y: Floats, reach: float
) -> NDArray[np.intp]:
    edges = file.bounds
    return np.flatnonzero(
        (x >= edges.left - reach)
        & (x < edges.right + reach)
        & (y > edges.bottom - reach)
        & (y <= edges.top + reach)
    )


def _cells(
    file: rasterio.DatasetReader, x: Floats, y: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    col = np.floor((x - file.bounds.left) / file.res[0]).astype(np.intp)
    row = np.floor((file.bounds.top - y) / file.res[1]).astype(np.intp)
    inside = (row >= 0) & (row < file.height) & (col >= 0) & (col < file.width)
    return row, col, inside


def _physical(file: rasterio.DatasetReader) -> Floats:
    stored = file.read(1)
    values = stored * float(file.scales[0]) + float(file.offsets[0])
    return np.where(stored == file.nodata, np.nan, values)


def _footprint(
    file: rasterio.DatasetReader, values: Floats, centre: shapely.Point, reach: float
) -> tuple[float, float]:
    """Return covered pixels with a value, and their sum, of a disc on one tile."""
    edge, half = file.res[0], reach + file.res[0]
    left, top = file.bounds.left, file.bounds.top
    first_col = max(math.floor((centre.x - half - left) / edge), 0)
    first_row = max(math.floor((top - centre.y - half) / edge), 0)
    part = values[
        first_row : max(math.ceil((top - centre.y + half) / edge), 0),
        first_col : max(math.ceil((centre.x + half - left) / edge), 0),
    ]
    if not part.size:
        return 0.0, 0.0
    shift = rasterio.Affine.translation(first_col, first_row)
    geobox = GeoBox(part.shape, file.transform * shift, file.crs.to_wkt())
    index, share = coverage(geobox, centre.buffer(reach, quad_segs=32))
    chosen = part.ravel()[index]
    seen = ~np.isnan(chosen)
    return float(share[seen].sum()), float(share[seen] @ chosen[seen])


def plots_inside(
    leaves: Leaves, region_ids: Collection[str], x: Floats, y: Floats
) -> dict[str, NDArray[np.bool_]]:
    """Return for each region which plots lie in it, shape (n,), on the grid."""
    found = {}
    for name in region_ids:
        chosen = leaves.frame["leaf_id"].isin(leaves.leaves_of(name))
        shape = shapely.union_all(leaves.frame.loc[chosen, "geometry"].to_numpy())
        shapely.prepare(shape)
        found[name] = np.asarray(shapely.intersects_xy(shape, x, y))
    return found


def to_grid(run: FinishedRun, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return WGS84 longitude and latitude in grid coordinates [m]."""
    # WGS84 and CGCS2000 differ by less than a metre: PROJ's null transformation.
    move = transformer("EPSG:4326", run.grid.crs)
    x, y = move.transform(lon, lat)
    return np.asarray(x, dtype=float), np.asarray(y, dtype=float)

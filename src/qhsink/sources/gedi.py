"""GEDI footprints of a region as a table of plots, and L4B's mean to compare with.

Footprints are predictions of biomass from waveforms, not measurements: each carries its
prediction error. The gridded product is for comparison alone and enters no estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import ee
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.config.gedi import FootprintConfig, GriddedConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.reference import GEDI
from qhsink.grid import Grid, coverage
from qhsink.sources.earthengine_retry import BadAnswer
from qhsink.sources.earthengine_session import Session
from qhsink.sources.gedi_expressions import (
    NOTHING,
    gridded_biomass,
    indexed_tables,
    kept_footprints,
)
from qhsink.sources.items import BBox

EPOCH = date(2018, 1, 1)
"""Day that ``delta_time`` counts from [s]."""

GOOGLE = ".googleapis.com"
"""End of the host names of the service itself."""

PAGE = 1000
"""Features asked for at a time."""

LATITUDES = (-51.6, 51.6)
"""What the orbit of the International Space Station covers [deg]."""


@dataclass(frozen=True, slots=True, eq=False)
class Footprints:
    """Biomass footprints of a region."""

    table: pd.DataFrame
    """Columns of a training table: id, lon, lat, date, value, se, unit, plot_m, shape,
    position_sd_m, site (sub-orbit and beam: neighbours along a track stay together),
    region, provenance, reference, sensitivity."""
    tables: tuple[str, ...]
    """Sub-orbit tables that cross the region, as pinned."""
    missing: tuple[str, ...]
    """Of those, what the index names and the archive does not hold."""
    inside: int
    """Footprints of good quality inside the region, of any season."""


def region_footprints(
    session: Session,
    config: FootprintConfig,
    region: BaseGeometry,
    region_id: str,
    years: range,
) -> Footprints:
    """Return the footprints inside a region that may train a regressor.

    Parameters
    ----------
    session : Session
        An Earth Engine connection.
    config : FootprintConfig
        Which footprints are kept.
    region : shapely geometry
        In longitude and latitude [deg].
    region_id : str
        Written beside each footprint.
    years : range
        Calendar years.

    Raises
    ------
    SourceError
        When Earth Engine cannot be asked, a footprint's properties are broken, or none
        is left.
    """
    tables = _crossing(session, config, _bounds(region), years)
    rows: list[dict[str, Any]] = []
    missing, inside = [], 0
    # What another host answers is no observation of GEDI.
    origin = "observed" if session.host.endswith(GOOGLE) else "simulated"
    shapely.prepare(region)
    for table_id in tables:
        found = _rows(session, config, table_id, _bounds(region))
        if found is None:
            missing.append(table_id)
        for row in found or ():
            if not region.contains(shapely.Point(row["lon"], row["lat"])):
                continue
            inside += 1
            day: date = row["date"]
            in_season = config.season_start <= f"{day:%m-%d}" <= config.season_end
            if in_season and day.year in years and 0 <= row["value"] <= config.largest:
                rows.append({**row, "region": region_id, "provenance": origin})
    if not rows:
        raise SourceError(
            f"no footprint of {config.collection} in {region_id} for {years.start} to "
            f"{years.stop - 1} ({len(tables)} sub-orbits, {inside} of good quality of "
            "any season)",
            expected="footprints of the season",
            remedy="Ask for more years (2019 to 2024), or a larger region.",
        )
    ordered = pd.DataFrame(rows).sort_values(["date", "id"], ignore_index=True)
    return Footprints(ordered, tuple(tables), tuple(missing), inside)


def features(
    session: Session, expression: ee.FeatureCollection, what: str
) -> Iterator[dict[str, Any]]:
    """Yield the features of a collection, page by page; each page is tried again.

    Raises
    ------
    SourceError
        When the server does not give them all.
    """
    token = ""
    while True:
        wanted = {"expression": expression, "pageSize": PAGE}
        if token:
            wanted["pageToken"] = token
        page = session.ask(what, partial(_page, wanted))
        yield from page.get("features", [])
        token = page.get("nextPageToken", "")
        if not token:
            return


def _page(wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = ee.data.computeFeatures(dict(wanted))
    if not isinstance(found, dict):
        raise BadAnswer(f"no features but {str(found)[:40]!r}")
    return found


def _crossing(
    session: Session, config: FootprintConfig, bbox: BBox, years: range
) -> list[str]:
    """Return the ids of the tables that cross a box in some years, sorted."""
    if bbox[1] > LATITUDES[1] or bbox[3] < LATITUDES[0]:
        raise SourceError(
            f"a region from {bbox[1]:.2f} to {bbox[3]:.2f} deg north",
            expected=f"land between {LATITUDES[0]} and {LATITUDES[1]} deg",
            remedy="GEDI has seen nothing there.",
        )
    start, end = f"{years.start}-01-01", f"{years.stop}-01-01"
    index = indexed_tables(config.index, bbox, start=start, end=end)
    found = features(session, index, f"index {config.index}")
    return sorted({str(entry["properties"]["table_id"]) for entry in found})


def _rows(
    session: Session, config: FootprintConfig, table_id: str, bbox: BBox
) -> list[dict[str, Any]] | None:
    """Return the footprints of a table; None when the archive does not hold it."""
    expression = kept_footprints(table_id, bbox, config.keep)
    track = table_id.rpartition("/")[2]
    try:
        found = list(features(session, expression, f"footprints {track}"))
    except SourceError as error:
        # The index is known to name tables that are not there.
        if f"{table_id}' not found" in error.found:
            return None
        raise
    try:
        return [_row(feature, track, config) for feature in found]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"footprints {track}: broken properties ({type(error).__name__} {error})",
            expected=f"the properties of {config.collection}",
            remedy="Look at that table in Earth Engine; its schema has changed.",
        ) from error


def _row(
    feature: Mapping[str, Any], track: str, config: FootprintConfig
) -> dict[str, Any]:
    properties = feature["properties"]
    lon, lat = feature["geometry"]["coordinates"]
    value, error = float(properties["agbd"]), float(properties["agbd_se"])
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        raise ValueError(f"agbd {value} with error {error}")
    return {
        "id": str(properties["shot_number"]),
        "lon": float(lon),
        "lat": float(lat),
        "date": EPOCH + timedelta(seconds=float(properties["delta_time"])),
        "value": value,
        "se": error,
        "unit": config.unit,
        "plot_m": config.diameter_m,
        "shape": "circle",
        "position_sd_m": config.position_sd_m,
        "reference": GEDI,
        "site": f"{track} {properties['beam']}",
        "sensitivity": float(properties["sensitivity"]),
    }


@dataclass(frozen=True, slots=True)
class GriddedMean:
    """L4B over a region, to be compared with an estimate and never mixed into it."""

    mean: float
    """Mean biomass, forest and other land together [Mg DM ha-1]."""
    se_independent: float
    """Standard error if cells erred independently: a lower bound [Mg DM ha-1]."""
    se_common: float
    """Standard error if all cells erred alike: an upper bound. Cells share the model
    from waveform to biomass, so the truth lies nearer to this one."""
    cover: float
    """Share of the region that has cells with a value, 0..1."""
    cells: int
    """Their number."""


def gridded_mean(
    session: Session, config: GriddedConfig, region: BaseGeometry, crs: pyproj.CRS
) -> GriddedMean:
    """Return the mean of L4B over a region.

    Parameters
    ----------
    session : Session
        An Earth Engine connection.
    config : GriddedConfig
        Which image.
    region : shapely geometry
        On ``crs``, which must be equal-area.
    crs : pyproj.CRS

    Raises
    ------
    SourceError
        When Earth Engine cannot be asked, or no cell has a value.

    Notes
    -----
    Cells are read by the nearest one on a lattice of their own size on ``crs`` and
    weighted by the area of the region in each.
    """
    grid = Grid(crs, config.cell_m, tile_px=256, block_px=256)
    mean, error, weight = [], [], []
    for tile in grid.tiles_over(region):
        found = session.pixels(
            gridded_biomass(config.image),
            tile.geobox,
            bands=("MU", "SE"),
            what=config.image,
            itemsize=4,
        )
        index, share = coverage(tile.geobox, region)
        cell, spread = found["MU"].ravel()[index], found["SE"].ravel()[index]
        seen = (cell > NOTHING) & (spread > NOTHING)
        mean.append(cell[seen])
        error.append(spread[seen])
        weight.append(share[seen])
    whole = region.area / config.cell_m**2
    parts = (np.concatenate(part) for part in (mean, error, weight))
    return _combined(*parts, whole=whole)


def _combined(
    mean: NDArray[np.float32],
    error: NDArray[np.float32],
    weight: NDArray[np.floating[Any]],
    *,
    whole: float,
) -> GriddedMean:
    total = float(weight.sum())
    if total <= 0:
        raise SourceError(
            "no cell of GEDI L4B with a value in the region",
            expected="a region that GEDI has crossed",
            remedy="Compare a larger region.",
        )
    share = np.asarray(weight, np.float64) / total
    spread = share * np.asarray(error, np.float64)
    return GriddedMean(
        mean=float((share * mean).sum()),
        se_independent=float(np.sqrt((spread**2).sum())),
        se_common=float(spread.sum()),
        cover=min(1.0, total / whole),
        cells=int(mean.size),
    )


def _bounds(region: BaseGeometry) -> BBox:
    west, south, east, north = region.bounds
    return west, south, east, north

"""GEDI footprints of a region written as a table of plots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import geopandas as gpd
import pyproj

from qhsink.config import Settings, SourceConfig
from qhsink.config.gedi import load_gedi
from qhsink.domain.errors import BadInput
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.sources.earthengine_connection import choose_source, current_session
from qhsink.sources.gedi import (
    Footprints,
    GriddedMean,
    gridded_mean,
    region_footprints,
)


@dataclass(frozen=True, slots=True)
class WrittenFootprints:
    """What was written, and what to compare it with."""

    out: Path
    region_id: str
    footprints: Footprints
    gridded: GriddedMean
    unit: str
    observed: tuple[date, date]
    """First and last day behind the gridded product."""

    def lines(self) -> list[str]:
        """Return what a person should know of it."""
        table, cells, found = self.footprints.table, self.gridded, self.footprints
        first, last = table["date"].min(), table["date"].max()
        value, error = table["value"].mean(), table["se"].mean()
        kept = (
            f"{len(table)} footprints of {len(found.tables)} sub-orbits in "
            f"{self.region_id}, {first} to {last}; {found.inside} of good quality in "
            "any season"
        )
        lost = f"{len(found.missing)} sub-orbits of the index are not in the archive"
        mean = (
            f"mean {value:.1f} {self.unit}, mean prediction error {error:.1f}: a mean "
            "of footprints, no estimate of the region"
        )
        compare = (
            f"GEDI L4B for comparison, observed {self.observed[0]} to "
            f"{self.observed[1]}: {cells.mean:.1f}, standard error "
            f"{cells.se_independent:.2f} if cells erred independently, "
            f"{cells.se_common:.1f} if alike; {cells.cells} cells, "
            f"{cells.cover:.0%} of the region, all land"
        )
        train = f"{self.out}: train with `qhsink train agb_forest --plots {self.out}`"
        return [kept, *([lost] if found.missing else []), mean, compare, train]


def write_footprints(
    region_id: str, years: range, out: Path, source: SourceConfig, settings: Settings
) -> WrittenFootprints:
    """Write the footprints of a region as GeoPackage or CSV.

    Raises
    ------
    BadInput
        When the source is not Earth Engine, or the file is of another kind.
    SourceError
        When Earth Engine cannot be asked, or has no footprint there.
    """
    if source.kind != "earthengine":
        raise BadInput(
            f"GEDI from {source.url}",
            expected="a source of kind earthengine",
            remedy="Leave out --source, or name one.",
        )
    if out.suffix.lower() not in (".gpkg", ".csv"):
        raise BadInput(
            f"--out {out.name}",
            expected="a name that ends in .gpkg or .csv",
            remedy="Choose one of the two.",
        )
    config, crs = load_gedi(settings.project), qinghai_albers()
    database = load_database(settings.project / "aoi" / "qinghai.gpkg")
    region = database.get(region_id)
    choose_source(source)
    session = current_session()
    degrees = database.geometry(region.id, pyproj.CRS("OGC:CRS84"))
    found = region_footprints(session, config.footprints, degrees, region.id, years)
    on_grid = database.geometry(region.id, crs)
    cells = gridded_mean(session, config.gridded, on_grid, crs)
    _write(found, out)
    observed = config.gridded.first_day, config.gridded.last_day
    return WrittenFootprints(
        out, region.id, found, cells, config.footprints.unit, observed
    )


def _write(found: Footprints, out: Path) -> None:
    """Write aside, then rename: a table is complete or absent."""
    aside = out.with_name(f".{out.stem}-new{out.suffix}")
    table = found.table.assign(date=found.table["date"].astype(str))
    if out.suffix.lower() == ".csv":
        table.to_csv(aside, index=False)
    else:
        places = gpd.points_from_xy(table["lon"], table["lat"], crs="EPSG:4326")
        frame = gpd.GeoDataFrame(table, geometry=places)
        aside.unlink(missing_ok=True)
        frame.to_file(aside, layer="footprints", driver="GPKG")
    aside.replace(out)

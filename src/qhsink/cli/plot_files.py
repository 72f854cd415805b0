"""Plots from CSV or from a vector file of points, as text cells with lon and lat."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from qhsink.cli.csv_files import read_csv


def read_plots(path: Path) -> pd.DataFrame:
    """Return a table of plots.

    Parameters
    ----------
    path : Path
        CSV with ``lon`` and ``lat`` (WGS84), or a GeoPackage, shapefile, GeoJSON or
        KML of points, whose places come from the geometry.

    Raises
    ------
    TableError
        When the file cannot be read.
    RegionError
        When a vector file is unreadable, has no CRS, or holds more than points.
    """
    if path.suffix.lower() in (".csv", ".txt"):
        return read_csv(path)
    from qhsink.domain.errors import RegionError
    from qhsink.regions.vector_file import read_vector

    found = read_vector(path)
    if not (found.frame.geometry.geom_type == "Point").all():
        raise RegionError(
            f"{path.name} holds more than points",
            expected="one point per plot",
            remedy="Give the centres of the plots.",
        )
    degrees = found.frame.set_crs(found.crs, allow_override=True).to_crs("EPSG:4326")
    table = pd.DataFrame(degrees.drop(columns="geometry"))
    # Where a point was dragged in a GIS, the attribute still holds the old place.
    table["lon"], table["lat"] = degrees.geometry.x, degrees.geometry.y
    return table.astype(object).where(table.notna(), "").astype(str)

"""Tables that people bring, as text cells: CSV, and plots from vector files or Parquet.

What the columns mean is checked by ``qhsink.estimation``, not here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from qhsink.domain.errors import RegionError, TableError

ENCODINGS = ("utf-8-sig", "gb18030")
"""Tried in turn: with or without a byte order mark, then what Chinese Excel writes."""

SEPARATORS = (";", "\t")
"""Columns may also be separated by these, as spreadsheets write them; the decimal sign
is a point all the same."""

_PLACES = "lon", "lat"


def read_csv(path: Path) -> pd.DataFrame:
    """Return the CSV file as text cells, blanks kept as empty text.

    Raises
    ------
    TableError
        When the file is absent, not text, empty, ragged, or repeats a column.

    Notes
    -----
    Columns are separated by commas, or by semicolons or tabs where the header has no
    comma.
    """
    for encoding in ENCODINGS:
        try:
            frame = _parse(path, encoding)
        except UnicodeDecodeError:
            continue
        frame.columns = pd.Index([str(name).strip() for name in frame.columns])
        _refuse_repeats(path, frame)
        return frame
    raise _unreadable(path, "it is not text")


def read_plots(path: Path) -> pd.DataFrame:
    """Return a table of plots.

    Parameters
    ----------
    path : Path
        CSV or Parquet with ``lon`` and ``lat`` (WGS84); or a GeoPackage, shapefile,
        GeoJSON, KML or GeoParquet of points, whose places come from the geometry.

    Raises
    ------
    TableError
        When a table cannot be read.
    RegionError
        When a vector file is unreadable, has no CRS, or holds more than points.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".txt"):
        return read_csv(path)
    if suffix == ".parquet":
        return _text_cells(_read_parquet(path))
    # GDAL takes a second to import, which tables need not pay.
    from qhsink.regions.vector_file import KINDS, read_vector  # noqa: PLC0415

    if suffix not in KINDS:
        raise TableError(
            f"{path.name}: kind of file {suffix or '(no suffix)'}",
            expected=f".csv, .parquet or points in {', '.join(sorted(KINDS))}",
            remedy="Export it as one of these; from a spreadsheet as CSV in UTF-8.",
        )
    found = read_vector(path)
    frame = found.frame.set_crs(found.crs, allow_override=True)
    return _text_cells(_with_places(path, frame))


def write_plots(table: pd.DataFrame, path: Path) -> None:
    """Write a table of plots as CSV, Parquet or GeoPackage, by the file's suffix.

    Raises
    ------
    TableError
        When the suffix is another, or the file cannot be written.
    """
    writers = {".csv": _write_csv, ".parquet": _write_parquet, ".gpkg": _write_points}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise TableError(
            f"{path.name}: kind of file {path.suffix or '(no suffix)'}",
            expected=", ".join(writers),
            remedy="Name the file so.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(table, path)
    except (OSError, RuntimeError) as error:
        raise TableError(
            f"{path} cannot be written ({error})",
            expected="a place that can be written",
            remedy="Choose another.",
        ) from error


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


def _write_points(table: pd.DataFrame, path: Path) -> None:
    import geopandas as gpd  # noqa: PLC0415 - as above

    places = gpd.points_from_xy(table["lon"], table["lat"], crs="EPSG:4326")
    rest = table.drop(columns=list(_PLACES))
    gpd.GeoDataFrame(rest, geometry=places).to_file(path, driver="GPKG")


def _separator(path: Path, encoding: str) -> str:
    """Return what separates the columns of the header: a comma unless it has none."""
    with path.open(encoding=encoding) as file:
        header = file.readline()
    others = [mark for mark in SEPARATORS if "," not in header and mark in header]
    return others[0] if others else ","


def _parse(path: Path, encoding: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path,
            sep=_separator(path, encoding),
            dtype=str,
            keep_default_na=False,
            encoding=encoding,
            header=None,
            skip_blank_lines=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise _unreadable(path, str(error).strip()) from error
    except OSError as error:
        raise _unreadable(path, error.strerror or "it cannot be opened") from error
    # The header is read as a row: pandas would rename a repeated column unasked.
    body = frame.iloc[1:].reset_index(drop=True)
    body.columns = pd.Index(frame.iloc[0].tolist())
    return body


def _read_parquet(path: Path) -> pd.DataFrame:
    """Return a Parquet table; places of a GeoParquet file come from its points."""
    import geopandas as gpd  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - for this kind of file alone

    try:
        if b"geo" in (pq.read_schema(path).metadata or {}):
            return _with_places(path, gpd.read_parquet(path))
        return pd.read_parquet(path)
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(
            f"{path}: {reason}",
            expected="a Parquet table",
            remedy="Check the path, or export it again.",
        ) from error


def _with_places(path: Path, frame: Any) -> pd.DataFrame:
    """Return the attributes of points, with ``lon`` and ``lat`` of the geometry."""
    if frame.crs is None or not (frame.geometry.geom_type == "Point").all():
        raise RegionError(
            f"{path.name} holds more than points, or points without a CRS",
            expected="one point per plot, in a declared CRS",
            remedy="Give the centres of the plots.",
        )
    degrees = frame.to_crs("EPSG:4326")
    table = pd.DataFrame(degrees.drop(columns=degrees.geometry.name))
    # Where a point was dragged in a GIS, the attribute still holds the old place.
    for name, values in zip(
        _PLACES, (degrees.geometry.x, degrees.geometry.y), strict=True
    ):
        table[name] = values
    return table


def _text_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text, dates without the time of day."""
    for name in table.select_dtypes(["datetime", "datetimetz"]):
        table[name] = table[name].dt.strftime("%Y-%m-%d")
    return table.astype(object).where(table.notna(), "").astype(str)


def _unreadable(path: Path, why: str) -> TableError:
    return TableError(
        f"{path}: {why}",
        expected="a CSV file with one header line, comma-separated, in UTF-8",
        remedy="Export it again as CSV.",
    )


def _refuse_repeats(path: Path, frame: pd.DataFrame) -> None:
    repeated = sorted(set(frame.columns[frame.columns.duplicated()]))
    if repeated:
        raise TableError(
            f"{path} has column {', '.join(map(repr, repeated))} more than once",
            expected="each column once",
            remedy="Rename or remove one of them.",
        )

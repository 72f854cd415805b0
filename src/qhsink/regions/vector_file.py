"""Reading vector files of other people: what GDAL gives, or one line of refusal.

Shapefile (also zipped), KML, GeoJSON and GeoPackage. Judging what is inside belongs to
``user`` and ``checks``.
"""

from __future__ import annotations

import contextlib
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pyproj
import shapely

from qhsink.domain.errors import RegionError

KINDS = {
    ".zip": "zipped shapefile",
    ".shp": "shapefile",
    ".kml": "KML",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".gpkg": "GeoPackage",
}


@dataclass(frozen=True, slots=True, eq=False)
class VectorFile:
    """Features as they lie in a file."""

    frame: gpd.GeoDataFrame
    """Attributes and geometry, in ``crs``."""
    crs: pyproj.CRS
    """The CRS the file declares."""
    remarks: tuple[str, ...]
    """What the reader complained of."""


def read_vector(path: Path) -> VectorFile:
    """Return the features in ``path``.

    Raises
    ------
    RegionError
        When the file is absent, of another kind, unreadable, empty, of several
        layers, or declares no CRS.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise RegionError(
            f"no file {path}",
            expected=f"a vector file ({', '.join(sorted(KINDS))})",
            remedy="Check the path.",
        )
    if suffix not in KINDS:
        raise RegionError(
            f"{path.name}: kind of file {suffix or '(no suffix)'}",
            expected=", ".join(f"{key} ({KINDS[key]})" for key in sorted(KINDS)),
            remedy="Export it as one of these.",
        )
    source = _inside_zip(path) if suffix == ".zip" else str(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = _features(source, path)
    if len(frame) == 0:
        raise _unreadable(path, "no feature in it", "Give a file with a polygon.")
    return VectorFile(
        frame, _declared(frame, path), tuple(str(entry.message) for entry in caught)
    )


def _inside_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith(".shp")]
            names = [n for n in names if not n.startswith("__MACOSX")]
    except zipfile.BadZipFile as error:
        raise _unreadable(path, "not a zip archive", "Zip it again.") from error
    if len(names) != 1:
        raise _unreadable(
            path,
            f"{len(names)} shapefiles in it",
            "Zip one .shp with its .shx, .dbf and .prj.",
        )
    return f"/vsizip/{path.resolve().as_posix()}/{names[0]}"


def _features(source: str, path: Path) -> gpd.GeoDataFrame:
    try:
        layers = [str(n) for n, kind in pyogrio.list_layers(source) if kind is not None]
        if not layers:
            raise _unreadable(path, "no layer with geometry", "Give a polygon layer.")
        if len(layers) > 1 and path.suffix.lower() != ".kml":
            raise _unreadable(
                path,
                f"layers {', '.join(layers)}",
                "Export the one you mean to its own file.",
            )
        return pd.concat([_layer(source, name) for name in layers], ignore_index=True)
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
        shapely.errors.GEOSException,
    ) as error:
        first = str(error).splitlines()[0]
        raise _unreadable(
            path, f"not readable ({first})", "Check that it opens elsewhere."
        ) from error


def _layer(source: str, name: str) -> gpd.GeoDataFrame:
    if not source.lower().endswith(".shp") or _says_encoding(source):
        return pyogrio.read_dataframe(source, layer=name)
    # Without a .cpg GDAL takes Latin-1, but Chinese shapefiles hold UTF-8 or GBK.
    for encoding in ("UTF-8", "GB18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return pyogrio.read_dataframe(source, layer=name, encoding=encoding)
    return pyogrio.read_dataframe(source, layer=name)


def _says_encoding(source: str) -> bool:
    """Whether a .cpg lies beside the shapefile, zipped or not."""
    if not source.startswith("/vsizip/"):
        return any(Path(source).with_suffix(end).is_file() for end in (".cpg", ".CPG"))
    archive, _, inner = source.removeprefix("/vsizip").partition(".zip/")
    with zipfile.ZipFile(f"{archive}.zip") as file:
        return f"{inner[:-4]}.cpg".lower() in {n.lower() for n in file.namelist()}


def _declared(frame: gpd.GeoDataFrame, path: Path) -> pyproj.CRS:
    if frame.crs is None or "undefined" in frame.crs.name.lower():
        raise RegionError(
            f"{path.name}: no CRS declared",
            expected="a CRS (for a shapefile, its .prj file)",
            remedy="Ask whoever made it and declare it: a guess moves the region.",
        )
    crs = pyproj.CRS(frame.crs)
    if not (crs.is_geographic or crs.is_projected):
        raise RegionError(
            f"{path.name}: CRS {crs.name!r}",
            expected="a geographic or projected CRS",
            remedy="Export it in CGCS2000 or WGS84.",
        )
    if crs.is_geographic:
        west, south, east, north = frame.total_bounds
        if west < -180 or east > 180 or south < -90 or north > 90:
            raise RegionError(
                f"{path.name}: coordinates up to {max(east, north):.0f} in {crs.name}",
                expected="degrees of longitude and latitude",
                remedy="They look like metres: declare the projected CRS they are in.",
            )
    return crs


def _unreadable(path: Path, found: str, remedy: str) -> RegionError:
    kind = KINDS[path.suffix.lower()]
    return RegionError(
        f"{path.name}: {found}", expected=f"a {kind} with one layer", remedy=remedy
    )

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
    return _vsizip(path) + names[0]


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
        guessed = path.suffix.lower() in (".zip", ".shp") and not _says_encoding(
            path, source
        )
        read = _guess_encoding if guessed else pyogrio.read_dataframe
        frames = [read(source, layer=name) for name in layers]
        return pd.concat(frames, ignore_index=True)
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


def _guess_encoding(source: str, layer: str) -> gpd.GeoDataFrame:
    """Read a shapefile that does not say how its text is encoded.

    Without a .cpg GDAL takes Latin-1, but Chinese shapefiles hold UTF-8 or GBK.
    """
    for encoding in ("UTF-8", "GB18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return pyogrio.read_dataframe(source, layer=layer, encoding=encoding)
    return pyogrio.read_dataframe(source, layer=layer)


def _says_encoding(path: Path, source: str) -> bool:
    """Whether a .cpg lies beside the shapefile, zipped or not."""
    if path.suffix.lower() != ".zip":
        return any(path.with_suffix(end).is_file() for end in (".cpg", ".CPG"))
    inner = source.removeprefix(_vsizip(path))
    with zipfile.ZipFile(path) as file:
        return f"{inner[:-4]}.cpg".lower() in {n.lower() for n in file.namelist()}


def _vsizip(path: Path) -> str:
    """Return how GDAL calls the folder that a zip archive is."""
    return f"/vsizip/{path.resolve().as_posix()}/"


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
        _require_degrees(frame, crs, path)
    return crs


def _require_degrees(frame: gpd.GeoDataFrame, crs: pyproj.CRS, path: Path) -> None:
    """Refuse coordinates that are no longitude and latitude, and say what they are."""
    west, south, east, north = frame.total_bounds
    # Bounds are NaN where no feature has a place: the checks name those.
    beyond = west < -180 or east > 180 or south < -90 or north > 90
    if not beyond:
        return
    swapped = west >= -90 and east <= 90 and south >= -180 and north <= 180
    raise RegionError(
        f"{path.name}: x from {west:.0f} to {east:.0f} and y from {south:.0f} to "
        f"{north:.0f} in {crs.name}",
        expected="degrees, longitude first",
        remedy="Latitude comes first in it: swap the two."
        if swapped
        else "They look like metres: declare the projected CRS they are in.",
    )


def _unreadable(path: Path, found: str, remedy: str) -> RegionError:
    kind = KINDS[path.suffix.lower()]
    return RegionError(
        f"{path.name}: {found}", expected=f"a {kind} with one layer", remedy=remedy
    )

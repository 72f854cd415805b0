"""The vector database on disk: reading ``aoi/qinghai.gpkg`` and the user's regions.

Layers ``regions`` (polygons with their standing), ``leaves`` (polygons) and
``membership`` (which region is which leaves), all in CGCS2000 Albers. Making the file
is in ``build``; reading files of other people is in ``user``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import RegionError, StoreFault
from qhsink.domain.region import Region
from qhsink.grid import qinghai_albers
from qhsink.regions.overlay import Leaves, cut_by, unknown_region
from qhsink.regions.shapes import RegionShape, project

USER_FILE = "user.gpkg"
"""Beside the shipped database: regions added by ``qhsink aoi add``."""

COLUMNS = {
    "id": "stable identifier: adcode or short name",
    "name_zh": "Chinese name",
    "name_en": "English name",
    "kind": "province, prefecture, county, national_park, wetland, ...",
    "status": "official, indicative or user",
    "area_ha": "area on the CGCS2000 Albers plane, sum of the leaves [ha]",
    "official_area_ha": "area stated by the authority [ha]; empty when none was found",
    "source": "where polygon and stated area come from",
    "licence": "licence and its standing",
    "note": "what a reader must know before using the number",
}
"""Schema of the layer ``regions``: the fields of ``Region``, in order."""

FIXED_DATE = "2026-01-01T00:00:00.000Z"
"""Written as last change into every file, so that a rebuild gives the same bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionDatabase:
    """Every region a number can be asked for."""

    regions: tuple[Region, ...]
    """In reading order: province, prefectures, counties, protected areas, user's."""
    shapes: Mapping[str, BaseGeometry]
    """Region id to polygon in ``crs``."""
    crs: pyproj.CRS
    """CRS of ``shapes``: CGCS2000 Albers."""
    digest: str
    """SHA-256 of attributes and polygons."""

    def get(self, region_id: str) -> Region:
        """Return the region called ``region_id``.

        Raises
        ------
        RegionError
            When there is none; names the closest ids.
        """
        for region in self.regions:
            if region.id == region_id:
                return region
        raise unknown_region(region_id, self.shapes)

    def geometry(self, region_id: str, crs: pyproj.CRS) -> BaseGeometry:
        """Return the polygon of a region in ``crs``, edges densified."""
        self.get(region_id)
        return project(self.shapes[region_id], self.crs, crs)

    def known_boundary(self, crs: pyproj.CRS) -> BaseGeometry:
        """Return the outlines of all counties as lines in ``crs``."""
        lines = [
            part
            for region in self.regions
            if region.kind == "county"
            for part in shapely.get_parts(
                shapely.boundary(self.geometry(region.id, crs))
            )
        ]
        return shapely.MultiLineString(lines)

    def province(self) -> Region:
        """Return the province, in which every parcel must lie."""
        for region in self.regions:
            if region.kind == "province":
                return region
        raise unknown_region("province", self.shapes)


def load_database(path: Path) -> RegionDatabase:
    """Return the regions in ``path``, with those of ``user.gpkg`` beside it.

    Raises
    ------
    RegionError
        When the file is absent or lacks the layer or a column.
    """
    shapes = read_shapes(path)
    beside = path.parent / USER_FILE
    if beside.is_file():
        shapes += read_shapes(beside)
    digest = hashlib.sha256()
    for shape in shapes:
        digest.update(repr(shape.region).encode())
        digest.update(shapely.to_wkb(shape.geometry))
    return RegionDatabase(
        tuple(shape.region for shape in shapes),
        MappingProxyType({shape.region.id: shape.geometry for shape in shapes}),
        qinghai_albers(),
        digest.hexdigest(),
    )


def load_leaves(path: Path, crs: pyproj.CRS) -> Leaves:
    """Return the leaves in ``path``, reprojected, and cut by the user's regions.

    Parameters
    ----------
    path : Path
        ``aoi/qinghai.gpkg``.
    crs : pyproj.CRS
        Equal-area CRS of the analysis grid.

    Raises
    ------
    RegionError
        When the file is absent or lacks a layer.
    """
    frame = _layer(path, "leaves")
    table = _layer(path, "membership")
    stored = qinghai_albers()
    moved = [project(geometry, stored, crs) for geometry in frame.geometry]
    members = {
        region: tuple(sorted(rows["leaf_id"]))
        for region, rows in table.groupby("region_id", sort=True)
    }
    leaves = Leaves(
        gpd.GeoDataFrame({"leaf_id": frame["leaf_id"]}, geometry=moved, crs=crs),
        MappingProxyType(members),
    )
    beside = path.parent / USER_FILE
    if not beside.is_file():
        return leaves
    parcels = [
        RegionShape(shape.region, project(shape.geometry, stored, crs))
        for shape in read_shapes(beside)
    ]
    return cut_by(leaves, parcels)


def read_shapes(path: Path) -> list[RegionShape]:
    """Return the rows of the layer ``regions`` of ``path``, in file order.

    Raises
    ------
    RegionError
        When the file, its layer or a column is not there.
    """
    frame = _layer(path, "regions")
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise RegionError(
            f"{path.name}: layer 'regions' without column {missing[0]!r}",
            expected=f"the columns {', '.join(COLUMNS)}",
            remedy="Rebuild it with `qhsink aoi build`.",
        )
    return [
        RegionShape(_region(row), geometry)
        for row, geometry in zip(
            frame.drop(columns="geometry").to_dict("records"),
            frame.geometry,
            strict=True,
        )
    ]


def _region(row: Mapping[Any, Any]) -> Region:
    values = {name: row[name] for name in COLUMNS}
    stated = values["official_area_ha"]
    values["official_area_ha"] = None if stated is None or pd.isna(stated) else stated
    values["note"] = values["note"] if isinstance(values["note"], str) else ""
    return Region(**values)


def _layer(path: Path, layer: str) -> gpd.GeoDataFrame:
    if not path.is_file():
        raise RegionError(
            f"no file {path}",
            expected="the vector database aoi/qinghai.gpkg",
            remedy="Make it with `qhsink aoi build`.",
        )
    try:
        return gpd.read_file(path, layer=layer)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise RegionError(
            f"{path.name}: no readable layer {layer!r}",
            expected="a GeoPackage of regions",
            remedy="Move it away and add your regions again."
            if path.name == USER_FILE
            else "Rebuild it with `qhsink aoi build`.",
        ) from error


def shapes_frame(shapes: Sequence[RegionShape]) -> gpd.GeoDataFrame:
    """Return the layer ``regions`` of ``shapes`` (CGCS2000 Albers)."""
    columns = {
        name: [getattr(shape.region, name) for shape in shapes] for name in COLUMNS
    }
    frame = gpd.GeoDataFrame(
        columns,
        geometry=[_multi(shape.geometry) for shape in shapes],
        crs=qinghai_albers(),
    )
    frame["official_area_ha"] = frame["official_area_ha"].astype(float)
    return frame


@contextlib.contextmanager
def turn_to_write(folder: Path) -> Iterator[None]:
    """Hold a folder of regions for reading, changing and writing, one at a time.

    The lock is on the folder itself (``flock``), so that nothing is left behind, and
    the system releases it if the process is killed.

    Raises
    ------
    StoreFault
        When the folder cannot be opened.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_database(
    path: Path, shapes: Sequence[RegionShape], leaves: Leaves | None = None
) -> None:
    """Write ``path`` aside and rename it into place: complete or as it was.

    Raises
    ------
    StoreFault
        When the file cannot be written.
    """
    aside = path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        with _fixed_date():
            pyogrio.write_dataframe(
                shapes_frame(shapes), aside, layer="regions", driver="GPKG"
            )
            if leaves is not None:
                _write_leaves(aside, leaves)
        aside.replace(path)
    except (OSError, pyogrio.errors.DataSourceError) as error:
        raise _not_written(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


def _not_written(path: Path, error: Exception) -> StoreFault:
    return StoreFault(
        f"{path} could not be written ({error})",
        expected="a writable folder with free space",
        remedy="Check its permissions, then run again: the old file is as it was.",
    )


def _write_leaves(path: Path, leaves: Leaves) -> None:
    frame = leaves.frame.copy()
    frame["area_ha"] = frame.geometry.area / 10_000.0
    frame["geometry"] = [_multi(geometry) for geometry in frame.geometry]
    pyogrio.write_dataframe(
        frame[["leaf_id", "area_ha", "geometry"]], path, layer="leaves", driver="GPKG"
    )
    pairs = [
        (region, leaf) for region, ids in sorted(leaves.members.items()) for leaf in ids
    ]
    table = pd.DataFrame(pairs, columns=["region_id", "leaf_id"])
    pyogrio.write_dataframe(table, path, layer="membership", driver="GPKG")


def _multi(geometry: BaseGeometry) -> BaseGeometry:
    if geometry.geom_type == "MultiPolygon":
        return geometry
    return shapely.MultiPolygon(shapely.get_parts(geometry).tolist())


@contextlib.contextmanager
def _fixed_date() -> Iterator[None]:
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": FIXED_DATE})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def areas_from_leaves(leaves: Leaves) -> dict[str, float]:
    """Return every region's area as the exact sum of its leaves [ha]."""
    area = dict(zip(leaves.frame["leaf_id"], leaves.frame.geometry.area, strict=True))
    return {
        region: math.fsum(area[leaf] for leaf in ids) / 10_000.0
        for region, ids in leaves.members.items()
    }

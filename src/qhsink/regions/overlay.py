"""Leaves: the smallest areas from which every region is a sum.

Pure: polygons in, polygons out, in one plane. Two places belong to the same leaf when
they belong to the same regions. Reading and writing leaves is in ``database``.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import geopandas as gpd
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import RegionError
from qhsink.regions.shapes import RegionShape, geometry_digest, polygons_only

CRUMB_M2 = 1.0
"""A piece smaller than this is left with the rest of its leaf [m2]."""

CRUMB_WIDTH_M = 0.1
"""A piece thinner than this on average (area over half the perimeter) likewise [m].

Such pieces come from rounding where a parcel follows a boundary, not from the ground.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """A partition into leaf regions, and which region is which leaves."""

    frame: gpd.GeoDataFrame
    """Columns ``leaf_id`` and ``geometry``, sorted by id, in one equal-area CRS."""
    members: Mapping[str, tuple[str, ...]]
    """Region id to the ids of its leaves, sorted."""

    @property
    def digest(self) -> str:
        """Identity of the partition: leaf ids (made from geometry), members, CRS."""
        crs = self.frame.crs.to_wkt() if self.frame.crs else ""
        content = {
            "crs": crs,
            "leaves": list(self.frame["leaf_id"]),
            "members": {key: list(ids) for key, ids in sorted(self.members.items())},
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def leaves_of(self, region_id: str) -> tuple[str, ...]:
        """Return the leaves that ``region_id`` is the sum of.

        Raises
        ------
        RegionError
            When no such region was overlaid.
        """
        try:
            return self.members[region_id]
        except KeyError as error:
            raise unknown_region(region_id, self.members) from error

    def area_ha(self, region_id: str) -> float:
        """Return the area of a region as the sum of its leaves [ha]."""
        wanted = self.frame["leaf_id"].isin(self.leaves_of(region_id))
        return math.fsum(self.frame.geometry[wanted].area) / 10_000.0

    def restricted_to(self, region_ids: Iterable[str]) -> Leaves:
        """Return only the leaves of ``region_ids``, and only those regions."""
        members = {region: self.leaves_of(region) for region in region_ids}
        wanted = {leaf for leaves in members.values() for leaf in leaves}
        frame = self.frame[self.frame["leaf_id"].isin(wanted)]
        return Leaves(frame.reset_index(drop=True), MappingProxyType(members))


def unknown_region(region_id: str, known: Iterable[str]) -> RegionError:
    """Return the error for an id that is not there, naming the nearest ones."""
    near = difflib.get_close_matches(region_id, sorted(known), n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return RegionError(
        f"region {region_id!r}",
        expected="the id of a region in the database",
        remedy=f"{hint}`qhsink aoi list` shows them all.",
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    regions: frozenset[str]
    geometry: BaseGeometry
    leaf_id: str | None
    """Kept while the geometry is unchanged."""


def overlay(shapes: Sequence[RegionShape], *, crs: pyproj.CRS | None = None) -> Leaves:
    """Return the leaves of ``shapes``, which share one planar CRS (metres).

    Parameters
    ----------
    shapes : sequence of RegionShape
        Regions; their order does not matter.
    crs : pyproj.CRS, optional
        Recorded on the result.

    Notes
    -----
    Leaves are disjoint and cover the union of the shapes; each shape is the union of
    its leaves, but for crumbs (``CRUMB_M2``, ``CRUMB_WIDTH_M``).
    """
    return _assemble(_cut([], shapes), crs)


def cut_by(leaves: Leaves, parcels: Sequence[RegionShape]) -> Leaves:
    """Return ``leaves`` with ``parcels`` added as regions.

    Only leaves that a parcel divides change; a leaf wholly inside or outside every
    parcel keeps its id and geometry. What lies outside every leaf becomes leaves of
    its own.

    Raises
    ------
    RegionError
        When a parcel has the id of a region that is there already.
    """
    for parcel in parcels:
        if parcel.region.id in leaves.members:
            raise RegionError(
                f"parcel id {parcel.region.id!r}",
                expected="an id that no region has yet",
                remedy="Rename the parcel.",
            )
    regions_of: dict[str, set[str]] = {leaf: set() for leaf in leaves.frame["leaf_id"]}
    for region, ids in leaves.members.items():
        for leaf in ids:
            regions_of[leaf].add(region)
    pieces = [
        _Piece(frozenset(regions_of[leaf]), geometry, leaf)
        for leaf, geometry in zip(
            leaves.frame["leaf_id"], leaves.frame.geometry, strict=True
        )
    ]
    return _assemble(_cut(pieces, parcels), leaves.frame.crs, leaves.members)


def _cut(pieces: list[_Piece], shapes: Sequence[RegionShape]) -> list[_Piece]:
    for shape in sorted(shapes, key=lambda one: (-one.geometry.area, one.region.id)):
        tree = shapely.STRtree([piece.geometry for piece in pieces])
        touched = set(tree.query(shape.geometry, predicate="intersects").tolist())
        after = [piece for at, piece in enumerate(pieces) if at not in touched]
        for at in sorted(touched):
            after.extend(_split(pieces[at], shape))
        rest = shape.geometry
        if touched:
            covered = shapely.union_all([pieces[at].geometry for at in sorted(touched)])
            rest = polygons_only(shape.geometry.difference(covered))
        if not is_crumb(rest):
            after.append(_Piece(frozenset([shape.region.id]), rest, None))
        pieces = after
    return pieces


def _split(piece: _Piece, shape: RegionShape) -> list[_Piece]:
    inside = polygons_only(piece.geometry.intersection(shape.geometry))
    if is_crumb(inside):
        return [piece]
    more = piece.regions | {shape.region.id}
    outside = polygons_only(piece.geometry.difference(shape.geometry))
    if is_crumb(outside):
        return [_Piece(more, piece.geometry, piece.leaf_id)]
    return [_Piece(more, inside, None), _Piece(piece.regions, outside, None)]


def is_crumb(geometry: BaseGeometry) -> bool:
    """Whether ``geometry`` is too small or too thin to be a leaf."""
    area = float(geometry.area)
    return area < CRUMB_M2 or area < CRUMB_WIDTH_M * float(geometry.length) / 2.0


def _assemble(
    pieces: Sequence[_Piece],
    crs: pyproj.CRS | None,
    known: Mapping[str, tuple[str, ...]] | None = None,
) -> Leaves:
    rows = []
    for piece in pieces:
        geometry = piece.geometry
        leaf = piece.leaf_id
        if leaf is None:
            geometry = shapely.normalize(geometry)
            leaf = f"L{geometry_digest(geometry)[:12]}"
        rows.append((leaf, geometry, piece.regions))
    rows.sort(key=lambda row: row[0])
    members: dict[str, list[str]] = {region: [] for region in known or {}}
    for leaf, _, regions in rows:
        for region in sorted(regions):
            members.setdefault(region, []).append(leaf)
    frame = gpd.GeoDataFrame(
        {"leaf_id": [leaf for leaf, _, _ in rows]},
        geometry=[geometry for _, geometry, _ in rows],
        crs=crs,
    )
    ordered = {region: tuple(sorted(members[region])) for region in sorted(members)}
    return Leaves(frame, MappingProxyType(ordered))

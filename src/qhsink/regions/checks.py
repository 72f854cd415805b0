"""What is asked of a polygon before numbers are given for it.

Pure functions that return findings and decide nothing: what blocks is decided by
``user``. Reading files is there too; the datum test itself is in ``datum``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.regions.datum import DatumVerdict
from qhsink.regions.shapes import RegionShape

Severity = Literal["error", "question", "note"]
StatedDatum = Literal["cgcs2000", "wgs84", "gcj02"]

OUTSIDE_TOLERATED = 0.01
"""Share of a polygon that may lie outside the province: two sources of one boundary
differ by hundreds of metres."""

AREA_TOLERANCE = 0.01
"""Largest relative difference from the stated area."""

SAME_IOU = 0.98
"""Intersection over union above which two polygons are the same region twice."""

OVERLAP_SHARE = 1e-4
"""Overlap of two features of a file, as a share of the smaller, that counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen in a file."""

    severity: Severity
    """``error`` blocks, ``question`` needs an answer, ``note`` is to be known."""
    code: str
    """Stable short name, such as ``invalid`` or ``gcj02``."""
    text: str
    """What was found, and what to do, in one line."""


def check_frame(name: str, crs: pyproj.CRS) -> list[Finding]:
    """Return a finding where ``crs`` stands on a datum that PROJ cannot carry over.

    Notes
    -----
    For Beijing 1954, Xi'an 1980 and other datums on old ellipsoids the EPSG registry
    has no public transformation to CGCS2000, and PROJ then leaves coordinates as they
    are: a silent error of 50 to 150 m. Frames on the ellipsoids of CGCS2000, WGS 84
    and GRS 1980 differ from it by a metre or two at most.
    """
    ellipsoid = crs.ellipsoid
    if ellipsoid is None:
        modern = False
    else:
        modern = (
            abs(ellipsoid.semi_major_metre - 6378137.0) < 0.5
            and abs(ellipsoid.inverse_flattening - 298.2572) < 1e-3
        )
    if modern:
        return []
    text = (
        f"{name}: declared in {crs.name}, whose shift to CGCS2000 (50 to 150 m) is not "
        "public; expected CGCS2000 or WGS84. Have it converted by its keeper."
    )
    return [Finding("error", "old-datum", text)]


def check_geometry(name: str, geometry: BaseGeometry | None) -> list[Finding]:
    """Return findings on type, emptiness and validity."""
    if geometry is None or geometry.is_empty:
        return [Finding("error", "empty", f"{name}: no geometry. Remove it.")]
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        text = (
            f"{name}: a {geometry.geom_type}; expected a polygon. Give the outline as "
            "an area."
        )
        return [Finding("error", "not-polygon", text)]
    if not geometry.is_valid:
        why = shapely.is_valid_reason(geometry)
        text = (
            f"{name}: invalid polygon ({why}); expected rings that do not cross. Mend "
            "it, or let --repair do so and compare the area."
        )
        return [Finding("error", "invalid", text)]
    return []


def repaired(name: str, geometry: BaseGeometry) -> tuple[BaseGeometry, Finding]:
    """Return a valid polygon made from ``geometry``, and what that changed.

    Notes
    -----
    GEOS ``structure`` method: shells are united, holes subtracted.
    """
    why = shapely.is_valid_reason(geometry)
    mended = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    before, after = abs(geometry.area), mended.area
    # Lobes of a crossed ring cancel by sign: then there is no area to compare with.
    changed = (
        f"area {after / before - 1.0:+.3%}" if before > after / 2.0 else "new area"
    )
    parts = len(shapely.get_parts(mended))
    text = (
        f"{name}: repaired ({why}): now {parts} parts, {changed}. Look at the result."
    )
    return mended, Finding("note", "repaired", text)


def check_inside(
    name: str, geometry: BaseGeometry, province: BaseGeometry
) -> list[Finding]:
    """Return a finding where ``geometry`` leaves the province."""
    outside = geometry.difference(province).area / geometry.area
    if outside <= 0.0:
        return []
    if outside > OUTSIDE_TOLERATED:
        text = (
            f"{name}: {outside:.1%} of it lies outside Qinghai; expected at most "
            f"{OUTSIDE_TOLERATED:.0%}. Check the CRS and the order of coordinates, or "
            "cut it at the province boundary."
        )
        return [Finding("error", "outside", text)]
    text = f"{name}: {outside:.2%} of it lies outside the province boundary."
    return [Finding("note", "edge", text)]


def check_stated_area(
    name: str, found_ha: float, stated_ha: float | None
) -> list[Finding]:
    """Return findings on the difference from a stated area [ha]."""
    if stated_ha is None:
        return []
    gap = found_ha / stated_ha - 1.0
    told = f"{found_ha:,.1f} ha on the equal-area grid, {stated_ha:,.1f} ha stated"
    if abs(gap) > AREA_TOLERANCE:
        text = (
            f"{name}: {told} ({gap:+.2%}); expected within {AREA_TOLERANCE:.0%}. Check "
            "the polygon, its CRS and the unit of the stated area."
        )
        return [Finding("error", "area", text)]
    return [Finding("note", "area-agrees", f"{name}: {told} ({gap:+.2%}).")]


def check_size(name: str, found_ha: float, pixel_size_m: float | None) -> list[Finding]:
    """Return a finding on a polygon smaller than one pixel of the map."""
    if pixel_size_m is None or found_ha * 1e4 >= pixel_size_m**2:
        return []
    text = (
        f"{name}: {found_ha * 1e4:,.3g} m2, less than one pixel of {pixel_size_m:g} m; "
        f"expected {pixel_size_m**2:,.0f} m2 at least. Check the CRS and the unit of "
        "the coordinates, or give the whole outline."
    )
    return [Finding("error", "too-small", text)]


def check_overlaps(shapes: Sequence[RegionShape]) -> list[Finding]:
    """Return findings on features of one file that cover each other."""
    findings = []
    if len(shapes) < 2:
        return []
    geometries = [shape.geometry for shape in shapes]
    tree = shapely.STRtree(geometries)
    pairs = tree.query(geometries, predicate="intersects").T.tolist()
    for one, other in sorted((a, b) for a, b in pairs if a < b):
        shared = geometries[one].intersection(geometries[other]).area
        smaller = min(geometries[one].area, geometries[other].area)
        if _iou(geometries[one], geometries[other]) >= SAME_IOU:
            code, what = "duplicate", "are the same polygon"
        elif shared > OVERLAP_SHARE * smaller:
            code, what = "overlap", f"overlap by {shared / 1e4:,.2f} ha"
        else:
            continue
        names = f"{shapes[one].region.id} and {shapes[other].region.id}"
        text = (
            f"{names} {what}; expected features that lie apart. Mend or split the file."
        )
        findings.append(Finding("error", code, text))
    return findings


def check_ids(shapes: Sequence[RegionShape], known: set[str]) -> list[Finding]:
    """Return findings on ids that are used twice or already taken."""
    findings = []
    seen: set[str] = set()
    for shape in shapes:
        name = shape.region.id
        if name in seen or name in known:
            where = "in the database" if name in known else "in this file"
            text = f"{name}: this id is already {where}. Rename the feature."
            findings.append(Finding("error", "duplicate-id", text))
        seen.add(name)
    return findings


def check_duplicates(
    shape: RegionShape, known: Mapping[str, BaseGeometry]
) -> list[Finding]:
    """Return a finding for each known region that is the same polygon."""
    findings = []
    for name, geometry in known.items():
        if shape.geometry.intersects(geometry):
            iou = _iou(shape.geometry, geometry)
            if iou >= SAME_IOU:
                text = (
                    f"{shape.region.id}: the same polygon as region {name!r} "
                    f"(overlap {iou:.1%}). Use --region {name}."
                )
                findings.append(Finding("error", "duplicate", text))
    return findings


def _iou(one: BaseGeometry, other: BaseGeometry) -> float:
    smaller, larger = sorted((one.area, other.area))
    if smaller < SAME_IOU * larger:
        return smaller / larger  # an upper bound, already too small to matter
    shared = float(one.intersection(other).area)
    return shared / (one.area + other.area - shared)


def check_datum(
    name: str, verdict: DatumVerdict, stated: StatedDatum | None
) -> list[Finding]:
    """Return findings on the datum, seen and stated."""
    if stated == "gcj02" or verdict.datum == "gcj02":
        why = (
            verdict.reason
            if verdict.datum == "gcj02"
            else "it is stated to be on GCJ-02, the shifted datum of Chinese web maps"
        )
        text = (
            f"{name}: {why}; expected CGCS2000 or WGS84. Get the original from its "
            "keeper: undoing the shift is no survey."
        )
        return [Finding("error", "gcj02", text)]
    if verdict.datum == "wgs84-like":
        return [Finding("note", "datum", f"{name}: {verdict.reason}.")]
    if stated is not None:
        text = f"{name}: datum {stated} as stated; not testable: {verdict.reason}."
        return [Finding("note", "datum-stated", text)]
    text = (
        f"{name}: {verdict.reason}. State the datum with --datum cgcs2000 or wgs84 if "
        "you know that the polygon was not drawn on a Chinese web map."
    )
    return [Finding("question", "datum-unknown", text)]

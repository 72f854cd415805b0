"""Regions that users bring: examined, refused with reasons, or taken in.

Which findings block is decided here. Reading the file is in ``vector_file``, the single
tests in ``checks`` and ``datum``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyproj
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import RegionError
from qhsink.domain.region import Region
from qhsink.grid import qinghai_albers
from qhsink.regions import checks
from qhsink.regions.checks import Finding, StatedDatum
from qhsink.regions.database import (
    USER_FILE,
    RegionDatabase,
    read_shapes,
    turn_to_write,
    write_database,
)
from qhsink.regions.datum import recognise_datum
from qhsink.regions.shapes import RegionShape, area_ha, project
from qhsink.regions.vector_file import read_vector

ID_COLUMNS = ("id", "name")
NAME_COLUMNS = ("name_zh", "名称", "name")


@dataclass(frozen=True, slots=True)
class Examination:
    """A file, examined."""

    shapes: tuple[RegionShape, ...]
    """Features that could be made into regions."""
    findings: tuple[Finding, ...]
    """What was seen, in reading order."""

    def of(self, severity: checks.Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(f for f in self.findings if f.severity == severity)


def examine_file(
    path: Path,
    *,
    crs: pyproj.CRS,
    reference: RegionDatabase | None,
    inside_province: bool = True,
    repair: bool = False,
    stated_area_ha: float | None = None,
    datum: StatedDatum | None = None,
    pixel_size_m: float | None = None,
) -> Examination:
    """Return the regions in ``path`` (in ``crs``) and every finding on them.

    Parameters
    ----------
    path : Path
        Vector file.
    crs : pyproj.CRS
        Equal-area CRS of the result.
    reference : RegionDatabase or None
        Known regions; without it nothing is said of province, duplicates and datum.
    inside_province : bool
        Whether lying outside the province is an error.
    repair : bool
        Make invalid polygons valid, and say what that changed.
    stated_area_ha : float, optional
        Area that all features together should have [ha].
    datum : str, optional
        Datum as the user knows it.
    pixel_size_m : float, optional
        Edge of a map's pixel [m]; a region smaller than one is an error.

    Raises
    ------
    RegionError
        When the file cannot be read or declares no CRS.
    """
    file = read_vector(path)
    findings = [Finding("note", "reader", remark) for remark in file.remarks]
    findings += checks.check_frame(path.stem, file.crs)
    shapes: list[RegionShape] = []
    at_home: list[BaseGeometry] = []
    rows = file.frame.drop(columns="geometry").to_dict("records")
    for at, (row, geometry) in enumerate(zip(rows, file.frame.geometry, strict=True)):
        name = _id_of(row, path.stem, at if len(rows) > 1 else None)
        sound, seen = _sound(name, geometry, repair=repair)
        findings += seen
        if sound is not None:
            placed = project(sound, file.crs, crs)
            shapes.append(_region(name, row, placed, path))
            own_ha = shapes[-1].region.area_ha
            findings += checks.check_size(name, own_ha, pixel_size_m)
            if reference is not None:
                at_home.append(project(sound, file.crs, reference.crs))
    total = sum(shape.region.area_ha for shape in shapes)
    if shapes:
        findings += checks.check_stated_area(path.stem, total, stated_area_ha)
    findings += checks.check_overlaps(shapes)
    if reference is not None:
        homely = [
            RegionShape(shape.region, geometry)
            for shape, geometry in zip(shapes, at_home, strict=True)
        ]
        findings += _against(reference, homely, inside=inside_province, datum=datum)
    if stated_area_ha is not None and len(shapes) == 1:
        one = shapes[0]
        region = replace(one.region, official_area_ha=stated_area_ha)
        shapes = [RegionShape(region, one.geometry)]
    return Examination(tuple(shapes), tuple(findings))


def _sound(
    name: str, geometry: BaseGeometry | None, *, repair: bool
) -> tuple[BaseGeometry | None, list[Finding]]:
    findings = checks.check_geometry(name, geometry)
    if not findings:
        return geometry, []
    if geometry is not None and repair and findings[0].code == "invalid":
        mended, note = checks.repaired(name, geometry)
        still = checks.check_geometry(name, mended)
        return (None if still else mended), [note, *still]
    return None, findings


def _against(
    reference: RegionDatabase,
    shapes: list[RegionShape],
    *,
    inside: bool,
    datum: StatedDatum | None,
) -> list[Finding]:
    """Compare ``shapes``, given in the CRS of ``reference``, with what is known."""
    crs, known = reference.crs, reference.shapes
    boundary = reference.known_boundary(crs)
    province = known[reference.province().id]
    findings = []
    for shape in shapes:
        # The datum comes first: a shifted file explains what else looks wrong.
        name, geometry = shape.region.id, shape.geometry
        verdict = recognise_datum(geometry, boundary, crs)
        findings += checks.check_datum(name, verdict, datum)
        if inside:
            findings += checks.check_inside(name, geometry, province)
        findings += checks.check_duplicates(shape, known)
    return findings + checks.check_ids(shapes, set(known))


def _id_of(row: Mapping[str, Any], stem: str, at: int | None) -> str:
    for column in ID_COLUMNS:
        text = _text(row, column)
        if text:
            slug = re.sub(r"[^\w.-]+", "-", text).strip("-")
            # A bare running number would collide with the next file's.
            return f"{stem}-{slug}" if re.fullmatch(r"\d{1,5}", slug) else slug
    return stem if at is None else f"{stem}-{at + 1}"


def _text(row: Mapping[str, Any], wanted: str) -> str:
    for key, value in row.items():
        if str(key).lower() == wanted and not pd.isna(value):
            whole = isinstance(value, float) and value.is_integer()
            return str(int(value) if whole else value).strip()
    return ""


def _region(
    name: str, row: Mapping[str, Any], geometry: BaseGeometry, path: Path
) -> RegionShape:
    named = next((t for c in NAME_COLUMNS if (t := _text(row, c))), name)
    region = Region(
        id=name,
        name_zh=named,
        name_en=_text(row, "name_en") or name,
        kind="user",
        status="user",
        area_ha=area_ha(geometry),
        official_area_ha=None,
        source=f"Polygon: {path.name}.",
        licence="the user's own",
    )
    return RegionShape(region, geometry)


def read_user_regions(
    path: Path,
    *,
    crs: pyproj.CRS,
    reference: RegionDatabase | None,
    inside_province: bool,
    pixel_size_m: float | None = None,
) -> list[RegionShape]:
    """Return the regions in ``path``, ready to be cut into leaves.

    Unlike ``add``, a polygon that equals a known region is no harm here, and a datum
    that cannot be told becomes a note on the region instead of a question.

    Raises
    ------
    RegionError
        When the file cannot be read, or any feature has an error.
    """
    seen = examine_file(
        path,
        crs=crs,
        reference=reference,
        inside_province=inside_province,
        pixel_size_m=pixel_size_m,
    )
    blocking = [f for f in seen.of("error") if f.code != "duplicate"]
    if blocking:
        raise refusal(path, blocking)
    shapes = []
    for shape in seen.shapes:
        name = f"{shape.region.id}: "
        said = [
            f.text.removeprefix(name)
            for f in (*seen.of("question"), *seen.of("note"))
            if f.text.startswith(name)
        ]
        shapes.append(
            RegionShape(replace(shape.region, note=" ".join(said)), shape.geometry)
        )
    return shapes


def refusal(path: Path, findings: list[Finding]) -> RegionError:
    """Return the one-line error for a file with blocking findings."""
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    found, _, remedy = findings[0].text.partition(". ")
    found, _, expected = found.partition("; expected ")
    return RegionError(
        f"{path.name}: {found}{more}",
        expected=expected or "a region that passes `qhsink aoi check`",
        remedy=remedy or "`qhsink aoi check` lists what to mend.",
    )


def add_regions(aoi: Path, examination: Examination) -> tuple[Region, ...]:
    """Take the regions of a passed examination into ``user.gpkg`` and return them.

    Two processes that add at once take turns: neither loses the other's regions.

    Parameters
    ----------
    aoi : Path
        Folder of the database.
    examination : Examination
        Without errors or questions, in CGCS2000 Albers.

    Raises
    ------
    RegionError
        Another process took an id since the file was examined.
    StoreFault
        The folder cannot be written.
    """
    path = aoi / USER_FILE
    added = [_with_notes(shape, examination) for shape in examination.shapes]
    with turn_to_write(aoi):
        kept = read_shapes(path) if path.is_file() else []
        taken = {s.region.id for s in kept} & {s.region.id for s in added}
        if taken:
            raise RegionError(
                f"region {', '.join(sorted(taken))} is in {path.name} by now",
                expected="an id of its own for each region",
                remedy="Give the feature another id, then add it again.",
            )
        write_database(path, [*kept, *added])
    return tuple(shape.region for shape in added)


def _with_notes(shape: RegionShape, examination: Examination) -> RegionShape:
    """Return a region with what was noted about it."""
    mark = f"{shape.region.id}: "
    notes = [
        finding.text.removeprefix(mark)
        for finding in examination.of("note")
        if finding.text.startswith(mark)
    ]
    return RegionShape(replace(shape.region, note=" ".join(notes)), shape.geometry)


def home_crs() -> pyproj.CRS:
    """Return the CRS in which the database keeps regions."""
    return qinghai_albers()

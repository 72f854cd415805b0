"""Which dates a source has over a region: cloud share, footprint, usable days.

Reads catalogues only, never a pixel; whether an item's reflectance can be used is
decided when it is pinned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.grid import transformer
from qhsink.sources.items import BBox, acquired, solar_day
from qhsink.sources.offsets import resolve_bands
from qhsink.sources.stac import find_items

USABLE_CLOUD = 0.6
"""Cloud share up to which a day counts as usable in the calendar: a few clear pixels
help a monthly median; a choice, not a finding."""

USABLE_COVER = 0.05
"""Share of the region that a day must reach to count."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One item over a region."""

    item_id: str
    day: date
    """Solar day."""
    cloud_share: float | None
    """As the item states it, for its whole footprint, 0..1."""
    cover: float
    """Share of the region's area inside the item's footprint, 0..1."""
    refused: str
    """Why its reflectance would be refused; empty when it would not."""
    footprint: BaseGeometry
    """Part of the region that it covers, on the region's CRS."""


@dataclass(frozen=True, slots=True)
class Day:
    """One solar day over a region, its granules together."""

    day: date
    cloud_share: float | None
    """Mean of the items' cloud shares by the region's area in each; None when not
    stated."""
    cover: float
    """Share of the region inside any footprint, 0..1."""
    items: int
    """Items that can be used."""

    @property
    def usable(self) -> bool:
        """Whether the day may add clear pixels."""
        cloud = 0.0 if self.cloud_share is None else self.cloud_share
        return self.cover >= USABLE_COVER and cloud <= USABLE_CLOUD


def list_items(
    source: SourceConfig,
    region: BaseGeometry,
    crs: pyproj.CRS,
    *,
    project: Path,
    period: Period,
) -> tuple[Listed, ...]:
    """Return the items of a source over ``region`` in ``period``, in time order.

    Parameters
    ----------
    source : SourceConfig
    region : shapely geometry
        On ``crs``, which must be equal-area.
    crs : pyproj.CRS
    project : Path
        Folder that a relative path is relative to.
    period : Period
        Solar days.
    """
    lonlat = transformer(crs, "EPSG:4326")
    box: BBox = lonlat.transform_bounds(*region.bounds, densify_pts=21)
    found = find_items(source, project=project, bbox=box, period=period)
    entries = [_listed(doc, region, crs) for doc, _ in found]
    kept = [entry for entry in entries if entry.cover > 0]
    return tuple(sorted(kept, key=lambda entry: (entry.day, entry.item_id)))


def days_of(items: Iterable[Listed], region: BaseGeometry) -> tuple[Day, ...]:
    """Return the solar days of ``items`` that can be used, ascending."""
    groups: dict[date, list[Listed]] = {}
    for item in items:
        if not item.refused:
            groups.setdefault(item.day, []).append(item)
    return tuple(_day(day, groups[day], region) for day in sorted(groups))


def calendar(days: Sequence[Day], period: Period) -> str:
    """Return the days of ``period`` as text, weeks as rows, Monday first.

    A usable day shows the tenths of the region it covers (``9`` for all of it); one
    with too much cloud shows ``x``, one without a scene a dot.
    """
    signs = {day.day: _sign(day) for day in days}
    lines = ["            Mo Tu We Th Fr Sa Su", "            一 二 三 四 五 六 日"]
    monday = period.start - timedelta(days=period.start.weekday())
    while monday <= period.end:
        week = [monday + timedelta(days=number) for number in range(7)]
        cells = [
            signs.get(d, "·") if period.start <= d <= period.end else " " for d in week
        ]
        lines.append(f"{monday.isoformat()}   " + "  ".join(cells).rstrip())
        monday += timedelta(days=7)
    return "\n".join(lines)


def _sign(day: Day) -> str:
    return str(min(9, int(10 * day.cover))) if day.usable else "x"


def _listed(doc: Mapping[str, Any], region: BaseGeometry, crs: pyproj.CRS) -> Listed:
    to_grid = transformer("EPSG:4326", crs)
    outline = shapely.segmentize(_outline(doc), 0.1)

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_grid.transform(points[:, 0], points[:, 1]))

    projected = shapely.transform(outline, project)
    part = shapely.intersection(shapely.make_valid(projected), region)
    cloud = doc["properties"].get("eo:cloud_cover")
    try:
        resolve_bands(doc)
        refused = ""
    except SourceError as error:
        refused = error.found
    longitude = float(shapely.centroid(outline).x)
    return Listed(
        item_id=str(doc["id"]),
        day=solar_day(acquired(doc), longitude),
        cloud_share=None if cloud is None else float(cloud) / 100.0,
        cover=float(part.area / region.area),
        refused=refused,
        footprint=part,
    )


def _outline(doc: Mapping[str, Any]) -> BaseGeometry:
    geometry = doc.get("geometry")
    if geometry:
        outline: BaseGeometry = shapely.from_geojson(json.dumps(geometry))
        return outline
    box = doc["bbox"]
    half = len(box) // 2
    whole: BaseGeometry = shapely.box(box[0], box[1], box[half], box[half + 1])
    return whole


def _day(day: date, items: Sequence[Listed], region: BaseGeometry) -> Day:
    whole = shapely.union_all([item.footprint for item in items])
    known = [item for item in items if item.cloud_share is not None]
    weight = sum(item.cover for item in known)
    cloud = (
        sum((item.cloud_share or 0.0) * item.cover for item in known) / weight
        if weight > 0
        else None
    )
    return Day(day, cloud, float(whole.area / region.area), len(items))

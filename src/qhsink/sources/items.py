"""What any STAC item says of itself: when, where, whether it is one at all.

Knows no sensor: which files hold the bands is ``offsets``'. Reads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pystac

from qhsink.domain.errors import SourceError

BBox = tuple[float, float, float, float]
"""West, south, east, north [deg]."""


def checked(doc: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the item brought up to date; SourceError when it is not a STAC item."""
    try:
        plain = plain_item(_with_time(doc))
        plain |= {"id": str(plain["id"]), "assets": dict(plain["assets"])}
        acquired(plain)
        bounds(plain)
    except (KeyError, TypeError, ValueError, AttributeError, pystac.STACError) as error:
        raise SourceError(
            f"item {doc.get('id', 'without id')} in {where}: "
            f"{type(error).__name__} {error}",
            expected="a STAC item with id, geometry, datetime and assets",
            remedy="Correct the item, or name it under exclude of its source.",
        ) from error
    return plain


def plain_item(item: Mapping[str, Any] | pystac.Item) -> dict[str, Any]:
    """Return the item as a plain mapping, brought up from versions before 1.0."""
    if isinstance(item, pystac.Item):
        return dict(item.to_dict(include_self_link=False, transform_hrefs=False))
    if str(item.get("stac_version", "")).startswith("0."):
        migrated = pystac.Item.from_dict(dict(item), migrate=True)
        return dict(migrated.to_dict(include_self_link=False, transform_hrefs=False))
    return dict(item)


def acquired(doc: Mapping[str, Any]) -> datetime:
    """Return the acquisition time, UTC."""
    properties = doc["properties"]
    moment = datetime.fromisoformat(
        properties.get("datetime") or properties["start_datetime"]
    )
    return (
        moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    )


def solar_day(acquired: datetime, longitude: float) -> date:
    """Return the date on a sundial at ``longitude`` [deg]: UTC + 4 min per degree."""
    return (acquired + timedelta(hours=longitude / 15.0)).date()


def bounds(doc: Mapping[str, Any]) -> BBox:
    """Return the item's bounding box, from its geometry where not stated."""
    box = doc.get("bbox")
    if not box:
        points = list(_points(doc["geometry"]["coordinates"]))
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        return min(xs), min(ys), max(xs), max(ys)
    half = len(box) // 2
    return float(box[0]), float(box[1]), float(box[half]), float(box[half + 1])


def middle(box: BBox) -> float:
    """Return the longitude of a box's centre [deg]."""
    return (box[0] + box[2]) / 2.0


def touches(one: BBox, other: BBox) -> bool:
    """Whether two boxes share a point."""
    return (
        one[0] <= other[2]
        and other[0] <= one[2]
        and one[1] <= other[3]
        and other[1] <= one[3]
    )


def with_alternate(doc: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the item with the alternate address ``name`` of each asset that has it.

    Providers that keep files in S3 state an https address beside it (STAC extension
    alternate-assets).
    """
    if not name:
        return doc
    assets = {
        key: {**asset, "href": asset["alternate"][name]["href"]}
        if name in asset.get("alternate", {})
        else asset
        for key, asset in doc["assets"].items()
    }
    return {**doc, "assets": assets}


def with_rewritten(
    doc: dict[str, Any], prefixes: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return the item with the beginnings of asset addresses replaced.

    Public buckets are stated as ``s3://`` and read over https without an account.
    """
    if not prefixes:
        return doc
    assets = {}
    for key, asset in doc["assets"].items():
        href = str(asset.get("href", ""))
        for old, new in prefixes:
            if href.startswith(old):
                href = new + href.removeprefix(old)
                break
        assets[key] = {**asset, "href": href} if "href" in asset else asset
    return {**doc, "assets": assets}


def tile_of(doc: Mapping[str, Any]) -> str:
    """Return the granule's tile or path and row, the item id when none is stated."""
    properties = doc["properties"]
    grid = properties.get("grid:code") or properties.get("s2:mgrs_tile")
    if grid:
        return str(grid).removeprefix("MGRS-")
    path, row = properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row")
    return f"{path}/{row}" if path and row else str(doc["id"])


def _with_time(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the item with noon UTC where it states the day alone.

    Items before STAC 1.0 may do so. Noon UTC is the same solar day at every
    longitude; midnight, which migration would make of it, is the day before in the
    whole western hemisphere.
    """
    stated = doc["properties"].get("datetime")
    if isinstance(stated, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", stated):
        properties = {**doc["properties"], "datetime": f"{stated}T12:00:00Z"}
        return {**doc, "properties": properties}
    return doc


def _points(coordinates: Any) -> Iterator[tuple[float, float]]:
    if isinstance(coordinates[0], int | float):
        yield float(coordinates[0]), float(coordinates[1])
    else:
        for part in coordinates:
            yield from _points(part)

"""STAC documents that all products of the simulated archive share.

Collections, the root, links, footprints and what an asset says of its file. What an
item of one product says is decided beside that product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from qhsink.grid import transformer
from qhsink.twin.frames import Frame

STAC_VERSION = "1.0.0"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
PROVENANCE = "simulated"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A collection of the archive."""

    id: str
    """Collection id, as the real archive has it."""
    title: str
    description: str
    """After the word SIMULATED."""
    keyword: str
    """The mission."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a file on disk turned out to be."""

    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal digest."""


def feature(
    identity: str,
    shelf: str,
    *,
    footprint: BaseGeometry,
    properties: Mapping[str, Any],
    assets: Mapping[str, Any],
    extensions: Iterable[str],
    depth: int,
) -> dict[str, Any]:
    """Return a STAC item.

    Parameters
    ----------
    identity : str
        Item id.
    shelf : str
        Collection id.
    footprint : shapely geometry
        Outline of the valid pixels, longitude and latitude.
    properties, assets : mapping
        As the product has them; ``provenance`` is added.
    extensions : iterable of str
        Names with version, such as ``eo/v1.1.0``.
    depth : int
        Folders between the item and its collection.
    """
    up = "../" * depth
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "id": identity,
        "collection": shelf,
        "geometry": mapping(footprint),
        "bbox": [round(value, 6) for value in footprint.bounds],
        "stac_extensions": [
            f"https://stac-extensions.github.io/{name}/schema.json"
            for name in extensions
        ],
        "properties": {**properties, "provenance": PROVENANCE},
        "links": [
            link("root", f"{up}../catalog.json"),
            link("parent", f"{up}collection.json"),
            link("collection", f"{up}collection.json"),
        ],
        "assets": dict(assets),
    }


def collection(
    shelf: Shelf, items: Sequence[Mapping[str, Any]], *, hrefs: Sequence[str]
) -> dict[str, Any]:
    """Return the STAC collection of ``items``; ``hrefs`` are relative to it."""
    boxes = [item["bbox"] for item in items]
    bbox = [
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    ]
    days = sorted(item["properties"]["datetime"][:10] for item in items)
    sizes = sorted(
        {
            entry["gsd"]
            for item in items
            for entry in (item["properties"], *item["assets"].values())
            if "gsd" in entry
        }
    )
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": shelf.id,
        "title": f"{shelf.title} (simulated by qhsink)",
        "description": f"SIMULATED. No pixel here was observed. {shelf.description}",
        "license": "Apache-2.0",
        "keywords": ["simulated", shelf.keyword, "qinghai", "qhsink"],
        "providers": [{"name": "qhsink twin build", "roles": ["producer"]}],
        "extent": {
            "spatial": {"bbox": [[round(value, 6) for value in bbox]]},
            "temporal": {
                "interval": [[f"{days[0]}T00:00:00Z", f"{days[-1]}T23:59:59Z"]],
            },
        },
        "summaries": {"provenance": [PROVENANCE], "gsd": sizes},
        "links": [
            link("root", "../catalog.json"),
            link("parent", "../catalog.json"),
            *(link("item", href, "application/geo+json") for href in sorted(hrefs)),
        ],
    }


def catalog(collections: Iterable[str]) -> dict[str, Any]:
    """Return the root of the static catalogue."""
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "qhsink-twin",
        "title": "qhsink demonstration archive (simulated)",
        "description": "SIMULATED scenes for trying qhsink without a network.",
        "links": [
            link("root", "./catalog.json"),
            *(link("child", f"./{name}/collection.json") for name in collections),
        ],
    }


def outline_lonlat(valid: BaseGeometry, crs: int) -> BaseGeometry:
    """Return a simple outline of ``valid`` (EPSG ``crs``) in longitude and latitude.

    The convex hull, which holds every valid pixel; real footprints are as coarse.
    """
    to_lonlat = transformer(crs, 4326)
    hull = shapely.segmentize(valid.convex_hull.simplify(500.0).buffer(600.0), 20e3)

    def project(points: Any) -> Any:
        lon, lat = to_lonlat.transform(points[:, 0], points[:, 1])
        return shapely.get_coordinates(shapely.points(lon, lat)).round(6)

    found: BaseGeometry = shapely.orient_polygons(
        shapely.transform(hull.simplify(50.0), project)
    )
    return found


def lattice(frame: Frame) -> dict[str, Any]:
    """Return the projection fields of a raster."""
    left, low, right, top = frame.bounds
    return {
        "proj:shape": [frame.height, frame.width],
        "proj:transform": [
            frame.pixel_size,
            0,
            frame.left,
            0,
            -frame.pixel_size,
            frame.top,
        ],
        "proj:bbox": [left, low, right, top],
    }


def checksums(file: Written) -> dict[str, Any]:
    """Return the file fields of an asset."""
    return {"file:checksum": f"1220{file.sha256}", "file:size": file.size}


def link(rel: str, href: str, kind: str = "application/json") -> dict[str, str]:
    """Return a link."""
    return {"rel": rel, "href": href, "type": kind}


def iso(when: datetime) -> str:
    """Return a time (UTC) as the archives write it."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

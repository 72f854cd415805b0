"""Published maps -> STAC items and a static catalogue that needs no server.

Items say what a map is made of and whether it is simulated. Pixels are written by
``qhsink.reporting.cog``; the catalogue only points at them, with relative links.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyproj
import pystac
from odc.geo.geobox import GeoBox
from pystac.extensions.projection import ProjectionExtension
from shapely.geometry import Polygon, shape
from shapely.geometry.polygon import orient

from qhsink.domain.estimate import Provenance
from qhsink.grid import crs_wkt, transformer

_EDGE_POINTS = 9
"""Points along an edge of a footprint: parallels curve on the grid."""

_COORDINATE_DIGITS = 6
"""Decimals of degrees kept: a tenth of a metre."""


@dataclass(frozen=True, slots=True)
class MapBand:
    """One band of a published map, as STAC's ``bands`` and raster fields say it."""

    name: str
    """Short name, such as ``fvc``."""
    description: str
    """What the numbers are."""
    unit: str
    """Unit of the physical number; ``1`` for a proportion."""
    data_type: str
    """Numpy name of the stored type, such as ``float32``."""
    scale: float = 1.0
    """Physical number per stored number."""
    offset: float = 0.0
    """Physical number at stored zero."""
    nodata: float | None = None
    """Stored number that means nothing is known; may be NaN."""


@dataclass(frozen=True, slots=True)
class MapFile:
    """One published map of one tile and period."""

    item_id: str
    """Item id, unique in the catalogue, such as ``fvc_2025-08_x-0014_y-0180``."""
    tile: str
    """Tile name."""
    geobox: GeoBox
    """Pixel lattice."""
    path: Path
    """The COG."""
    bands: tuple[MapBand, ...]
    """Its bands, in file order."""
    start: date
    """First day of the period."""
    end: date
    """Last day of the period, inclusive."""
    model: str
    """Exact model id."""
    provenance: Provenance
    """``observed`` pixels, or ``simulated``."""
    scenes: tuple[str, ...]
    """Item ids of the scenes it is derived from."""
    key: str
    """Content key (digest) of the artifact."""
    title: str = ""
    """Title of the asset."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further properties, JSON-able."""


def map_item(file: MapFile) -> pystac.Item:
    """Return the STAC item of a published map, one asset ``map``.

    Notes
    -----
    The period is closed: ``start_datetime`` is its first and ``end_datetime`` its
    last second, UTC; ``datetime`` is null, as STAC 1.1 asks for composites.
    Qinghai's grid has no EPSG code, so the CRS is given as WKT2
    (``proj:code`` null). Scene ids are listed in ``qhsink:derived_from``, not as
    links, for the archives they come from may be signed or moved.
    """
    footprint = geographic_footprint(file.geobox)
    item = pystac.Item(
        id=file.item_id,
        geometry=footprint,
        bbox=[round(edge, _COORDINATE_DIGITS) for edge in shape(footprint).bounds],
        datetime=None,
        start_datetime=datetime.combine(file.start, time.min, tzinfo=UTC),
        end_datetime=datetime.combine(file.end, time(23, 59, 59), tzinfo=UTC),
        properties={
            "qhsink:tile": file.tile,
            "qhsink:model": file.model,
            "qhsink:provenance": file.provenance,
            "qhsink:derived_from": list(file.scenes),
            "qhsink:key": file.key,
            **file.extra,
        },
    )
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    code, wkt2 = _crs_code(crs_wkt(file.geobox))
    projection.apply(
        code=code,
        wkt2=wkt2,
        shape=list(file.geobox.shape),
        transform=list(file.geobox.affine)[:6],
    )
    item.stac_extensions.append(RASTER_SCHEMA)
    item.add_asset(
        "map",
        pystac.Asset(
            href=file.path.resolve().as_posix(),
            title=file.title or file.item_id,
            media_type=pystac.MediaType.COG,
            roles=["data"],
            extra_fields={"bands": [_band(band, file.geobox) for band in file.bands]},
        ),
    )
    return item


RASTER_SCHEMA = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
"""Extension whose fields the bands use; a name, never fetched."""


@lru_cache(maxsize=8)
def _crs_code(wkt: str) -> tuple[str | None, str | None]:
    """Return the EPSG code of a CRS, or else its WKT2. PROJ's search takes 0.2 s."""
    crs = pyproj.CRS(wkt)
    epsg = crs.to_epsg()
    return (f"EPSG:{epsg}", None) if epsg else (None, crs.to_wkt("WKT2_2019"))


def geographic_footprint(geobox: GeoBox) -> dict[str, Any]:
    """Return the outline of ``geobox`` as a GeoJSON polygon in degrees, WGS 84."""
    box = geobox.boundingbox
    corners = [
        (box.left, box.bottom),
        (box.right, box.bottom),
        (box.right, box.top),
        (box.left, box.top),
        (box.left, box.bottom),
    ]
    ring = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        steps = [k / (_EDGE_POINTS - 1) for k in range(_EDGE_POINTS - 1)]
        ring += [(x0 + (x1 - x0) * s, y0 + (y1 - y0) * s) for s in steps]
    to_degrees = transformer(crs_wkt(geobox), "EPSG:4326")
    degrees = [
        tuple(round(c, _COORDINATE_DIGITS) for c in to_degrees.transform(x, y))
        for x, y in [*ring, ring[0]]
    ]
    outline = orient(Polygon(degrees))
    return {
        "type": "Polygon",
        "coordinates": [[list(point) for point in outline.exterior.coords]],
    }


def write_catalogue(
    out_dir: Path,
    items: Sequence[pystac.Item],
    *,
    catalogue_id: str = "qhsink",
    title: str = "qhsink maps",
    description: str = "Published maps of qhsink, one item per map and tile.",
) -> Path:
    """Write a self-contained static catalogue and return its ``catalog.json``.

    Parameters
    ----------
    out_dir : Path
        Folder of ``catalog.json``; each item goes to ``items/ID/ID.json`` in it.
    items : sequence of pystac.Item
        From ``map_item``; their asset paths become relative to the item's file.
        The items themselves are left as they are.
    """
    catalogue = pystac.Catalog(
        id=catalogue_id,
        title=title,
        description=description,
        catalog_type=pystac.CatalogType.SELF_CONTAINED,
    )
    root = out_dir.resolve()
    catalogue.set_self_href((root / "catalog.json").as_posix())
    for item in sorted(items, key=lambda item: item.id):
        copy = item.clone()
        copy.clear_links()
        catalogue.add_item(copy)
        copy.set_self_href((root / "items" / item.id / f"{item.id}.json").as_posix())
        copy.make_asset_hrefs_relative()
    catalogue.save(catalog_type=pystac.CatalogType.SELF_CONTAINED)
    return out_dir / "catalog.json"


def _band(band: MapBand, geobox: GeoBox) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": band.name,
        "description": band.description,
        "data_type": band.data_type,
        "unit": band.unit,
        "raster:scale": band.scale,
        "raster:offset": band.offset,
        "raster:sampling": "area",
        "raster:spatial_resolution": abs(geobox.affine.a),
    }
    if band.nodata is not None:
        fields["nodata"] = "nan" if math.isnan(band.nodata) else band.nodata
    return fields

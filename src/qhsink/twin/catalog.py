"""STAC documents of the simulated archive, laid out as Earth Search's c1 items.

Builds dictionaries; where files lie and what they hold is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyproj
import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from qhsink.twin.granules import Granule, sun_position, transformer
from qhsink.twin.spec import Pass

COLLECTION = "sentinel-2-c1-l2a"
STAC_VERSION = "1.0.0"
ORBIT = 4
"""Relative orbit number written into product names."""
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in (
        "eo/v1.1.0",
        "file/v2.1.0",
        "grid/v1.1.0",
        "mgrs/v1.0.0",
        "projection/v1.1.0",
        "raster/v1.1.0",
        "view/v1.0.0",
    )
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an item."""

    key: str
    """Asset key of Earth Search c1."""
    file: str
    """File name, after the Sentinel-2 band."""
    title: str
    common_name: str | None
    """STAC common name; None for the scene classification."""
    centre: float = 0.0
    """Central wavelength [um]."""
    width: float = 0.0
    """Full width at half maximum [um]."""


ASSETS = (
    Asset("blue", "B02", "Blue", "blue", 0.490, 0.098),
    Asset("green", "B03", "Green", "green", 0.560, 0.045),
    Asset("red", "B04", "Red", "red", 0.665, 0.038),
    Asset("nir08", "B8A", "NIR 2", "nir08", 0.865, 0.033),
    Asset("swir16", "B11", "SWIR 1.6μm", "swir16", 1.610, 0.143),
    Asset("swir22", "B12", "SWIR 2.2μm", "swir22", 2.190, 0.242),
    Asset("scl", "SCL", "Scene classification map (SCL)", None),
)
"""Files of an item; the first six in the order of ``qhsink.domain.scene.BANDS``."""

SCL_SHARES = {
    1: "s2:saturated_defective_pixel_percentage",
    2: "s2:dark_features_percentage",
    3: "s2:cloud_shadow_percentage",
    4: "s2:vegetation_percentage",
    5: "s2:not_vegetated_percentage",
    6: "s2:water_percentage",
    7: "s2:unclassified_percentage",
    8: "s2:medium_proba_clouds_percentage",
    9: "s2:high_proba_clouds_percentage",
    10: "s2:thin_cirrus_percentage",
    11: "s2:snow_ice_percentage",
}
"""Scene class to the item property that carries its share of the valid pixels."""

CLOUD_CLASSES = (8, 9, 10)
"""Classes that make up ``eo:cloud_cover``, as in the real product."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a file on disk turned out to be."""

    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal digest."""


def moment(when: Pass, year: int) -> datetime:
    """Return the datatake's start (UTC)."""
    return datetime.combine(when.on(year), time.fromisoformat(when.time), UTC)


def item_id(granule: Granule, when: Pass, year: int) -> str:
    """Return the id of an item, as c1 names them."""
    stamp = moment(when, year).strftime("%Y%m%dT%H%M%S")
    return f"S2{when.platform[-1].upper()}_T{granule.name}_{stamp}_L2A"


def item(
    granule: Granule,
    when: Pass,
    *,
    year: int,
    footprint: BaseGeometry,
    shares: Mapping[int, float],
    nodata_share: float,
    files: Mapping[str, Written],
    coding: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a STAC item.

    Parameters
    ----------
    granule : Granule
        Where.
    when : Pass
        Date, time and platform.
    year : int
        Calendar year.
    footprint : shapely geometry
        Outline of the valid pixels, longitude and latitude.
    shares : mapping of int to float
        Share of the valid pixels by scene class, 0..1.
    nodata_share : float
        Share of the granule without an observation, 0..1.
    files : mapping of str to Written
        Size and digest by asset key.
    coding : mapping
        ``scale``, ``offset``, ``baseline`` and ``seed``.
    """
    start = moment(when, year)
    sensed = start + timedelta(seconds=15)
    lon, lat = granule.centre
    elevation, azimuth = sun_position(sensed, lon, lat)
    identity = item_id(granule, when, year)
    properties = {
        "datetime": _iso(sensed),
        "created": _iso(start + timedelta(hours=4)),
        "platform": when.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": granule.pixel_size,
        "eo:cloud_cover": round(
            100.0 * sum(shares.get(k, 0.0) for k in CLOUD_CLASSES), 4
        ),
        "proj:epsg": granule.epsg,
        "proj:centroid": {"lat": round(lat, 5), "lon": round(lon, 5)},
        "mgrs:utm_zone": granule.zone,
        "mgrs:latitude_band": granule.latitude_band,
        "mgrs:grid_square": granule.square,
        "grid:code": f"MGRS-{granule.name}",
        "view:sun_elevation": round(elevation, 4),
        "view:sun_azimuth": round(azimuth, 4),
        **_product_names(granule, when, start, str(coding["baseline"])),
        "s2:nodata_pixel_percentage": round(100.0 * nodata_share, 4),
        **{
            name: round(100.0 * shares.get(code, 0.0), 4)
            for code, name in SCL_SHARES.items()
        },
        "earthsearch:boa_offset_applied": False,
        "provenance": "simulated",
        "qhsink:seed": coding["seed"],
    }
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "id": identity,
        "collection": COLLECTION,
        "geometry": mapping(footprint),
        "bbox": [round(value, 6) for value in footprint.bounds],
        "stac_extensions": list(EXTENSIONS),
        "properties": properties,
        "links": [
            _link("root", "../../../catalog.json"),
            _link("parent", "../../collection.json"),
            _link("collection", "../../collection.json"),
        ],
        "assets": {
            asset.key: _asset(asset, granule, files[asset.key], coding)
            for asset in ASSETS
        },
    }


def collection(
    *, bbox: Sequence[float], first: date, last: date, items: Sequence[str], gsd: float
) -> dict[str, Any]:
    """Return the STAC collection; ``items`` are hrefs relative to it."""
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": COLLECTION,
        "title": "Sentinel-2 Collection 1 Level-2A (simulated by qhsink)",
        "description": (
            "SIMULATED. No pixel here was observed. A small archive over real Qinghai "
            f"regions, at {gsd:g} m: the L2A product carries every band and the scene "
            "classification at its 60 m level (R60m); asset keys and item fields "
            "follow Earth Search's sentinel-2-c1-l2a. Pixels outside the "
            "regions and their surroundings are nodata, as outside a swath."
        ),
        "license": "Apache-2.0",
        "keywords": ["simulated", "sentinel-2", "qinghai", "qhsink"],
        "providers": [{"name": "qhsink twin build", "roles": ["producer"]}],
        "extent": {
            "spatial": {"bbox": [[round(value, 6) for value in bbox]]},
            "temporal": {
                "interval": [[f"{first}T00:00:00Z", f"{last}T23:59:59Z"]],
            },
        },
        "summaries": {"provenance": ["simulated"], "gsd": [gsd]},
        "links": [
            _link("root", "../catalog.json"),
            _link("parent", "../catalog.json"),
            *(_link("item", href, "application/geo+json") for href in items),
        ],
    }


def catalog() -> dict[str, Any]:
    """Return the root of the static catalogue."""
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "qhsink-twin",
        "title": "qhsink demonstration archive (simulated)",
        "description": "SIMULATED scenes for trying qhsink without a network.",
        "links": [
            _link("root", "./catalog.json"),
            _link("child", f"./{COLLECTION}/collection.json"),
        ],
    }


def outline_lonlat(valid: BaseGeometry, crs: pyproj.CRS) -> BaseGeometry:
    """Return a simple outline of ``valid`` (in ``crs``) in longitude and latitude.

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


def _product_names(
    granule: Granule, when: Pass, start: datetime, baseline: str
) -> dict[str, Any]:
    letter = when.platform[-1].upper()
    sensed = start.strftime("%Y%m%dT%H%M%S")
    made = (start + timedelta(hours=4)).strftime("%Y%m%dT%H%M%S")
    number = baseline.replace(".", "")
    return {
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": baseline,
        "s2:product_uri": (
            f"S2{letter}_MSIL2A_{sensed}_N{number}_R{ORBIT:03d}"
            f"_T{granule.name}_{made}.SAFE"
        ),
        "s2:generation_time": _iso(start + timedelta(hours=4)),
        "s2:datatake_type": "INS-NOBS",
    }


def _asset(
    asset: Asset, granule: Granule, file: Written, coding: Mapping[str, Any]
) -> dict[str, Any]:
    band: dict[str, Any] = {
        "nodata": 0,
        "data_type": "uint16" if asset.common_name else "uint8",
        "spatial_resolution": granule.pixel_size,
    }
    entry: dict[str, Any] = {
        "href": f"./{asset.file}.tif",
        "type": COG,
        "title": f"{asset.title} - {granule.pixel_size:g}m",
        "gsd": granule.pixel_size,
        "proj:shape": [granule.size, granule.size],
        "proj:transform": [
            granule.pixel_size,
            0,
            granule.left,
            0,
            -granule.pixel_size,
            granule.top,
        ],
        "file:checksum": f"1220{file.sha256}",
        "file:size": file.size,
        "roles": ["data"],
    }
    if asset.common_name:
        band |= {"scale": coding["scale"], "offset": coding["offset"]}
        entry["eo:bands"] = [
            {
                "name": asset.file,
                "common_name": asset.common_name,
                "center_wavelength": asset.centre,
                "full_width_half_max": asset.width,
            }
        ]
        entry["roles"] = ["data", "reflectance"]
    entry["raster:bands"] = [band]
    return entry


def _link(rel: str, href: str, kind: str = "application/json") -> dict[str, str]:
    return {"rel": rel, "href": href, "type": kind}


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000000Z")

"""Items of simulated Sentinel-2 L2A, laid out as Earth Search's.

Builds dictionaries; where files lie and what they hold is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, get_args

from shapely.geometry.base import BaseGeometry

from qhsink.twin.catalog import (
    COG,
    Shelf,
    Written,
    checksums,
    feature,
    iso,
    lattice,
)
from qhsink.twin.granules import Granule
from qhsink.twin.sentinel2_metadata import METADATA, THUMBNAIL, cloud_share
from qhsink.twin.sentinel2_names import Product
from qhsink.twin.spec import Pass, SensorSection

EXTENSIONS = (
    "eo/v1.1.0",
    "file/v2.1.0",
    "grid/v1.1.0",
    "mgrs/v1.0.0",
    "processing/v1.1.0",
    "projection/v1.1.0",
    "raster/v1.1.0",
    "sentinel-2/v1.0.0",
    "view/v1.0.0",
)
_ABOUT = (
    "A small archive over real Qinghai regions. All bands have one pixel size, such as "
    "the product's R60m level, or each its own; asset keys and item fields "
    "follow Earth Search's {}. Pixels outside the regions and their surroundings are "
    "nodata, as outside a swath."
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
    level: int = 20
    """Edge of a pixel in the real product [m]."""


SIX = (
    Asset("blue", "B02", "Blue", "blue", 0.490, 0.098, 10),
    Asset("green", "B03", "Green", "green", 0.560, 0.045, 10),
    Asset("red", "B04", "Red", "red", 0.665, 0.038, 10),
    Asset("nir08", "B8A", "NIR 2", "nir08", 0.865, 0.033),
    Asset("swir16", "B11", "SWIR 1.6μm", "swir16", 1.610, 0.143),
    Asset("swir22", "B12", "SWIR 2.2μm", "swir22", 2.190, 0.242),
)
"""Bands in the order of ``qhsink.domain.scene.BANDS``."""
BESIDE = (
    Asset("coastal", "B01", "Coastal", "coastal", 0.443, 0.027, 60),
    Asset("rededge1", "B05", "Red Edge 1", "rededge", 0.704, 0.019),
    Asset("rededge2", "B06", "Red Edge 2", "rededge", 0.740, 0.018),
    Asset("rededge3", "B07", "Red Edge 3", "rededge", 0.783, 0.028),
    Asset("nir", "B08", "NIR 1", "nir", 0.842, 0.145, 10),
    Asset("nir09", "B09", "NIR 3", "nir09", 0.945, 0.026, 60),
)
"""Bands that Landsat lacks, keys and order as ``spectra.BAND_NAMES["msi"]``."""
SCL = Asset("scl", "SCL", "Scene classification map (SCL)", None)

Choice = Literal["six", "red-edge", "all"]
"""Which bands an archive's Sentinel-2 has: the six, B05 to B07 too, or all twelve."""
CHOICES: tuple[Choice, ...] = get_args(Choice)


def beside(choice: Choice) -> tuple[Asset, ...]:
    """Return the bands that an archive has beside the six."""
    if choice == "red-edge":
        return tuple(a for a in BESIDE if a.common_name == "rededge")
    return BESIDE if choice == "all" else ()


SCL_SHARES = {
    1: "s2:saturated_defective_pixel_percentage",
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

SHELF = Shelf(
    "sentinel-2-c1-l2a",
    "Sentinel-2 Collection 1 Level-2A",
    _ABOUT.format("sentinel-2-c1-l2a"),
    "sentinel-2",
)
OLDER_SHELF = Shelf(
    "sentinel-2-l2a",
    "Sentinel-2 Level-2A",
    _ABOUT.format("sentinel-2-l2a"),
    "sentinel-2",
)

Processing = Literal["collection-1", "before-04", "both-flags"]
"""How an archive's Sentinel-2 was processed, and what its items say of it.

``collection-1``: Earth Search's c1, offset stated and not applied. ``before-04``: a
baseline that has no offset. ``both-flags``: Earth Search's v1, whose items state the
offset and also that it was applied: the files come without it.
"""
PROCESSINGS: tuple[Processing, ...] = get_args(Processing)
OLD_BASELINE = "02.14"
"""A baseline in use in 2020 and 2021."""
LAST_OLD_YEAR = 2021
"""Baseline 04.00 came into use on 25 January 2022."""
FIRST_2C_YEAR = 2025
"""First season of Sentinel-2C; until then its passes are 2A's."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How an item says its numbers become reflectance."""

    shelf: Shelf
    """Collection, and with it the style of ids."""
    baseline: str
    """Processing baseline."""
    scale: float
    """Reflectance per digital number."""
    stated: float
    """Offset that the bands state [reflectance]."""
    applied: bool
    """``earthsearch:boa_offset_applied``: the files come without the 1000 DN."""

    @property
    def offset(self) -> float:
        """Reflectance at digital number 0 of the files."""
        return 0.0 if self.applied else self.stated


def coding_of(processing: Processing, sensor: SensorSection) -> Coding:
    """Return how an archive's numbers become reflectance."""
    scale, stated = sensor.scale, sensor.offset
    if processing == "before-04":
        return Coding(OLDER_SHELF, OLD_BASELINE, scale, 0.0, applied=False)
    if processing == "both-flags":
        return Coding(OLDER_SHELF, sensor.baseline, scale, stated, applied=True)
    return Coding(SHELF, sensor.baseline, scale, stated, applied=False)


def passes_in(passes: Sequence[Pass], year: int) -> list[Pass]:
    """Return the passes by satellites that flew in ``year``."""
    if year >= FIRST_2C_YEAR:
        return list(passes)
    flew = {"sentinel-2c": "sentinel-2a"}
    return [
        when.model_copy(update={"platform": flew.get(when.platform, when.platform)})
        for when in passes
    ]


def item_id(product: Product, shelf: Shelf) -> str:
    """Return the id of an item, as its collection names them."""
    letter, start, name = product.letter, product.start, product.granule.name
    if shelf == OLDER_SHELF:
        return f"S2{letter}_{name}_{start:%Y%m%d}_0_L2A"
    return f"S2{letter}_T{name}_{start:%Y%m%dT%H%M%S}_L2A"


def item(
    product: Product,
    *,
    footprint: BaseGeometry,
    shares: Mapping[int, float],
    files: Mapping[str, Written],
    coding: Coding,
    seed: int,
) -> dict[str, Any]:
    """Return a STAC item.

    Parameters
    ----------
    product : Product
        Where, when and by what.
    footprint : shapely geometry
        Outline of the valid pixels, longitude and latitude.
    shares : mapping of int to float
        Share of the valid pixels by scene class, 0..1; at 0 that of the granule
        without an observation.
    files : mapping of str to Written
        Size and digest by asset key; what is not here is no asset of the item.
    coding : Coding
        How numbers become reflectance.
    seed : int
        Of the world.
    """
    granule = product.granule
    lon, lat = granule.centre
    properties = {
        "created": iso(product.made),
        "platform": product.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": round(100.0 * cloud_share(shares), 6),
        "proj:epsg": granule.epsg,
        "proj:centroid": {"lat": round(lat, 5), "lon": round(lon, 5)},
        "mgrs:utm_zone": granule.zone,
        "mgrs:latitude_band": granule.latitude_band,
        "mgrs:grid_square": granule.square,
        "grid:code": f"MGRS-{granule.name}",
        **_angles(product),
        **_product_properties(product),
        "s2:degraded_msi_data_percentage": 0,
        "s2:nodata_pixel_percentage": round(100.0 * shares[0], 6),
        **{
            name: round(100.0 * shares.get(code, 0.0), 6)
            for code, name in SCL_SHARES.items()
        },
        "datetime": iso(product.sensed),
        "updated": iso(product.made),
        "processing:software": {"qhsink": version("qhsink")},
        "qhsink:seed": seed,
    }
    if coding.shelf == OLDER_SHELF:
        properties["s2:sequence"] = "0"
        properties["earthsearch:boa_offset_applied"] = coding.applied
    return feature(
        item_id(product, coding.shelf),
        coding.shelf.id,
        footprint=footprint,
        properties=properties,
        assets={
            asset.key: _asset(asset, granule, files[asset.key], coding)
            for asset in (*SIX, *BESIDE, SCL)
            if asset.key in files
        }
        | _metadata_assets(files, coding),
        extensions=EXTENSIONS,
        depth=2,
    )


def _angles(product: Product) -> dict[str, float]:
    (sun, sun_azimuth), (view, view_azimuth) = product.sun, product.view
    return {
        "view:azimuth": round(view_azimuth, 6),
        "view:incidence_angle": round(view, 6),
        "view:sun_azimuth": round(sun_azimuth, 6),
        "view:sun_elevation": round(90.0 - sun, 6),
    }


def _product_properties(product: Product) -> dict[str, Any]:
    return {
        "s2:tile_id": product.tile_id,
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": product.baseline,
        "s2:product_uri": product.uri,
        "s2:generation_time": iso(product.made),
        "s2:datatake_id": product.datatake_id,
        "s2:datatake_type": "INS-NOBS",
        "s2:datastrip_id": product.datastrip_id,
        "s2:reflectance_conversion_factor": product.reflectance_conversion,
    }


def _metadata_assets(files: Mapping[str, Written], coding: Coding) -> dict[str, Any]:
    """Return the assets that are no rasters."""
    found: dict[str, Any] = {
        key: {"href": f"./{name}", "type": media, "roles": ["metadata"]}
        for key, (name, media) in METADATA.items()
    }
    key, name = THUMBNAIL
    found[key] = {
        "href": f"./{name}",
        "type": "image/jpeg",
        "title": "Thumbnail of preview image",
        "roles": ["thumbnail"],
    }
    if coding.shelf == SHELF:
        return {key: entry | checksums(files[key]) for key, entry in found.items()}
    return found


def _asset(
    asset: Asset, granule: Granule, file: Written, coding: Coding
) -> dict[str, Any]:
    frame = granule.at(asset.level).frame
    shape = lattice(frame)
    band: dict[str, Any] = {
        "nodata": 0,
        "data_type": "uint16" if asset.common_name else "uint8",
        "spatial_resolution": frame.pixel_size,
    }
    entry: dict[str, Any] = {
        "href": f"./{asset.file}.tif",
        "type": COG,
        "title": asset.title,
        "gsd": frame.pixel_size,
        "proj:shape": shape["proj:shape"],
        "proj:transform": shape["proj:transform"],
        **(checksums(file) if coding.shelf == SHELF else {}),
        "roles": ["data"],
    }
    if asset.common_name:
        entry["title"] = f"{asset.title} - {frame.pixel_size:g}m"
        band |= {"scale": coding.scale, "offset": coding.stated}
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

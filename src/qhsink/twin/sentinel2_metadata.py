"""Metadata files of a simulated Sentinel-2 product, as they lie beside the real bands.

Granule and product metadata (XML), the mirror's tile document (JSON) and a thumbnail.
Only what the twin knows is in them: no footprints of detectors, no solar irradiance.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from shapely.geometry.base import BaseGeometry

from qhsink.store import file_digest
from qhsink.twin.catalog import PROVENANCE, Written, iso
from qhsink.twin.granules import EDGE_M
from qhsink.twin.sentinel2_names import ANGLE_STEP_M, ORBIT, Product

METADATA = {
    "granule_metadata": ("metadata.xml", "application/xml"),
    "tileinfo_metadata": ("tileInfo.json", "application/json"),
    "product_metadata": ("product_metadata.xml", "application/xml"),
}
"""Metadata files: name and media type by asset key."""
THUMBNAIL = ("thumbnail", "L2A_PVI.jpg")
"""Asset key and file name."""
CLOUD_CLASSES = (8, 9, 10)
"""Scene classes that make up ``eo:cloud_cover``, as in the real product."""
SCHEMA = "https://psd-14.sentinel2.eo.esa.int/PSD/"
BAND_IDS = 13
"""Bands by number in both files: B01 to B08, B8A, B09, B10, B11, B12."""
SATURATED = 65_535
THUMBNAIL_PX = 343
"""Pixels along the edge of a preview: 320 m each."""
BRIGHT = 0.3
"""Reflectance that is white in a thumbnail."""


def cloud_share(shares: Mapping[int, float]) -> float:
    """Return the share of the valid pixels that the product calls cloud, 0..1."""
    return sum(shares.get(code, 0.0) for code in CLOUD_CLASSES)


def write_metadata(
    folder: Path,
    product: Product,
    shares: Mapping[int, float],
    *,
    coding: tuple[float, float],
    outlines: tuple[BaseGeometry, BaseGeometry],
) -> dict[str, Written]:
    """Write the metadata files of a product and return what they are, by asset key.

    Parameters
    ----------
    folder : Path
        The item's.
    product : Product
        Where, when and by what.
    shares : mapping of int to float
        Share of the valid pixels by scene class, 0..1; at 0 that of the granule
        without an observation.
    coding : (float, float)
        Reflectance per digital number and at 0, as the product states them.
    outlines : pair of shapely geometries
        Of the valid pixels: longitude and latitude, and in the granule's CRS.
    """
    footprint, valid = outlines
    cloud = cloud_share(shares)
    texts = {
        "granule_metadata": granule_xml(product, shares),
        "tileinfo_metadata": tile_document(product, valid, cloud),
        "product_metadata": product_xml(product, footprint, coding=coding, cloud=cloud),
    }
    return {
        key: _write_text(folder / METADATA[key][0], text) for key, text in texts.items()
    }


def granule_xml(product: Product, shares: Mapping[int, float]) -> str:
    """Return the metadata of a granule (MTD_TL.xml): lattice, angles, quality.

    ``shares`` are those of the valid pixels by scene class; at 0 what is not covered.
    """
    root = _root("Level-2A_Tile_ID", "S2_PDI_Level-2A_Tile_Metadata.xsd")
    general = _add(root, "n1:General_Info")
    _add(general, "TILE_ID", product.tile_id, metadataLevel="Brief")
    _add(general, "DATASTRIP_ID", product.datastrip_id, metadataLevel="Standard")
    _add(general, "SENSING_TIME", iso(product.sensed), metadataLevel="Standard")
    geometric = _add(root, "n1:Geometric_Info")
    _add_geocoding(geometric, product)
    _add_angles(geometric, product)
    quality = _add(root, "n1:Quality_Indicators_Info", metadataLevel="Standard")
    content = _add(quality, "Image_Content_QI")
    cloud = 100.0 * cloud_share(shares)
    _add(content, "CLOUDY_PIXEL_PERCENTAGE", f"{cloud:.6f}")
    _add(content, "NODATA_PIXEL_PERCENTAGE", f"{100.0 * shares[0]:.6f}")
    for code, name in QUALITY.items():
        _add(content, name, f"{100.0 * shares.get(code, 0.0):.6f}")
    return _text(root)


QUALITY = {
    1: "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE",
    3: "CLOUD_SHADOW_PERCENTAGE",
    4: "VEGETATION_PERCENTAGE",
    5: "NOT_VEGETATED_PERCENTAGE",
    6: "WATER_PERCENTAGE",
    7: "UNCLASSIFIED_PERCENTAGE",
    8: "MEDIUM_PROBA_CLOUDS_PERCENTAGE",
    9: "HIGH_PROBA_CLOUDS_PERCENTAGE",
    10: "THIN_CIRRUS_PERCENTAGE",
    11: "SNOW_ICE_PERCENTAGE",
}
"""Scene class to the element that carries its share."""


def product_xml(
    product: Product,
    footprint: BaseGeometry,
    *,
    coding: tuple[float, float],
    cloud: float,
) -> str:
    """Return the metadata of a product (MTD_MSIL2A.xml).

    Parameters
    ----------
    product : Product
    footprint : shapely geometry
        Outline, longitude and latitude.
    coding : (float, float)
        Reflectance per digital number and at 0, as the product states them.
    cloud : float
        Share of the valid pixels that is cloud, 0..1.
    """
    root = _root("Level-2A_User_Product", "User_Product_Level-2A.xsd")
    general = _add(root, "n1:General_Info")
    info = _add(general, "Product_Info")
    for tag, text in (
        ("PRODUCT_START_TIME", iso(product.start)),
        ("PRODUCT_STOP_TIME", iso(product.start)),
        ("PRODUCT_URI", product.uri),
        ("PROCESSING_LEVEL", "Level-2A"),
        ("PRODUCT_TYPE", "S2MSI2A"),
        ("PROCESSING_BASELINE", product.baseline),
        ("GENERATION_TIME", iso(product.made)),
    ):
        _add(info, tag, text)
    take = _add(info, "Datatake", datatakeIdentifier=product.datatake_id)
    _add(take, "SPACECRAFT_NAME", f"Sentinel-2{product.letter}")
    _add(take, "DATATAKE_TYPE", "INS-NOBS")
    _add(take, "DATATAKE_SENSING_START", iso(product.start))
    _add(take, "SENSING_ORBIT_NUMBER", str(ORBIT))
    _add(take, "SENSING_ORBIT_DIRECTION", "DESCENDING")
    _add_coding(general, product, *coding)
    outline = shapely.get_coordinates(footprint)
    frame = _add(_add(root, "n1:Geometric_Info"), "Product_Footprint")
    place = _add(_add(frame, "Product_Footprint"), "Global_Footprint")
    points = " ".join(f"{lat:.6f} {lon:.6f}" for lon, lat in outline.tolist())
    _add(place, "EXT_POS_LIST", points)
    quality = _add(root, "n1:Quality_Indicators_Info")
    _add(quality, "Cloud_Coverage_Assessment", f"{100.0 * cloud:.6f}")
    return _text(root)


def tile_document(product: Product, valid: BaseGeometry, cloud: float) -> str:
    """Return what the mirror of level-2A products says of a tile (tileInfo.json)."""
    granule, day = product.granule, product.start
    outline = granule.frame.outline
    name = f"urn:ogc:def:crs:EPSG::{granule.epsg}"
    crs = {"type": "name", "properties": {"name": name}}
    found: dict[str, Any] = {
        "path": (
            f"tiles/{granule.zone}/{granule.latitude_band}/{granule.square}"
            f"/{day.year}/{day.month}/{day.day}/0"
        ),
        "timestamp": iso(product.sensed),
        "utmZone": granule.zone,
        "latitudeBand": granule.latitude_band,
        "gridSquare": granule.square,
        "datastrip": {"id": product.datastrip_id},
        "tileGeometry": shapely.geometry.mapping(outline) | {"crs": crs},
        "tileDataGeometry": shapely.geometry.mapping(valid.convex_hull) | {"crs": crs},
        "dataCoveragePercentage": round(100.0 * valid.area / outline.area, 2),
        "cloudyPixelPercentage": round(100.0 * cloud, 2),
        "productName": product.uri.removesuffix(".SAFE"),
        "provenance": PROVENANCE,
    }
    return json.dumps(found, indent=1) + "\n"


def write_thumbnail(
    folder: Path, reflectance: NDArray[np.float64]
) -> dict[str, Written]:
    """Write red, green and blue (3, y, x) as a JPEG and return what it is."""
    key, name = THUMBNAIL
    path = folder / name
    rows, columns = (
        np.arange(THUMBNAIL_PX) * size // THUMBNAIL_PX for size in reflectance.shape[1:]
    )
    small = reflectance[:, rows[:, None], columns]
    values = np.clip(small / BRIGHT * 255.0, 0, 255).astype(np.uint8)
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_PAM_ENABLED=False),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="JPEG",
            height=THUMBNAIL_PX,
            width=THUMBNAIL_PX,
            count=3,
            dtype="uint8",
        ) as file:
            file.write(values)
    return {key: Written(path.stat().st_size, file_digest(path))}


def _write_text(path: Path, text: str) -> Written:
    """Write a metadata file and return its size and digest."""
    path.write_text(text, encoding="utf-8")
    return Written(path.stat().st_size, file_digest(path))


def _add_geocoding(parent: ET.Element, product: Product) -> None:
    granule = product.granule
    place = _add(parent, "Tile_Geocoding", metadataLevel="Brief")
    _add(place, "HORIZONTAL_CS_NAME", f"WGS84 / UTM zone {granule.zone}N")
    _add(place, "HORIZONTAL_CS_CODE", f"EPSG:{granule.epsg}")
    levels = (10, 20, 60)
    for level in levels:
        size = _add(place, "Size", resolution=str(level))
        _add(size, "NROWS", str(EDGE_M // level))
        _add(size, "NCOLS", str(EDGE_M // level))
    for level in levels:
        corner = _add(place, "Geoposition", resolution=str(level))
        for tag, value in (
            ("ULX", granule.left),
            ("ULY", granule.top),
            ("XDIM", level),
            ("YDIM", -level),
        ):
            _add(corner, tag, str(value))


def _add_angles(parent: ET.Element, product: Product) -> None:
    angles = _add(parent, "Tile_Angles", metadataLevel="Standard")
    grids = _add(angles, "Sun_Angles_Grid")
    for tag, table in zip(("Zenith", "Azimuth"), product.sun_grids(), strict=True):
        grid = _add(grids, tag)
        _add(grid, "COL_STEP", str(ANGLE_STEP_M), unit="m")
        _add(grid, "ROW_STEP", str(ANGLE_STEP_M), unit="m")
        rows = _add(grid, "Values_List")
        for row in table.tolist():
            _add(rows, "VALUES", " ".join(f"{value:.4f}" for value in row))
    _add_pair(_add(angles, "Mean_Sun_Angle"), product.sun)
    means = _add(angles, "Mean_Viewing_Incidence_Angle_List")
    for band in range(BAND_IDS):
        mean = _add(means, "Mean_Viewing_Incidence_Angle", bandId=str(band))
        _add_pair(mean, product.view)


def _add_pair(parent: ET.Element, angles: tuple[float, float]) -> None:
    _add(parent, "ZENITH_ANGLE", f"{angles[0]:.6f}", unit="deg")
    _add(parent, "AZIMUTH_ANGLE", f"{angles[1]:.6f}", unit="deg")


def _add_coding(
    general: ET.Element, product: Product, scale: float, offset: float
) -> None:
    image = _add(general, "Product_Image_Characteristics")
    for text, number in (("NODATA", 0), ("SATURATED", SATURATED)):
        special = _add(image, "Special_Values")
        _add(special, "SPECIAL_VALUE_TEXT", text)
        _add(special, "SPECIAL_VALUE_INDEX", str(number))
    values = _add(image, "QUANTIFICATION_VALUES_LIST")
    _add(values, "BOA_QUANTIFICATION_VALUE", f"{1.0 / scale:.0f}", unit="none")
    if offset != 0.0:
        offsets = _add(image, "BOA_ADD_OFFSET_VALUES_LIST")
        for band in range(BAND_IDS):
            text = f"{offset / scale:.0f}"
            _add(offsets, "BOA_ADD_OFFSET", text, band_id=str(band))
    conversion = _add(image, "Reflectance_Conversion")
    _add(conversion, "U", f"{product.reflectance_conversion:.12f}")


def _root(name: str, schema: str) -> ET.Element:
    root = ET.Element(f"n1:{name}", {"xmlns:n1": SCHEMA + schema})
    root.append(ET.Comment(f" {PROVENANCE} by qhsink twin build "))
    return root


def _add(
    parent: ET.Element, tag: str, text: str | None = None, **attributes: str
) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"

"""Items of simulated Landsat 8/9 Collection 2 level 2, as Planetary Computer's.

Builds dictionaries; where files lie and what they hold is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

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
from qhsink.twin.frames import Frame
from qhsink.twin.product_spec import LandsatSection
from qhsink.twin.sun import sun_position
from qhsink.twin.wrs import Scene

SHELF = Shelf(
    "landsat-c2-l2",
    "Landsat Collection 2 Level-2",
    "Surface reflectance of six bands with QA_PIXEL and QA_RADSAT on real paths, rows "
    "and days of Landsat 8 and 9; names, asset keys and item fields follow Planetary "
    "Computer's landsat-c2-l2. No aerosol band, no temperature.",
    "landsat",
)
EXTENSIONS = (
    "eo/v1.0.0",
    "file/v2.1.0",
    "projection/v1.1.0",
    "raster/v1.1.0",
    "view/v1.0.0",
)
PROCESSING = timedelta(days=9)
"""Between acquisition and the date in a file's name."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an item."""

    key: str
    """Asset key."""
    file: str
    """End of the file's name."""
    title: str
    band: str = ""
    """Name of the instrument's band; empty for quality bands."""
    centre: float = 0.0
    """Central wavelength [um]."""
    width: float = 0.0
    """Full width at half maximum [um]."""


ASSETS = (
    Asset("blue", "SR_B2", "Blue Band", "OLI_B2", 0.48, 0.06),
    Asset("green", "SR_B3", "Green Band", "OLI_B3", 0.56, 0.06),
    Asset("red", "SR_B4", "Red Band", "OLI_B4", 0.65, 0.04),
    Asset("nir08", "SR_B5", "Near Infrared Band 0.8", "OLI_B5", 0.87, 0.03),
    Asset("swir16", "SR_B6", "Short-wave Infrared Band 1.6", "OLI_B6", 1.61, 0.09),
    Asset("swir22", "SR_B7", "Short-wave Infrared Band 2.2", "OLI_B7", 2.2, 0.19),
    Asset("qa_pixel", "QA_PIXEL", "Pixel Quality Assessment Band"),
    Asset("qa_radsat", "QA_RADSAT", "Radiometric Saturation Band"),
)
"""Files of an item; the first six in the order of ``qhsink.domain.scene.BANDS``."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """A scene on a day."""

    scene: Scene
    day: date
    platform: str
    """``landsat-8`` or ``landsat-9``."""

    def taken(self, local_hour: float) -> datetime:
        """Return the time of the scene's centre, at a mean solar time [h] there."""
        longitude, _ = self.scene.centre
        midnight = datetime.combine(self.day, time(), UTC)
        return midnight + timedelta(hours=local_hour - longitude / 15.0)

    @property
    def item_id(self) -> str:
        """Item id, without the day of processing."""
        return self._name("")

    @property
    def product(self) -> str:
        """Product id: what files are named after."""
        return self._name(f"_{self.day + PROCESSING:%Y%m%d}")

    def _name(self, processed: str) -> str:
        place = f"{self.scene.path:03d}{self.scene.row:03d}"
        satellite = f"LC0{self.platform[-1]}"
        return f"{satellite}_L2SP_{place}_{self.day:%Y%m%d}{processed}_02_T1"


def item(
    seen: Acquisition,
    frame: Frame,
    *,
    footprint: BaseGeometry,
    cloud_share: float,
    files: Mapping[str, Written],
    rules: LandsatSection,
    seed: int,
) -> dict[str, Any]:
    """Return a STAC item.

    Parameters
    ----------
    seen : Acquisition
        Where and when.
    frame : Frame
        The raster.
    footprint : shapely geometry
        Outline of the valid pixels, longitude and latitude.
    cloud_share : float
        Share of the valid pixels that QA_PIXEL calls cloud, 0..1.
    files : mapping of str to Written
        Size and digest by asset key.
    rules : LandsatSection
        Coding and time of day.
    seed : int
        Of the world.
    """
    when = seen.taken(rules.local_hour)
    elevation, azimuth = sun_position(when, *seen.scene.centre)
    path, row = f"{seen.scene.path:03d}", f"{seen.scene.row:03d}"
    properties = {
        "datetime": iso(when),
        "created": iso(when + PROCESSING),
        "platform": seen.platform,
        "instruments": ["oli", "tirs"],
        "description": "Landsat Collection 2 Level-2",
        "gsd": frame.pixel_size,
        "eo:cloud_cover": round(100.0 * cloud_share, 2),
        "proj:epsg": frame.epsg,
        **lattice(frame),
        "view:off_nadir": 0,
        "view:sun_azimuth": round(azimuth, 6),
        "view:sun_elevation": round(elevation, 6),
        "landsat:wrs_type": "2",
        "landsat:wrs_path": path,
        "landsat:wrs_row": row,
        "landsat:scene_id": f"LC{seen.platform[-1]}{path}{row}{seen.day:%Y%j}LGN00",
        "landsat:correction": "L2SP",
        "landsat:cloud_cover_land": round(100.0 * cloud_share, 2),
        "landsat:collection_number": "02",
        "landsat:collection_category": "T1",
        "sci:doi": "10.5066/P9OGBGM6",
        "qhsink:seed": seed,
    }
    return feature(
        seen.item_id,
        SHELF.id,
        footprint=footprint,
        properties=properties,
        assets={
            asset.key: _asset(asset, seen, frame, files[asset.key], rules)
            for asset in ASSETS
        },
        extensions=EXTENSIONS,
        depth=1,
    )


def _asset(
    asset: Asset,
    seen: Acquisition,
    frame: Frame,
    file: Written,
    rules: LandsatSection,
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "href": f"./{seen.product}_{asset.file}.TIF",
        "type": COG,
        "title": asset.title,
        "description": f"Collection 2 Level-2 {asset.title} ({asset.file})",
        **checksums(file),
    }
    band = {"data_type": "uint16", "spatial_resolution": frame.pixel_size}
    if asset.band:
        entry["eo:bands"] = [
            {
                "name": asset.band,
                "common_name": asset.key,
                "center_wavelength": asset.centre,
                "full_width_half_max": asset.width,
            }
        ]
        entry["roles"] = ["data", "reflectance"]
        band |= {"nodata": 0, "scale": rules.scale, "offset": rules.offset}
    elif asset.key == "qa_pixel":
        entry["roles"] = ["cloud", "cloud-shadow", "snow-ice", "water-mask"]
        band |= {"nodata": 1, "unit": "bit index"}
    else:
        entry["roles"] = ["saturation"]
        band |= {"unit": "bit index"}
    entry["raster:bands"] = [band]
    return entry

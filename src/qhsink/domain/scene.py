"""Pinned scenes: what will be read, decided before any pixel is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

MaskKind = Literal["scl", "qa_pixel"]

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
"""Reflectance bands that Sentinel-2 and Landsat share, by qhsink's names.

``nir`` is the narrow near infrared (Sentinel-2 B8A, Landsat 8/9 band 5).
"""


RED_EDGE = ("rededge1", "rededge2", "rededge3")
"""Further bands of Sentinel-2 alone (B05, B06, B07): read where a model needs them."""


@dataclass(frozen=True, slots=True)
class BandFile:
    """One file of one scene and the rule that turns its numbers to reflectance."""

    band: str
    """One of ``BANDS`` or ``RED_EDGE``, ``mask`` or, for Landsat, ``radsat``."""
    href: str
    """Where the file is: a path or URL, unsigned."""
    scale: float
    """Reflectance per digital number."""
    offset: float
    """Reflectance at digital number zero."""
    nodata: int
    """Digital number that means no observation."""
    checksum: str | None = None
    """Multihash from the catalogue (``file:checksum``), where given."""
    size: int | None = None
    """Size from the catalogue (``file:size``) or the server [bytes], where known."""
    stamp: str | None = None
    """The server's version (ETag or time of change) when the scene was pinned; None
    for a local file, one with a checksum, or one whose server did not say."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One pinned acquisition."""

    item_id: str
    """Item id in the catalogue."""
    collection: str
    """Collection id in the catalogue."""
    acquired: datetime
    """Acquisition time, UTC."""
    platform: str
    """Such as ``sentinel-2b`` or ``landsat-8``."""
    baseline: str
    """Processing baseline or collection level, as the item states it."""
    cloud_share: float | None
    """Cloud cover stated by the item, 0..1."""
    bbox: tuple[float, float, float, float]
    """Footprint's bounding box as the item states it [deg west, south, east, north]."""
    mask_kind: MaskKind
    """Which rule reads the ``mask`` band."""
    files: tuple[BandFile, ...]
    """Reflectance bands, the mask and, where a Landsat item has it, QA_RADSAT."""
    offset_rule: str
    """The rule that chose scale and offset, in words."""
    simulated: bool
    """True when the item says ``provenance: simulated``."""
    sun: tuple[float, float] | None = None
    """Sun's zenith angle and azimuth clockwise from true north at the scene's centre
    [deg], as the item states them; None where it does not."""
    view: tuple[float, float] | None = None
    """Sensor's zenith angle and azimuth, likewise."""

    def file(self, band: str) -> BandFile:
        """Return the file of ``band``; KeyError when the scene has none."""
        for entry in self.files:
            if entry.band == band:
                return entry
        raise KeyError(band)


def scene_to_json(scene: Scene) -> dict[str, Any]:
    """Return the scene as JSON-able values; ``scene_from_json`` reads it back."""
    return asdict(scene) | {"acquired": scene.acquired.isoformat()}


def scene_from_json(table: Mapping[str, Any]) -> Scene:
    """Return the scene that ``scene_to_json`` wrote."""
    west, south, east, north = table["bbox"]
    return Scene(
        **dict(table)
        | {
            "acquired": datetime.fromisoformat(table["acquired"]),
            "bbox": (west, south, east, north),
            "files": tuple(BandFile(**entry) for entry in table["files"]),
            "sun": _angles(table.get("sun")),
            "view": _angles(table.get("view")),
        }
    )


def _angles(pair: Sequence[float] | None) -> tuple[float, float] | None:
    return None if pair is None else (float(pair[0]), float(pair[1]))

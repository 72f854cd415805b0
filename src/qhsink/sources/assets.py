"""Which asset of an item holds which band, under each catalogue's names.

A table and its look-up; what the numbers mean is ``offsets``'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from qhsink.domain.errors import SourceError

Family = Literal["sentinel-2", "landsat"]

_ASSETS: Mapping[Family, Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # band: (asset keys in order of preference, band names the asset may state).
    # Keys seen in Earth Search v1 and C1, stactools, Planetary Computer and CDSE.
    "sentinel-2": {
        "blue": (("blue", "B02", "B02_10m"), ("B02", "blue")),
        "green": (("green", "B03", "B03_10m"), ("B03", "green")),
        "red": (("red", "B04", "B04_10m"), ("B04", "red")),
        "nir": (("nir08", "B8A", "B8A_20m"), ("B8A", "nir08")),
        "swir16": (("swir16", "B11", "B11_20m"), ("B11", "swir16")),
        "swir22": (("swir22", "B12", "B12_20m"), ("B12", "swir22")),
        "mask": (("scl", "SCL", "SCL_20m"), ()),
    },
    # Operational Land Imager numbering only: on Landsat 4-7 band 4 is near infrared.
    "landsat": {
        "blue": (("blue", "SR_B2", "SR_B2.TIF"), ("B2", "OLI_B2", "SR_B2")),
        "green": (("green", "SR_B3", "SR_B3.TIF"), ("B3", "OLI_B3", "SR_B3")),
        "red": (("red", "SR_B4", "SR_B4.TIF"), ("B4", "OLI_B4", "SR_B4")),
        "nir": (("nir08", "SR_B5", "SR_B5.TIF"), ("B5", "OLI_B5", "SR_B5")),
        "swir16": (("swir16", "SR_B6", "SR_B6.TIF"), ("B6", "OLI_B6", "SR_B6")),
        "swir22": (("swir22", "SR_B7", "SR_B7.TIF"), ("B7", "OLI_B7", "SR_B7")),
        "mask": (("qa_pixel", "QA_PIXEL", "QA_PIXEL.TIF"), ()),
    },
}

_FURTHER: Mapping[Family, Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # rededge1 in Earth Search, B05 in Planetary Computer, B05_20m in CDSE.
    "sentinel-2": {
        "rededge1": (("rededge1", "B05", "B05_20m"), ("B05", "rededge1")),
        "rededge2": (("rededge2", "B06", "B06_20m"), ("B06", "rededge2")),
        "rededge3": (("rededge3", "B07", "B07_20m"), ("B07", "rededge3")),
    },
    "landsat": {},
}
"""Bands that are looked for where they are asked for, as ``_ASSETS``."""

OPTIONAL: Mapping[Family, Mapping[str, tuple[str, ...]]] = {
    "sentinel-2": {},
    # Which bands were saturated, and where the ground was hidden by relief.
    "landsat": {"radsat": ("qa_radsat", "QA_RADSAT", "QA_RADSAT.TIF")},
}
"""Assets that are used where an item has them."""

LEAVE_OUT = "To leave the item out, name it under `exclude` of its source."


def pick_assets(
    doc: Mapping[str, Any], family: Family, further: Sequence[str] = ()
) -> dict[str, Mapping[str, Any]]:
    """Return the asset of each band; its stated band name must be the right one.

    Parameters
    ----------
    doc : mapping
        STAC item.
    family : {"sentinel-2", "landsat"}
    further : sequence of str
        Bands wanted beside the six, such as those of the red edge.

    Raises
    ------
    SourceError
        When a band has no asset, or one that states another band.
    """
    given = doc.get("assets", {})
    chosen = {}
    lacking = [band for band in further if band not in _FURTHER[family]]
    if lacking:
        raise SourceError(
            f"item {doc['id']} of {family}: no such band as {lacking[0]}",
            expected="Sentinel-2 level 2A",
            remedy="Name a source of Sentinel-2, or a model that does without.",
        )
    more = {band: _FURTHER[family][band] for band in further}
    for band, (keys, names) in ({**_ASSETS[family], **more}).items():
        key = next((key for key in keys if key in given), None)
        if key is None:
            raise SourceError(
                f"item {doc['id']}: no asset for {band} among "
                f"{', '.join(sorted(given)) or 'none'}",
                expected=f"one of {', '.join(keys)}",
                remedy=f"Search a surface reflectance collection. {LEAVE_OUT}",
            )
        entries = given[key].get("bands") or given[key].get("eo:bands") or []
        stated = [e.get("name") for e in entries if isinstance(e, Mapping)]
        if names and stated and stated[0] is not None and stated[0] not in names:
            raise SourceError(
                f"item {doc['id']}: asset {key} states band {stated[0]}",
                expected=f"{' or '.join(names)} for {band}",
                remedy=f"Band names and asset names disagree. {LEAVE_OUT}",
            )
        chosen[band] = given[key]
    for band, keys in OPTIONAL[family].items():
        found = next((given[key] for key in keys if key in given), None)
        if found is not None:
            chosen[band] = found
    return chosen

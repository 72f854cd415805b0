"""Which files of an item hold the bands, and how their numbers become reflectance.

Decided from the item's own metadata by tables, never from its date or its host.
Reads no file and no network; a combination that no table row covers is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pystac

from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, BandFile, MaskKind
from qhsink.sources.items import plain_item

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

LEAVE_OUT = "To leave the item out, name it under `exclude` of its source."

SENTINEL2_SCALE = 1e-4
"""Reflectance per digital number (QUANTIFICATION_VALUE 10 000)."""

LANDSAT_SCALE, LANDSAT_OFFSET = 2.75e-5, -0.2
"""Collection 2 level 2 surface reflectance (USGS LSDS-1619)."""

SHIFTED_SINCE = (4, 0)
"""First Sentinel-2 baseline whose products carry BOA_ADD_OFFSET = -1000."""


@dataclass(frozen=True, slots=True)
class OffsetRule:
    """One row of the Sentinel-2 table: what an item says, and what follows."""

    shifted: bool
    """Whether the baseline is 04.00 or later: the product carries +1000 DN."""
    applied: bool | None
    """``earthsearch:boa_offset_applied``; None when not stated."""
    stated: float | None
    """Offset stated for the bands [reflectance]; None when not stated."""
    offset: float
    """Offset to apply [reflectance]."""
    text: str
    """The reason, for provenance."""


_ALREADY = "archive says it removed the 1000 DN already (boa_offset_applied)"

SENTINEL2_RULES = (
    OffsetRule(
        True, True, -0.1, 0.0, f"{_ALREADY}; stated offset -0.1 not applied twice"
    ),
    OffsetRule(True, True, 0.0, 0.0, _ALREADY),
    OffsetRule(True, True, None, 0.0, _ALREADY),
    OffsetRule(
        True, False, -0.1, -0.1, "offset -0.1 stated, archive says it is not applied"
    ),
    OffsetRule(
        True, False, None, -0.1, "baseline >= 04.00, archive says it is not applied"
    ),
    OffsetRule(True, None, -0.1, -0.1, "offset -0.1 stated, baseline >= 04.00 agrees"),
    OffsetRule(
        True, None, None, -0.1, "no offset stated; baseline >= 04.00 has -1000 DN"
    ),
    OffsetRule(False, False, 0.0, 0.0, "offset 0 stated, baseline < 04.00 agrees"),
    OffsetRule(False, False, None, 0.0, "baseline < 04.00 has no offset"),
    OffsetRule(False, None, 0.0, 0.0, "offset 0 stated, baseline < 04.00 agrees"),
    OffsetRule(
        False, None, None, 0.0, "no offset stated; baseline < 04.00 has no offset"
    ),
)
"""Every combination that is understood; any other is refused.

A stated offset that contradicts the baseline (0 at >= 04.00, -0.1 below it) is not
in the table on purpose: one of the two fields is wrong and nothing says which.
"""


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What an item says of its sensor and processing."""

    item_id: str
    family: Family
    platform: str
    """Such as ``sentinel-2b`` or ``landsat-8``."""
    baseline: str
    """``05.11`` for Sentinel-2, ``C02 L2SP`` for Landsat."""


def resolve_bands(
    item: Mapping[str, Any] | pystac.Item,
) -> tuple[tuple[BandFile, ...], MaskKind, str]:
    """Return the files of an item with the rule that turns them to reflectance.

    Parameters
    ----------
    item : mapping or pystac.Item
        A STAC item of any version.

    Returns
    -------
    files : tuple of BandFile
        The six bands of ``BANDS`` and ``mask``; hrefs as the item states them.
    mask_kind : {"scl", "qa_pixel"}
        Which rule reads the mask.
    rule : str
        Why this scale and offset, for provenance.

    Raises
    ------
    SourceError
        When the item is not Sentinel-2 L2A or Landsat 8/9 Collection 2 level 2, a
        band is missing, or its fields contradict each other.

    Notes
    -----
    Sentinel-2: reflectance = (DN + BOA_ADD_OFFSET) / 10000, the offset being -1000
    from processing baseline 04.00 on, unless the archive removed it. Landsat:
    reflectance = DN * 0.0000275 - 0.2.
    """
    doc = plain_item(item)
    facts = read_facts(doc)
    if facts.family == "sentinel-2":
        return _sentinel2(doc, facts)
    return _landsat(doc, facts)


def read_facts(doc: Mapping[str, Any]) -> ItemFacts:
    """Return what the item says of its sensor and processing.

    Raises
    ------
    SourceError
        When it is neither Sentinel-2 L2A nor Landsat 8/9 Collection 2 level 2.
    """
    platform = _text(doc, "platform").lower().replace("_", "-").replace(" ", "-")
    if platform.startswith("sentinel-2"):
        return ItemFacts(doc["id"], "sentinel-2", platform, _sentinel2_baseline(doc))
    if platform.startswith("landsat-"):
        return ItemFacts(doc["id"], "landsat", platform, _landsat_level(doc, platform))
    raise SourceError(
        f"item {doc.get('id')}: platform {platform or 'not stated'!r}",
        expected="Sentinel-2 L2A or Landsat 8/9 Collection 2 level 2",
        remedy="Search a collection of one of these.",
    )


def _sentinel2_baseline(doc: Mapping[str, Any]) -> str:
    """Return the processing baseline; the product must be level 2A."""
    name = _text(doc, "s2:product_uri") or str(doc["id"])
    kind = _text(doc, "s2:product_type", "product:type")
    if kind != "S2MSI2A" and (kind or "L2A" not in name):
        raise SourceError(
            f"item {doc['id']}: product type {kind or 'not stated'!r}",
            expected="surface reflectance, S2MSI2A",
            remedy="Level 1C is top of atmosphere: search an L2A collection.",
        )
    stated = _text(doc, "s2:processing_baseline", "processing:version")
    in_name = re.search(r"_N(\d\d)(\d\d)_", name)
    from_name = f"{in_name[1]}.{in_name[2]}" if in_name else ""
    baseline = stated or from_name
    if not re.fullmatch(r"\d{1,2}\.\d\d", baseline):
        raise SourceError(
            f"item {doc['id']}: processing baseline {baseline or 'not stated'!r}",
            expected="s2:processing_baseline or processing:version such as 05.11",
            remedy=f"Without it the offset cannot be known. {LEAVE_OUT}",
        )
    if (
        from_name
        and from_name != "99.99"
        and _is_shifted(from_name) != _is_shifted(baseline)
    ):
        raise SourceError(
            f"item {doc['id']}: processing baseline {stated}, but the product name "
            f"says {from_name}",
            expected="both on the same side of 04.00",
            remedy=f"One is wrong and the offset depends on it. {LEAVE_OUT}",
        )
    return baseline


def _is_shifted(baseline: str) -> bool:
    major, minor = baseline.split(".")
    return (int(major), int(minor)) >= SHIFTED_SINCE


def _landsat_level(doc: Mapping[str, Any], platform: str) -> str:
    """Return collection and level; must be 8/9, Collection 2, level 2 reflectance."""
    if platform not in ("landsat-8", "landsat-9"):
        raise SourceError(
            f"item {doc['id']}: platform {platform}",
            expected="landsat-8 or landsat-9 (band numbers and bandpasses of OLI)",
            remedy="Landsat 4 to 7 number and cut their bands otherwise and are not "
            f"read. {LEAVE_OUT}",
        )
    name = re.match(r"L[CO]0[89]_(L\d\w\w)_", str(doc["id"]))
    level = _text(doc, "landsat:correction", "landsat:processing_level") or (
        name[1] if name else ""
    )
    collection = _text(doc, "landsat:collection_number")
    if level not in ("L2SP", "L2SR") or collection != "02":
        raise SourceError(
            f"item {doc['id']}: level {level or 'not stated'!r}, "
            f"collection {collection or 'not stated'!r}",
            expected="L2SP or L2SR of collection 02",
            remedy="Search Landsat Collection 2 level 2.",
        )
    return f"C{collection} {level}"


def _sentinel2(
    doc: Mapping[str, Any], facts: ItemFacts
) -> tuple[tuple[BandFile, ...], MaskKind, str]:
    assets = _pick_assets(doc, facts.family)
    applied = doc["properties"].get("earthsearch:boa_offset_applied")
    stated = _agreed(doc, assets, "offset")
    scale = _agreed(doc, assets, "scale")
    shifted = _is_shifted(facts.baseline)
    found = [
        rule
        for rule in SENTINEL2_RULES
        if (rule.shifted, rule.applied, rule.stated) == (shifted, applied, stated)
    ]
    if not found or scale not in (None, SENTINEL2_SCALE):
        raise SourceError(
            f"item {facts.item_id}: processing baseline {facts.baseline}, "
            f"earthsearch:boa_offset_applied {applied}, offset {stated}, scale {scale}",
            expected="a combination in the table of qhsink.sources.offsets",
            remedy=f"The fields contradict each other. {LEAVE_OUT}",
        )
    rule = found[0]
    text = f"sentinel-2 baseline {facts.baseline}: {rule.text}"
    return _files(assets, SENTINEL2_SCALE, rule.offset, mask_fill=0), "scl", text


def _landsat(
    doc: Mapping[str, Any], facts: ItemFacts
) -> tuple[tuple[BandFile, ...], MaskKind, str]:
    assets = _pick_assets(doc, facts.family)
    stated = (_agreed(doc, assets, "scale"), _agreed(doc, assets, "offset"))
    product = (LANDSAT_SCALE, LANDSAT_OFFSET)
    if stated not in ((None, None), product):
        raise SourceError(
            f"item {facts.item_id}: scale {stated[0]}, offset {stated[1]}",
            expected=f"{LANDSAT_SCALE} and {LANDSAT_OFFSET}, or neither stated",
            remedy=f"This is not Collection 2 level 2 reflectance. {LEAVE_OUT}",
        )
    how = "stated by the item" if stated == product else "by definition of the product"
    text = f"landsat {facts.baseline}: DN * 0.0000275 - 0.2, {how}"
    return _files(assets, *product, mask_fill=1), "qa_pixel", text


def _pick_assets(
    doc: Mapping[str, Any], family: Family
) -> dict[str, Mapping[str, Any]]:
    """Return the asset of each band; its stated band name must be the right one."""
    given = doc.get("assets", {})
    chosen = {}
    for band, (keys, names) in _ASSETS[family].items():
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
    return chosen


def _agreed(
    doc: Mapping[str, Any], assets: Mapping[str, Mapping[str, Any]], field: str
) -> float | None:
    """Return the scale or offset that the reflectance assets state, None if none."""
    stated = {value for band in BANDS for value in _stated(assets[band], field)}
    if len(stated) > 1:
        raise SourceError(
            f"item {doc['id']}: bands state different {field}s {sorted(stated)}",
            expected=f"one {field} for all bands of a product",
            remedy=f"The metadata contradict each other. {LEAVE_OUT}",
        )
    return stated.pop() if stated else None


def _stated(asset: Mapping[str, Any], field: str) -> Iterator[float]:
    """Yield what an asset states: raster 1.x, raster 2.0 on the asset, on its band."""
    holders = [*asset.get("raster:bands", [])[:1], *asset.get("bands", [])[:1]]
    values = [asset.get(f"raster:{field}")]
    values += [holder.get(field, holder.get(f"raster:{field}")) for holder in holders]
    yield from (round(float(value), 9) for value in values if value is not None)


def _files(
    assets: Mapping[str, Mapping[str, Any]],
    scale: float,
    offset: float,
    *,
    mask_fill: int,
) -> tuple[BandFile, ...]:
    """Return the band files; no observation is DN 0, in QA_PIXEL the fill bit."""

    def file(band: str, factor: float, shift: float, nodata: int) -> BandFile:
        asset = assets[band]
        checksum = asset.get("file:checksum", asset.get("checksum:multihash"))
        size = asset.get("file:size")
        known = None if size is None else int(size)
        return BandFile(band, asset["href"], factor, shift, nodata, checksum, known)

    bands = tuple(file(band, scale, offset, 0) for band in BANDS)
    return (*bands, file("mask", 1.0, 0.0, mask_fill))


def _text(doc: Mapping[str, Any], *fields: str) -> str:
    """Return the first of ``fields`` that the item's properties state, else ''."""
    properties = doc.get("properties", {})
    return next((str(properties[f]) for f in fields if properties.get(f)), "")

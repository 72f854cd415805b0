"""How the numbers of an item's files become reflectance.

Decided from the item's own metadata by tables, never from its date or its host.
Reads no file and no network; a combination that no table row covers is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pystac

from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, RED_EDGE, BandFile, MaskKind
from qhsink.sources.assets import LEAVE_OUT, pick_assets
from qhsink.sources.facts import ItemFacts, is_shifted, read_facts
from qhsink.sources.items import plain_item

SENTINEL2_SCALE = 1e-4
"""Reflectance per digital number (QUANTIFICATION_VALUE 10 000)."""

LANDSAT_SCALE, LANDSAT_OFFSET = 2.75e-5, -0.2
"""Collection 2 level 2 surface reflectance (USGS LSDS-1619)."""


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


def resolve_bands(
    item: Mapping[str, Any] | pystac.Item, further: Sequence[str] = ()
) -> tuple[tuple[BandFile, ...], MaskKind, str]:
    """Return the files of an item with the rule that turns them to reflectance.

    Parameters
    ----------
    item : mapping or pystac.Item
        A STAC item of any version.
    further : sequence of str
        Bands wanted beside the six: some of ``RED_EDGE``.

    Returns
    -------
    files : tuple of BandFile
        The six bands of ``BANDS``, those of ``further``, ``mask`` and, where a Landsat
        item has it, ``radsat``; hrefs as the item states them.
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
        return _sentinel2(doc, facts, further)
    return _landsat(doc, facts, further)


def _sentinel2(
    doc: Mapping[str, Any], facts: ItemFacts, further: Sequence[str]
) -> tuple[tuple[BandFile, ...], MaskKind, str]:
    assets = pick_assets(doc, facts.family, further)
    applied = doc["properties"].get("earthsearch:boa_offset_applied")
    stated = _agreed(doc, assets, "offset")
    scale = _agreed(doc, assets, "scale")
    shifted = is_shifted(facts.baseline)
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
    doc: Mapping[str, Any], facts: ItemFacts, further: Sequence[str]
) -> tuple[tuple[BandFile, ...], MaskKind, str]:
    assets = pick_assets(doc, facts.family, further)
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


def _agreed(
    doc: Mapping[str, Any], assets: Mapping[str, Mapping[str, Any]], field: str
) -> float | None:
    """Return the scale or offset that the reflectance assets state, None if none."""
    bands = [band for band in (*BANDS, *RED_EDGE) if band in assets]
    stated = {value for band in bands for value in _stated(assets[band], field)}
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

    held = (band for band in (*BANDS, *RED_EDGE) if band in assets)
    bands = tuple(file(band, scale, offset, 0) for band in held)
    optional = tuple(file(band, 1.0, 0.0, 0) for band in ("radsat",) if band in assets)
    return (*bands, file("mask", 1.0, 0.0, mask_fill), *optional)

"""What an item says of its sensor and processing; other products are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhsink.domain.errors import SourceError
from qhsink.sources.assets import LEAVE_OUT, Family

SHIFTED_SINCE = (4, 0)
"""First Sentinel-2 baseline whose products carry BOA_ADD_OFFSET = -1000."""


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What an item says of its sensor and processing."""

    item_id: str
    family: Family
    platform: str
    """Such as ``sentinel-2b`` or ``landsat-8``."""
    baseline: str
    """``05.11`` for Sentinel-2, ``C02 L2SP`` for Landsat."""


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
        and is_shifted(from_name) != is_shifted(baseline)
    ):
        raise SourceError(
            f"item {doc['id']}: processing baseline {stated}, but the product name "
            f"says {from_name}",
            expected="both on the same side of 04.00",
            remedy=f"One is wrong and the offset depends on it. {LEAVE_OUT}",
        )
    return baseline


def is_shifted(baseline: str) -> bool:
    """Whether a Sentinel-2 baseline is 04.00 or later."""
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


def _text(doc: Mapping[str, Any], *fields: str) -> str:
    """Return the first of ``fields`` that the item's properties state, else ''."""
    properties = doc.get("properties", {})
    return next((str(properties[f]) for f in fields if properties.get(f)), "")

"""Items of layers that are no reflectance: found, checked against a table, pinned.

Which collection holds a layer, under which asset name, in which unit and with which
nodata is ``[layers]`` of ``config/sources.toml``. Reads no pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from qhsink.config import LayerAssets, LayerConfig, SourceConfig, load_layers
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.scene import BandFile
from qhsink.sources.items import BBox, acquired, bounds
from qhsink.sources.pinning import locate, stamp_files
from qhsink.sources.stac import find_items


@dataclass(frozen=True, slots=True)
class LayerItem:
    """One pinned item of a layer: a tile of heights, a radar acquisition."""

    item_id: str
    layer: str
    """Table of ``[layers]`` that it belongs to."""
    collection: str
    acquired: datetime
    """UTC; for a layer without dates the date of its edition."""
    bbox: BBox
    orbit: str
    """``ascending`` or ``descending`` for radar, else empty."""
    files: tuple[BandFile, ...]
    """One for each band of the layer; numbers times ``scale`` plus ``offset``."""
    simulated: bool
    """True when the item says ``provenance: simulated``."""


def layer_item_to_json(item: LayerItem) -> dict[str, Any]:
    """Return the item as JSON-able values; ``layer_item_from_json`` reads it back."""
    return asdict(item) | {"acquired": item.acquired.isoformat()}


def layer_item_from_json(table: Mapping[str, Any]) -> LayerItem:
    """Return the item that ``layer_item_to_json`` wrote."""
    west, south, east, north = table["bbox"]
    return LayerItem(
        **dict(table)
        | {
            "acquired": datetime.fromisoformat(table["acquired"]),
            "bbox": (west, south, east, north),
            "files": tuple(BandFile(**entry) for entry in table["files"]),
        }
    )


def pin_layer(
    source: SourceConfig,
    layer: str,
    *,
    project: Path,
    bbox: BBox,
    period: Period | None = None,
) -> tuple[LayerItem, ...]:
    """Return the items of a layer that touch a box.

    Parameters
    ----------
    source : SourceConfig
        Of any kind; its own ``collections`` are for scenes and are not looked at.
    layer : str
        Table of ``[layers]`` in ``config/sources.toml``, such as ``elevation``.
    project : Path
        Folder that a relative path is relative to.
    bbox : tuple of float
        West, south, east, north [deg].
    period : Period, optional
        For layers with dates.

    Returns
    -------
    tuple of LayerItem
        Sorted by time, then id.

    Raises
    ------
    SourceError
        When the source has no such item there, or one states what its table does not.
    """
    config = layer_config(layer, project)
    _check_offered(source, layer, config)
    if source.kind == "earthengine":
        # The client takes half a second to import, which files need not pay.
        from qhsink.sources.earthengine_layers import pin_layer_images  # noqa: PLC0415

        images = pin_layer_images(source, layer, bbox=bbox, period=period)
        return images or _none_there(layer, config, source, bbox, period)
    offered = source.offer(layer)
    collections = (offered.collection,) if offered else tuple(config.collections)
    asked = source.model_copy(update={"collections": collections})
    found = find_items(asked, project=project, bbox=bbox, period=period)
    items = [_pinned(doc, folder, layer, config) for doc, folder in found]
    if not items:
        _none_there(layer, config, source, bbox, period)
    files = [file for item in items for file in item.files]
    stamped = stamp_files(files, asked, project)
    fixed = [
        replace(item, files=tuple(stamped.get(f.href, f) for f in item.files))
        for item in items
    ]
    return tuple(sorted(fixed, key=lambda item: (item.acquired, item.item_id)))


def _check_offered(source: SourceConfig, layer: str, config: LayerConfig) -> None:
    """Refuse what a provider is known not to hold, before it is asked."""
    offered = source.offer(layer)
    if offered is not None and offered.status == "no":
        raise SourceError(
            f"{layer} of {source.url}: {offered.note}",
            expected=f"a source that holds {layer}",
            remedy=f"Name one: {config.held_by}.",
        )


def _none_there(
    layer: str,
    config: LayerConfig,
    source: SourceConfig,
    bbox: BBox,
    period: Period | None,
) -> NoReturn:
    when = f" in {period.label}" if period else ""
    what = layer if source.kind == "earthengine" else " or ".join(config.collections)
    raise SourceError(
        f"no item of {what} at {source.url}{when}",
        expected=f"{layer} for {', '.join(f'{edge:.2f}' for edge in bbox)}",
        remedy=f"Name a source that holds it: {config.held_by}.",
    )


def layer_config(layer: str, project: Path) -> LayerConfig:
    """Return the table of a layer; SourceError when there is none."""
    layers = load_layers(project)
    if layer not in layers:
        raise SourceError(
            f"layer {layer!r}",
            expected=f"one of {', '.join(layers) or 'none'}",
            remedy="Add it under [layers] of config/sources.toml.",
        )
    return layers[layer]


def _pinned(
    doc: Mapping[str, Any], folder: Path | None, layer: str, config: LayerConfig
) -> LayerItem:
    collection = str(doc.get("collection") or "")
    assets = config.collections[collection]
    files = [
        _file(doc, band, keys, assets, config) for band, keys in assets.assets.items()
    ]
    return LayerItem(
        item_id=doc["id"],
        layer=layer,
        collection=collection,
        acquired=acquired(doc),
        bbox=bounds(doc),
        orbit=str(doc["properties"].get("sat:orbit_state") or "").lower(),
        files=locate(files, folder, doc["id"]),
        simulated=doc["properties"].get("provenance") == "simulated",
    )


def _file(
    doc: Mapping[str, Any],
    band: str,
    keys: Sequence[str],
    assets: LayerAssets,
    config: LayerConfig,
) -> BandFile:
    """Return the file of one band; what the item states must be what the table says."""
    given = doc["assets"]
    key = next((key for key in keys if key in given), None)
    if key is None:
        raise SourceError(
            f"item {doc['id']}: no asset for {band} among {', '.join(sorted(given))}",
            expected=f"one of {', '.join(keys)}",
            remedy="Correct [layers] of config/sources.toml, or exclude the item.",
        )
    asset = given[key]
    held: list[Mapping[str, Any]] = (
        asset.get("raster:bands") or asset.get("bands") or [{}]
    )
    stated = held[0]
    known = {"scale": assets.scale, "offset": assets.offset, "nodata": assets.nodata}
    for field, value in known.items():
        said = stated.get(field)
        if said is not None and not _same(said, value):
            raise SourceError(
                f"item {doc['id']}: asset {key} states {field} {said}",
                expected=f"{value} for {band} [{config.unit}]",
                remedy="The product is another one than [layers] describes: correct "
                "config/sources.toml, or exclude the item.",
            )
    checksum = asset.get("file:checksum", asset.get("checksum:multihash"))
    size = asset.get("file:size")
    return BandFile(
        band=band,
        href=asset["href"],
        scale=assets.scale,
        offset=assets.offset,
        nodata=assets.nodata,
        checksum=checksum,
        size=None if size is None else int(size),
    )


def _same(said: object, value: float) -> bool:
    try:
        number = float(str(said))
    except ValueError:
        return False
    return number == value or (np.isnan(number) and np.isnan(value))

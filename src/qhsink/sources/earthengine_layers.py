"""Heights, radar and land cover of Earth Engine, as the items of a catalogue are.

Pinned as image ids by ``layer_items.pin_layer``, read by ``layers``. How requests are
sent and tried again belongs to ``earthengine_session``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ee
import numpy as np
import shapely.geometry
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.scene import BandFile
from qhsink.sources.earthengine_connection import choose_source, current_session
from qhsink.sources.earthengine_layer_expressions import (
    MISSING_HEIGHT,
    heights,
    land_cover,
)
from qhsink.sources.earthengine_products import SCHEME
from qhsink.sources.earthengine_radar_expressions import gamma_nought, toward_sensor
from qhsink.sources.earthengine_session import Session
from qhsink.sources.items import BBox, middle, solar_day, touches
from qhsink.sources.layer_items import LayerItem
from qhsink.sources.rasters import AVERAGED_FROM

Floats = NDArray[np.float32]

AHEAD = 4
"""Images of one window asked for at once."""

AROUND_DEG = 0.02
"""Heights are pinned this far around radar: a slope needs its neighbours."""


@dataclass(frozen=True, slots=True)
class LayerProduct:
    """One collection of Earth Engine that holds a layer."""

    collection: str
    """Asset id."""
    bands: Mapping[str, str]
    """Its bands by qhsink's names."""
    pixel_m: float
    """Edge of its pixels [m]."""
    edition: str
    """Date of images that state none, ISO 8601."""
    needs: tuple[tuple[str, str], ...] = ()
    """Image properties and what they must be, or hold where they are lists."""


LAYER_PRODUCTS: Mapping[str, tuple[LayerProduct, ...]] = {
    "elevation": (
        LayerProduct(
            "COPERNICUS/DEM/GLO30", {"elevation": "DEM"}, 30.0, "2021-04-22T00:00:00Z"
        ),
    ),
    # Linear power: a mean of the dB of COPERNICUS/S1_GRD is not the dB of a mean.
    "backscatter": (
        LayerProduct(
            "COPERNICUS/S1_GRD_FLOAT",
            {"vv": "VV", "vh": "VH"},
            10.0,
            "",
            (
                ("instrumentMode", "IW"),
                ("transmitterReceiverPolarisation", "VV"),
                ("transmitterReceiverPolarisation", "VH"),
            ),
        ),
    ),
    "landcover": tuple(
        LayerProduct(
            f"ESA/WorldCover/v{version}",
            {"landcover": "Map"},
            10.0,
            f"{year}-01-01T00:00:00Z",
        )
        for version, year in ((100, 2020), (200, 2021))
    ),
}
"""Collections by table of ``[layers]``, in the unit that it states."""


def pin_layer_images(
    source: SourceConfig, layer: str, *, bbox: BBox, period: Period | None
) -> tuple[LayerItem, ...]:
    """Return the images of a layer that touch a box; none where there are none.

    Parameters are those of ``layer_items.pin_layer``. The source becomes the one that
    this process reads from.

    Raises
    ------
    SourceError
        When Earth Engine cannot be asked, holds no such layer, or an image's
        properties are broken.
    """
    if layer not in LAYER_PRODUCTS:
        raise SourceError(
            f"layer {layer!r} of Earth Engine",
            expected=f"one of {', '.join(LAYER_PRODUCTS)}",
            remedy="Name a source that holds it.",
        )
    choose_source(source)
    session = current_session()
    start, end = _instants(period)
    found = [
        _pinned(entry, layer, product)
        for product in LAYER_PRODUCTS[layer]
        for entry in session.images(product.collection, start=start, end=end, bbox=bbox)
        if _fits(entry, product)
    ]
    items = [
        item
        for item in sorted(found, key=lambda item: (item.acquired, item.item_id))
        if item.item_id not in source.exclude
        and touches(item.bbox, bbox)
        and (
            period is None
            or period.contains(solar_day(item.acquired, middle(item.bbox)))
        )
    ]
    if layer == "backscatter" and items:
        items = _with_heights(items, source, bbox)
    return tuple(items)


def _with_heights(
    items: Sequence[LayerItem], source: SourceConfig, bbox: BBox
) -> list[LayerItem]:
    """Return radar images with the tiles of heights that flatten them, pinned too."""
    west, south, east, north = bbox
    wide = (
        west - AROUND_DEG,
        south - AROUND_DEG,
        east + AROUND_DEG,
        north + AROUND_DEG,
    )
    tiles = pin_layer_images(source, "elevation", bbox=wide, period=None)
    if not tiles:
        raise SourceError(
            f"no heights of {LAYER_PRODUCTS['elevation'][0].collection} below radar at "
            f"{', '.join(f'{edge:.2f}' for edge in bbox)}",
            expected="tiles of heights: radar is flattened with them",
            remedy="Take radar of a source that holds sentinel-1-rtc.",
        )
    return [
        replace(
            item,
            files=item.files
            + tuple(
                file
                for tile in tiles
                if touches(tile.bbox, item.bbox)
                for file in tile.files
            ),
        )
        for item in items
    ]


def _instants(period: Period | None) -> tuple[str | None, str | None]:
    """Return the bounds of a search: a day more, as solar days are not UTC days."""
    if period is None:
        return None, None
    first, last = period.start - timedelta(days=1), period.end + timedelta(days=2)
    return f"{first.isoformat()}T00:00:00Z", f"{last.isoformat()}T00:00:00Z"


def _fits(entry: Mapping[str, Any], product: LayerProduct) -> bool:
    said = entry.get("properties", {})
    return all(
        value in found if isinstance(found := said.get(name), list) else value == found
        for name, value in product.needs
    )


def _pinned(entry: Mapping[str, Any], layer: str, product: LayerProduct) -> LayerItem:
    try:
        properties = entry.get("properties", {})
        index = str(entry["name"]).rpartition("/")[2]
        stem = f"{SCHEME}{product.collection}/{index}@{entry.get('updateTime', '')}#"
        west, south, east, north = shapely.geometry.shape(entry["geometry"]).bounds
        when = datetime.fromisoformat(entry.get("startTime") or product.edition)
        return LayerItem(
            item_id=index,
            layer=layer,
            collection=product.collection,
            acquired=when.astimezone(UTC),
            bbox=(west, south, east, north),
            orbit=str(properties.get("orbitProperties_pass") or "").lower(),
            files=tuple(
                BandFile(name, f"{stem}{band}", 1.0, 0.0, 0)
                for name, band in product.bands.items()
            ),
            simulated=properties.get("provenance") == "simulated",
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"image {entry.get('name')}: broken properties "
            f"({type(error).__name__} {error})",
            expected=f"the properties of {product.collection}",
            remedy="Name its system:index under `exclude` of the source.",
        ) from error


def read_layer_images(
    items: Sequence[LayerItem], band: str, geobox: GeoBox
) -> Iterator[Floats]:
    """Yield a band of pinned images on a lattice; heights come as one surface.

    Parameters
    ----------
    items : sequence of LayerItem
        From ``pin_layer_images``, of one layer.
    band : str
        One of the layer's.
    geobox : GeoBox
        Lattice of shape (y, x).

    Yields
    ------
    float32 array of shape (y, x)
        NaN where there is none.

    Raises
    ------
    SourceError
        When an image cannot be had whole, or has changed since it was pinned.
    """
    session = current_session()
    together = items[0].layer == "elevation"
    groups = [list(items)] if together else [[item] for item in items]
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="earthengine") as pool:
        yield from pool.map(lambda group: _pixels(session, group, band, geobox), groups)


def _pixels(
    session: Session, items: Sequence[LayerItem], band: str, geobox: GeoBox
) -> Floats:
    for item in items:
        _check_unchanged(session, item)
    layer = items[0].layer
    (product,) = (
        p for p in LAYER_PRODUCTS[layer] if p.collection == items[0].collection
    )
    edge = abs(float(geobox.resolution.x))
    expression, fill, itemsize = _asked(
        items, band, coarser=edge >= AVERAGED_FROM * product.pixel_m
    )
    what = f"item {', '.join(item.item_id for item in items)}: {band}"
    seen = session.pixels(
        expression, geobox, bands=(band,), what=what, itemsize=itemsize
    )[band].astype(np.float32)
    return np.where(seen == np.float32(fill), np.float32(np.nan), seen)


def _asked(
    items: Sequence[LayerItem], band: str, *, coarser: bool
) -> tuple[ee.Image, float, int]:
    """Return the expression, what it holds where nothing is, and bytes of a number."""
    first = items[0]
    if first.layer == "elevation":
        ids = [_image_id(item.files[0]) for item in items]
        return heights(ids, coarser=coarser), MISSING_HEIGHT, 4
    image_id = _image_id(first.files[0])
    if first.layer == "landcover":
        return land_cover(image_id, coarser=coarser), 0.0, 1
    below = [_image_id(file) for file in first.files if file.band == "elevation"]
    towards = toward_sensor(first.orbit, (first.bbox[1] + first.bbox[3]) / 2.0)
    asked = gamma_nought(image_id, band, below, towards=towards, coarser=coarser)
    return asked, 0.0, 4


def _image_id(file: BandFile) -> str:
    return file.href.removeprefix(SCHEME).partition("@")[0]


def _check_unchanged(session: Session, item: LayerItem) -> None:
    for file in item.files:
        pinned = file.href.partition("@")[2].rpartition("#")[0]
        now = session.updated(_image_id(file))
        if now != pinned:
            _, _, index = _image_id(file).rpartition("/")
            which = "" if index == item.item_id else f"{index} "
            raise SourceError(
                f"item {item.item_id}: {which}changed at {now} on {session.host}, "
                f"pinned as of {pinned}",
                expected="the image that was pinned",
                remedy="Plan the run again: it will pin the image as it is now.",
            )

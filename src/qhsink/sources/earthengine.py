"""Scenes of Earth Engine: pinned as image ids, read onto a lattice.

The same nouns as for files: ``Scene`` and the layers of a ``WindowStack``. How
requests are built, sent and tried again belongs to the ``earthengine_*`` modules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely.geometry
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.config import SourceConfig
from qhsink.domain.errors import SourceError
from qhsink.domain.period import Period
from qhsink.domain.scene import BANDS, Scene
from qhsink.imagery.masking import NEVER, quality_rank
from qhsink.sources.angles import read_angles
from qhsink.sources.earthengine_connection import choose_source, current_session
from qhsink.sources.earthengine_expressions import pinned_window
from qhsink.sources.earthengine_products import (
    CLOUD_SCORE,
    ImageProduct,
    ImageRef,
    parse_ref,
    product_of,
    with_further,
)
from qhsink.sources.earthengine_session import BBox, Session
from qhsink.sources.items import solar_day, touches

__all__ = ["choose_source", "pin_images", "read_image_days"]

AHEAD = 4
"""Images of one window asked for at once: an answer takes seconds, mostly waiting."""


def pin_images(
    source: SourceConfig,
    *,
    bbox: BBox,
    period: Period,
    further: Sequence[str] = (),
) -> tuple[Scene, ...]:
    """Return the images of a source that touch ``bbox`` within ``period``.

    Parameters
    ----------
    source : SourceConfig
        Of kind ``earthengine``; it becomes the one that this process reads from.
    bbox : tuple of float
        West, south, east, north [deg].
    period : Period
        Days are solar days at the image's centre.
    further : sequence of str
        Bands wanted beside the six: some of ``RED_EDGE``.

    Returns
    -------
    tuple of Scene
        Sorted by time, then id; hrefs name image, time of its last change, band and
        the cloud score it is seen through.

    Raises
    ------
    SourceError
        When Earth Engine cannot be asked, an image's properties are broken, or a
        collection has no such band.
    """
    choose_source(source)
    session = current_session()
    scenes = [
        scene
        for collection in source.collections or ("COPERNICUS/S2_SR_HARMONIZED",)
        for scene in _pin_collection(session, source, collection, bbox, period)
    ]
    ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.item_id))
    return tuple(with_further(scene, further) for scene in ordered)


def _pin_collection(
    session: Session,
    source: SourceConfig,
    collection: str,
    bbox: BBox,
    period: Period,
) -> list[Scene]:
    product = product_of(collection)
    # A day more on both sides, as solar days are not UTC days.
    start = f"{(period.start - timedelta(days=1)).isoformat()}T00:00:00Z"
    end = f"{(period.end + timedelta(days=2)).isoformat()}T00:00:00Z"
    scored = product.scored and source.cloud_score > 0.0
    scores = (
        {
            str(entry["name"]).rpartition("/")[2]
            for entry in session.images(CLOUD_SCORE, start=start, end=end, bbox=bbox)
        }
        if scored
        else set()
    )
    pinned = []
    for entry in session.images(collection, start=start, end=end, bbox=bbox):
        index = str(entry["name"]).rpartition("/")[2]
        if index in source.exclude:
            continue
        score = source.cloud_score if index in scores else None
        scene = _pin(entry, product, score=score, scored=scored)
        centre = (scene.bbox[0] + scene.bbox[2]) / 2.0
        if touches(scene.bbox, bbox) and period.contains(
            solar_day(scene.acquired, centre)
        ):
            pinned.append((scene, _granule(entry, product)))
    return _latest(pinned)


def _pin(
    entry: Mapping[str, Any],
    product: ImageProduct,
    *,
    score: float | None,
    scored: bool,
) -> Scene:
    try:
        properties = entry["properties"]
        index = str(entry["name"]).rpartition("/")[2]
        ref = ImageRef(
            f"{product.collection}/{index}", str(entry.get("updateTime", "")), score
        )
        west, south, east, north = shapely.geometry.shape(entry["geometry"]).bounds
        cloud = properties.get(product.cloud)
        return Scene(
            item_id=index,
            collection=product.collection,
            acquired=datetime.fromisoformat(entry["startTime"]).astimezone(UTC),
            platform=str(properties[product.platform]).lower().replace("_", "-"),
            baseline=str(properties[product.baseline]),
            cloud_share=None if cloud is None else float(cloud) / 100.0,
            bbox=(west, south, east, north),
            mask_kind=product.mask_kind,
            files=ref.files(),
            offset_rule=product.rule + _score_note(score, scored=scored),
            simulated=properties.get("provenance") == "simulated",
            **read_angles(properties)._asdict(),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"image {entry.get('name')}: broken properties "
            f"({type(error).__name__} {error})",
            expected=f"the properties of {product.collection}",
            remedy="Name its system:index under `exclude` of the source.",
        ) from error


def _score_note(score: float | None, *, scored: bool) -> str:
    if score is not None:
        return f"; cloud where Cloud Score+ cs_cdf < {score:g}"
    return "; no Cloud Score+ for this image, scene classes alone" if scored else ""


def _granule(entry: Mapping[str, Any], product: ImageProduct) -> tuple[str, ...]:
    properties = entry["properties"]
    return tuple(str(properties.get(name, entry["name"])) for name in product.tile)


def _latest(pinned: Iterable[tuple[Scene, tuple[str, ...]]]) -> list[Scene]:
    """Drop older processings of a granule, and say so in the rule of the one kept."""
    groups: dict[tuple[str, ...], list[Scene]] = {}
    for scene, granule in pinned:
        key = (scene.platform, scene.acquired.isoformat(), *granule)
        groups.setdefault(key, []).append(scene)
    kept = []
    for group in groups.values():
        best = max(scene.baseline for scene in group)
        older = sorted(scene.item_id for scene in group if scene.baseline != best)
        note = f"; kept instead of {', '.join(older)}" if older else ""
        kept += [
            replace(scene, offset_rule=scene.offset_rule + note)
            for scene in group
            if scene.baseline == best
        ]
    return kept


def read_image_days(
    days: Sequence[Sequence[Scene]],
    geobox: GeoBox,
    planes: Mapping[str, NDArray[np.int16]],
    mask: NDArray[np.uint16],
) -> None:
    """Fill the layers of some days, each pixel whole from the scene that ranks best.

    Parameters
    ----------
    days : sequence of sequences of Scene
        Pinned images, by day.
    geobox : GeoBox
        Lattice of shape (y, x).
    planes : mapping of str to int16 array of shape (time, y, x)
        Reflectance times 10 000 of each band wanted, filled with -32768; written to.
    mask : uint16 array of shape (time, y, x)
        Written to.

    Raises
    ------
    SourceError
        When an image cannot be had whole, or has changed since it was pinned.
    """
    ordered = [(layer, scene) for layer, day in enumerate(days) for scene in day]
    best = np.full(mask.shape, NEVER, dtype=np.uint8)
    for layer, day in enumerate(days):
        mask[layer] = day[0].file("mask").nodata
    answers = _ahead([scene for _, scene in ordered], geobox, tuple(planes))
    for (layer, scene), seen in zip(ordered, answers, strict=True):
        rank = quality_rank(np.ascontiguousarray(seen["mask"]), scene.mask_kind)
        take = rank < best[layer]
        np.copyto(best[layer], rank, where=take)
        np.copyto(mask[layer], seen["mask"], where=take)
        for band, plane in planes.items():
            np.copyto(plane[layer], seen[band], where=take)


def _ahead(
    scenes: Sequence[Scene], geobox: GeoBox, bands: Sequence[str]
) -> Iterator[NDArray[Any]]:
    """Yield the pixels of each scene in order, ``AHEAD`` of them asked for at once."""
    session = current_session()
    waiting: deque[Future[NDArray[Any]]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="earthengine") as pool:
        try:
            for scene in scenes:
                waiting.append(
                    pool.submit(_image_pixels, session, scene, geobox, bands)
                )
                if len(waiting) >= AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _image_pixels(
    session: Session, scene: Scene, geobox: GeoBox, bands: Sequence[str]
) -> NDArray[Any]:
    ref = parse_ref(scene.file("mask").href)
    now = session.updated(ref.image_id)
    if now != ref.updated:
        raise SourceError(
            f"scene {scene.item_id}: changed at {now} on {session.host}, pinned as of "
            f"{ref.updated}",
            expected="the image that was pinned",
            remedy="Plan the run again: it will pin the image as it is now.",
        )
    what = f"scene {scene.item_id}"
    further = tuple(band for band in bands if band not in BANDS)
    window = pinned_window(ref, further)
    return session.pixels(window, geobox, bands=(*BANDS, *further, "mask"), what=what)

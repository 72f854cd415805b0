"""Pinned scenes to pixels on a lattice, whichever archive they lie in.

``read_window`` is eager and single-threaded: one call is one Dask task. Which
pixels are clear is decided in ``imagery``; how numbers become reflectance, when the
scene is pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import numpy as np
import rasterio.warp
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, BandFile, MaskKind, Scene
from qhsink.grid import crs_wkt
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.imagery.kernels import rescale_into
from qhsink.imagery.masking import NEVER, MaskRules, classify_observations, quality_rank
from qhsink.imagery.offset_guard import SceneLevel
from qhsink.sources.earthengine_products import RADSAT_FLAWS, is_on_earthengine
from qhsink.sources.items import BBox, middle, solar_day, touches
from qhsink.sources.rasters import bounded_gdal, read_numbers
from qhsink.sources.remote import Archive, plain_archive
from qhsink.sources.transfer import is_remote


@dataclass(frozen=True, slots=True, eq=False)
class WindowStack:
    """The observations of one window, a layer per solar day."""

    reflectance: NDArray[np.int16]
    """Reflectance times 10 000, shape (time, 6, y, x); -32768 where none."""
    mask: NDArray[np.uint16]
    """Scene class or QA_PIXEL, shape (time, y, x)."""
    days: tuple[date, ...]
    """Solar days, ascending."""
    scene_ids: tuple[tuple[str, ...], ...]
    """Item ids behind each day."""
    mask_kind: MaskKind
    """Which rule reads ``mask``."""
    further: NDArray[np.int16] | None = None
    """Further bands asked for, shape (time, band, y, x), as ``reflectance``."""


def read_window(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    archive: Archive | None = None,
    further: Sequence[str] = (),
) -> WindowStack:
    """Return the observations of ``scenes`` on ``geobox``.

    Parameters
    ----------
    scenes : sequence of Scene
        Of one mask kind. Those that do not touch the window are not opened.
    geobox : GeoBox
        Lattice of shape (y, x).
    archive : Archive, optional
        How remote files are reached and what was read is kept.
    further : sequence of str
        Bands read beside the six; every scene must have been pinned with them.

    Returns
    -------
    WindowStack
        With no day at all when no scene touches the window.

    Raises
    ------
    SourceError
        When a file cannot be read whole, with scene and file; when scenes of
        different mask kinds are mixed.

    Notes
    -----
    Every file is placed by its own geotransform, so bands of 10 m and 20 m with the
    same shape are never stacked as they lie. On the same lattice pixels are copied.
    Otherwise the nearest source pixel is taken, so that no cloud or fill leaks into
    a neighbour and bands of one resolution show the same ground; from
    ``AVERAGED_FROM`` source pixels per target pixel edge on, reflectance is
    averaged (GDAL leaves nodata out of the mean) and read from the overview that is
    at least as fine as the target. The mask is always nearest and never from an
    overview, which may hold averaged classes; growing by one pixel covers what the
    average mixed in.

    Where scenes of one day overlap, each pixel is taken whole from the scene whose
    mask ranks best there (``quality_rank``), the first by id among equals: a clear
    pixel of one granule is never hidden by a cloudy one of another, and the bands
    of a pixel never stem from two scenes.
    """
    kind = one_kind(scenes)
    days = days_over(scenes, geobox)
    shape = (len(days), len(further), *geobox.shape)
    more = np.full(shape, NODATA, dtype=np.int16)
    reflectance, mask = read_days(
        [group for _, group in days],
        geobox,
        archive,
        further={name: more[:, number] for number, name in enumerate(further)},
    )
    ids = tuple(tuple(s.item_id for s in group) for _, group in days)
    return WindowStack(
        reflectance,
        mask,
        tuple(d for d, _ in days),
        ids,
        kind,
        more if further else None,
    )


def days_over(
    scenes: Sequence[Scene], geobox: GeoBox
) -> list[tuple[date, tuple[Scene, ...]]]:
    """Return the scenes that touch a window, by solar day at its centre, ascending."""
    box = _degrees(geobox)

    def day(scene: Scene) -> date:
        return solar_day(scene.acquired, middle(box))

    touching = [scene for scene in scenes if touches(scene.bbox, box)]
    touching.sort(key=lambda scene: (day(scene), scene.item_id))
    return [(key, tuple(group)) for key, group in groupby(touching, key=day)]


def read_days(
    days: Sequence[Sequence[Scene]],
    geobox: GeoBox,
    archive: Archive | None = None,
    *,
    further: Mapping[str, NDArray[np.int16]] | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Return reflectance and mask of some days, as ``WindowStack`` holds them.

    Parameters
    ----------
    days : sequence of sequences of Scene
        Scenes by day; pixels of a day are mosaicked.
    geobox : GeoBox
        Lattice of shape (y, x).
    archive : Archive, optional
        How remote files are reached.
    further : mapping of str to int16 array of shape (time, y, x), optional
        Further bands by name, filled with ``NODATA``; written to.
    """
    shape = (len(days), len(BANDS), *geobox.shape)
    reflectance = np.full(shape, NODATA, dtype=np.int16)
    mask = np.zeros((len(days), *geobox.shape), dtype=np.uint16)
    planes = {band: reflectance[:, number] for number, band in enumerate(BANDS)}
    planes |= further or {}
    scenes = [scene for day in days for scene in day]
    if is_on_earthengine(scenes):
        # The client takes half a second to import, which files need not pay.
        from qhsink.sources.earthengine import read_image_days  # noqa: PLC0415

        read_image_days(days, geobox, planes, mask)
        return reflectance, mask

    def fill(layer: int) -> None:
        with bounded_gdal():
            mine = {band: plane[layer] for band, plane in planes.items()}
            _read_day(days[layer], geobox, mine, mask[layer], archive)

    reach = archive or plain_archive()
    remote = any(is_remote(scene.file("mask").href) for scene in scenes)
    for _ in reach.each(fill, range(len(days)), reach.days if remote else None):
        pass
    return reflectance, mask


def scene_levels(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    rules: MaskRules,
    *,
    dark_percentile: float,
    archive: Archive | None = None,
) -> tuple[SceneLevel, ...]:
    """Return the levels that ``find_shifted`` compares, one per scene.

    Parameters
    ----------
    scenes : sequence of Scene
        Scenes of one place.
    geobox : GeoBox
        A coarse lattice over that place; overviews are read.
    rules : MaskRules
        With the pixel size of ``geobox``.
    dark_percentile : float
        Percentile of red taken as the dark level [%].
    archive : Archive, optional
        How remote files are reached.

    Notes
    -----
    A scene with no clear pixel has ``n_clear`` 0 and levels 0, and is not judged.
    """
    levels = []
    for scene in scenes:
        stack = read_window([scene], geobox, archive)
        seen = classify_observations(
            stack.reflectance, stack.mask, stack.mask_kind, rules
        )
        red = stack.reflectance[:, BANDS.index("red")][seen.clear] / SCALE
        nir = stack.reflectance[:, BANDS.index("nir")][seen.clear] / SCALE
        dark, middle = (
            (float(np.percentile(red, dark_percentile)), float(np.median(nir)))
            if red.size
            else (0.0, 0.0)
        )
        levels.append(
            SceneLevel(scene.item_id, scene.acquired, dark, middle, int(red.size))
        )
    return tuple(levels)


def one_kind(scenes: Sequence[Scene]) -> MaskKind:
    """Return the mask kind that scenes share; SourceError when they share none."""
    kinds = sorted({scene.mask_kind for scene in scenes})
    if len(kinds) != 1:
        raise SourceError(
            f"scenes with {' and '.join(kinds) or 'no'} masks",
            expected="scenes of one sensor family",
            remedy="Search Sentinel-2 or Landsat collections, not both: their bands "
            "differ and are not harmonised here.",
        )
    return kinds[0]


def _degrees(geobox: GeoBox) -> BBox:
    """Return the window's bounding box [deg west, south, east, north]."""
    west, south, east, north = rasterio.warp.transform_bounds(
        crs_wkt(geobox), "EPSG:4326", *geobox.boundingbox.bbox
    )
    return west, south, east, north


def _read_day(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    planes: Mapping[str, NDArray[np.int16]],
    mask: NDArray[np.uint16],
    archive: Archive | None,
) -> None:
    """Fill one day's layers, each pixel whole from the scene that ranks best."""
    best = np.full(geobox.shape, NEVER, dtype=np.uint8)
    mask[:] = scenes[0].file("mask").nodata
    for scene in scenes:
        seen = read_numbers(
            scene, scene.file("mask"), geobox, averaged=False, archive=archive
        )
        if seen is None:
            continue
        rank = quality_rank(seen, scene.mask_kind)
        take = rank < best
        if not take.any():
            continue
        np.copyto(mask, seen, where=take)
        np.copyto(best, rank, where=take)
        files = [scene.file(band) for band in planes]
        found = _read_bands(scene, files, geobox, archive)
        for layer, file, numbers in zip(planes.values(), files, found, strict=True):
            layer[take] = NODATA
            if numbers is not None:
                gain, bias = file.scale * SCALE, file.offset * SCALE
                rescale_into(numbers, take, file.nodata, gain, bias, layer)
        _drop_saturated(scene, geobox, take, planes, archive)


def _drop_saturated(
    scene: Scene,
    geobox: GeoBox,
    take: NDArray[np.bool_],
    planes: Mapping[str, NDArray[np.int16]],
    archive: Archive | None,
) -> None:
    """Leave no reflectance where a Landsat band was saturated or the ground hidden.

    A pixel with one saturated band has no true colour: all six are dropped, so that it
    is not clear. Snow and cloud are what saturates most; their mask stays.
    """
    found = [file for file in scene.files if file.band == "radsat"]
    if not found:
        return
    flags = read_numbers(scene, found[0], geobox, averaged=False, archive=archive)
    if flags is not None:
        flawed = take & ((flags & np.uint16(RADSAT_FLAWS)) != 0)
        for layer in planes.values():
            layer[flawed] = NODATA


def _read_bands(
    scene: Scene, files: Sequence[BandFile], geobox: GeoBox, archive: Archive | None
) -> Iterator[NDArray[np.uint16] | None]:
    """Yield the numbers of each file; remote ones are read at the same time."""

    def read(file: BandFile) -> NDArray[np.uint16] | None:
        with bounded_gdal():
            return read_numbers(scene, file, geobox, averaged=True, archive=archive)

    reach = archive or plain_archive()
    return reach.each(read, files, reach.files if is_remote(files[0].href) else None)

"""Heights, radar backscatter and land cover of pinned items on a lattice.

Slopes and features are made of them elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from qhsink.domain.errors import SourceError
from qhsink.sources.earthengine_products import SCHEME
from qhsink.sources.layer_items import LayerItem
from qhsink.sources.layer_rasters import read_values
from qhsink.sources.remote import Archive, plain_archive

Floats = NDArray[np.float32]
Orbit = Literal["ascending", "descending"]


@dataclass(frozen=True, slots=True, eq=False)
class Backscatter:
    """Mean radar backscatter of a period, one orbit direction."""

    vv: Floats
    """Gamma nought, VV, linear power, shape (y, x); NaN where none."""
    vh: Floats
    """The same, VH."""
    n: NDArray[np.uint8]
    """Acquisitions behind the mean, shape (y, x)."""
    orbit: Orbit


def read_elevation(
    items: Iterable[LayerItem], geobox: GeoBox, archive: Archive | None = None
) -> Floats:
    """Return heights on a lattice [m], NaN where no item reaches.

    Parameters
    ----------
    items : iterable of LayerItem
        From ``pin_layer(source, "elevation", ...)``.
    geobox : GeoBox
        Lattice of shape (y, x).
    archive : Archive, optional
        How remote files are reached.

    Raises
    ------
    SourceError
        When a file cannot be read whole; it names item and host.

    Notes
    -----
    Of Earth Engine, tiles are interpolated as one surface: within half a source pixel
    of a tile's edge heights differ from those of files. Copernicus GLO-30 is a surface
    model: canopies and roofs are in it, and heights
    are above the EGM2008 geoid. Bilinear; from 1.5 source pixels per target pixel
    edge on, averaged. Where tiles overlap, the first by id.
    """
    ordered = sorted(items, key=lambda item: item.item_id)
    return _first_of(_each(ordered, "elevation", geobox, "linear", archive), geobox)


def read_landcover(
    items: Iterable[LayerItem], geobox: GeoBox, archive: Archive | None = None
) -> NDArray[np.uint8]:
    """Return land cover classes on a lattice, 0 where there is none.

    Raises
    ------
    SourceError
        When items are of several editions, or a file cannot be read whole.

    Notes
    -----
    The nearest class; from 1.5 source pixels per target pixel edge on, the most
    frequent one.
    """
    ordered = sorted(items, key=lambda item: item.item_id)
    years = sorted({item.acquired.year for item in ordered})
    if len(years) > 1:
        raise SourceError(
            f"land cover of {' and '.join(map(str, years))} in one map",
            expected="one edition",
            remedy="Pin the layer with the period of one year: editions were made by "
            "different methods and are not to be mixed.",
        )
    found = _first_of(_each(ordered, "landcover", geobox, "classes", archive), geobox)
    return np.nan_to_num(found, nan=0.0).astype(np.uint8)


def read_backscatter(
    items: Iterable[LayerItem],
    geobox: GeoBox,
    orbit: Orbit,
    archive: Archive | None = None,
) -> Backscatter:
    """Return the mean backscatter of the acquisitions of one orbit direction.

    Parameters
    ----------
    items : iterable of LayerItem
        From ``pin_layer(source, "backscatter", ..., period=period)``.
    geobox : GeoBox
        Lattice of shape (y, x).
    orbit : {"ascending", "descending"}
        Directions are never mixed: they see other slopes at other incidence.
    archive : Archive, optional
        How remote files are reached.

    Returns
    -------
    Backscatter
        Linear power, not dB: a mean of dB is not the dB of the mean. ``to_decibel``
        converts. Empty (``n`` 0) where nothing was acquired.

    Notes
    -----
    Resampling and the mean over dates are done in linear power. Frames of one
    overpass are mosaicked before the mean, so that an overlap counts once. Items of
    Earth Engine are flattened by the slope of each pixel, ``sentinel-1-rtc`` by the
    areas of all facets that fall into it (docs/earthengine.md): near each other, not
    the same.
    """
    chosen = sorted(
        (item for item in items if item.orbit == orbit),
        key=lambda item: (item.acquired.date(), item.item_id),
    )
    total = np.zeros((2, *geobox.shape), dtype=np.float64)
    n = np.zeros(geobox.shape, dtype=np.uint8)
    for _, frames in groupby(chosen, key=lambda item: item.acquired.date()):
        overpass = list(frames)
        vv, vh = (
            _first_of(_each(overpass, band, geobox, "linear", archive), geobox)
            for band in ("vv", "vh")
        )
        seen = np.isfinite(vv) & np.isfinite(vh) & (vv > 0) & (vh > 0)
        total += np.where(seen, np.stack([vv, vh]), 0.0)
        n += seen
    mean = np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
    vv, vh = mean.astype(np.float32)
    return Backscatter(vv, vh, n, orbit)


def to_decibel(power: Floats) -> Floats:
    """Return 10 log10 of linear power [dB], NaN where there is none or it is 0."""
    known = power > 0
    out = np.full(power.shape, np.nan, dtype=np.float32)
    np.log10(power, out=out, where=known)
    return out * np.float32(10.0)


def _each(
    items: Sequence[LayerItem],
    band: str,
    geobox: GeoBox,
    kind: Literal["linear", "classes"],
    archive: Archive | None,
) -> Iterator[Floats]:
    """Yield a band of each item that reaches the lattice, in the unit of its layer."""
    if items and items[0].files[0].href.startswith(SCHEME):
        # The client takes half a second to import, which files need not pay.
        from qhsink.sources.earthengine_layers import read_layer_images  # noqa: PLC0415

        yield from read_layer_images(items, band, geobox)
        return
    reach = archive or plain_archive()

    def read(item: LayerItem) -> Floats | None:
        file = next(file for file in item.files if file.band == band)
        return read_values(item.item_id, file, geobox, kind=kind, archive=reach)

    for found in reach.each(read, items, reach.files):
        if found is not None:
            yield found


def _first_of(layers: Iterable[Floats], geobox: GeoBox) -> Floats:
    """Return the first number that any layer has, NaN where none has one."""
    out = np.full(geobox.shape, np.nan, dtype=np.float32)
    for layer in layers:
        np.copyto(out, layer, where=np.isnan(out))
    return out

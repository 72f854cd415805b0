"""odc-stac's loader, reading pinned files the way a run reads them.

odc-stac plans which file is read for which block, and builds the lazy arrays; how a
file is reached, checked and placed stays ``remote``'s and ``rasters``'s. What its
numbers mean belongs to ``stac_cube``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import odc.stac
import pystac
import shapely
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.loader.types import (
    BandKey,
    RasterBandMetadata,
    RasterGroupMetadata,
    RasterLoadParams,
    RasterSource,
)

from qhsink.config import Settings
from qhsink.domain.scene import BANDS, BandFile, Scene
from qhsink.sources.rasters import bounded_gdal, read_numbers
from qhsink.sources.remote import open_archive

_PINNED = "qhsink:pinned"
"""Field of an asset that carries its pinned file to the reader; never written."""

_AROUND_DEG = 0.02
"""Footprints are taken this much wider: items round theirs, and a block that is
missed would be empty, one too many is found not to be reached."""


def load_numbers(
    scenes: Sequence[Scene],
    geobox: GeoBox,
    *,
    bands: Sequence[str],
    chunks: Mapping[str, int],
    settings: Settings | None,
) -> xr.Dataset:
    """Return the digital numbers of scenes, lazily, by ``odc.stac.load``.

    Parameters
    ----------
    scenes : sequence of Scene
        Pinned, of one mask kind.
    geobox : GeoBox
        Lattice of shape (y, x).
    bands : sequence of str
        Of ``BANDS``, ``mask`` and ``radsat``.
    chunks : mapping
        Dask chunks in pixels, by ``y`` and ``x``; the whole side where not named.
    settings : Settings or None
        Where keys are found and what was read is kept.

    Returns
    -------
    xarray.Dataset
        One uint16 variable per band, of shape (scene, y, x) in the order of
        ``scenes``, a scene a chunk of its own; the band's nodata where a scene has
        none. Errors of reading, those of ``read_numbers``, come when it is computed.
    """
    sides = {side: chunks[side] for side in ("y", "x") if side in chunks}
    found: xr.Dataset = odc.stac.load(
        [_item(scene) for scene in scenes],
        bands=list(bands),
        geobox=geobox,
        chunks={"time": 1, **sides},
        groupby="id",
        preserve_original_order=True,
        driver=PinnedDriver(settings, tokenize(tuple(scenes), settings)),
    )
    return found


@dataclass(frozen=True, slots=True)
class PinnedDriver:
    """A ``ReaderDriver`` for odc-loader that opens files as a run does."""

    settings: Settings | None
    """Where keys are found and what was read is kept; None for neither."""
    pinned: str
    """Digest of the scenes, so that a file pinned anew is a task of its own: odc's
    own names know an address, not its version."""

    def new_load(
        self,
        geobox: GeoBox,  # noqa: ARG002 (odc-loader's signature)
        *,
        chunks: dict[str, int] | None = None,  # noqa: ARG002 (likewise)
    ) -> None:
        """Return the state shared by all reads of one load: none."""
        return

    def finalise_load(self, load_state: None) -> None:
        """Do nothing: files are closed as soon as they were read."""

    def capture_env(self) -> dict[str, Any]:
        """Return what becomes part of the names of the lazy arrays."""
        return {"pinned": self.pinned}

    @contextmanager
    def restore_env(
        self,
        env: dict[str, Any],  # noqa: ARG002 (odc-loader's signature)
        load_state: None,  # noqa: ARG002 (likewise)
    ) -> Iterator[None]:
        """Run with GDAL bounded, as every read of a run is."""
        with bounded_gdal():
            yield

    def open(
        self,
        src: RasterSource,
        ctx: None,  # noqa: ARG002 (odc-loader's signature)
    ) -> PinnedReader:
        """Return the reader of one file; nothing is opened yet."""
        return PinnedReader(src.driver_data, self.settings)

    @property
    def md_parser(self) -> PinnedParser:
        """Return what tells odc-stac about the bands of a pinned scene."""
        return PinnedParser()

    @property
    def dask_reader(self) -> None:
        """Return none: odc-loader's own graph is used."""
        return

    @property
    def aux_reader(self) -> None:
        """Return none: scenes hold rasters alone."""
        return


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file to read, and the scene that errors name."""

    scene: Scene
    file: BandFile


@dataclass(frozen=True, slots=True)
class PinnedReader:
    """A ``RasterReader`` for odc-loader: one pinned file onto one block."""

    pinned: PinnedFile
    settings: Settings | None

    def read(
        self,
        cfg: RasterLoadParams,
        dst_geobox: GeoBox,
        *,
        dst: NDArray[np.uint16] | None = None,
        selection: Any = None,  # noqa: ARG002 (of bands with more dimensions)
    ) -> tuple[tuple[slice, slice], NDArray[np.uint16]]:
        """Return where the block was filled, and with which numbers.

        Resampling is the run's own (``reading.read_window``), not odc-stac's:
        reflectance is averaged on coarser lattices, masks never are.
        """
        scene, file = self.pinned.scene, self.pinned.file
        archive = open_archive(self.settings) if self.settings else None
        averaged = file.band in BANDS
        numbers = read_numbers(
            scene, file, dst_geobox, averaged=averaged, archive=archive
        )
        if numbers is None:
            nowhere = (slice(0, 0), slice(0, 0))
            return nowhere, np.empty((0, 0), dtype=cfg.dtype)
        if dst is not None:
            np.copyto(dst, numbers)
        rows, cols = numbers.shape
        return (slice(0, rows), slice(0, cols)), numbers


class PinnedParser:
    """An ``MDParser`` for odc-loader: bands as they were pinned, not as stated."""

    def extract(self, md: pystac.Item) -> RasterGroupMetadata:
        """Return the bands that any scene of the item's sensor may have."""
        mask = md.assets["mask"].extra_fields[_PINNED].file.nodata
        fills = {**dict.fromkeys(BANDS, 0), "mask": mask, "radsat": 0}
        return RasterGroupMetadata(
            {(name, 1): RasterBandMetadata("uint16", n) for name, n in fills.items()}
        )

    def driver_data(self, md: pystac.Item, band_key: BandKey) -> PinnedFile | None:
        """Return the pinned file behind an asset."""
        asset = md.assets.get(band_key[0])
        return asset.extra_fields[_PINNED] if asset else None


def _item(scene: Scene) -> pystac.Item:
    """Return a pinned scene as an item that odc-stac can plan with."""
    west, south, east, north = scene.bbox
    east += 360.0 if east < west else 0.0
    footprint = shapely.box(west, south, east, north).buffer(
        _AROUND_DEG, join_style="mitre"
    )
    item = pystac.Item(
        id=scene.item_id,
        geometry=shapely.geometry.mapping(footprint),
        bbox=list(footprint.bounds),
        datetime=scene.acquired,
        properties={},
    )
    for file in scene.files:
        held = {_PINNED: PinnedFile(scene, file)}
        item.add_asset(file.band, pystac.Asset(href=file.href, extra_fields=held))
    return item

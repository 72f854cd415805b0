"""What Earth Engine is asked of heights and land cover: built, never sent.

Radar is ``earthengine_radar_expressions``.
"""

from __future__ import annotations

from collections.abc import Sequence

import ee

MISSING_HEIGHT = -32768.0
"""Filled in where no tile has a height [m]."""

MOST_PIXELS = 1024
"""Source pixels averaged to one at most; beyond, from a level of the pyramid."""


def heights(image_ids: Sequence[str], *, coarser: bool) -> ee.Image:
    """Return heights of some tiles of Copernicus GLO-30 as one surface.

    Parameters
    ----------
    image_ids : sequence of str
        Asset ids of tiles side by side.
    coarser : bool
        Whether the lattice asked for is coarser than the tiles: the mean then, else
        bilinear.

    Returns
    -------
    ee.Image
        Band ``elevation``, float32 [m], ``MISSING_HEIGHT`` where there is none.

    Notes
    -----
    A mosaic has no projection of its own, and what is resampled from it would be
    taken at one degree: the projection of a tile is given back to it. Interpolating
    the mosaic, not each tile, leaves no seam.
    """
    placed = surface(image_ids)
    found = averaged(placed, "mean") if coarser else placed.resample("bilinear")
    filled: ee.Image = found.unmask(MISSING_HEIGHT, False).toFloat()
    return filled.rename(["elevation"])


def land_cover(image_id: str, *, coarser: bool) -> ee.Image:
    """Return the classes of one edition of ESA WorldCover, 0 where there is none.

    The nearest class, or the most frequent one where the lattice is coarser.
    """
    classes = ee.Image.load(image_id).select(["Map"])
    found = averaged(classes, "mode") if coarser else classes
    filled: ee.Image = found.unmask(0, False).toUint8()
    return filled.rename(["landcover"])


def surface(image_ids: Sequence[str]) -> ee.Image:
    """Return tiles of heights side by side as one image in the projection of a tile."""
    tiles = [ee.Image.load(image_id).select(["DEM"]) for image_id in image_ids]
    mosaic = ee.ImageCollection(tiles).mosaic()
    found: ee.Image = mosaic.setDefaultProjection(tiles[0].projection())
    return found


def averaged(image: ee.Image, how: str) -> ee.Image:
    """Return an image whose pixels are means, or most frequent, on coarser grids."""
    reducer = ee.Reducer.mean() if how == "mean" else ee.Reducer.mode()
    found: ee.Image = image.reduceResolution(reducer, True, MOST_PIXELS)
    return found

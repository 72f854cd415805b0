"""What Earth Engine is asked of heights, radar and land cover: built, never sent."""

from __future__ import annotations

import math
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
    tiles = [ee.Image.load(image_id).select(["DEM"]) for image_id in image_ids]
    mosaic = ee.ImageCollection(tiles).mosaic()
    placed = mosaic.setDefaultProjection(tiles[0].projection())
    found = _averaged(placed, "mean") if coarser else placed.resample("bilinear")
    filled: ee.Image = found.unmask(MISSING_HEIGHT, False).toFloat()
    return filled.rename(["elevation"])


def gamma_nought(image_id: str, band: str, *, coarser: bool) -> ee.Image:
    """Return gamma nought of one Sentinel-1 acquisition, in linear power.

    Parameters
    ----------
    image_id : str
        Asset id in ``COPERNICUS/S1_GRD_FLOAT``, whose numbers are sigma nought.
    band : {"vv", "vh"}
        Polarisation.
    coarser : bool
        As in ``heights``.

    Returns
    -------
    ee.Image
        One band of that name, float32, 0 where there is none.

    Notes
    -----
    Sigma nought over the cosine of the incidence angle on the ellipsoid (band
    ``angle``). On level ground that is the terrain-flattened gamma nought of
    ``sentinel-1-rtc``; on slopes it is not: no relief enters it.
    """
    image = ee.Image.load(image_id)
    image = image if coarser else image.resample("bilinear")
    cosine = image.select(["angle"]).multiply(math.pi / 180.0).cos()
    gamma = image.select([band.upper()]).divide(cosine)
    found = _averaged(gamma, "mean") if coarser else gamma
    filled: ee.Image = found.unmask(0.0, False).toFloat()
    return filled.rename([band])


def land_cover(image_id: str, *, coarser: bool) -> ee.Image:
    """Return the classes of one edition of ESA WorldCover, 0 where there is none.

    The nearest class, or the most frequent one where the lattice is coarser.
    """
    classes = ee.Image.load(image_id).select(["Map"])
    found = _averaged(classes, "mode") if coarser else classes
    filled: ee.Image = found.unmask(0, False).toUint8()
    return filled.rename(["landcover"])


def _averaged(image: ee.Image, how: str) -> ee.Image:
    reducer = ee.Reducer.mean() if how == "mean" else ee.Reducer.mode()
    found: ee.Image = image.reduceResolution(reducer, True, MOST_PIXELS)
    return found

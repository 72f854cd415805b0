"""What Earth Engine is asked to compute: expressions, built and never sent.

Every function returns a client-side graph; nothing here needs a network once the
client knows its algorithms. Sending them is ``earthengine_session``'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import ee

from qhsink.domain.scene import BANDS
from qhsink.imagery.encoding import NODATA
from qhsink.sources.earthengine_products import (
    CLOUD_SCORE,
    RADSAT_FLAWS,
    SCORE_BAND,
    ImageProduct,
    ImageRef,
    further_bands,
    product_of,
)

BBox = tuple[float, float, float, float]

BRIGHTEST = 32767
"""Largest reflectance times 10 000 that int16 holds."""

SCL_CLOUD = 8
"""Scene class given to what only Cloud Score+ calls cloud: its edges are grown."""

SCL_SHADOW = 3
"""Scene class of cloud shadow, which is left as it is."""


def pinned_window(ref: ImageRef, further: Sequence[str] = ()) -> ee.Image:
    """Return the six bands and the mask of one image, as ``WindowStack`` holds them.

    Parameters
    ----------
    ref : ImageRef
        The pinned image and the cloud score it is seen through.
    further : sequence of str
        Bands wanted beside the six: some of ``RED_EDGE``.

    Returns
    -------
    ee.Image
        Bands ``BANDS`` and ``further`` as int16 reflectance times 10 000, ``NODATA``
        where there is none, and ``mask`` as uint16.

    Notes
    -----
    ``unmask`` with ``sameFootprint`` false: otherwise pixels beside the footprint
    stay masked, and a masked pixel of an NPY answer is 0, which is a reflectance.
    """
    product = product_of(ref.collection)
    image = ee.Image.load(ref.image_id)
    mask = image.select(product.mask)
    if ref.score is not None:
        score = ee.Image.load(f"{CLOUD_SCORE}/{ref.index}").select(SCORE_BAND)
        mask = with_cloud_score(mask, score, ref.score)
    return (
        unsaturated(scaled_reflectance(image, product, further), image, product)
        .unmask(NODATA, False)
        .toInt16()
        .addBands(mask.unmask(product.mask_fill, False).toUint16())
        .rename([*BANDS, *further, "mask"])
    )


def unsaturated(
    reflectance: ee.Image, image: ee.Image, product: ImageProduct
) -> ee.Image:
    """Return reflectance masked where a band was saturated or the ground hidden."""
    if not product.saturation:
        return reflectance
    flaws = image.select(product.saturation).bitwiseAnd(RADSAT_FLAWS)
    kept: ee.Image = reflectance.updateMask(flaws.eq(0))
    return kept


def scaled_reflectance(
    image: ee.Image, product: ImageProduct, further: Sequence[str] = ()
) -> ee.Image:
    """Return reflectance times 10 000, rounded, within what int16 holds.

    The numbers of Sentinel-2 are reflectance times 10 000 already.
    """
    names = [*product.bands, *further_bands(product, further)]
    numbers: ee.Image = image.select(names)
    if (product.scale, product.offset) != (1e-4, 0.0):
        gain, bias = round(product.scale * 1e4, 9), round(product.offset * 1e4, 9)
        numbers = numbers.multiply(gain).add(bias).round()
    bounded: ee.Image = numbers.clamp(NODATA + 1, BRIGHTEST)
    return bounded


def with_cloud_score(scl: ee.Image, score: ee.Image, threshold: float) -> ee.Image:
    """Return scene classes in which what the score calls cloud is class 8.

    Shadow, cloud, cirrus and snow keep their class. Where there is no score the
    scene class alone decides.
    """
    doubted = (
        score.lt(threshold)
        .And(scl.gt(0))
        .And(scl.neq(SCL_SHADOW))
        .And(scl.lt(SCL_CLOUD))
    )
    return scl.where(doubted, SCL_CLOUD)


def clear_sentinel2(
    bbox: BBox, start: str, end: str, *, threshold: float
) -> ee.ImageCollection:
    """Return Sentinel-2 of a box and period, masked where Cloud Score+ is low.

    Parameters
    ----------
    bbox : tuple of float
        West, south, east, north [deg].
    start, end : str
        First day, and the day after the last, ``YYYY-MM-DD``.
    threshold : float
        Least ``cs_cdf`` of a clear pixel (0.60 in the issue).

    Notes
    -----
    Joined by ``system:index``; an image without a score has no clear pixel.
    """
    product = product_of("COPERNICUS/S2_SR_HARMONIZED")
    scores = ee.ImageCollection(CLOUD_SCORE)
    seen = (
        ee.ImageCollection(product.collection)
        .filterBounds(ee.Geometry.Rectangle(list(bbox), "EPSG:4326", False))
        .filterDate(start, end)
        .linkCollection(scores, [SCORE_BAND])
    )

    def clear(image: ee.Image) -> ee.Image:
        kept = image.select(SCORE_BAND).gte(threshold)
        return scaled_reflectance(image, product).rename(list(BANDS)).updateMask(kept)

    clear_dates: ee.ImageCollection = seen.map(clear)
    return clear_dates


def median_sentinel2(bbox: BBox, start: str, end: str, *, threshold: float) -> ee.Image:
    """Return the server-side median of the clear dates and their number.

    Notes
    -----
    One image instead of one per date: least traffic, for looking and for large
    areas. It is not the cube of ``read_window``: edges of cloud are not grown and
    days that two granules share count twice, so a run does not use it.
    """
    seen = clear_sentinel2(bbox, start, end, threshold=threshold)
    count = seen.select(BANDS[0]).count().unmask(0, False)
    return (
        seen.median()
        .round()
        .unmask(NODATA, False)
        .toInt16()
        .addBands(count.toInt16().rename("n_clear"))
    )

"""Earth Engine's collections in qhsink's terms: a table, and how images are named.

Pure and without the client: what is asked of the server is built in
``earthengine_expressions``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from qhsink.domain.errors import SourceError
from qhsink.domain.scene import BANDS, RED_EDGE, BandFile, MaskKind, Scene

SCHEME = "earthengine:"
"""How the hrefs of pinned images begin."""

CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
"""Cloud Score+ (Pasquarella et al. 2023, CVPRW); same ``system:index`` as S2."""

RADSAT_FLAWS = 0b1000_0111_1110
"""QA_RADSAT bits of OLI bands 2 to 7 (1 to 6) and of ground hidden by relief (11):
Landsat 8-9 Collection 2 level 2 guide, LSDS-1619; they are those that the
``classification:bitfields`` of a real item of Planetary Computer states."""

SCORE_BAND = "cs_cdf"
"""The score as a share of the pixel's own past: steadier than ``cs``."""


@dataclass(frozen=True, slots=True)
class ImageProduct:
    """One image collection of surface reflectance."""

    collection: str
    """Asset id of the collection."""
    bands: tuple[str, ...]
    """Its bands in the order of ``BANDS``."""
    mask: str
    """Its band of classes or flags."""
    mask_kind: MaskKind
    """Which rule reads the mask."""
    mask_fill: int
    """What the mask holds where nothing was observed."""
    scale: float
    """Reflectance per digital number."""
    offset: float
    """Reflectance at digital number zero."""
    platform: str
    """Image property that names the satellite."""
    baseline: str
    """Image property of the processing baseline or level."""
    cloud: str
    """Image property of the cloud share [%]."""
    tile: tuple[str, ...]
    """Image properties that together name the granule."""
    rule: str
    """Why this scale and offset, for provenance."""
    scored: bool = False
    """Whether Cloud Score+ exists for it."""
    red_edge: tuple[str, ...] = ()
    """Its bands in the order of ``RED_EDGE``; empty where it has none."""
    saturation: str = ""
    """Band of saturation flags (QA_RADSAT); empty where there is none."""


_SENTINEL2 = ImageProduct(
    collection="COPERNICUS/S2_SR_HARMONIZED",
    bands=("B2", "B3", "B4", "B8A", "B11", "B12"),
    mask="SCL",
    mask_kind="scl",
    mask_fill=0,
    scale=1e-4,
    offset=0.0,
    platform="SPACECRAFT_NAME",
    baseline="PROCESSING_BASELINE",
    cloud="CLOUDY_PIXEL_PERCENTAGE",
    tile=("MGRS_TILE",),
    rule="harmonised by Earth Engine: the 1000 DN are already removed, offset 0",
    scored=True,
    red_edge=("B5", "B6", "B7"),
)


def _landsat(number: int) -> ImageProduct:
    return ImageProduct(
        collection=f"LANDSAT/LC0{number}/C02/T1_L2",
        bands=("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"),
        mask="QA_PIXEL",
        mask_kind="qa_pixel",
        mask_fill=1,
        scale=2.75e-5,
        offset=-0.2,
        platform="SPACECRAFT_ID",
        baseline="PROCESSING_LEVEL",
        cloud="CLOUD_COVER",
        tile=("WRS_PATH", "WRS_ROW"),
        rule="Collection 2 level 2: DN * 0.0000275 - 0.2, by definition of the product",
        saturation="QA_RADSAT",
    )


PRODUCTS: Mapping[str, ImageProduct] = {
    product.collection: product for product in (_SENTINEL2, _landsat(8), _landsat(9))
}
"""Collections that give scenes, by asset id."""


def product_of(collection: str) -> ImageProduct:
    """Return the product of a collection.

    Raises
    ------
    SourceError
        When the collection gives no scenes of surface reflectance here.
    """
    if collection not in PRODUCTS:
        raise SourceError(
            f"Earth Engine collection {collection!r}",
            expected=f"one of {', '.join(PRODUCTS)}",
            remedy="Correct `collections` of the source in config/sources.toml.",
        )
    return PRODUCTS[collection]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A pinned image: which one, in which state, seen through which cloud score."""

    image_id: str
    """Asset id."""
    updated: str
    """When the archive last changed the image, as it states it."""
    score: float | None
    """Least Cloud Score+ of a clear pixel; None where the score is not used."""

    @property
    def collection(self) -> str:
        """Asset id of the collection."""
        return self.image_id.rpartition("/")[0]

    @property
    def index(self) -> str:
        """``system:index`` of the image."""
        return self.image_id.rpartition("/")[2]

    def files(self) -> tuple[BandFile, ...]:
        """Return the bands as the files of a scene; their numbers come as int16."""
        product = product_of(self.collection)
        stem = f"{SCHEME}{self.image_id}@{self.updated}#"
        seen = "" if self.score is None else f"+{SCORE_BAND}>={self.score:g}"
        bands = tuple(
            BandFile(name, f"{stem}{band}", product.scale, product.offset, 0)
            for name, band in zip(BANDS, product.bands, strict=True)
        )
        mask = f"{stem}{product.mask}{seen}"
        return (*bands, BandFile("mask", mask, 1.0, 0.0, product.mask_fill))


def further_bands(product: ImageProduct, names: Sequence[str]) -> tuple[str, ...]:
    """Return a product's own names of bands beside the six.

    Raises
    ------
    SourceError
        When it has no such band.
    """
    known = dict(zip(RED_EDGE, product.red_edge, strict=False))
    lacking = [name for name in names if name not in known]
    if lacking:
        raise SourceError(
            f"{product.collection}: no such band as {lacking[0]}",
            expected="Sentinel-2 level 2A",
            remedy="Name a source of Sentinel-2, or a model that does without.",
        )
    return tuple(known[name] for name in names)


def with_further(scene: Scene, names: Sequence[str]) -> Scene:
    """Return a pinned scene with the files of bands beside the six.

    Raises
    ------
    SourceError
        When its product has no such band.
    """
    if not names:
        return scene
    product = product_of(scene.collection)
    stem = scene.file(BANDS[0]).href.partition("#")[0]
    more = tuple(
        BandFile(name, f"{stem}#{band}", product.scale, product.offset, 0)
        for name, band in zip(names, further_bands(product, names), strict=True)
    )
    return replace(scene, files=(*scene.files, *more))


def parse_ref(mask_href: str) -> ImageRef:
    """Return the image that the href of a pinned scene's mask names.

    Raises
    ------
    SourceError
        When it is not an href that ``ImageRef.files`` wrote.
    """
    pattern = rf"{SCHEME}([\w/-]+)@([^#]*)#\w+?(?:\+{SCORE_BAND}>=([\d.e-]+))?"
    found = re.fullmatch(pattern, mask_href)
    if found is None:
        raise SourceError(
            f"href {mask_href!r}",
            expected=f"{SCHEME}IMAGE@TIME#BAND, as a plan writes it",
            remedy="Plan the run again.",
        )
    image_id, updated, score = found.groups()
    return ImageRef(image_id, updated, None if score is None else float(score))


def is_on_earthengine(scenes: Iterable[Scene]) -> bool:
    """Whether scenes are pinned images of Earth Engine.

    Raises
    ------
    SourceError
        When some are and some are not.
    """
    kinds = {scene.file("mask").href.startswith(SCHEME) for scene in scenes}
    if len(kinds) > 1:
        raise SourceError(
            "scenes of Earth Engine and of files in one window",
            expected="scenes of one source",
            remedy="Plan the run from one --source.",
        )
    return kinds == {True}

"""What an archive is made from: products, regions and parameters, with their digest.

Decides whether it can be made; making it is ``archive``'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import BadInput
from qhsink.store import code_version
from qhsink.twin import elevation_model, landsat, radar, scenes
from qhsink.twin.orders import Job, Order
from qhsink.twin.product_spec import Orbits
from qhsink.twin.sentinel2_items import LAST_OLD_YEAR, Choice, Processing
from qhsink.twin.spec import TwinSpec

PRODUCTS: Mapping[str, Callable[[Order], list[Job]]] = {
    "s2": scenes.jobs,
    "dem": elevation_model.jobs,
    "s1": radar.jobs,
    "landsat": landsat.jobs,
}
"""Name of a product to what makes it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything an archive is made from."""

    regions: tuple[tuple[str, BaseGeometry], ...]
    """Region ids and polygons in grid coordinates."""
    lakes: tuple[BaseGeometry, ...]
    """Lakes in grid coordinates."""
    seed: int
    year: int
    pixel_size_m: float
    spec: TwinSpec
    products: tuple[str, ...]
    """Keys of ``PRODUCTS``."""
    processing: Processing
    """Of Sentinel-2."""
    bands: Choice
    """Of Sentinel-2."""
    orbits: Orbits
    """Of Sentinel-1."""

    def digest(self) -> str:
        """Return the digest of parameters, geometry and code version."""
        parts = {
            "code": code_version("qhsink.twin", "qhsink.grid"),
            "spec": self.spec.model_dump(mode="json"),
            "regions": [[name, shape.wkb_hex] for name, shape in self.regions],
            "lakes": [lake.wkb_hex for lake in self.lakes],
            "seed": self.seed,
            "year": self.year,
            "pixel_size_m": self.pixel_size_m,
            "products": self.products,
            "processing": self.processing,
            "bands": self.bands,
            "orbits": self.orbits,
        }
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def check(recipe: Recipe, products: Sequence[str]) -> None:
    """Refuse a recipe that cannot be made; ``products`` are those asked for.

    Raises
    ------
    BadInput
        No region, a wrong seed, no such product, or a year without that processing.
    """
    if not recipe.regions:
        raise BadInput(
            "no region",
            expected="at least one region to simulate",
            remedy="Name one with --region.",
        )
    if not 0 <= recipe.seed < 2**31:
        raise BadInput(
            f"seed {recipe.seed}",
            expected="0 to 2147483647",
            remedy="Give another --seed.",
        )
    unknown = sorted(set(products) - set(PRODUCTS))
    if unknown or not products:
        raise BadInput(
            f"product {unknown[0]!r}" if unknown else "no product",
            expected=f"some of {', '.join(PRODUCTS)}",
            remedy="Name them with --products, with commas between.",
        )
    last = LAST_OLD_YEAR
    if recipe.processing == "before-04" and recipe.year > last:
        raise BadInput(
            f"year {recipe.year} processed before baseline 04.00",
            expected=f"a year up to {last}: 04.00 came into use in January {last + 1}",
            remedy=f"Give --year {last} or earlier.",
        )

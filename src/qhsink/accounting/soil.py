"""Soil carbon of a profile. What lies above the soil is in ``pools``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from qhsink.domain.carbon import Stock
from qhsink.domain.errors import TableError
from qhsink.domain.quantity import quantity


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a soil profile."""

    top_cm: float
    """Upper boundary [cm]."""
    bottom_cm: float
    """Lower boundary [cm]."""
    bulk_density: float
    """Bulk density of the fine earth [g cm-3]."""
    carbon_g_kg: float
    """Organic carbon content of the fine earth [g kg-1]."""
    coarse_share: float
    """Volume share of fragments over 2 mm, 0..1."""


def profile_carbon(ecosystem: str, layers: Sequence[Layer]) -> Stock:
    """Return the carbon density of a profile [t C ha-1].

    Sum of depth * bulk density * OC * (1 - coarse) * 0.1 (methodology C5): cm,
    g cm-3 and g kg-1 give t ha-1.

    Raises
    ------
    TableError
        When layers overlap or leave a gap, or a value is outside its range (a
        content of more than 600 g kg-1 is no soil; a share is not a percentage).
    """
    for layer in layers:
        _check(layer)
    for upper, lower in itertools.pairwise(layers):
        if upper.bottom_cm != lower.top_cm:
            raise TableError(
                f"layers meet at {upper.bottom_cm} and {lower.top_cm} cm",
                expected="layers without gap or overlap, from the top",
                remedy="Sort the layers and close the gap.",
            )
    total = math.fsum(
        (layer.bottom_cm - layer.top_cm)
        * layer.bulk_density
        * layer.carbon_g_kg
        * (1.0 - layer.coarse_share)
        * 0.1
        for layer in layers
    )
    return Stock(ecosystem, frozenset({"soil"}), quantity(total, "t C ha-1"))


def _check(layer: Layer) -> None:
    sound = (
        0.0 <= layer.top_cm < layer.bottom_cm
        and 0.0 < layer.bulk_density < 2.65
        and 0.0 <= layer.carbon_g_kg <= 600.0
        and 0.0 <= layer.coarse_share < 1.0
    )
    if not sound:
        raise TableError(
            f"soil layer {layer}",
            expected="depths in cm, g cm-3 below 2.65, g kg-1 up to 600, a share 0..1",
            remedy="Check the units of the profile table.",
        )

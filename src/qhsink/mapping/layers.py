"""Layers: what a cube may hold beside one another, each declared once.

Reflectance of bands, statistics of a season, terrain, radar: name, unit, step and
source. How they are read belongs to ``sources`` and ``steps``; what is made of them to
``features``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Group = Literal["rededge", "season", "terrain", "radar"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""Layers beyond the six bands that are read, and kept, together."""

NODATA = -32_768
"""No value, in an int16 cube."""

REFLECTANCE_FLOOR = np.float32(0.001)
"""Least reflectance a ratio is formed of: ten digital numbers.

Surface reflectance of shadow and water comes out at or below zero, where a
normalised difference has no meaning or no value. The lowest reflectance in the
training transects is 0.006, so the floor changes no training row.
"""


@dataclass(frozen=True, slots=True)
class CubeLayer:
    """One layer that a cube may hold."""

    name: str
    """Name in formulas and cubes."""
    unit: str
    """Unit of its values."""
    step: float
    """``unit`` per digital number of an int16 cube."""
    source: str
    """Where its values come from."""
    group: Group | None = None
    """What it is read with; None for the six bands of every composite."""
    is_reflectance: bool = False
    """Whether values are raised to ``REFLECTANCE_FLOOR`` first."""


def _band(name: str, source: str, group: Group | None = None) -> CubeLayer:
    return CubeLayer(name, "1", 1e-4, source, group, is_reflectance=True)


def _season(name: str, which: str) -> CubeLayer:
    source = f"{which} of the season's months; each the median of its clear dates"
    return CubeLayer(name, "1", 1e-4, f"NDVI, {source}", "season")


def _terrain(name: str, unit: str, step: float, source: str) -> CubeLayer:
    return CubeLayer(name, unit, step, f"terrain model{source}", "terrain")


def _radar(name: str) -> CubeLayer:
    source = "Sentinel-1 gamma nought, one orbit direction, mean power of the season"
    return CubeLayer(name, "dB", 0.01, source, "radar")


_BOTH = "surface reflectance, Landsat C2 L2 or S2 L2A"
_EDGE = "surface reflectance, S2 L2A only, of the date of the other bands"

LAYERS: Mapping[str, CubeLayer] = {
    layer.name: layer
    for layer in (
        *(_band(name, _BOTH) for name in ("blue", "green", "red", "nir")),
        *(_band(name, _BOTH) for name in ("swir16", "swir22")),
        *(_band(f"rededge{number}", _EDGE, "rededge") for number in (1, 2, 3)),
        _season("ndvi_max", "greatest"),
        _season("ndvi_min", "least"),
        _season("ndvi_mean", "mean"),
        _terrain("elevation", "m", 1.0, ""),
        _terrain("slope", "degree", 0.01, ", Horn 1981 on the analysis grid"),
        _terrain("aspect", "degree", 0.02, "; downhill, clockwise from grid north"),
        _terrain(
            "cos_i",
            "1",
            1e-4,
            "; cosine of the sun's angle of incidence at the "
            "middle of the peak season, an hour and a half before solar noon",
        ),
        _radar("vv"),
        _radar("vh"),
    )
}
"""Every layer that a feature may be made of."""


def layers_of(group: Group) -> tuple[str, ...]:
    """Return the layers of a group, in the order of its planes."""
    return tuple(layer.name for layer in LAYERS.values() if layer.group == group)


def groups_of(layers: Iterable[str]) -> tuple[Group, ...]:
    """Return the groups that ``layers`` belong to, in the order of ``GROUPS``."""
    found = {LAYERS[name].group for name in layers}
    return tuple(group for group in GROUPS if group in found)


def layer_step(name: str) -> np.float32:
    """Return the unit per digital number of a layer in an int16 cube."""
    return np.float32(LAYERS[name].step)


def quantised(name: str, values: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return values of a layer, in its unit, as an int16 cube holds them.

    NaN is ``NODATA``; what is out of range is kept at its end.
    """
    known = np.isfinite(values)
    steps = np.where(known, values, 0.0) / LAYERS[name].step
    held = np.clip(np.rint(steps), NODATA + 1, 32_767)
    return np.where(known, held, NODATA).astype(np.int16)


def raised(layers: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the layers with reflectance raised to ``REFLECTANCE_FLOOR``."""
    return {
        name: np.maximum(values, REFLECTANCE_FLOOR)
        if LAYERS[name].is_reflectance
        else values
        for name, values in layers.items()
    }

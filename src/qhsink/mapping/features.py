"""Features: each declared once, with formula, unit and source.

Made of the layers that a cube may hold (``qhsink.mapping.layers``). Masking and
compositing (``qhsink.imagery``) do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.mapping.layers import LAYERS, raised

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Feature:
    """One predictor of a regressor."""

    name: str
    """Name used by models and cards."""
    bands: tuple[str, ...]
    """Layers it is made of. Without an ``expression``: one for the layer itself, two
    for a normalised difference, more for a mean."""
    unit: str
    """``1`` for reflectance and for ratios."""
    source: str
    """Paper or product that defines it."""
    expression: str = ""
    """Formula of another form, in Python and in words of the layers."""

    @property
    def formula(self) -> str:
        """The formula in words of the layers."""
        if self.expression:
            return self.expression
        if len(self.bands) == 1:
            return self.bands[0]
        if len(self.bands) > 2:
            return f"({' + '.join(self.bands)}) / {len(self.bands)}"
        first, second = self.bands
        return f"({first} - {second}) / ({first} + {second})"


def _itself(layer: str) -> Feature:
    return Feature(layer, (layer,), LAYERS[layer].unit, LAYERS[layer].source)


_INDICES = (
    Feature("ndvi", ("nir", "red"), "1", "Rouse et al. 1974, NASA SP-351"),
    Feature("ndmi", ("nir", "swir16"), "1", "Gao 1996, Remote Sens. Environ. 58:257"),
    Feature("nbr", ("nir", "swir22"), "1", "Key and Benson 2006, RMRS-GTR-164, LA-15"),
    Feature("ngrdi", ("green", "red"), "1", "Tucker 1979, RSE 8:127"),
    Feature("ndti", ("swir16", "swir22"), "1", "van Deventer et al. 1997, PE&RS 63:87"),
    Feature(
        "brightness",
        ("green", "red", "nir", "swir16", "swir22"),
        "1",
        "mean reflectance of the five bands, this project",
    ),
    Feature("gndvi", ("nir", "green"), "1", "Gitelson et al. 1996, RSE 58:289"),
    Feature("mndwi", ("green", "swir16"), "1", "Xu 2006, Int. J. Remote Sens. 27:3025"),
    Feature(
        "rendvi",
        ("rededge2", "rededge1"),
        "1",
        "Gitelson and Merzlyak 1994, J. Plant Physiol. 143:286",
    ),
    Feature(
        "evi",
        ("nir", "red", "blue"),
        "1",
        "Huete et al. 2002, RSE 83:195, equation 1",
        "2.5 * (nir - red) / (nir + 6.0 * red - 7.5 * blue + 1.0)",
    ),
    Feature(
        "evi2",
        ("nir", "red"),
        "1",
        "Jiang et al. 2008, RSE 112:3833, equation 16",
        "2.5 * (nir - red) / (nir + 2.4 * red + 1.0)",
    ),
    Feature(
        "savi",
        ("nir", "red"),
        "1",
        "Huete 1988, RSE 25:295, with L = 0.5",
        "1.5 * (nir - red) / (nir + red + 0.5)",
    ),
    Feature(
        "nirv",
        ("nir", "red"),
        "1",
        "Badgley et al. 2017, Sci. Adv. 3:e1602244",
        "nir * (nir - red) / (nir + red)",
    ),
    Feature(
        "bsi",
        ("swir16", "red", "nir", "blue"),
        "1",
        "Rikimaru et al. 2002, Trop. Ecol. 43:39",
        "((swir16 + red) - (nir + blue)) / ((swir16 + red) + (nir + blue))",
    ),
    Feature(
        "ireci",
        ("rededge1", "rededge2", "rededge3", "red"),
        "1",
        "Frampton et al. 2013, ISPRS J. 82:83",
        "(rededge3 - red) * rededge2 / rededge1",
    ),
)
_OTHERS = (
    Feature(
        "ndvi_range",
        ("ndvi_max", "ndvi_min"),
        "1",
        "this project: how far a place greens up in the season",
        "ndvi_max - ndvi_min",
    ),
    Feature(
        "northness",
        ("slope", "aspect"),
        "1",
        "component of the surface normal to the north, this project",
        "sin(slope * 0.017453292519943295) * cos(aspect * 0.017453292519943295)",
    ),
    Feature(
        "eastness",
        ("slope", "aspect"),
        "1",
        "component of the surface normal to the east, this project",
        "sin(slope * 0.017453292519943295) * sin(aspect * 0.017453292519943295)",
    ),
    Feature(
        "vh_vv",
        ("vh", "vv"),
        "dB",
        "cross-polarisation ratio: a difference in decibel",
        "vh - vv",
    ),
)

FEATURES: Mapping[str, Feature] = {
    feature.name: feature
    for feature in (
        *(_itself(name) for name in LAYERS if name != "aspect"),
        *_INDICES,
        *_OTHERS,
    )
}
"""Every feature a model may name. Aspect is none: 359 and 1 degree are neighbours."""

_FUNCTIONS = {"sin": np.sin, "cos": np.cos}


def required_bands(names: Sequence[str]) -> tuple[str, ...]:
    """Return the layers that the features ``names`` are made of, without repeats.

    Raises
    ------
    ModelError
        When a feature is not declared.
    """
    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise ModelError(
            f"unknown feature {unknown[0]!r}",
            expected=f"features among {', '.join(FEATURES)}",
            remedy="Declare it in qhsink.mapping.features, or name another model.",
        )
    bands = (band for name in names for band in FEATURES[name].bands)
    return tuple(dict.fromkeys(bands))


def locate_bands(names: Sequence[str], band_names: Sequence[str]) -> dict[str, int]:
    """Return the position in ``band_names`` of each layer that ``names`` need.

    Raises
    ------
    ModelError
        When the cube lacks one.
    """
    needed = required_bands(names)
    absent = [band for band in needed if band not in band_names]
    if absent:
        raise ModelError(
            f"bands {', '.join(band_names)} without {', '.join(absent)}",
            expected=f"the bands {', '.join(needed)}",
            remedy="Bring these layers too, or name a model that does without.",
        )
    return {band: list(band_names).index(band) for band in needed}


def fill_features(
    bands: Mapping[str, Floats], names: Sequence[str], out: Floats
) -> None:
    """Write the features ``names`` of one block into the rows of ``out``.

    Parameters
    ----------
    bands : mapping of str to (n,) float32
        Values of layers, in their units; NaN stays NaN.
    names : sequence of str
        Feature names.
    out : (len(names), n) float32
        Overwritten.
    """
    safe = raised(bands)
    for number, name in enumerate(names):
        feature, row = FEATURES[name], out[number]
        if feature.expression:
            row[:] = eval(  # noqa: S307 - compiled from the declarations above
                _compiled(name), {"__builtins__": {}, **_FUNCTIONS}, safe
            )
            continue
        first, *others = (safe[band] for band in feature.bands)
        if len(others) == 1:
            np.subtract(first, others[0], out=row)
            np.divide(row, first + others[0], out=row)
        else:
            np.copyto(row, first)
            for values in others:
                np.add(row, values, out=row)
            np.multiply(row, np.float32(1 / (1 + len(others))), out=row)


@cache
def _compiled(name: str) -> CodeType:
    return compile(FEATURES[name].expression, f"<feature {name}>", "eval")


def feature_matrix(
    reflectance: Mapping[str, NDArray[Any]], names: Sequence[str]
) -> Floats:
    """Return the features ``names`` of n samples.

    Parameters
    ----------
    reflectance : mapping of str to (n,) array
        Values of layers by name, in their units (``LAYERS``): reflectance 0..1,
        raised to ``REFLECTANCE_FLOOR`` where it is lower. NaN gives NaN.
    names : sequence of str
        Feature names, in the order wanted.

    Returns
    -------
    (n, F) float32

    Raises
    ------
    ModelError
        When a feature is unknown or a layer is missing.
    """
    needed = locate_bands(names, tuple(reflectance))
    bands = {band: np.asarray(reflectance[band], np.float32) for band in needed}
    count = next(iter(bands.values())).shape[0]
    out = np.empty((len(names), count), np.float32)
    fill_features(bands, names, out)
    return np.ascontiguousarray(out.T)

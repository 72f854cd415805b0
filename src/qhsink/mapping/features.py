"""Features: each declared once, with formula, unit and source.

Computed from reflectance of bands that Sentinel-2 and Landsat share, by qhsink's
band names. Masking and compositing (``qhsink.imagery``) do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError

Floats = NDArray[np.float32]

REFLECTANCE_FLOOR = np.float32(0.001)
"""Least reflectance a ratio is formed of: ten digital numbers.

Surface reflectance of shadow and water comes out at or below zero, where a
normalised difference has no meaning or no value. The lowest reflectance in the
training transects is 0.006, so the floor changes no training row.
"""


@dataclass(frozen=True, slots=True)
class Feature:
    """One predictor of a regressor."""

    name: str
    """Name used by models and cards."""
    bands: tuple[str, ...]
    """Bands it is made of: one, two for a normalised difference, more for a mean."""
    unit: str
    """``1`` for reflectance and for ratios."""
    source: str
    """Paper or product that defines it."""

    @property
    def formula(self) -> str:
        """The formula in words of the bands."""
        if len(self.bands) == 1:
            return self.bands[0]
        if len(self.bands) > 2:
            return f"({' + '.join(self.bands)}) / {len(self.bands)}"
        first, second = self.bands
        return f"({first} - {second}) / ({first} + {second})"


def _reflectance(band: str) -> Feature:
    return Feature(band, (band,), "1", "surface reflectance, Landsat C2 L2 or S2 L2A")


FEATURES: Mapping[str, Feature] = {
    feature.name: feature
    for feature in (
        _reflectance("green"),
        _reflectance("red"),
        _reflectance("nir"),
        _reflectance("swir16"),
        _reflectance("swir22"),
        Feature("ndvi", ("nir", "red"), "1", "Rouse et al. 1974, NASA SP-351"),
        Feature(
            "ndmi", ("nir", "swir16"), "1", "Gao 1996, Remote Sens. Environ. 58:257"
        ),
        Feature(
            "nbr", ("nir", "swir22"), "1", "Key and Benson 2006, RMRS-GTR-164, LA-15"
        ),
        Feature("ngrdi", ("green", "red"), "1", "Tucker 1979, RSE 8:127"),
        Feature(
            "ndti", ("swir16", "swir22"), "1", "van Deventer et al. 1997, PE&RS 63:87"
        ),
        Feature(
            "brightness",
            ("green", "red", "nir", "swir16", "swir22"),
            "1",
            "mean reflectance of the five bands, this project",
        ),
    )
}
"""Every feature a model may name."""


def required_bands(names: Sequence[str]) -> tuple[str, ...]:
    """Return the bands that the features ``names`` are made of, without repeats.

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
    """Return the position in ``band_names`` of each band that ``names`` need.

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
            remedy="Compose them too, or name a model that does without.",
        )
    return {band: list(band_names).index(band) for band in needed}


def fill_features(
    bands: Mapping[str, Floats], names: Sequence[str], out: Floats
) -> None:
    """Write the features ``names`` of one block into the rows of ``out``.

    Parameters
    ----------
    bands : mapping of str to (n,) float32
        Reflectance [1]; NaN stays NaN.
    names : sequence of str
        Feature names.
    out : (len(names), n) float32
        Overwritten.
    """
    safe = {
        band: np.maximum(values, REFLECTANCE_FLOOR) for band, values in bands.items()
    }
    for number, name in enumerate(names):
        first, *others = (safe[band] for band in FEATURES[name].bands)
        row = out[number]
        if len(others) == 1:
            np.subtract(first, others[0], out=row)
            np.divide(row, first + others[0], out=row)
        else:
            np.copyto(row, first)
            for values in others:
                np.add(row, values, out=row)
            np.multiply(row, np.float32(1 / (1 + len(others))), out=row)


def feature_matrix(
    reflectance: Mapping[str, NDArray[Any]], names: Sequence[str]
) -> Floats:
    """Return the features ``names`` of n samples.

    Parameters
    ----------
    reflectance : mapping of str to (n,) array
        Surface reflectance 0..1 by qhsink band name. Values below
        ``REFLECTANCE_FLOOR`` are raised to it; NaN gives NaN.
    names : sequence of str
        Feature names, in the order wanted.

    Returns
    -------
    (n, F) float32

    Raises
    ------
    ModelError
        When a feature is unknown or a band is missing.
    """
    needed = locate_bands(names, tuple(reflectance))
    bands = {band: np.asarray(reflectance[band], np.float32) for band in needed}
    count = next(iter(bands.values())).shape[0]
    out = np.empty((len(names), count), np.float32)
    fill_features(bands, names, out)
    return np.ascontiguousarray(out.T)

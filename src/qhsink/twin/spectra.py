"""Bands, skylight and the simulated canopy's constants: what light meets.

Numbers and closed formulas only; used by the instrument and by the development tool
that makes the emulator's table. No place, no date, no file.

References
----------
Leckner, B. (1978) The spectral distribution of solar radiation at the earth's surface,
Solar Energy 20:143-150, as in Bird and Riordan (1986), J. Clim. Appl. Meteorol. 25:
87-97, eq. 4 (Rayleigh).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BandSet = Literal["shared", "msi"]
"""``shared``: what Sentinel-2 and Landsat have both; ``msi``: Sentinel-2's own."""

BAND_NAMES: Mapping[BandSet, tuple[str, ...]] = {
    "shared": ("blue", "green", "red", "nir08", "swir16", "swir22"),
    "msi": ("coastal", "rededge1", "rededge2", "rededge3", "nir", "nir09"),
}
"""Bands of each set, by Earth Search's names."""

HEADS: Mapping[BandSet, tuple[str, ...]] = {
    "shared": (
        "sentinel-2a",
        "sentinel-2b",
        "sentinel-2c",
        "landsat-8",
        "landsat-9",
    ),
    "msi": ("sentinel-2a", "sentinel-2b", "sentinel-2c"),
}
"""Instruments whose spectral responses the emulator of a set knows."""

CENTRES_UM: Mapping[BandSet, tuple[float, ...]] = {
    "shared": (0.490, 0.560, 0.665, 0.865, 1.610, 2.190),
    "msi": (0.443, 0.704, 0.740, 0.783, 0.842, 0.945),
}
"""Nominal wavelengths [um], for skylight."""

CIRRUS_VEIL: Mapping[BandSet, tuple[float, ...]] = {
    "shared": (0.20, 0.20, 0.20, 0.20, 0.09, 0.09),
    "msi": (0.20, 0.20, 0.20, 0.20, 0.20, 0.20),
}
"""Reflectance that thick cirrus adds: least where ice absorbs (unverified)."""

PRESSURE = 0.63
"""Air pressure over that at sea level: 3,800 m."""
AEROSOL = (0.08, 1.1)
"""Aerosol optical depth at 0.55 um and Angstrom exponent (clear; unverified)"""

HOT_SPOT = 0.05
"""Hot-spot parameter: leaf size over canopy height."""


def sky_share(
    wavelength: NDArray[np.float64] | float, cos_zenith: float
) -> NDArray[np.float64]:
    """Return the diffuse share of the light on flat ground under a clear sky, 0..1.

    Parameters
    ----------
    wavelength : float64 array
        Wavelength [um].
    cos_zenith : float
        Cosine of the sun's zenith angle.

    Notes
    -----
    Half of what molecules and 85 % of what aerosol take out of the beam reaches the
    ground as skylight; one scattering, absorption by gases left out.
    """
    um = np.asarray(wavelength, dtype=np.float64)
    molecules = 0.008735 * um**-4.08 * PRESSURE
    aerosol = AEROSOL[0] * (um / 0.55) ** -AEROSOL[1]
    share: NDArray[np.float64] = 1.0 - np.exp(
        -(0.5 * molecules + 0.85 * aerosol) / cos_zenith
    )
    return share

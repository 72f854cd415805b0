"""Terrain light: slopes from heights, illumination, and SCS+C correction of one day.

Arrays in, arrays out. Where heights and sun angles come from, and on which days the
correction is asked for, is decided in ``steps``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.scene import BANDS
from qhsink.imagery.masking import NODATA, SCALE

Floats = NDArray[np.float32]

STRATUM_NDVI = 0.05
"""Width of the NDVI classes within which reflectance is compared."""

STRATA = 20
"""Their number: NDVI from 0 to 1."""

NIR = BANDS.index("nir")

MIN_LIGHT = np.float32(0.05)
"""Least value a gain is divided by; pixels lit less are dropped."""


@dataclass(frozen=True, slots=True)
class TerrainRules:
    """When and on what SCS+C is fitted (methodology B3)."""

    min_slope_deg: float
    """Least slope of a pixel that the fit uses [deg]."""
    min_ndvi: float
    """Least NDVI of a pixel that the fit uses."""
    min_cos_i: float
    """Pixels lit at less than this cosine are not fitted on, and are dropped."""
    min_r2: float
    """Least share of variance that illumination explains; below, no correction."""
    min_pixels: int
    """Least number of pixels of a fit; below, the relief is flat or unseen."""
    max_pixels: int
    """Pixels a fit uses at most, taken evenly."""


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """Slopes of a window, along the axes of its lattice."""

    to_right: Floats
    """Rise per metre towards +x, shape (y, x); NaN where no height is known."""
    to_top: Floats
    """Rise per metre towards +y."""

    @property
    def cos_slope(self) -> Floats:
        """Cosine of the slope's angle."""
        return np.asarray(
            1.0 / np.sqrt(1.0 + self.to_right**2 + self.to_top**2), np.float32
        )


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands over a window."""

    zenith_deg: float
    """Angle from the vertical [deg]."""
    azimuth_deg: float
    """Clockwise from the lattice's +y axis [deg]: from true north less the angle by
    which the axis leaves it."""


@dataclass(frozen=True, slots=True)
class BandFit:
    """What SCS+C found in one band of one day."""

    c: float | None
    """C used: b/a of L = a cos i + b; None when the day is left as it is."""
    r2: float
    """Share of the variance within NDVI classes that cos i explains."""
    pixels: int
    """Pixels of the fit."""
    reason: str
    """Why the band's own fit is not used; empty when it is."""


def relief_of(elevation: NDArray[np.floating], pixel_size: float) -> Relief:
    """Return the slopes of a lattice of heights.

    Parameters
    ----------
    elevation : float array of shape (y + 2, x + 2)
        Heights [m], rows from top to bottom, one pixel more on each side; NaN where
        unknown.
    pixel_size : float
        Edge of a pixel [m].

    Returns
    -------
    Relief
        Of shape (y, x).

    Notes
    -----
    Horn (1981, Proc. IEEE 69:14): differences over two pixels, the middle row or
    column twice the weight of its neighbours.
    """
    z = np.asarray(elevation, np.float32)
    down = z[:-2] + 2.0 * z[1:-1] + z[2:]
    across = z[:, :-2] + 2.0 * z[:, 1:-1] + z[:, 2:]
    reach = np.float32(8.0 * pixel_size)
    return Relief(
        to_right=(down[:, 2:] - down[:, :-2]) / reach,
        to_top=(across[:-2] - across[2:]) / reach,
    )


def cos_incidence(relief: Relief, sun: Sun) -> Floats:
    """Return the cosine of the angle between the sun and each slope's normal.

    Returns
    -------
    float32 array of shape (y, x)
        Below 0 where a slope lies in its own shadow. Equal to cos z cos s +
        sin z sin s cos(azimuth - aspect), with the aspect downhill.
    """
    zenith, azimuth = np.radians(sun.zenith_deg), np.radians(sun.azimuth_deg)
    uphill = relief.to_right * np.sin(azimuth) + relief.to_top * np.cos(azimuth)
    lit = np.cos(zenith) - np.sin(zenith) * uphill
    return np.asarray(lit * relief.cos_slope, np.float32)


def correct_terrain(
    reflectance: NDArray[np.int16],
    clear: NDArray[np.bool_],
    relief: Relief,
    sun: Sun,
    rules: TerrainRules,
) -> tuple[NDArray[np.int16], tuple[BandFit, ...]]:
    """Return one day's reflectance on level ground, and how each band was fitted.

    Parameters
    ----------
    reflectance : int16 array of shape (6, y, x)
        Reflectance times ``SCALE`` in the order of ``BANDS``; ``NODATA`` where none.
    clear : bool array of shape (y, x)
        Clear land: no water, no snow.
    relief : Relief
        Slopes of shape (y, x).
    sun : Sun
        Position on that day.
    rules : TerrainRules
        What is fitted on, and when not.

    Returns
    -------
    int16 array of shape (6, y, x), tuple of BandFit
        Pixels without a slope are kept as they are; where any band is corrected,
        pixels lit below ``rules.min_cos_i`` are dropped.

    Notes
    -----
    SCS+C (Soenen, Peddle and Coburn 2005, IEEE TGRS 43:2148, eq. 12): L (cos s cos z
    + C) / (cos i + C), where C = b/a of L = a cos i + b (eq. 11; Teillet et al. 1982,
    Can. J. Remote Sens. 8:84). One deviation: a is fitted within NDVI classes of
    ``STRATUM_NDVI`` (a common slope, each class its own intercept), and b is the mean
    of L less a times the mean of cos i. Woods stand on shaded slopes here; a single
    line would take their darkness for shade and wash the difference out.

    All bands are corrected or none: a ratio of a corrected and an uncorrected band
    is worse than neither. The near infrared decides, where vegetated ground of one
    NDVI varies least and the sky lights least. Another band whose own fit is poor
    takes the near infrared's C. C is large where the product holds little terrain
    light, so what a processor has corrected already is not corrected again.
    """
    lit = cos_incidence(relief, sun)
    level = relief.cos_slope * np.float32(np.cos(np.radians(sun.zenith_deg)))
    known = np.isfinite(lit) & (reflectance[0] != NODATA)
    rows = _fit_rows(reflectance, clear & known, relief, lit, rules)
    fits = _fit_bands(reflectance, rows, lit, rules)
    out = reflectance.copy()
    if fits[NIR].c is None:
        return out, fits
    for band, fit in enumerate(fits):
        c = np.float32(fit.c)
        gain = np.where(known, (level + c) / np.maximum(lit + c, MIN_LIGHT), 1.0)
        np.copyto(out[band], _scaled(reflectance[band], gain))
    out[:, known & (lit < rules.min_cos_i)] = NODATA
    return out, fits


def _scaled(band: NDArray[np.int16], gain: Floats) -> NDArray[np.int16]:
    value = np.clip(np.rint(band * gain), NODATA + 1, 32766).astype(np.int16)
    return np.where(band == NODATA, np.int16(NODATA), value)


def _fit_rows(
    reflectance: NDArray[np.int16],
    usable: NDArray[np.bool_],
    relief: Relief,
    lit: Floats,
    rules: TerrainRules,
) -> NDArray[np.int64]:
    """Return the pixels of the fit, as positions in the window."""
    steep = relief.cos_slope <= np.cos(np.radians(rules.min_slope_deg))
    green = _ndvi(reflectance) >= rules.min_ndvi
    rows = np.flatnonzero(usable & steep & green & (lit >= rules.min_cos_i))
    every = max(-(-rows.size // rules.max_pixels), 1)
    return rows[::every]


def _fit_bands(
    reflectance: NDArray[np.int16],
    rows: NDArray[np.int64],
    lit: Floats,
    rules: TerrainRules,
) -> tuple[BandFit, ...]:
    if rows.size < rules.min_pixels:
        reason = f"{rows.size} vegetated pixels on slopes, {rules.min_pixels} needed"
        return tuple(BandFit(None, 0.0, int(rows.size), reason) for _ in BANDS)
    flat = reflectance.reshape(len(BANDS), -1)[:, rows].astype(np.float64) / SCALE
    cos_i = lit.reshape(-1)[rows].astype(np.float64)
    red, nir = flat[BANDS.index("red")], flat[NIR]
    ndvi = (nir - red) / np.maximum(nir + red, 1e-3)
    stratum = np.clip(ndvi / STRATUM_NDVI, 0.0, STRATA - 1.0).astype(np.int64)
    own = [_fit_band(values, cos_i, stratum, rules.min_r2) for values in flat]
    return tuple(
        replace(fit, c=own[NIR].c) if fit.reason and own[NIR].c is not None else fit
        for fit in own
    )


def _fit_band(
    values: NDArray[np.float64],
    cos_i: NDArray[np.float64],
    stratum: NDArray[np.int64],
    min_r2: float,
) -> BandFit:
    light, rest = _demeaned(cos_i, stratum), _demeaned(values, stratum)
    spread, scatter = float(light @ light), float(rest @ rest)
    if spread <= 0.0 or scatter <= 0.0:
        return BandFit(None, 0.0, values.size, "light or reflectance is the same")
    slope = float(light @ rest) / spread
    r2 = slope * slope * spread / scatter
    offset = float(values.mean() - slope * cos_i.mean())
    reason = ""
    if slope <= 0.0:
        reason = "brighter in the shade"
    elif r2 < min_r2:
        reason = f"light explains {r2:.0%} of the variance, {min_r2:.0%} needed"
    elif offset < 0.0:
        reason = "more light lost than the beam holds"
    return BandFit(None if reason else offset / slope, r2, values.size, reason)


def _demeaned(
    values: NDArray[np.float64], stratum: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the values less the mean of their class."""
    count = np.maximum(np.bincount(stratum, minlength=STRATA), 1)
    mean = np.bincount(stratum, values, minlength=STRATA) / count
    return np.asarray(values - mean[stratum])


def _ndvi(reflectance: NDArray[np.int16]) -> Floats:
    red = reflectance[BANDS.index("red")].astype(np.float32)
    nir = reflectance[BANDS.index("nir")].astype(np.float32)
    return np.asarray((nir - red) / np.maximum(nir + red, 10.0), np.float32)


def describe_fits(fits: Sequence[BandFit]) -> str:
    """Return what became of a day, in one line."""
    if fits[NIR].c is None:
        return f"left as it is: {fits[NIR].reason}"
    own = [
        f"{band} {fit.c:.2f}" + (" (of nir)" if fit.reason else "")
        for band, fit in zip(BANDS, fits, strict=True)
    ]
    return (
        f"C {', '.join(own)}; R² {fits[NIR].r2:.2f} in nir, {fits[NIR].pixels} pixels"
    )

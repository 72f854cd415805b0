"""Terrain light: SCS+C correction of one day, and the check that it worked.

Arrays in, arrays out. Slopes and the angle of light are ``relief``; where heights and
sun angles come from, and on which days the correction is asked for, is decided in
``steps``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.scene import BANDS
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.imagery.relief import Relief, Sun, cos_incidence

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
    max_correlation: float
    """Bound of ``abs(corr(L, cos i))`` within NDVI classes after the correction; a day
    on which one band keeps more is left as it is."""


@dataclass(frozen=True, slots=True)
class BandFit:
    """What SCS+C found in one band of one day."""

    c: float | None
    """C used: b/a of L = a cos i + b; None when the day is left as it is."""
    before: float
    """corr(L, cos i) within NDVI classes, as read; its square is the share of the
    variance that light explains."""
    pixels: int
    """Pixels of the fit."""
    reason: str
    """Why the band's own fit is not used; empty when it is."""
    after: float | None = None
    """The same correlation after the correction; None where none was tried."""

    @property
    def r2(self) -> float:
        """Share of the variance within NDVI classes that cos i explains."""
        return self.before**2


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
    NDVI varies least and the sky lights least: its line must explain
    ``rules.min_r2``. The other bands take the C of their own line however much noise
    surrounds it, for a noisy band has a faint line, not another one (the blue of the
    twin, given the C of the near infrared, would be darkest in the sun); a band
    without a line takes the near infrared's. C is large where the product holds
    little terrain light, so what a processor has corrected already is not corrected
    again.

    The check is part of the correction: corr(L, cos i) of each band after it, on the
    pixels and within the NDVI classes of the fit, so that woods which prefer shade do
    not count as light. Where one band keeps ``rules.max_correlation`` or more, the
    day is left as it is.
    """
    lit = cos_incidence(relief, sun)
    known = np.isfinite(lit) & (reflectance[0] != NODATA)
    rows = _fit_rows(reflectance, clear & known, relief, lit, rules)
    fits = _fit_bands(reflectance, rows, lit, rules)
    if fits[NIR].c is None:
        return reflectance.copy(), fits
    level = relief.cos_slope * np.float32(np.cos(np.radians(sun.zenith_deg)))
    out = _levelled(reflectance, level, lit, known, fits)
    fits = _checked(out, _strata(reflectance, rows), rows, lit, fits, rules)
    if fits[NIR].c is None:
        return reflectance.copy(), fits
    out[:, known & (lit < rules.min_cos_i)] = NODATA
    return out, fits


def _levelled(
    reflectance: NDArray[np.int16],
    level: Floats,
    lit: Floats,
    known: NDArray[np.bool_],
    fits: Sequence[BandFit],
) -> NDArray[np.int16]:
    """Return every band times (cos s cos z + C) / (cos i + C)."""
    out = reflectance.copy()
    for band, fit in enumerate(fits):
        c = np.float32(fit.c)
        gain = np.where(known, (level + c) / np.maximum(lit + c, MIN_LIGHT), 1.0)
        np.copyto(out[band], _scaled(reflectance[band], gain))
    return out


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
    flat, cos_i = _values(reflectance, rows), lit.reshape(-1)[rows].astype(np.float64)
    stratum = _strata(reflectance, rows)
    own = [_fit_band(values, cos_i, stratum) for values in flat]
    nir = own[NIR]
    if nir.c is not None and nir.r2 < rules.min_r2:
        said = f"light explains {nir.r2:.0%} of the variance, {rules.min_r2:.0%} needed"
        nir = replace(nir, c=None, reason=said)
    if nir.c is None:
        return tuple(replace(fit, c=None, reason=nir.reason) for fit in own)
    return tuple(replace(fit, c=nir.c) if fit.c is None else fit for fit in own)


def _fit_band(
    values: NDArray[np.float64],
    cos_i: NDArray[np.float64],
    stratum: NDArray[np.int64],
) -> BandFit:
    light, rest = _demeaned(cos_i, stratum), _demeaned(values, stratum)
    spread, scatter = float(light @ light), float(rest @ rest)
    if spread <= 0.0 or scatter <= 0.0:
        return BandFit(None, 0.0, values.size, "light or reflectance is the same")
    slope = float(light @ rest) / spread
    seen = slope * float(np.sqrt(spread / scatter))
    offset = float(values.mean() - slope * cos_i.mean())
    reason = ""
    if slope <= 0.0:
        reason = "brighter in the shade"
    elif offset < 0.0:
        reason = "more light lost than the beam holds"
    return BandFit(None if reason else offset / slope, seen, values.size, reason)


def _checked(
    corrected: NDArray[np.int16],
    stratum: NDArray[np.int64],
    rows: NDArray[np.int64],
    lit: Floats,
    fits: Sequence[BandFit],
    rules: TerrainRules,
) -> tuple[BandFit, ...]:
    """Return the fits with what light is left; without C where that is too much."""
    cos_i = lit.reshape(-1)[rows].astype(np.float64)
    left = [
        light_correlation(values, cos_i, stratum) for values in _values(corrected, rows)
    ]
    told = tuple(replace(fit, after=r) for fit, r in zip(fits, left, strict=True))
    worst = int(np.argmax(np.abs(left)))
    if abs(left[worst]) < rules.max_correlation:
        return told
    reason = (
        f"corrected, {BANDS[worst]} would still follow the light (corr "
        f"{left[worst]:+.2f}, {told[worst].before:+.2f} as read; below "
        f"{rules.max_correlation:g} needed)"
    )
    return tuple(replace(fit, c=None, reason=reason) for fit in told)


def light_correlation(
    values: NDArray[np.float64],
    cos_i: NDArray[np.float64],
    stratum: NDArray[np.int64],
) -> float:
    """Return corr(L, cos i) within classes; 0 where either does not vary.

    Parameters
    ----------
    values, cos_i : float64 array of shape (n,)
        Reflectance and cosine of the light's angle.
    stratum : int64 array of shape (n,)
        Class of each pixel, 0 to ``STRATA`` - 1; means of classes are taken out.
    """
    light, rest = _demeaned(cos_i, stratum), _demeaned(values, stratum)
    norm = float(np.sqrt((light @ light) * (rest @ rest)))
    return float(light @ rest) / norm if norm > 0.0 else 0.0


def _values(
    reflectance: NDArray[np.int16], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return reflectance of the fit's pixels, shape (6, n)."""
    return reflectance.reshape(len(BANDS), -1)[:, rows].astype(np.float64) / SCALE


def _strata(
    reflectance: NDArray[np.int16], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the NDVI class of the fit's pixels, shape (n,)."""
    flat = _values(reflectance, rows)
    red, nir = flat[BANDS.index("red")], flat[NIR]
    ndvi = (nir - red) / np.maximum(nir + red, 1e-3)
    number = np.clip(ndvi / STRATUM_NDVI, 0.0, STRATA - 1.0)
    return np.asarray(number, np.int64)


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
    before, after = (
        max(abs(getattr(fit, when) or 0.0) for fit in fits)
        for when in ("before", "after")
    )
    return (
        f"C {', '.join(own)}; R² {fits[NIR].r2:.2f} in nir, {fits[NIR].pixels} pixels; "
        f"|corr(L, cos i)| at most {before:.2f} as read, {after:.2f} now"
    )

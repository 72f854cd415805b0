"""The simulated radar: a landscape on a date to gamma0 in two polarisations.

Soil by its moisture, low vegetation as a cloud of water over it, forest as a second
one that saturates with biomass; slopes, noise floor and speckle. Pixels are
independent of their neighbours. Files and dates are not known here.

References
----------
Attema, E. P. W. and Ulaby, F. T. (1978) Vegetation modeled as a water cloud, Radio
Science 13:357-364, eq. 8. Santoro, M. et al. (2011) Retrieval of growing stock volume
in boreal forest using hyper-temporal series of Envisat ASAR ScanSAR backscatter
measurements, Remote Sens. Environ. 115:490-507, eq. 1 (with biomass in place of
volume). Marsaglia, G. and Tsang, W. W. (2000) A simple method for generating gamma
variables, ACM Trans. Math. Softw. 26:363-372.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.frames import Counts
from qhsink.twin.ground import ground_on
from qhsink.twin.noise import OCTAVE_SD, gradient_noise, lattice_hash
from qhsink.twin.product_spec import EchoSection, RadarSection
from qhsink.twin.state import canopy_on
from qhsink.twin.world import Landscape

BRIGHTNESS_SPAN = 0.4
"""The soil's brightness falls by this from dry to wettest: see ``soil_brightness``."""
_HALF53 = np.float64(2.0**-53)
_S11 = np.uint64(11)


class Beam(NamedTuple):
    """One acquisition, as compiled code takes it."""

    look_x: float
    """Component towards the radar along +x of the grid, unit horizontal vector."""
    look_y: float
    """... along +y."""
    cos_incidence: float
    """Cosine of the incidence angle on flat ground."""
    terrain: float
    """Share of the slope's effect that is left."""
    noise: float
    """Noise floor [gamma0]."""
    looks: float
    """Equivalent number of looks of a pixel."""
    dry: float
    """Soil moisture of the brightest soil [m3 m-3]."""
    span: float
    """... what the wettest has more."""
    wet: float
    """Moisture above the season's [m3 m-3]."""
    weather: float
    """Standard deviation of moisture between places [m3 m-3]."""
    weather_m: float
    """Lattice edge of that [m]."""
    seed: int
    """Of weather and speckle."""


def looks_of(pixel_size: float, rules: RadarSection) -> float:
    """Return a pixel's equivalent number of looks: those of the cells it averages."""
    return rules.looks * max(pixel_size**2 / rules.cell_m2, 1.0)


def scatter(
    land: Landscape,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    pixel: Counts,
    *,
    day: float,
    snow_line: float,
    beam: Beam,
    rules: RadarSection,
) -> NDArray[np.float32]:
    """Return what one acquisition records.

    Parameters
    ----------
    land : Landscape
        The places.
    x, y : float64 arrays of shape (n,)
        Their grid coordinates [m].
    pixel : int64 array of shape (2, n)
        Absolute column and row of each pixel in its UTM zone: speckle is theirs.
    day : float
        Day of the year.
    snow_line : float
        Fresh snow lies above this height over the vegetation limit [m].
    beam : Beam
        Geometry, moisture and noise of the date.
    rules : RadarSection
        How things scatter.

    Returns
    -------
    float32 array of shape (2, n)
        gamma0 of VV and VH, linear.
    """
    state, ground = canopy_on(land, day, snow_line=snow_line), ground_on(land, day)
    leaves = state.lai * (1.0 - (1.0 - rules.dead_water) * state.senescent)
    ground_rows = np.stack(
        [
            leaves,
            ground.agb_forest,
            state.soil_brightness,
            state.snow,
            state.water,
            state.rock,
            land.slope_x,
            land.slope_y,
        ]
    )
    found = np.empty((2, x.size), dtype=np.float32)
    for row, echo in enumerate((rules.vv, rules.vh)):
        _fill(x, y, pixel, ground_rows, _linear(echo), beam, row, found[row])
    return found


class _Echo(NamedTuple):
    """``EchoSection`` with backscatter as linear gamma0."""

    soil_db: float
    soil_slope_db: float
    herb: float
    herb_rate: float
    forest: float
    forest_rate: float
    rock: float
    snow: float
    water: float


def _linear(echo: EchoSection) -> _Echo:
    return _Echo(
        echo.soil_db,
        echo.soil_slope_db,
        from_db(echo.herb_db),
        echo.herb_rate,
        from_db(echo.forest_db),
        echo.forest_rate,
        from_db(echo.rock_db),
        from_db(echo.snow_db),
        from_db(echo.water_db),
    )


def from_db(value: float) -> float:
    """Return a ratio from decibels."""
    return float(10.0 ** (value / 10.0))


@njit(nogil=True, cache=True)
def gamma0(v: np.ndarray, moisture: float, echo: _Echo, cos_incidence: float) -> float:
    """Return the backscatter of a pixel's ground on flat terrain, without noise.

    ``v`` holds leaf area, forest biomass [Mg ha-1], soil brightness and the shares of
    snow, water and rock.
    """
    leaves, biomass, _, snow, water, rock = v[0], v[1], v[2], v[3], v[4], v[5]
    soil = 10.0 ** ((echo.soil_db + echo.soil_slope_db * moisture) / 10.0)
    through = math.exp(-2.0 * echo.herb_rate * leaves / cos_incidence)
    low = echo.herb * (1.0 - through) + soil * through
    share = max(1.0 - water - rock, 0.0)
    floor = share * low + rock * echo.rock + water * echo.water
    floor = (1.0 - snow) * floor + snow * echo.snow
    gap = math.exp(-echo.forest_rate * biomass)
    power: float = floor * gap + echo.forest * (1.0 - gap)
    return power


@njit(nogil=True, cache=True)
def _moisture(x: float, y: float, brightness: float, beam: Beam) -> float:
    """Return volumetric soil moisture [m3 m-3], within 0.02..0.5."""
    noise = gradient_noise(x / beam.weather_m, y / beam.weather_m, beam.seed + 960)
    value = beam.dry + beam.span * (1.0 - brightness) / BRIGHTNESS_SPAN
    value += beam.wet + beam.weather * noise / OCTAVE_SD
    return min(max(value, 0.02), 0.50)


@njit(nogil=True, cache=True)
def _slope(gx: float, gy: float, beam: Beam) -> float:
    """Return the factor that a slope leaves: more towards the radar, less away."""
    sin = math.sqrt(1.0 - beam.cos_incidence**2)
    upright = 1.0 / math.sqrt(1.0 + gx * gx + gy * gy)
    facing = beam.cos_incidence - sin * (gx * beam.look_x + gy * beam.look_y)
    ratio = max(facing * upright, 0.0) / beam.cos_incidence
    return max(1.0 + beam.terrain * (ratio - 1.0), 0.1)


@njit(nogil=True, cache=True)
def _fill(
    x: np.ndarray,
    y: np.ndarray,
    pixel: np.ndarray,
    rows: np.ndarray,
    echo: _Echo,
    beam: Beam,
    channel: int,
    found: np.ndarray,
) -> None:
    v = np.empty(rows.shape[0])
    for k in range(x.size):
        for i in range(v.size):
            v[i] = rows[i, k]
        moisture = _moisture(x[k], y[k], v[2], beam)
        power = gamma0(v, moisture, echo, beam.cos_incidence)
        power = power * _slope(v[6], v[7], beam) + beam.noise
        seed = beam.seed + 970 + 1_000 * channel
        found[k] = power * speckle(pixel[0, k], pixel[1, k], seed, beam.looks)


@njit(nogil=True, cache=True)
def speckle(i: int, j: int, seed: int, looks: float) -> float:
    """Return a gamma variable of mean 1 and variance ``1 / looks``, looks >= 1.

    Marsaglia and Tsang's method; a new hash for each try, so that the value is a
    function of the pixel alone.
    """
    d = looks - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    for attempt in range(64):
        u = _uniform(i, j, seed + 3 * attempt)
        angle = 2.0 * math.pi * _uniform(i, j, seed + 3 * attempt + 1)
        normal = math.sqrt(-2.0 * math.log(u)) * math.cos(angle)
        v = (1.0 + c * normal) ** 3
        if v <= 0.0:
            continue
        draw = math.log(_uniform(i, j, seed + 3 * attempt + 2))
        if draw < 0.5 * normal * normal + d - d * v + d * math.log(v):
            return d * v / looks
    return 1.0  # after 64 rejections of some five in a hundred: never seen


@njit(nogil=True, cache=True)
def _uniform(i: int, j: int, seed: int) -> float:
    """Return a uniform number above 0 and below 1."""
    bits = lattice_hash(i, j, seed) >> _S11
    return (float(bits) + 0.5) * _HALF53

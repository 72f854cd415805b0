"""Season and years: how green a place is on a day, and how good a year is there.

Functions of height, day, year and place. What the peak itself is, and what happens
to it by fire or plough, is decided elsewhere.
"""

from __future__ import annotations

import math

from numba import njit

from qhsink.twin.noise import gradient_noise, random_pair

WET_YEAR_DAYS = 5.0
"""A year one standard deviation wetter greens up earlier by so many days."""


@njit(nogil=True, cache=True)
def growth(
    elevation: float, day: float, wet: float = 0.0, harvest: float = 0.0
) -> tuple[float, float]:
    """Return leaf cover grown so far and its dead share, as parts of the peak, 0..1.

    Two logistics; green-up mid-May to mid-June and browning in late September, later
    and earlier with height (methodology B2, general knowledge).

    Parameters
    ----------
    elevation : float
        Height [m].
    day : float
        Day of the year.
    wet : float
        Rain anomaly of the year [standard deviations].
    harvest : float
        Days by which the season ends early: crops are cut.
    """
    start = 148.0 + 0.012 * (elevation - 3000.0) - WET_YEAR_DAYS * wet
    end = 278.0 - 0.007 * (elevation - 3000.0) - harvest
    up = 1.0 / (1.0 + math.exp(-0.12 * (day - start)))
    down = 1.0 / (1.0 + math.exp(0.11 * (day - end)))
    return min(1.03 * up, 1.0), 1.0 - min(1.01 * down, 1.0)


@njit(nogil=True, cache=True)
def rain_anomaly(x: float, y: float, year: int, seed: int) -> float:
    """Return a year's rain anomaly at a place: mean 0, standard deviation about 1.

    A share common to the province and a share smooth over 300 km, so that two
    counties have related but not equal years.
    """
    common, _ = random_pair(year, 0, seed + 980)
    place = gradient_noise(x / 3.0e5, y / 3.0e5, seed + 7_919 * (year % 997) + 981)
    return 0.7 * common + 0.7 * place / 0.4

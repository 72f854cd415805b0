"""What an instrument without errors would see of a pixel through terrain and sky.

Canopies by radiative transfer (``emulator``) over soil and litter, mixed with crowns,
rock, water and snow at their true shares; terrain light with diffuse sky, cloud,
shadow, cirrus and the rim of clouds. Errors and digital numbers come after.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qhsink.twin.emulator import BANDS, CHUNK, FEATURES, Network, fill_terms
from qhsink.twin.ground_light import CLOUD, fill_canopies, fill_ground
from qhsink.twin.recording import Instrument
from qhsink.twin.sky import CIRRUS, COVER, RIM, SHADE, SKY_ROOM, Light, fill_sky

LIT, HIDDEN, WET = 4, 5, 6
"""Rows of ``fill_overhead`` after those of ``sky``: near infrared light on the slope
over that on flat ground, as L2A leaves it; shares of snow and of open water."""
OVERHEAD = 7


class BandLight(NamedTuple):
    """Some bands of an instrument under a sun, as compiled code takes them."""

    net: Network
    soils: NDArray[np.float32]
    litter: NDArray[np.float32]
    surfaces: NDArray[np.float32]
    """Shape (4, bands)."""
    sky: NDArray[np.float64]
    """Diffuse share of the light."""
    veil: NDArray[np.float64]
    """What cirrus adds [reflectance]."""
    turns: NDArray[np.float64]
    """Of smooth errors: see ``recording.turns_of``."""
    draws: NDArray[np.int64]
    """Of a pixel's own errors: see ``recording.draws_of``."""


class Scratch(NamedTuple):
    """Room that compiled code works in; no value lasts from chunk to chunk."""

    features: NDArray[np.float32]
    hidden: NDArray[np.float32]
    terms: NDArray[np.float32]
    crowns: NDArray[np.float32]
    """Terms of needle and broadleaved crowns."""
    sky: NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def scratch(net: Network) -> Scratch:
    """Return room for the chunks of a network."""
    return Scratch(
        np.zeros((FEATURES, CHUNK), np.float32),
        np.empty((2, net.first.shape[1], CHUNK), np.float32),
        np.empty((3 * BANDS, CHUNK), np.float32),
        np.zeros((2, 3 * BANDS, CHUNK), np.float32),
        np.empty((SKY_ROOM, CHUNK)),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _light_up(
    overhead: np.ndarray,
    column: int,
    slope_light: tuple[float, float],
    bands: BandLight,
    blue_sky: float,
    instrument: Instrument,
    rho: np.ndarray,
) -> None:
    """Replace ground reflectance by what L2A shows of it under terrain and sky."""
    cloud, rim = overhead[COVER, column], overhead[RIM, column]
    shade, cirrus = overhead[SHADE, column], overhead[CIRRUS, column]
    sky, cloud_rho, (beam, dome) = bands.sky, bands.surfaces[CLOUD], slope_light
    for b in range(rho.size):
        raw = (1.0 - sky[b]) * beam + sky[b] * dome
        lit = max(1.0 + instrument.terrain * (raw - 1.0), 0.05)
        # A cloud takes most of the beam in its shadow, and leaves the skylight.
        value = rho[b] * lit * (1.0 - 0.9 * shade * (1.0 - sky[b]))
        value = value * (1.0 - 0.35 * cirrus) + cirrus * bands.veil[b]
        # Light from a cloud's side is scattered as skylight is.
        glow = instrument.adjacency * rim * rim * sky[b] / blue_sky
        value += glow * max(cloud_rho[b] - value, 0.0)
        rho[b] = value * (1.0 - cloud) + cloud * cloud_rho[b]


@njit(nogil=True, cache=True, error_model="numpy")
def _slope_light(gx: float, gy: float, light: Light) -> tuple[float, float]:
    """Return beam and sky light on a slope, over those on flat ground."""
    sin_zenith = math.sqrt(1.0 - light.cos_zenith**2)
    upright = 1.0 / math.sqrt(1.0 + gx * gx + gy * gy)
    cos_i = light.cos_zenith - sin_zenith * (gx * light.sun_x + gy * light.sun_y)
    beam = max(cos_i * upright, 0.0) / light.cos_zenith
    return beam, 0.5 * (1.0 + upright)


@njit(nogil=True, cache=True, error_model="numpy")
def _has_crowns(state: np.ndarray, first: int, count: int, leafy: int) -> bool:
    """Whether needle (0) or broadleaved (1) crowns stand on any of some pixels."""
    for k in range(first, first + count):
        if state[9, k] > 0.0 and (state[11, k] > 0.5) == (leafy == 1):
            return True
    return False


@njit(nogil=True, cache=True, error_model="numpy")
def fill_overhead(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    y: np.ndarray,
    slopes: tuple[np.ndarray, np.ndarray],
    state: np.ndarray,
    first: int,
    light: Light,
    sky: float,
    instrument: Instrument,
    room: np.ndarray,
    over: np.ndarray,
) -> None:
    """Fill what the scene class follows from, shape (7, pixels): sky, light, shares.

    The pixels are those from ``first`` on of slopes and ``state``; ``sky`` is the
    diffuse share of the light in the near infrared.
    """
    fill_sky(x, y, light, instrument.cloud_height, room, over)
    for p in range(x.size):
        k = first + p
        beam, dome = _slope_light(slopes[0][k], slopes[1][k], light)
        raw = (1.0 - sky) * beam + sky * dome
        over[LIT, p] = 1.0 + instrument.terrain * (raw - 1.0)
        over[HIDDEN, p], over[WET, p] = state[12, k], state[13, k]


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_terms(
    x: np.ndarray,
    state: np.ndarray,
    first: int,
    light: Light,
    instrument: Instrument,
    net: Network,
    room: Scratch,
) -> None:
    """Fill the canopies' terms of some pixels: low vegetation, and crowns if any."""
    features, hidden, size = room.features, room.hidden, net.last_bias.size
    fill_canopies(x, state, first, 0, light, instrument, features)
    fill_terms(features, net, hidden[0], hidden[1], room.terms[:size])
    for tree in range(2):
        # The other kind's terms are from an earlier chunk, and weigh nothing.
        if _has_crowns(state, first, x.size, tree):
            fill_canopies(x, state, first, tree + 1, light, instrument, features)
            fill_terms(features, net, hidden[0], hidden[1], room.crowns[tree][:size])


@njit(nogil=True, cache=True, error_model="numpy")
def fill_seen(  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    x: np.ndarray,
    slopes: tuple[np.ndarray, np.ndarray],
    state: np.ndarray,
    first: int,
    light: Light,
    bands: BandLight,
    blue_sky: float,
    instrument: Instrument,
    over: np.ndarray,
    room: Scratch,
    seen: np.ndarray,
) -> None:
    """Fill reflectance without errors, shape (bands, pixels), of one chunk.

    The pixels are those from ``first`` on of slopes and ``state``; ``over`` is what
    ``fill_overhead`` filled of them and ``blue_sky`` the diffuse share of blue light.
    """
    _fill_terms(x, state, first, light, instrument, bands.net, room)
    rho = np.empty(bands.sky.size)
    for p in range(x.size):
        k = first + p
        fill_ground(
            state[:, k], bands.soils, bands.litter, bands.surfaces, room.terms,
            room.crowns, p, instrument, rho,
        )  # fmt: skip
        on_slope = _slope_light(slopes[0][k], slopes[1][k], light)
        _light_up(over, p, on_slope, bands, blue_sky, instrument, rho)
        for b in range(rho.size):
            seen[b, p] = rho[b]

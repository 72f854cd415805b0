"""Fit the emulator's network to simulated canopies, and judge it.

Plain numpy: two hidden layers, Adam. Where the simulations come from is decided in
``canopy_table``, what the card says of the network in ``canopy_card``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from qhsink.twin.emulator import (
    FEATURES,
    Emulator,
    Network,
    canopy_reflectance,
    fill_features,
)
from qhsink.twin.spectra import BAND_NAMES, HEADS, BandSet

HIDDEN, BATCH, HELD_OUT = 32, 256, 0.2
_IMPORTANCE = np.tile([1.0, 0.35, 0.12], 6)
"""How much an error of a, t, r shows in the reflectance over common ground."""


def features_of(inputs: np.ndarray) -> np.ndarray:
    """Return the network's features of ``inputs`` (n, 9), shape (n, 11)."""
    found = np.empty((FEATURES, len(inputs)), dtype=np.float32)
    for k, row in enumerate(inputs.tolist()):
        lai, angle, cab, cm, cw, dead, sun, view, azimuth = row
        cos_sun = math.cos(math.radians(sun))
        turned = math.cos(math.radians(azimuth))
        fill_features(lai, angle, cab, cm, cw, dead, cos_sun, view, turned, found, k)
    return np.ascontiguousarray(found.T)


def split(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices to fit on and indices held out."""
    order = np.random.default_rng(7).permutation(count)
    cut = int(count * HELD_OUT)
    return order[cut:], order[:cut]


def fit(table: Mapping[str, np.ndarray], *, epochs: int) -> dict[str, np.ndarray]:
    """Return the arrays of ``emulator.npz``, without the ground spectra."""
    used, _ = split(len(table["inputs"]))
    raw = features_of(table["inputs"][used])
    shift, scale = raw.mean(axis=0), 1.0 / raw.std(axis=0)
    x = (raw - shift) * scale
    full = 1.0 - raw[:, :1] ** 1.5
    terms = table["terms"][used].astype(np.float64)
    flat = np.tile([0.0, 1.0, 0.0], 6)
    sign = np.tile([1.0, -1.0, 1.0], 6)
    target = (sign * (terms - flat) / full[:, None]).reshape(len(used), -1)
    heads = terms.shape[1]
    weight = full * np.tile(_IMPORTANCE, heads)
    layers = _train(x, target.astype(np.float32), weight.astype(np.float32), epochs)
    first, first_bias, second, second_bias, last, last_bias = layers
    return {
        "shift": shift,
        "scale": scale,
        "first": first,
        "first_bias": first_bias,
        "second": second,
        "second_bias": second_bias,
        "last": last.reshape(HIDDEN, heads, 18).transpose(1, 0, 2).copy(),
        "last_bias": last_bias.reshape(heads, 18),
    }


def _train(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, epochs: int
) -> list[np.ndarray]:
    rng = np.random.default_rng(11)
    sizes = (x.shape[1], HIDDEN, HIDDEN, y.shape[1])
    layers: list[np.ndarray] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        spread = 1.3 / math.sqrt(fan_in)
        layers.append(rng.normal(0, spread, (fan_in, fan_out)).astype(np.float32))
        layers.append(np.zeros(fan_out, dtype=np.float32))
    layers[5] = np.average(y, axis=0).astype(np.float32)
    moments = [[np.zeros_like(p), np.zeros_like(p)] for p in layers]
    step, steps = 0, epochs * (len(x) // BATCH)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            part = order[start : start + BATCH]
            slopes = _gradients(layers, x[part], y[part], weight[part])
            step += 1
            rate = 3e-3 * 0.5 * (1.0 + math.cos(math.pi * step / steps)) + 2e-6
            _adam(layers, slopes, moments, rate, step)
    return layers


def _bend(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the algebraic sigmoid and its derivative."""
    root = 1.0 / np.sqrt(1.0 + z * z)
    return z * root, root**3


def _gradients(
    layers: list[np.ndarray], x: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> list[np.ndarray]:
    w1, b1, w2, b2, w3, b3 = layers
    one, one_slope = _bend(x @ w1 + b1)
    two, two_slope = _bend(one @ w2 + b2)
    error = (two @ w3 + b3 - y) * weight**2 / len(x)
    back_two = error @ w3.T * two_slope
    back_one = back_two @ w2.T * one_slope
    return [
        x.T @ back_one,
        back_one.sum(axis=0),
        one.T @ back_two,
        back_two.sum(axis=0),
        two.T @ error,
        error.sum(axis=0),
    ]


def _adam(
    layers: list[np.ndarray],
    slopes: list[np.ndarray],
    moments: list[list[np.ndarray]],
    rate: float,
    step: int,
) -> None:
    for parameter, slope, (mean, square) in zip(layers, slopes, moments, strict=True):
        np.add(mean, 0.1 * (slope - mean), out=mean)
        np.add(square, 0.001 * (slope * slope - square), out=square)
        up = mean / (1.0 - 0.9**step)
        root = np.sqrt(square / (1.0 - 0.999**step)) + 1e-9
        np.subtract(parameter, rate * up / root, out=parameter)


def judge(
    network: Mapping[str, np.ndarray], table: Mapping[str, np.ndarray], bands: BandSet
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the errors on held-out simulations, by instrument and band."""
    _, held = split(len(table["inputs"]))
    shared = [network[key] for key in Network._fields[:6]]
    errors = {}
    for h, head in enumerate(HEADS[bands]):
        net = Network(*shared, network["last"][h], network["last_bias"][h])
        emulator = Emulator(net, network["soils"][h], network["litter"][h])
        ground = np.ascontiguousarray(table["ground"][held, h])
        found = canopy_reflectance(table["inputs"][held], ground, emulator)
        gap = np.abs(found - table["seen"][held, h])
        errors[head] = {
            name: {
                "rmse": round(float(np.sqrt((gap[:, b] ** 2).mean())), 5),
                "p99": round(float(np.quantile(gap[:, b], 0.99)), 5),
                "largest": round(float(gap[:, b].max()), 5),
            }
            for b, name in enumerate(BAND_NAMES[bands])
        }
    return errors

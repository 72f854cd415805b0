"""Fit the field of errors of a whole mapped quantity, from squares of known truth.

The model saw none of the squares. A plain variogram will not do: errors are small where
little is mapped and large where much is, and a variogram's differences cancel what all
places have in common. So covariances are taken of errors as they are, relative to a
scale made of the mapped quantity around, and nothing is subtracted.

References
----------
Methodology D5: V(total) = a^2 sum s_i s_j rho(d_ij), s the standard deviation at i.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from qhsink.domain.errors import ModelError
from qhsink.domain.residual_field import ResidualField, error_scale
from qhsink.mapping.error_squares import ErrorSquares

Doubles = NDArray[np.float64]

LEAST_SQUARES = 10
"""Squares with some of the quantity, mapped or true, below which nothing is fitted."""
LEAST_WORLDS = 3
"""Worlds below which a map's ratio to truth is taken to be 1."""
FLOORS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Floors tried, as shares of the mean mapped quantity over all squares: below a
hundredth, the few squares that hold so little decide by chance."""
PATCHES = tuple(10.0 ** (step / 2.0) for step in range(-5, 6))
"""Patches tried, as shares of the same: 0.003 to 300; the last is in proportion."""
RANGES_M = tuple(600.0 * 2.0**step for step in range(9))
"""Distance constants of the correlated parts [m]: 0.6 to 154 km."""
BETWEEN_M = (30e3, 60e3, 100e3, 150e3, 250e3, 400e3)
"""Upper ends of the classes between squares [m]; the last is open."""
NODES = 60
"""Steps of a mean over pairs of places of a square, along half of each axis."""
ROUNDS = 5
"""Times that the weights follow the fitted curve."""


def fit_residual_field(found: ErrorSquares, *, square_m: float) -> ResidualField:
    """Return the field of errors of a mapped quantity.

    Parameters
    ----------
    found : ErrorSquares
        Squares of worlds that the model never saw.
    square_m : float
        Edge of a square [m].

    Raises
    ------
    ModelError
        When fewer than 10 squares hold any of it.

    Notes
    -----
    All is of the map times ``ratio_of_worlds``.

    C(h) = sum r_i r_j / sum s_i s_j over pairs of blocks at distance h, s of the mean
    of the square (``error_scale``). Its floor and patch are the most likely of those
    tried where mean errors of squares are normal with standard deviations in proportion
    to s. C is fitted by a constant and exponential parts, none below zero: least
    squares weighted by how well each class is known. Pairs of squares are few, so that
    a range beyond a square is held down only as far as they can tell.
    """
    held = int(((found.mapped > 0.0) | (found.truth > 0.0)).sum())
    if held < LEAST_SQUARES:
        raise ModelError(
            f"{held} squares with some of the quantity",
            expected=f"at least {LEAST_SQUARES}",
            remedy="Add squares or worlds to config/residual_fields.toml.",
        )
    ratio = ratio_of_worlds(found)
    found = found.times(ratio)
    floor, patch = _likely_scale(found.mapped, found.error)
    scale = np.asarray(error_scale(found.mapped, floor=floor, patch=patch))
    common, structures = _nested(_covariances(found, scale), square_m=square_m)
    return ResidualField(
        ratio=ratio,
        floor=floor,
        patch=patch,
        common=common,
        structures=structures,
        df=max(_independent(np.square(scale)) - 1.0, 1.0),
        squares=len(scale),
        worlds=len(np.unique(found.world)),
        square_m=square_m,
    )


def ratio_of_worlds(found: ErrorSquares) -> float:
    """Return true over mapped totals, as far as worlds agree that it is not 1.

    Notes
    -----
    1 + b max(0, 1 - V / b^2), b the sum of errors over the sum of what is mapped, all
    worlds together, V its variance as a ratio of two sums over worlds (Cochran 1977,
    equation 6.13): the positive-part shrinkage of James and Stein (1961; Efron and
    Morris 1973, JASA 68, 117-130). What is less than its own standard error is not
    corrected at all. Worlds count as much as they hold: a landscape with hardly any
    shrubs may hold three times what is mapped there.
    """
    homes = np.unique(found.world, return_inverse=True)[1].ravel()
    mapped = np.bincount(homes, found.mapped)
    error, held = np.bincount(homes, found.error), int((mapped > 0.0).sum())
    if held < LEAST_WORLDS:
        return 1.0
    apart = float(error.sum() / mapped.sum())
    scatter = float(np.square(error - apart * mapped).sum())
    unsure = scatter * held / (held - 1.0) / float(mapped.sum()) ** 2
    return 1.0 + apart * max(0.0, 1.0 - unsure / max(apart**2, 1e-300))


def _likely_scale(mapped: Doubles, error: Doubles) -> tuple[float, float]:
    """Return floor and patch under which mean errors of squares are most likely."""
    middle = float(mapped.mean())

    def surprise(shares: tuple[float, float]) -> float:
        floor, patch = (share * middle for share in shares)
        scale = error_scale(mapped, floor=floor, patch=patch)
        spread = float(np.square(error / scale).mean())
        return float(np.log(scale).sum()) + 0.5 * len(scale) * float(np.log(spread))

    floor, patch = min(product(FLOORS, PATCHES), key=surprise)
    return floor * middle, patch * middle


@dataclass(frozen=True, slots=True, eq=False)
class _Covariances:
    """Relative covariance of errors by distance class."""

    lag_m: Doubles
    """(c,) mean distance of the pairs [m]."""
    value: Doubles
    """(c,)."""
    known: Doubles
    """(c,) independent squares, or pairs of squares, behind each."""
    between: NDArray[np.bool_]
    """(c,) whether the pairs are of different squares."""
    of_squares: float
    """Relative variance of the mean error of a square."""
    squares: float
    """Independent squares behind it."""


def _covariances(found: ErrorSquares, scale: Doubles) -> _Covariances:
    square = np.square(scale)
    squares = _independent(square)
    near = np.stack(
        [
            found.pairs.sum(axis=0),
            found.apart.sum(axis=0),
            found.product.sum(axis=0),
            square @ found.pairs,
            np.full(found.pairs.shape[1], squares),
        ]
    )
    i, j = np.triu_indices(len(scale), 1)
    same = found.world[i] == found.world[j]
    i, j = i[same], j[same]
    far = _class_sums(
        np.hypot(found.x[i] - found.x[j], found.y[i] - found.y[j]),
        found.error[i] * found.error[j],
        scale[i] * scale[j],
    )
    far[4] = np.square(far[3]) / np.maximum(far[4], 1e-300)
    sums = np.concatenate([near, far], axis=1)
    seen = sums[3] > 0.0
    count, apart, product, scales, known = sums[:, seen]
    return _Covariances(
        lag_m=apart / count,
        value=product / scales,
        known=np.maximum(known, 1.0),
        between=np.repeat([False, True], [near.shape[1], far.shape[1]])[seen],
        of_squares=float(np.square(found.error).sum() / square.sum()),
        squares=squares,
    )


def _independent(weight: Doubles) -> float:
    """Return the number of equal parts that carry as much as unequal ones."""
    return float(weight.sum() ** 2 / np.square(weight).sum())


def _class_sums(apart: Doubles, product: Doubles, scales: Doubles) -> Doubles:
    """Return count and sums over pairs of squares by class of distance, shape (5, c).

    Of distance, product, scales, and scales squared.
    """
    at = np.searchsorted(np.array(BETWEEN_M), apart)
    parts = (np.ones(len(apart)), apart, product, scales, np.square(scales))
    return np.stack([np.bincount(at, p, minlength=len(BETWEEN_M) + 1) for p in parts])


def _nested(
    seen: _Covariances, *, square_m: float
) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Return the common part, and the exponential parts with their distances.

    Notes
    -----
    The variance of the mean error of a square is a class of its own: what errors do
    nearer than the first class is seen in nothing else. Standard deviation of a class:
    of products of two normal errors, the covariance times root 2 within a square; the
    variance of squares' means between squares.
    """
    ranges = np.array(RANGES_M)
    shapes = np.vstack(
        [np.exp(-seen.lag_m[:, None] / ranges), _within_square(ranges, square_m)]
    )
    design = np.concatenate([shapes, np.ones((len(shapes), 1))], axis=1)
    value = np.append(seen.value, seen.of_squares)
    between, known = np.append(seen.between, False), np.append(seen.known, seen.squares)
    least = 0.01 * float(np.abs(value).max())
    curve = np.maximum(value, least)
    parts = np.zeros(len(ranges) + 1)
    for _ in range(ROUNDS):
        spread = np.where(between, seen.of_squares, np.sqrt(2.0) * curve)
        weight = np.sqrt(known) / (spread + least)
        parts = nnls(design * weight[:, None], value * weight)[0]
        curve = design @ parts
    kept = [
        (float(v), float(a))
        for v, a in zip(parts[:-1], ranges, strict=True)
        if v > 1e-6 * float(parts.sum())
    ]
    return float(parts[-1]), tuple(kept)


def _within_square(ranges: Doubles, square_m: float) -> Doubles:
    """Return the mean of exp(-h / a) over pairs of places of a square, by a.

    The difference of two uniform coordinates has a triangular density on -1..1.
    """
    middle = (np.arange(2 * NODES) + 0.5) / NODES - 1.0
    density = (1.0 - np.abs(middle)) / NODES
    apart = square_m * np.hypot(middle[:, None], middle)
    return np.array([density @ np.exp(-apart / a) @ density for a in ranges])

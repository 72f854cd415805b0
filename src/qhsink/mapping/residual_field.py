"""Fit the field of errors of a whole mapped quantity, from squares of known truth.

The model saw none of the squares. A plain variogram will not do: errors are small where
little is mapped and large where much is, and a variogram's differences cancel what all
places have in common. So covariances are taken of errors as they are, relative to the
mapped quantity around, and nothing is subtracted.

References
----------
Methodology D5: V(total) = a^2 sum s_i s_j rho(d_ij), s the standard deviation at i.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from qhsink.domain.errors import ModelError
from qhsink.domain.residual_field import ResidualField

Doubles = NDArray[np.float64]

BLOCK_M = 600.0
"""Edge of the blocks that pixels are averaged over [m]."""
LEAST_SQUARES = 10
"""Squares with some of the quantity, mapped or true, below which nothing is fitted."""
FLOORS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Floors tried, as shares of the mean mapped quantity over all squares."""
RANGES_M = tuple(600.0 * 2.0**step for step in range(9))
"""Distance constants of the correlated parts [m]: 0.6 to 154 km."""
WITHIN_M = (900.0, 1430.0, 2260.0, 3590.0, 5680.0, 9000.0)
"""Upper ends of the distance classes within a square [m]; the last is open."""
BETWEEN_M = (30e3, 60e3, 100e3, 150e3, 250e3, 400e3)
"""Upper ends of the classes between squares [m]; the last is open."""
ROUNDS = 5
"""Times that the weights follow the fitted curve."""


@dataclass(frozen=True, slots=True, eq=False)
class _Squares:
    """Blocks of n pixels each, by square of a world."""

    home: NDArray[np.intp]
    """(b,) number of the square of each block."""
    x: Doubles
    """(b,) mean place [m]."""
    y: Doubles
    """(b,)."""
    error: Doubles
    """(b,) truth less map."""
    mapped: Doubles
    """(q,) mean mapped quantity by square."""
    mean_error: Doubles
    """(q,) mean error by square."""
    truth: Doubles
    """(q,) mean true quantity by square."""
    world: NDArray[np.int64]
    """(q,) world of each square."""


def fit_residual_field(
    x_m: ArrayLike,
    y_m: ArrayLike,
    mapped: ArrayLike,
    truth: ArrayLike,
    *,
    square: ArrayLike,
    world: ArrayLike,
    square_m: float,
) -> ResidualField:
    """Return the field of errors of a mapped quantity.

    Parameters
    ----------
    x_m, y_m : array of shape (n,)
        Places of pixels in grid coordinates [m]: all land of the squares.
    mapped, truth : array of shape (n,)
        Of the whole quantity: zero on land that is of, or is given to, another
        ecosystem.
    square, world : int array of shape (n,)
        Square and world of each pixel; worlds are independent of each other.
    square_m : float
        Edge of a square [m].

    Returns
    -------
    ResidualField

    Raises
    ------
    ModelError
        When fewer than 10 squares hold any of it.

    Notes
    -----
    C(h) = sum r_i r_j / sum s_i s_j over pairs of blocks at distance h, s the mean of
    the square plus a floor. The floor is the most likely one of ``FLOORS`` where mean
    errors of squares are normal with standard deviations in proportion to s. C is
    fitted by a constant and exponential parts, none below zero: least squares weighted
    by how well each class is known. Pairs of squares are few, so that a range beyond a
    square is held down only as far as they can tell.
    """
    found = _by_square(x_m, y_m, mapped, truth, square, world)
    held = int(((found.mapped > 0.0) | (found.truth > 0.0)).sum())
    if held < LEAST_SQUARES:
        raise ModelError(
            f"{held} squares with some of the quantity",
            expected=f"at least {LEAST_SQUARES}",
            remedy="Add squares or worlds to config/train_twin.toml.",
        )
    floor = _likely_floor(found)
    scale = found.mapped + floor
    common, structures = _nested(_covariances(found, scale))
    return ResidualField(
        floor=floor,
        common=common,
        structures=structures,
        df=max(_independent(np.square(scale)) - 1.0, 1.0),
        squares=len(scale),
        square_m=square_m,
    )


def _by_square(
    x_m: ArrayLike,
    y_m: ArrayLike,
    mapped: ArrayLike,
    truth: ArrayLike,
    square: ArrayLike,
    world: ArrayLike,
) -> _Squares:
    x, y = np.asarray(x_m, float), np.asarray(y_m, float)
    value, true = np.asarray(mapped, float), np.asarray(truth, float)
    place = np.column_stack([world, square, x // BLOCK_M, y // BLOCK_M])
    names, at = np.unique(place.astype(np.int64), axis=0, return_inverse=True)
    at = at.ravel()
    count = np.bincount(at).astype(float)

    def mean(column: Doubles) -> Doubles:
        return np.asarray(np.bincount(at, weights=column) / count, float)

    squares, home = np.unique(names[:, :2], axis=0, return_inverse=True)
    home = home.ravel()
    whole = np.bincount(home, weights=count)

    def over_square(column: Doubles) -> Doubles:
        total = np.bincount(home[at], weights=column)
        return np.asarray(total / whole, float)

    return _Squares(
        home=home,
        x=mean(x),
        y=mean(y),
        error=mean(true - value),
        mapped=over_square(value),
        mean_error=over_square(true - value),
        truth=over_square(true),
        world=squares[:, 0],
    )


def _likely_floor(found: _Squares) -> float:
    """Return the floor under which mean errors of squares are most likely."""

    def surprise(share: float) -> float:
        scale = found.mapped + share * found.mapped.mean()
        spread = float(np.square(found.mean_error / scale).mean())
        return float(np.log(scale).sum()) + 0.5 * len(scale) * float(np.log(spread))

    return min(FLOORS, key=surprise) * float(found.mapped.mean())


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


def _covariances(found: _Squares, scale: Doubles) -> _Covariances:
    near = np.zeros((5, len(WITHIN_M) + 1))
    for square in range(len(scale)):
        own = np.flatnonzero(found.home == square)
        i, j = np.triu_indices(len(own), 1)
        near += _class_sums(
            np.hypot(
                found.x[own][i] - found.x[own][j], found.y[own][i] - found.y[own][j]
            ),
            found.error[own][i] * found.error[own][j],
            np.full(len(i), scale[square] ** 2),
            WITHIN_M,
        )
    near[4] = _independent(np.square(scale))
    blocks = np.bincount(found.home).astype(float)
    x, y = (np.bincount(found.home, weights=c) / blocks for c in (found.x, found.y))
    i, j = np.triu_indices(len(scale), 1)
    same = found.world[i] == found.world[j]
    i, j = i[same], j[same]
    far = _class_sums(
        np.hypot(x[i] - x[j], y[i] - y[j]),
        found.mean_error[i] * found.mean_error[j],
        scale[i] * scale[j],
        BETWEEN_M,
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
        of_squares=float(np.square(found.mean_error).sum() / np.square(scale).sum()),
    )


def _independent(weight: Doubles) -> float:
    """Return the number of equal parts that carry as much as unequal ones."""
    return float(weight.sum() ** 2 / np.square(weight).sum())


def _class_sums(
    apart: Doubles, product: Doubles, scales: Doubles, ends: tuple[float, ...]
) -> Doubles:
    """Return count and sums by class, shape (5, c).

    Of distance, product, scales, and scales squared.
    """
    at = np.searchsorted(np.array(ends), apart)
    parts = (np.ones(len(apart)), apart, product, scales, np.square(scales))
    return np.stack([np.bincount(at, part, minlength=len(ends) + 1) for part in parts])


def _nested(seen: _Covariances) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Return the common part, and the exponential parts with their distances.

    Notes
    -----
    Standard deviation of a class: of products of two normal errors, the covariance
    times root 2 within a square; the variance of squares' means between squares.
    """
    ranges = np.array(RANGES_M)
    shapes = np.exp(-seen.lag_m[:, None] / ranges)
    design = np.concatenate([shapes, np.ones((len(seen.lag_m), 1))], axis=1)
    least = 0.01 * float(np.abs(seen.value).max())
    curve = np.maximum(seen.value, least)
    parts = np.zeros(len(ranges) + 1)
    for _ in range(ROUNDS):
        spread = np.where(seen.between, seen.of_squares, np.sqrt(2.0) * curve)
        weight = np.sqrt(seen.known) / (spread + least)
        parts = nnls(design * weight[:, None], seen.value * weight)[0]
        curve = design @ parts
    kept = [
        (float(v), float(a))
        for v, a in zip(parts[:-1], ranges, strict=True)
        if v > 1e-6 * float(parts.sum())
    ]
    return float(parts[-1]), tuple(kept)

"""Auxiliaries known for the whole population: GREG, post-strata and ratio.

Each is a calibration of the design weights; ``survey`` turns one into estimates.
How the auxiliary means were obtained (from a map's ledger, from a table) is not
known here.

References
----------
Saerndal, Swensson and Wretman (1992), chapters 6 and 7. McConville et al. (2020),
R package ``mase``. Lumley (2004), R package ``survey``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qhsink.domain.errors import TableError
from qhsink.estimation.survey import Codes, Design, Floats

Residuals = Literal["g-weighted", "plain"]
"""``g-weighted`` residuals carry the calibrated weight in the variance (R ``survey``;
Saerndal et al. 1992, eq. 6.6.4); ``plain`` ones the design weight (R ``mase``)."""


@dataclass(frozen=True, slots=True)
class LinearCalibration:
    """Weights calibrated to totals of auxiliaries by a linear working model."""

    g: Floats
    """g-weights, shape (n,)."""
    auxiliary: Floats
    """Auxiliaries, shape (n, p), usually with a column of ones."""
    weight: Floats
    """Design weight times 1 / model variance, shape (n,)."""
    convention: Residuals = "g-weighted"
    """Which residuals the variance uses."""

    def coefficients(self, y: Floats) -> Floats:
        """Return the design-weighted regression coefficients of ``y``, shape (p,).

        Saerndal et al. (1992) sec. 6.4.
        """
        return _solve(self.auxiliary, self.weight, y)

    def residual(self, linear: Floats) -> Floats:
        """Return y - x'B, times g under the g-weighted convention."""
        left = linear - self.auxiliary @ self.coefficients(linear)
        return self.g * left if self.convention == "g-weighted" else left


def _solve(auxiliary: Floats, weight: Floats, y: Floats) -> Floats:
    root = np.sqrt(weight)
    found = np.linalg.lstsq(auxiliary * root[:, None], y * root, rcond=None)[0]
    return np.asarray(found, dtype=np.float64)


def calibrate(
    design: Design,
    auxiliary: Floats,
    totals: ArrayLike,
    *,
    residuals: Residuals = "g-weighted",
    model_variance: Floats | None = None,
) -> LinearCalibration:
    """Return the GREG calibration.

    Parameters
    ----------
    auxiliary : float array of shape (n, p)
        Auxiliaries of the sample units; include a column of ones for an intercept.
    totals : array of shape (p,)
        Their population totals.
    model_variance : float array of shape (n,), optional
        Variance of the working model, up to a factor; ones when absent.

    Raises
    ------
    TableError
        When the auxiliaries are collinear in the sample, or leave no residual.

    Notes
    -----
    g = 1 + (t_x - t_x_hat)' (sum w x x' / s2)^-1 x / s2: Saerndal et al. (1992)
    eq. 6.5.9. The estimator is sum w g y = t_x' B + sum w (y - x'B).
    """
    require_residuals(*auxiliary.shape)
    spread = np.ones(len(auxiliary)) if model_variance is None else model_variance
    weight = design.weight / spread
    scale = np.linalg.norm(auxiliary * np.sqrt(weight)[:, None], axis=0)
    scaled = auxiliary / np.where(scale > 0, scale, 1.0)
    if np.linalg.matrix_rank(scaled * np.sqrt(weight)[:, None]) < auxiliary.shape[1]:
        raise TableError(
            "auxiliaries that are collinear in the sample, or constant",
            expected="linearly independent columns",
            remedy="Leave one of them out.",
        )
    gap = np.asarray(totals, dtype=float) - design.weight @ auxiliary
    gram = (auxiliary * weight[:, None]).T @ auxiliary
    slope = _solve_gram(gram, gap)
    g = 1.0 + (auxiliary @ slope) / spread
    return LinearCalibration(g, auxiliary, weight, residuals)


def require_residuals(units: int, columns: int) -> None:
    """Refuse a fit through every point: its variance of zero would read as certain.

    Raises
    ------
    TableError
        When there are no more units than columns, the intercept included.
    """
    if units <= columns:
        raise TableError(
            f"{units} sample units for a regression with {columns} coefficients",
            expected="more units than coefficients: a line through every point has "
            "no residuals, and no error to show",
            remedy="Leave out auxiliaries, or use --method srs or stratified.",
        )


def _solve_gram(gram: Floats, gap: Floats) -> Floats:
    # Scaled to a unit diagonal: an elevation in metres beside a share of cover would
    # cost half the digits.
    scale = 1.0 / np.sqrt(np.diag(gram))
    solution: Floats = scale * np.linalg.solve(
        gram * np.outer(scale, scale), gap * scale
    )
    return solution


def poststratify(
    design: Design,
    code: Codes,
    sizes: ArrayLike,
    *,
    residuals: Residuals = "g-weighted",
) -> LinearCalibration:
    """Return the calibration to known post-stratum sizes.

    Parameters
    ----------
    code : integer array of shape (n,)
        Post-stratum of each unit.
    sizes : array of shape (post-strata,)
        Units of each in the population.

    Notes
    -----
    g = N_h / N_h_hat and residuals from the weighted post-stratum means: Saerndal et
    al. (1992) sec. 7.6, as R ``postStratify``. The sampled zeros of a class count:
    a variance over its hits alone (as AcATaMa 23a4ba5 prints) is too small.
    """
    frame = np.asarray(sizes, dtype=float)
    indicator = (code[:, None] == np.arange(len(frame))[None, :]).astype(float)
    return calibrate(design, indicator, frame, residuals=residuals)


def ratio_calibration(
    design: Design, x: Floats, total: float, *, residuals: Residuals = "g-weighted"
) -> LinearCalibration:
    """Return the calibration of the ratio estimator: variance proportional to x.

    g = X / X_hat for every unit: Saerndal et al. (1992) sec. 7.3; over strata this
    is the combined ratio estimator, Cochran (1977) sec. 6.11.

    Raises
    ------
    TableError
        When the estimated total of ``x`` is zero.
    """
    estimated = float(np.sum(design.weight * x))
    if estimated == 0.0:
        raise TableError(
            "a ratio whose denominator sums to zero in the sample",
            expected="a denominator with a positive total",
            remedy="Choose another denominator.",
        )
    g = np.full(len(x), total / estimated)
    return _RatioCalibration(g, x[:, None], design.weight, residuals)


@dataclass(frozen=True, slots=True)
class _RatioCalibration(LinearCalibration):
    """The ratio model needs sums only, so x may be zero or negative somewhere."""

    def coefficients(self, y: Floats) -> Floats:
        ratio = np.sum(self.weight * y) / np.sum(self.weight * self.auxiliary[:, 0])
        return np.asarray([ratio], dtype=float)


def separate_ratio_calibration(
    design: Design,
    x: Floats,
    code: Codes,
    totals: ArrayLike,
    *,
    residuals: Residuals = "g-weighted",
) -> LinearCalibration:
    """Return the calibration of the separate ratio estimator, one ratio a stratum.

    Cochran (1977) sec. 6.10. Biased where strata hold few units; prefer the combined
    estimator below some 20 units a stratum (Cochran, sec. 6.12).

    Raises
    ------
    TableError
        When the denominator of a stratum sums to zero.
    """
    known = np.asarray(totals, dtype=float)
    estimated = np.bincount(code, weights=design.weight * x, minlength=len(known))
    if np.any(estimated == 0.0):
        raise TableError(
            "a stratum in which the denominator of the ratio sums to zero",
            expected="a positive total in every stratum",
            remedy="Use the combined ratio, or merge strata.",
        )
    indicator = (code[:, None] == np.arange(len(known))[None, :]) * x[:, None]
    g = (known / estimated)[code]
    return _SeparateRatio(g, indicator.astype(float), design.weight, residuals)


@dataclass(frozen=True, slots=True)
class _SeparateRatio(LinearCalibration):
    def coefficients(self, y: Floats) -> Floats:
        inside = self.auxiliary != 0.0
        above = (self.weight * y) @ inside.astype(float)
        ratios: Floats = above / (self.weight @ self.auxiliary)
        return ratios

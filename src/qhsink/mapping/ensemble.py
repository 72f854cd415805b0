"""An ensemble of small perceptrons, and its prediction over pixels.

All members go through each block in one pass of batched float32 matrix products.
Training is ``qhsink.mapping.training``; scikit-learn is not needed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.mapping.features import fill_features, locate_bands
from qhsink.mapping.layers import NODATA, layer_step

Floats = NDArray[np.float32]
Transform = Literal["identity", "log1p"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)

BLOCK = 512
"""Pixels per block: the activations of 16 members then stay in the L2 cache."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One dense layer of all K members."""

    weights: Floats
    """(K, inputs, outputs)."""
    bias: Floats
    """(K, outputs)."""


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """K perceptrons of the same shape with rectified hidden layers, linear outputs."""

    target: str
    """What is predicted, such as ``fvc``."""
    unit: str
    """Unit of the prediction."""
    features: tuple[str, ...]
    """Feature names, in the order of the first layer's inputs."""
    center: Floats
    """(F,) subtracted from the features."""
    scale: Floats
    """(F,) they are then divided by."""
    layers: tuple[Layer, ...]
    """Hidden layers and the output layer."""
    low: float
    """Least valid prediction: members are clipped to it."""
    high: float
    """Greatest valid prediction."""
    transform: Transform = "identity"
    """What the output layer gives: the target, or log(1 + target)."""
    smearing: Floats | None = None
    """(K,) factor of each member that makes exp(output) right on average (Duan 1983);
    with the transform ``log1p`` alone."""
    outputs: int = 1
    """Outputs of each member: one of a regressor, a logit per class of a classifier."""

    def __post_init__(self) -> None:
        sizes = [(layer.weights.shape, layer.bias.shape) for layer in self.layers]
        fitting = self.layers and _fits_together(
            sizes, len(self.features), self.outputs
        )
        if not fitting:
            raise ModelError(
                f"layers of shapes {sizes} for {len(self.features)} features",
                expected="layers that fit together, K members each, ending in "
                f"{self.outputs}",
                remedy="Train the model again.",
            )
        _check_transform(self)

    @property
    def members(self) -> int:
        """Number of members K."""
        return int(self.layers[0].weights.shape[0])

    @property
    def columns(self) -> int:
        """Predictions of a pixel: one for each output of each member."""
        return self.members * self.outputs


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What an ensemble says about the valid pixels of a window."""

    index: NDArray[np.int64]
    """(n,) row-major positions of the pixels in the window."""
    members: Floats
    """(n, K) one prediction per member; of a classifier as ``predict_members``."""
    mean: Floats
    """(n,) mean over members."""
    spread: Floats
    """(n,) standard deviation over members (ddof=1)."""


def _check_transform(ensemble: Ensemble) -> None:
    factors, logged = ensemble.smearing, ensemble.transform == "log1p"
    known = ensemble.transform in TRANSFORMS and logged == (factors is not None)
    if factors is not None:
        known = known and factors.shape == (ensemble.members,) and ensemble.outputs == 1
        known = known and bool((factors > 0).all()) and ensemble.low >= 0
    if not known:
        shape = None if factors is None else factors.shape
        raise ModelError(
            f"transform {ensemble.transform!r} with smearing factors {shape}, valid "
            f"from {ensemble.low:g}",
            expected=f"one of {', '.join(TRANSFORMS)}; with log1p one output, a "
            "positive factor per member and values of zero and above",
            remedy="Train the model again.",
        )


def _fits_together(
    sizes: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], inputs: int, outputs: int
) -> bool:
    members = sizes[0][0][0]
    for weights, bias in sizes:
        if weights[:2] != (members, inputs) or bias != (members, weights[-1]):
            return False
        inputs = weights[-1]
    return inputs == outputs > 0 and members > 0


@cache
def limit_inner_threads() -> None:
    """Keep BLAS to one thread from now on, once per process.

    Windows are the unit of parallel work; threads inside a matrix product of this
    size only contend with them. The limit is not restored: restoring is not safe
    while another thread predicts.
    """
    threadpoolctl.threadpool_limits(1, user_api="blas")


def _fold(ensemble: Ensemble) -> list[Floats]:
    """Return one (K, outputs, inputs + 1) matrix per layer: scaler and bias inside.

    Each hidden layer gets one more output that is always 1 (zero weights, bias 1,
    rectified), so that the next layer's bias is a column of its matrix. Of a logged
    target exp(output) * smearing is exp(output + log smearing): part of the last bias.
    """
    folded = []
    slope = 1.0 / ensemble.scale.astype(np.float64)
    shift = -ensemble.center.astype(np.float64) * slope
    last = len(ensemble.layers) - 1
    for number, layer in enumerate(ensemble.layers):
        weights = layer.weights.astype(np.float64)
        bias = layer.bias.astype(np.float64)
        if number == 0:
            bias = bias + np.einsum("f,kfh->kh", shift, weights)
            weights = weights * slope[None, :, None]
        if number == last and ensemble.smearing is not None:
            bias = bias + np.log(ensemble.smearing.astype(np.float64))[:, None]
        matrix = np.concatenate([weights, bias[:, None, :]], axis=1)
        if number < last:
            one = np.zeros((*matrix.shape[:2], 1))
            one[:, -1] = 1.0
            matrix = np.concatenate([matrix, one], axis=2)
        folded.append(np.ascontiguousarray(matrix.transpose(0, 2, 1), np.float32))
    return folded


class _Pass:
    """The folded matrices with block buffers that every block reuses."""

    def __init__(self, ensemble: Ensemble, block: int) -> None:
        first, *rest = _fold(ensemble)
        self.is_logged = ensemble.transform == "log1p"
        ends = np.array([ensemble.low, ensemble.high])
        ends = np.log1p(ends) if self.is_logged else ends
        self.low, self.high = ends.astype(np.float32)
        self.inputs = np.ones((len(ensemble.features) + 1, block), np.float32)
        self.first = first.reshape(-1, first.shape[-1])
        self.rest = rest
        shapes = [first.shape[:2], *(matrix.shape[:2] for matrix in rest)]
        self.buffers = [np.empty((*shape, block), np.float32) for shape in shapes]

    def run(self) -> Floats:
        """Return (K * outputs, block) predictions of the rows in ``inputs``."""
        hidden = self.buffers[0]
        np.matmul(self.first, self.inputs, out=hidden.reshape(len(self.first), -1))
        for matrix, buffer in zip(self.rest, self.buffers[1:], strict=True):
            np.maximum(hidden, 0, out=hidden)
            np.matmul(matrix, hidden, out=buffer)
            hidden = buffer
        np.clip(hidden, self.low, self.high, out=hidden)
        out: Floats = hidden.reshape(-1, hidden.shape[-1])
        if self.is_logged:  # clipped before, so that nothing overflows
            np.expm1(out, out=out)
        return out


def predict_members(
    ensemble: Ensemble, features: Floats, *, block: int = BLOCK
) -> Floats:
    """Return the prediction of every member for n samples.

    Parameters
    ----------
    ensemble : Ensemble
        The model.
    features : (n, F) float32
        From ``feature_matrix(reflectance, ensemble.features)``; NaN gives NaN.
    block : int
        Samples per pass.

    Returns
    -------
    (n, K) float32
        In ``ensemble.unit``, clipped to its valid range. Where members have several
        outputs, (n, K * outputs): those of the first member, then of the next.

    Raises
    ------
    ModelError
        When the number of features differs.
    """
    limit_inner_threads()
    if features.ndim != 2 or features.shape[1] != len(ensemble.features):
        raise ModelError(
            f"a feature matrix of shape {features.shape}",
            expected=f"(n, {len(ensemble.features)}): {', '.join(ensemble.features)}",
            remedy="Make it with feature_matrix(reflectance, ensemble.features).",
        )
    work = _Pass(ensemble, block)
    out = np.empty((len(features), ensemble.columns), np.float32)
    for start in range(0, len(features), block):
        part = features[start : start + block]
        work.inputs[:-1, : len(part)] = part.T
        out[start : start + len(part)] = work.run()[:, : len(part)].T
    return out


def predict_composite(
    ensemble: Ensemble,
    reflectance: NDArray[np.int16],
    band_names: Sequence[str],
    valid: NDArray[np.bool_],
    *,
    block: int = BLOCK,
) -> Prediction:
    """Predict the valid pixels of one window.

    Parameters
    ----------
    ensemble : Ensemble
        The model.
    reflectance : (band, y, x) int16
        Layers in steps of ``layers.LAYERS``, such as surface reflectance times
        10 000; ``NODATA`` where there is none.
    band_names : sequence of str
        Name of each layer.
    valid : (y, x) bool
        Pixels wanted. Those without data in a band that the model needs are
        left out.
    block : int
        Pixels per pass.

    Raises
    ------
    ModelError
        When a band is missing or the arrays are not as described.
    """
    limit_inner_threads()
    where = locate_bands(ensemble.features, band_names)
    _check_window(reflectance, band_names, valid)
    flat = reflectance.reshape(len(reflectance), -1)
    index = np.flatnonzero(_has_data(flat, valid, list(where.values())))
    members = np.empty((len(index), ensemble.columns), np.float32)
    mean, spread = np.empty((2, len(index)), np.float32)
    work = _Pass(ensemble, block)
    step = {name: layer_step(name) for name in where}
    for start in range(0, len(index), block):
        pixels = index[start : start + block]
        stop, count = start + len(pixels), len(pixels)
        bands = {name: flat[row, pixels] * step[name] for name, row in where.items()}
        fill_features(bands, ensemble.features, work.inputs[:-1, :count])
        part = work.run()[:, :count]
        members[start:stop] = part.T
        mean[start:stop], spread[start:stop] = _moments(part)
    return Prediction(index, members, mean, spread)


def _check_window(
    reflectance: NDArray[np.int16], band_names: Sequence[str], valid: NDArray[np.bool_]
) -> None:
    expected = (len(band_names), *valid.shape)
    if reflectance.dtype != np.int16 or reflectance.shape != expected:
        raise ModelError(
            f"a composite of {reflectance.dtype} {reflectance.shape} with "
            f"{len(band_names)} band names and a mask {valid.shape}",
            expected=f"int16 {expected}, reflectance times 10 000",
            remedy="Pass the composite as imagery makes it.",
        )


def _has_data(
    flat: NDArray[np.int16], valid: NDArray[np.bool_], rows: Sequence[int]
) -> NDArray[np.bool_]:
    observed = valid.reshape(-1).copy()
    for row in rows:
        observed &= flat[row] != NODATA
    return observed


def _moments(part: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (ddof=1) over the first axis."""
    mean = part.mean(axis=0)
    if len(part) == 1:
        raise ModelError(
            "an ensemble of one member",
            expected="at least two, whose spread is the model error",
            remedy="Train with more members.",
        )
    residual = part - mean
    residual *= residual
    return mean, np.sqrt(residual.sum(axis=0) / np.float32(len(part) - 1))

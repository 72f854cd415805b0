"""One ecosystem per pixel: probabilities of the classes, and which one holds.

A classifier is an ``Ensemble`` whose "members" are the classes: member c gives the
logit of class c. So it is stored, checked and applied by the code that serves
regressors. Whether a class is right is judged elsewhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.mapping.ensemble import Ensemble, Layer
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.samples import Recipe, Samples

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

TARGET = "ecosystem"
"""Target of a classifier's ensemble."""
LOGIT_BOUND = 20.0
"""Logits are clipped here: exp(-20) is two parts in a thousand million."""


def class_probabilities(logits: Floats) -> Floats:
    """Return the probability of each class.

    Parameters
    ----------
    logits : (n, C) float32
        ``Prediction.members`` of a classifier.

    Returns
    -------
    (n, C) float32
        Softmax; rows sum to one.
    """
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shifted /= shifted.sum(axis=1, keepdims=True)
    found: Floats = shifted
    return found


def choose_class(probability: Floats, codes: Sequence[int], *, tie: float) -> Bytes:
    """Return the one class that holds for each pixel.

    Parameters
    ----------
    probability : (n, C) float32
        Columns in order of precedence, the first wins.
    codes : sequence of int
        Map code of each column.
    tie : float
        Classes whose probability comes this near to the greatest are tied; the first
        of them holds. With 0, the most probable class.

    Returns
    -------
    (n,) uint8
    """
    best = probability.max(axis=1, keepdims=True)
    first = np.argmax(probability >= best - np.float32(tie), axis=1)
    chosen: Bytes = np.asarray(codes, np.uint8)[first]
    return chosen


def fit_classifier(
    samples: Samples,
    recipe: Recipe,
    *,
    priors: Sequence[float],
    salt: int = 0,
) -> Ensemble:
    """Fit one perceptron with a logit per class.

    Parameters
    ----------
    samples : Samples
        ``target`` is the number of the class, 0 to C - 1.
    recipe : Recipe
        Features, widths, penalty, passes and seed.
    priors : sequence of C floats
        Share of land of each class, positive. Samples may be drawn with other
        shares: the logits are shifted by the logarithm of the ratio.
    salt : int
        Tells fits of one recipe apart, such as those of folds.

    Raises
    ------
    ModelError
        When a class has no sample, or a feature is the same in all.

    References
    ----------
    Saerens, Latinne and Decaestecker 2002, Neural Comput. 14:21, equation 2.4, for
    the change of priors.
    """
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - training only
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - training only

    classes, number = len(priors), samples.target.astype(np.int64)
    present = np.unique(number)
    if classes < 3 or not np.array_equal(present, np.arange(classes)):
        raise ModelError(
            f"samples of classes {present.tolist()}",
            expected=f"three classes or more, and every one from 0 to {classes - 1}",
            remedy="Bring samples of the missing class, or leave the class out.",
        )
    features = feature_matrix(samples.reflectance, recipe.features).astype(np.float64)
    center, scale = features.mean(axis=0), features.std(axis=0)
    if not scale.all():
        raise ModelError(
            f"feature {recipe.features[int(np.argmin(scale))]} of one value alone",
            expected="features that differ between samples",
            remedy="Leave it out, or bring other samples.",
        )
    rng = np.random.default_rng((recipe.seed, salt))
    model = MLPClassifier(
        hidden_layer_sizes=recipe.hidden,
        alpha=recipe.penalty,
        learning_rate_init=recipe.rate,
        batch_size=min(recipe.batch, len(number)),
        max_iter=recipe.epochs,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        # The number of passes is fixed by the recipe; it is not meant to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((features - center) / scale, number)
    drawn = np.bincount(number, minlength=classes) / len(number)
    shift = np.log(np.asarray(priors) / drawn)
    last = model.intercepts_[-1]
    outputs = [*model.intercepts_[:-1], last + shift]
    return Ensemble(
        TARGET,
        "logit",
        recipe.features,
        center.astype(np.float32),
        scale.astype(np.float32),
        _one_member_per_class(model.coefs_, outputs, classes),
        -LOGIT_BOUND,
        LOGIT_BOUND,
    )


def _one_member_per_class(
    coefs: Sequence[NDArray[np.float64]],
    intercepts: Sequence[NDArray[np.float64]],
    classes: int,
) -> tuple[Layer, ...]:
    """Return the hidden layers once per class, and one column of the last each."""
    hidden = [
        Layer(
            np.repeat(weights[None].astype(np.float32), classes, axis=0),
            np.repeat(bias[None].astype(np.float32), classes, axis=0),
        )
        for weights, bias in zip(coefs[:-1], intercepts[:-1], strict=True)
    ]
    last = Layer(
        np.ascontiguousarray(coefs[-1].T[:, :, None], np.float32),
        np.ascontiguousarray(intercepts[-1][:, None], np.float32),
    )
    return (*hidden, last)

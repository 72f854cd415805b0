"""One ecosystem per pixel: probabilities of the classes, and which one holds.

A classifier is an ``Ensemble`` whose members give a logit per class; the members'
probabilities are averaged. So it is stored, checked and applied by the code that serves
regressors. Whether a class is right is judged elsewhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.mapping.ensemble import Ensemble, Layer, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.samples import Recipe, Samples

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

TARGET = "ecosystem"
"""Target of a classifier's ensemble."""
LOGIT_BOUND = 20.0
"""Logits are clipped here: exp(-20) is two parts in a thousand million."""


def class_probabilities(logits: Floats, *, classes: int) -> Floats:
    """Return the probability of each class: the mean of what the members say.

    Parameters
    ----------
    logits : (n, K * C) float32
        ``Prediction.members`` of a classifier: the C classes of the first member, then
        of the next. C columns alone are those of one network, as in models that were
        made before several were averaged.
    classes : int
        Number of classes C.

    Returns
    -------
    (n, C) float32
        Mean of the members' softmax; rows sum to one.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell 2017, NeurIPS 30, section 2.4: a uniformly
    weighted mixture of the members' probabilities.
    """
    # The number of members is counted: of no pixel at all -1 could be anything.
    apart = logits.reshape(len(logits), logits.shape[1] // classes, classes)
    shifted = np.exp(apart - apart.max(axis=2, keepdims=True))
    shifted /= shifted.sum(axis=2, keepdims=True)
    found: Floats = shifted.mean(axis=1)
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


def halves_alike(
    ensemble: Ensemble, features: Floats, *, weight: Doubles
) -> float | None:
    """Return the share of samples that two halves of the members class alike.

    A network learnt where sums round otherwise ends elsewhere, at most as far off as
    one that starts from other weights. Halves differ by such starts, and each averages
    half as many as the whole, so that a whole learnt elsewhere agrees at least as
    well: on another kernel of linear algebra 0.1 % of land changed class where halves
    differ on 0.7 %.

    Parameters
    ----------
    ensemble : Ensemble
        A classifier.
    features : (n, F) float32
        Of the samples.
    weight : (n,) float64
        Of the samples, positive.

    Returns
    -------
    float or None
        None of a single network.
    """
    if ensemble.members < 2:
        return None
    logits, classes = predict_members(ensemble, features), ensemble.outputs
    half = ensemble.members // 2 * classes
    one, other = (
        class_probabilities(part, classes=classes).argmax(axis=1)
        for part in (logits[:, :half], logits[:, half:])
    )
    return float(np.average(one == other, weights=weight))


def fit_classifier(
    samples: Samples,
    recipe: Recipe,
    *,
    priors: Sequence[float],
    salt: int = 0,
) -> Ensemble:
    """Fit perceptrons with a logit per class, whose probabilities are averaged.

    All learn from all samples and differ by their first weights and the order in which
    they see them: what one network has at the edge of a class by chance, the others
    have elsewhere.

    Parameters
    ----------
    samples : Samples
        ``target`` is the number of the class, 0 to C - 1.
    recipe : Recipe
        Features, members, widths, penalty, passes and seed.
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
    the change of priors. Lakshminarayanan, Pritzel and Blundell 2017, NeurIPS 30,
    section 2.4, for members that differ by first weights and order alone.
    """
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
    scaled = (features - center) / scale
    members = [
        _fit_network(scaled, number, recipe, stream=(salt, k))
        for k in range(recipe.members)
    ]
    drawn = np.bincount(number, minlength=classes) / len(number)
    return Ensemble(
        TARGET,
        "logit",
        recipe.features,
        center.astype(np.float32),
        scale.astype(np.float32),
        _side_by_side(members, shift=np.log(np.asarray(priors) / drawn)),
        -LOGIT_BOUND,
        LOGIT_BOUND,
        outputs=classes,
    )


def _fit_network(
    features: Doubles, number: Ints, recipe: Recipe, *, stream: tuple[int, int]
) -> list[tuple[Doubles, Doubles]]:
    """Return weights (inputs, outputs) and bias (outputs,) of each layer."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - training only
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - training only

    rng = np.random.default_rng((recipe.seed, *stream))
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
        model.fit(features, number)
    return list(zip(model.coefs_, model.intercepts_, strict=True))


def _side_by_side(
    members: Sequence[Sequence[tuple[Doubles, Doubles]]], *, shift: Doubles
) -> tuple[Layer, ...]:
    """Return the layers of all members; ``shift`` (C,) is added to every logit."""
    layers = []
    for depth in range(len(members[0])):
        weights = np.stack([member[depth][0] for member in members])
        bias = np.stack([member[depth][1] for member in members])
        if depth == len(members[0]) - 1:
            bias = bias + shift
        layers.append(Layer(weights.astype(np.float32), bias.astype(np.float32)))
    return tuple(layers)

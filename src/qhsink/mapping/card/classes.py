"""The card of an ecosystem classifier: how often it is right, class by class.

Regressors have a card of another shape, in ``describe`` and ``text``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping.card.parts import section_features, section_head, versions_of
from qhsink.mapping.card.results import markdown_table
from qhsink.mapping.features import FEATURES
from qhsink.mapping.samples import Recipe

Ints = NDArray[np.int64]


def describe_classes(
    recipe: Recipe,
    classes: Sequence[str],
    *,
    priors: Sequence[float],
    confusion: Ints,
    reliability: Sequence[tuple[float, float, int]],
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the scientific part of a classifier's card: what the digest covers.

    Parameters
    ----------
    recipe : Recipe
        What was trained.
    classes : sequence of str
        Ids, in order of precedence.
    priors : sequence of float
        Share of land of each class.
    confusion : (C, C) int
        Out-of-fold counts of samples: rows the true class, columns the one assigned.
    reliability : sequence of (float, float, int)
        Mean greatest probability, share right and count, by tenth of it.
    data : mapping
        Where the samples come from, and what the classes mean; JSON-able.
    """
    plain = asdict(recipe)
    for name in ("features", "low", "high", "transform", "unit"):
        plain.pop(name)
    return {
        **data,
        "classes": list(classes),
        "priors": [round(share, 4) for share in priors],
        "features": [
            {
                "name": name,
                "formula": FEATURES[name].formula,
                "unit": FEATURES[name].unit,
                "source": FEATURES[name].source,
            }
            for name in recipe.features
        ],
        "recipe": {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()},
        "samples": int(confusion.sum()),
        "confusion": confusion.tolist(),
        "by_class": _by_class(confusion, classes, priors),
        "accuracy": round(_accuracy(confusion, priors), 4),
        "reliability": [
            {"probability": round(p, 4), "right": round(share, 4), "count": count}
            for p, share, count in reliability
        ],
    }


def _accuracy(confusion: Ints, priors: Sequence[float]) -> float:
    """Return the share of land that is right: samples weigh as their class's share."""
    return float(np.asarray(priors) @ (np.diag(confusion) / confusion.sum(axis=1)))


def _by_class(
    confusion: Ints, classes: Sequence[str], priors: Sequence[float]
) -> list[dict[str, Any]]:
    shares = np.asarray(priors)[:, None] * confusion / confusion.sum(axis=1)[:, None]
    mapped = shares.sum(axis=0)
    right = np.diag(shares)
    users = np.divide(right, mapped, out=np.zeros(len(classes)), where=mapped > 0)
    return [
        {
            "class": name,
            "samples": int(confusion[number].sum()),
            "producers_accuracy": round(float(right[number] / priors[number]), 4),
            "users_accuracy": round(float(users[number]), 4),
            "share_true": round(priors[number], 4),
            "share_mapped": round(float(mapped[number]), 4),
        }
        for number, name in enumerate(classes)
    ]


def render_class_card(card: Mapping[str, Any]) -> str:
    """Return a classifier's card as Markdown for people."""
    science = card["science"]
    return "\n".join(
        [
            *section_head(card),
            *_section_data(science),
            *section_features(science),
            *_section_method(science),
            *_section_results(science),
            *_section_reproduce(card),
        ]
    )


def _section_data(science: Mapping[str, Any]) -> Iterator[str]:
    source = science["source"]
    yield "## Data"
    yield ""
    yield f"{source['title']}. {source['citation']}"
    yield ""
    yield f"* Licence: {source['licence']}"
    yield f"* Samples used: {science['samples']} ({source['rows']})"
    yield f"* SHA-256 of the samples: `{source['sha256']}`"
    yield ""


def _section_method(science: Mapping[str, Any]) -> Iterator[str]:
    recipe = science["recipe"]
    hidden = " and ".join(str(width) for width in recipe["hidden"])
    yield "## Method"
    yield ""
    # Models made before several were averaged do not say how many.
    count = recipe.get("members", 1)
    several = (
        "Their probabilities are averaged (Lakshminarayanan et al. 2017): they differ "
        "by first weights and the order of samples. "
    )
    yield (
        f"{'One perceptron' if count == 1 else f'{count} perceptrons'} with hidden "
        f"layers of {hidden} rectified units and a logit "
        f"per class (Adam, rate {recipe['rate']}, L2 penalty {recipe['penalty']}, "
        f"batches of {recipe['batch']}, {recipe['epochs']} passes, seed "
        f"{recipe['seed']}); logits shifted from the samples' shares of classes to "
        f"those of land (Saerens et al. 2002). {'' if count == 1 else several}"
        f"Every probability is kept beside the map. {science['precedence']}"
    )
    yield ""
    yield f"**Folds.** {science['fold_rule']} {science['fold_limits']}"
    yield ""


def _section_results(science: Mapping[str, Any]) -> Iterator[str]:
    yield "## Right and wrong, out of fold"
    yield ""
    yield (
        f"Samples weighted by their class's share of land: {science['accuracy']:.1%} "
        "of land is given its class. Producer's accuracy: share of the true class "
        "that is mapped as such; user's: share of what is mapped as the class that is."
    )
    yield ""
    yield from markdown_table(
        ("class", "samples", "producer's", "user's", "share of land", "mapped"),
        [
            (
                row["class"],
                str(row["samples"]),
                f"{row['producers_accuracy']:.3f}",
                f"{row['users_accuracy']:.3f}",
                f"{row['share_true']:.3f}",
                f"{row['share_mapped']:.3f}",
            )
            for row in science["by_class"]
        ],
    )
    yield ""
    yield "Counts, rows the true class, columns the one assigned:"
    yield ""
    yield from markdown_table(
        ("", *science["classes"]),
        [
            (name, *(str(count) for count in row))
            for name, row in zip(science["classes"], science["confusion"], strict=True)
        ],
    )
    yield ""
    yield "Is the greatest probability what it says? By tenth of it:"
    yield ""
    yield from markdown_table(
        ("mean probability", "share right", "samples"),
        [
            (f"{row['probability']:.3f}", f"{row['right']:.3f}", str(row["count"]))
            for row in science["reliability"]
        ],
    )
    yield ""


def _section_reproduce(card: Mapping[str, Any]) -> Iterator[str]:
    run = card["run"]
    yield "## Make it again"
    yield ""
    yield f"    {run['command']}"
    yield ""
    same = "Seeded and single-threaded: the same environment gives the same digest."
    # Models made before it was measured do not say.
    if run.get("halves_alike") is not None:
        same += (
            " Where linear algebra rounds differently, every network may end "
            "elsewhere, at most as far off as with another start. Two halves of the "
            f"networks give {run['halves_alike']:.1%} of the land of the samples the "
            "same class; all together agree at least as well with what is learnt on "
            "another machine."
        )
    yield same
    yield ""
    yield f"* Made with: {versions_of(card)}"
    yield f"* Digest (weights and scientific part of `card.json`): `{card['digest']}`"
    yield ""

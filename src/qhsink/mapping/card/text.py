"""A card in words: Markdown made of its plain values.

What the values are is decided in ``qhsink.mapping.card.describe``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qhsink.mapping.card.classes import render_class_card
from qhsink.mapping.card.learning import section_learning
from qhsink.mapping.card.parts import section_features, section_head, versions_of
from qhsink.mapping.card.promises import section_promises
from qhsink.mapping.card.results import (
    grouping,
    section_errors,
    section_folds,
    section_interval,
    section_results,
)
from qhsink.mapping.card.settings import section_settings


def render_card(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown for people."""
    science, run = card["science"], card["run"]
    if "classes" in science:
        return render_class_card(card)
    return "\n".join(
        [
            *section_head(card),
            *section_promises(science, run["cpu_ms_per_mpx"]),
            *_section_data(science),
            *section_features(science),
            *_section_method(science),
            *section_settings(science),
            *section_results(science, run["cpu_ms_per_mpx"]),
            *section_folds(science),
            *section_errors(science),
            *section_interval(science),
            *section_learning(science),
            *_section_area(science),
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
    yield f"* Rows used: {science['samples']} ({source['rows']})"
    yield f"* SHA-256 of the table: `{source['sha256']}`"
    yield f"* Why this definition: {science['definition']['evidence']}"
    for doubt in source.get("doubts", ()):
        yield f"* **Doubtful:** {doubt}"
    yield ""


def _section_method(science: Mapping[str, Any]) -> Iterator[str]:
    recipe = science["recipe"]
    hidden = " and ".join(str(width) for width in recipe["hidden"])
    yield "## Method"
    yield ""
    yield (
        f"{recipe['members']} perceptrons with hidden layers of {hidden} rectified "
        f"units, each fitted on its own bootstrap sample of groups (Adam, rate "
        f"{recipe['rate']}, L2 penalty {recipe['penalty']}, batches of "
        f"{recipe['batch']}, {recipe['epochs']} passes, seed {recipe['seed']}). The "
        "estimate is their mean; their spread is the model's parameter error."
    )
    if science.get("smearing"):
        factors = science["smearing"]
        yield (
            "They learn log(1 + value). Each is turned back with its own smearing "
            f"factor (Duan 1983), {min(factors):.3f} to {max(factors):.3f}, so that "
            "means and totals are not too low."
        )
    yield ""
    yield f"**Folds.** {science['fold_rule']}"
    yield ""
    yield (
        f"**What the folds do not guard against.** {science['fold_limits']} The "
        "correlation of the target from one row to the next is "
        f"{science['row_autocorrelation']:+.3f}."
    )
    yield ""


def _section_area(science: Mapping[str, Any]) -> Iterator[str]:
    area = science.get("applicability")
    if area is None:
        return
    yield "## Area of applicability"
    yield ""
    yield (
        "Dissimilarity index after Meyer and Pebesma 2021: distance to the nearest "
        "training sample in standardised features, weighted by permutation importance "
        "(table above), over the mean distance between samples. "
        f"A pixel at or below {area['threshold']:.4f} is inside: upper quartile plus "
        "1.5 interquartile ranges of the samples' own dissimilarity to other folds "
        f"({grouping(science)}), which {area['training_inside']:.1%} of them meet. "
        "Inside, the scores above may be expected to hold for what the samples stand "
        "for; outside nothing is known. It compares spectra, not places: being inside "
        "does not make a pixel of another region part of the domain."
    )
    yield ""


def _section_reproduce(card: Mapping[str, Any]) -> Iterator[str]:
    science, run = card["science"], card["run"]
    yield "## Make it again"
    yield ""
    yield f"    {run['command']}"
    yield ""
    yield (
        "Seeded and single-threaded. In the same environment the same digest comes "
        "out; elsewhere, where linear algebra rounds differently, predictions agree "
        f"within {science['tolerance']:g} (a test retrains and compares)."
    )
    yield ""
    yield f"* Made with: {versions_of(card)}"
    covered = "weights and"
    if "applicability" in science:
        covered = "weights, area of applicability and"
    yield f"* Digest ({covered} scientific part of `card.json`): `{card['digest']}`"
    yield ""

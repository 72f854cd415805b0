"""What more samples would bring, and what the model looks at, in words.

Part of ``qhsink.mapping.card.text``. Their pictures, the histogram of dissimilarity,
and the variogram and map of residuals are in ``card.html``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qhsink.mapping.card.results import markdown_table


def section_learning(science: Mapping[str, Any]) -> Iterator[str]:
    """Yield the learning curve and the importance of features, where known."""
    curve = science.get("learning_curve")
    if curve:
        yield "## Learning curve"
        yield ""
        yield from markdown_table(
            ("samples learnt from", "R²", "RMSE"),
            [
                (f"{point['samples']:,}", f"{point['r2']:.3f}", f"{point['rmse']:.4g}")
                for point in curve
            ],
        )
        yield ""
        yield (
            "Out of fold, on the folds that decide, with four members. Where the error "
            "still falls from the last line but one to the last, more samples would "
            "help."
        )
        yield ""
    weights = science.get("applicability", {}).get("weights")
    if weights:
        yield "## Importance"
        yield ""
        ordered = sorted(weights.items(), key=lambda item: -item[1])
        yield from markdown_table(
            ("feature", "share of importance"),
            [(name, f"{share:.3f}") for name, share in ordered],
        )
        yield ""
        yield (
            "Growth of RMSE on the training data when a feature is shuffled "
            "(permutation importance), as shares of one: features that tell the same "
            "share theirs between them."
        )
        yield ""
        yield (
            "`card.html` shows these as pictures, with the dissimilarity of the "
            "samples (histogram) and, where places are known, map and variogram of "
            "residuals."
        )
        yield ""

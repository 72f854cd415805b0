"""Parts of a card in words that regressors and classifiers share.

What only one kind of model has is told in ``text`` and ``classes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qhsink.mapping.card.results import markdown_table


def section_head(card: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that say what the model is of, and for where."""
    science = card["science"]
    yield f"# {card['id']}"
    yield ""
    yield science["definition"]["en"]
    yield ""
    yield science["definition"]["zh"]
    yield ""
    yield f"**Domain.** {science['domain']}"
    yield ""


def section_features(science: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of what the model sees."""
    yield "## Features"
    yield ""
    yield from markdown_table(
        ("name", "formula", "unit", "source"),
        [tuple(feature.values()) for feature in science["features"]],
    )
    yield ""


def versions_of(card: Mapping[str, Any]) -> str:
    """Return the libraries that the model was made with, in one line."""
    return ", ".join(f"{name} {v}" for name, v in card["run"]["versions"].items())

"""How nested provenance and model cards are laid out. No markup here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from qhsink.reporting.digits import MISSING

Form = Literal["table", "texts", "matrix", "rows", "list", "inline", "scalar"]


def form_of(value: object) -> Form:
    """Return how a value is laid out.

    ``texts`` has a Chinese and an English wording; a ``matrix`` is a table with
    named rows, ``rows`` one without; ``inline`` fits on a line.
    """
    if isinstance(value, Mapping):
        return _form_of_mapping(value)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return "scalar"
    if all(isinstance(entry, Mapping) for entry in value):
        return "rows" if _alike(list(value)) else "list"
    plain = all(form_of(entry) == "scalar" for entry in value)
    return "inline" if plain else "list"


def scalar_text(value: object) -> str:
    """Return one value as a reader wants it; a dash where there is none."""
    if value is None or value in ({}, [], (), ""):
        return MISSING
    if isinstance(value, float) and not math.isfinite(value):
        return MISSING
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def card_scores(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of a card's own model on whole groups held out.

    Empty for a card that has none; ``accuracy`` alone for a model of classes.
    """
    found: Any = card.get("science", {})
    if isinstance(found, Mapping) and "accuracy" in found:
        return {"accuracy": found["accuracy"]}
    for name in ("validation", "runs", "models", "ensemble"):
        found = found.get(name, {}) if isinstance(found, Mapping) else {}
    return {name: found[name] for name in ("r2", "rmse", "bias") if name in found}


def _form_of_mapping(value: Mapping[Any, Any]) -> Form:
    if not value:
        return "scalar"
    if {"zh", "en"} <= set(value) and all(isinstance(v, str) for v in value.values()):
        return "texts"
    entries = list(value.values())
    named = len(entries) > 1 and all(isinstance(e, Mapping) and e for e in entries)
    return "matrix" if named and _alike(entries) else "table"


def _alike(entries: list[Mapping[Any, Any]]) -> bool:
    flat = all(form_of(v) == "scalar" for entry in entries for v in entry.values())
    return flat and len({tuple(entry) for entry in entries}) == 1

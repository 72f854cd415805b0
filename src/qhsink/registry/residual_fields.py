"""``models/residuals/``: how far totals of a target's map are off, by pair of models.

A record names the target's model and the ecosystem model, since the error of a total is
of both, and holds a residual field for each quantity that the ledger keeps of the
target. Fitting it is ``qhsink.steps.whole_residuals``'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhsink.domain.errors import ModelError
from qhsink.domain.residual_field import (
    ResidualField,
    describe_residual_field,
    residual_field_from,
)

FOLDER = "residuals"
FORMAT = 2
"""Version of a record's layout."""


@dataclass(frozen=True, slots=True)
class ResidualRecord:
    """Which record errors of totals rest on."""

    id: str
    """The target's model and the ecosystem model, as the file is named."""
    digest: str
    """SHA-256 of the file."""


def residual_record(
    models: Path, model_id: str, ecosystem_id: str
) -> ResidualRecord | None:
    """Return which record a pair of models has; None where it has none."""
    path = _path(models, model_id, ecosystem_id)
    if not path.is_file():
        return None
    return ResidualRecord(path.stem, hashlib.sha256(path.read_bytes()).hexdigest())


def save_residual_fields(
    models: Path,
    model_id: str,
    ecosystem_id: str,
    *,
    fields: Mapping[str, ResidualField],
    origin: Mapping[str, Any],
) -> Path:
    """Write the record of a pair of models below ``models`` and return its path.

    Parameters
    ----------
    fields : mapping
        Field by name of the quantity in the ledger, such as ``arbor_area``.
    origin : mapping
        What it was fitted to, JSON-able.
    """
    content = {
        "format": FORMAT,
        "model": model_id,
        "ecosystem": ecosystem_id,
        "origin": dict(origin),
        "fields": {n: describe_residual_field(field) for n, field in fields.items()},
    }
    path = _path(models, model_id, ecosystem_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}")
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
    return path


def load_residual_fields(
    models: Path, model_id: str, ecosystem_id: str
) -> Mapping[str, ResidualField]:
    """Return the fields of a pair of models by quantity; none where none is known.

    Raises
    ------
    ModelError
        When the record is damaged, or of other models.
    """
    path = _path(models, model_id, ecosystem_id)
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        named = (content["format"], content["model"], content["ecosystem"])
        fields = dict(content["fields"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__})",
            expected="a record as `qhsink models residuals` writes it",
            remedy="Make it again, or remove it: intervals then say what they lack.",
        ) from error
    if named != (FORMAT, model_id, ecosystem_id):
        raise ModelError(
            f"{path} of format {named[0]}, {named[1]} with {named[2]}",
            expected=f"format {FORMAT}, {model_id} with {ecosystem_id}",
            remedy="Make it again: qhsink models residuals.",
        )
    return {name: residual_field_from(table) for name, table in fields.items()}


def _path(models: Path, model_id: str, ecosystem_id: str) -> Path:
    return models / FOLDER / f"{model_id}+{ecosystem_id}.json"

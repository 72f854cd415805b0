"""``models/masks/``: second opinions on clouds, with card and digest, without pickle.

The folder of a regressor in small: weights, card, a digest over both, verified before
use. What the numbers mean belongs to ``qhsink.imagery.second_opinion``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.domain.scene import MaskKind
from qhsink.imagery.perceptron import Perceptron
from qhsink.imagery.second_opinion import ALONE, COMPARED, SecondOpinion
from qhsink.registry.files import damaged, digest_of, pack, read_arrays, read_bounded

OPINION_ID = re.compile(r"cloud-[0-9a-f]{8}")
WEIGHTS, CARD = "weights.npz", "card.json"
PART = ("center", "scale", "hidden", "hidden_bias", "output", "limits")
"""Arrays of a perceptron; ``limits`` are output bias, reject, rescue."""
COMPARED_ARRAYS = "compared_"
"""Prefix of the arrays of the perceptron that compares dates."""
FORMAT = 2
"""Version of the folder's layout."""

Arrays = Mapping[str, NDArray[np.float32]]


def save_opinion(
    folder: Path,
    kind: MaskKind,
    parts: Mapping[str, Arrays],
    *,
    science: Mapping[str, Any],
) -> str:
    """Write a second opinion below ``folder`` and return its id.

    Parameters
    ----------
    folder : Path
        ``models/masks/``.
    kind : {"scl", "qa_pixel"}
        Masks that it was trained on.
    parts : mapping
        ``alone`` and, where dates are compared, ``compared``: ``center``, ``scale``,
        ``hidden``, ``hidden_bias``, ``output`` and ``limits``.
    science : mapping
        What it learnt from and how it did, JSON-able; part of the digest.

    Raises
    ------
    ModelError
        When a damaged one stands in its place.
    """
    arrays = dict(parts["alone"])
    features = {"features": list(ALONE)}
    if "compared" in parts:
        arrays |= {COMPARED_ARRAYS + k: v for k, v in parts["compared"].items()}
        features["compared"] = list(COMPARED)
    full = {**science, "masks": kind, **features}
    digest = digest_of(arrays, {}, full)
    name = f"cloud-{digest[:8]}"
    if (folder / name).exists():
        return load_opinion(folder, name).id
    card = {"format": FORMAT, "id": name, "digest": digest, "science": full}
    aside = folder / f".{name}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        aside.mkdir(parents=True)
        (aside / WEIGHTS).write_bytes(pack(arrays))
        text = json.dumps(card, indent=1, ensure_ascii=False)
        (aside / CARD).write_text(text + "\n", encoding="utf-8")
        aside.rename(folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return name


def load_opinion(folder: Path, name: str) -> SecondOpinion:
    """Return the second opinion ``name`` below ``folder``, verified.

    Raises
    ------
    ModelError
        When there is none of that name, or its files are not those that its digest
        was taken of.
    """
    if not OPINION_ID.fullmatch(name) or not (folder / name / CARD).is_file():
        there = (
            sorted(p.name for p in folder.glob("cloud-*")) if folder.exists() else []
        )
        raise ModelError(
            f"no second opinion {name!r} in models/{folder.name}/ "
            f"(there: {', '.join(there) or 'none'})",
            expected="the exact id of one",
            remedy='Name one that is there as second_opinion in [masks], or none: "".',
        )
    arrays = read_arrays(folder / name, WEIGHTS)
    try:
        card = json.loads(read_bounded(folder / name / CARD).decode())
        science = card["science"]
        digest = digest_of(arrays, {}, science)
        same = card["digest"] == digest and digest.startswith(name.partition("-")[2])
        known = card["format"] == FORMAT and science["features"] == [*ALONE]
        compared = "compared" in science
        known &= science.get("compared", [*COMPARED]) == [*COMPARED]
        kind = _kind(science)
        alone = _part(arrays, "")
        other = _part(arrays, COMPARED_ARRAYS) if compared else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(name, f"{error!r}") from error
    if not (same and known):
        raise damaged(name, "digest, format or features differ")
    return SecondOpinion(id=name, alone=alone, kind=kind, compared=other)


def _kind(science: Mapping[str, Any]) -> MaskKind:
    """Return the masks that a card speaks of."""
    said = science["masks"]
    if said not in ("scl", "qa_pixel"):
        message = f"masks {said!r}"
        raise ValueError(message)
    return cast("MaskKind", said)


def _part(arrays: Arrays, prefix: str) -> Perceptron:
    found = {name: arrays[prefix + name] for name in PART}
    bias, reject, rescue = found.pop("limits").tolist()
    return Perceptron(**found, output_bias=bias, reject=reject, rescue=rescue)

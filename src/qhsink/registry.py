"""``models/``: regressors on disk, with card and digest, without pickle.

A model is a folder ``<target>-<first 8 digits of its digest>`` that never changes.
The digest covers the weights and the scientific part of the card, and is verified
before anything is used. What the numbers mean belongs to ``qhsink.mapping``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError, TableError
from qhsink.mapping.card import render_card
from qhsink.mapping.ensemble import Ensemble, Layer

WEIGHTS, CARD, CARD_TEXT = "weights.npz", "card.json", "card.md"
FORMAT = 1
"""Version of the folder's layout."""
MAX_BYTES = 2_000_000
"""Greatest size of a file of a model, and of its arrays unpacked."""
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError),
    *(MemoryError, NotImplementedError, RuntimeError, SyntaxError),
)
"""What numpy and zipfile raise on bytes that are no weights."""
MODEL_ID = re.compile(r"[a-z][a-z_]*-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A verified model."""

    id: str
    """Folder name, such as ``fvc-1a2b3c4d``."""
    digest: str
    """SHA-256 over weights and the scientific part of the card."""
    ensemble: Ensemble
    """The regressor."""
    card: Mapping[str, Any]
    """``science`` (covered by the digest), ``run``, ``id``, ``digest``, ``format``."""


def save_model(
    folder: Path,
    ensemble: Ensemble,
    card: Mapping[str, Any],
    *,
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """Write a model below ``folder`` and return its id.

    Complete or absent: written aside, then renamed. A model that is there already
    is verified and left as it is.

    Parameters
    ----------
    folder : Path
        ``models/``.
    ensemble : Ensemble
        The regressor.
    card : mapping
        ``science`` and ``run``, JSON-able.
    pictures : mapping of str to bytes, optional
        Further files, by name, that the card shows.

    Raises
    ------
    ModelError
        When a damaged model stands in its place.
    """
    arrays = _arrays_of(ensemble)
    science = {**card["science"], "model": _shape_of(ensemble)}
    digest = _digest(arrays, science)
    model_id = f"{ensemble.target}-{digest[:8]}"
    if (folder / model_id).exists():
        return load_model(folder, model_id).id
    full = {
        "format": FORMAT,
        "id": model_id,
        "digest": digest,
        "science": science,
        "run": dict(card["run"]),
    }
    aside = folder / f".{model_id}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        aside.mkdir(parents=True)
        (aside / WEIGHTS).write_bytes(_pack(arrays))
        text = json.dumps(full, indent=1, ensure_ascii=False)
        (aside / CARD).write_text(text + "\n", encoding="utf-8")
        (aside / CARD_TEXT).write_text(render_card(full), encoding="utf-8")
        for name, content in (pictures or {}).items():
            (aside / name).write_bytes(content)
        aside.rename(folder / model_id)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return model_id


def list_models(folder: Path) -> tuple[str, ...]:
    """Return the ids of the models below ``folder``; none is verified here."""
    if not folder.is_dir():
        return ()
    names = (path.name for path in folder.iterdir() if (path / CARD).is_file())
    return tuple(sorted(name for name in names if MODEL_ID.fullmatch(name)))


def load_model(models_dir: Path, model_id: str) -> Model:
    """Return the model ``model_id``, verified.

    Raises
    ------
    ModelError
        When there is none of that name, or when its files are missing, foreign,
        too large or not those that the digest was taken of.
    """
    if not MODEL_ID.fullmatch(model_id) or model_id not in list_models(models_dir):
        present = ", ".join(list_models(models_dir)) or "none"
        raise ModelError(
            f"no model {model_id!r} in {models_dir.name}/ (there: {present})",
            expected="the exact id of a model",
            remedy="Name one that is there under [models] in the configuration, "
            "or train one with `qhsink train fvc`.",
        )
    folder = models_dir / model_id
    card = _read_card(folder)
    arrays = _read_arrays(folder)
    digest = _digest(arrays, card["science"])
    if digest != card["digest"] or not digest.startswith(model_id.rpartition("-")[2]):
        raise _damaged(model_id, f"digest {digest[:8]}, not {card['digest'][:8]}")
    return Model(model_id, digest, _ensemble_of(model_id, arrays, card), card)


def check_model(models_dir: Path, model_id: str) -> Model:
    """Return the model, verified, and its card in words compared with the one in JSON.

    Raises
    ------
    ModelError
        As ``load_model``, or when ``card.md`` says something else than ``card.json``.
    """
    model = load_model(models_dir, model_id)
    text = _read_bounded(models_dir / model_id / CARD_TEXT)
    try:
        said = render_card(model.card).encode()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(model_id, f"{CARD}: {error!r}") from error
    if text != said:
        raise _damaged(model_id, f"{CARD_TEXT} differs from {CARD}")
    return model


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return ``columns`` of a CSV file (gzip or not) as floats.

    Raises
    ------
    TableError
        When the file or a column is missing, or a value is no finite number.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError, EOFError) as error:
        raise TableError(
            f"{path.name} cannot be read ({error})",
            expected="a CSV file",
            remedy="Name another with --table.",
        ) from error
    absent = [name for name in columns if name not in table]
    if absent:
        raise TableError(
            f"{path.name} without column {absent[0]!r}",
            expected=f"the columns {', '.join(columns)}",
            remedy="Add it, or rename the one that holds it.",
        )
    numbers: pd.DataFrame = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    bad = np.argwhere(~np.isfinite(numbers.to_numpy(np.float64)))
    if len(bad):
        row, column = bad[0]
        raise TableError(
            f"{path.name} row {row + 2}: {columns[column]} = "
            f"{table[columns[column]].iloc[row]!r}",
            expected="a finite number",
            remedy="Correct or remove the row.",
        )
    return numbers


def table_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _arrays_of(ensemble: Ensemble) -> dict[str, NDArray[np.float32]]:
    arrays = {"center": ensemble.center, "scale": ensemble.scale}
    for number, layer in enumerate(ensemble.layers):
        arrays[f"weights_{number}"] = layer.weights
        arrays[f"bias_{number}"] = layer.bias
    return arrays


def _shape_of(ensemble: Ensemble) -> dict[str, Any]:
    return {
        "kind": "perceptrons",
        "target": ensemble.target,
        "unit": ensemble.unit,
        "features": list(ensemble.features),
        "members": ensemble.members,
        "layers": len(ensemble.layers),
        "low": ensemble.low,
        "high": ensemble.high,
    }


def _digest(
    arrays: Mapping[str, NDArray[np.float32]], science: Mapping[str, Any]
) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name], "<f4")
        digest.update(f"{name} {values.shape}\n".encode())
        digest.update(values.tobytes())
    text = json.dumps(
        science, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    digest.update(text.encode())
    return digest.hexdigest()


def _pack(arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return the arrays as ``.npz``, byte for byte the same for the same arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            values = np.ascontiguousarray(arrays[name], "<f4")
            np.lib.format.write_array(part, values, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, part.getvalue())
    return out.getvalue()


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        text = _read_bounded(folder / CARD).decode()
        card = json.loads(text)
        known = card["format"] == FORMAT and isinstance(card["science"]["model"], dict)
        known = known and isinstance(card["digest"], str) and "run" in card
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(folder.name, f"{CARD}: {error!r}") from error
    if not known:
        raise _damaged(folder.name, f"{CARD} of another format")
    return dict(card)


def _read_arrays(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the arrays, sizes and types checked before any is unpacked."""
    content = io.BytesIO(_read_bounded(folder / WEIGHTS))
    try:
        with zipfile.ZipFile(content) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > MAX_BYTES:
                raise _damaged(folder.name, f"{WEIGHTS} unpacks to {unpacked} bytes")
        with np.load(content, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except UNREADABLE as error:
        raise _damaged(folder.name, f"{WEIGHTS}: {error}") from error
    for name, values in found.items():
        if values.dtype != np.float32 or not np.isfinite(values).all():
            raise _damaged(folder.name, f"{WEIGHTS}: {name} is not finite float32")
    return found


def _read_bounded(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _damaged(path.parent.name, f"{path.name} of {size} bytes")
        return path.read_bytes()
    except OSError as error:
        reason = f"{path.name}: {error.strerror}"
        raise _damaged(path.parent.name, reason) from error


def _ensemble_of(
    model_id: str, arrays: Mapping[str, NDArray[np.float32]], card: Mapping[str, Any]
) -> Ensemble:
    shape = card["science"]["model"]
    try:
        layers = tuple(
            Layer(arrays[f"weights_{number}"], arrays[f"bias_{number}"])
            for number in range(shape["layers"])
        )
        return Ensemble(
            target=shape["target"],
            unit=shape["unit"],
            features=tuple(shape["features"]),
            center=arrays["center"],
            scale=arrays["scale"],
            layers=layers,
            low=float(shape["low"]),
            high=float(shape["high"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(model_id, f"a part is missing: {error!r}") from error


def _damaged(model_id: str, reason: str) -> ModelError:
    return ModelError(
        f"model {model_id} is damaged or foreign ({reason})",
        expected="the files that its digest was taken of",
        remedy="Restore the folder from version control, or train it again with "
        "`qhsink train fvc`.",
    )

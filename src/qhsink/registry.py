"""``models/``: regressors on disk, with card and digest, without pickle.

A model is a folder ``<target>-<first 8 digits of its digest>`` that never changes.
The digest covers the weights, the area of applicability where there is one, and the
scientific part of the card, and is verified before anything is used. What the numbers
mean belongs to ``qhsink.mapping``.
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
from qhsink.mapping.applicability import Applicability
from qhsink.mapping.card import render_card
from qhsink.mapping.ensemble import Ensemble, Layer

WEIGHTS, CARD, CARD_TEXT = "weights.npz", "card.json", "card.md"
AREA = "applicability.npz"
"""Optional: the training side of the dissimilarity index, in double precision."""
AREA_ARRAYS = ("predictors", "center", "scale", "weights", "training")
"""Its arrays, named as in ``Applicability``; and ``limits``: distance, threshold."""
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
    """SHA-256 over weights, applicability and the scientific part of the card."""
    ensemble: Ensemble
    """The regressor."""
    card: Mapping[str, Any]
    """``science`` (covered by the digest), ``run``, ``id``, ``digest``, ``format``."""
    applicability: Applicability | None = None
    """Where the model may be applied; None when its folder does not say."""


def save_model(
    folder: Path,
    ensemble: Ensemble,
    card: Mapping[str, Any],
    *,
    applicability: Applicability | None = None,
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
    applicability : Applicability, optional
        Where the model may be applied.
    pictures : mapping of str to bytes, optional
        Further files, by name, that the card shows.

    Raises
    ------
    ModelError
        When a damaged model stands in its place.
    """
    arrays = _arrays_of(ensemble)
    science = {**card["science"], "model": _shape_of(ensemble)}
    area = _area_arrays(applicability) if applicability else {}
    digest = _digest(arrays, area, science)
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
        if area:
            (aside / AREA).write_bytes(_pack(area))
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
    arrays = _read_arrays(folder, WEIGHTS)
    area = {}
    if (folder / AREA).exists():
        area = _read_arrays(folder, AREA, np.float64)
    digest = _digest(arrays, area, card["science"])
    if digest != card["digest"] or not digest.startswith(model_id.rpartition("-")[2]):
        raise _damaged(model_id, f"digest {digest[:8]}, not {card['digest'][:8]}")
    ensemble = _ensemble_of(model_id, arrays, card)
    fitted = _area_of(model_id, area, ensemble) if area else None
    return Model(model_id, digest, ensemble, card, fitted)


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


def read_labels(path: Path, column: str, *, least: int = 5) -> NDArray[np.int64]:
    """Return a number for each distinct text in a column of a CSV file.

    Raises
    ------
    TableError
        When the column is missing or has gaps, or fewer than ``least`` groups: as
        many folds could not be made of them.
    """
    found, labels = "absent", None
    if column in pd.read_csv(path, nrows=0).columns:
        labels = pd.read_csv(path, usecols=[column], dtype=str)[column]
        found = f"{int(labels.isna().sum())} gaps and {labels.nunique()} groups"
    if labels is None or labels.isna().any() or labels.nunique() < least:
        raise TableError(
            f"{path.name} column {column!r}: {found}",
            expected=f"a label in every row, at least {least} different ones",
            remedy="Name another column with --group.",
        )
    return np.unique(labels.to_numpy(str), return_inverse=True)[1].astype(np.int64)


def table_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _arrays_of(ensemble: Ensemble) -> dict[str, NDArray[np.float32]]:
    arrays = {"center": ensemble.center, "scale": ensemble.scale}
    for number, layer in enumerate(ensemble.layers):
        arrays[f"weights_{number}"] = layer.weights
        arrays[f"bias_{number}"] = layer.bias
    return {name: np.asarray(values, np.float32) for name, values in arrays.items()}


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


def _area_arrays(fitted: Applicability) -> dict[str, NDArray[np.float64]]:
    arrays = {name: getattr(fitted, name) for name in AREA_ARRAYS}
    arrays["limits"] = [fitted.mean_distance, fitted.threshold]
    return {name: np.asarray(values, np.float64) for name, values in arrays.items()}


def _digest(
    arrays: Mapping[str, NDArray[Any]],
    area: Mapping[str, NDArray[Any]],
    science: Mapping[str, Any],
) -> str:
    """Return the digest; one of a model without an area is that of its other parts."""
    digest = hashlib.sha256()
    for part, prefix in ((arrays, ""), (area, f"{AREA}/")):
        for name in sorted(part):
            values = _little_endian(part[name])
            digest.update(f"{prefix}{name} {values.shape}\n".encode())
            digest.update(values.tobytes())
    text = json.dumps(
        science, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    digest.update(text.encode())
    return digest.hexdigest()


def _little_endian(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<"))


def _pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the arrays as ``.npz``, byte for byte the same for the same arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            values = _little_endian(arrays[name])
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


def _read_arrays(
    folder: Path, name: str, dtype: type[np.floating[Any]] = np.float32
) -> dict[str, NDArray[Any]]:
    """Return the arrays, sizes and types checked before any is unpacked."""
    content = io.BytesIO(_read_bounded(folder / name))
    try:
        with zipfile.ZipFile(content) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > MAX_BYTES:
                raise _damaged(folder.name, f"{name} unpacks to {unpacked} bytes")
        with np.load(content, allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in arrays.files}
    except UNREADABLE as error:
        raise _damaged(folder.name, f"{name}: {error}") from error
    for key, values in found.items():
        if values.dtype != dtype or not np.isfinite(values).all():
            kind = np.dtype(dtype).name
            raise _damaged(folder.name, f"{name}: {key} is not finite {kind}")
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


def _area_of(
    model_id: str, arrays: Mapping[str, NDArray[Any]], ensemble: Ensemble
) -> Applicability:
    try:
        known = {name: arrays[name] for name in AREA_ARRAYS}
        distance, threshold = arrays["limits"].tolist()
    except (KeyError, ValueError) as error:
        raise _damaged(model_id, f"{AREA}: {error!r}") from error
    width, count = len(ensemble.features), len(known["training"])
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(AREA_ARRAYS, (width,))
    shapes |= {"predictors": (count, width), "training": (count,)}
    if any(known[name].shape != shape for name, shape in shapes.items()):
        raise _damaged(model_id, f"{AREA} does not fit the model's features")
    return Applicability(**known, mean_distance=distance, threshold=threshold)


def _damaged(model_id: str, reason: str) -> ModelError:
    return ModelError(
        f"model {model_id} is damaged or foreign ({reason})",
        expected="the files that its digest was taken of",
        remedy="Restore the folder from version control, or train it again with "
        "`qhsink train fvc`.",
    )

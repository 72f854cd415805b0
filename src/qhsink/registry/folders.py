"""``models/``: regressors on disk, with card and digest, without pickle.

A model is a folder ``<target>-<first 8 digits of its digest>`` that never changes.
The digest covers the weights, the area of applicability where there is one, and the
scientific part of the card, and is verified before anything is used. What the numbers
mean belongs to ``qhsink.mapping``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.domain.reference import MEASURED
from qhsink.mapping.applicability import Applicability
from qhsink.mapping.card import interval_rule, render_card
from qhsink.mapping.ensemble import Ensemble, Layer
from qhsink.mapping.validation import IntervalRule
from qhsink.registry.files import (
    AREA,
    damaged,
    digest_of,
    pack,
    read_arrays,
    read_bounded,
)

WEIGHTS, CARD, CARD_TEXT = "weights.npz", "card.json", "card.md"
AREA_ARRAYS = ("predictors", "center", "scale", "weights", "training")
"""Its arrays, named as in ``Applicability``; and ``limits``: distance, threshold."""
FORMAT = 2
"""Version of the folder's layout. The first knew no transform and no smearing."""
READABLE = (1, FORMAT)
"""Versions that are loaded; cards of older ones are not compared with ``card.md``."""
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

    @property
    def interval(self) -> IntervalRule | None:
        """Prediction interval of a single plot: ``half_width(mean, spread)``.

        None for a model whose card has no such rule, as a classifier's.
        """
        science = self.card["science"]
        return interval_rule(science) if "interval" in science else None

    @property
    def simulated(self) -> bool:
        """Whether it learnt from simulated data: then its maps are simulated too."""
        return bool(self.card["science"].get("provenance") == "simulated")

    @property
    def of_predictions(self) -> bool:
        """Whether what it learnt from are themselves predictions, as GEDI's are."""
        return bool(self.card["science"].get("reference", MEASURED) != MEASURED)


def save_model(
    folder: Path,
    ensemble: Ensemble,
    card: Mapping[str, Any],
    *,
    applicability: Applicability | None = None,
    pictures: Mapping[str, bytes] | None = None,
    pages: Callable[[Mapping[str, Any]], Mapping[str, bytes]] | None = None,
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
    pages : callable, optional
        Told the full card, with id and digest; returns further files by name.

    Raises
    ------
    ModelError
        When a damaged model stands in its place.
    """
    arrays = _arrays_of(ensemble)
    science = {**card["science"], "model": _shape_of(ensemble)}
    area = _area_arrays(applicability) if applicability else {}
    digest = digest_of(arrays, area, science)
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
        (aside / WEIGHTS).write_bytes(pack(arrays))
        if area:
            (aside / AREA).write_bytes(pack(area))
        text = json.dumps(full, indent=1, ensure_ascii=False)
        (aside / CARD).write_text(text + "\n", encoding="utf-8")
        (aside / CARD_TEXT).write_text(render_card(full), encoding="utf-8")
        further = {**(pictures or {}), **(pages(full) if pages else {})}
        for name, content in further.items():
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
    arrays = read_arrays(folder, WEIGHTS)
    area = {}
    if (folder / AREA).exists():
        area = read_arrays(folder, AREA, np.float64)
    digest = digest_of(arrays, area, card["science"])
    if digest != card["digest"] or not digest.startswith(model_id.rpartition("-")[2]):
        raise damaged(model_id, f"digest {digest[:8]}, not {card['digest'][:8]}")
    ensemble = _ensemble_of(model_id, arrays, card)
    fitted = _area_of(model_id, area, ensemble) if area else None
    model = Model(model_id, digest, ensemble, card, fitted)
    _check_interval(model)
    return model


def check_model(models_dir: Path, model_id: str) -> Model:
    """Return the model, verified, and its card in words compared with the one in JSON.

    Raises
    ------
    ModelError
        As ``load_model``, or when ``card.md`` says something else than ``card.json``.
    """
    model = load_model(models_dir, model_id)
    if model.card["format"] != FORMAT:
        return model
    text = read_bounded(models_dir / model_id / CARD_TEXT)
    try:
        said = render_card(model.card).encode()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(model_id, f"{CARD}: {error!r}") from error
    if text != said:
        raise damaged(model_id, f"{CARD_TEXT} differs from {CARD}")
    return model


def _arrays_of(ensemble: Ensemble) -> dict[str, NDArray[np.float32]]:
    arrays = {"center": ensemble.center, "scale": ensemble.scale}
    for number, layer in enumerate(ensemble.layers):
        arrays[f"weights_{number}"] = layer.weights
        arrays[f"bias_{number}"] = layer.bias
    if ensemble.smearing is not None:
        arrays["smearing"] = ensemble.smearing
    return {name: np.asarray(values, np.float32) for name, values in arrays.items()}


def _shape_of(ensemble: Ensemble) -> dict[str, Any]:
    shape = {
        "kind": "perceptrons",
        "target": ensemble.target,
        "unit": ensemble.unit,
        "features": list(ensemble.features),
        "members": ensemble.members,
        "layers": len(ensemble.layers),
        "low": ensemble.low,
        "high": ensemble.high,
        "transform": ensemble.transform,
    }
    # Said of classifiers alone: digests of regressors cover the words above.
    return shape if ensemble.outputs == 1 else shape | {"outputs": ensemble.outputs}


def _area_arrays(fitted: Applicability) -> dict[str, NDArray[np.float64]]:
    arrays = {name: getattr(fitted, name) for name in AREA_ARRAYS}
    arrays["limits"] = [fitted.mean_distance, fitted.threshold]
    return {name: np.asarray(values, np.float64) for name, values in arrays.items()}


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        text = read_bounded(folder / CARD).decode()
        card = json.loads(text)
        known = card["format"] in READABLE and isinstance(
            card["science"]["model"], dict
        )
        known = known and isinstance(card["digest"], str) and "run" in card
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(folder.name, f"{CARD}: {error!r}") from error
    if not known:
        raise damaged(folder.name, f"{CARD} of another format")
    return dict(card)


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
            transform=shape.get("transform", "identity"),
            smearing=arrays.get("smearing"),
            outputs=int(shape.get("outputs", 1)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(model_id, f"a part is missing: {error!r}") from error


def _check_interval(model: Model) -> None:
    """Refuse a rule that no map could be made with: whole digests are no good sense."""
    try:
        rule = model.interval
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(model.id, f"{CARD}: interval rule: {error!r}") from error
    if rule is not None and not rule.is_usable:
        raise damaged(model.id, f"{CARD}: an interval rule that gives no width")


def _area_of(
    model_id: str, arrays: Mapping[str, NDArray[Any]], ensemble: Ensemble
) -> Applicability:
    try:
        known = {name: arrays[name] for name in AREA_ARRAYS}
        distance, threshold = arrays["limits"].tolist()
    except (KeyError, ValueError) as error:
        raise damaged(model_id, f"{AREA}: {error!r}") from error
    width, count = len(ensemble.features), len(known["training"])
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(AREA_ARRAYS, (width,))
    shapes |= {"predictors": (count, width), "training": (count,)}
    if any(known[name].shape != shape for name, shape in shapes.items()):
        raise damaged(model_id, f"{AREA} does not fit the model's features")
    return Applicability(**known, mean_distance=distance, threshold=threshold)

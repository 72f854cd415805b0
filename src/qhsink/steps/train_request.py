"""What a training is asked for, checked before anything is read."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhsink.config import load_model_targets
from qhsink.config.train_twin import load_twin_training
from qhsink.config.training import load_training_rules
from qhsink.domain.errors import BadInput
from qhsink.domain.model_target import ModelTarget
from qhsink.estimation.training_plots import Defaults, Shape
from qhsink.mapping.features import required_bands
from qhsink.mapping.training import Recipe

SHIPPED_TARGET = "fvc"
"""The target that has a table of real measurements in the project."""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """A training, in words that fit a command, a form or a schedule."""

    target: str
    """Id of a target in ``config/model_targets.toml``."""
    plots: str | None = None
    """Plot table: CSV, GeoPackage, GeoParquet or Parquet."""
    table: str | None = None
    """Ready table of reflectance and values, instead of plots."""
    twin: str | None = None
    """Folder of simulated worlds, instead of measurements."""
    value: str | None = None
    """Column of the measured value; the target's id when None."""
    group: str | None = None
    """Column whose rows stay in one fold."""
    source: str = "demo"
    """Name in ``config/sources.toml`` or path of a catalogue, for plots."""
    config: str | None = None
    """Run configuration; the source's own when None."""
    out: str | None = None
    """Folder of models; the project's when None."""
    members: int = 16
    """Members of the ensemble."""
    seed: int = 20250815
    """Seed of everything random."""
    epochs: int = 60
    """Passes over the data."""
    plot_m: float | None = None
    """Size of every plot [m], where the table does not say."""
    shape: Shape = "square"
    """Shape of every plot, where the table does not say."""
    position_sd_m: float | None = None
    """Error of recorded places along each axis [m], where the table does not say."""
    simulated: bool = False
    """Whether the measurements are simulated, though the table does not say so."""
    features: tuple[str, ...] | None = None
    """Features of the model; those of the configuration when None."""
    search: bool | None = None
    """Whether folds choose hidden layers and penalty; None: as config/training.toml
    says."""

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> TrainRequest:
        """Return the request that ``to_json`` wrote."""
        named = table.get("features")
        features = None if named is None else tuple(named)
        return cls(**{**table, "features": features})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return dataclasses.asdict(self)

    @property
    def defaults(self) -> Defaults:
        """What holds for every plot where the table does not say."""
        return Defaults(self.plot_m, self.shape, self.position_sd_m)

    @property
    def shipped(self) -> bool:
        """Whether the table is the one that comes with the project."""
        return self.plots is None and self.table is None and self.twin is None

    def command(self) -> str:
        """Return the command that asks for the same, files by their names alone."""
        words = ["qhsink", "train", self.target]
        plain = TrainRequest(self.target).to_json()
        for name, value in self.to_json().items():
            if name not in OPTIONS or (value == plain[name] and name not in _ALWAYS):
                continue
            if value is False:
                words.append(OPTIONS[name].replace("--", "--no-", 1))
                continue
            words.append(OPTIONS[name])
            if isinstance(value, tuple):
                words.append(",".join(value))
            elif value is not True:
                words.append(Path(value).name if name in _FILES else str(value))
        return shlex.join(words)


OPTIONS = {
    "plots": "--plots",
    "table": "--table",
    "twin": "--twin",
    "value": "--target",
    "group": "--group",
    "source": "--source",
    "config": "--config",
    "members": "--members",
    "seed": "--seed",
    "epochs": "--epochs",
    "plot_m": "--plot-size",
    "shape": "--plot-shape",
    "position_sd_m": "--position-error",
    "simulated": "--simulated",
    "features": "--features",
    "search": "--search",
}
"""The option that says each field that changes the model."""
_FILES = ("plots", "table", "twin", "config", "source")
_ALWAYS = ("members", "seed", "epochs")


def find_target(request: TrainRequest, project: Path) -> ModelTarget:
    """Return the target asked for.

    Raises
    ------
    BadInput
        When there is none of that name, or nothing to learn it from.
    """
    target = load_model_targets(project).get(request.target)
    named = [
        name
        for name in ("plots", "table", "twin")
        if getattr(request, name) is not None
    ]
    if len(named) > 1:
        raise BadInput(
            " and ".join(f"--{name}" for name in named) + " at once",
            expected="one of them",
            remedy="Give plots with places, a table with reflectance, or simulated "
            "worlds.",
        )
    if request.shipped and target.id != SHIPPED_TARGET:
        raise BadInput(
            f"nothing to train {target.id} on",
            expected=f"--plots, --table or --twin; only {SHIPPED_TARGET} has "
            "measurements in the project",
            remedy="Give your own plots: docs/training.md has the columns.",
        )
    return target


def features_of(request: TrainRequest, target: str, project: Path) -> tuple[str, ...]:
    """Return the features that a model is trained with.

    Those named for this training; else of ``config/train_twin.toml`` on simulated
    worlds; else of ``config/training.toml``; else those of the shipped model.

    Raises
    ------
    ModelError
        When one is not declared.
    """
    named = request.features
    if named is None and request.twin is not None:
        named = load_twin_training().features_of(target)
    if named is None:
        named = load_training_rules(project).features.get(target)
    chosen = named or Recipe().features
    required_bands(chosen)
    return chosen


def recipe_of(
    request: TrainRequest,
    target: ModelTarget,
    *,
    samples: int,
    features: tuple[str, ...],
) -> Recipe:
    """Return the recipe for so many samples."""
    plain = Recipe()
    return Recipe(
        features=features,
        target=target.id,
        unit=target.unit,
        low=target.low,
        high=target.high,
        transform=target.transform,
        members=request.members,
        epochs=request.epochs,
        seed=request.seed,
        # Five samples and more to a spectral cluster.
        clusters=min(plain.clusters, max(plain.folds, samples // 5)),
    )

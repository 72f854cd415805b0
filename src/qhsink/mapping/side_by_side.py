"""Two models side by side: what differs in data and recipe, and what came of it.

Works on cards as plain values and on ensembles; reading them is ``qhsink.registry``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError
from qhsink.mapping.ensemble import Ensemble, predict_members
from qhsink.mapping.training import ENSEMBLE


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that two models are compared in."""

    name: str
    """What it is."""
    first: str
    """Of the first model, in words."""
    second: str
    """Of the second model."""

    @property
    def differs(self) -> bool:
        """Whether the two say different things."""
        return self.first != self.second


def compare_cards(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> tuple[Line, ...]:
    """Return what the ``science`` parts of two cards say, line by line.

    Raises
    ------
    ModelError
        When the two predict different things.
    """
    targets = [(s["model"]["target"], s["model"]["unit"]) for s in (first, second)]
    if targets[0] != targets[1]:
        raise ModelError(
            " and ".join(f"a model of {name} [{unit}]" for name, unit in targets),
            expected="two models of the same target and unit",
            remedy="Compare models that could replace each other.",
        )
    told = [_told(science) for science in (first, second)]
    names = dict.fromkeys([*told[0], *told[1]])
    return tuple(
        Line(name, told[0].get(name, "-"), told[1].get(name, "-")) for name in names
    )


def comparable(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether the cross-validations judged the same samples by the same folds.

    If not, their scores are not to be set against each other.
    """
    keys = ("folds", "run_length", "clusters", "seed")
    same = [first["source"]["sha256"] == second["source"]["sha256"]]
    same += [first["recipe"].get(key) == second["recipe"].get(key) for key in keys]
    same += [first.get("grouping") == second.get("grouping")]
    return all(same)


@dataclass(frozen=True, slots=True)
class Gap:
    """How far apart two models' predictions are, in the target's unit."""

    count: int
    """Samples that both predicted."""
    mean: float
    """Mean of second minus first."""
    rms: float
    """Root mean squared difference."""
    most: float
    """Greatest absolute difference."""


def prediction_gap(
    first: Ensemble, second: Ensemble, predictors: NDArray[np.float64]
) -> Gap:
    """Return how far apart two models of the same features are on (n, F) samples.

    Raises
    ------
    ModelError
        When their features differ.
    """
    if first.features != second.features:
        raise ModelError(
            f"features {', '.join(first.features)} and {', '.join(second.features)}",
            expected="the same features in the same order",
            remedy="Compare their cards alone.",
        )
    x = predictors.astype(np.float32)
    one, other = (predict_members(e, x).mean(axis=1) for e in (first, second))
    apart = np.asarray(other - one, np.float64)
    return Gap(
        count=len(apart),
        mean=float(apart.mean()),
        rms=float(np.sqrt(np.square(apart).mean())),
        most=float(np.abs(apart).max()),
    )


def _told(science: Mapping[str, Any]) -> dict[str, str]:
    recipe = science["recipe"]
    told = {
        "groups": science.get("grouping", "runs of rows"),
        "data": science["source"]["title"],
        "table SHA-256": science["source"]["sha256"][:12],
        "samples": str(science["samples"]),
        "features": ", ".join(entry["name"] for entry in science["features"]),
        **{name: str(value) for name, value in recipe.items()},
    }
    if "classes" in science:
        return told | _told_of_classes(science)
    for kind, title in (("runs", "groups"), ("clusters", "spectral clusters")):
        part = science["validation"][kind]
        row = part["models"][ENSEMBLE]
        for name, text in (("r2", "R2"), ("rmse", "RMSE"), ("bias", "bias")):
            told[f"{text}, {title}"] = f"{row[name]:.4f}"
        told[f"interval coverage, {title}"] = f"{part['interval_coverage']:.4f}"
    area = science.get("applicability")
    if area is not None:
        told["dissimilarity threshold"] = f"{area['threshold']:.4f}"
    return told


def _told_of_classes(science: Mapping[str, Any]) -> dict[str, str]:
    told = {
        "classes": ", ".join(science["classes"]),
        "share of land right": f"{science['accuracy']:.4f}",
    }
    for row in science["by_class"]:
        name = row["class"]
        told[f"producer's accuracy, {name}"] = f"{row['producers_accuracy']:.4f}"
        told[f"user's accuracy, {name}"] = f"{row['users_accuracy']:.4f}"
    return told

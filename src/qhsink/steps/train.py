"""A training from request to model folder: samples, evidence, card, page.

Seeded: the same request, inputs and environment give the same digest. Composes only;
fitting and judging are ``qhsink.mapping``'s, pages ``qhsink.reporting``'s.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from qhsink.config import Settings
from qhsink.config.training import load_training_rules
from qhsink.domain.errors import BadInput
from qhsink.domain.estimate import Provenance
from qhsink.domain.model_target import ModelTarget
from qhsink.mapping.card import (
    describe_training,
    draw_validation,
    measured_cost,
    render_card,
)
from qhsink.mapping.features import locate_bands
from qhsink.mapping.learning import LearningPoint, learning_curve
from qhsink.mapping.residual_variogram import LEAST_POINTS, empirical_variogram
from qhsink.mapping.training import ENSEMBLE, Samples, Trained, train
from qhsink.registry import save_model
from qhsink.reporting.model_card import TargetWords, render_model_page
from qhsink.reporting.model_figures import ModelEvidence, draw_evidence
from qhsink.reporting.wording import Words
from qhsink.steps.train_plots import check_plots, plot_data
from qhsink.steps.train_request import (
    SHIPPED_TARGET,
    TrainRequest,
    features_of,
    find_target,
    recipe_of,
)
from qhsink.steps.train_tables import (
    BANDS,
    TRANSECT_COLUMN,
    TrainingData,
    shipped_data,
    table_data,
)
from qhsink.steps.train_twin import twin_data

Report = Callable[[str], None]

PAGE = "card.html"
"""File of the page in a model's folder."""


@dataclass(frozen=True, slots=True)
class MadeModel:
    """A model that was trained and written."""

    id: str
    """Its id."""
    folder: Path
    """Its folder."""
    scores: Mapping[str, tuple[float, float]]
    """R2 and RMSE over held-out groups, by model compared."""
    provenance: Provenance
    """Whether it learnt from simulated data."""


def gather(
    request: TrainRequest, settings: Settings, *, report: Report
) -> TrainingData:
    """Return what is learnt from; features of plots are kept in the store.

    Raises
    ------
    BadInput
        When the request, the table or the source cannot be used.
    Refusal
        When too few plots have features.
    """
    target = find_target(request, settings.project)
    features = features_of(request, target.id, settings.project)
    make_writable(models_folder(request, settings))
    provenance: Provenance = "simulated" if request.simulated else "observed"
    if request.plots is not None:
        checked = check_plots(request, target, settings)
        _tell_doubts(checked.doubts, report)
        report(f"reading what lies above {len(checked.plots.dates)} plots")
        data = plot_data(request, target, checked, settings, features=features)
        report(f"plots used: {data.told['source']['rows']}")
        return data
    if request.twin is not None:
        return twin_data(
            target,
            Path(request.twin),
            settings,
            features=features,
            seed=request.seed,
            report=report,
        )
    if request.table is None:
        locate_bands(features, BANDS)
        return shipped_data(settings.project / "models")
    # Tables like the shipped one name green cover as it does.
    usual = TRANSECT_COLUMN if target.id == SHIPPED_TARGET else target.id
    data = table_data(
        Path(request.table),
        target,
        column=request.value or usual,
        group=request.group,
        features=features,
        provenance=provenance,
    )
    _tell_doubts(data.doubts, report)
    return data


def run_training(
    request: TrainRequest, settings: Settings, *, report: Report
) -> MadeModel:
    """Train, validate and write a model with its card; return it.

    Parameters
    ----------
    request : TrainRequest
        What is asked for.
    settings : Settings
        Places and threads.
    report : callable
        Told in words what is being done.

    Raises
    ------
    BadInput
        When the request, the table, the source or the folder cannot be used.
    Refusal
        When too few plots have features.
    """
    target = find_target(request, settings.project)
    data = gather(request, settings, report=report)
    recipe = recipe_of(
        request,
        target,
        samples=len(data.samples.target),
        features=features_of(request, target.id, settings.project),
    )
    rules = load_training_rules(settings.project)
    wanted = rules.search if request.search is None else request.search
    trained = train(
        data.samples, recipe, report=report, search=rules if wanted else None
    )
    report("learning curve")
    curve = learning_curve(data.samples, trained.recipe, trained.runs.folds)
    science = describe_training(trained, data.samples, data=data.told)
    science["learning_curve"] = [_rounded(asdict(point)) for point in curve]
    run = {
        "cpu_ms_per_mpx": measured_cost(trained),
        "versions": versions(),
        "command": request.command(),
    }
    provenance: Provenance = data.told.get("provenance", "observed")
    folder = models_folder(request, settings)
    observed, predicted = data.samples.target, trained.runs.predictions[ENSEMBLE]
    pictures = draw_evidence(_evidence(trained, data.samples, curve, provenance))

    def pages(card: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the files that show the finished card."""
        page = render_model_page(card, render_card(card), pictures, _words(target))
        picture = draw_validation(observed, predicted)
        return {PAGE: page.encode(), "validation.png": picture}

    model_id = save_model(
        folder,
        trained.ensemble,
        {"science": science, "run": run},
        applicability=trained.applicability,
        pages=pages,
    )
    scores = {
        name: (row["r2"], row["rmse"])
        for name, row in science["validation"]["runs"]["models"].items()
    }
    return MadeModel(model_id, folder / model_id, scores, provenance)


def models_folder(request: TrainRequest, settings: Settings) -> Path:
    """Return the folder that models are written to."""
    return Path(request.out) if request.out else settings.project / "models"


def make_writable(folder: Path) -> None:
    """Make the folder now: an unwritable one is not found after minutes of work.

    Raises
    ------
    BadInput
        When it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise BadInput(
            f"{folder} cannot be written to",
            expected="a folder for models",
            remedy="Name another with --out.",
        )


def _tell_doubts(doubts: tuple[str, ...], report: Report) -> None:
    for doubt in doubts:
        report(f"Look at this: {doubt}.")


def _words(target: ModelTarget) -> TargetWords:
    return TargetWords(Words(target.name_zh, target.name_en), target.unit)


def _rounded(table: Mapping[str, float]) -> dict[str, float]:
    """Four decimals: what can be reproduced where linear algebra rounds otherwise."""
    return {key: round(value, 4) for key, value in table.items()}


def _evidence(
    trained: Trained,
    samples: Samples,
    curve: tuple[LearningPoint, ...],
    provenance: Provenance,
) -> ModelEvidence:
    predicted = trained.runs.predictions[ENSEMBLE]
    area, points = trained.applicability, samples.points
    variogram = None
    if points is not None and len(points) >= LEAST_POINTS:
        found = empirical_variogram(
            points[:, 0], points[:, 1], samples.target - predicted
        )
        variogram = found.lag_m, found.gamma
    weights = np.asarray(area.weights).tolist()
    return ModelEvidence(
        observed=samples.target,
        predicted=predicted,
        unit=trained.recipe.unit,
        importance=dict(zip(trained.recipe.features, weights, strict=True)),
        dissimilarity=area.training,
        threshold=area.threshold,
        curve=tuple((point.samples, point.rmse) for point in curve),
        points=points,
        variogram=variogram,
        simulated=provenance == "simulated",
    )


def versions() -> dict[str, str]:
    """Return the versions that a card states.

    With the kernel of linear algebra, which decides how sums are rounded.
    """
    packages = ("qhsink", "numpy", "scipy", "scikit-learn")
    known = {name: version(name) for name in packages}
    kernels = {
        entry["internal_api"]: entry["architecture"]
        for entry in threadpoolctl.threadpool_info()
        if "architecture" in entry
    }
    return {"python": platform.python_version(), **known, **kernels}

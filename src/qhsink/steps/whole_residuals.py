"""Fit how far totals of the targets' maps are off, on worlds that no model saw.

Both models of a pair speak as in a run: the classifier gives the land, the regressor
the value. Each world is then left out of the fit once, and what it says of a field
fitted to the others is kept with it in ``models/residuals``, for ``target_estimates``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qhsink.config import RunConfig, Settings
from qhsink.config.residual_fields import load_residual_worlds
from qhsink.config.train_twin import load_twin_training
from qhsink.domain.errors import BadInput
from qhsink.domain.model_target import ModelTarget
from qhsink.domain.residual_field import LeftOutErrors, ResidualField
from qhsink.estimation.left_out import inflation_of_errors
from qhsink.mapping.ecosystem import choose_class, class_probabilities
from qhsink.mapping.ensemble import predict_members
from qhsink.mapping.error_squares import ErrorSquares, error_squares
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.residual_field import fit_residual_field
from qhsink.registry import Model
from qhsink.registry.residual_fields import save_residual_fields
from qhsink.steps.square_groups import GROUPS, GroupErrors, group_errors
from qhsink.steps.target_models import TargetModels, load_target_models
from qhsink.steps.twin_pixels import Report, TwinPixels, read_layouts

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class WholeQuantity:
    """One quantity of the ledger on n pixels of land: what is mapped, what is true."""

    name: str
    """Its name in the ledger: the target's, or the area's."""
    members: Doubles
    """(n, K) by member; zero on land of other ecosystems."""
    truth: Doubles
    """(n,) zero on land of other ecosystems."""


def fit_whole_residuals(
    config: RunConfig, folder: Path, settings: Settings, *, report: Report
) -> tuple[Path, ...]:
    """Fit and write the residual fields of every target of a configuration.

    Parameters
    ----------
    config : RunConfig
        Names the models.
    folder : Path
        Where the archives of the worlds lie; those not there are built.
    settings : Settings
        Store and threads.
    report : callable
        Told in words what is being done.

    Raises
    ------
    BadInput
        When the configuration maps no further target.
    """
    models = load_target_models(config, settings.project)
    if models is None:
        raise BadInput(
            "a configuration without further targets",
            expected="an ecosystem model, a target's model and an indicator of it",
            remedy="Name one such as config/demo-targets.toml.",
        )
    worlds = load_residual_worlds()
    spec = load_twin_training()
    pixels = read_layouts(worlds.to_fit(spec), folder, settings=settings, report=report)
    mapped = mapped_ecosystems(pixels, models)
    made = []
    for name, model in models.models.items():
        report(f"{name}: residuals of {len(pixels.x)} pixels")
        fields = {
            whole.name: fit_and_leave_out(
                squares_of(pixels, whole), square_m=spec.square_m
            )
            for whole in whole_quantities(pixels, mapped, models.table.get(name), model)
        }
        made.append(
            save_residual_fields(
                settings.project / "models",
                model.id,
                models.ecosystem.id,
                fields=fields,
                origin={
                    "provenance": "simulated",
                    "worlds": list(worlds.fitted),
                    "landscapes": list(worlds.landscape_fit_seeds),
                    "landscape_m": worlds.landscape_m,
                    "squares": worlds.squares,
                    "square_m": spec.square_m,
                    "pixels": len(pixels.x),
                },
            )
        )
    return tuple(made)


def mapped_ecosystems(pixels: TwinPixels, models: TargetModels) -> NDArray[np.str_]:
    """Return the ecosystem that the classifier gives each pixel, shape (n,)."""
    model = models.ecosystem
    features = feature_matrix(pixels.layers, model.ensemble.features)
    classes = np.array(model.card["science"]["classes"])
    logits = predict_members(model.ensemble, features)
    probability = class_probabilities(logits, classes=len(classes))
    chosen = choose_class(probability, range(len(classes)), tie=models.table.tie)
    return np.asarray(classes[chosen])


def whole_quantities(
    pixels: TwinPixels, mapped: NDArray[np.str_], target: ModelTarget, model: Model
) -> Iterator[WholeQuantity]:
    """Yield a target's quantity on all land, and the area made of it."""
    spoken = np.flatnonzero(np.isin(mapped, target.ecosystems))
    features = feature_matrix(pixels.take(spoken).layers, model.ensemble.features)
    members = np.zeros((len(mapped), model.ensemble.members))
    members[spoken] = predict_members(model.ensemble, features)
    own = np.isin(pixels.ecosystem, target.ecosystems)
    truth = np.where(own, pixels.truth[target.id], 0.0)
    yield WholeQuantity(target.id, members, truth)
    if target.area_from is not None:
        yield WholeQuantity(
            target.area_id,
            (members >= target.area_from).astype(np.float64),
            (truth >= target.area_from).astype(np.float64),
        )


def squares_of(pixels: TwinPixels, whole: WholeQuantity) -> ErrorSquares:
    """Return the squares of unseen worlds with the errors of a quantity."""
    return error_squares(
        pixels.x,
        pixels.y,
        whole.members,
        whole.truth,
        square=pixels.square,
        world=pixels.seed,
    )


def fit_and_leave_out(found: ErrorSquares, *, square_m: float) -> ResidualField:
    """Return the field fitted to all worlds, scaled by each left out in turn.

    Notes
    -----
    The field that foretells a world never saw it, and has one world less than the one
    that is kept: errors are judged a little more severely than they need be. A size
    whose regions are worth no fewer squares than those of the next one adds nothing.
    """
    field = fit_residual_field(found, square_m=square_m)
    tried = [
        (world, fit_residual_field(found.take(found.world != world), square_m=square_m))
        for world in np.unique(found.world)
    ]
    kept: list[LeftOutErrors] = []
    for size in reversed(GROUPS):
        one = _left_out(
            [
                group_errors(found.take(found.world == world), others, size)
                for world, others in tried
            ]
        )
        if not kept or one.squares < kept[0].squares:
            kept.insert(0, one)
    return replace(field, left_out=tuple(kept))


def _left_out(groups: Sequence[GroupErrors]) -> LeftOutErrors:
    """Return what regions of a size, of all worlds, say of the fields of the others."""
    found = inflation_of_errors(
        np.concatenate([one.error for one in groups]),
        foreseen=np.concatenate([one.foreseen for one in groups]),
        members=np.concatenate([one.members for one in groups]),
        world=np.concatenate([one.world for one in groups]),
    )
    worth = float(np.median(np.concatenate([one.worth for one in groups])))
    return LeftOutErrors(worth, found.factor, found.df)

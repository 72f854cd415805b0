"""``qhsink models``: look at the regressors in models/, verified."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import click

from qhsink.cli.calibrate import calibrate
from qhsink.cli.groups import PurposeGroup, examples

if TYPE_CHECKING:
    from qhsink.registry import Model

COLUMN = 42
"""Width of a column in a comparison [characters]."""


@click.group(cls=PurposeGroup)
def models() -> None:
    """List, show and verify the regressors in models/; calibrate their maps."""


models.add_command(calibrate)
_folder = click.option(
    "--models-dir", type=click.Path(path_type=Path), help="Default: models/."
)


@models.command("list")
@_folder
def list_command(models_dir: Path | None) -> None:
    """List every model, verified, with its scores."""
    from qhsink.registry import list_models, load_model

    folder = models_dir or _models_dir()
    for model_id in list_models(folder):
        _show_line(load_model(folder, model_id))


@models.command("show", epilog=examples("qhsink models show fvc-959654f7"))
@click.argument("model_id", metavar="ID")
@_folder
def show_command(model_id: str, models_dir: Path | None) -> None:
    """Print the card of a model."""
    from qhsink.mapping.card import render_card
    from qhsink.registry import check_model

    click.echo(render_card(check_model(models_dir or _models_dir(), model_id).card))


@models.command("features")
def features_command() -> None:
    """List what a model may read: name, unit, layers, formula and source."""
    from qhsink.mapping.features import FEATURES
    from qhsink.mapping.layers import groups_of

    for feature in FEATURES.values():
        beyond = ", ".join(groups_of(feature.bands)) or "six bands"
        click.echo(
            f"{feature.name:12s} {feature.unit:7s} {beyond:10s} {feature.formula}"
        )
        click.echo(f"{'':31s} {feature.source}")


@models.command("check")
@click.argument("model_id", metavar="ID")
@_folder
def check_command(model_id: str, models_dir: Path | None) -> None:
    """Verify digest and card of a model, without training."""
    from qhsink.registry import check_model

    show_checked(check_model(models_dir or _models_dir(), model_id))


@models.command("reword")
@click.argument("model_ids", metavar="[ID]...", nargs=-1)
@_folder
def reword_command(model_ids: tuple[str, ...], models_dir: Path | None) -> None:
    """Write the words of cards again after the wording changed; numbers stay.

    Without ID, those of every model.
    """
    from qhsink.config import project_dir
    from qhsink.registry import list_models
    from qhsink.steps.reword import reword_model

    folder = models_dir or _models_dir()
    for model_id in model_ids or list_models(folder):
        changed = reword_model(folder, model_id, project=project_dir())
        click.echo(f"{model_id}: {', '.join(changed) or 'words as before'}")


@models.command(
    "compare", epilog=examples("qhsink models compare fvc-959654f7 fvc-0a1b2c3d")
)
@click.argument("first_id", metavar="A")
@click.argument("second_id", metavar="B")
@_folder
def compare_command(first_id: str, second_id: str, models_dir: Path | None) -> None:
    """Set two models of one target side by side; * marks what differs."""
    from qhsink.mapping.side_by_side import comparable, compare_cards, prediction_gap
    from qhsink.registry import load_model

    folder = models_dir or _models_dir()
    first, second = (load_model(folder, name) for name in (first_id, second_id))
    one, other = first.card["science"], second.card["science"]
    click.echo(f"  {'':38s} {first.id:{COLUMN}s} {second.id}")
    for line in compare_cards(one, other):
        mark = "*" if line.differs else " "
        one_side, other_side = (
            shorten(text, COLUMN, placeholder="...")
            for text in (line.first, line.second)
        )
        click.echo(f"{mark} {line.name:38s} {one_side:{COLUMN}s} {other_side}")
    if not comparable(one, other):
        click.echo(
            "The scores are of other samples or other folds: they do not say which "
            "of the two is better."
        )
    area = first.applicability or second.applicability
    if area is not None and first.ensemble.features == second.ensemble.features:
        gap = prediction_gap(first.ensemble, second.ensemble, area.predictors)
        click.echo(
            f"B - A on {gap.count} training samples: mean {gap.mean:+.4f}, "
            f"RMS {gap.rms:.4f}, at most {gap.most:.4f}"
        )


@models.command(
    "residuals", epilog=examples("qhsink models residuals --twin work/twin/train")
)
@click.option(
    "--twin",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Simulated worlds (config/train_twin.toml), built in DIR where absent.",
)
@click.option(
    "--config",
    "config_path",
    default="demo-targets.toml",
    show_default=True,
    metavar="FILE",
    help="Run configuration that names the models.",
)
@click.option("--store", type=click.Path(path_type=Path), help="Artifact store.")
@click.option("--workers", default=2, show_default=True, help="Blocks read at once.")
def residuals_command(
    *, twin: Path, config_path: str, store: Path | None, workers: int
) -> None:
    """Fit how far totals of the targets' maps are off, on worlds no model saw."""
    from qhsink.config import load_run_config, load_settings
    from qhsink.steps.whole_residuals import fit_whole_residuals

    settings = load_settings(store=store, workers=workers)
    named = settings.project / "config" / config_path
    config = load_run_config(named if named.is_file() else Path(config_path))
    for path in fit_whole_residuals(config, twin, settings, report=click.echo):
        click.echo(path)


def _models_dir() -> Path:
    from qhsink.config import project_dir

    return project_dir() / "models"


def _show_line(model: Model) -> None:
    from qhsink.mapping.training import ENSEMBLE

    science = model.card["science"]
    mark = "  [simulated]" if model.simulated else ""
    if "classes" in science:
        click.echo(
            f"{model.id}  {len(science['classes'])} classes  "
            f"accuracy {science['accuracy']:.3f}{mark}"
        )
        return
    row = science["validation"]["runs"]["models"][ENSEMBLE]
    click.echo(
        f"{model.id}  {model.ensemble.members} members  "
        f"R2 {row['r2']:.3f}  RMSE {row['rmse']:.4f}{mark}"
    )


def show_checked(model: Model) -> None:
    """Say that a model is whole."""
    click.echo(f"{model.id}: whole; digest {model.digest}")

"""``qhsink train`` and ``qhsink models``: make regressors, and look at those there."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qhsink.mapping.training import Recipe, Samples
    from qhsink.registry import Model

TABLE = Path("training") / "fractionalcover3_transects.csv.gz"
"""The shipped table of transects, below ``models/``."""
BANDS = ("green", "red", "nir", "swir16", "swir22")

DEFINITION = {
    "en": "Green fractional vegetation cover (FVC): the share of ground covered by "
    "photosynthetic vegetation seen from above, woody and herbaceous layers together, "
    "0 to 1 (column pv). Dry standing plants and litter do not count. It is not the "
    "plot-based comprehensive vegetation cover of grassland.",
    "zh": "绿色植被覆盖度（FVC）：从上方垂直观测，光合植被（乔、灌、草各层合计）"
    "覆盖地面的比例，取值 0 至 1（字段 pv）。立枯物与凋落物不计入。"
    "本指标不同于以样地调查为准的草原综合植被盖度。",
}
FOLDS = (
    "Five folds of whole groups, dealt at random. Group: 20 consecutive rows, the only "
    "trace of sampling order, since the table has no coordinates, dates or site "
    "identifiers. Beside it, as a harder test: 60 k-means clusters of log reflectance, "
    "each held out whole, so that repeat visits of one site, which look alike, are on "
    "one side."
)
TRANSECTS: dict[str, Any] = {
    "definition": DEFINITION
    | {
        "evidence": "pv already includes persistent (woody) green, pg: pv + npv + bare "
        "is 1 within 0.01 in 3,935 of 3,937 rows, pg exceeds pv in none and equals it "
        "in 339. The package's own fit uses pv, npv and bare alone and notes that "
        "cryptogams are merged into them."
    },
    "domain": "Australian rangelands, woodlands and crops, 1997 to 2018, under Landsat "
    "5, 7 and 8. No transect lies on the Qinghai-Tibet Plateau: alpine meadow and "
    "steppe, frozen and saline soils and steep slopes are outside the data, and "
    "Sentinel-2 bands differ slightly from Landsat's. The scores below are not known "
    "to hold on the plateau until plots from there say so.",
    "fold_rule": FOLDS + " Settings were chosen on other deals of the first kind.",
    "fold_limits": "The rows show no order (the next is as unlike as any other), so "
    "runs of rows act almost as a random split: repeat visits and neighbouring sites "
    "may be on both sides and flatter the scores. The spectral clusters guard against "
    "that in part. Neither is a test in another region, year, season or sensor.",
}
FOREIGN: dict[str, Any] = {
    "domain": "the table's own sites and dates, which qhsink does not know.",
    "fold_rule": FOLDS,
    "fold_limits": "Rows in another than sampling order make runs of rows a random "
    "split. Neither kind is a test in another region, year, season or sensor.",
}
SOURCE = {
    "title": "Star transects with Landsat reflectance, JRSRP Fractional Cover 3.0",
    "citation": "Scarth, P., Denham, R., Watson, F. 2022, doi:10.5281/zenodo.7008343, "
    "Python package fractionalcover3 2.0.0; field method: Muir et al. 2011, ABARES.",
    "licence": "MIT, Copyright (c) 2024 University of Queensland and contributors "
    "(models/training/LICENSE-fractionalcover3.txt)",
}


@click.group()
def train() -> None:
    """Train a regressor and write it to models/ with its card."""


@train.command("fvc")
@click.option(
    "--table", type=click.Path(path_type=Path), help="Transects (default: the shipped)."
)
@click.option(
    "--target",
    default="pv",
    show_default=True,
    help="Column of --table that holds green cover, 0..1.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Column of --table that says which rows stay together: a site, a county, "
    "a year. Default: runs of 20 consecutive rows.",
)
@click.option("--members", type=click.IntRange(2, 64), default=16, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=20250815, show_default=True)
@click.option("--epochs", type=click.IntRange(1, 1000), default=60, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Models folder (default: models/)."
)
@click.option("--check", metavar="ID", help="Only verify a model that is there.")
def train_fvc(
    table: Path | None,
    target: str,
    group: str | None,
    members: int,
    seed: int,
    epochs: int,
    out: Path | None,
    check: str | None,
) -> None:
    """Fractional vegetation cover from the field transects (about two minutes)."""
    from qhsink.mapping.card import (
        describe_training,
        draw_validation,
        measured_cost,
    )
    from qhsink.mapping.training import ENSEMBLE, Recipe
    from qhsink.mapping.training import train as train_model
    from qhsink.registry import check_model, save_model

    folder = out or _models_dir()
    if check:
        _show_checked(check_model(folder, check))
        return
    path = table or _models_dir() / TABLE
    if table is None and (group or target != "pv"):
        raise click.UsageError("--target and --group speak of --table: name one.")
    if target in BANDS:
        raise click.UsageError(f"--target {target} is a band that the model reads.")
    samples, source = _read_samples(
        path, shipped=table is None, target=target, group=group
    )
    for doubt in source.get("doubts", ()):
        click.echo(f"Look at this: {doubt}.", err=True)
    known = TRANSECTS if table is None else _foreign(target, group)
    _make_writable(folder)
    recipe = Recipe(members=members, seed=seed, epochs=epochs)
    trained = train_model(samples, recipe, report=click.echo)
    science = describe_training(trained, samples, data={**known, "source": source})
    run = {
        "cpu_ms_per_mpx": measured_cost(trained),
        "versions": _versions(),
        "command": _command(table, recipe, target, group),
    }
    picture = draw_validation(samples.target, trained.runs.predictions[ENSEMBLE])
    model_id = save_model(
        folder,
        trained.ensemble,
        {"science": science, "run": run},
        applicability=trained.applicability,
        pictures={"validation.png": picture},
    )
    for name, row in science["validation"]["runs"]["models"].items():
        click.echo(f"  {name:45s} R2 {row['r2']:.3f}  RMSE {row['rmse']:.4f}")
    click.echo(f"{folder / model_id}: name it as [models] fvc = {model_id!r}")


@click.group()
def models() -> None:
    """List, show and verify the regressors in models/."""


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


@models.command("show")
@click.argument("model_id", metavar="ID")
@_folder
def show_command(model_id: str, models_dir: Path | None) -> None:
    """Print the card of a model."""
    from qhsink.mapping.card import render_card
    from qhsink.registry import check_model

    click.echo(render_card(check_model(models_dir or _models_dir(), model_id).card))


@models.command("check")
@click.argument("model_id", metavar="ID")
@_folder
def check_command(model_id: str, models_dir: Path | None) -> None:
    """Verify digest and card of a model, without training."""
    from qhsink.registry import check_model

    _show_checked(check_model(models_dir or _models_dir(), model_id))


@models.command("compare")
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
    click.echo(f"  {'':38s} {first.id:30s} {second.id}")
    for line in compare_cards(one, other):
        mark = "*" if line.differs else " "
        click.echo(f"{mark} {line.name:38s} {line.first:30s} {line.second}")
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


def _models_dir() -> Path:
    from qhsink.config import project_dir

    return project_dir() / "models"


def _read_samples(
    path: Path, *, shipped: bool, target: str = "pv", group: str | None = None
) -> tuple[Samples, dict[str, Any]]:
    """Return the distinct rows, and where they come from in words."""
    from qhsink.domain.errors import TableError
    from qhsink.mapping.screening import linear_copies
    from qhsink.mapping.training import Samples
    from qhsink.registry import read_labels, read_table, table_digest

    table = read_table(path, (target, *BANDS))
    distinct = table.drop_duplicates()
    outside = distinct.lt(0).any(axis=1) | distinct.gt(1.2).any(axis=1)
    if outside.any() or len(distinct) < 200:
        raise TableError(
            f"{path.name}: {len(distinct)} distinct rows, {int(outside.sum())} with "
            "cover or reflectance outside 0..1.2",
            expected="at least 200 rows, cover and reflectance as fractions",
            remedy="Divide percentages by 100 and digital numbers by 10 000.",
        )
    source: dict[str, Any] = dict(SOURCE) if shipped else _foreign_source(path)
    source["sha256"] = table_digest(path)
    source["rows"] = (
        f"{len(table):,} in the table, {len(table) - len(distinct)} exact repeats "
        "left out"
    )
    values = {name: distinct[name].to_numpy(float) for name in (target, *BANDS)}
    doubts = [str(copy) for copy in linear_copies(values)]
    if doubts:
        source["doubts"] = doubts
    groups = read_labels(path, group)[distinct.index] if group else None
    bands = {name: values[name] for name in BANDS}
    return Samples(bands, values[target], groups), source


def _make_writable(folder: Path) -> None:
    """Make the folder now: an unwritable one is not found after minutes of work."""
    from qhsink.domain.errors import BadInput

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


def _foreign(target: str, group: str | None) -> dict[str, Any]:
    """Return what is known of a user's table, in words."""
    definition = {
        language: text.replace(" pv", f" {target}")
        for language, text in DEFINITION.items()
    }
    definition["evidence"] = f"the table's owner answers for column {target}."
    known = FOREIGN | {"definition": definition}
    if group is None:
        return known
    return known | {
        "grouping": f"groups of column {group}",
        "fold_rule": f"Five folds of whole groups, dealt at random. Group: column "
        f"{group} of the table. Beside it 60 k-means clusters of log reflectance, each "
        "held out whole.",
        "fold_limits": "As independent as the groups are: neighbouring sites in "
        "different groups may still resemble each other.",
    }


def _foreign_source(path: Path) -> dict[str, str]:
    return {
        "title": f"A user's table, {path.name}",
        "citation": "Its origin was not stated.",
        "licence": "not stated",
    }


def _versions() -> dict[str, str]:
    packages = ("qhsink", "numpy", "scipy", "scikit-learn")
    known = {name: version(name) for name in packages}
    return {"python": platform.python_version(), **known}


def _command(table: Path | None, recipe: Recipe, target: str, group: str | None) -> str:
    named = f" --table {table.name} --target {target}" if table else ""
    named += f" --group {group}" if group else ""
    return (
        f"qhsink train fvc{named} --members {recipe.members} --seed {recipe.seed} "
        f"--epochs {recipe.epochs}"
    )


def _show_line(model: Model) -> None:
    from qhsink.mapping.training import ENSEMBLE

    row = model.card["science"]["validation"]["runs"]["models"][ENSEMBLE]
    click.echo(
        f"{model.id}  {model.ensemble.members} members  "
        f"R2 {row['r2']:.3f}  RMSE {row['rmse']:.4f}"
    )


def _show_checked(model: Model) -> None:
    click.echo(f"{model.id}: whole; digest {model.digest}")

"""``qhsink train``: make a regressor from plots, or from a ready table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qhsink.cli.groups import examples
from qhsink.cli.options import FILE


@click.command(
    epilog=examples(
        "qhsink train fvc",
        "qhsink train fvc --plots plots.gpkg --source demo",
        "qhsink train agb_grass --twin work/worlds",
    )
)
@click.argument("target")
@click.option(
    "--plots",
    type=FILE,
    help="Plots: CSV, GeoPackage, GeoParquet or Parquet (docs/training.md).",
)
@click.option("--table", type=FILE, help="Reflectance and values, ready-made (CSV).")
@click.option(
    "--twin",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Simulated worlds (config/train_twin.toml), built in DIR where absent.",
)
@click.option(
    "--target",
    "value",
    metavar="COLUMN",
    help="Column of the measured value.  [default: TARGET; pv of a table for fvc]",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Column that says which rows stay together: a site, a county, a year. "
    "Default: spatial blocks of plots; runs of 20 rows of a table.",
)
@click.option(
    "--source",
    default="demo",
    show_default=True,
    metavar="NAME|PATH",
    help="Images above the plots: a source of config/sources.toml, or a catalogue.",
)
@click.option("--config", type=FILE, help="Run configuration: grid, masks, season.")
@click.option(
    "--plot-size",
    "plot_m",
    type=click.FloatRange(0, 5000, min_open=True),
    metavar="METRES",
    help="Edge or diameter of every plot, where the table has no plot_m.",
)
@click.option(
    "--plot-shape",
    "shape",
    type=click.Choice(["square", "circle"]),
    default="square",
    show_default=True,
    help="Shape of every plot, where the table has no shape.",
)
@click.option(
    "--position-error",
    "position_sd_m",
    type=click.FloatRange(0),
    metavar="METRES",
    help="Standard error of recorded places, where the table has no position_sd_m.",
)
@click.option("--simulated", is_flag=True, help="The measurements are simulated.")
@click.option(
    "--members",
    type=click.IntRange(2, 64),
    default=16,
    show_default=True,
    help="Regressors of the ensemble.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=20250815,
    show_default=True,
    help="The same seed gives the same model in one environment.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 1000),
    default=60,
    show_default=True,
    help="Passes over the samples.",
)
@click.option(
    "--features",
    metavar="A,B,...",
    help="Features of the model (`qhsink models features` lists them).  [default: the "
    "target's in config/train_twin.toml or config/training.toml]",
)
@click.option(
    "--search/--no-search",
    default=None,
    help="Let folds choose hidden layers and penalty (config/training.toml).",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Models folder (default: models/)."
)
@click.option("--store", type=click.Path(path_type=Path), help="Artifact store.")
@click.option("--workers", default=2, show_default=True, help="Blocks read at once.")
@click.option("--check", metavar="ID", help="Only verify a model that is there.")
def train(
    target: str,
    plots: Path | None,
    table: Path | None,
    twin: Path | None,
    out: Path | None,
    store: Path | None,
    workers: int,
    check: str | None,
    features: str | None,
    **options: Any,
) -> None:
    """Train a regressor of TARGET and write it to models/ with its card.

    TARGET is one of config/model_targets.toml, or `ecosystem` with --twin. Without
    --plots, --table and --twin, fvc is trained on the field transects that come with
    the project.
    """
    from qhsink.config import load_settings
    from qhsink.steps.map_indicators import ECOSYSTEM
    from qhsink.steps.train import models_folder, run_training
    from qhsink.steps.train_ecosystem import train_ecosystem
    from qhsink.steps.train_request import TrainRequest

    settings = load_settings(store=store, workers=workers)
    names = None if features is None else [n.strip() for n in features.split(",")]
    options["features"] = names
    asked = {"plots": plots, "table": table, "twin": twin, "out": out, **options}
    request = TrainRequest.from_json(
        {"target": target}
        | {key: str(v) if isinstance(v, Path) else v for key, v in asked.items()}
    )
    if check:
        from qhsink.cli.models import show_checked
        from qhsink.registry import check_model

        show_checked(check_model(models_folder(request, settings), check))
        return
    if request.shipped and (request.value or request.group):
        raise click.UsageError(
            "--target and --group speak of --plots or --table: name one."
        )
    if target == ECOSYSTEM and request.search:
        raise click.UsageError("--search is for targets with a value, not for classes.")
    train_one = train_ecosystem if target == ECOSYSTEM else run_training
    made = train_one(request, settings, report=_tell)
    for name, (r2, rmse) in made.scores.items():
        click.echo(f"  {name:45s} R2 {r2:.3f}  RMSE {rmse:.4g}")
    if made.provenance == "simulated":
        click.echo(
            "SIMULATED training data: every map and number of this model says so."
        )
    page = made.folder / "card.html"
    click.echo(f"card: {page if page.is_file() else made.folder / 'card.md'}")
    click.echo(f"{made.folder}: use it as --model {target}={made.id}")


def _tell(text: str) -> None:
    click.echo(text, err=text.startswith("Look at this"))

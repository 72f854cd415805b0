"""``qhsink twin plots``: a simulated field campaign, as a plot table to train on."""

from __future__ import annotations

from pathlib import Path

import click

from qhsink.cli.groups import examples
from qhsink.cli.options import FILE, SEED


@click.command(
    epilog=examples("qhsink twin plots agb_grass --count 200 --out plots.csv")
)
@click.argument("target")
@click.option(
    "--archive",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the archive whose world is measured.  [default: work/twin/demo]",
)
@click.option(
    "--count",
    type=click.IntRange(2, 10_000),
    default=300,
    show_default=True,
    help="Plots to measure.",
)
@SEED
@click.option(
    "--out", type=FILE, required=True, help="CSV, GeoPackage or Parquet to write."
)
def plots(target: str, archive: Path | None, count: int, seed: int, out: Path) -> None:
    """Measure TARGET (fvc, agb_grass, agb_forest) on simulated plots."""
    from qhsink.config import project_dir
    from qhsink.steps.plot_files import write_plots
    from qhsink.steps.twin_plots import Campaign, twin_plots

    folder = archive or project_dir() / "work" / "twin" / "demo"
    table = twin_plots(Campaign(folder, target, count, seed))
    write_plots(table, out)
    click.echo(f"{out}: {len(table)} plots (provenance: simulated)")

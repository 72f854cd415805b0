"""``qhsink twin evaluate``: whether the intervals mean what they say."""

from __future__ import annotations

from pathlib import Path

import click

from qhsink.cli.groups import examples


@click.command(
    epilog=examples(
        "qhsink twin evaluate --worlds 20",
        "qhsink twin evaluate --lie roadside --worlds 50",
    )
)
@click.option(
    "--worlds", type=click.IntRange(1), default=200, show_default=True, help="How many."
)
@click.option(
    "--regions",
    "--region",
    "regions",
    multiple=True,
    help="Region that a square is cut out of; may be repeated, or a list with commas.  "
    "[default: 632221,632324,632626]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results; a killed run goes on there.  [default: work/evaluate]",
)
@click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes."
)
@click.option(
    "--first-seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Seed of the first world; the next ones count on.",
)
@click.option(
    "--lie",
    type=click.Choice(
        ["thin-cloud", "wrong-offset", "missing-type", "roadside", "biased-plots"]
    ),
    help="Break one assumption on purpose.",
)
@click.option(
    "--lie-worlds",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Worlds of every lie to be tried beside, for a table of what each does.",
)
def evaluate(
    worlds: int,
    regions: tuple[str, ...],
    out: Path | None,
    workers: int,
    first_seed: int,
    lie: str | None,
    lie_worlds: int,
) -> None:
    """Try every interval on simulated worlds whose truth is known."""
    from typing import cast

    from qhsink.config import project_dir
    from qhsink.reporting.coverage_words import REMARKS
    from qhsink.steps.evaluate import DEFAULT_REGIONS, Order
    from qhsink.steps.evaluate import evaluate as run
    from qhsink.twin.lies import Lie

    if lie and lie_worlds:
        raise click.UsageError("give --lie, or --lie-worlds for all of them")
    named = tuple(name for text in regions for name in text.split(",") if name)
    order = Order(
        worlds=worlds,
        regions=named or DEFAULT_REGIONS,
        lie=cast("Lie | None", lie),
        lie_worlds=lie_worlds,
        first_seed=first_seed,
    )
    out = out or project_dir() / "work" / "evaluate"
    found = run(order, out, workers=workers, on_progress=_say)
    shown = found.summary[found.summary["mode"].isin(REMARKS)]
    for row in shown.to_dict("records"):
        click.echo(
            f"{row['indicator']:<13}{row['size']:<8}{row['mode']:<46}"
            f"{row['estimates']:>6}  90 %: {row['cover90']:6.1%} "
            f"({row['cover90_low']:.1%} to {row['cover90_high']:.1%})  {row['reading']}"
        )
    for row in found.lies.to_dict("records"):
        click.echo(
            f"lie {row['lie']:<13}{row['mode']:<46}{row['worlds']:>6} worlds  "
            f"bias {row['bias']:+.4f}  90 %: {row['cover90']:6.1%}  "
            f"scenes left out {row['excluded']:.1f}"
        )
    click.echo(f"{out / 'coverage.html'}: {len(found.rows)} estimates")


def _say(done: int, total: int, what: str) -> None:
    click.echo(f"  {done}/{total}  {what}", err=True)

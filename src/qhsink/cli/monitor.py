"""``qhsink monitor``: the monthly run, its progress, its table, its exit status."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import examples

if TYPE_CHECKING:
    from rich.console import Console

    from qhsink.config import Settings
    from qhsink.steps.publish import Published
    from qhsink.steps.request import RunRequest

REFUSED = 3
"""Exit status when at least one region has no number."""


@click.command(
    epilog=examples(
        "qhsink monitor --month 2025-08 --region qilian --source demo",
        "qhsink monitor --month 2025-08 --region 632324 --region parcel.kml",
        "qhsink monitor --month 2025-08 --region qilian --source demo --dry-run",
    )
)
@click.option(
    "--month",
    required=True,
    metavar="YYYY-MM",
    help="Calendar month; one that ends on or after 31 August has the peak season too.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    required=True,
    metavar="ID|FILE",
    help="Region id (`qhsink aoi list`) or a vector file; may be given many times.",
)
@click.option(
    "--source",
    default="earth-search",
    show_default=True,
    metavar="NAME|PATH",
    help="A source of config/sources.toml (demo: the simulated archive), or the "
    "path of a static STAC catalogue.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(),
    help="Run configuration: grid, season, masks, models, indicators.  [default: that "
    "of the source, else config/monitor.toml]",
)
@click.option(
    "--out",
    type=click.Path(),
    help="Folder of the results.  [default: out/MONTH-SOURCE]",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Folder of finished artifacts.  [default: work/store]",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="TARGET=ID",
    help="Use this model of `qhsink models list` instead of the configured one.",
)
@click.option("--workers", default=2, show_default=True, help="Tiles computed at once.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option(
    "--dry-run", is_flag=True, help="List each artifact as new, cached or recompute."
)
def monitor(
    month: str,
    regions: tuple[str, ...],
    source: str,
    config_file: str | None,
    out: str | None,
    store: Path | None,
    models: tuple[str, ...],
    workers: int,
    as_json: bool,
    dry_run: bool,
) -> int:
    """Estimate a month's indicators of regions and judge them against targets.

    Prints a table and writes a folder: report.html, maps (COG, STAC), ledger.parquet,
    estimates.parquet, run.json. What has not changed is taken from the store. Exit
    status 3 when a region has no number, its reason printed; 2 for bad input.
    """
    from qhsink.config import load_settings
    from qhsink.steps.request import RunRequest

    settings = load_settings(store=store, workers=workers)
    request = RunRequest(
        month=month,
        regions=regions,
        source=source,
        config=config_file,
        out=out,
        models=tuple(_parse_model(text) for text in models),
    )
    if dry_run:
        return _dry_run(request, settings, as_json=as_json)
    return _run(request, settings, as_json=as_json)


def _parse_model(text: str) -> tuple[str, str]:
    target, equals, model = text.partition("=")
    if not (target and equals and model):
        raise click.BadParameter(f"{text!r} is not TARGET=ID", param_hint="--model")
    return target, model


def _run(request: RunRequest, settings: Settings, *, as_json: bool) -> int:
    from rich.console import Console

    from qhsink.steps.monitor import count_jobs, prepare

    console = Console(stderr=True, quiet=as_json)
    # Bad input ends here, in a second, before an orchestrator is started.
    console.print("planning: regions, scenes, tiles")
    plan = prepare(request, settings)
    with _progress(console) as follow:
        follow.expect(count_jobs(plan, settings))
        published = _flow(request, settings, plan)
    if as_json:
        click.echo(json.dumps(_as_json(published), ensure_ascii=False, indent=1))
    else:
        _tell(published, _console())
    return REFUSED if published.refused else 0


def _flow(request: RunRequest, settings: Settings, plan: str) -> Published:
    from qhsink.cli.orchestrator import orchestrator_home

    with orchestrator_home(settings):
        from flows.monitor import monitor as monitor_flow

        published: Published = monitor_flow(
            month=request.month,
            regions=list(request.regions),
            source=request.source,
            config=request.config,
            out=request.out,
            models=list(request.models),
            store=str(settings.store),
            workers=settings.workers,
            plan=plan,
        )
    return published


def _console() -> Console:
    """Return the console for results: what goes to a file is plain, and stable."""
    from rich.console import Console

    from qhsink.reporting.terminal import PLAIN_WIDTH

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=PLAIN_WIDTH, force_terminal=False)


def _tell(published: Published, console: Console) -> None:
    from rich.text import Text

    from qhsink.reporting.terminal import run_lines

    lines = run_lines(published.rows, published.refused, width=console.width)
    for line in lines:
        console.print(line, soft_wrap=not console.is_terminal)
    total = published.made + published.reused
    console.print(
        f"{published.scenes} scenes; {total} artifacts: {published.made} computed, "
        f"{published.reused} reused unchanged from the store."
    )
    path = Text(f"report: {published.out / 'report.html'}")
    console.print(path, soft_wrap=True)


def _as_json(published: Published) -> dict[str, Any]:
    from qhsink.reporting.tables import estimates_table

    return {
        "out": str(published.out),
        "report": str(published.out / "report.html"),
        "estimates": estimates_table(published.rows),
        "refused": dict(published.refused),
        "computed": published.made,
        "reused": published.reused,
    }


@contextmanager
def _progress(console: Console) -> Iterator[Any]:
    """Show one line per step and a bar that follows the tiles."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    logger = logging.getLogger("qhsink.progress")
    with Progress(*columns, console=console) as bar:
        handler = _Follow(bar)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # the orchestrator's own handlers would repeat it
        try:
            yield handler
        finally:
            logger.removeHandler(handler)


class _Follow(logging.Handler):
    """Move the bar with each tile that is told."""

    def __init__(self, bar: Any) -> None:
        super().__init__()
        self.bar = bar
        self.task = bar.add_task("tiles", total=None)

    def expect(self, total: int) -> None:
        """Say how many tiles there are."""
        self.bar.update(self.task, total=total)

    def emit(self, record: logging.LogRecord) -> None:
        """Count a tile."""
        self.bar.update(self.task, advance=1, description=record.getMessage())
        if not self.bar.console.is_terminal:
            self.bar.console.print(record.getMessage(), markup=False)


def _dry_run(request: RunRequest, settings: Settings, *, as_json: bool) -> int:
    from rich.table import Table

    from qhsink.steps.dry_run import foresee

    entries = foresee(request, settings)
    if as_json:
        click.echo(json.dumps([e.to_json() for e in entries], indent=1))
        return 0
    table = Table("step", "artifact", "state", "why")
    for entry in entries:
        table.add_row(entry.step, entry.name, entry.state, entry.why)
    _console().print(table)
    return 0

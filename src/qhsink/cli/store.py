"""Commands on the artifact store: bound its size. Prints; decides nothing."""

from __future__ import annotations

import json
from pathlib import Path

import click

from qhsink.cli.groups import PurposeGroup, examples


@click.group(cls=PurposeGroup)
def store() -> None:
    """Look after the store of what was computed and read."""


@store.command(
    epilog=examples(
        "qhsink store gc --keep 50GB --dry-run", "qhsink store gc --days 90"
    )
)
@click.option("--keep", help="Size that may stay, such as 50GB; oldest use goes first.")
@click.option("--days", type=float, help="What was not used for so many days goes.")
@click.option("--store", "folder", type=click.Path(path_type=Path), help="The store.")
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folders of published runs, whose artifacts stay; out/ by default.",
)
@click.option("--also-published", is_flag=True, help="Let those go as well.")
@click.option("--dry-run", is_flag=True, help="Say what would go; remove nothing.")
@click.option("--json", "json_out", is_flag=True, help="Print JSON.")
def gc(
    keep: str | None,
    days: float | None,
    folder: Path | None,
    runs: tuple[Path, ...],
    also_published: bool,
    dry_run: bool,
    json_out: bool,
) -> None:
    """Bound the store: least recently used first, never what a run.json names."""
    from qhsink.config import load_settings
    from qhsink.steps.cleanup import clean_up, parse_size, plan_cleanup

    if keep is None and days is None:
        raise click.UsageError("Name a bound: --keep 50GB, --days 90, or both.")
    settings = load_settings(store=folder)
    places = runs or (settings.project / "out",)
    records = [path for place in places for path in sorted(place.rglob("run.json"))]
    cleanup = plan_cleanup(
        settings.store,
        keep_bytes=None if keep is None else parse_size(keep),
        keep_days=days,
        runs=() if also_published else records,
    )
    if not dry_run:
        clean_up(cleanup, settings.store)
    kinds: dict[str, list[int]] = {}
    for entry in cleanup.removed:
        kinds.setdefault(entry.kind, []).append(entry.size)
    if json_out:
        content = {
            "removed": {kind: [len(s), sum(s)] for kind, s in kinds.items()},
            "freed_bytes": cleanup.freed_bytes,
            "kept_bytes": cleanup.kept_bytes,
            "needed_bytes": cleanup.needed_bytes,
            "runs": len(records),
            "dry_run": dry_run,
        }
        click.echo(json.dumps(content))
        return
    verb = "would go" if dry_run else "removed"
    for kind, sizes in sorted(kinds.items()):
        click.echo(f"{kind:<12}{len(sizes):>7} {verb}{sum(sizes) / 1e6:>12.1f} MB")
    click.echo(
        f"{'would free' if dry_run else 'freed'} {cleanup.freed_bytes / 1e6:.1f} MB; "
        f"{cleanup.kept_bytes / 1e6:.1f} MB stay, "
        f"{cleanup.needed_bytes / 1e6:.1f} MB of them named by {len(records)} runs"
    )
    if keep is not None and cleanup.kept_bytes > parse_size(keep):
        click.echo(
            "still above --keep: the rest is named by a run or was used within the "
            "last hour",
            err=True,
        )

"""``qhsink estimate change``: plots or members of two dates in, their change out.

Options and columns; the estimators are in ``qhsink.estimation.change``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qhsink.cli.estimate_rows import limits, tell
from qhsink.cli.groups import examples
from qhsink.cli.options import FILE, JSON, POSITIVE, for_people

MODEL_ONLY = "not calibrated"
"""Flag of a change that holds the error of the model's parameters alone."""


@click.command(
    epilog=examples(
        "qhsink estimate change --sample plots.csv --first agb_2020 --second agb_2025"
    )
)
@click.option("--sample", type=FILE, help="CSV: the same plots at both dates.")
@click.option("--first", metavar="COL", help="Value at the first date.")
@click.option("--second", metavar="COL", help="Value at the second date.")
@click.option(
    "--population",
    type=POSITIVE,
    help="Units in the population.",
)
@click.option(
    "--members",
    type=FILE,
    help="Instead of --sample: CSV first,second, one row per ensemble member.",
)
@click.option("--ensembles", metavar="ID,ID", help="Model of each date, for --members.")
@click.option("--fpc", is_flag=True, help="Correct for sampling without replacement.")
@click.option(
    "--confidence",
    type=float,
    default=0.90,
    show_default=True,
    help="Of the two-sided interval.",
)
@JSON
def change(
    sample: Path | None,
    first: str | None,
    second: str | None,
    population: float | None,
    members: Path | None,
    ensembles: str | None,
    fpc: bool,
    confidence: float,
    json_path: Path | None,
) -> None:
    """Change between two dates, with the covariance of the two estimates."""
    from qhsink.cli.csv_files import write_json
    from qhsink.estimation.intervals import critical_value

    if members is not None:
        found, df = _member_change(members, ensembles)
    elif sample and first and second and population:
        found, df = _paired_change(sample, (first, second), population, fpc=fpc)
    else:
        raise click.UsageError(
            "give --sample, --first, --second and --population, or --members with "
            "--ensembles"
        )
    quantile = critical_value(confidence, df=df)
    flags = [MODEL_ONLY] if members is not None else []
    row = {
        **asdict(found),
        "se": found.se,
        "covariance": found.covariance,
        "df": df,
        "confidence": confidence,
        "ci": limits(found.value, found.se, quantile),
        "flags": flags,
    }
    write_json(json_path, row)
    tell([row], ("method", "value", "se", "covariance"), json_path)
    if flags and for_people(json_path):
        click.echo(f"flags: {', '.join(flags)}")


def _paired_change(
    sample: Path, columns: tuple[str, str], population: float, *, fpc: bool
) -> tuple[Any, float]:
    from qhsink.cli.csv_files import read_csv
    from qhsink.estimation.change import paired_change
    from qhsink.estimation.schema import numbers, require_columns
    from qhsink.estimation.survey import stratified_sample

    table = str(sample)
    frame = require_columns(read_csv(sample), columns, table=table)
    one, two = (numbers(frame, name, table=table) for name in columns)
    design = stratified_sample(len(frame), sizes=[population], fpc=fpc)
    return paired_change(design, one, two), float(len(frame) - 1)


def _member_change(members: Path, ensembles: str | None) -> tuple[Any, float]:
    from qhsink.cli.csv_files import read_csv
    from qhsink.estimation.change import MemberTotals, member_change
    from qhsink.estimation.schema import numbers, require_columns

    models = [part.strip() for part in (ensembles or "").split(",")]
    if len(models) != 2:
        raise click.UsageError("--members needs --ensembles ID,ID, one for each date")
    table = str(members)
    frame = require_columns(read_csv(members), ("first", "second"), table=table)
    totals = [
        MemberTotals(model, tuple(numbers(frame, name, table=table).tolist()))
        for model, name in zip(models, ("first", "second"), strict=True)
    ]
    return member_change(totals[0], totals[1]), float(len(frame) - 1)

"""``qhsink estimate small-area | change``: tables in, numbers out.

Estimators that a verifier recomputes without imagery. Nothing is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qhsink.estimation.small_area import SmallAreaEstimate
    from qhsink.estimation.survey import Floats

FILE = click.Path(path_type=Path)
_CONFIDENCE = click.option("--confidence", type=float, default=0.90, show_default=True)
_JSON = click.option("--json", "json_path", type=FILE, help="Write the result here.")


@click.command("small-area")
@click.option("--sample", required=True, type=FILE, help="CSV, one row per plot.")
@click.option("--y", required=True, metavar="COL", help="Variable of interest.")
@click.option("--domain", required=True, metavar="COL", help="Domain column.")
@click.option("--aux", required=True, metavar="A,B", help="Auxiliary columns.")
@click.option(
    "--aux-means",
    required=True,
    type=FILE,
    help="CSV: the domain column and the population mean of each auxiliary.",
)
@click.option("--weight", metavar="COL", help="Design weights (GREG); equal if absent.")
@click.option(
    "--fit",
    type=click.Choice(["adjusted", "reml", "ml"]),
    default="adjusted",
    show_default=True,
    help="adjusted: REML that never finds domains alike.",
)
@_CONFIDENCE
@_JSON
def small_area(
    sample: Path,
    y: str,
    domain: str,
    aux: str,
    aux_means: Path,
    weight: str | None,
    fit: Any,
    confidence: float,
    json_path: Path | None,
) -> None:
    """Means of domains with few plots: synthetic, GREG and EBLUP, with their MSE."""
    import numpy as np

    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.estimation import small_area as areas
    from qhsink.estimation.schema import labels, numbers, require_columns

    names = tuple(part.strip() for part in aux.split(","))
    table = str(sample)
    wanted = (y, domain, *names, *((weight,) if weight else ()))
    frame = require_columns(read_csv(sample), wanted, table=table)
    columns = [numbers(frame, name, table=table) for name in names]
    count = len(frame)
    units = areas.UnitSample(
        y=numbers(frame, y, table=table),
        x=np.column_stack([np.ones(count), *columns]),
        domain=labels(frame, domain, table=table),
    )
    weights = _weights(frame, weight, table=table)
    means = _domain_means(aux_means, domain, names)
    model = areas.fit_nested_error(units, fit=fit)
    found = [
        *areas.synthetic(model, units, means),
        *areas.greg_by_domain(units, weights, means),
        *areas.eblup(model, units, means),
    ]
    rows = [_small_row(row, confidence) for row in found]
    write_json(
        json_path,
        {
            "estimates": rows,
            "confidence": confidence,
            "model": {
                "coefficients": dict(
                    zip(("constant", *names), model.beta.tolist(), strict=True)
                ),
                "variance_between": model.between,
                "variance_within": model.within,
                "fit": model.fit,
            },
        },
    )
    tell(rows, ("domain", "method", "n", "mean", "root_mse"), json_path)


def _weights(frame: Any, column: str | None, *, table: str) -> Floats:
    import numpy as np

    from qhsink.domain.errors import TableError
    from qhsink.estimation.schema import numbers

    if column is None:
        return np.ones(len(frame))
    found = numbers(frame, column, table=table)
    if (found <= 0.0).any():
        raise TableError(
            f"{table}, column {column!r}: {found.min():g}",
            expected="positive weights",
            remedy="Correct the value: a sampled plot had a chance of being drawn.",
        )
    return found


def _domain_means(path: Path, domain: str, names: Sequence[str]) -> dict[str, Floats]:
    import numpy as np

    from qhsink.cli.csv_files import read_csv
    from qhsink.domain.errors import TableError
    from qhsink.estimation.schema import labels, numbers, require_columns

    frame = require_columns(read_csv(path), (domain, *names), table=str(path))
    columns = [numbers(frame, name, table=str(path)) for name in names]
    rows = np.column_stack([np.ones(len(frame)), *columns])
    found = labels(frame, domain, table=str(path)).tolist()
    if len(set(found)) < len(found):
        raise TableError(
            f"{path}: a domain twice",
            expected="one row of means per domain",
            remedy="Remove the repeated rows.",
        )
    return dict(zip(found, rows, strict=True))


def _small_row(row: SmallAreaEstimate, confidence: float) -> dict[str, Any]:
    from qhsink.estimation.intervals import critical_value

    reach = None if row.root_mse is None else critical_value(confidence, df=row.df)
    return {
        "domain": row.domain,
        "method": row.method,
        "n": row.n,
        "mean": row.value,
        "mse": row.mse,
        "root_mse": row.root_mse,
        "df": None if math.isinf(row.df) else row.df,
        "ci_mean": limits(row.value, row.root_mse or 0.0, reach),
    }


@click.command()
@click.option("--sample", type=FILE, help="CSV: the same plots at both dates.")
@click.option("--first", metavar="COL", help="Value at the first date.")
@click.option("--second", metavar="COL", help="Value at the second date.")
@click.option(
    "--population",
    type=click.FloatRange(min=0, min_open=True),
    help="Units in the population.",
)
@click.option(
    "--members",
    type=FILE,
    help="Instead of --sample: CSV first,second, one row per ensemble member.",
)
@click.option("--ensembles", metavar="ID,ID", help="Model of each date, for --members.")
@click.option("--fpc", is_flag=True, help="Correct for sampling without replacement.")
@_CONFIDENCE
@_JSON
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
    row = {
        **asdict(found),
        "se": found.se,
        "covariance": found.covariance,
        "df": df,
        "confidence": confidence,
        "ci": limits(found.value, found.se, quantile),
    }
    write_json(json_path, row)
    tell([row], ("method", "value", "se", "covariance"), json_path)


def limits(value: float, se: float, quantile: float | None) -> list[float] | None:
    """Return value ∓ quantile se; None where no degree of freedom is left."""
    if quantile is None:
        return None
    return [value - quantile * se, value + quantile * se]


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


def tell(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], json_path: Path | None
) -> None:
    """Print the columns ``names`` of ``rows``, unless JSON goes to the terminal."""
    if str(json_path) == "-":
        return
    click.echo("  ".join(f"{name:>14}" for name in names))
    for row in rows:
        cells = (row[name] for name in names)
        click.echo(
            "  ".join(
                f"{cell:>14.6g}" if isinstance(cell, int | float) else f"{cell!s:>14}"
                for cell in cells
            )
        )

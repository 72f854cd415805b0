"""``qhsink estimate small-area``: tables in, means of domains with few plots out.

Options and columns; the estimators are in ``qhsink.estimation.small_area``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_rows import limits, tell
from qhsink.cli.groups import examples
from qhsink.cli.options import FILE, JSON, for_people

if TYPE_CHECKING:
    from qhsink.estimation.small_area import SmallAreaEstimate
    from qhsink.estimation.survey import Floats


@click.command(
    "small-area",
    epilog=examples(
        "qhsink estimate small-area --sample plots.csv --y agb --domain county \\",
        "  --aux fvc --aux-means means.csv",
    ),
)
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
@click.option(
    "--confidence",
    type=float,
    default=0.90,
    show_default=True,
    help="Of the two-sided interval.",
)
@JSON
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
    without_means = sorted(set(units.domain.tolist()) - set(means))
    if without_means:
        click.echo(
            f"no estimate for {', '.join(without_means)}: plots, but no means in "
            f"{aux_means}; their plots still tell how domains differ",
            err=True,
        )
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
            "without_means": without_means,
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
    for flag in sorted({flag for row in found for flag in row.flags}):
        if for_people(json_path):
            told = dict.fromkeys(row.method for row in found if flag in row.flags)
            click.echo(f"{', '.join(told)}: {flag}")


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
        "flags": list(row.flags),
    }

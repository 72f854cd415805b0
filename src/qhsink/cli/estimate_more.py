"""``qhsink estimate small-area | change | model``: tables in, numbers out.

Estimators that a verifier recomputes without imagery: small areas, change between two
dates, model-based and hybrid variance. Nothing is computed here.
"""

from __future__ import annotations

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
@click.option("--fit", type=click.Choice(["reml", "ml"]), default="reml")
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
    weights = numbers(frame, weight, table=table) if weight else np.ones(count)
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
    _tell(rows, ("domain", "method", "n", "mean", "root_mse"), json_path)


def _domain_means(path: Path, domain: str, names: Sequence[str]) -> dict[str, Floats]:
    import numpy as np

    from qhsink.cli.csv_files import read_csv
    from qhsink.estimation.schema import labels, numbers, require_columns

    frame = require_columns(read_csv(path), (domain, *names), table=str(path))
    columns = [numbers(frame, name, table=str(path)) for name in names]
    rows = np.column_stack([np.ones(len(frame)), *columns])
    return dict(zip(labels(frame, domain, table=str(path)).tolist(), rows, strict=True))


def _small_row(row: SmallAreaEstimate, confidence: float) -> dict[str, Any]:
    from qhsink.estimation.intervals import critical_value

    quantile = critical_value(confidence)
    reach = None
    if row.root_mse is not None and quantile is not None:
        reach = quantile * row.root_mse
    return {
        "domain": row.domain,
        "method": row.method,
        "n": row.n,
        "mean": row.value,
        "mse": row.mse,
        "root_mse": row.root_mse,
        "ci_mean": None if reach is None else [row.value - reach, row.value + reach],
    }


@click.command()
@click.option("--sample", type=FILE, help="CSV: the same plots at both dates.")
@click.option("--first", metavar="COL", help="Value at the first date.")
@click.option("--second", metavar="COL", help="Value at the second date.")
@click.option("--population", type=float, help="Units in the population.")
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
        "ci": _limits(found.value, found.se, quantile),
    }
    write_json(json_path, row)
    _tell([row], ("method", "value", "se", "covariance"), json_path)


def _limits(value: float, se: float, quantile: float | None) -> list[float] | None:
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


@click.command("model")
@click.option(
    "--members",
    required=True,
    type=FILE,
    help="CSV mean: a region's mean by ensemble member; or, for clusters, "
    "member,cluster,total,size.",
)
@click.option("--area-ha", type=float, help="Area of the region [ha].")
@click.option("--pixel-m", type=float, help="Edge of a pixel [m].")
@click.option("--residual-sd", type=float, help="Of out-of-fold residuals.")
@click.option("--range-m", type=float, help="Range of the residual variogram [m].")
@click.option("--nugget-share", type=float, default=0.0, show_default=True)
@click.option(
    "--variogram",
    type=click.Choice(["exponential", "spherical"]),
    default="exponential",
    show_default=True,
)
@_CONFIDENCE
@_JSON
def model_based(
    members: Path,
    area_ha: float | None,
    pixel_m: float | None,
    residual_sd: float | None,
    range_m: float | None,
    nugget_share: float,
    variogram: Any,
    confidence: float,
    json_path: Path | None,
) -> None:
    """Model-based mean, residuals correlated; hybrid where members come by cluster."""
    import numpy as np

    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.estimation import model_based as models
    from qhsink.estimation.intervals import critical_value
    from qhsink.estimation.schema import numbers, require_columns

    frame = read_csv(members)
    if "cluster" in frame.columns:
        value, parts, count = _hybrid(frame, str(members))
        mode = "hybrid"
    else:
        if not (area_ha and pixel_m and residual_sd and range_m):
            raise click.UsageError(
                "a wall-to-wall mean needs --area-ha, --pixel-m, --residual-sd and "
                "--range-m: residuals are correlated, RMSE/sqrt(N) is not their error"
            )
        frame = require_columns(frame, ("mean",), table=str(members))
        means = numbers(frame, "mean", table=str(members))
        parts = models.model_variance(
            means,
            residual_sd=residual_sd,
            spatial=models.ResidualCorrelation(variogram, range_m, nugget_share),
            area_m2=area_ha * 1e4,
            pixel_m2=pixel_m**2,
        )
        value, count, mode = float(np.mean(means)), len(means), "model"
    quantile = critical_value(confidence, df=count - 1.0)
    row = {
        "mode": mode,
        "mean": value,
        "se_mean": parts.se,
        "variance": asdict(parts),
        "df": count - 1.0,
        "confidence": confidence,
        "ci_mean": _limits(value, parts.se, quantile),
    }
    write_json(json_path, row)
    _tell([row], ("mode", "mean", "se_mean"), json_path)


def _hybrid(frame: Any, table: str) -> tuple[float, Any, int]:
    import numpy as np

    from qhsink.domain.errors import TableError
    from qhsink.estimation.model_based import hybrid_variance
    from qhsink.estimation.schema import labels, numbers, require_columns

    frame = require_columns(frame, ("member", "cluster", "total", "size"), table=table)
    member, m = np.unique(labels(frame, "member", table=table), return_inverse=True)
    cluster, c = np.unique(labels(frame, "cluster", table=table), return_inverse=True)
    if len(frame) != len(member) * len(cluster):
        raise TableError(
            f"{table}: {len(frame)} rows for {len(member)} members and "
            f"{len(cluster)} clusters",
            expected="one row for every member and cluster",
            remedy="Complete the table.",
        )
    totals = np.zeros((len(member), len(cluster)))
    sizes = np.zeros(len(cluster))
    totals[m, c] = numbers(frame, "total", table=table)
    sizes[c] = numbers(frame, "size", table=table)
    value, parts = hybrid_variance(totals, sizes)
    return value, parts, len(member)


def _tell(
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

"""``qhsink estimate``: areas, accuracies and totals from tables alone.

Reads CSV, prints a table, writes JSON. A verifier needs no imagery for this. The
estimators are in ``qhsink.estimation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_model import model
from qhsink.cli.estimate_more import change, small_area
from qhsink.cli.estimate_region import region

if TYPE_CHECKING:
    from qhsink.estimation.area import AreaEstimate, Labels, Stratum
    from qhsink.estimation.domains import TotalEstimate

FILE = click.Path(dir_okay=False, path_type=Path)
METHODS = (
    "srs",
    "stratified",
    "poststratified",
    "ratio",
    "regression",
    "difference",
    "two-phase",
    "cluster",
    "ht",
)


@click.group()
def estimate() -> None:
    """Turn reference samples into numbers with defensible intervals."""


estimate.add_command(region)
estimate.add_command(small_area)
estimate.add_command(change)
estimate.add_command(model)


@estimate.command()
@click.option(
    "--sample", required=True, type=FILE, help="CSV: stratum,map,reference[,count]."
)
@click.option(
    "--strata", required=True, type=FILE, help="CSV: stratum,units[,unit_area_ha]."
)
@click.option("--fpc", is_flag=True, help="Correct for sampling without replacement.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--json", "json_path", type=FILE, help="Write the estimates here.")
def area(
    sample: Path,
    strata: Path,
    *,
    fpc: bool,
    confidence: float,
    json_path: Path | None,
) -> None:
    """Areas and accuracies of map classes (Olofsson 2014, Stehman 2014)."""
    from qhsink.cli.csv_files import write_json
    from qhsink.estimation.area import estimate_area

    result = estimate_area(
        _read_labels(sample), _read_strata(strata), fpc=fpc, confidence=confidence
    )
    if json_path is None or str(json_path) != "-":
        click.echo(_area_table(result))
    write_json(json_path, asdict(result))


def _read_labels(path: Path) -> Labels:
    import numpy as np

    from qhsink.cli.csv_files import read_csv
    from qhsink.domain.errors import TableError
    from qhsink.estimation.area import Labels
    from qhsink.estimation.schema import labels, numbers, require_columns

    table = str(path)
    frame = require_columns(
        read_csv(path), ("stratum", "map", "reference"), table=table
    )
    count = np.ones(len(frame))
    if "count" in frame.columns:
        count = numbers(frame, "count", table=table, minimum=0.0)
        if np.any(count != np.round(count)):
            raise TableError(
                f"{table}, column 'count': not a whole number",
                expected="sample units counted one by one",
                remedy="Give counts, not weights or shares.",
            )
    kept = count > 0
    return Labels(
        stratum=labels(frame, "stratum", table=table)[kept],
        map=labels(frame, "map", table=table)[kept],
        reference=labels(frame, "reference", table=table)[kept],
        count=count[kept],
    )


def _read_strata(path: Path) -> dict[str, Stratum]:
    from qhsink.cli.csv_files import read_csv
    from qhsink.domain.errors import TableError
    from qhsink.estimation.area import Stratum
    from qhsink.estimation.schema import numbers, sizes_by_label

    frame = read_csv(path)
    units = sizes_by_label(frame, table=str(path))
    areas: Sequence[float | None] = [None] * len(units)
    if "unit_area_ha" in frame.columns:
        known = numbers(frame, "unit_area_ha", table=str(path))
        if (known <= 0.0).any():
            raise TableError(
                f"{path}, column 'unit_area_ha': {known.min():g}",
                expected="a positive area in hectares",
                remedy="A 10 m pixel has 0.01 ha, a 30 m pixel 0.09 ha.",
            )
        areas = known.tolist()
    return {
        name: Stratum(size, area)
        for (name, size), area in zip(units.items(), areas, strict=True)
    }


def _area_table(result: AreaEstimate) -> str:
    unit = result.area_unit
    percent = f"{100 * result.confidence:g} %"
    rows = [("class", f"area [{unit}]", f"± {percent}", "user's", "producer's")]
    for name, found in result.classes.items():
        half = (found.ci_ha[1] - found.ci_ha[0]) / 2.0
        rows.append(
            (
                name,
                f"{found.area_ha:,.1f}",
                f"{half:,.1f}",
                _pair(found.users_accuracy, found.se_users),
                _pair(found.producers_accuracy, found.se_producers),
            )
        )
    overall = _pair(result.overall_accuracy, result.se_overall_accuracy)
    return "\n".join(
        [
            *_aligned(rows),
            f"overall accuracy {overall} (standard error), n = {result.n}",
            result.method,
        ]
    )


def _pair(value: float | None, se: float | None) -> str:
    return "-" if value is None or se is None else f"{value:.4f} ({se:.4f})"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


@estimate.command()
@click.option("--sample", required=True, type=FILE, help="CSV, one row per unit.")
@click.option("--y", required=True, metavar="COL", help="Variable of interest.")
@click.option("--method", required=True, type=click.Choice(METHODS))
@click.option(
    "--population",
    type=float,
    metavar="N",
    help="Units in the population; clusters in the frame for cluster.",
)
@click.option("--stratum", metavar="COL", help="Stratum (or post-stratum) column.")
@click.option("--strata", type=FILE, help="CSV: stratum,units.")
@click.option("--weight", metavar="COL", help="Design weights.")
@click.option("--prob", metavar="COL", help="Inclusion probabilities.")
@click.option(
    "--joint-prob",
    type=FILE,
    help="CSV of joint probabilities, n by n, in the sample's order, no header; "
    "gives ht the Yates-Grundy variance.",
)
@click.option("--cluster", metavar="COL", help="Cluster column.")
@click.option(
    "--clusters-in-frame",
    type=float,
    metavar="M",
    help="Clusters in the frame, where --population counts units.",
)
@click.option("--domain", metavar="COL", help="One estimate per level of this column.")
@click.option("--aux", metavar="A,B", help="Auxiliary columns.")
@click.option("--aux-means", type=FILE, help="CSV of their population means.")
@click.option("--ratio-of", metavar="COL", help="Denominator of a ratio.")
@click.option(
    "--ratio",
    type=click.Choice(["combined", "separate"]),
    default="combined",
    show_default=True,
    help="Ratio estimator over strata.",
)
@click.option("--first-phase", type=float, metavar="N", help="First-phase units.")
@click.option(
    "--residuals",
    type=click.Choice(["g-weighted", "plain"]),
    default="g-weighted",
    show_default=True,
    help="Calibrated variances: as R survey, or as mase.",
)
@click.option("--fpc", is_flag=True, help="Correct for sampling without replacement.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option(
    "--interval",
    type=click.Choice(["t", "normal", "logit", "beta", "skewed"]),
    default="t",
    show_default=True,
    help="logit and beta are for proportions, skewed for values mostly zero.",
)
@click.option("--json", "json_path", type=FILE, help="Write the estimates here.")
def total(
    sample: Path, *, json_path: Path | None, confidence: float, **options: Any
) -> None:
    """Totals and means from a probability sample."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import project_dir
    from qhsink.config.reliability import load_interval_rules
    from qhsink.estimation.domains import Level
    from qhsink.estimation.request import TotalRequest, TotalTables
    from qhsink.estimation.total import estimate_totals

    joint_path, strata, means = (
        options.pop(name) for name in ("joint_prob", "strata", "aux_means")
    )
    aux = options.pop("aux") or ""
    request = TotalRequest(
        aux=tuple(name.strip() for name in aux.split(",") if name.strip()),
        level=Level(
            confidence, options.pop("interval"), load_interval_rules(project_dir())
        ),
        **options,
    )
    _check_numbers(request)
    tables = TotalTables(
        sample=read_csv(sample),
        strata=None if strata is None else read_csv(strata),
        aux_means=None if means is None else read_csv(means),
        joint=None if joint_path is None else _read_matrix(joint_path),
    )
    rows = estimate_totals(request, tables)
    if json_path is None or str(json_path) != "-":
        click.echo(_total_table(rows, confidence))
    write_json(
        json_path,
        {
            "estimates": [asdict(row) for row in rows],
            "y": request.y,
            "confidence": confidence,
            "interval": request.level.kind,
        },
    )


def _check_numbers(request: Any) -> None:
    from qhsink.domain.errors import TableError
    from qhsink.estimation.intervals import critical_value

    critical_value(request.level.confidence, kind="normal")
    for name in ("population", "clusters_in_frame", "first_phase"):
        value = getattr(request, name)
        if value is not None and not 0.0 < value < float("inf"):
            raise TableError(
                f"--{name.replace('_', '-')} {value:g}",
                expected="a positive number",
                remedy="Correct the option.",
            )


def _read_matrix(path: Path) -> Any:
    import numpy as np

    from qhsink.domain.errors import TableError

    try:
        return np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise TableError(
            f"{path}: {error}",
            expected="n lines of n comma-separated probabilities, without header",
            remedy="Correct --joint-prob.",
        ) from error


def _total_table(rows: Sequence[TotalEstimate], confidence: float) -> str:
    percent = f"{100 * confidence:g} % interval"
    table = [("domain", "n", "mean", "se", percent, "total", "se", percent)]
    table += [
        (
            row.domain or "all",
            str(row.n),
            _figure(row.mean),
            _figure(row.se_mean),
            _span(row.ci_mean),
            _figure(row.total),
            _figure(row.se_total),
            _span(row.ci_total),
        )
        for row in rows
    ]
    note = f"{rows[0].method}; df {', '.join(f'{row.df:g}' for row in rows)}"
    flags = [f"{row.domain or 'all'}: {flag}" for row in rows for flag in row.flags]
    return "\n".join([*_aligned(table), note, *flags])


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"


def _span(limits: tuple[float, float] | None) -> str:
    return "-" if limits is None else f"{_figure(limits[0])} to {_figure(limits[1])}"

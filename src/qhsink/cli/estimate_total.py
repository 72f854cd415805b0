"""``qhsink estimate total``: totals and means of a probability sample from tables.

Options and what people read; the estimators are in ``qhsink.estimation.total``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_rows import aligned
from qhsink.cli.groups import examples
from qhsink.cli.options import FILE, JSON, for_people

if TYPE_CHECKING:
    from qhsink.estimation.domains import TotalEstimate

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


@click.command(
    epilog=examples(
        "qhsink estimate total --sample plots.csv --y agb --method srs \\",
        "  --population 5000",
        "qhsink estimate total --sample plots.csv --y volume --method stratified \\",
        "  --population 90000 --stratum type --strata strata.csv",
    )
)
@click.option("--sample", required=True, type=FILE, help="CSV, one row per unit.")
@click.option("--y", required=True, metavar="COL", help="Variable of interest.")
@click.option(
    "--method",
    required=True,
    type=click.Choice(METHODS),
    help="Estimator; docs/estimation.md says what each needs.",
)
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
@click.option(
    "--confidence",
    type=float,
    default=0.95,
    show_default=True,
    help="Of the two-sided interval.",
)
@click.option(
    "--interval",
    type=click.Choice(["t", "normal", "logit", "beta", "skewed"]),
    default="t",
    show_default=True,
    help="logit and beta are for proportions, skewed for values mostly zero.",
)
@JSON
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
    if for_people(json_path):
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
    return "\n".join([*aligned(table), note, *flags])


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"


def _span(limits: tuple[float, float] | None) -> str:
    return "-" if limits is None else f"{_figure(limits[0])} to {_figure(limits[1])}"

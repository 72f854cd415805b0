"""``qhsink indicators sink-grade | sink-state``: units graded and compared.

Options and what people read; the work is in ``qhsink.steps.sink_units``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qhsink.cli.groups import examples
from qhsink.cli.options import FILE, JSON, SEED, for_people

PROPOSAL = "本项目建议的分级，无官方规定 (a proposal of this project, no official rule)"


@click.command(
    "sink-grade",
    epilog=examples(
        "qhsink indicators sink-grade --units units.csv --reference reference.csv \\",
        "  --month 2025-08",
    ),
)
@click.option(
    "--units",
    required=True,
    type=FILE,
    help="CSV: unit,type,density,density_se [t C ha-1][,density_df][,rate,rate_se,"
    "stability,stability_se].",
)
@click.option(
    "--reference",
    required=True,
    type=FILE,
    help="CSV: type,density[,rate,stability]: 30 units of a type or more.",
)
@click.option(
    "--weights",
    metavar="D,R,S",
    help="Of density, rate and stability; the project's own where absent.",
)
@SEED
@click.option("--month", required=True, metavar="YYYY-MM", help="Of the units.")
@JSON
def sink_grade(
    units: Path,
    reference: Path,
    weights: str | None,
    seed: int,
    month: str,
    json_path: Path | None,
) -> None:
    """碳汇功能等级: five grades with the probability of each."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.sink_units import NAMES_ZH, GradeOrder, sink_grades

    order = GradeOrder(month, seed, _weights(weights))
    found = sink_grades(read_csv(units), read_csv(reference), order, load_settings())
    names: dict[int | None, str] = dict(enumerate(NAMES_ZH, start=1))
    names[None] = "不定级"
    if for_people(json_path):
        for row in found:
            chances = " ".join(f"{chance:.2f}" for chance in row.grade.probabilities)
            held = row.same_under_other_weights
            robust = "" if held is None else f"; {100 * held:.0f} % of weights agree"
            robust += f"; 未校准 {', '.join(row.flags)}" if row.flags else ""
            click.echo(
                f"{row.unit} ({row.ecosystem}): {names[row.grade.grade]} "
                f"{row.grade.grade or '-'}; P(1..5) {chances}{robust}"
            )
        click.echo(PROPOSAL)
    write_json(
        json_path,
        {
            "status": "proposal",
            "units": [
                {
                    "unit": row.unit,
                    "type": row.ecosystem,
                    "grade": row.grade.grade,
                    "name_zh": names[row.grade.grade],
                    "probabilities": list(row.grade.probabilities),
                    "same_under_other_weights": row.same_under_other_weights,
                    "flags": list(row.flags),
                }
                for row in found
            ],
        },
    )


def _weights(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
        return dict(zip(("density", "rate", "stability"), numbers, strict=True))
    except ValueError as error:
        raise click.UsageError(
            f"--weights {text!r}: give three numbers, such as 0.5,0.3,0.2"
        ) from error


@click.command(
    "sink-state",
    epilog=examples("qhsink indicators sink-state --changes changes.csv --fdr 0.1"),
)
@click.option(
    "--changes",
    required=True,
    type=FILE,
    help="CSV: unit,change,se, or unit,first,first_se,second,second_se,covariance.",
)
@click.option(
    "--fdr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.10,
    show_default=True,
    help="False discovery rate over the units.",
)
@JSON
def sink_state(changes: Path, fdr: float, json_path: Path | None) -> None:
    """碳汇动态: 增强, 稳定 or 减弱 of units judged together."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.steps.sink_units import sink_states

    found = sink_states(read_csv(changes), fdr=fdr)
    if for_people(json_path):
        for row in found:
            click.echo(
                f"{row.unit}: {row.state}  z {row.z:+.2f}, p {row.p:.3g}, adjusted "
                f"{row.p_adjusted:.3g}"
            )
        click.echo(f"false discovery rate {fdr:g}; 稳定: no change was shown")
        click.echo(PROPOSAL)
    rows: list[dict[str, Any]] = [asdict(row) for row in found]
    write_json(json_path, {"status": "proposal", "fdr": fdr, "units": rows})

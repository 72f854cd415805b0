"""``qhsink carbon``: stocks with errors to carbon by pool, with its uncertainty.

Options and what people read; the work is in ``qhsink.steps.carbon``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qhsink.cli.groups import examples
from qhsink.cli.options import CONFIDENCE, FILE, JSON, SEED, SIMULATED, for_people


@click.command(
    epilog=examples(
        "qhsink carbon --stocks stocks.csv --html carbon.html --json carbon.json"
    )
)
@click.option(
    "--stocks",
    required=True,
    type=FILE,
    help="CSV: ecosystem,quantity,value,se,unit; quantity is area, biomass "
    "(above-ground dry matter per area) or growing_stock.",
)
@click.option("--factors", type=FILE, help="[default: config/factors.toml]")
@click.option(
    "--region",
    default="",
    metavar="ID",
    help="Region the table is the whole of: 630000 holds sums against bands.",
)
@click.option(
    "--route",
    type=click.Choice(["either", "biomass", "growing_stock"]),
    default="either",
    show_default=True,
    help="Where the table has both; the two are compared and never added.",
)
@click.option(
    "--soil/--no-soil",
    default=True,
    show_default=True,
    help="Soil by the factors' density, where they have one.",
)
@click.option(
    "--draws", type=int, default=10_000, show_default=True, help="At least so many."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.03,
    show_default=True,
    help="Error of the simulation over the half-width, at which it stops.",
)
@SEED
@CONFIDENCE
@click.option(
    "--deduct",
    "deductions",
    multiple=True,
    metavar="ID",
    help="Apply a deduction schedule of the factors; may be repeated. None by default.",
)
@SIMULATED
@JSON
@click.option("--html", "html_path", type=FILE, help="Write a page here.")
def carbon(
    stocks: Path,
    *,
    simulated: bool,
    json_path: Path | None,
    html_path: Path | None,
    **options: Any,
) -> None:
    """Carbon by ecosystem and pool, in t C and t CO2, with its uncertainty."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.domain.errors import BadInput
    from qhsink.reporting.carbon_page import write_carbon_page
    from qhsink.steps.carbon import CarbonRequest, carbon_balance
    from qhsink.steps.carbon_record import carbon_record

    rows = [
        {str(name): str(cell) for name, cell in row.items()}
        for row in read_csv(stocks).to_dict("records")
    ]
    request = CarbonRequest(
        provenance="simulated" if simulated else "observed", **options
    )
    record = carbon_record(carbon_balance(rows, request, load_settings()))
    if for_people(json_path):
        click.echo(_text(record))
    write_json(json_path, record)
    if html_path is not None:
        try:
            html_path.parent.mkdir(parents=True, exist_ok=True)
            write_carbon_page(record, html_path)
        except OSError as error:
            raise BadInput(
                f"{html_path}: {error.strerror}",
                expected="a place that can be written",
                remedy="Choose another --html FILE.",
            ) from error


def _text(record: dict[str, Any]) -> str:
    level, spread = f"{100 * record['confidence']:g} %", record["monte_carlo"]
    lines = [
        f"{row['ecosystem']:20} {row['pools']:28} {row['carbon_t']:16,.0f} t C  "
        f"SE {row['se_t']:,.0f}"
        for row in record["pools"]
    ]
    low, high = spread["ci_carbon_t"]
    lines += [
        f"sum {record['carbon_t']:,.0f} t C = {record['co2_t']:,.0f} t CO2",
        (
            f"Monte Carlo: SE {spread['se_carbon_t']:,.0f} t C, {level} {low:,.0f} to "
            f"{high:,.0f} t C; {spread['draws']:,} draws, limits known to "
            f"{spread['numerical_error_t']:,.0f} (allowed {spread['tolerance_t']:,.0f})"
        ),
        f"Approach 1:  SE {record['approach_1']['se_carbon_t']:,.0f} t C",
        "shares of the variance:",
    ]
    lines += [
        f"  {row['name']:28} {row['total']:7.1%}" for row in record["contributions"]
    ]
    lines += [
        f"routes, {row['ecosystem']}: biomass {row['biomass_carbon_t']:,.0f} t C, "
        f"growing stock {row['growing_stock_carbon_t']:,.0f} t C, difference "
        f"{row['difference_t']:,.0f} (SE {row['difference_se_t']:,.0f}): "
        f"{'agree' if row['agree'] else 'do not agree'}"
        for row in record["routes"]
    ]
    lines += [
        f"deduction {row['schedule']}: {row['rate']:.2%}, leaves "
        f"{row['conservative']:,.0f} t CO2"
        for row in record["deductions"]
    ]
    lines.append(f"left out: {'; '.join(record['left_out'])}")
    lines += [f"warning: {text}" for text in record["warnings"]]
    lines.append("A stock is not a credit: not assessed: " + _listed(record))
    if record["provenance"] == "simulated":
        lines.append("SIMULATED data: no statement about Qinghai.")
    return "\n".join(lines)


def _listed(record: dict[str, Any]) -> str:
    return ", ".join(record["not_assessed"]) + "."

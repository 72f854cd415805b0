"""``qhsink indicators forest``: cover rate and growing stock from plots.

Options and what people read; the work is in ``qhsink.steps.forest_area``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import examples
from qhsink.cli.indicators_land import (
    STRATA,
    estimate_json,
    flag_lines,
    verdict_lines,
)
from qhsink.cli.options import CONFIDENCE, FILE, JSON, MONTH, SIMULATED, for_people

if TYPE_CHECKING:
    from qhsink.domain.estimate import Estimate
    from qhsink.steps.forest_area import ForestResult


@click.command(
    epilog=examples(
        "qhsink indicators forest --plots plots.csv --strata strata.csv \\",
        "  --region 630000 --month 2025-08",
    )
)
@click.option(
    "--plots",
    required=True,
    type=FILE,
    help="CSV: [stratum,]forest (1 or 0)[,height_m][,arbor,volume_m3_ha].",
)
@STRATA
@click.option("--region", required=True, metavar="ID", help="What the strata cover.")
@click.option(
    "--definition",
    type=click.Choice(["national", "fao"]),
    default="national",
    show_default=True,
    help="What is forest: 森林覆盖率, or that of the FAO.",
)
@click.option(
    "--land",
    default="frame",
    show_default=True,
    metavar="ID",
    help="Denominator: frame (area of the strata), or an id of the definition.",
)
@SIMULATED
@MONTH
@CONFIDENCE
@JSON
def forest(
    plots: Path,
    strata: Path,
    *,
    definition: Any,
    land: str,
    simulated: bool,
    json_path: Path | None,
    **options: Any,
) -> None:
    """森林覆盖率 and 森林蓄积量, from a sample of plots, with their verdicts."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.forest_area import forest_from
    from qhsink.steps.plot_files import read_plots
    from qhsink.steps.sampled_area import AreaRequest

    request = AreaRequest(
        provenance="simulated" if simulated else "observed", **options
    )
    result = forest_from(
        read_plots(plots),
        read_csv(strata),
        request,
        load_settings(),
        definition=definition,
        land=land,
    )
    if for_people(json_path):
        click.echo(_text(result))
    stock = result.stock
    write_json(
        json_path,
        {
            "indicator": result.indicator.id,
            "land_area": {"id": result.land.id, "ha": result.land.value},
            "forest_area": estimate_json(result.area, None),
            "forest_cover": estimate_json(result.rate, result.rate_verdict),
            "growing_stock": stock and estimate_json(stock, result.stock_verdict),
        },
    )


def _text(result: ForestResult) -> str:
    area, rate = result.area, result.rate
    lines = [
        f"森林面积 {area.region}: {_span(area, 'ha')}",
        (
            f"{result.indicator.name_zh}: {100 * rate.value:.2f} %  SE "
            f"{100 * rate.se:.2f}  {100 * rate.confidence:g} % {100 * rate.low:.2f} to "
            f"{100 * rate.high:.2f}  (of {result.land.value:,.0f} ha, {result.land.id})"
        ),
        *flag_lines(rate),
        *verdict_lines(result.rate, result.rate_verdict),
    ]
    if result.stock is not None:
        lines.append(f"森林蓄积量: {_span(result.stock, 'm3')}")
        lines += flag_lines(result.stock)
        lines += verdict_lines(result.stock, result.stock_verdict)
    if area.provenance == "simulated":
        lines.append("SIMULATED plots: no statement about Qinghai.")
    return "\n".join(lines)


def _span(found: Estimate, unit: str) -> str:
    return (
        f"{found.value:,.0f} {unit}  SE {found.se:,.0f}  {100 * found.confidence:g} % "
        f"{found.low:,.0f} to {found.high:,.0f}  ({found.n} plots, df {found.df:g})"
    )

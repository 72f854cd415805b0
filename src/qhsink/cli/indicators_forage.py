"""``qhsink indicators forage``: forage, carrying capacity, stocking from plots.

Options and what people read; the work is in ``qhsink.steps.forage``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import examples
from qhsink.cli.options import CONFIDENCE, FILE, JSON, MONTH, for_people

if TYPE_CHECKING:
    from qhsink.domain.indicator import Measure
    from qhsink.steps.forage import CountyForage, ForageResult


class _WithError(click.ParamType[Any]):
    """``VALUE`` or ``VALUE,SE``."""

    name = "value[,se]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            parts = [float(part) for part in str(value).split(",")]
        except ValueError:
            parts = []
        if len(parts) not in (1, 2):
            self.fail(f"{value!r} is not VALUE or VALUE,SE", param, ctx)
        return (*parts, 0.0)[:2]


@click.command(
    epilog=examples(
        "qhsink indicators forage --plots yield.csv --areas areas.csv --month 2025-08"
    )
)
@click.option(
    "--plots", required=True, type=FILE, help="CSV: county,type,yield,unit (dry)."
)
@click.option("--areas", required=True, type=FILE, help="CSV: county,type,area_ha.")
@click.option("--stocking", type=FILE, help="CSV: county,sheep_units[,se] (actual).")
@click.option("--utilisation", type=_WithError(), help="Proper utilisation rate, 0..1.")
@click.option("--edible", type=_WithError(), default="1", help="Edible share, 0..1.")
@click.option(
    "--intake-kg", type=_WithError(), help="Dry matter per sheep unit and day."
)
@click.option(
    "--days",
    type=click.FloatRange(0, 366, min_open=True),
    default=365.0,
    show_default=True,
    help="Days of grazing in a year.",
)
@MONTH
@CONFIDENCE
@JSON
def forage(
    plots: Path,
    areas: Path,
    stocking: Path | None,
    *,
    month: str,
    confidence: float,
    json_path: Path | None,
    **rates: Any,
) -> None:
    """天然草原产草量、合理载畜量, and 实际载畜量 beside it when given."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.forage import ForageRequest, forage_from
    from qhsink.steps.plot_files import read_plots

    request = ForageRequest(month, confidence, _rates(**rates))
    result = forage_from(
        read_plots(plots),
        read_csv(areas),
        None if stocking is None else read_csv(stocking),
        request,
        load_settings(),
    )
    if for_people(json_path):
        rows = (*result.counties, result.whole)
        click.echo("\n".join(_forage_line(row, confidence) for row in rows))
    write_json(json_path, _forage_json(result, confidence))


def _rates(*, utilisation: Any, edible: Any, intake_kg: Any, days: float) -> Any:
    """Return what makes sheep units of forage; None where either rate lacks."""
    from qhsink.domain.indicator import Measure
    from qhsink.steps.forage import GrazingRates

    if utilisation is None or intake_kg is None:
        return None
    return GrazingRates(
        utilisation=Measure(utilisation[0], utilisation[1], "1"),
        edible=Measure(edible[0], edible[1], "1"),
        daily_intake_kg=Measure(intake_kg[0], intake_kg[1], "kg"),
        days=days,
    )


def _forage_line(row: CountyForage, confidence: float) -> str:
    low, high = _span(row.forage_t, row.df, confidence)
    text = (
        f"{row.county}: 产草量 {row.forage_t.value:,.0f} t (SE {row.forage_t.se:,.0f}, "
        f"{low:,.0f} to {high:,.0f}; {row.n} plots, {row.area_ha:,.0f} ha)"
    )
    if row.capacity is not None:
        text += (
            f"; 合理载畜量 {row.capacity.value:,.0f} sheep units (SE "
            f"{row.capacity.se:,.0f})"
        )
    if row.stocking is not None and row.herd is not None:
        text += (
            f"; 实际 {row.herd.value:,.0f}, 超载率 {100 * row.stocking.ratio:+.1f} % "
            f"(SE {100 * row.stocking.se:.1f})"
        )
    return text


def _span(found: Measure, df: float, confidence: float) -> tuple[float, float]:
    from qhsink.indicators.interval import student_interval

    bounds = (0.0, float("inf"))
    return student_interval(found.value, found.se, df, confidence, bounds=bounds)


def _forage_json(result: ForageResult, confidence: float) -> dict[str, Any]:
    return {
        "counties": [_forage_row(row, confidence) for row in result.counties],
        "whole": _forage_row(result.whole, confidence),
        "confidence": confidence,
    }


def _forage_row(row: CountyForage, confidence: float) -> dict[str, Any]:
    return {
        "county": row.county,
        "n": row.n,
        "area_ha": row.area_ha,
        "forage_t": row.forage_t.value,
        "forage_se_t": row.forage_t.se,
        "forage_ci_t": list(_span(row.forage_t, row.df, confidence)),
        "df": row.df,
        "capacity_sheep_units": row.capacity and row.capacity.value,
        "capacity_se": row.capacity and row.capacity.se,
        "actual_sheep_units": row.herd and row.herd.value,
        "overstocking": row.stocking and row.stocking.ratio,
        "overstocking_se": row.stocking and row.stocking.se,
    }

"""``qhsink indicators grades | wetland | forage``: areas and forage from plots.

Options and what people read; the work is in ``qhsink.steps``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qhsink.domain.estimate import Estimate, Verdict
    from qhsink.domain.indicator import Measure
    from qhsink.steps.forage import CountyForage, ForageResult
    from qhsink.steps.graded_land import GradeArea, GradeResult
    from qhsink.steps.wetland import WetlandResult

FILE = click.Path(dir_okay=False, path_type=Path)
MONTH = click.option("--month", required=True, metavar="YYYY-MM", help="Of the plots.")
CONFIDENCE = click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.90,
    show_default=True,
)
JSON = click.option("--json", "json_path", type=FILE, help="Write the result here.")
STRATA = click.option(
    "--strata", required=True, type=FILE, help="CSV: stratum,units,unit_area_ha."
)


@click.command("grades")
@click.argument(
    "indicator", type=click.Choice(["degraded_grassland", "black_soil", "sandy_land"])
)
@click.option(
    "--plots",
    required=True,
    type=FILE,
    help="CSV: stratum, and type,cover[,yield][,cover_se][,grassland] | "
    "bald_share,slope_deg,alpine_meadow | cover,sandy.",
)
@STRATA
@click.option(
    "--reference",
    type=FILE,
    help="CSV: type,cover[,yield] of undegraded grassland; one row of a type is "
    "stated, 30 or more are plots.",
)
@MONTH
@CONFIDENCE
@JSON
def grades(
    indicator: str,
    plots: Path,
    strata: Path,
    reference: Path | None,
    *,
    json_path: Path | None,
    **options: Any,
) -> None:
    """退化草地、黑土滩、沙化土地: area of every grade, from a sample of plots."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.graded_land import GradeRequest, graded_areas
    from qhsink.steps.plot_files import read_plots

    result = graded_areas(
        read_plots(plots),
        read_csv(strata),
        None if reference is None else read_csv(reference),
        GradeRequest(indicator=indicator, **options),
        load_settings(),
    )
    if str(json_path) != "-":
        click.echo(_grades_text(result))
    write_json(json_path, _grades_json(result))


def _grades_text(result: GradeResult) -> str:
    known = result.indicator
    lines = [f"{known.name_zh} {known.name_en}, {result.period}"]
    for scale in result.scales:
        limits = ", ".join(f"{limit:g}" for limit in scale.limits)
        lines.append(
            f"{scale.id}: {scale.variable}, limits {limits} {scale.unit} "
            f"({scale.status}; {scale.source})"
        )
        lines += [_grade_line(row) for row in result.rows if row.scale == scale.id]
    return "\n".join(lines)


def _grade_line(row: GradeArea) -> str:
    area = row.area
    span = "no interval"
    if area.ci_total is not None:
        span = f"{max(area.ci_total[0], 0.0):,.0f} to {area.ci_total[1]:,.0f}"
    return (
        f"  {row.name_zh} {row.name_en}: {area.total:,.0f} ha (SE {area.se_total:,.0f},"
        f" {span}), {100 * (area.mean or 0.0):.1f} % of the frame, {row.n} plots"
    )


def _grades_json(result: GradeResult) -> dict[str, Any]:
    return {
        "indicator": result.indicator.id,
        "name_zh": result.indicator.name_zh,
        "period": result.period,
        "frame_ha": result.frame_ha,
        "scales": [asdict(scale) for scale in result.scales],
        "grades": [
            {
                "scale": row.scale,
                "grade": row.grade,
                "name_zh": row.name_zh,
                "name_en": row.name_en,
                "n": row.n,
                "area_ha": row.area.total,
                "se_ha": row.area.se_total,
                "ci_ha": row.area.ci_total,
                "share": row.area.mean,
                "df": row.area.df,
            }
            for row in result.rows
        ],
    }


@click.command()
@click.option(
    "--plots",
    required=True,
    type=FILE,
    help="CSV: stratum,wetland[,protected], 1 or 0.",
)
@STRATA
@click.option("--region", required=True, metavar="ID", help="What the strata cover.")
@click.option("--simulated", is_flag=True, help="The plots are simulated.")
@MONTH
@CONFIDENCE
@JSON
def wetland(
    plots: Path,
    strata: Path,
    *,
    simulated: bool,
    json_path: Path | None,
    **options: Any,
) -> None:
    """湿地面积与湿地保护率, from a sample of plots, with their verdicts."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.plot_files import read_plots
    from qhsink.steps.sampled_area import AreaRequest
    from qhsink.steps.wetland import wetland_from

    request = AreaRequest(
        provenance="simulated" if simulated else "observed", **options
    )
    result = wetland_from(read_plots(plots), read_csv(strata), request, load_settings())
    if str(json_path) != "-":
        click.echo(_wetland_text(result))
    write_json(
        json_path,
        {
            "wetland_area": estimate_json(result.area, result.area_verdict),
            "wetland_protection_rate": None
            if result.rate is None
            else estimate_json(result.rate, result.rate_verdict),
        },
    )


def _wetland_text(result: WetlandResult) -> str:
    area, rate = result.area, result.rate
    level = f"{100 * area.confidence:g} %"
    lines = [
        (
            f"湿地面积 {area.region}: {area.value:,.0f} ha  SE {area.se:,.0f}  {level} "
            f"{area.low:,.0f} to {area.high:,.0f}  ({area.n} plots, df {area.df:g})"
        ),
        *verdict_lines(result.area_verdict),
    ]
    if rate is None:
        lines.append("湿地保护率: no column 'protected', not given")
        return "\n".join(lines)
    lines += [
        (
            f"湿地保护率 {rate.region}: {100 * rate.value:.2f} %  SE "
            f"{100 * rate.se:.2f}  {level} {100 * rate.low:.2f} to "
            f"{100 * rate.high:.2f}  ({rate.n} plots in wetland)"
        ),
        *verdict_lines(result.rate_verdict),
    ]
    if area.provenance == "simulated":
        lines.append("SIMULATED plots: no statement about Qinghai.")
    return "\n".join(lines)


def verdict_lines(verdict: Verdict | None) -> list[str]:
    """Return a verdict in words; nothing where none was given."""
    if verdict is None:
        return []
    target = verdict.target
    number = "no number" if target.value is None else f"{target.value:g} {target.unit}"
    chance = "" if verdict.p_met is None else f", P(met) = {verdict.p_met:.3f}"
    return [f"  {target.id} ({number}): {verdict.outcome}{chance} {verdict.reason}"]


def estimate_json(value: Estimate, verdict: Verdict | None) -> dict[str, Any]:
    """Return an estimate and its verdict as plain values."""
    return {
        "region": value.region,
        "period": value.period,
        "value": value.value,
        "se": value.se,
        "ci": [value.low, value.high],
        "confidence": value.confidence,
        "df": value.df,
        "n": value.n,
        "unit": value.unit,
        "provenance": value.provenance,
        "verdict": None
        if verdict is None
        else {
            "target": verdict.target.id,
            "value": verdict.target.value,
            "outcome": verdict.outcome,
            "p_met": verdict.p_met,
            "reason": verdict.reason,
        },
    }


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


@click.command()
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
@click.option("--days", type=click.FloatRange(0, 366, min_open=True), default=365.0)
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
    if str(json_path) != "-":
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

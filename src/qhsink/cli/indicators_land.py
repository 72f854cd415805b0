"""``qhsink indicators grades | wetland``: areas from plots.

Options and what people read; the work is in ``qhsink.steps``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import examples
from qhsink.cli.options import CONFIDENCE, FILE, JSON, MONTH, SIMULATED, for_people
from qhsink.cli.verdicts import outlook_json, outlook_lines, verdict_json

if TYPE_CHECKING:
    from qhsink.domain.estimate import Estimate, Verdict
    from qhsink.steps.graded_land import GradeArea, GradeResult
    from qhsink.steps.wetland import WetlandResult

STRATA = click.option(
    "--strata", required=True, type=FILE, help="CSV: stratum,units,unit_area_ha."
)


@click.command(
    "grades",
    epilog=examples(
        "qhsink indicators grades degraded_grassland --plots plots.csv \\",
        "  --strata strata.csv --reference reference.csv --month 2025-08",
    ),
)
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
    if for_people(json_path):
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
    doubts = "".join(f"; {flag}" for flag in area.flags)
    return (
        f"  {row.name_zh} {row.name_en}: {area.total:,.0f} ha (SE {area.se_total:,.0f},"
        f" {span}), {100 * (area.mean or 0.0):.1f} % of the frame, {row.n} plots"
        f"{doubts}"
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
                "flags": list(row.area.flags),
            }
            for row in result.rows
        ],
    }


@click.command(
    epilog=examples(
        "qhsink indicators wetland --plots plots.csv --strata strata.csv \\",
        "  --region 630000 --month 2025-08",
    )
)
@click.option(
    "--plots",
    required=True,
    type=FILE,
    help="CSV: stratum,wetland[,protected], 1 or 0.",
)
@STRATA
@click.option("--region", required=True, metavar="ID", help="What the strata cover.")
@SIMULATED
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
    if for_people(json_path):
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
        *flag_lines(area),
        *verdict_lines(result.area, result.area_verdict),
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
        *flag_lines(rate),
        *verdict_lines(result.rate, result.rate_verdict),
    ]
    if area.provenance == "simulated":
        lines.append("SIMULATED plots: no statement about Qinghai.")
    return "\n".join(lines)


def flag_lines(value: Estimate) -> list[str]:
    """Return what the sample says against an interval; nothing where it is sound."""
    return [f"  flag: {flag}" for flag in value.flags]


def verdict_lines(value: Estimate | None, verdict: Verdict | None) -> list[str]:
    """Return a verdict in words, if there is one, and what stands around it."""
    if value is None:
        return []
    around = [f"    {line}" for line in outlook_lines(value, verdict)]
    if verdict is None:
        return around
    target = verdict.target
    number = "no number" if target.value is None else f"{target.value:g} {target.unit}"
    chance = "" if verdict.p_met is None else f", P(met) = {verdict.p_met:.3f}"
    said = f"  {target.id} ({number}): {verdict.outcome}{chance} {verdict.reason}"
    return [said, *around]


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
        "flags": list(value.flags),
        "verdict": verdict_json(verdict),
        **outlook_json(value, verdict),
    }

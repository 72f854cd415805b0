"""``qhsink indicators``: definitions, and indicators from tables alone.

Options and what people read; the work is in ``qhsink.steps`` and
``qhsink.indicators``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import PurposeGroup, examples
from qhsink.cli.indicators_forage import forage
from qhsink.cli.indicators_forest import forest
from qhsink.cli.indicators_land import grades, wetland
from qhsink.cli.indicators_sink import sink_grade, sink_state
from qhsink.cli.options import CONFIDENCE, FILE, JSON, SIMULATED, for_people
from qhsink.cli.verdicts import outlook_json, outlook_lines, verdict_json

if TYPE_CHECKING:
    from qhsink.domain.estimate import Estimate, Target, Verdict
    from qhsink.steps.cover import CoverResult


@click.group(cls=PurposeGroup)
def indicators() -> None:
    """Definitions, and indicators from tables of plots or yearly values."""


for command in (forest, grades, wetland, forage, sink_grade, sink_state):
    indicators.add_command(command)


@indicators.command("list")
def list_() -> None:
    """List every indicator: id, names, unit, window."""
    from qhsink.config import load_indicators, load_settings

    for known in load_indicators(load_settings().project).values():
        window = "all year" if len(known.months) == 12 else f"months {known.months}"
        click.echo(
            f"{known.id:24} {known.name_zh}  {known.name_en}  [{known.unit}] {window}"
        )


@indicators.command()
@click.argument("indicator_id", metavar="ID")
def show(indicator_id: str) -> None:
    """Show a definition, its source and its targets."""
    import difflib

    from qhsink.config import load_indicators, load_settings, load_targets
    from qhsink.domain.errors import BadInput

    project = load_settings().project
    known = load_indicators(project)
    if indicator_id not in known:
        near = difflib.get_close_matches(indicator_id, known, n=1)
        raise BadInput(
            f"indicator {indicator_id!r}",
            expected="an id of config/indicators.toml",
            remedy=f"Did you mean {near[0]!r}?"
            if near
            else "`qhsink indicators list` shows them.",
        )
    one = known[indicator_id]
    lines = [
        f"{one.id}  {one.name_zh}  {one.name_en}",
        one.definition_zh,
        one.definition_en,
        f"formula: {one.formula}",
        f"unit: {one.unit}; months: {', '.join(map(str, one.months))}",
        f"needs: {', '.join(one.inputs)}",
        f"source ({one.status}): {one.source}",
    ]
    lines += [f"note: {one.note}"] if one.note else []
    lines += [
        f"denominator {d.id}: {d.value:,.0f} {d.unit} ({d.status}; {d.source})"
        for d in one.denominators
    ]
    lines += [
        f"{t.kind} {t.id}: {_target_number(t)} in {t.year} for {t.scope} "
        f"({t.status}; {t.source})"
        for t in load_targets(project)
        if t.indicator == one.id
    ]
    click.echo("\n".join(lines))


def _target_number(target: Target) -> str:
    return "no number" if target.value is None else f"{target.value:g} {target.unit}"


@indicators.command(
    epilog=examples(
        "qhsink indicators cvcg --plots plots.csv --areas areas.csv --year 2025"
    )
)
@click.option(
    "--plots", required=True, type=FILE, help="CSV: county,type,cover[,date][,unit]."
)
@click.option(
    "--areas", required=True, type=FILE, help="CSV: county,type,area_ha (official)."
)
@click.option(
    "--year", required=True, type=click.IntRange(1980, 2100), help="Year of the plots."
)
@click.option("--target", metavar="ID", help="Instead of the next dated target.")
@click.option(
    "--complete",
    is_flag=True,
    help="The areas are all grassland of the province, though counties are missing.",
)
@SIMULATED
@CONFIDENCE
@JSON
def cvcg(
    plots: Path,
    areas: Path,
    *,
    simulated: bool,
    json_path: Path | None,
    **options: Any,
) -> None:
    """草原综合植被盖度 from plots and official areas, with its verdict."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.cover import CoverRequest, composite_cover_from

    request = CoverRequest(
        provenance="simulated" if simulated else "observed", **options
    )
    result = composite_cover_from(
        read_csv(plots), read_csv(areas), request, load_settings()
    )
    if for_people(json_path):
        click.echo(_cover_text(result))
    write_json(json_path, _cover_json(result))


def _cover_text(result: CoverResult) -> str:
    lines = [_line(row.county, row.estimate) for row in result.counties]
    lines.append(_line(f"= {result.whole.region}", result.whole))
    verdict = result.verdict
    if verdict is None:
        lines.append(f"no verdict: {result.why_unjudged}")
    else:
        lines.append(_verdict_line(verdict))
    lines += outlook_lines(result.whole, result.verdict)
    if result.whole.provenance == "simulated":
        lines.append("SIMULATED plots: no statement about Qinghai.")
    return "\n".join(lines)


def _line(name: str, value: Estimate) -> str:
    return (
        f"{name:16} {100 * value.value:6.2f} %  SE {100 * value.se:.2f}  "
        f"{100 * value.confidence:g} % {100 * value.low:.2f} to "
        f"{100 * value.high:.2f}  ({value.n} plots, df {value.df:.1f}, "
        f"{value.area_ha:,.0f} ha)"
    )


def _verdict_line(verdict: Verdict) -> str:
    target = verdict.target
    number = "no number" if target.value is None else f"{target.value:g}"
    chance = "" if verdict.p_met is None else f", P(met) = {verdict.p_met:.3f}"
    reason = f" ({verdict.reason})" if verdict.reason else ""
    return f"{target.id} ({number}): {verdict.outcome}{chance}{reason}"


def _cover_json(result: CoverResult) -> dict[str, Any]:
    return {
        "indicator": result.whole.indicator,
        "provenance": result.whole.provenance,
        "counties": [
            {"county": row.county, "types": row.types, **_numbers(row.estimate)}
            for row in result.counties
        ],
        "whole": {"region": result.whole.region, **_numbers(result.whole)},
        "missing_counties": list(result.missing_counties),
        "verdict": verdict_json(result.verdict),
        "why_unjudged": result.why_unjudged,
        **outlook_json(result.whole, result.verdict),
    }


def _numbers(value: Estimate) -> dict[str, Any]:
    return {
        "value": value.value,
        "se": value.se,
        "ci": [value.low, value.high],
        "confidence": value.confidence,
        "df": value.df,
        "n": value.n,
        "area_ha": value.area_ha,
        "period": value.period,
    }


@indicators.command(
    epilog=examples("qhsink indicators trend --series cvcg.csv --target cvcg_2030")
)
@click.option("--series", required=True, type=FILE, help="CSV: year,value.")
@click.option(
    "--target", metavar="ID", help="A target without a number, such as cvcg_2030."
)
@CONFIDENCE
@JSON
def trend(
    series: Path, *, target: str | None, confidence: float, json_path: Path | None
) -> None:
    """Test a yearly series for a rise: Theil-Sen slope, Mann-Kendall test."""
    from dataclasses import asdict

    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.series import yearly_trend

    found = yearly_trend(
        read_csv(series), load_settings(), confidence=confidence, target_id=target
    )
    slope = found.trend
    if for_people(json_path):
        click.echo(
            f"slope {slope.slope:+.6g} per year, {100 * confidence:g} % "
            f"{slope.low:+.6g} to {slope.high:+.6g}; {slope.direction}, one-sided p "
            f"{slope.p_rising:.3g}, {slope.years} years"
        )
        if found.verdict is not None:
            click.echo(_verdict_line(found.verdict))
    write_json(
        json_path,
        {
            "trend": asdict(slope),
            "verdict": verdict_json(found.verdict),
        },
    )

"""``qhsink estimate region``: a finished run's map corrected by reference plots.

Options and what people read; the work is in ``qhsink.steps.assisted``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import examples
from qhsink.cli.options import CONFIDENCE, FILE, JSON, POSITIVE, for_people
from qhsink.cli.verdicts import outlook_json, outlook_lines, verdict_json

if TYPE_CHECKING:
    from qhsink.config import Settings
    from qhsink.steps.assisted import AssistedResult, RegionEstimate

REFUSED = 3
"""Exit status when at least one region has no number."""


@click.command(
    epilog=examples(
        "qhsink estimate region --run out/2025-08-demo --region 632324 \\",
        "  --sample plots.csv --indicator fvc_peak",
    )
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    required=True,
    metavar="ID",
    help="Region of the run, or a sum of its parts; one estimate for each.",
)
@click.option(
    "--sample",
    required=True,
    type=FILE,
    help="CSV with lon, lat (WGS84), or points (GeoPackage, ...); used where "
    "present: id, stratum, inclusion_prob or weight, unit.",
)
@click.option("--indicator", required=True, metavar="ID", help="fvc_peak or fvc_month.")
@click.option(
    "--value",
    default="reference",
    show_default=True,
    metavar="COL",
    help="Column of the reference value.",
)
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of a finished run."
)
@click.option("--month", metavar="YYYY-MM", help="Instead of --run: the run's month,")
@click.option("--source", metavar="NAME", help="and its source.")
@click.option(
    "--method",
    type=click.Choice(["difference", "regression"]),
    default="difference",
    show_default=True,
    help="regression also repairs a map that saturates.",
)
@click.option("--strata", type=FILE, help="CSV: stratum,units.")
@click.option(
    "--plot-m",
    type=POSITIVE,
    help="Diameter of a plot [m]: the map's mean over it, not its centre pixel.",
)
@click.option(
    "--half-width",
    type=POSITIVE,
    help="Precision target, in the unit of the indicator.",
)
@CONFIDENCE
@JSON
def region(
    sample: Path, strata: Path | None, *, json_path: Path | None, **options: Any
) -> int:
    """Correct a run's map by reference plots: bias, estimate, efficiency."""
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.config import load_settings
    from qhsink.steps.assisted import AssistedRequest, assisted_estimates
    from qhsink.steps.plot_files import read_plots

    settings = load_settings()
    run, month, source = (options.pop(name) for name in ("run", "month", "source"))
    regions = tuple(dict.fromkeys(options.pop("regions")))
    request = AssistedRequest(
        run=run_folder(run, month, source, settings), regions=regions, **options
    )
    result = assisted_estimates(
        request,
        read_plots(sample),
        None if strata is None else read_csv(strata),
        settings,
    )
    if for_people(json_path):
        click.echo(_text(result))
    write_json(json_path, _as_json(request, result))
    for name, why in result.refused.items():
        click.echo(f"refused {name}: {why}", err=True)
    return REFUSED if result.refused else 0


def run_folder(
    run: Path | None, month: str | None, source: str | None, settings: Settings
) -> Path:
    """Return the run's folder, named itself or by month and source."""
    if run is not None and not (month or source):
        return run
    if run is None and month and source:
        return settings.project / "out" / f"{month}-{source}"
    raise click.UsageError("Give --run FOLDER, or --month with --source.")


def _text(result: AssistedResult) -> str:
    lines = []
    for found in result.estimates:
        lines += _region_lines(found)
    if result.run.provenance == "simulated":
        lines.append("SIMULATED pixels or training data: no statement about Qinghai.")
    return "\n".join(lines)


def _region_lines(found: RegionEstimate) -> list[str]:
    value, assisted, region = found.estimate, found.assisted, found.region
    level = f"{100 * value.confidence:g} %"
    gain = assisted.relative_efficiency
    lines = [
        (
            f"{region.name_zh} {region.name_en} ({region.id}), {value.indicator}, "
            f"{value.period}"
        ),
        (
            f"  map mean             {assisted.map_mean:.4f}  (ledger, "
            f"{found.sums.land_ha:,.0f} ha of land, {found.sums.valid_share:.1%} of it "
            "mapped)"
        ),
        f"  map bias             {assisted.map_bias:+.4f}",
        (
            f"  plots alone          {assisted.direct_mean:.4f}  SE "
            f"{assisted.direct_se:.4f}"
        ),
        (
            f"  assisted             {value.value:.4f}  SE {value.se:.4f}  {level} "
            f"{value.low:.4f} to {value.high:.4f}  (df {value.df:g})"
        ),
        f"  relative efficiency  {'-' if gain is None else f'{gain:.2f}'}",
        (
            f"  plots                {value.n} used, {len(found.on_water)} on water, "
            f"{len(found.no_value)} without a map value"
        ),
    ]
    if found.no_value:
        from qhsink.estimation.field_plots import spell_units

        names = spell_units(found.no_value)
        lines.append(f"  nonresponse          no map value at {names}")
    if found.verdict is not None:
        from qhsink.reporting.wording import outcome_words

        target, said = found.verdict.target, outcome_words(found.verdict)
        lines.append(
            f"  verdict              {said.words.en}, {target.value:g} "
            f"({target.kind} {target.id})"
        )
    lines += [f"    {line}" for line in outlook_lines(value, found.verdict)]
    lines.append(f"  status               {value.status}")
    lines += [f"    lacking: {text}" for text in found.lacking]
    return lines


def _as_json(request: Any, result: AssistedResult) -> dict[str, Any]:
    return {
        "indicator": request.indicator,
        "period": result.period.label,
        "method": request.method,
        "plot_m": request.plot_m,
        "confidence": request.confidence,
        "provenance": result.run.provenance,
        "map_total_unit": "unit of the indicator times ha",
        "estimates": [_row(found) for found in result.estimates],
        "refused": dict(result.refused),
    }


def _row(found: RegionEstimate) -> dict[str, Any]:
    value, assisted = found.estimate, found.assisted
    verdict = found.verdict
    return {
        "region": found.region.id,
        "map_mean": assisted.map_mean,
        "map_total": float(found.sums.members_ha.mean()),
        "map_bias": assisted.map_bias,
        "estimate": value.value,
        "se": value.se,
        "ci": [value.low, value.high],
        "df": value.df,
        "n": value.n,
        "direct_mean": assisted.direct_mean,
        "direct_se": assisted.direct_se,
        "relative_efficiency": assisted.relative_efficiency,
        "area_ha": value.area_ha,
        "land_ha": found.sums.land_ha,
        "valid_share": value.valid_share,
        "outside_share": value.outside_share,
        "plots_on_water": list(found.on_water),
        "plots_without_map_value": list(found.no_value),
        "status": value.status,
        "lacking": list(found.lacking),
        "verdict": verdict_json(verdict),
        **outlook_json(value, verdict),
    }

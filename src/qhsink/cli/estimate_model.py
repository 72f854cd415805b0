"""``qhsink estimate model``: the map alone, with members and correlated residuals.

From a finished run, or from tables for a verifier without imagery. Options and what
people read; the work is in ``qhsink.steps.modelled`` and ``estimate_model_tables``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_model_tables import from_tables, variogram_lines
from qhsink.cli.estimate_region import REFUSED, run_folder
from qhsink.cli.groups import examples
from qhsink.cli.options import CONFIDENCE, FILE, JSON, POSITIVE, for_people

if TYPE_CHECKING:
    from qhsink.steps.modelled import ModelledResult, RegionModelled


@click.command(
    "model",
    epilog=examples(
        "qhsink estimate model --run out/2025-08-demo --region 632324",
        "qhsink estimate model --run out/2025-08-demo --region 632324 \\",
        "  --residuals plots.csv",
    ),
)
@click.option(
    "--region", "regions", multiple=True, metavar="ID", help="Region of a finished run."
)
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of a finished run."
)
@click.option("--month", metavar="YYYY-MM", help="Instead of --run: the run's month,")
@click.option("--source", metavar="NAME", help="and its source.")
@click.option(
    "--indicator",
    default="fvc_peak",
    show_default=True,
    metavar="ID",
    help="Map of the run.",
)
@click.option(
    "--residuals",
    type=FILE,
    help="Plots that the model has not seen (CSV with lon, lat, or points); with "
    "--members CSV x_m,y_m,residual. Default: the model's card, else an assumption.",
)
@click.option(
    "--value",
    default="reference",
    show_default=True,
    metavar="COL",
    help="Column of the plots' value.",
)
@click.option("--plot-m", type=POSITIVE, help="Diameter of a plot [m].")
@click.option(
    "--members",
    type=FILE,
    help="Without a run. CSV mean: a region's mean by ensemble member; or, for "
    "clusters, member,cluster,total,size.",
)
@click.option("--area-ha", type=POSITIVE, help="Area of the region [ha].")
@click.option("--pixel-m", type=POSITIVE, help="Edge of a pixel [m].")
@click.option("--residual-sd", type=POSITIVE, help="Of out-of-fold residuals.")
@click.option("--range-m", type=POSITIVE, help="Range of the residual variogram [m].")
@click.option(
    "--nugget-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of the residual variance without any range.",
)
@click.option(
    "--variogram",
    type=click.Choice(["exponential", "spherical"]),
    default="exponential",
    show_default=True,
    help="Shape of the residual variogram.",
)
@CONFIDENCE
@JSON
def model(
    *, regions: tuple[str, ...], members: Path | None, json_path: Path | None, **o: Any
) -> int:
    """Model-based mean, residuals correlated; hybrid where members come by cluster."""
    if members is not None and not regions:
        from_tables(members, json_path, o)
        return 0
    if members is not None or not regions:
        raise click.UsageError("give --region with --run, or --members alone")
    return _from_run(regions, json_path, o)


def _from_run(regions: tuple[str, ...], json_path: Path | None, o: Any) -> int:
    from qhsink.cli.csv_files import write_json
    from qhsink.config import load_settings
    from qhsink.steps.modelled import ModelRequest, modelled_estimates
    from qhsink.steps.plot_files import read_plots

    settings = load_settings()
    request = ModelRequest(
        run=run_folder(o["run"], o["month"], o["source"], settings),
        regions=tuple(dict.fromkeys(regions)),
        indicator=o["indicator"],
        value=o["value"],
        plot_m=o["plot_m"],
        confidence=o["confidence"],
    )
    plots = None if o["residuals"] is None else read_plots(o["residuals"])
    result = modelled_estimates(request, plots, settings)
    if for_people(json_path):
        click.echo(_text(result))
    write_json(json_path, _as_json(request, result))
    for name, why in result.refused.items():
        click.echo(f"refused {name}: {why}", err=True)
    return REFUSED if result.refused else 0


def _text(result: ModelledResult) -> str:
    from qhsink.estimation.field_plots import spell_units

    known = result.residuals
    lines = [line for found in result.estimates for line in _region_lines(found)]
    lines += variogram_lines(known.variogram, known.origin)
    if known.bias is not None:
        lines.append(
            f"map minus plots {known.bias:+.4f} (SE {known.bias_se:.4f}): not "
            "corrected here; qhsink estimate region does"
        )
    if result.without_map:
        lines.append(f"plots without a map value: {spell_units(result.without_map)}")
    lines.append(f"flags: {', '.join(known.flags) or 'none'}")
    if result.run.provenance == "simulated":
        lines.append("SIMULATED pixels or training data: no statement about Qinghai.")
    return "\n".join(lines)


def _region_lines(found: RegionModelled) -> list[str]:
    value, mean, region = found.estimate, found.mean, found.region
    lines = [
        (
            f"{region.name_zh} {region.name_en} ({region.id}), {value.indicator}, "
            f"{value.period}"
        ),
        (
            f"  map mean      {value.value:.4f}  ({found.sums.land_ha:,.0f} ha of "
            f"land, {found.sums.valid_share:.1%} of it mapped; {mean.df + 1:g} members)"
        ),
        f"  SE, members   {mean.variance.parameters**0.5:.4f}",
        (
            f"  SE, residuals {mean.variance.residuals**0.5:.4f}  (mean correlation "
            f"{mean.mean_correlation:.3g} over the region's shape)"
        ),
        (
            f"  model-based   SE {value.se:.4f}  {100 * value.confidence:g} % "
            f"{value.low:.4f} to {value.high:.4f}  (df {value.df:g})"
        ),
    ]
    if found.verdict is not None:
        from qhsink.reporting.wording import outcome_words

        target, said = found.verdict.target, outcome_words(found.verdict)
        lines.append(
            f"  verdict       {said.words.en}, {target.value:g} "
            f"({target.kind} {target.id})"
        )
    return lines


def _as_json(request: Any, result: ModelledResult) -> dict[str, Any]:
    from qhsink.domain.variogram import describe_variogram

    known = result.residuals
    return {
        "mode": "model-based",
        "indicator": request.indicator,
        "period": result.period.label,
        "model": result.model,
        "confidence": request.confidence,
        "provenance": result.run.provenance,
        "residuals": describe_variogram(known.variogram, source=known.origin)
        | {
            "map_minus_plots": known.bias,
            "map_minus_plots_se": known.bias_se,
            "plots_without_map_value": list(result.without_map),
        },
        "flags": list(known.flags),
        "estimates": [_row(found) for found in result.estimates],
        "refused": dict(result.refused),
    }


def _row(found: RegionModelled) -> dict[str, Any]:
    value, mean = found.estimate, found.mean
    return {
        "region": found.region.id,
        "estimate": value.value,
        "se": value.se,
        "variance": asdict(mean.variance),
        "mean_correlation": mean.mean_correlation,
        "ci": [value.low, value.high],
        "df": value.df,
        "area_ha": value.area_ha,
        "land_ha": found.sums.land_ha,
        "valid_share": value.valid_share,
        "outside_share": value.outside_share,
        "outcome": found.verdict.outcome if found.verdict else None,
        "p_met": found.verdict.p_met if found.verdict else None,
    }

"""``qhsink estimate model``: the map alone, with members and correlated residuals.

From a finished run, or from tables for a verifier without imagery. Options and what
people read; the work is in ``qhsink.steps.modelled`` and ``qhsink.estimation``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_more import limits, tell
from qhsink.cli.estimate_region import REFUSED, run_folder

if TYPE_CHECKING:
    from qhsink.domain.variogram import Variogram
    from qhsink.steps.modelled import ModelledResult, RegionModelled

FILE = click.Path(dir_okay=False, path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)
ORIGINS = {
    "plots": "map minus plots that the model has not seen",
    "out_of_fold": "out-of-fold residuals on the model's card",
    "assumed": "ASSUMED in the configuration, not calibrated",
    "given": "given on the command line",
}


@click.command("model")
@click.option(
    "--region", "regions", multiple=True, metavar="ID", help="Region of a finished run."
)
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of a finished run."
)
@click.option("--month", metavar="YYYY-MM", help="Instead of --run: the run's month,")
@click.option("--source", metavar="NAME", help="and its source.")
@click.option("--indicator", default="fvc_peak", show_default=True, metavar="ID")
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
    "--nugget-share", type=click.FloatRange(0, 1), default=0.0, show_default=True
)
@click.option(
    "--variogram",
    type=click.Choice(["exponential", "spherical"]),
    default="exponential",
    show_default=True,
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.90,
    show_default=True,
)
@click.option("--json", "json_path", type=FILE, help="Write the result here.")
def model(
    *, regions: tuple[str, ...], members: Path | None, json_path: Path | None, **o: Any
) -> int:
    """Model-based mean, residuals correlated; hybrid where members come by cluster."""
    if members is not None and not regions:
        _from_tables(members, json_path, o)
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
    if str(json_path) != "-":
        click.echo(_text(result))
    write_json(json_path, _as_json(request, result))
    for name, why in result.refused.items():
        click.echo(f"refused {name}: {why}", err=True)
    return REFUSED if result.refused else 0


def _text(result: ModelledResult) -> str:
    from qhsink.estimation.field_plots import spell_units

    known = result.residuals
    lines = [line for found in result.estimates for line in _region_lines(found)]
    lines += _variogram_lines(known.variogram, known.origin)
    if known.bias is not None:
        lines.append(
            f"map minus plots {known.bias:+.4f} (SE {known.bias_se:.4f}): not "
            "corrected here; qhsink estimate region does"
        )
    if result.without_map:
        lines.append(f"plots without a map value: {spell_units(result.without_map)}")
    lines.append(f"flags: {', '.join(known.flags) or 'none'}")
    if result.run.provenance == "simulated":
        lines.append("SIMULATED pixels: no statement about Qinghai.")
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


def _variogram_lines(variogram: Variogram, origin: str) -> list[str]:
    return [
        (
            f"residuals: {variogram.kind}, nugget {variogram.nugget:.3g}, sill "
            f"{variogram.sill:.3g}, range {variogram.range_m:,.0f} m, n {variogram.n}"
        ),
        f"  from {ORIGINS[origin]}",
    ]


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


def _from_tables(members: Path, json_path: Path | None, o: Any) -> None:
    from qhsink.cli.csv_files import read_csv, write_json
    from qhsink.domain.variogram import describe_variogram

    frame, table = read_csv(members), str(members)
    origin, variogram = _given_variogram(o)
    told = variogram and describe_variogram(variogram, source=origin)
    if "cluster" in frame.columns:
        row = _hybrid(frame, table, variogram, o)
    else:
        row = _wall_to_wall(frame, table, variogram, o)
    row |= {"confidence": o["confidence"], "residuals": told}
    write_json(json_path, row)
    tell([row], ("mode", "mean", "se_mean"), json_path)
    if row.get("flags") and str(json_path) != "-":
        click.echo(f"flags: {', '.join(row['flags'])}")
    if variogram is not None and str(json_path) != "-":
        click.echo("\n".join(_variogram_lines(variogram, origin)))


def _given_variogram(o: Any) -> tuple[str, Variogram | None]:
    """Return where residuals come from, and their variogram; None where not given."""
    from qhsink.domain.variogram import Variogram

    if o["residuals"] is not None:
        return "plots", _fitted(o["residuals"])
    if o["residual_sd"] is None or o["range_m"] is None:
        return "given", None
    sill, share = o["residual_sd"] ** 2, o["nugget_share"]
    return "given", Variogram(
        share * sill, (1.0 - share) * sill, o["range_m"], o["variogram"], 0
    )


def _fitted(path: Path) -> Variogram:
    from qhsink.cli.csv_files import read_csv
    from qhsink.estimation.schema import numbers, require_columns
    from qhsink.mapping.residual_variogram import fit_variogram

    names = ("x_m", "y_m", "residual")
    frame = require_columns(read_csv(path), names, table=str(path))
    x, y, residual = (numbers(frame, name, table=str(path)) for name in names)
    return fit_variogram(x, y, residual)


def _wall_to_wall(
    frame: Any, table: str, variogram: Variogram | None, o: Any
) -> dict[str, Any]:
    import numpy as np

    from qhsink.estimation.intervals import critical_value
    from qhsink.estimation.model_based import model_variance
    from qhsink.estimation.schema import numbers, require_columns

    if variogram is None or o["area_ha"] is None or o["pixel_m"] is None:
        raise click.UsageError(
            "a wall-to-wall mean needs --area-ha, --pixel-m, and --residuals or "
            "--residual-sd with --range-m: residuals are correlated, RMSE/sqrt(N) is "
            "not their error"
        )
    means = numbers(require_columns(frame, ("mean",), table=table), "mean", table=table)
    parts = model_variance(
        means,
        variogram,
        area_m2=o["area_ha"] * 1e4,
        pixel_m2=o["pixel_m"] ** 2,
    )
    value, df = float(np.mean(means)), len(means) - 1.0
    quantile = critical_value(o["confidence"], df=df)
    return {
        "mode": "model-based",
        "mean": value,
        "se_mean": parts.se,
        "variance": asdict(parts),
        "df": df,
        "ci_mean": limits(value, parts.se, quantile),
    }


def _hybrid(
    frame: Any, table: str, variogram: Variogram | None, o: Any
) -> dict[str, Any]:
    """Return the mean over clusters; residuals add where an area is given."""
    from qhsink.config import project_dir
    from qhsink.config.reliability import load_interval_rules
    from qhsink.estimation.hybrid import hybrid_mean
    from qhsink.estimation.reliability import cluster_flags
    from qhsink.estimation.spatial import residual_variance_of_region

    residual = 0.0
    if variogram is not None:
        if o["area_ha"] is None or o["pixel_m"] is None:
            raise click.UsageError(
                "residuals of a region need --area-ha and --pixel-m (the footprint)"
            )
        residual = residual_variance_of_region(
            variogram, area_m2=o["area_ha"] * 1e4, pixel_m2=o["pixel_m"] ** 2
        )
    totals, sizes = _clusters(frame, table)
    rules = load_interval_rules(project_dir())
    found = hybrid_mean(totals, sizes, residual_variance=residual)
    return {
        "mode": "hybrid",
        "mean": found.value,
        "se_mean": found.variance.se,
        "variance": asdict(found.variance),
        "clusters": found.clusters,
        "skewness": found.skewness,
        "df": found.df,
        "ci_mean": found.interval(o["confidence"]),
        "flags": list(cluster_flags(totals.mean(axis=0), sizes, rules=rules)),
    }


def _clusters(frame: Any, table: str) -> tuple[Any, Any]:
    """Return totals by member and cluster, and footprints by cluster."""
    import numpy as np

    from qhsink.domain.errors import TableError
    from qhsink.estimation.schema import labels, numbers, require_columns

    frame = require_columns(frame, ("member", "cluster", "total", "size"), table=table)
    member, m = np.unique(labels(frame, "member", table=table), return_inverse=True)
    cluster, c = np.unique(labels(frame, "cluster", table=table), return_inverse=True)
    totals = np.full((len(member), len(cluster)), np.nan)
    sizes = np.full((len(member), len(cluster)), np.nan)
    totals[m, c] = numbers(frame, "total", table=table)
    sizes[m, c] = numbers(frame, "size", table=table, minimum=0.0)
    if len(frame) != totals.size or np.isnan(totals).any():
        raise TableError(
            f"{table}: {len(frame)} rows for {len(member)} members and "
            f"{len(cluster)} clusters",
            expected="one row for every member and cluster",
            remedy="Complete the table.",
        )
    if np.ptp(sizes, axis=0).any():
        name = str(cluster[np.flatnonzero(np.ptp(sizes, axis=0))[0]])
        raise TableError(
            f"{table}: cluster {name!r} with another size in another member",
            expected="the footprints of a cluster, the same for every member",
            remedy="Correct the column 'size'.",
        )
    return totals, sizes[0]

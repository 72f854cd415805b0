"""``qhsink models calibrate`` and ``qhsink estimate calibrated``.

Options and what people read; the work is in ``qhsink.steps.calibration``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_region import REFUSED
from qhsink.cli.groups import examples

if TYPE_CHECKING:
    from qhsink.steps.calibration import CalibratedResult, CalibrationFile

FILE = click.Path(dir_okay=False, path_type=Path)
SIMULATED = "SIMULATED plots, pixels or training data: no statement about Qinghai."
_confidence = click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.90,
    show_default=True,
    help="Of the two-sided interval.",
)


@click.command(
    epilog=examples(
        "qhsink models calibrate fvc --plots plots.gpkg \\",
        "  --run out/2025-08-demo --out c.json",
    )
)
@click.argument("target", type=click.Choice(["fvc"]))
@click.option(
    "--plots",
    required=True,
    type=FILE,
    help="Plots as `qhsink train` reads them, with se, position_sd_m, stratum "
    "(grassland type) and region (county).",
)
@click.option(
    "--run",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of a finished run.",
)
@click.option(
    "--indicator",
    type=click.Choice(["fvc_peak", "fvc_month"]),
    default="fvc_peak",
    show_default=True,
    help="Which map.",
)
@click.option("--value", metavar="COL", help="Column of the cover.  [default: TARGET]")
@click.option(
    "--plot-size",
    "plot_m",
    type=click.FloatRange(0, 5000, min_open=True),
    help="Size of every plot [m], where the table has no plot_m.",
)
@click.option(
    "--position-error",
    "position_sd_m",
    type=click.FloatRange(0),
    help="Standard error of recorded places [m], where the table has none.",
)
@_confidence
@click.option("--out", type=FILE, help="Write the calibration here (JSON).")
def calibrate(
    target: str,
    value: str | None,
    confidence: float,
    out: Path | None,
    **options: Any,
) -> None:
    """Fit plot cover on a run's map by grassland type, errors in both; check it."""
    from qhsink.cli.csv_files import write_json
    from qhsink.config import load_settings
    from qhsink.steps.calibration import make_calibration
    from qhsink.steps.calibration_pairs import PlotRequest

    made = make_calibration(
        PlotRequest(value=value or target, **options),
        load_settings(),
        confidence=confidence,
    )
    if str(out) != "-":
        click.echo(_text(made))
    write_json(out, made.to_json())


@click.command(
    epilog=examples(
        "qhsink estimate calibrated --calibration c.json \\",
        "  --run out/2025-08-demo --region 632324",
    )
)
@click.option("--calibration", "path", required=True, type=FILE, help="Its file.")
@click.option(
    "--run",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of a finished run with the same model and pixel.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    required=True,
    metavar="ID",
    help="Region of the run, or a sum of its parts; one mean for each.",
)
@click.option(
    "--type",
    "type_name",
    default="",
    metavar="NAME",
    help="Grassland type of these regions' land.  [default: the line of all types]",
)
@_confidence
@click.option("--json", "json_path", type=FILE, help="Write the means here.")
def calibrated(
    path: Path,
    run: Path,
    regions: tuple[str, ...],
    type_name: str,
    confidence: float,
    json_path: Path | None,
) -> int:
    """Move the mean of a run's map to what plots measure, with its error."""
    from qhsink.cli.csv_files import write_json
    from qhsink.config import load_settings
    from qhsink.steps.calibration import calibrated_means, read_calibration

    file = read_calibration(path)
    result = calibrated_means(
        file,
        run,
        tuple(dict.fromkeys(regions)),
        load_settings(),
        type_name=type_name,
        confidence=confidence,
    )
    if str(json_path) != "-":
        click.echo(_means(file, result, type_name))
    write_json(json_path, _as_json(file, result, type_name))
    for name, why in result.refused.items():
        click.echo(f"refused {name}: {why}", err=True)
    return REFUSED if result.refused else 0


def _text(made: CalibrationFile) -> str:
    from qhsink.steps.calibration import line_rows

    lines = [
        (
            f"{made.indicator}, {made.period}, map of {made.model_id}, "
            f"{made.pixel_size_m:g} m; plots of {made.plots}"
        ),
        (
            f"{'type':28s} {'rule':13s} {'plots':>5s} {'counties':>8s} "
            f"{'intercept':>17s} {'slope':>16s} {'scatter':>8s}"
        ),
    ]
    lines += [_line(row) for row in line_rows(made.calibration)]
    lines += _evidence(made)
    if made.provenance == "simulated":
        lines.append(SIMULATED)
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['type']:28s} {row['rule']:13s} {row['plots']:5d} {row['counties']:8d} "
        f"{row['intercept']:+8.3f} ± {row['se_intercept']:.3f} "
        f"{row['slope']:8.3f} ± {row['se_slope']:.3f} {row['scatter']:8.3f}"
    )


def _evidence(made: CalibrationFile) -> list[str]:
    found, held = made.calibration, made.calibration.held
    level = f"{held.confidence:.0%}"
    lines = [
        f"slope by ordinary least squares, diluted  {found.ordinary_slope:.3f}",
        f"a county around its line                  SD {found.county_sd:.3f}",
        f"leave-county-out, {held.plots} plots in {held.counties} counties:",
        f"  map as it is   bias {held.map_bias:+.3f}  RMSE {held.map_rmse:.3f}",
        (
            f"  calibrated     bias {held.bias:+.3f}  RMSE {held.rmse:.3f}  "
            f"{level} intervals hold {held.plot_coverage:.1%} of plots, "
            f"{held.counties_covered} of {held.counties} county means"
        ),
    ]
    if found.without:
        few = ", ".join(f"{name} ({n} plots)" for name, n in found.without.items())
        lines.append(f"no line: {few}")
    if made.without_map_value:
        from qhsink.estimation.field_plots import spell_units

        names = spell_units(made.without_map_value)
        lines.append(f"no map value at {len(made.without_map_value)} plots: {names}")
    return lines


def _means(file: CalibrationFile, result: CalibratedResult, type_name: str) -> str:
    lines = [
        (
            f"{file.indicator}, calibrated to plots of {file.period} "
            f"({type_name or 'all types'}); not 草原综合植被盖度"
        )
    ]
    for found in result.estimates:
        value = found.estimate
        lines.append(
            f"{found.region.name_zh} ({found.region.id})  map {found.map_mean:.4f}  "
            f"{value.mode} {value.value:.4f}  SE {value.se:.4f}  "
            f"{value.confidence:.0%} {value.low:.4f} to {value.high:.4f}  "
            f"(df {value.df:g})"
        )
        lines += [f"  flag: {flag}" for flag in value.flags]
    simulated = any(f.estimate.provenance == "simulated" for f in result.estimates)
    return "\n".join([*lines, SIMULATED] if simulated else lines)


def _as_json(
    file: CalibrationFile, result: CalibratedResult, type_name: str
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "calibration": {
            "plots": file.plots,
            "plots_sha256": file.plots_sha256,
            "model": file.model_id,
            "type": type_name or None,
        },
        "estimates": [
            {"map_mean": found.map_mean, **asdict(found.estimate)}
            for found in result.estimates
        ],
        "refused": dict(result.refused),
    }

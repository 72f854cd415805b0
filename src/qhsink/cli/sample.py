"""``qhsink sample``: draw reference samples, and check what comes back.

Options, progress and tables for people; sizes, allocation and placement are in
``qhsink.estimation``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import PurposeGroup, examples
from qhsink.cli.options import FILE, POSITIVE

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy as np

    from qhsink.cli.sample_frame import Frame

OBJECTIVES = ("total", "overall-accuracy", "class-accuracy")


@click.group(cls=PurposeGroup)
def sample() -> None:
    """Draw reference samples with known inclusion probabilities."""


@sample.command(
    epilog=examples(
        "qhsink sample design --region 632324 --strata-raster types.tif \\",
        "  --n 120 --seed 1 --out plots",
        "qhsink sample design --strata strata.csv --objective total \\",
        "  --relative 0.1 --seed 1 --out plots",
    )
)
@click.option(
    "--kind",
    type=click.Choice(["stratified", "systematic", "random"]),
    default="stratified",
    show_default=True,
    help="How units are drawn.",
)
@click.option("--region", metavar="ID", help="Region from the vector database.")
@click.option("--region-file", type=FILE, help="Polygons (GeoPackage, GeoJSON, ...).")
@click.option("--strata-field", metavar="COL", help="Stratum field of --region-file.")
@click.option("--strata-raster", type=FILE, help="Raster whose values are strata.")
@click.option(
    "--strata",
    type=FILE,
    help="CSV: stratum[,units][,sd][,mean][,users_accuracy]: what is anticipated; "
    "alone, with units, it yields sizes without places.",
)
@click.option(
    "--allocation",
    type=click.Choice(["equal", "proportional", "neyman"]),
    default="proportional",
    show_default=True,
    help="How the sample is shared out among strata.",
)
@click.option(
    "--minimum", type=int, default=2, show_default=True, help="Least per stratum."
)
@click.option("--n", type=int, help="Sample size; or give an objective.")
@click.option(
    "--objective",
    type=click.Choice(OBJECTIVES),
    help="What --half-width or --relative is of; gives the sample size.",
)
@click.option("--half-width", type=float, help="Half-width wanted, in its own unit.")
@click.option(
    "--relative", type=float, help="Half-width of a total as a share of it, e.g. 0.1."
)
@click.option(
    "--confidence",
    type=float,
    default=0.90,
    show_default=True,
    help="Of the two-sided interval.",
)
@click.option(
    "--unit-m",
    type=POSITIVE,
    default=20.0,
    show_default=True,
    help="Edge of a sample unit in polygons [m].",
)
@click.option("--seed", type=int, required=True, help="Reproduces the draw.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write.",
)
def design(out: Path, **options: Any) -> None:
    """Draw a sample; write design.gpkg, .csv, .kml, .json and sheets."""
    import numpy as np

    from qhsink.cli.sample_files import write_design, write_record
    from qhsink.cli.sample_plan import frame_sizes, plan_sizes

    places = ("region", "region_file", "strata_raster")
    if not any(options[name] for name in places) and options["strata"]:
        available = frame_sizes(options["strata"])
        plan = plan_sizes(available, options)
        click.echo("\n".join(plan.lines))
        write_record(out, _record(options, available, plan.sizes))
        click.echo(f"sizes only, no places, in {out / 'design.json'}")
        return
    frame = _frame(options)
    plan = plan_sizes(frame.available, options)
    click.echo("\n".join(plan.lines))
    rng = np.random.default_rng(options["seed"])
    units = _draw(frame, plan.sizes, options["kind"], rng)
    drawn = units["stratum"].value_counts().to_dict()
    record = _record(options, frame.available, drawn) | {
        "source": frame.source,
        "unit_area_ha": frame.unit_area_ha,
        "crs": frame.crs.name,
    }
    write_design(out, units, record)
    click.echo(f"{len(units)} units in {out}: design.gpkg, .csv, .kml, sheet.html")


def _record(
    options: dict[str, Any], available: dict[str, float], drawn: dict[str, int]
) -> dict[str, Any]:
    """Return how the design was made, for ``design.json``."""
    kept = ("kind", "seed", "confidence", "allocation", "minimum", "objective")
    return {name: options[name] for name in (*kept, "half_width", "relative")} | {
        "n": int(sum(drawn.values())),
        "strata": {
            name: {"units": size, "n": int(drawn.get(name, 0))}
            for name, size in available.items()
        },
    }


def _frame(options: dict[str, Any]) -> Frame:
    from qhsink.cli.sample_frame import (
        polygon_frame,
        raster_frame,
        region_polygons,
    )
    from qhsink.domain.errors import TableError
    from qhsink.grid import qinghai_albers

    given = options["region"], options["region_file"]
    if options["strata_raster"] is not None:
        if options["kind"] != "stratified":
            raise TableError(
                f"--strata-raster with --kind {options['kind']}",
                expected="--kind stratified",
                remedy="Give a region for a systematic or simple random sample.",
            )
        inside = None
        if any(given):
            polygons, _ = region_polygons(*given, None)
            inside = polygons["all"]
        return raster_frame(options["strata_raster"], inside, qinghai_albers())
    field = options["strata_field"] if options["kind"] == "stratified" else None
    polygons, source = region_polygons(*given, field)
    return polygon_frame(polygons, options["unit_m"], source)


def _draw(
    frame: Frame, sizes: dict[str, int], kind: str, rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """Return the drawn units, shuffled so that an id does not tell its stratum."""
    import geopandas as gpd
    import numpy as np
    import pandas as pd

    from qhsink.cli.sample_frame import WHOLE
    from qhsink.estimation.placement import draw_systematic

    parts = []
    for name, count in sizes.items():
        if kind == "systematic" and frame.polygons is not None:
            edge = (frame.unit_area_ha * 1e4) ** 0.5
            found = draw_systematic(frame.polygons[WHOLE], count, cell_m=edge, rng=rng)
        else:
            found = frame.draw(name, count, rng)
        parts.append(
            pd.DataFrame(
                {
                    "stratum": name,
                    "inclusion_prob": found.probability,
                    "weight": 1.0 / found.probability,
                    "x": found.x,
                    "y": found.y,
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table = table.iloc[rng.permutation(len(table))].reset_index(drop=True)
    points = gpd.GeoSeries(gpd.points_from_xy(table["x"], table["y"]), crs=frame.crs)
    degrees = points.to_crs("EPSG:4326")
    table["lon"], table["lat"] = np.round(degrees.x, 7), np.round(degrees.y, 7)
    table.insert(0, "id", [f"{number:05d}" for number in range(1, len(table) + 1)])
    return gpd.GeoDataFrame(table, geometry=points)


@sample.command(epilog=examples("qhsink sample check plots/design.gpkg returned.csv"))
@click.argument("design_path", metavar="DESIGN", type=FILE)
@click.argument("returned_path", metavar="RETURNED", type=FILE)
@click.option(
    "--tolerance-m",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Distance a unit may have moved [m].",
)
@click.option("--json", "json_path", type=FILE, help="Write the findings here.")
@click.pass_context
def check(
    context: click.Context,
    design_path: Path,
    returned_path: Path,
    tolerance_m: float,
    json_path: Path | None,
) -> None:
    """Compare what came back with DESIGN; exit 2 when they differ."""
    from dataclasses import asdict

    from qhsink.cli.csv_files import write_json
    from qhsink.estimation.returned import check_returned
    from qhsink.steps.plot_files import read_plots

    sent, came = read_plots(design_path), read_plots(returned_path)
    findings = check_returned(sent, came, tolerance_m=tolerance_m)
    hint = _datum_hint(sent, came, tolerance_m)
    for finding in findings:
        click.echo(f"{finding.unit}: {finding.problem}: {finding.detail}")
    if hint:
        click.echo(hint)
    click.echo(
        f"{len(sent)} units sent, {len(came)} rows returned, {len(findings)} findings"
    )
    write_json(
        json_path,
        {
            "sent": len(sent),
            "returned": len(came),
            "findings": [asdict(finding) for finding in findings],
            "hint": hint,
        },
    )
    if findings:
        context.exit(2)


def _datum_hint(sent: Any, came: Any, tolerance_m: float) -> str | None:
    """Return a hint when the moved points are those of GCJ-02."""
    import numpy as np
    import pandas as pd
    import pyproj

    from qhsink.regions.datum import gcj02_from_wgs84

    if not {"id", "lon", "lat"} <= set(sent.columns) & set(came.columns):
        return None
    both = sent.merge(came, on="id", suffixes=("_0", "_1"))
    ends = both[["lon_0", "lat_0", "lon_1", "lat_1"]].apply(
        pd.to_numeric, errors="coerce"
    )
    lon_0, lat_0, lon_1, lat_1 = ends.dropna().to_numpy(dtype=float).T
    if not len(lon_0):
        return None
    geod = pyproj.Geod(ellps="GRS80")
    moved = np.asarray(geod.inv(lon_0, lat_0, lon_1, lat_1)[2]) > tolerance_m
    shifted = gcj02_from_wgs84(lon_0, lat_0)
    gap = np.asarray(geod.inv(*shifted, lon_1, lat_1)[2])
    if moved.sum() == 0 or np.mean(gap[moved] <= tolerance_m) < 0.5:
        return None
    return (
        "Most moved units lie where GCJ-02 puts them: they were read off a Chinese "
        "map app. Convert them back to WGS84 or read the device's GPS."
    )

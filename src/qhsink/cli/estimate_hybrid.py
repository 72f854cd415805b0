"""``qhsink estimate hybrid``: tracks of footprints joined to a finished run.

Options and what people read; the work is in ``qhsink.steps.hybrid``. Tables of member
totals by cluster, without a run, are ``estimate model --members``.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_region import REFUSED, run_folder
from qhsink.cli.groups import examples
from qhsink.cli.options import CONFIDENCE, FILE, JSON, POSITIVE, for_people

if TYPE_CHECKING:
    from qhsink.steps.hybrid import HybridResult, RegionHybrid


@click.command(
    "hybrid",
    epilog=examples(
        "qhsink estimate hybrid --run out/2025-08-demo --region 632324 \\",
        "  --tracks gedi.csv",
    ),
)
@click.option(
    "--region", "regions", multiple=True, required=True, metavar="ID", help="Region."
)
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of a finished run."
)
@click.option("--month", metavar="YYYY-MM", help="Instead of --run: the run's month,")
@click.option("--source", metavar="NAME", help="and its source.")
@click.option(
    "--tracks",
    required=True,
    type=FILE,
    help="Footprints: CSV with lon, lat (WGS84), or points, such as "
    "`qhsink sources gedi` writes.",
)
@click.option(
    "--cluster",
    default="site",
    show_default=True,
    metavar="COL",
    help="Column of the track that a footprint is of.",
)
@click.option(
    "--indicator",
    default="fvc_peak",
    show_default=True,
    metavar="ID",
    help="Map of the run.",
)
@click.option(
    "--value",
    metavar="COL",
    help="Column of the footprints' own values, in the unit of the map: they then "
    "correct the map. Without it the map is read along the tracks.",
)
@click.option(
    "--value-se",
    type=POSITIVE,
    help="Standard error that these values share: that of their own model.",
)
@CONFIDENCE
@JSON
def hybrid(
    *, tracks: Path, regions: tuple[str, ...], json_path: Path | None, **o: Any
) -> int:
    """Mean from tracks of footprints on a run's map: sampling and model error."""
    from qhsink.cli.csv_files import write_json
    from qhsink.config import load_settings
    from qhsink.steps.hybrid import hybrid_estimates
    from qhsink.steps.hybrid_footprints import HybridRequest
    from qhsink.steps.plot_files import read_plots

    settings = load_settings()
    run, month, source = (o.pop(name) for name in ("run", "month", "source"))
    request = HybridRequest(
        run=run_folder(run, month, source, settings),
        regions=tuple(dict.fromkeys(regions)),
        **o,
    )
    result = hybrid_estimates(request, read_plots(tracks), settings)
    if for_people(json_path):
        click.echo(_text(request, result))
    write_json(json_path, _as_json(request, result))
    for name, why in result.refused.items():
        click.echo(f"refused {name}: {why}", err=True)
    return REFUSED if result.refused else 0


def _text(request: Any, result: HybridResult) -> str:
    lines = [
        line for found in result.estimates for line in _lines(request, result, found)
    ]
    if result.run.provenance == "simulated":
        lines.append("SIMULATED pixels or training data: no statement about Qinghai.")
    return "\n".join(lines)


def _lines(request: Any, result: HybridResult, found: RegionHybrid) -> list[str]:
    region, mean, parts = found.region, found.mean, found.mean.variance
    interval, level = mean.interval(request.confidence), 100 * request.confidence
    span = "none" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
    lines = [
        (
            f"{region.name_zh} {region.name_en} ({region.id}), {result.indicator.id}, "
            f"{result.period.label}"
        ),
        (
            f"  tracks        {mean.clusters}, {found.footprints} footprints on mapped "
            f"land, {found.without_map} without a map value"
        ),
        f"  SE, sampling  {parts.sampling**0.5:.4f}",
        f"  SE, model     {parts.parameters**0.5:.4f}",
        f"  SE, residuals {parts.residuals**0.5:.4f}",
        (
            f"  hybrid mean   {mean.value:.4f}  SE {parts.se:.4f}  {level:g} % {span}  "
            f"(df {mean.df:.1f})"
        ),
        (
            f"  map mean      {found.map_mean:.4f}  wall to wall: without a sampling "
            "term, qhsink estimate model"
        ),
    ]
    if found.scale is not None:
        total, se = found.scale * mean.value, found.scale * parts.se
        lines.append(
            f"  total         {total:,.0f} {result.indicator.unit}  SE {se:,.0f}"
        )
    return [*lines, f"  flags         {', '.join(found.flags) or 'none'}"]


def _as_json(request: Any, result: HybridResult) -> dict[str, Any]:
    return {
        "mode": "hybrid",
        "method": "tracks" if request.value is None else "tracks, map as auxiliary",
        "indicator": request.indicator,
        "unit": result.indicator.unit,
        "period": result.period.label,
        "cluster": request.cluster,
        "confidence": request.confidence,
        "provenance": result.run.provenance,
        "estimates": [_row(request, found) for found in result.estimates],
        "refused": dict(result.refused),
    }


def _row(request: Any, found: RegionHybrid) -> dict[str, Any]:
    mean, scale = found.mean, found.scale
    interval = mean.interval(request.confidence)
    ci = None if interval is None else [float(end) for end in interval]
    return {
        "region": found.region.id,
        "mean": mean.value,
        "se_mean": mean.variance.se,
        "ci_mean": ci,
        "total": None if scale is None else scale * mean.value,
        "se_total": None if scale is None else scale * mean.variance.se,
        "ci_total": None
        if scale is None or ci is None
        else [scale * end for end in ci],
        "variance": asdict(mean.variance),
        "df": mean.df if math.isfinite(mean.df) else None,
        "skewness": mean.skewness,
        "clusters": mean.clusters,
        "footprints": found.footprints,
        "without_map_value": found.without_map,
        "map_mean": found.map_mean,
        "land_ha": found.sums.seen_ha,
        "valid_share": found.sums.valid_share,
        "flags": list(found.flags),
    }

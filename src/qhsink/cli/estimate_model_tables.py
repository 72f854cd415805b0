"""``qhsink estimate model --members``: model-based and hybrid means from tables.

For a verifier without imagery; the numbers are made in ``qhsink.estimation``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.estimate_rows import limits, tell
from qhsink.cli.options import for_people

if TYPE_CHECKING:
    from qhsink.domain.variogram import Variogram

ORIGINS = {
    "plots": "map minus plots that the model has not seen",
    "out_of_fold": "out-of-fold residuals on the model's card",
    "assumed": "ASSUMED in the configuration, not calibrated",
    "given": "given on the command line",
}


def from_tables(members: Path, json_path: Path | None, o: Any) -> None:
    """Print, and write as JSON, the estimate from tables under options ``o``."""
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
    if row.get("flags") and for_people(json_path):
        click.echo(f"flags: {', '.join(row['flags'])}")
    if variogram is not None and for_people(json_path):
        click.echo("\n".join(variogram_lines(variogram, origin)))


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


def variogram_lines(variogram: Variogram, origin: str) -> list[str]:
    """Return a variogram and its origin in words."""
    return [
        (
            f"residuals: {variogram.kind}, nugget {variogram.nugget:.3g}, sill "
            f"{variogram.sill:.3g}, range {variogram.range_m:,.0f} m, n {variogram.n}"
        ),
        f"  from {ORIGINS[origin]}",
    ]

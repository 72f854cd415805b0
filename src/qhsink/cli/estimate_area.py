"""``qhsink estimate area``: areas and accuracies of map classes from tables.

Options and what people read; the estimator is ``qhsink.estimation.area``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qhsink.cli.estimate_rows import aligned
from qhsink.cli.groups import examples
from qhsink.cli.options import FILE, JSON, for_people

if TYPE_CHECKING:
    from qhsink.estimation.area import Accuracy, AreaEstimate, Labels, Stratum


@click.command(
    epilog=examples(
        "qhsink estimate area --sample s.csv --strata strata.csv --json area.json"
    )
)
@click.option(
    "--sample", required=True, type=FILE, help="CSV: stratum,map,reference[,count]."
)
@click.option(
    "--strata", required=True, type=FILE, help="CSV: stratum,units[,unit_area_ha]."
)
@click.option("--fpc", is_flag=True, help="Correct for sampling without replacement.")
@click.option(
    "--confidence",
    type=float,
    default=0.95,
    show_default=True,
    help="Of the two-sided interval.",
)
@JSON
def area(
    sample: Path,
    strata: Path,
    *,
    fpc: bool,
    confidence: float,
    json_path: Path | None,
) -> None:
    """Areas and accuracies of map classes (Olofsson 2014, Stehman 2014)."""
    from qhsink.cli.csv_files import write_json
    from qhsink.estimation.area import estimate_area

    result = estimate_area(
        _read_labels(sample), _read_strata(strata), fpc=fpc, confidence=confidence
    )
    if for_people(json_path):
        click.echo(_area_table(result))
    write_json(json_path, asdict(result))


def _read_labels(path: Path) -> Labels:
    import numpy as np

    from qhsink.cli.csv_files import read_csv
    from qhsink.domain.errors import TableError
    from qhsink.estimation.area import Labels
    from qhsink.estimation.schema import labels, numbers, require_columns

    table = str(path)
    frame = require_columns(
        read_csv(path), ("stratum", "map", "reference"), table=table
    )
    count = np.ones(len(frame))
    if "count" in frame.columns:
        count = numbers(frame, "count", table=table, minimum=0.0)
        if np.any(count != np.round(count)):
            raise TableError(
                f"{table}, column 'count': not a whole number",
                expected="sample units counted one by one",
                remedy="Give counts, not weights or shares.",
            )
    kept = count > 0
    return Labels(
        stratum=labels(frame, "stratum", table=table)[kept],
        map=labels(frame, "map", table=table)[kept],
        reference=labels(frame, "reference", table=table)[kept],
        count=count[kept],
    )


def _read_strata(path: Path) -> dict[str, Stratum]:
    from qhsink.cli.csv_files import read_csv
    from qhsink.domain.errors import TableError
    from qhsink.estimation.area import Stratum
    from qhsink.estimation.schema import numbers, sizes_by_label

    frame = read_csv(path)
    units = sizes_by_label(frame, table=str(path))
    areas: Sequence[float | None] = [None] * len(units)
    if "unit_area_ha" in frame.columns:
        known = numbers(frame, "unit_area_ha", table=str(path))
        if (known <= 0.0).any():
            raise TableError(
                f"{path}, column 'unit_area_ha': {known.min():g}",
                expected="a positive area in hectares",
                remedy="A 10 m pixel has 0.01 ha, a 30 m pixel 0.09 ha.",
            )
        areas = known.tolist()
    return {
        name: Stratum(size, area)
        for (name, size), area in zip(units.items(), areas, strict=True)
    }


def _area_table(result: AreaEstimate) -> str:
    unit = result.area_unit
    percent = f"{100 * result.confidence:g} %"
    rows = [("class", f"area [{unit}]", f"± {percent}", "user's", "producer's")]
    for name, found in result.classes.items():
        half = (found.ci_ha[1] - found.ci_ha[0]) / 2.0
        rows.append(
            (
                name,
                f"{found.area_ha:,.1f}",
                f"{half:,.1f}",
                _pair(found.users_accuracy, found.se_users),
                _pair(found.producers_accuracy, found.se_producers),
            )
        )
    overall = _pair(result.overall_accuracy, result.se_overall_accuracy)
    return "\n".join(
        [
            *aligned(rows),
            f"overall accuracy {overall} (standard error), n = {result.n}",
            result.method,
            *_accuracy_lines(result, percent),
            *(
                f"{name}: {flag}"
                for name, found in result.classes.items()
                for flag in found.flags
            ),
        ]
    )


def _accuracy_lines(result: AreaEstimate, percent: str) -> list[str]:
    """Return the interval of every accuracy, and what speaks against it."""
    told = [("overall", result.overall)]
    for name, found in result.classes.items():
        told += [
            (f"{name}, {whose}", one)
            for whose, one in (("user's", found.users), ("producer's", found.producers))
            if one is not None
        ]
    return [f"{percent} of accuracies, logit:"] + [
        f"  {what}: {_span(one)}{''.join(f'; {flag}' for flag in one.flags)}"
        for what, one in told
    ]


def _span(found: Accuracy) -> str:
    return "none" if found.ci is None else f"{found.ci[0]:.4f} to {found.ci[1]:.4f}"


def _pair(value: float | None, se: float | None) -> str:
    return "-" if value is None or se is None else f"{value:.4f} ({se:.4f})"

"""Rows of estimates as people read them, with their limits.

Estimators are in ``qhsink.estimation``; reading and JSON in ``csv_files``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from qhsink.cli.options import for_people


def limits(value: float, se: float, quantile: float | None) -> list[float] | None:
    """Return value ∓ quantile se; None where no degree of freedom is left."""
    if quantile is None:
        return None
    return [value - quantile * se, value + quantile * se]


def tell(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], json_path: Path | None
) -> None:
    """Print the columns ``names`` of ``rows``, unless JSON goes to the terminal."""
    if not for_people(json_path):
        return
    click.echo("  ".join(f"{name:>14}" for name in names))
    for row in rows:
        cells = (row[name] for name in names)
        click.echo(
            "  ".join(
                f"{cell:>14.6g}" if isinstance(cell, int | float) else f"{cell!s:>14}"
                for cell in cells
            )
        )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row, the first column flush left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]

"""CSV and JSON files for the table commands: text in, text out.

What the columns mean is checked by ``qhsink.estimation.schema``, not here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from qhsink.domain.errors import TableError
from qhsink.steps.plot_files import read_csv

__all__ = ["read_csv", "write_json"]


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write ``content`` as JSON; to standard output for ``-``; nowhere for None.

    Raises
    ------
    TableError
        When the file cannot be written.
    """
    if path is None:
        return
    # allow_nan=False: what is undefined is null, never NaN.
    try:
        text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    except ValueError as error:
        raise TableError(
            "a result beyond the range of numbers",
            expected="values and weights of a sensible size",
            remedy="Check the units of the columns.",
        ) from error
    text += "\n"
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TableError(
            f"{path}: {error.strerror}",
            expected="a place that can be written",
            remedy="Choose another --json FILE.",
        ) from error

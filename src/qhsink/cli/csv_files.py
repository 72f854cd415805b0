"""CSV and JSON files for the table commands: text in, text out.

What the columns mean is checked by ``qhsink.estimation.schema``, not here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pandas as pd

from qhsink.domain.errors import TableError

ENCODINGS = ("utf-8-sig", "gb18030")
"""Tried in turn: with or without a byte order mark, then what Chinese Excel writes."""


def read_csv(path: Path) -> pd.DataFrame:
    """Return the CSV file as text cells, blanks kept as empty text.

    Raises
    ------
    TableError
        When the file is absent, not text, empty, ragged, or repeats a column.
    """
    for encoding in ENCODINGS:
        try:
            frame = _parse(path, encoding)
        except UnicodeDecodeError:
            continue
        frame.columns = pd.Index([str(name).strip() for name in frame.columns])
        _refuse_repeats(path, frame)
        return frame
    raise _unreadable(path, "it is not text")


def _parse(path: Path, encoding: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            encoding=encoding,
            header=None,
            skip_blank_lines=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise _unreadable(path, str(error).strip()) from error
    except OSError as error:
        raise _unreadable(path, error.strerror or "it cannot be opened") from error
    # The header is read as a row: pandas would rename a repeated column unasked.
    body = frame.iloc[1:].reset_index(drop=True)
    body.columns = pd.Index(frame.iloc[0].tolist())
    return body


def _unreadable(path: Path, why: str) -> TableError:
    return TableError(
        f"{path}: {why}",
        expected="a CSV file with one header line, comma-separated, in UTF-8",
        remedy="Export it again as CSV.",
    )


def _refuse_repeats(path: Path, frame: pd.DataFrame) -> None:
    repeated = sorted(set(frame.columns[frame.columns.duplicated()]))
    if repeated:
        raise TableError(
            f"{path} has column {', '.join(map(repr, repeated))} more than once",
            expected="each column once",
            remedy="Rename or remove one of them.",
        )


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

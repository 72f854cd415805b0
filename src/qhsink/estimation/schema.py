"""Columns of a table as checked arrays: what a verifier typed, or an exact complaint.

Takes frames whose cells are text, as read from CSV. Opening files does not belong
here, nor does any estimator.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import TableError

FIRST_ROW = 2
"""Line of the first data row in a CSV file with one header line."""

_WHOLE = re.compile(r"^([+-]?\d+)\.0+$")


def require_columns(
    frame: pd.DataFrame, names: Iterable[str], *, table: str
) -> pd.DataFrame:
    """Return ``frame`` when it has rows and every column in ``names``.

    Raises
    ------
    TableError
        Naming the absent columns and listing those present.
    """
    wanted = list(names)
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        present = ", ".join(map(str, frame.columns)) or "none"
        raise TableError(
            f"{table} has no column {', '.join(map(repr, absent))} "
            f"(columns present: {present})",
            expected=f"columns {', '.join(wanted)}",
            remedy="Add the column, or name the right one on the command line.",
        )
    if frame.empty:
        raise TableError(
            f"{table} has no rows",
            expected="at least one row below the header",
            remedy="Check that the file is complete.",
        )
    return frame


def labels(frame: pd.DataFrame, column: str, *, table: str) -> NDArray[np.str_]:
    """Return ``column`` as text labels of shape (n,).

    Surrounding blanks are dropped and ``3.0`` reads as ``3``, because one program's
    integer is another's float.

    Raises
    ------
    TableError
        When a label is missing.
    """
    cells = [_label(cell) for cell in frame[column]]
    for line, cell in zip(_lines(frame), cells, strict=True):
        if not cell:
            _missing(table, column, line)
    return np.asarray(cells, dtype=np.str_)


def _label(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    text = str(cell).strip()
    whole = _WHOLE.match(text)
    return whole.group(1) if whole else text


def _missing(table: str, column: str, line: int) -> NoReturn:
    raise TableError(
        f"{table}, column {column!r}, line {line}: no value",
        expected="a value in every row",
        remedy="Fill it in, or remove the row and redo the weights: a missing unit "
        "changes the sample.",
    )


def numbers(
    frame: pd.DataFrame, column: str, *, table: str, minimum: float | None = None
) -> NDArray[np.float64]:
    """Return ``column`` as finite floats of shape (n,).

    Parameters
    ----------
    minimum : float, optional
        Least value allowed.

    Raises
    ------
    TableError
        Naming line and column of a cell that is missing, not a number, not finite
        or below ``minimum``.
    """
    values = []
    for line, cell in zip(_lines(frame), frame[column], strict=True):
        text = _label(cell)
        if not text:
            _missing(table, column, line)
        value = _number(text, f"{table}, column {column!r}, line {line}")
        if minimum is not None and value < minimum:
            raise TableError(
                f"{table}, column {column!r}, line {line}: {text}",
                expected=f"a number of at least {minimum:g}",
                remedy="Correct the value.",
            )
        values.append(value)
    return np.asarray(values, dtype=float)


def _lines(frame: pd.DataFrame) -> list[int]:
    """Return the line of each row in its file: a subset keeps its lines."""
    return [int(row) + FIRST_ROW for row in frame.index]


def _number(text: str, where: str) -> float:
    try:
        # Python reads 1_000 as a number; no other program does.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(
            f"{where}: {text!r}",
            expected="a finite number",
            remedy="Correct the value; write decimals with a point and no unit.",
        )
    return value


def sizes_by_label(
    frame: pd.DataFrame, *, table: str, key: str = "stratum", value: str = "units"
) -> dict[str, float]:
    """Return ``value`` by ``key``, in the order of the table.

    Raises
    ------
    TableError
        When a key comes twice or a size is not positive.
    """
    require_columns(frame, (key, value), table=table)
    names = labels(frame, key, table=table)
    amounts = numbers(frame, value, table=table, minimum=0.0)
    sizes: dict[str, float] = {}
    for name, amount in zip(names.tolist(), amounts.tolist(), strict=True):
        if name in sizes:
            raise TableError(
                f"{table}: {key} {name!r} comes twice",
                expected=f"one row per {key}",
                remedy="Merge or rename the rows.",
            )
        if amount <= 0:
            raise TableError(
                f"{table}: {key} {name!r} has {value} {amount:g}",
                expected="a positive size",
                remedy="Remove strata without units.",
            )
        sizes[name] = amount
    return sizes


def match_strata(
    sample: NDArray[np.str_], sizes: Mapping[str, float], *, least: int = 2
) -> NDArray[np.intp]:
    """Return the position in ``sizes`` of each sample unit's stratum, shape (n,).

    Raises
    ------
    TableError
        When a unit lies in an unknown stratum, or a stratum has fewer than
        ``least`` units: its variance cannot be estimated (Cochran 1977, sec. 5A.12).
    """
    names = list(sizes)
    position = {name: index for index, name in enumerate(names)}
    unknown = sorted(set(sample.tolist()) - set(names))
    if unknown:
        raise TableError(
            f"sample units in stratum {', '.join(map(repr, unknown))}, which the "
            "strata table lacks",
            expected=f"one of {', '.join(names)}",
            remedy="Add the stratum with its size, or correct the sample.",
        )
    codes = np.asarray([position[name] for name in sample.tolist()], dtype=np.intp)
    refuse_thin_strata(np.bincount(codes, minlength=len(names)), names, least=least)
    return codes


def refuse_thin_strata(
    counts: NDArray[np.intp], names: list[str], *, least: int = 2
) -> None:
    """Raise TableError for the first stratum with fewer than ``least`` units."""
    for name, count in zip(names, counts.tolist(), strict=True):
        if count < least:
            raise TableError(
                f"stratum {name!r} has {count} sample unit{'' if count == 1 else 's'}",
                expected=f"at least {least} in every stratum of the strata table",
                remedy="Merge it with a similar stratum (by a rule set before looking "
                "at the data) or sample more units in it.",
            )

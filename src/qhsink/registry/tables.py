"""Training tables: numbers and labels of CSV files, refused where they are neither.

Models are ``qhsink.registry.folders``' business.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import TableError

MAX_UNPACKED = 200_000_000
"""Greatest size of a training table, unpacked [bytes]."""


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return ``columns`` of a CSV file (gzip or not) as floats.

    Raises
    ------
    TableError
        When the file or a column is missing, or a value is no finite number.
    """
    table = _read(path)
    absent = [name for name in columns if name not in table]
    if absent:
        raise TableError(
            f"{path.name} without column {absent[0]!r}",
            expected=f"the columns {', '.join(columns)}",
            remedy="Add it, or rename the one that holds it.",
        )
    # Of pandas True is a number; no measurement is.
    told = table[list(columns)].apply(lambda c: c.astype(str) if c.dtype == bool else c)
    numbers: pd.DataFrame = told.apply(pd.to_numeric, errors="coerce")
    bad = np.argwhere(~np.isfinite(numbers.to_numpy(np.float64)))
    if len(bad):
        row, column = bad[0]
        raise TableError(
            f"{path.name} row {row + 2}: {columns[column]} = "
            f"{str(table[columns[column]].iloc[row])!r}",
            expected="a finite number",
            remedy="Correct or remove the row.",
        )
    return numbers


def read_numbers(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return every column of a CSV file that is at least half numbers, NaN elsewhere.

    Raises
    ------
    TableError
        When the file cannot be read.
    """
    found = {}
    for name, cells in _read(path).items():
        values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
        if np.isfinite(values).mean() >= 0.5:
            found[str(name)] = values
    return found


def _read(path: Path, *, as_text: bool = False) -> pd.DataFrame:
    """Return a CSV file, bounded: a small file may unpack to a great one."""
    packed = "gzip" if path.suffix.lower() == ".gz" else None
    try:
        if packed:
            with gzip.open(path) as file:
                text = file.read(MAX_UNPACKED + 1)
        else:
            text = path.read_bytes() if path.stat().st_size <= MAX_UNPACKED else b""
        if not 0 < len(text) <= MAX_UNPACKED:
            raise TableError(
                f"{path.name} cannot be read (empty, or larger than "
                f"{MAX_UNPACKED // 10**6} MB)",
                expected="a CSV file of no more, unpacked",
                remedy="Leave out rows and columns that training does not need.",
            )
        return pd.read_csv(io.BytesIO(text), dtype=str if as_text else None)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise TableError(
            f"{path.name} cannot be read ({error})",
            expected="a CSV file, packed with gzip or not at all",
            remedy="Name another with --table.",
        ) from error


def read_labels(path: Path, column: str, *, least: int = 5) -> NDArray[np.int64]:
    """Return a number for each distinct text in a column of a CSV file.

    Raises
    ------
    TableError
        When the column is missing or has gaps, or fewer than ``least`` groups: as
        many folds could not be made of them.
    """
    found, labels = "absent", None
    table = _read(path, as_text=True)
    if column in table:
        labels = table[column]
        found = f"{int(labels.isna().sum())} gaps and {labels.nunique()} groups"
    if labels is None or labels.isna().any() or labels.nunique() < least:
        raise TableError(
            f"{path.name} column {column!r}: {found}",
            expected=f"a label in every row, at least {least} different ones",
            remedy="Name another column with --group.",
        )
    return np.unique(labels.to_numpy(str), return_inverse=True)[1].astype(np.int64)


def table_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Training tables: numbers and labels of CSV files, refused where they are neither.

Models are ``qhsink.registry.folders``' business.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import TableError


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return ``columns`` of a CSV file (gzip or not) as floats.

    Raises
    ------
    TableError
        When the file or a column is missing, or a value is no finite number.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError, EOFError) as error:
        raise TableError(
            f"{path.name} cannot be read ({error})",
            expected="a CSV file",
            remedy="Name another with --table.",
        ) from error
    absent = [name for name in columns if name not in table]
    if absent:
        raise TableError(
            f"{path.name} without column {absent[0]!r}",
            expected=f"the columns {', '.join(columns)}",
            remedy="Add it, or rename the one that holds it.",
        )
    numbers: pd.DataFrame = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    bad = np.argwhere(~np.isfinite(numbers.to_numpy(np.float64)))
    if len(bad):
        row, column = bad[0]
        raise TableError(
            f"{path.name} row {row + 2}: {columns[column]} = "
            f"{table[columns[column]].iloc[row]!r}",
            expected="a finite number",
            remedy="Correct or remove the row.",
        )
    return numbers


def read_labels(path: Path, column: str, *, least: int = 5) -> NDArray[np.int64]:
    """Return a number for each distinct text in a column of a CSV file.

    Raises
    ------
    TableError
        When the column is missing or has gaps, or fewer than ``least`` groups: as
        many folds could not be made of them.
    """
    found, labels = "absent", None
    if column in pd.read_csv(path, nrows=0).columns:
        labels = pd.read_csv(path, usecols=[column], dtype=str)[column]
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

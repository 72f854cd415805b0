"""Auxiliaries of the sample beside their population means, from tables.

A means table is wide (one column per auxiliary, one row, or one row per domain or
stratum) or long (one row per auxiliary). Calibrating to them is ``greg``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qhsink.domain.errors import TableError
from qhsink.estimation.schema import labels, numbers, require_columns
from qhsink.estimation.survey import Floats

SAMPLE, MEANS = "the sample", "the table of auxiliary means"
_SEPARATORS = ("", ".", ":", "=", "_")


@dataclass(frozen=True, slots=True)
class Auxiliaries:
    """Auxiliary columns, without intercept."""

    names: tuple[str, ...]
    """Column names; a category appears once per level but one."""
    columns: Floats
    """Values of the sample units, shape (n, p)."""
    means: Floats
    """Population means, shape (p,) or, by group, (groups, p)."""
    groups: tuple[str, ...] = ()
    """Domain or stratum labels of the rows of ``means``; empty for one row."""
    units: Floats | None = None
    """Population units by group, where the table has a column ``units``."""
    first_phase: float | None = None
    """First-phase units the means come from, where the table has a column ``n``."""


def read_auxiliaries(
    sample: pd.DataFrame,
    means: pd.DataFrame,
    names: Sequence[str],
    *,
    group: str | None = None,
) -> Auxiliaries:
    """Return the auxiliaries ``names`` with their population means.

    Parameters
    ----------
    sample, means : DataFrame
        Text tables.
    group : str, optional
        Column of ``means`` that, where present, makes it one row per group.

    Notes
    -----
    A name that ``means`` lacks is taken as a category: the sample's column is
    expanded to 0/1 for every level whose share is given as ``nameLEVEL``,
    ``name.LEVEL``, ``name:LEVEL``, ``name=LEVEL`` or ``name_LEVEL``. One level may be
    absent; with all given, the first is left out as the reference.

    Raises
    ------
    TableError
        For absent columns or levels.
    """
    require_columns(sample, names, table=SAMPLE)
    grouped = group is not None and group in means.columns
    table = means if grouped else _widen(means, names)
    if not grouped and len(table) != 1:
        raise TableError(
            f"{MEANS} has {len(table)} rows",
            expected="one row of population means"
            + (f", or a column {group!r} with one row each" if group else ""),
            remedy="Give one row, or add the column.",
        )
    columns: list[Floats] = []
    keys: list[str] = []
    for name in names:
        for key, values in _expand(sample, table, name):
            keys.append(key)
            columns.append(values)
    known = np.column_stack([numbers(table, key, table=MEANS) for key in keys])
    units = None
    if grouped and "units" in table.columns:
        units = numbers(table, "units", table=MEANS, minimum=0.0)
    first_phase = None
    if not grouped and "n" in table.columns and "n" not in keys:
        first_phase = float(numbers(table, "n", table=MEANS, minimum=1.0)[0])
    return Auxiliaries(
        first_phase=first_phase,
        names=tuple(keys),
        columns=np.column_stack(columns),
        means=known if grouped else known[0],
        groups=_group_labels(table, group) if grouped and group else (),
        units=units,
    )


def _group_labels(table: pd.DataFrame, group: str) -> tuple[str, ...]:
    names: list[str] = labels(table, group, table=MEANS).tolist()
    if len(set(names)) < len(names):
        raise TableError(
            f"{MEANS} names a level of {group!r} twice",
            expected="one row per level",
            remedy="Merge the rows.",
        )
    return tuple(names)


def _widen(means: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a long table (auxiliary, mean) as one wide row."""
    if means.shape[1] < 2 or any(name in means.columns for name in names):
        return means
    keys = [str(cell).strip() for cell in means.iloc[:, 0]]
    if not any(key.startswith(name) for key in keys for name in names):
        return means
    value = "mean" if "mean" in means.columns else means.columns[1]
    return pd.DataFrame([means[value].to_list()], columns=keys)


def _expand(
    sample: pd.DataFrame, table: pd.DataFrame, name: str
) -> list[tuple[str, Floats]]:
    if name in table.columns:
        return [(name, numbers(sample, name, table=SAMPLE))]
    cells = labels(sample, name, table=SAMPLE)
    levels = sorted(set(cells.tolist()))
    keys = {level: _level_key(table, name, level) for level in levels}
    absent = [level for level, key in keys.items() if key is None]
    if len(absent) > 1 or len(levels) == len(absent):
        present = ", ".join(map(str, table.columns))
        raise TableError(
            f"{MEANS} has no column {name!r}, nor one for its levels "
            f"{', '.join(absent)} (columns present: {present})",
            expected=f"{name}, or {name}:LEVEL for every level of a category but one",
            remedy="Add the population mean, or the share of each level.",
        )
    if not absent:
        keys.pop(levels[0])
    return [
        (key, (cells == level).astype(float))
        for level, key in keys.items()
        if key is not None
    ]


def _level_key(table: pd.DataFrame, name: str, level: str) -> str | None:
    for separator in _SEPARATORS:
        if f"{name}{separator}{level}" in table.columns:
            return f"{name}{separator}{level}"
    return None

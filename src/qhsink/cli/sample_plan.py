"""From options and a table of anticipations to sample sizes by stratum.

The formulas are in ``qhsink.estimation.design``; drawing is ``sample``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.cli.csv_files import read_csv
from qhsink.domain.errors import TableError
from qhsink.estimation.design import (
    allocate,
    allocation_shares,
    anticipated_se,
    binomial_spread,
    size_for_half_width,
    sizes_for_users_accuracy,
)
from qhsink.estimation.intervals import critical_value
from qhsink.estimation.schema import (
    labels,
    numbers,
    require_columns,
    sizes_by_label,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many units in each stratum, and what they promise."""

    sizes: dict[str, int]
    """Sample units by stratum."""
    lines: tuple[str, ...]
    """The plan, for people."""


def plan_sizes(available: Mapping[str, float], options: Mapping[str, Any]) -> Plan:
    """Return the sample size of every stratum in the frame.

    Raises
    ------
    TableError
        When neither a size nor an objective is given, or the table lacks a stratum or
        an anticipated value that the objective needs.
    """
    names = list(available)
    units = np.asarray(list(available.values()), dtype=float)
    table = _anticipated(options["strata"], names)
    spread = _spread(table, options["objective"])
    if options["objective"] == "class-accuracy":
        accuracy = _column(table, "users_accuracy")
        found = sizes_for_users_accuracy(
            accuracy, _half_width(options), confidence=options["confidence"]
        )
        found = np.maximum(found, options["minimum"])
        short = found > units
        if np.any(short):
            raise TableError(
                f"{found[short][0]} units wanted of {units[short][0]:g}",
                expected="no more than the stratum holds",
                remedy="Widen --half-width.",
            )
    else:
        found = _allocated(units, spread, table, options)
    lines = _lines(names, units, found, spread, options)
    return Plan(dict(zip(names, found.tolist(), strict=True)), lines)


def _allocated(
    units: NDArray[np.float64],
    spread: NDArray[np.float64] | None,
    table: pd.DataFrame | None,
    options: Mapping[str, Any],
) -> NDArray[np.int64]:
    """Return whole sizes; more than the formula's where a minimum costs precision."""
    share = allocation_shares(options["allocation"], units, spread)
    minimum = options["minimum"]

    def at(total: int) -> NDArray[np.int64]:
        return allocate(total, share, available=units, minimum=minimum)

    if options["objective"] is None or spread is None:
        return at(_given_size(options))
    target = _target(units, table, options)
    total = _needed(units, spread, target, options)
    found = at(total)
    while _half_width_of(units, spread, found, options) > target:
        total += 1
        found = at(total)
    return found


def _half_width_of(
    units: NDArray[np.float64],
    spread: NDArray[np.float64],
    found: NDArray[np.int64],
    options: Mapping[str, Any],
) -> float:
    df = int(found.sum()) - len(found)
    quantile = critical_value(options["confidence"], df=max(df, 1)) or math.inf
    return quantile * anticipated_se(units, spread, found, available=units)


def frame_sizes(path: Path) -> dict[str, float]:
    """Return units by stratum from a table, where there is no geometry."""
    return sizes_by_label(read_csv(path), table=str(path))


def _anticipated(path: Path | None, names: list[str]) -> pd.DataFrame | None:
    if path is None:
        return None
    frame = require_columns(read_csv(path), ("stratum",), table=str(path))
    keys = labels(frame, "stratum", table=str(path)).tolist()
    absent = [name for name in names if name not in keys]
    if absent or len(set(keys)) < len(keys):
        raise TableError(
            f"{path}: strata {', '.join(keys)}; the frame has {', '.join(names)}",
            expected="every stratum of the frame, once (a frame without strata has "
            "one, named all)",
            remedy="Add or rename the rows.",
        )
    return frame.iloc[[keys.index(name) for name in names]].reset_index(drop=True)


def _column(table: pd.DataFrame | None, name: str) -> NDArray[np.float64]:
    if table is None:
        raise TableError(
            f"no --strata table with a column {name}",
            expected=f"CSV: stratum,{name}",
            remedy="Add --strata FILE.",
        )
    require_columns(table, (name,), table="the strata table")
    return numbers(table, name, table="the strata table", minimum=0.0)


def _spread(
    table: pd.DataFrame | None, objective: str | None
) -> NDArray[np.float64] | None:
    """Return the anticipated standard deviation by stratum, where it is known."""
    if objective in ("overall-accuracy", "class-accuracy"):
        return binomial_spread(_column(table, "users_accuracy"))
    if objective == "total" or (table is not None and "sd" in table.columns):
        return _column(table, "sd")
    if table is not None and "users_accuracy" in table.columns:
        return binomial_spread(_column(table, "users_accuracy"))
    return None


def _half_width(options: Mapping[str, Any]) -> float:
    value = options["half_width"]
    if value is None:
        raise TableError(
            f"objective {options['objective']} without --half-width",
            expected="the half-width of the interval that is wanted",
            remedy="Add --half-width (or --relative for a total).",
        )
    return float(value)


def _given_size(options: Mapping[str, Any]) -> int:
    if options["n"] is None or options["objective"] is not None:
        raise TableError(
            "a sample size and an objective, or neither",
            expected="--n N, or --objective with --half-width",
            remedy="Give one of them.",
        )
    return int(options["n"])


def _target(
    units: NDArray[np.float64],
    table: pd.DataFrame | None,
    options: Mapping[str, Any],
) -> float:
    """Return the half-width wanted of the mean."""
    if options["n"] is not None:
        return float(_given_size(options))
    if options["objective"] == "total":
        return _half_width_of_mean(units, table, options)
    return _half_width(options)


def _needed(
    units: NDArray[np.float64],
    spread: NDArray[np.float64],
    target: float,
    options: Mapping[str, Any],
) -> int:
    needed = size_for_half_width(
        units,
        spread,
        target,
        confidence=options["confidence"],
        allocation=options["allocation"],
        population=float(units.sum()),
        use_t=True,
    )
    return max(math.ceil(needed), int(options["minimum"]) * len(units))


def _half_width_of_mean(
    units: NDArray[np.float64],
    table: pd.DataFrame | None,
    options: Mapping[str, Any],
) -> float:
    if options["relative"] is None:
        return _half_width(options) / float(units.sum())
    mean = np.sum(units * _column(table, "mean")) / units.sum()
    return float(options["relative"] * mean)


def _lines(
    names: list[str],
    units: NDArray[np.float64],
    found: NDArray[np.int64],
    spread: NDArray[np.float64] | None,
    options: Mapping[str, Any],
) -> tuple[str, ...]:
    width = max(len(name) for name in names)
    lines = [
        f"{name:<{width}}  {count:>7} of {size:,.0f}"
        for name, size, count in zip(names, units, found, strict=True)
    ]
    lines.append(f"{'sum':<{width}}  {found.sum():>7}")
    if spread is not None:
        half = _half_width_of(units, spread, found, options)
        lines.append(
            f"anticipated half-width of the mean at {100 * options['confidence']:g} %: "
            f"{half:.4g}"
        )
    return tuple(lines)

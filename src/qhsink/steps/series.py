"""A yearly series to its trend, and to the verdict on a target without a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qhsink.config import Settings, load_targets
from qhsink.domain.errors import BadInput, TableError
from qhsink.domain.estimate import Target, Verdict
from qhsink.estimation.schema import numbers, require_columns
from qhsink.indicators.trend import Trend, judge_trend, verdict_of_trend

SERIES = "the series"


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """A trend and what it says of a target."""

    trend: Trend
    """Slope and test."""
    verdict: Verdict | None
    """On the target, where one was named."""


def yearly_trend(
    frame: pd.DataFrame,
    settings: Settings,
    *,
    confidence: float,
    target_id: str | None = None,
) -> SeriesResult:
    """Return the trend of a table ``year,value``, and the verdict on a target.

    Parameters
    ----------
    frame : DataFrame
        Text cells, one row a year, ascending. The values are taken to be of the
        target's indicator and region: a table cannot say.

    Raises
    ------
    TableError
        When a cell is odd.
    Refusal
        Below five years.
    """
    require_columns(frame, ("year", "value"), table=SERIES)
    years = numbers(frame, "year", table=SERIES)
    if np.any(years != np.round(years)):
        raise TableError(
            f"{SERIES}: year {years[years != np.round(years)][0]:g}",
            expected="whole years",
            remedy="One value a year.",
        )
    values = numbers(frame, "value", table=SERIES)
    trend = judge_trend(years.tolist(), values.tolist(), confidence=confidence)
    if target_id is None:
        return SeriesResult(trend, None)
    target = _rising_target(target_id, settings)
    return SeriesResult(trend, verdict_of_trend(trend, target, confidence=confidence))


def _rising_target(name: str, settings: Settings) -> Target:
    rising = {t.id: t for t in load_targets(settings.project) if t.value is None}
    if name not in rising:
        raise BadInput(
            f"target {name!r}",
            expected=f"one without a number: {', '.join(rising)}",
            remedy="A target with a number is judged by a value, not by a trend.",
        )
    return rising[name]

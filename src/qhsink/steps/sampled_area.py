"""Areas of what plots show, from a stratified random sample of equal-area units.

Reads the two tables that ``estimate area`` reads, without map classes. What the plots
show is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.domain.estimate import Estimate, Provenance
from qhsink.domain.indicator import Measure
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.domains import Level, TotalEstimate, present
from qhsink.estimation.reliability import sample_flags, strata_flags
from qhsink.estimation.schema import (
    labels,
    match_strata,
    numbers,
    require_columns,
    sizes_by_label,
)
from qhsink.estimation.survey import (
    Floats,
    Moments,
    StratifiedClusters,
    Uncalibrated,
    estimate_total,
    stratified_sample,
)
from qhsink.indicators.interval import student_interval

STRATA = "the strata table"


@dataclass(frozen=True, slots=True)
class AreaRequest:
    """What every indicator of a sampled region is asked with."""

    month: str
    """Month of the plots, ``YYYY-MM``."""
    region: str
    """Region id that the sample's frame is."""
    confidence: float = 0.9
    """Level of intervals and verdicts."""
    provenance: Provenance = "observed"
    """Of the plots."""


@dataclass(frozen=True, slots=True, eq=False)
class AreaSample:
    """A sample whose units have areas."""

    design: StratifiedClusters
    """Weights and strata."""
    unit_ha: Floats
    """Area of each unit [ha], shape (n,)."""
    frame_ha: float
    """Area of all strata [ha]."""

    def moments(self, density: NDArray[np.bool_] | Floats) -> Moments:
        """Return the sum of a density per hectare, with its variance.

        Of a flag that is the area of the units flagged [ha].
        """
        using = Uncalibrated(np.ones(len(density)))
        return estimate_total(self.design, using, self.unit_ha * density)

    def doubts(
        self, density: NDArray[np.bool_] | Floats, rules: IntervalRules
    ) -> tuple[str, ...]:
        """Return what the sample says against the t interval of ``moments``.

        A flag that most plots carry is as badly known as one that few do.
        """
        worth = self.unit_ha * density
        found = sample_flags(worth, kind="t", rules=rules)
        if density.dtype == np.bool_ and not found:
            found = sample_flags(self.unit_ha * (density == 0), kind="t", rules=rules)
        using = self.design
        return found or strata_flags(
            worth, using.stratum, using.weight, se=self.moments(density).se
        )

    def area_of(self, chosen: NDArray[np.bool_], *, level: Level) -> TotalEstimate:
        """Return the area of the units ``chosen`` and its share of the frame.

        All units of the sample count, those outside as zeros, so the degrees of
        freedom are those of the whole design.
        """
        area = self.moments(chosen)
        scale = 1.0 / self.frame_ha
        row = present(
            domain=None,
            n=int(chosen.sum()),
            mean=Moments(area.value * scale, area.variance * scale**2),
            total=area,
            df=self.design.df(np.ones(len(chosen), dtype=bool)),
            level=level,
            method="stratified",
        )
        if level.rules is None:
            return row
        return replace(row, flags=self.doubts(chosen, level.rules))


def flags(frame: pd.DataFrame, column: str, *, table: str) -> NDArray[np.bool_]:
    """Return a column of 1 and 0 as booleans.

    Raises
    ------
    TableError
        When it is absent, or a cell is neither.
    """
    require_columns(frame, (column,), table=table)
    found = labels(frame, column, table=table)
    odd = sorted(set(found.tolist()) - {"0", "1"})
    if odd:
        raise TableError(
            f"{table}, column {column!r}: {odd[0]!r}",
            expected="1 for yes, 0 for no",
            remedy="Correct the cells.",
        )
    return np.asarray(found == "1")


def design_based(
    sample: AreaSample,
    request: AreaRequest,
    indicator: str,
    found: Measure,
    *,
    n: int,
    doubts: tuple[str, ...] = (),
) -> Estimate:
    """Return a number of the sample as an estimate of the region, with its interval.

    Parameters
    ----------
    n : int
        Plots that it rests on.
    doubts : tuple of str
        Flags: what the sample says against the interval.
    """
    df = sample.design.df(np.ones(len(sample.unit_ha), dtype=bool))
    most = {"1": 1.0, "ha": sample.frame_ha}.get(found.unit, np.inf)
    low, high = student_interval(
        found.value, found.se, df, request.confidence, bounds=(0.0, most)
    )
    return Estimate(
        indicator=indicator,
        region=request.region,
        period=request.month,
        value=found.value,
        se=found.se,
        df=df,
        low=low,
        high=high,
        confidence=request.confidence,
        unit=found.unit,
        mode="design-based",
        n=n,
        area_ha=sample.frame_ha,
        valid_share=1.0,
        provenance=request.provenance,
        flags=doubts,
    )


def area_sample(plots: pd.DataFrame, strata: pd.DataFrame, *, table: str) -> AreaSample:
    """Return the design of a table of plots.

    Parameters
    ----------
    plots : DataFrame
        Text cells; ``stratum`` may be absent where there is one stratum.
    strata : DataFrame
        ``stratum,units,unit_area_ha``.

    Raises
    ------
    TableError
        When a table breaks its schema, or a stratum has fewer than 2 plots.
    """
    require_columns(plots, (), table=table)
    sizes = sizes_by_label(strata, table=STRATA)
    require_columns(strata, ("unit_area_ha",), table=STRATA)
    areas = numbers(strata, "unit_area_ha", table=STRATA)
    if (areas <= 0.0).any():
        raise TableError(
            f"{STRATA}, column 'unit_area_ha': {areas.min():g}",
            expected="a positive area in hectares",
            remedy="A 10 m pixel has 0.01 ha, a 30 m pixel 0.09 ha.",
        )
    if "stratum" not in plots.columns and len(sizes) == 1:
        found = np.full(len(plots), next(iter(sizes)))
    else:
        require_columns(plots, ("stratum",), table=table)
        found = labels(plots, "stratum", table=table)
    codes = match_strata(found, sizes)
    units = np.asarray(list(sizes.values()))
    return AreaSample(
        stratified_sample(len(plots), stratum=codes, sizes=units),
        areas[codes],
        float(units @ areas),
    )
